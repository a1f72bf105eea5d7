package antcrm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// batchOf is CreateBatch of n leads on a ledger.
func batchOf(l *ledger, n int, opts ...antcrm.BatchOption) (*antcrm.BatchResult[antcrm.ContactRef], error) {
	return l.client().Contacts.CreateBatch(l.tb.Context(), contacts(n), opts...)
}

// runsOf is a text of a batch's failures: "rejected 7+1, not sent 100+50".
func runsOf(failures []antcrm.BatchFailure) string {
	parts := make([]string, len(failures))
	for i, f := range failures {
		parts[i] = fmt.Sprintf("%s %d+%d", f.Outcome, f.First, f.Count)
	}
	return strings.Join(parts, ", ")
}

// checkBatch checks what holds for every batch: each record has its own
// reference or is in exactly one failure, and the error says the same.
func checkBatch(t *testing.T, list []antcrm.ContactCreateParams, result *antcrm.BatchResult[antcrm.ContactRef], err error) {
	t.Helper()
	require.NotNil(t, result)
	require.Len(t, result.Results, len(list))
	results := make([]importResult, len(list))
	for i := range results {
		results[i] = importResult{Outcome: antcrm.OutcomeDone, Ref: result.Results[i]}
	}
	next := 0
	for _, f := range result.Failures {
		require.GreaterOrEqual(t, f.First, next, "failures overlap or are out of order")
		require.Positive(t, f.Count)
		require.Error(t, f.Err)
		next = f.First + f.Count
		for i := f.First; i < next; i++ {
			results[i].Outcome = f.Outcome
			assert.NotEqual(t, antcrm.OutcomeDone, f.Outcome)
		}
	}
	checkRefs(t, list, results)
	if len(result.Failures) == 0 {
		require.NoError(t, err)
		return
	}
	failed := requireError[*antcrm.BatchError](t, err)
	assert.Equal(t, result.Failures, failed.Failures)
	for _, f := range result.Failures {
		require.ErrorIs(t, err, f.Err)
	}
	onOneLine(t, err, "Khách") // the server's own message aside
}

func TestABatchIsCutIntoChunksAndAlignedToItsInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n        int
		opts     []antcrm.BatchOption
		requests int
	}{
		{1, nil, 1},
		{100, nil, 1},
		{101, nil, 2},
		{950, nil, 10},
		{10, []antcrm.BatchOption{antcrm.WithChunkSize(3), antcrm.WithConcurrency(2)}, 4},
		{7, []antcrm.BatchOption{antcrm.WithChunkSize(1), antcrm.WithConcurrency(64)}, 7},
	} {
		server := newLedger(t)
		result, err := batchOf(server, tt.n, tt.opts...)
		checkBatch(t, contacts(tt.n), result, err)
		assert.Empty(t, result.Failures)
		assert.Len(t, server.all(), tt.requests)
		once, doubled := server.counts()
		assert.Equal(t, tt.n, once)
		assert.Empty(t, doubled)
	}
}

func TestABatchWithOneWorkerKeepsTheOrderOfItsInput(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	_, err := batchOf(server, 25, antcrm.WithChunkSize(10), antcrm.WithConcurrency(1))
	require.NoError(t, err)
	var sent []string
	for _, req := range server.all() {
		sent = append(sent, codesOf(fromJSON[[]antcrm.ContactCreateParams](t, req.Body))...)
	}
	assert.Equal(t, codesOf(contacts(25)), sent)
}

// The ids of an answer can only be told apart when a request holds one type.
func TestLeadsAndCustomersTravelApartAndAreAlignedAgain(t *testing.T) {
	t.Parallel()
	list := contacts(330)
	for i := range list {
		list[i].ContactType = []string{antcrm.ContactTypeCustomer, antcrm.ContactTypeLead, antcrm.ContactTypeLead}[i%3]
	}
	server := newLedger(t)
	server.refuse = func(_ int, codes []string) reply {
		if slices.Contains(codes, "C0") { // the first customers
			return reply{status: http.StatusForbidden, body: `{}`}
		}
		return reply{}
	}
	result, err := server.client().Contacts.CreateBatch(t.Context(), list)
	checkBatch(t, list, result, err)
	require.ErrorIs(t, err, antcrm.ErrForbidden)
	require.Len(t, result.Failures, 100, "every third of the first 300, each a run of its own")
	assert.Equal(t, antcrm.BatchFailure{First: 3, Count: 1, Outcome: antcrm.OutcomeRejected, Err: result.Failures[0].Err}, result.Failures[1])
	assert.Len(t, server.all(), 2+3)
}

