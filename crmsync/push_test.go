package crmsync_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

func TestPushCreatesUpdatesAndLeavesAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		srv := antcrmtest.NewServer(t)
		s, _ := newSyncer(t, srv, dsn)

		first := run(s.Contacts.Push(ctx, customers(250, nil)))
		require.NoError(t, first.end)
		assert.Equal(t, map[crmsync.Action]int{crmsync.Create: 250}, first.done)
		posts, _, _ := writes(srv)
		assert.Equal(t, 3, posts, "packages of 100")
		assert.Equal(t, 250, srv.Count(antcrmtest.Contacts))

		before := srv.RequestCount()
		again := run(s.Contacts.Push(ctx, customers(250, nil)))
		assert.Equal(t, map[crmsync.Action]int{crmsync.Unchanged: 250}, again.done)
		assert.Equal(t, before, srv.RequestCount(), "nothing is sent for what did not change")

		changed := run(s.Contacts.Push(ctx, customers(260, func(i int, c *antcrm.ContactCreateParams) {
			if i < 30 {
				c.Name, c.Tags = "Đã đổi tên", nil
			}
		})))
		require.NoError(t, changed.end)
		assert.Equal(t, map[crmsync.Action]int{crmsync.Unchanged: 220, crmsync.Update: 30, crmsync.Create: 10}, changed.done)
		for _, request := range srv.Requests() {
			if request.Method == http.MethodPut {
				assert.Contains(t, string(request.Body), `"name":"Đã đổi tên"`)
				assert.Contains(t, string(request.Body), `"tags":[]`, "what the source no longer has is cleared")
				assert.NotContains(t, string(request.Body), "phones", "what did not change is not sent")
			}
		}
		assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
	})
}

func TestPushDeletesOnlyWhatItMayAndAsAWhole(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		srv := antcrmtest.NewServer(t)
		require.NoError(t, srv.Seed(antcrmtest.Contacts, customer(999)))
		s, _ := newSyncer(t, srv, dsn)
		_, err := s.Contacts.Ensure(ctx, customer(500))
		require.NoError(t, err)
		require.NoError(t, run(s.Contacts.Push(ctx, customers(20, nil))).end)

		assert.Equal(t, 20, run(s.Contacts.Push(ctx, customers(10, nil))).done[crmsync.Unchanged]+10, "without the option nothing is deleted")
		tooMany := run(s.Contacts.Push(ctx, customers(10, nil), crmsync.WithDeletes(9)))
		require.ErrorIs(t, tooMany.end, crmsync.ErrTooManyDeletes)
		assert.Equal(t, 22, srv.Count(antcrmtest.Contacts))

		plan := run(s.Contacts.Push(ctx, customers(10, nil), crmsync.WithDeletes(10), crmsync.WithDryRun()))
		require.NoError(t, plan.end)
		assert.Equal(t, 10, plan.outcome[antcrm.OutcomeNotSent])
		assert.Equal(t, 22, srv.Count(antcrmtest.Contacts))

		deleted := run(s.Contacts.Push(ctx, customers(10, nil), crmsync.WithDeletes(10)))
		require.NoError(t, deleted.end)
		assert.Equal(t, 10, deleted.done[crmsync.Delete])
		assert.Equal(t, 12, srv.Count(antcrmtest.Contacts), "a person's record and Ensure's stay")
		require.NoError(t, run(s.Contacts.Push(ctx, customers(10, nil), crmsync.WithDeletes(0))).end)
	})
}

func TestASourceThatFailsDeletesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := antcrmtest.NewServer(t)
	s, _ := newSyncer(t, srv, sqliteDSN(t))
	require.NoError(t, run(s.Contacts.Push(ctx, customers(20, nil))).end)
	broken := errors.New("the ERP is gone")
	result := run(s.Contacts.Push(ctx, func(yield func(antcrm.ContactCreateParams, error) bool) {
		if yield(customer(0), nil) {
			yield(antcrm.ContactCreateParams{}, broken)
		}
	}, crmsync.WithDeletes(100)))
	require.ErrorIs(t, result.end, broken)
	assert.Equal(t, 1, result.done[crmsync.Unchanged], "what was read before is accounted for")

	keyless := customer(1)
	keyless.ExternalID = ""
	result = run(s.Contacts.Push(ctx, list(customer(0), keyless), crmsync.WithDeletes(100)))
	require.ErrorIs(t, result.end, antcrm.ErrValidation, "a record without a key may be any of those that seem to be gone")
	assert.Equal(t, 20, srv.Count(antcrmtest.Contacts))
}

