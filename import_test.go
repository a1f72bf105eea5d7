package antcrm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// ledger is a server of /contacts/package that keeps what it creates: a lead's
// or a customer's number is 1000 more than the number in its own key.
type ledger struct {
	*script

	mu      sync.Mutex
	created map[string]int // by the caller's key: how often
	// refuse answers a chunk before anything is created; a zero reply: it is created.
	refuse func(n int, codes []string) reply
	// lose drops the answer of a chunk that was created.
	lose func(n int, codes []string) bool
}

func newLedger(tb testing.TB) *ledger {
	tb.Helper()
	l := &ledger{created: map[string]int{}}
	l.script = served(tb, l.answer)
	return l
}

func (l *ledger) answer(n int, req seen) reply {
	var contacts []antcrm.ContactCreateParams
	if err := json.Unmarshal([]byte(req.Body), &contacts); err != nil || len(contacts) > antcrm.MaxBatchSize {
		l.tb.Errorf("request %d has no package: %v", n, err)
		return reply{status: http.StatusBadRequest}
	}
	codes := codesOf(contacts)
	if l.refuse != nil {
		if r := l.refuse(n, codes); r.status != 0 || r.err != nil {
			return r
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]int, len(codes))
	for i, code := range codes {
		l.created[code]++
		ids[i] = 1000 + numberOf(code)
		assert.Equal(l.tb, contacts[0].ContactType, contacts[i].ContactType, "two contact types in a request")
	}
	if l.lose != nil && l.lose(n, codes) {
		return reply{err: errLost}
	}
	name := "customerId"
	if contacts[0].ContactType != antcrm.ContactTypeCustomer {
		name = "leadId"
	}
	return ok(fmt.Sprintf(`{"success":1,%q:%s}`, name, toJSON(l.tb, ids)))
}

var errLost = errors.New("connection reset by peer")

// counts tells how many records were created once, and which more often.
func (l *ledger) counts() (once int, doubled []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for code, n := range l.created {
		if n == 1 {
			once++
		} else {
			doubled = append(doubled, code)
		}
	}
	return once, doubled
}

func codesOf(contacts []antcrm.ContactCreateParams) []string {
	codes := make([]string, len(contacts))
	for i, c := range contacts {
		codes[i] = c.ExternalID
	}
	return codes
}

func numberOf(code string) (n int) {
	_, _ = fmt.Sscanf(code, "C%d", &n)
	return n
}

func contact(n int) antcrm.ContactCreateParams {
	return antcrm.ContactCreateParams{Name: fmt.Sprintf("Khách %d", n), ExternalID: fmt.Sprintf("C%d", n)}
}

// contacts are n leads, numbered from 0.
func contacts(n int) []antcrm.ContactCreateParams {
	list := make([]antcrm.ContactCreateParams, n)
	for i := range list {
		list[i] = contact(i)
	}
	return list
}

// from is a source that gives a list and then, if it is not nil, an error.
func from[P any](list []P, err error) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		for _, record := range list {
			if !yield(record, nil) {
				return
			}
		}
		if err != nil {
			var none P
			yield(none, err)
		}
	}
}

type importResult = antcrm.ImportResult[antcrm.ContactRef]

// imported runs an import to its end and checks that each record has exactly
// one result. It returns them in the order of the source.
func imported(tb testing.TB, results iter.Seq2[importResult, error]) (list []importResult, err error) {
	tb.Helper()
	for result, failure := range results {
		require.NoError(tb, err, "nothing comes after the sequence's own error")
		if failure != nil {
			assert.Zero(tb, result)
			err = failure
			continue
		}
		list = append(list, result)
	}
	slices.SortFunc(list, func(a, b importResult) int { return int(a.Index - b.Index) })
	for i, result := range list {
		require.EqualValues(tb, i, result.Index, "each record has one result")
		assert.Equal(tb, result.Outcome == antcrm.OutcomeDone, result.Err == nil)
	}
	return list, err
}

// outcomes is a run-length text: "done×100 unknown×3".
func outcomes(results []importResult) string {
	var parts []string
	for i := 0; i < len(results); {
		first := i
		for i < len(results) && results[i].Outcome == results[first].Outcome {
			i++
		}
		parts = append(parts, fmt.Sprintf("%s×%d", results[first].Outcome, i-first))
	}
	return strings.Join(parts, " ")
}