func TestContactsWithoutATypeTravelWithTheLeads(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok(`{"success":1,"leadId":[1,2]}`))
	result, err := server.client().Contacts.CreateBatch(t.Context(), []antcrm.ContactCreateParams{
		{Name: "a", ExternalID: "A"}, {Name: "b", ExternalID: "B", ContactType: antcrm.ContactTypeLead},
	})
	require.NoError(t, err)
	assert.Equal(t, []antcrm.ContactRef{antcrm.LeadRef("1"), antcrm.LeadRef("2")}, result.Results)
}

// Which record an id belongs to is never guessed.
func TestIdsThatDoNotFitTheRecordsLeaveTheChunkUnknown(t *testing.T) {
	t.Parallel()
	orders := []antcrm.OpportunityCreateParams{newOrder(), newOrder()}
	for _, answer := range []string{
		`{"success":1,"number":[1]}`, `{"success":1,"number":[1,2,3]}`, `{"success":1,"number":[]}`, `{"success":1,"number":1}`, `{"success":1}`,
		`{"success":1,"number":[1,null]}`, `{"success":1,"number":[1,""]}`, `{"success":1,"number":null}`, `{"success":1,"number":[1,{}]}`,
		`{"success":1,"leadId":[1,2]}`, `[1,2]`, `{"success":1,"number":[1,2]`, `<html></html>`, ``, `Ok`,
	} {
		result, err := scripted(t, ok(answer)).client().Opportunities.CreateBatch(t.Context(), orders)
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, answer)
		assert.Equal(t, "unknown 0+2", runsOf(result.Failures), answer)
		assert.Equal(t, []antcrm.ID{"", ""}, result.Results, answer)
		requireError[*antcrm.DecodeError](t, err)
	}
	for _, answer := range []string{`{"success":1,"number":[1,"2"]}`, `{"number":[1,2]}`} {
		result, err := scripted(t, ok(answer)).client().Opportunities.CreateBatch(t.Context(), orders)
		require.NoError(t, err, answer)
		assert.Equal(t, []antcrm.ID{"1", "2"}, result.Results, answer)
	}
}

func TestOutcomeOfAChunk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		reply reply
		want  antcrm.Outcome
	}{
		{"400", reply{status: 400}, antcrm.OutcomeRejected},
		{"401", reply{status: 401}, antcrm.OutcomeRejected},
		{"404", reply{status: 404}, antcrm.OutcomeRejected},
		{"408", reply{status: 408}, antcrm.OutcomeRejected},
		{"413", reply{status: 413}, antcrm.OutcomeRejected},
		{"499", reply{status: 499}, antcrm.OutcomeRejected},
		{"302", reply{status: 302}, antcrm.OutcomeRejected},
		{"429", reply{status: 429}, antcrm.OutcomeRejected},
		{"503 with Retry-After", reply{status: 503, header: map[string]string{"Retry-After": "0"}}, antcrm.OutcomeRejected},
		{"success falsy", ok(`{"success":0}`), antcrm.OutcomeRejected},
		{"success falsy as text", ok(`{"success":"false","message":"no"}`), antcrm.OutcomeRejected},
		{"success falsy with ids", ok(`{"success":0,"leadId":[1,2,3]}`), antcrm.OutcomeRejected},
		{"success of another value, no ids", ok(`{"success":"ok"}`), antcrm.OutcomeUnknown},
		{"success of another value, too few ids", ok(`{"success":2,"leadId":[1,2]}`), antcrm.OutcomeUnknown},
		{"a null among the ids", ok(`{"success":1,"leadId":[1000,null,1002]}`), antcrm.OutcomeUnknown},
		{"HTML", ok(`<html>done</html>`), antcrm.OutcomeUnknown},
		{"cut", ok(`{"success":1,"leadId":[1000,10`), antcrm.OutcomeUnknown},
		{"204", reply{status: 204}, antcrm.OutcomeUnknown},
		{"520", reply{status: 520}, antcrm.OutcomeUnknown},
		{"429 with Retry-After", reply{status: 429, header: map[string]string{"Retry-After": "100000"}}, antcrm.OutcomeRejected},
		{"500", reply{status: 500}, antcrm.OutcomeUnknown},
		{"502", reply{status: 502}, antcrm.OutcomeUnknown},
		{"503", reply{status: 503}, antcrm.OutcomeUnknown},
		{"connection lost", reply{err: errLost}, antcrm.OutcomeUnknown},
		{"no connection", reply{err: refusedDial()}, antcrm.OutcomeNotSent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newLedger(t)
			server.refuse = func(int, []string) reply { return tt.reply }
			if tt.reply.status == 0 && tt.reply.err == nil { // the ledger takes a 200 for "not refused"
				server.script = scripted(t, tt.reply)
			}
			result, err := batchOf(server, 3)
			checkBatch(t, contacts(3), result, err)
			assert.Equal(t, tt.want.String()+" 0+3", runsOf(result.Failures))
			assert.Equal(t, tt.want == antcrm.OutcomeUnknown, errors.Is(err, antcrm.ErrOutcomeUnknown))
		})
	}
}