func TestAKeyTwiceNamesBothPlaces(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		srv := antcrmtest.NewServer(t)
		s, _ := newSyncer(t, srv, dsn)
		result := run(s.Contacts.Push(context.Background(), list(customer(0), customer(1), customer(0), customer(2))))
		require.NoError(t, result.end)
		require.Len(t, result.errs, 1)
		var double *crmsync.DuplicateKeyError
		require.ErrorAs(t, result.errs[0], &double)
		assert.ErrorIs(t, double, crmsync.ErrDuplicateKey)
		assert.Equal(t, crmsync.DuplicateKeyError{Key: "ERP-000000", First: 0, Second: 2}, *double)
		assert.Equal(t, 3, srv.Count(antcrmtest.Contacts))
	})
}

func TestABadRecordDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	s, state := newSyncer(t, srv, sqliteDSN(t))
	bad := customer(7)
	bad.Name = ""
	result := run(s.Contacts.Push(context.Background(), list(customer(0), bad, customer(1))))
	require.NoError(t, result.end)
	assert.Equal(t, 2, result.done[crmsync.Create])
	require.Len(t, result.errs, 1)
	var invalid *antcrm.ValidationError
	require.ErrorAs(t, result.errs[0], &invalid)
	assert.Equal(t, 1, invalid.Index)
	assert.Empty(t, unknown(t, state))
}

func TestALostAnswerIsLookedUpAndNotSentAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		srv := antcrmtest.NewServer(t)
		s, state := newSyncer(t, srv, dsn, crmsync.WithSettle(time.Millisecond))
		// One package is carried out and its answer lost, one never arrives.
		srv.Inject(antcrmtest.Fault{Method: http.MethodPost, BodyContains: `"ERP-000000"`, Do: antcrmtest.CloseAfter, Times: 1})
		srv.Inject(antcrmtest.Fault{Method: http.MethodPost, BodyContains: `"ERP-000100"`, Status: http.StatusBadGateway, Times: 1})
		first := run(s.Contacts.Push(ctx, customers(300, nil), crmsync.WithConcurrency(1)))
		require.NoError(t, first.end)
		assert.Equal(t, 200, first.outcome[antcrm.OutcomeUnknown])
		assert.Len(t, unknown(t, state), 200)

		time.Sleep(2 * time.Millisecond)
		second := run(s.Contacts.Push(ctx, customers(300, nil)))
		require.NoError(t, second.end)
		assert.Empty(t, second.errs)
		assert.Empty(t, unknown(t, state))
		assert.Equal(t, 300, srv.Count(antcrmtest.Contacts))
		assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
	})
}

func TestAYoungIntentStaysUnknown(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := antcrmtest.NewServer(t)
	s, state := newSyncer(t, srv, sqliteDSN(t))
	srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Do: antcrmtest.CloseAfter, Times: 1})
	require.NoError(t, run(s.Contacts.Push(ctx, customers(3, nil))).end)
	before := srv.RequestCount()
	again := run(s.Contacts.Push(ctx, customers(3, nil)))
	require.NoError(t, again.end)
	assert.Equal(t, 3, again.outcome[antcrm.OutcomeUnknown])
	require.ErrorIs(t, again.errs[0], antcrm.ErrOutcomeUnknown)
	assert.Equal(t, before, srv.RequestCount(), "nobody is asked while the request may be under way")

	for key, in := range unknown(t, state) {
		record, ok := srv.Record(antcrmtest.Contacts, "customerIdApiRing", key)
		require.True(t, ok)
		var id struct{ LeadID antcrm.ID }
		require.NoError(t, jsonUnmarshal(record, &id))
		require.NoError(t, state.Settle(ctx, in, antcrm.OutcomeDone, string(id.LeadID)))
		require.ErrorIs(t, state.Settle(ctx, in, antcrm.OutcomeDone, "1"), antcrm.ErrConflict)
	}
	settled := run(s.Contacts.Push(ctx, customers(3, nil)))
	assert.Equal(t, 3, settled.done[crmsync.Unchanged])
}