// checkRefs checks that each record that is done has its own reference.
func checkRefs(tb testing.TB, list []antcrm.ContactCreateParams, results []importResult) {
	tb.Helper()
	for i, result := range results {
		want := antcrm.ContactRef{}
		if result.Outcome == antcrm.OutcomeDone {
			id := antcrm.ID(fmt.Sprint(1000 + numberOf(list[i].ExternalID)))
			want = antcrm.LeadRef(id)
			if list[i].ContactType == antcrm.ContactTypeCustomer {
				want = antcrm.CustomerRef(id)
			}
		}
		require.Equal(tb, want, result.Ref, "record %d", i)
	}
}

func TestImportGivesEveryRecordItsResultAndReference(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 3, 8} {
		server := newLedger(t)
		list := contacts(1234)
		for i := range list {
			if i%3 == 0 {
				list[i].ContactType = antcrm.ContactTypeCustomer
			}
		}
		results, err := imported(t, server.client().Contacts.Import(t.Context(), from(list, nil), antcrm.WithConcurrency(concurrency)))
		require.NoError(t, err)
		assert.Equal(t, "done×1234", outcomes(results))
		checkRefs(t, list, results)
		once, doubled := server.counts()
		assert.Equal(t, 1234, once)
		assert.Empty(t, doubled)
		assert.Len(t, server.all(), 5+9, "412 customers and 822 leads in full chunks")
	}
}

func TestImportOfOrdersReturnsTheirNumbers(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok(`{"success":1,"number":[9457,"9458"]}`), ok(`{"success":1,"number":9459}`))
	orders := []antcrm.OpportunityCreateParams{{Name: "A", ReceiverName: "Mai"}, {Name: "B", ReceiverName: "Mai"}, {Name: "C", ReceiverName: "Mai"}}
	var numbers []antcrm.ID
	for result, err := range server.client().Opportunities.Import(t.Context(), from(orders, nil), antcrm.WithChunkSize(2), antcrm.WithConcurrency(1)) {
		require.NoError(t, err)
		require.NoError(t, result.Err)
		numbers = append(numbers, result.Ref)
	}
	assert.Equal(t, []antcrm.ID{"9457", "9458", "9459"}, numbers)
	assert.Equal(t, "/opportunities/package", server.all()[0].Path)
}

func TestImportReportsInvalidRecordsAndGoesOn(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	list := contacts(250)
	list[0].Name = ""
	list[120].ExternalID = " "
	list[249].Phones = []antcrm.Phone{{Value: "\xff"}}
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(list, nil)))
	require.NoError(t, err)
	assert.Equal(t, "not sent×1 done×119 not sent×1 done×128 not sent×1", outcomes(results))
	checkRefs(t, list, results)
	for index, field := range map[int]string{0: "name", 120: "customerIdApiRing", 249: "phones[0].value"} {
		invalid := requireError[*antcrm.ValidationError](t, results[index].Err)
		assert.Equal(t, index, invalid.Index)
		assert.Equal(t, field, invalid.Field)
	}
	assert.Len(t, server.all(), 3)
}

func TestImportSendsWhatCameBeforeTheSourceFailed(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	broken := errors.New("line 131: bad quote")
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(130), broken)))
	require.ErrorIs(t, err, broken)
	assert.Contains(t, err.Error(), "after 130 records")
	onOneLine(t, err)
	assert.Equal(t, "done×130", outcomes(results))
}

func TestImportOfNothingSendsNothing(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(0), nil)))
	require.NoError(t, err)
	assert.Empty(t, results)
	assert.Empty(t, server.all())
}