func TestRecordFaultTellsWhoseFaultARefusalIs(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{400: true, 409: true, 413: true, 422: true, 200: true, 401: false, 403: false, 404: false, 405: false, 429: false, 302: false, 500: false} {
		client := scripted(t, reply{status: status, body: `{"success":0}`}).client()
		_, err := client.Contacts.Create(t.Context(), contact(1))
		assert.Equal(t, want, antcrm.RecordFault(err), status)
	}
	assert.False(t, antcrm.RecordFault(nil))
	assert.False(t, antcrm.RecordFault(antcrm.ErrRejected), "no answer")
}

// A no that comes with ids is a contradiction: part of it may have been done.
func TestIsolationDoesNotSendAgainWhatWasGivenIDs(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = func(_ int, codes []string) reply {
		return reply{status: http.StatusOK, body: fmt.Sprintf(`{"success":0,"leadId":[%s]}`, strings.TrimSuffix(strings.Repeat("1,", len(codes)), ","))}
	}
	result, err := batchOf(server, 8, antcrm.WithIsolation())
	checkBatch(t, contacts(8), result, err)
	assert.Equal(t, "rejected 0+8", runsOf(result.Failures))
	assert.Len(t, server.all(), 1)
}

func TestIsolationFindsTheBadRecordsInFewRequests(t *testing.T) {
	t.Parallel()
	for bad := range 100 {
		server := newLedger(t)
		server.refuse = refuseCodes(fmt.Sprintf("C%d", bad))
		result, err := batchOf(server, 100, antcrm.WithIsolation())
		checkBatch(t, contacts(100), result, err)
		require.Equal(t, fmt.Sprintf("rejected %d+1", bad), runsOf(result.Failures))
		require.LessOrEqual(t, len(server.all()), 15)
		once, doubled := server.counts()
		require.Equal(t, 99, once)
		require.Empty(t, doubled, "good records go through once")
	}

	server := newLedger(t)
	server.refuse = refuseCodes("C0", "C150", "C151", "C249")
	result, err := batchOf(server, 250, antcrm.WithIsolation())
	checkBatch(t, contacts(250), result, err)
	assert.Equal(t, "rejected 0+1, rejected 150+1, rejected 151+1, rejected 249+1", runsOf(result.Failures), "each with its own error")
	assert.Contains(t, err.Error(), "4 of 250 records not confirmed; record 0 rejected: ")
	assert.Contains(t, err.Error(), "; and 1 more")
}