func TestOrdersAreUpdatedByTheRememberedNumber(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		srv := antcrmtest.NewServer(t)
		s, _ := newSyncer(t, srv, dsn)
		order := antcrm.OpportunityCreateParams{Name: "Đơn 1", ReceiverName: "Mai", ExternalID: "SO-1", Value: "150000", Stage: "New", Assignees: []string{"a@example.com"}}
		require.NoError(t, run(s.Orders.Push(ctx, list(order))).end)
		order.Stage = "Delivered"
		result := run(s.Orders.Push(ctx, list(order)))
		require.NoError(t, result.end)
		assert.Equal(t, 1, result.done[crmsync.Update])
		requests := srv.Requests()
		last := requests[len(requests)-1]
		assert.Equal(t, http.MethodPut, last.Method)
		assert.Contains(t, string(last.Body), `"value":150000`, "an update without the value lets the CRM price the order anew")
		assert.Contains(t, string(last.Body), `"stage":"Delivered"`)

		order.Assignees = []string{"b@example.com"}
		for range 2 {
			result = run(s.Orders.Push(ctx, list(order)))
			require.Len(t, result.errs, 1)
			require.ErrorIs(t, result.errs[0], crmsync.ErrFixedField)
		}
	})
}

func TestProductsArePushedByTheOwnKey(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := antcrmtest.NewServer(t)
	s, _ := newSyncer(t, srv, sqliteDSN(t))
	product := antcrm.ProductCreateParams{Name: "Tivi", Code: "TV-1", ExternalID: "P-1", Value: "5000000"}
	assert.Equal(t, 1, run(s.Products.Push(ctx, list(product))).done[crmsync.Create])
	product.Value = "4500000"
	assert.Equal(t, 1, run(s.Products.Push(ctx, list(product))).done[crmsync.Update])
	assert.Equal(t, 1, run(s.Products.Push(ctx, list[antcrm.ProductCreateParams](), crmsync.WithDeletes(1))).done[crmsync.Delete])
	assert.Zero(t, srv.Count(antcrmtest.Products))
}

func TestAnotherAccountIsRefused(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		one, other := antcrmtest.NewServer(t), antcrmtest.NewServer(t)
		s, state := newSyncer(t, one, dsn)
		require.NoError(t, run(s.Contacts.Push(ctx, customers(1, nil))).end)
		_, err := crmsync.New(ctx, other.Client(), state)
		require.ErrorIs(t, err, crmsync.ErrOtherAccount)
		assert.Zero(t, other.RequestCount())

		require.NoError(t, crmsync.Rebind(ctx, state, one.Client(), other.Client()))
		_, err = crmsync.New(ctx, one.Client(), state)
		require.ErrorIs(t, err, crmsync.ErrOtherAccount)
		moved, err := crmsync.New(ctx, other.Client(), state)
		require.NoError(t, err)
		assert.Equal(t, 1, run(moved.Contacts.Push(ctx, customers(1, nil))).done[crmsync.Unchanged], "the digests are still read")
	})
}

func TestAWrongKeyEndsThePush(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	state := open(t, sqliteDSN(t))
	client, err := antcrm.NewClient("wrong", antcrm.WithBaseURL(srv.URL))
	require.NoError(t, err)
	s, err := crmsync.New(context.Background(), client, state)
	require.NoError(t, err)
	result := run(s.Contacts.Push(context.Background(), customers(5000, nil)))
	require.ErrorIs(t, result.end, antcrm.ErrUnauthorized)
	assert.Less(t, srv.RequestCount(), 20)
	assert.Empty(t, unknown(t, state), "a refusal leaves nothing in doubt")
}

func TestEnsureThatCannotLookItsKeyUpCreatesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := antcrmtest.NewServer(t)
	require.NoError(t, srv.Seed(antcrmtest.Contacts, customer(1))) // another system's, with the key
	s, state := newSyncer(t, srv, sqliteDSN(t))
	fault := srv.Inject(antcrmtest.Fault{Method: http.MethodGet, Status: http.StatusInternalServerError})
	_, err := s.Contacts.Ensure(ctx, customer(1))
	require.ErrorIs(t, err, antcrm.ErrServer)
	assert.Empty(t, unknown(t, state), "nothing was done")
	fault.Remove()
	_, err = s.Contacts.Ensure(ctx, customer(1))
	require.NoError(t, err)
	assert.Equal(t, 1, srv.Count(antcrmtest.Contacts))
}