func TestImportKeepsTheOutcomesApart(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = func(_ int, codes []string) reply {
		switch codes[0] {
		case "C10":
			return reply{status: http.StatusForbidden, body: `{"message":"no"}`}
		case "C30":
			return reply{status: http.StatusOK, body: `{"success":0}`}
		case "C40":
			return reply{status: http.StatusBadGateway, body: `<html>`}
		}
		return reply{}
	}
	server.lose = func(_ int, codes []string) bool { return codes[0] == "C20" }
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(60), nil), antcrm.WithChunkSize(10)))
	require.NoError(t, err)
	assert.Equal(t, "done×10 rejected×10 unknown×10 rejected×10 unknown×10 done×10", outcomes(results))
	assert.ErrorIs(t, results[10].Err, antcrm.ErrForbidden)
	assert.ErrorIs(t, results[20].Err, antcrm.ErrOutcomeUnknown)
	assert.ErrorIs(t, results[30].Err, antcrm.ErrRejected)
	assert.ErrorIs(t, results[40].Err, antcrm.ErrOutcomeUnknown)
}

func TestImportWithIsolationNamesTheBadRecordsAlone(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = refuseCodes("C7", "C150")
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(200), nil), antcrm.WithIsolation()))
	require.NoError(t, err)
	assert.Equal(t, "done×7 rejected×1 done×142 rejected×1 done×49", outcomes(results))
	assert.LessOrEqual(t, len(server.all()), 2*15)
	_, doubled := server.counts()
	assert.Empty(t, doubled)
}

// refuseCodes rejects every chunk that holds one of the codes.
func refuseCodes(bad ...string) func(int, []string) reply {
	return func(_ int, codes []string) reply {
		for _, code := range bad {
			if slices.Contains(codes, code) {
				return reply{status: http.StatusUnprocessableEntity, body: `{"message":"bad phone 0900000001"}`}
			}
		}
		return reply{}
	}
}

func TestImportStopsOnErrorWhenTold(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = refuseCodes("C15")
	read := 0
	source := func(yield func(antcrm.ContactCreateParams, error) bool) {
		for read = range 1000 {
			if !yield(contact(read), nil) {
				return
			}
		}
	}
	results, err := imported(t, server.client().Contacts.Import(t.Context(), source, antcrm.WithChunkSize(10), antcrm.WithConcurrency(1), antcrm.WithStopOnError()))
	require.NoError(t, err, "the results say it")
	assert.Less(t, read, 50)
	assert.Len(t, server.all(), 2)
	assert.Regexp(t, `^done×10 rejected×10( not sent×[0-9]+)?$`, outcomes(results))
	assert.Len(t, results, read+1, "each record that was read has a result")
}

func TestImportStopsAtAnInvalidRecordWhenTold(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	list := contacts(30)
	list[25].Name = ""
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(list, nil), antcrm.WithChunkSize(10), antcrm.WithConcurrency(1), antcrm.WithStopOnError()))
	require.NoError(t, err)
	require.Len(t, results, 26)
	assert.ErrorIs(t, results[25].Err, antcrm.ErrValidation)
	assert.Equal(t, antcrm.OutcomeNotSent, results[24].Outcome)
}

// stalled is a server that answers nobody until it is opened.
func stalled(l *ledger) (open func()) {
	gate := make(chan struct{})
	l.refuse = func(int, []string) reply { <-gate; return reply{} }
	return sync.OnceFunc(func() { close(gate) })
}

// A synctest bubble fails if a goroutine is left when its function returns.

func TestImportReadsTheSourceNoFasterThanItSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		open := stalled(server)
		read, done := 0, make(chan struct{})
		source := func(yield func(antcrm.ContactCreateParams, error) bool) {
			for read < 10_000 {
				read++
				if !yield(contact(read-1), nil) {
					return
				}
			}
		}
		var results []importResult
		go func() {
			defer close(done)
			results, _ = imported(t, server.client().Contacts.Import(t.Context(), source, antcrm.WithConcurrency(4), antcrm.WithChunkSize(10)))
		}()
		synctest.Wait()
		assert.Equal(t, 50, read, "four chunks under way, a fifth waiting")
		open()
		<-done
		assert.Equal(t, "done×10000", outcomes(results))
	})
}

func TestImportGivesResultsBeforeTheSourceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		given := 0
		source := func(yield func(antcrm.ContactCreateParams, error) bool) {
			for i := range 30 {
				if i%10 == 0 {
					synctest.Wait() // the answers of what was sent are in
					assert.GreaterOrEqual(t, given, i-10, "those of the chunk before the last")
					assert.LessOrEqual(t, given, i)
				}
				if !yield(contact(i), nil) {
					return
				}
			}
		}
		for _, err := range server.client().Contacts.Import(t.Context(), source, antcrm.WithChunkSize(10)) {
			require.NoError(t, err)
			given++
		}
		assert.Equal(t, 30, given)
	})
}

func TestImportSendsNothingMoreWhenTheConsumerBreaksOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		ended := false
		source := func(yield func(antcrm.ContactCreateParams, error) bool) {
			defer func() { ended = true }()
			for i := 0; yield(contact(i), nil); i++ {
			}
		}
		// httpmock answers in a goroutine of its own, which may come late.
		client := server.client(antcrm.WithHTTPClient(&http.Client{Transport: transport(server.respond)}))
		for range client.Contacts.Import(t.Context(), source, antcrm.WithConcurrency(4)) {
			break
		}
		assert.True(t, ended, "the source could clean up")
		sent := len(server.all())
		synctest.Wait()
		assert.Len(t, server.all(), sent)
	})
}

func TestImportCancelsWhatIsUnderWayWhenTheConsumerPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		server.refuse = func(n int, _ []string) reply {
			if n > 0 {
				return reply{err: context.Canceled}
			}
			return reply{}
		}
		assert.PanicsWithValue(t, "consumer", func() {
			for range server.client().Contacts.Import(t.Context(), from(contacts(500), nil), antcrm.WithConcurrency(2)) {
				panic("consumer")
			}
		})
	})
}

func TestImportThatIsCancelledAccountsForWhatItRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("shutting down")
		read := 0
		source := func(yield func(antcrm.ContactCreateParams, error) bool) {
			for ; yield(contact(read), nil); read++ {
			}
		}
		server.refuse = func(n int, _ []string) reply {
			if n < 3 {
				return reply{}
			}
			cancel(cause)
			return reply{err: ctx.Err()} // as a transport does
		}
		results, err := imported(t, server.client().Contacts.Import(ctx, source, antcrm.WithConcurrency(1), antcrm.WithChunkSize(10)))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		assert.Len(t, results, read+1)
		assert.Equal(t, fmt.Sprintf("done×30 unknown×10 not sent×%d", len(results)-40), outcomes(results))
		assert.ErrorIs(t, results[len(results)-1].Err, context.Canceled)
	})
}

func TestImportBoundsHowManyGroupsItHoldsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		list := contacts(200)
		for i := range list {
			list[i].ContactType = fmt.Sprint("kind", i) // a column that was mapped wrong
		}
		open, done := stalled(server), make(chan []importResult)
		read := 0
		source := func(yield func(antcrm.ContactCreateParams, error) bool) {
			for ; read < len(list) && yield(list[read], nil); read++ {
			}
		}
		go func() {
			results, err := imported(t, server.client().Contacts.Import(t.Context(), source, antcrm.WithConcurrency(2)))
			assert.NoError(t, err)
			done <- results
		}()
		synctest.Wait()
		assert.Less(t, read, 25)
		open()
		assert.Equal(t, "done×200", outcomes(<-done))
	})
}

func TestImportReportsProgress(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = refuseCodes("C15")
	var steps []antcrm.BatchProgress
	_, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(25), nil),
		antcrm.WithChunkSize(10), antcrm.WithConcurrency(1), antcrm.WithProgress(func(p antcrm.BatchProgress) { steps = append(steps, p) })))
	require.NoError(t, err)
	assert.Equal(t, []antcrm.BatchProgress{{Confirmed: 10}, {Confirmed: 10, Failed: 10}, {Confirmed: 15, Failed: 10}}, steps)
}

func TestImportAppliesCallOptions(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	_, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(1), nil), antcrm.WithCallOptions(antcrm.WithHeader("X-Tenant", "a"))))
	require.NoError(t, err)
	assert.Equal(t, "a", server.one().Header.Get("X-Tenant"))
}

func TestImportRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	resolver := antcrm.WithUnknownResolver(func(context.Context, antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
		return nil, nil
	})
	orders := antcrm.WithUnknownResolver(func(context.Context, antcrm.UnknownChunk[antcrm.OpportunityCreateParams]) ([]antcrm.Resolution[antcrm.ID], error) {
		return nil, nil
	})
	journal := antcrm.WithJournal(openJournal(t, t.TempDir()+"/journal"))
	for field, opts := range map[string][]antcrm.BatchOption{
		"opts":        {nil},
		"journal":     {antcrm.WithJournal(nil)},
		"journal   ":  {antcrm.WithJournal((*antcrm.FileJournal)(nil))}, // of an OpenJournal whose error nobody has looked at
		"resolver":    {antcrm.WithUnknownResolver[antcrm.ContactCreateParams, antcrm.ContactRef](nil)},
		"chunkSize":   {antcrm.WithChunkSize(101)},
		"concurrency": {antcrm.WithConcurrency(0)},
		"response":    {antcrm.WithCallOptions(antcrm.WithResponse(new(antcrm.Response)))},
		"journal ":    {resolver},
		"journal  ":   {antcrm.WithRetryRejected()},
		"resolver ":   {journal, orders},
	} {
		_, err := imported(t, newLedger(t).client().Contacts.Import(t.Context(), from(contacts(1), nil), opts...))
		assert.Equal(t, strings.TrimSpace(field), requireError[*antcrm.ValidationError](t, err).Field)
	}
	_, err := imported(t, newLedger(t).client().Contacts.Import(t.Context(), nil))
	assert.ErrorIs(t, err, antcrm.ErrValidation)
	var none context.Context
	_, err = imported(t, newLedger(t).client().Contacts.Import(none, from(contacts(1), nil)))
	assert.ErrorIs(t, err, antcrm.ErrValidation)
	_, err = imported(t, new(antcrm.ContactsService).Import(t.Context(), from(contacts(1), nil)))
	assert.ErrorIs(t, err, antcrm.ErrValidation)
	_, err = newLedger(t).client().Contacts.CreateBatch(t.Context(), contacts(1), journal)
	assert.ErrorIs(t, err, antcrm.ErrValidation, "a batch keeps no journal")
}

func TestImportCannotBeRangedOverTwice(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	results := server.client().Contacts.Import(t.Context(), from(contacts(3), nil))
	_, err := imported(t, results)
	require.NoError(t, err)
	_, err = imported(t, results)
	require.ErrorIs(t, err, antcrm.ErrValidation)
	assert.Len(t, server.all(), 1)
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestATransportThatLeavesItsGoroutineLeavesItsRecordsUnknown(t *testing.T) {
	t.Parallel()
	leaving := func() (*ledger, *antcrm.Client) {
		server := newLedger(t)
		return server, server.client(antcrm.WithHTTPClient(&http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
			if len(server.all()) == 2 {
				runtime.Goexit() // as FailNow does in the transport of a user's test
			}
			return server.respond(req)
		})}))
	}
	server, client := leaving()
	results, err := imported(t, client.Contacts.Import(t.Context(), from(contacts(50), nil), antcrm.WithChunkSize(10), antcrm.WithConcurrency(1)))
	require.Error(t, err)
	onOneLine(t, err)
	assert.Regexp(t, `^done×20 unknown×10( not sent×[0-9]+)?$`, outcomes(results))
	assert.ErrorIs(t, results[20].Err, antcrm.ErrOutcomeUnknown)
	assert.Len(t, server.all(), 2)

	_, client = leaving()
	result, err := client.Contacts.CreateBatch(t.Context(), contacts(50), antcrm.WithChunkSize(10), antcrm.WithConcurrency(1))
	checkBatch(t, contacts(50), result, err)
	assert.Equal(t, "unknown 20+10, not sent 30+20", runsOf(result.Failures))
	assert.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
}

func TestAnyConcurrencyIsTaken(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	results, err := imported(t, server.client().Contacts.Import(t.Context(), from(contacts(30), nil), antcrm.WithConcurrency(math.MaxInt), antcrm.WithChunkSize(10)))
	require.NoError(t, err)
	assert.Equal(t, "done×30", outcomes(results))
	result, err := batchOf(server, 30, antcrm.WithConcurrency(math.MaxInt))
	checkBatch(t, contacts(30), result, err)
}