func TestIsolationHalvesOnlyWhatCanBeARecordsFault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reply    reply
		isolates bool
	}{
		{reply{status: 400}, true}, {reply{status: 409}, true}, {reply{status: 413}, true}, {reply{status: 422}, true}, {ok(`{"success":false}`), true},
		{reply{status: 401}, false}, {reply{status: 403}, false}, {reply{status: 404}, false}, {reply{status: 405}, false}, {reply{status: 429}, false},
		{reply{status: 500}, false}, {reply{status: 503}, false}, {reply{err: errLost}, false}, {reply{err: refusedDial()}, false},
		{ok(`{"success":1}`), false}, {ok(`Ok`), false}, {ok(`{"success":1,"number":[1]}`), false},
	} {
		server := served(t, func(int, seen) reply { return tt.reply })
		_, err := server.client().Opportunities.CreateBatch(t.Context(), []antcrm.OpportunityCreateParams{newOrder(), newOrder()}, antcrm.WithIsolation())
		require.Error(t, err)
		assert.Len(t, server.all(), map[bool]int{true: 3, false: 1}[tt.isolates], "%+v", tt.reply)

		server = served(t, func(int, seen) reply { return tt.reply })
		_, err = server.client().Opportunities.CreateBatch(t.Context(), []antcrm.OpportunityCreateParams{newOrder(), newOrder()})
		require.Error(t, err)
		assert.Len(t, server.all(), 1, "without the option")
	}
}

func TestStopOnErrorSendsNothingMore(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = refuseCodes("C15")
	result, err := batchOf(server, 50, antcrm.WithChunkSize(10), antcrm.WithConcurrency(1), antcrm.WithStopOnError())
	checkBatch(t, contacts(50), result, err)
	assert.Equal(t, "rejected 10+10, not sent 20+30", runsOf(result.Failures))
	assert.Len(t, server.all(), 2)

	server = newLedger(t)
	server.refuse = refuseCodes("C15")
	result, err = batchOf(server, 50, antcrm.WithChunkSize(10), antcrm.WithConcurrency(1))
	checkBatch(t, contacts(50), result, err)
	assert.Equal(t, "rejected 10+10", runsOf(result.Failures), "without the option the others are sent")
}

func TestCancellingABatchLeavesTheChunksInFlightUnknownAndTheRestNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newLedger(t)
		gate := make(chan struct{})
		defer close(gate)
		server.refuse = func(n int, _ []string) reply {
			if n > 0 {
				<-gate
			}
			return reply{}
		}
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			synctest.Wait()
			cancel(cause)
		}()
		list := contacts(50)
		result, err := server.client().Contacts.CreateBatch(ctx, list, antcrm.WithChunkSize(10), antcrm.WithConcurrency(1))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
		checkBatch(t, list, result, err)
		assert.Equal(t, "unknown 10+10, not sent 20+30", runsOf(result.Failures))
	})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	server := newLedger(t)
	result, err := server.client().Contacts.CreateBatch(cancelled, contacts(3))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "not sent 0+3", runsOf(result.Failures))
	assert.Empty(t, server.all())
}

func TestConcurrencyIsBoundedAndUsed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opts []antcrm.BatchOption
		want int64
	}{
		{nil, 4}, {[]antcrm.BatchOption{antcrm.WithConcurrency(1)}, 1}, {[]antcrm.BatchOption{antcrm.WithConcurrency(8)}, 8},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := newLedger(t)
			var running, most atomic.Int64
			server.refuse = func(n int, _ []string) reply {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				// The later chunks answer first.
				time.Sleep(time.Second - time.Duration(n)*time.Millisecond)
				return reply{}
			}
			began := time.Now()
			result, err := batchOf(server, 240, append(tt.opts, antcrm.WithChunkSize(10))...)
			checkBatch(t, contacts(240), result, err)
			assert.Equal(t, tt.want, most.Load())
			assert.LessOrEqual(t, time.Since(began), time.Second*time.Duration(24/tt.want))
		})
	}
}