func TestALostOrderThatHasChangedSinceIsRecognizedByWhatWasSent(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	order := antcrm.OpportunityCreateParams{
		Name: "Đơn 1", ReceiverName: "Mai", ReceiverPhone: "0900000001", ExternalID: "SO-1", Value: "150000", Stage: "New",
		LineItems: []antcrm.LineItem{{Name: "Tivi", Quantity: "2", Value: "75000"}},
	}
	delivered := order
	delivered.Stage = "Delivered"
	moved := delivered
	moved.ReceiverPhone = "0900000009"
	for name, test := range map[string]struct {
		fault   antcrmtest.Effect
		next    antcrm.OpportunityCreateParams
		others  int
		orders  int
		unknown int
	}{
		"it is there":                         {antcrmtest.CloseAfter, delivered, 0, 1, 0},
		"it is not there":                     {antcrmtest.CloseBefore, delivered, 0, 1, 0},
		"two like it are there":               {antcrmtest.CloseAfter, delivered, 1, 2, 1},
		"one that may be another is there":    {antcrmtest.CloseBefore, delivered, 1, 1, 1},
		"it is looked up by what has changed": {antcrmtest.CloseAfter, moved, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := antcrmtest.NewServer(t, antcrmtest.WithAnswer("order-external-id-shown", "hidden"))
			s, state := newSyncer(t, srv, sqliteDSN(t), crmsync.WithSettle(time.Millisecond))
			srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Do: test.fault, Times: 1})
			require.NoError(t, run(s.Orders.Push(ctx, list(order))).end)
			require.Len(t, unknown(t, state), 1)
			for range test.others {
				other := order
				if test.fault == antcrmtest.CloseBefore {
					other.ReceiverName = "Lan"
				}
				require.NoError(t, srv.Seed(antcrmtest.Opportunities, other))
			}
			time.Sleep(3 * time.Millisecond)
			require.NoError(t, run(s.Orders.Push(ctx, list(test.next))).end)
			assert.Equal(t, test.orders, srv.Count(antcrmtest.Opportunities))
			assert.Len(t, unknown(t, state), test.unknown)
			if test.unknown == 0 {
				record, _ := srv.Record(antcrmtest.Opportunities, "opportunityIdApiRing", "SO-1")
				assert.Contains(t, string(record), "Delivered")
			}
		})
	}
}

// A lead that a person has converted has another id than it was created with.
func TestADeletionFindsALeadThatBecameACustomer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := antcrmtest.NewServer(t)
	s, _ := newSyncer(t, srv, sqliteDSN(t))
	require.NoError(t, run(s.Contacts.Push(ctx, customers(3, nil))).end)
	require.NoError(t, srv.Client().Contacts.Delete(ctx, antcrm.ExternalRef(customer(2).ExternalID)))
	converted := customer(2)
	converted.ContactType = antcrm.ContactTypeCustomer
	require.NoError(t, srv.Seed(antcrmtest.Contacts, converted))
	pushed := run(s.Contacts.Push(ctx, customers(2, nil), crmsync.WithDeletes(1)))
	require.NoError(t, pushed.end)
	assert.Equal(t, 1, pushed.done[crmsync.Delete])
	assert.Zero(t, srv.CountByExternalID(antcrmtest.Contacts, converted.ExternalID))
}

// A CRM that merges customers of one phone answers the creation of the second with the reference of the first: an update
// of one would overwrite the other.
func TestTwoKeysNeverShareARecord(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		srv := antcrmtest.NewServer(t)
		s, state := newSyncerThrough(t, srv, dsn, func(req *http.Request, text string) string {
			switch {
			case req.Method != http.MethodPost:
			case strings.HasSuffix(req.URL.Path, "/package"):
				return `{"success":1,"leadId":[1000002,1000003,1000002]}`
			default:
				return `{"success":1,"leadId":1000003}`
			}
			return text
		})
		pushed := run(s.Contacts.Push(ctx, customers(3, nil)))
		require.NoError(t, pushed.end)
		assert.Equal(t, map[antcrm.Outcome]int{antcrm.OutcomeDone: 1, antcrm.OutcomeUnknown: 2}, pushed.outcome)
		_, err := s.Contacts.Ensure(ctx, customer(3))
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
		waiting := unknown(t, state)
		assert.ElementsMatch(t, []string{"ERP-000000", "ERP-000002", "ERP-000003"}, keysOf(waiting))
	})
}