// Any other success says nothing by itself: the ids do.
func TestIdsThatFitMakeAChunkDoneWhateverSuccessIsCalled(t *testing.T) {
	t.Parallel()
	for _, success := range []string{`"ok"`, `2`, `200`, `null`, `1`, `"true"`} {
		result, err := scripted(t, ok(`{"success":`+success+`,"leadId":[1,2]}`)).client().Contacts.CreateBatch(t.Context(), contacts(2))
		require.NoError(t, err, success)
		assert.Equal(t, []antcrm.ContactRef{antcrm.LeadRef("1"), antcrm.LeadRef("2")}, result.Results, success)
	}
}

func TestProgressOfAStoppedBatchAddsUpToo(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = refuseCodes("C15")
	var last antcrm.BatchProgress
	_, err := batchOf(server, 95, antcrm.WithChunkSize(10), antcrm.WithConcurrency(1), antcrm.WithStopOnError(), antcrm.WithProgress(func(p antcrm.BatchProgress) { last = p }))
	require.Error(t, err)
	assert.Equal(t, antcrm.BatchProgress{Total: 95, Confirmed: 10, Failed: 85}, last)
}

// The error's failures are the caller's to change.
func TestTheFailuresOfABatchAndOfItsErrorAreTwoLists(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = refuseCodes("C1")
	result, err := batchOf(server, 3)
	text := err.Error()
	result.Failures[0].Count = 99
	assert.Equal(t, text, err.Error())
}

func TestProgressAddsUpToTheBatch(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	server.refuse = refuseCodes("C5")
	var reports []antcrm.BatchProgress // not guarded: calls come one at a time
	_, err := batchOf(server, 95, antcrm.WithChunkSize(10), antcrm.WithProgress(func(p antcrm.BatchProgress) { reports = append(reports, p) }))
	require.Error(t, err)
	require.Len(t, reports, 10)
	for i, p := range reports {
		assert.Equal(t, 95, p.Total)
		if i > 0 {
			assert.Greater(t, p.Confirmed+p.Failed, reports[i-1].Confirmed+reports[i-1].Failed)
		}
	}
	assert.Equal(t, antcrm.BatchProgress{Total: 95, Confirmed: 85, Failed: 10}, reports[9])
}

func TestInvalidRecordsStopTheWholeBatchAndAreAllNamed(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	list := contacts(300)
	list[0].Name = " "
	list[7].ExternalID = ""
	list[8].Phones = []antcrm.Phone{{Value: "1"}, {Value: "\xff0900000001"}}
	list[299].CustomFields = []antcrm.CustomField{{Name: "f", Value: json.RawMessage(`{0900000001`)}}
	result, err := server.client().Contacts.CreateBatch(t.Context(), list)
	checkBatch(t, list, result, err)
	require.ErrorIs(t, err, antcrm.ErrValidation)
	assert.Empty(t, server.all(), "nothing may be sent")
	assert.Equal(t, "not sent 0+1, not sent 1+6, not sent 7+1, not sent 8+1, not sent 9+290, not sent 299+1", runsOf(result.Failures))

	assert.Equal(t, "antcrm: create contacts: 300 of 300 records not confirmed; record 0 not sent: name: is required; "+
		"record 7 not sent: customerIdApiRing: is required; record 8 not sent: phones[1].value: is not valid UTF-8; and 1 more", err.Error())

	named := map[int]string{}
	for _, cause := range requireError[*antcrm.BatchError](t, err).Unwrap() {
		if bad, is := errors.AsType[*antcrm.ValidationError](cause); is {
			named[bad.Index] = bad.Field
		}
	}
	assert.Equal(t, map[int]string{0: "name", 7: "customerIdApiRing", 8: "phones[1].value", 299: "cusFields[0].value"}, named)
}

func TestOrderBatchesAreValidatedToo(t *testing.T) {
	t.Parallel()
	orders := scripted(t).client().Opportunities
	bad := newOrder()
	bad.LineItems = []antcrm.LineItem{{Name: "i", Value: "12 VND"}}
	_, err := orders.CreateBatch(t.Context(), []antcrm.OpportunityCreateParams{newOrder(), bad})
	assert.Equal(t, antcrm.ValidationError{Index: 1, Field: "groupPackage[0].value", Problem: "is not a decimal number"}, *requireError[*antcrm.ValidationError](t, err))
	_, err = orders.UpdateBatch(t.Context(), []antcrm.OpportunityUpdate{{Number: "1"}, {OpportunityUpdateParams: antcrm.OpportunityUpdateParams{Name: new("n")}}})
	assert.Equal(t, "number", requireError[*antcrm.ValidationError](t, err).Field)
	_, err = orders.UpdateBatch(t.Context(), []antcrm.OpportunityUpdate{{Number: "1", OpportunityUpdateParams: antcrm.OpportunityUpdateParams{Value: new(antcrm.Decimal("x"))}}})
	assert.Equal(t, "value", requireError[*antcrm.ValidationError](t, err).Field)
}

func TestABatchOfNothingSendsNothing(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	for _, list := range [][]antcrm.ContactCreateParams{nil, {}} {
		result, err := server.client().Contacts.CreateBatch(t.Context(), list)
		require.NoError(t, err)
		assert.Equal(t, &antcrm.BatchResult[antcrm.ContactRef]{Results: []antcrm.ContactRef{}}, result)
	}
	assert.Empty(t, server.all())
}

func TestABadBatchOptionSendsNothing(t *testing.T) {
	t.Parallel()
	server := newLedger(t)
	var none context.Context
	for name, opt := range map[string]antcrm.BatchOption{
		"nil": nil, "concurrency": antcrm.WithConcurrency(0), "chunk of 0": antcrm.WithChunkSize(0), "chunk of 101": antcrm.WithChunkSize(101),
		"progress": antcrm.WithProgress(nil), "call option": antcrm.WithCallOptions(nil), "response": antcrm.WithCallOptions(antcrm.WithResponse(new(antcrm.Response))),
		"import's": antcrm.WithRetryRejected(),
	} {
		for _, n := range []int{0, 3} {
			result, err := batchOf(server, n, opt)
			require.ErrorIs(t, err, antcrm.ErrValidation, name)
			require.NotNil(t, result, name)
			require.Len(t, result.Results, n)
			onOneLine(t, err)
		}
	}
	result, err := server.client().Contacts.CreateBatch(none, contacts(3))
	require.ErrorIs(t, err, antcrm.ErrValidation)
	assert.Equal(t, "not sent 0+3", runsOf(result.Failures))
	assert.Empty(t, server.all())
}

func TestSegmentsAreSetInChunks(t *testing.T) {
	t.Parallel()
	server := served(t, func(_ int, req seen) reply {
		var body struct {
			SegmentID string
			Contacts  []struct {
				Name          string
				Phone, Phones []antcrm.Phone
			}
		}
		assert.NoError(t, json.Unmarshal([]byte(req.Body), &body))
		assert.Equal(t, segmentID, body.SegmentID)
		assert.LessOrEqual(t, len(body.Contacts), 100)
		for _, c := range body.Contacts {
			assert.NotEmpty(t, c.Phones)
			assert.Equal(t, c.Phones, c.Phone)
			if c.Name == "Khách 200" {
				return reply{status: http.StatusBadRequest, body: `{"message":"no"}`}
			}
		}
		return ok("Ok")
	})
	list := contacts(250)
	for i := range list {
		list[i].Phones = []antcrm.Phone{{Value: "0900000001"}}
		list[i].ContactType = []string{antcrm.ContactTypeLead, antcrm.ContactTypeCustomer}[i%2] // no ids come back: they may share a request
	}
	err := server.client().Segments.SetContacts(t.Context(), segmentID, list)
	assert.Equal(t, "rejected 200+50", runsOf(requireError[*antcrm.BatchError](t, err).Failures))
	assert.Len(t, server.all(), 3)
	err = server.client().Segments.SetContacts(t.Context(), segmentID, list, antcrm.WithIsolation())
	assert.Equal(t, "rejected 200+1", runsOf(requireError[*antcrm.BatchError](t, err).Failures))
}

func TestOutcomesHaveNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "unknown done rejected not sent outcome 9",
		strings.Join([]string{antcrm.OutcomeUnknown.String(), antcrm.OutcomeDone.String(), antcrm.OutcomeRejected.String(), antcrm.OutcomeNotSent.String(), antcrm.Outcome(9).String()}, " "))
}
