package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// newFleet opens a fleet with a server of its own. On a busy machine nobody in
// it is taken for dead by mistake.
func newFleet(t *testing.T) *Fleet {
	t.Helper()
	return newFleetWith(t, Config{DeadAfter: 10 * time.Second})
}

// newMortalFleet is newFleet for tests that wait for somebody's death.
func newMortalFleet(t *testing.T) *Fleet {
	t.Helper()
	return newFleetWith(t, Config{DeadAfter: time.Second})
}

func newFleetWith(t *testing.T, cfg Config) *Fleet {
	t.Helper()
	cfg.StoreDir = filepath.Join(t.TempDir(), "store")
	f, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	return f
}

// contacts are n invented customers, every third of them a lead if mixed.
func contacts(n int, mixed bool) []antcrm.ContactCreateParams {
	list := make([]antcrm.ContactCreateParams, n)
	for i := range list {
		list[i] = antcrm.ContactCreateParams{Name: "Nguyễn Văn Mẫu " + strconv.Itoa(i), ExternalID: key(i), ContactType: antcrm.ContactTypeCustomer}
		if mixed && i%3 == 0 {
			list[i].ContactType = antcrm.ContactTypeLead
		}
	}
	return list
}

func key(i int) string { return fmt.Sprintf("ERP-%04d", i) }

// source gives the records, and then the error if there is one.
func source[P any](list []P, err error) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		for _, p := range list {
			if !yield(p, nil) {
				return
			}
		}
		if err != nil {
			var zero P
			yield(zero, err)
		}
	}
}

func feedContacts(t *testing.T, f *Fleet, job string, list []antcrm.ContactCreateParams) FeedReport {
	t.Helper()
	report, err := f.FeedContacts(t.Context(), Job{Name: job}, source(list, nil))
	require.NoError(t, err)
	return report
}

// workUntilDone sends everything that is queued.
func workUntilDone(t *testing.T, f *Fleet, srv *antcrmtest.Server, cfg WorkerConfig) {
	t.Helper()
	cfg.Client, cfg.UntilDone, cfg.AckWait = srv.Client(antcrm.WithMaxRetries(0)), true, time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, f.Work(ctx, cfg))
	require.NoError(t, ctx.Err(), "the worker is not done in time")
}

// resultsOf reads the results of a job by the key of the record.
func resultsOf(t *testing.T, f *Fleet, job string) map[string]Result {
	t.Helper()
	results := map[string]Result{}
	for r, err := range f.Results(t.Context(), job) {
		require.NoError(t, err)
		require.NotContains(t, results, r.Key)
		results[r.Key] = r
	}
	return results
}

// notes reads the stream of rejected or of unknown records.
func notes(t *testing.T, stream jetstream.Stream) (list []Note) {
	t.Helper()
	info, err := stream.Info(t.Context())
	require.NoError(t, err)
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && info.State.Msgs > 0; seq++ {
		msg, err := stream.GetMsg(t.Context(), seq)
		require.NoError(t, err)
		var note Note
		require.NoError(t, json.Unmarshal(msg.Data, &note))
		list = append(list, note)
	}
	return list
}

func TestLeadsAndCustomersTravelApartAndEachRecordGetsItsReference(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	report := feedContacts(t, f, "mixed", contacts(350, true))
	assert.Equal(t, FeedReport{Records: 350, Chunks: 5}, report)
	metrics := NewMetrics()
	workUntilDone(t, f, srv, WorkerConfig{Metrics: metrics})

	for _, r := range srv.Requests() {
		var bodies []antcrm.ContactCreateParams
		require.NoError(t, json.Unmarshal(r.Body, &bodies))
		assert.LessOrEqual(t, len(bodies), antcrm.MaxBatchSize)
		for _, p := range bodies {
			assert.Equal(t, bodies[0].ContactType, p.ContactType)
		}
	}
	results := resultsOf(t, f, "mixed")
	require.Len(t, results, 350)
	for i := range 350 {
		r := results[key(i)]
		assert.Equal(t, int64(i), r.Index)
		assert.Equal(t, antcrm.OutcomeDone, r.Outcome)
		field := "customerId"
		if i%3 == 0 {
			field = "leadId"
		}
		record, ok := srv.Record(antcrmtest.Contacts, field, r.Ref.String())
		require.True(t, ok)
		assert.Contains(t, string(record), `"`+key(i)+`"`)
	}
	assert.InDelta(t, 350, testutil.ToFloat64(metrics.records.WithLabelValues("contacts", "done")), 0)
	assert.InDelta(t, 5, testutil.ToFloat64(metrics.chunks.WithLabelValues("contacts")), 0)
}

func TestOrdersAreImported(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	orders := []antcrm.OpportunityCreateParams{{Name: "Order 1", ReceiverName: "Mai", ExternalID: "SO-1", Value: "0"}, {Name: "Order 2", ReceiverName: "Lan", ExternalID: "SO-2"}}
	_, err := f.FeedOpportunities(t.Context(), Job{Name: "orders"}, source(orders, nil))
	require.NoError(t, err)
	workUntilDone(t, f, srv, WorkerConfig{})
	results := resultsOf(t, f, "orders")
	record, ok := srv.Record(antcrmtest.Opportunities, "number", results["SO-1"].Ref.String())
	require.True(t, ok)
	assert.Contains(t, string(record), `"SO-1"`)
	assert.Equal(t, 2, srv.Count(antcrmtest.Opportunities))
}

func TestARejectedRecordStandsAloneAndTheOthersAreDone(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	srv.Inject(antcrmtest.Fault{BodyContains: key(42), Status: http.StatusBadRequest, Body: `{"message":"bad phone"}`})
	list := contacts(100, false)
	list[7].Name = ""
	feedContacts(t, f, "job", list)
	workUntilDone(t, f, srv, WorkerConfig{})

	results := resultsOf(t, f, "job")
	assert.Equal(t, antcrm.OutcomeRejected, results[key(7)].Outcome)
	assert.Equal(t, "name: is required", results[key(7)].Error)
	assert.Equal(t, antcrm.OutcomeRejected, results[key(42)].Outcome)
	assert.Contains(t, results[key(42)].Error, "bad phone")
	assert.Equal(t, 98, srv.Count(antcrmtest.Contacts))
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
	assert.LessOrEqual(t, srv.RequestCount(), 15)

	rejected := notes(t, f.rejected)
	require.Len(t, rejected, 1)
	require.Len(t, rejected[0].Records, 2)
	assert.Equal(t, int64(42), rejected[0].Records[1].Index)
	assert.Contains(t, string(rejected[0].Records[1].Record), key(42), "it can be corrected and fed again")
	status, err := f.JobStatus(t.Context(), "job")
	require.NoError(t, err)
	assert.Equal(t, Totals{Done: 98, Rejected: 2}, status.Totals)
	assert.NotNil(t, status.Finished)
}

func TestALostAnswerIsUnknownAndNeverSentAgain(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Do: antcrmtest.CloseAfter, Times: 1})
	feedContacts(t, f, "job", contacts(150, false))
	workUntilDone(t, f, srv, WorkerConfig{Concurrency: 1})

	totals := map[antcrm.Outcome]int{}
	for _, r := range resultsOf(t, f, "job") {
		totals[r.Outcome]++
	}
	assert.Contains(t, []int{50, 100}, totals[antcrm.OutcomeUnknown])
	assert.Equal(t, 150, totals[antcrm.OutcomeDone]+totals[antcrm.OutcomeUnknown])
	assert.Equal(t, 2, srv.RequestCount())
	unknown := notes(t, f.unknown)
	require.Len(t, unknown, 1)
	assert.Len(t, unknown[0].Records, totals[antcrm.OutcomeUnknown])
}

func TestAResolverDecidesWhatBecameOfALostAnswer(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Do: antcrmtest.CloseBefore, Times: 1}) // not carried out
	feedContacts(t, f, "job", contacts(10, false))
	asked := 0
	workUntilDone(t, f, srv, WorkerConfig{Settle: time.Millisecond, Resolver: func(_ context.Context, c UnknownChunk) ([]Resolution, error) {
		if asked++; asked == 1 {
			return nil, errors.New("the CRM cannot be asked at the moment")
		}
		resolutions := make([]Resolution, len(c.Records))
		for i, r := range c.Records {
			assert.Equal(t, key(i), r.Key)
			resolutions[i].Outcome = antcrm.OutcomeNotSent
		}
		resolutions[3] = Resolution{Outcome: antcrm.OutcomeDone, Ref: "4711"}
		resolutions[4] = Resolution{Outcome: antcrm.OutcomeRejected}
		resolutions[5] = Resolution{}
		return resolutions, nil
	}})
	results := resultsOf(t, f, "job")
	assert.Equal(t, 2, asked)
	assert.Equal(t, antcrm.ID("4711"), results[key(3)].Ref)
	assert.Equal(t, antcrm.OutcomeRejected, results[key(4)].Outcome)
	assert.Equal(t, antcrm.OutcomeUnknown, results[key(5)].Outcome)
	assert.Equal(t, 7, srv.Count(antcrmtest.Contacts), "what was to be sent again, was")
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
}

func TestARefusalThatIsNoRecordsFaultIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]antcrmtest.Fault{
		"slow down":   {Status: http.StatusTooManyRequests, Times: 1},
		"maintenance": {Status: http.StatusServiceUnavailable, RetryAfter: time.Second, Times: 1},
		"wrong path":  {Status: http.StatusNotFound, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, srv := newFleet(t), antcrmtest.NewServer(t)
			srv.Inject(fault)
			feedContacts(t, f, "job", contacts(10, false))
			workUntilDone(t, f, srv, WorkerConfig{})
			assert.Equal(t, 10, srv.Count(antcrmtest.Contacts))
			assert.Equal(t, 2, srv.RequestCount())
			for _, r := range resultsOf(t, f, "job") {
				assert.Equal(t, antcrm.OutcomeDone, r.Outcome)
				assert.Empty(t, r.Error)
			}
		})
	}
}

func TestAChunkThatIsRefusedToTheEndIsNamedAsNotSent(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	srv.Inject(antcrmtest.Fault{Status: http.StatusTooManyRequests})
	feedContacts(t, f, "job", contacts(10, false))
	workUntilDone(t, f, srv, WorkerConfig{MaxAttempts: 2})
	assert.Equal(t, 2, srv.RequestCount())
	for _, r := range resultsOf(t, f, "job") {
		assert.Equal(t, antcrm.OutcomeNotSent, r.Outcome)
		assert.False(t, r.Pending)
		assert.Contains(t, r.Error, "429")
	}
	assert.Len(t, notes(t, f.rejected), 1)
	told := 0
	for note, err := range f.Notes(t.Context(), "job") {
		require.NoError(t, err)
		told += len(note.Records)
	}
	assert.Equal(t, 10, told)
	for _, err := range f.Notes(t.Context(), "nobody") {
		require.ErrorIs(t, err, ErrNoJob)
	}
}

// refuseKey makes the service refuse the key until it is told to stop.
func refuseKey(srv *antcrmtest.Server, status int) (stop func()) {
	var over atomic.Bool
	srv.Inject(antcrmtest.Fault{Status: status, Body: `{"message":"bad key"}`, Match: func(*antcrmtest.Request) bool { return !over.Load() }})
	return func() { over.Store(true) }
}

func TestAWorkerWhoseKeyIsRefusedWaitsAndSaysSoAndCostsNoRecord(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			f, srv := newFleet(t), antcrmtest.NewServer(t)
			stop := refuseKey(srv, status)
			feedContacts(t, f, "job", contacts(250, false))
			metrics := NewMetrics()
			worked := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				worked <- f.Work(ctx, WorkerConfig{Client: srv.Client(), AckWait: time.Second, MaxAttempts: 1, UntilDone: true, Metrics: metrics})
			}()
			require.Eventually(t, func() bool {
				s, err := f.Status(t.Context())
				return err == nil && len(s.Workers) == 1 && strings.Contains(s.Workers[0].Waiting, "refuses the key")
			}, 20*time.Second, 20*time.Millisecond)
			require.Eventually(t, func() bool { return srv.RequestCount() > 8 }, 30*time.Second, 20*time.Millisecond, "it tries again")
			for _, r := range resultsOf(t, f, "job") {
				assert.Contains(t, []antcrm.Outcome{antcrm.OutcomeNotSent, antcrm.OutcomeUnknown}, r.Outcome)
				assert.True(t, r.Pending)
			}
			assert.InDelta(t, 1, testutil.ToFloat64(metrics.waiting.WithLabelValues("key")), 0)
			stop()
			require.NoError(t, <-worked)
			require.NoError(t, ctx.Err())
			assert.Equal(t, 250, srv.Count(antcrmtest.Contacts), "a refused key does not use up attempts")
			assert.Greater(t, testutil.ToFloat64(metrics.refusals.WithLabelValues(strconv.Itoa(status))), 8.0)
			assert.Zero(t, testutil.ToFloat64(metrics.waiting.WithLabelValues("key")))
		})
	}
}

func TestAResolverLearnsWhenTheChunkWasBegun(t *testing.T) {
	t.Parallel()
	f, srv := newMortalFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "gone")
	workUntilDone(t, f, srv, WorkerConfig{Resolver: func(_ context.Context, c UnknownChunk) ([]Resolution, error) {
		assert.GreaterOrEqual(t, time.Since(c.Begun), f.cfg.DeadAfter)
		return make([]Resolution, len(c.Records)), nil
	}})
}

func TestAChunkThatWasPulledBeforeItsJobWasPurgedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	subject := f.subject("chunks") + "." + chunkName("job", 0)
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), subject)
	require.NoError(t, err)
	workUntilDone(t, f, srv, WorkerConfig{})
	require.NoError(t, f.Purge(t.Context(), "job", false))
	_, err = f.js.Publish(t.Context(), subject, msg.Data) // a worker still holds it
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- f.Work(ctx, WorkerConfig{Client: srv.Client()}) }()
	require.Eventually(t, func() bool {
		waiting, busy, err := f.backlog(t.Context())
		return err == nil && waiting+busy == 0
	}, 10*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-worked)
	assert.Equal(t, 1, srv.RequestCount())
	e, _, err := f.entry(t.Context(), chunkName("job", 0))
	require.NoError(t, err)
	assert.Nil(t, e, "nothing of it is kept")
}

func TestChunksThatExpiredAreNamedAndTheJobEnds(t *testing.T) {
	t.Parallel()
	f, srv := newFleetWith(t, Config{PayloadAge: time.Second}), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(150, false))
	require.Eventually(t, func() bool {
		info, err := f.chunks.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	}, 20*time.Second, 50*time.Millisecond)
	workUntilDone(t, f, srv, WorkerConfig{})
	require.NoError(t, f.Wait(t.Context(), "job"))
	status, err := f.JobStatus(t.Context(), "job")
	require.NoError(t, err)
	assert.Equal(t, Totals{NotSent: 150}, status.Totals)
	expired := 0
	for r, err := range f.Results(t.Context(), "job") {
		require.NoError(t, err)
		assert.Equal(t, antcrm.OutcomeNotSent, r.Outcome)
		assert.Contains(t, r.Error, "expired")
		expired++
	}
	assert.Equal(t, 2, expired)
}

func TestASlowerFeederLeavesNoPayloadBehind(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	list := contacts(150, false)
	host := newFleet(t)
	f, err := Open(t.Context(), host.cfg)
	require.NoError(t, err)
	defer f.Close()
	overtaken := func(yield func(antcrm.ContactCreateParams, error) bool) {
		feedContacts(t, f, "job", list)
		workUntilDone(t, f, srv, WorkerConfig{})
		host.Close() // and with it, the memory of message ids
		require.Eventually(t, func() bool { _, err := f.Status(t.Context()); return err == nil }, 15*time.Second, 50*time.Millisecond)
		source(list, nil)(yield)
	}
	_, err = f.FeedContacts(t.Context(), Job{Name: "job"}, overtaken)
	require.NoError(t, err)
	assert.Equal(t, 150, srv.Count(antcrmtest.Contacts))
	info, err := f.chunks.Info(t.Context())
	require.NoError(t, err)
	assert.Zero(t, info.State.Msgs)
}

func TestASourceThatCannotBeReadLeavesNoJob(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	broken := errors.New("not a table")
	_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source[antcrm.ContactCreateParams](nil, broken))
	require.ErrorIs(t, err, broken)
	_, err = f.JobStatus(t.Context(), "job")
	require.ErrorIs(t, err, ErrNoJob)
}

func TestASourceWithATypeForEveryRecordHoldsFewChunksOpen(t *testing.T) {
	t.Parallel()
	s := &splitter{job: Job{Name: "job", ChunkSize: 100}, kind: Contacts, maxBytes: maxChunkBytes}
	closed := 0
	for i := range int64(200) {
		full, err := s.add(i, strconv.FormatInt(i, 10), "", json.RawMessage("{}"))
		require.NoError(t, err)
		if full != nil {
			assert.Equal(t, int64(closed), full.Position)
			closed++
		}
		assert.LessOrEqual(t, len(s.open), mostOpen)
	}
	for s.last() != nil {
		closed++
	}
	assert.Equal(t, 200, closed)
}

func TestMarkupDoesNotOutgrowAMessage(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	list := contacts(3, false)
	for i := range list {
		list[i].BackgroundInfo = string(bytes.Repeat([]byte("<"), 300<<10))
	}
	feedContacts(t, f, "job", list)
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), f.subject("chunks")+"."+chunkName("job", 0))
	require.NoError(t, err)
	assert.Less(t, len(msg.Data), 1<<20)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 3, srv.Count(antcrmtest.Contacts))
}

// begun writes into the ledger that a worker has begun the only chunk of a job.
func begun(t *testing.T, f *Fleet, job, owner string) {
	t.Helper()
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), f.subject("chunks")+"."+chunkName(job, 0))
	require.NoError(t, err)
	var c chunk
	require.NoError(t, json.Unmarshal(msg.Data, &c))
	e := newEntry(&c, digest(msg.Data))
	e.State, e.Owner, e.Attempts = stateBegun, owner, 1
	_, won, err := f.put(t.Context(), c.name(), e, 0)
	require.NoError(t, err)
	require.True(t, won)
}

func TestAChunkOfADeadWorkerIsUnknownAndNotSent(t *testing.T) {
	t.Parallel()
	f, srv := newMortalFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "gone")
	for _, r := range resultsOf(t, f, "job") {
		assert.True(t, r.Pending)
		assert.Equal(t, antcrm.OutcomeUnknown, r.Outcome)
	}
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Zero(t, srv.RequestCount())
	for _, r := range resultsOf(t, f, "job") {
		assert.False(t, r.Pending)
		assert.Equal(t, antcrm.OutcomeUnknown, r.Outcome)
		assert.Contains(t, r.Error, "worker")
	}
}

func TestAChunkOfALiveWorkerIsLeftToIt(t *testing.T) {
	t.Parallel()
	f, srv := newFleetWith(t, Config{DeadAfter: 2 * time.Second}), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "busy")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	other := newPulse(f, "busy")
	go func() {
		for sleep(ctx, f.beatEvery()) == nil {
			_ = other.beat(ctx, WorkerStatus{ID: "busy"})
		}
	}()
	worked := make(chan error, 1)
	working, stop := context.WithCancel(t.Context())
	go func() {
		worked <- f.Work(working, WorkerConfig{Client: srv.Client(), AckWait: time.Second})
	}()
	require.NoError(t, sleep(t.Context(), 2*f.cfg.DeadAfter))
	e, _, err := f.entry(t.Context(), chunkName("job", 0))
	require.NoError(t, err)
	assert.Equal(t, stateBegun, e.State)
	status, err := f.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, status.Alive)

	other.leave(t.Context(), WorkerStatus{}) // in good order: nobody has to wait
	cancel()
	require.Eventually(t, func() bool {
		e, _, err := f.entry(t.Context(), chunkName("job", 0))
		return err == nil && e.State == stateUnknown
	}, 10*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-worked)
	assert.Zero(t, srv.RequestCount())
}

func TestAWorkerThatWasTakenForDeadStillTellsWhatItKnows(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	srv.Inject(antcrmtest.Fault{Times: 1, Status: 0, Do: antcrmtest.Delay, Match: func(*antcrmtest.Request) bool {
		close(arrived)
		<-goOn
		return false
	}})
	feedContacts(t, f, "job", contacts(10, false))
	worked := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { worked <- f.Work(ctx, WorkerConfig{Client: srv.Client()}) }()
	<-arrived
	_, err := f.js.Publish(t.Context(), f.subject("unknown")+"."+chunkName("job", 0), []byte("{}"))
	require.NoError(t, err)
	e, rev, err := f.entry(t.Context(), chunkName("job", 0))
	require.NoError(t, err)
	for _, i := range e.open() {
		e.set(i, letterUnknown, "", "taken for dead")
	}
	e.settle()
	_, won, err := f.put(t.Context(), chunkName("job", 0), e, rev)
	require.NoError(t, err)
	require.True(t, won)
	close(goOn)
	require.Eventually(t, func() bool {
		e, _, err := f.entry(t.Context(), chunkName("job", 0))
		return err == nil && e.State == stateDone
	}, 10*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-worked)
	for _, r := range resultsOf(t, f, "job") {
		assert.Equal(t, antcrm.OutcomeDone, r.Outcome)
	}
	assert.Equal(t, 10, srv.Count(antcrmtest.Contacts))
	assert.Empty(t, notes(t, f.unknown), "what was told of it is taken back")
}

func TestATaleThatTheLedgerHasOvertakenIsTakenBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "gone")
	e, rev, err := f.entry(t.Context(), chunkName("job", 0))
	require.NoError(t, err)
	for _, i := range e.open() {
		e.set(i, letterUnknown, "", "")
	}
	e.settle()
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), f.subject("chunks")+"."+chunkName("job", 0))
	require.NoError(t, err)
	d := &delivery{worker: &worker{f: f, id: "observer"}, name: chunkName("job", 0), entry: e, rev: rev}
	require.NoError(t, d.decode(msg.Data))
	overtaken := *e
	overtaken.Outcomes = "dddddddddd"
	_, _, err = f.put(t.Context(), d.name, &overtaken, rev)
	require.NoError(t, err)
	told, err := d.tell(t.Context())
	require.NoError(t, err)
	assert.False(t, told)
	assert.Empty(t, notes(t, f.unknown))

	d.entry, d.rev, err = f.entry(t.Context(), d.name)
	require.NoError(t, err)
	d.entry.Outcomes, d.entry.Told = "uuuuuuuuuu", false
	d.rev, _, err = f.put(t.Context(), d.name, d.entry, d.rev)
	require.NoError(t, err)
	told, err = d.tell(t.Context())
	require.NoError(t, err)
	assert.True(t, told)
	assert.Len(t, notes(t, f.unknown), 1)
}

func TestAWorkerThatHasLeftIsWaitedForByNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p, o := newPulse(f, "worker"), observer{f: f}
	require.NoError(t, p.beat(t.Context(), WorkerStatus{ID: "worker"}))
	dead, err := o.dead(t.Context(), "worker")
	require.NoError(t, err)
	assert.False(t, dead)
	p.leave(t.Context(), WorkerStatus{ID: "worker"})
	dead, err = o.dead(t.Context(), "worker")
	require.NoError(t, err)
	assert.True(t, dead)
	status, err := f.Status(t.Context())
	require.NoError(t, err)
	assert.Empty(t, status.Workers)
}

func TestAWorkerEndsWhenItsConsumerIsDeleted(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	worked := make(chan error, 1)
	go func() { worked <- f.Work(t.Context(), WorkerConfig{Client: srv.Client()}) }()
	require.Eventually(t, func() bool {
		s, err := f.Status(t.Context())
		return err == nil && s.Alive == 1 && f.chunks.DeleteConsumer(t.Context(), "workers") == nil
	}, 10*time.Second, 20*time.Millisecond)
	select {
	case err := <-worked:
		require.ErrorContains(t, err, "take chunks")
	case <-time.After(20 * time.Second):
		require.Fail(t, "it neither works nor ends")
	}
}

func TestAWorkerThatIsStoppedFinishesWhatItHasBegun(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t, antcrmtest.WithLatency(300*time.Millisecond))
	feedContacts(t, f, "job", contacts(1000, false))
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- f.Work(ctx, WorkerConfig{Client: srv.Client(), Concurrency: 2}) }()
	require.Eventually(t, func() bool { return srv.RequestCount() == 2 }, 10*time.Second, 5*time.Millisecond)
	stop()
	require.NoError(t, <-worked)
	totals := map[antcrm.Outcome]int{}
	for _, r := range resultsOf(t, f, "job") {
		totals[r.Outcome]++
	}
	assert.Equal(t, map[antcrm.Outcome]int{antcrm.OutcomeDone: srv.Count(antcrmtest.Contacts), antcrm.OutcomeNotSent: 1000 - srv.Count(antcrmtest.Contacts)}, totals)
	assert.GreaterOrEqual(t, srv.Count(antcrmtest.Contacts), 200)
	status, err := f.Status(t.Context())
	require.NoError(t, err)
	assert.Zero(t, status.Alive)
}

func TestAWorkerThatCannotReportSendsNothing(t *testing.T) {
	t.Parallel()
	f := newMortalFleet(t)
	p := newPulse(f, "worker")
	_, _, err := p.sending(ended(t))
	require.ErrorIs(t, err, context.Canceled, "not before it has reported")
	require.NoError(t, p.beat(t.Context(), WorkerStatus{}))
	sending, end, err := p.sending(t.Context())
	require.NoError(t, err)
	defer end()
	require.NoError(t, sending.Err())
	select {
	case <-sending.Done():
	case <-time.After(f.cfg.DeadAfter):
		assert.Fail(t, "it may send for longer than others take it for alive")
	}
	require.NoError(t, p.beat(t.Context(), WorkerStatus{}))
	_, end, err = p.sending(t.Context())
	require.NoError(t, err)
	end()
}

func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestASourceThatFailsGoesOnWhereItWasLeft(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	broken := errors.New("disk on fire")
	list := contacts(350, true)
	_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(list[:250], broken))
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "record 250")
	status, err := f.JobStatus(t.Context(), "job")
	require.NoError(t, err)
	assert.Equal(t, int64(1), status.Chunks, "chunks that are not full wait for the rest")
	assert.False(t, status.Fed)

	report := feedContacts(t, f, "job", list)
	assert.Equal(t, FeedReport{Records: 350, Chunks: 5, Known: 1}, report)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 350, srv.Count(antcrmtest.Contacts))

	report = feedContacts(t, f, "job", list)
	assert.Equal(t, FeedReport{Records: 350, Chunks: 5, Known: 5}, report)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 350, srv.Count(antcrmtest.Contacts), "the same source again sends nothing")
}

func TestAChangedSourceIsRefused(t *testing.T) {
	t.Parallel()
	list := contacts(250, false)
	changed := contacts(250, false)
	changed[20].Name = "somebody else"
	longer := contacts(400, false)
	for name, second := range map[string][]antcrm.ContactCreateParams{"changed": changed, "shorter": list[:150], "longer": longer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			feedContacts(t, f, "job", list)
			_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(second, nil))
			require.ErrorIs(t, err, ErrSourceChanged)
		})
	}
	t.Run("and so is one that changed where the record of the job does not reach", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t)
		feedContacts(t, f, "job", list)
		forgetFed(t, f, "job")
		for _, second := range [][]antcrm.ContactCreateParams{changed, list[:200]} {
			_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(second, nil))
			require.ErrorIs(t, err, ErrSourceChanged)
		}
		assert.Equal(t, int64(3), feedContacts(t, f, "job", list).Chunks)
		info, err := f.chunks.Info(t.Context())
		require.NoError(t, err)
		assert.Equal(t, uint64(3), info.State.Msgs, "nothing is queued twice")
	})
}

func TestRecordsThatCannotTravelAreNamed(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	list := contacts(3, false)
	list[1].Name = "\xff"
	_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(list, nil))
	require.ErrorContains(t, err, "record 1")
	list = contacts(3, false)
	list[2].BackgroundInfo = string(bytes.Repeat([]byte("x"), 1<<20))
	_, err = f.FeedContacts(t.Context(), Job{Name: "large"}, source(list, nil))
	require.ErrorContains(t, err, "record 2")
}

func TestLargeRecordsShareAChunkOnlyAsFarAsAMessageReaches(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	list := contacts(30, false)
	for i := range list {
		list[i].BackgroundInfo = string(bytes.Repeat([]byte("x"), 100<<10))
	}
	assert.Equal(t, int64(4), feedContacts(t, f, "job", list).Chunks)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 30, srv.Count(antcrmtest.Contacts))
}

func TestPayloadIsEncryptedOnTheDiskAndGoneWhenTheJobIsFinished(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(100, false))
	files := 0
	err := filepath.WalkDir(f.cfg.StoreDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		assert.NotContains(t, string(text), "Nguyễn", path)
		assert.NotContains(t, string(text), key(1), path)
		return err
	})
	require.NoError(t, err)
	assert.Greater(t, files, 5)

	workUntilDone(t, f, srv, WorkerConfig{})
	info, err := f.chunks.Info(t.Context())
	require.NoError(t, err)
	assert.Zero(t, info.State.Msgs)
	assert.Len(t, resultsOf(t, f, "job"), 100)

	require.NoError(t, f.Purge(t.Context(), "job", false))
	for _, err := range f.Results(t.Context(), "job") {
		require.ErrorContains(t, err, "purged")
	}
	_, err = f.FeedContacts(t.Context(), Job{Name: "job"}, source(contacts(100, false), nil))
	require.ErrorIs(t, err, ErrPurged, "it cannot be fed again by mistake")
	_, err = f.FeedContacts(t.Context(), Job{Name: "job"}, func(func(antcrm.ContactCreateParams, error) bool) {
		t.Error("the source of a purged job is read")
	})
	require.ErrorIs(t, err, ErrPurged)
	require.ErrorIs(t, f.Wait(t.Context(), "job"), ErrPurged)
}

func TestAnUnfinishedJobIsPurgedOnlyByForce(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(100, false))
	require.ErrorIs(t, f.Purge(t.Context(), "job", false), ErrConfig)
	require.NoError(t, f.Purge(t.Context(), "job", true))
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Zero(t, srv.RequestCount())
	require.ErrorIs(t, f.Purge(t.Context(), "nobody", true), ErrNoJob)
}

func TestAnotherProcessTakesTheEmbeddedServerOver(t *testing.T) {
	t.Parallel()
	cfg := Config{StoreDir: filepath.Join(t.TempDir(), "store"), DeadAfter: time.Second}
	first, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	second, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer second.Close()
	feedContacts(t, first, "job", contacts(100, false))
	first.Close()
	var status *Status
	require.Eventually(t, func() bool { status, err = second.Status(t.Context()); return err == nil }, 15*time.Second, 50*time.Millisecond)
	require.Len(t, status.Jobs, 1)
	assert.Equal(t, int64(1), status.Lag)
	assert.Equal(t, int64(100), status.Jobs[0].Records)

	wrong := cfg
	wrong.StoreKey = "k-4711"
	second.Close()
	_, err = Open(t.Context(), wrong)
	require.ErrorIs(t, err, ErrConfig)
	assert.NotContains(t, err.Error(), "4711")
}

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"name":      {Name: "a.b"},
		"ages":      {PayloadAge: time.Hour, LedgerAge: time.Minute},
		"deadAfter": {DeadAfter: time.Millisecond},
		"replicas":  {Replicas: 7},
	} {
		cfg.StoreDir = filepath.Join(t.TempDir(), "store")
		_, err := Open(t.Context(), cfg)
		require.ErrorIs(t, err, ErrConfig, name)
	}
	f := newFleet(t)
	for _, cfg := range []WorkerConfig{{}, {Client: &antcrm.Client{}, Concurrency: -1}, {Client: &antcrm.Client{}, AckWait: 1}} {
		require.ErrorIs(t, f.Work(t.Context(), cfg), ErrConfig)
	}
	for _, job := range []Job{{}, {Name: "a b"}, {Name: "a", ChunkSize: 101}} {
		_, err := f.FeedContacts(t.Context(), job, source[antcrm.ContactCreateParams](nil, nil))
		require.ErrorIs(t, err, ErrConfig)
	}
	_, err := f.Limiter(t.Context(), 0)
	require.ErrorIs(t, err, ErrConfig)
	_, err = f.JobStatus(t.Context(), "nobody")
	require.ErrorIs(t, err, ErrNoJob)
}

func TestAnEmptySourceIsAFinishedJob(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	assert.Equal(t, FeedReport{}, feedContacts(t, f, "job", nil))
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Empty(t, resultsOf(t, f, "job"))
}

func TestFleetsOnOneServerDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	cfg := Config{StoreDir: filepath.Join(t.TempDir(), "store"), DeadAfter: 10 * time.Second, Name: "one"}
	one, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer one.Close()
	cfg.Name = "two"
	two, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer two.Close()
	feedContacts(t, one, "job", contacts(5, false))
	status, err := two.Status(t.Context())
	require.NoError(t, err)
	assert.Empty(t, status.Jobs)
	assert.Zero(t, status.Lag)
}

// TestWhatFollowsFromTheLedger is the rule against doubles.
func TestWhatFollowsFromTheLedger(t *testing.T) {
	t.Parallel()
	const attempts = 3
	with := func(s state, attempts int) *entry { return &entry{State: s, Digest: "a", Attempts: attempts} }
	for _, c := range []struct {
		name       string
		entry      *entry
		digest     string
		deliveries uint64
		dead       bool
		want       step
	}{
		{"new", nil, "a", 1, false, stepSend},
		{"delivered too often and never begun", nil, "a", 13, false, stepGiveUp},
		{"done", with(stateDone, 1), "a", 2, false, stepFinish},
		{"unknown", with(stateUnknown, 1), "a", 2, true, stepFinish},
		{"begun by a live worker", with(stateBegun, 1), "a", 2, false, stepWait},
		{"begun by a dead worker", with(stateBegun, 1), "a", 2, true, stepResolve},
		{"a dead worker was asking", with(stateAsking, 1), "a", 2, true, stepResolve},
		{"a live worker is asking", with(stateAsking, 1), "a", 2, false, stepWait},
		{"refused", with(stateReleased, 2), "a", 9, true, stepSend},
		{"refused too often", with(stateReleased, 3), "a", 9, false, stepGiveUp},
		{"another content", with(stateReleased, 1), "b", 1, true, stepForeign},
		{"another content, and done", with(stateDone, 1), "b", 1, true, stepForeign},
	} {
		assert.Equal(t, c.want, nextStep(c.entry, c.digest, c.deliveries, attempts, c.dead), c.name)
	}
}

// forgetFed makes the job's record what a feeder leaves that was killed before
// it wrote down how far it had come.
func forgetFed(t *testing.T, f *Fleet, job string) {
	t.Helper()
	require.NoError(t, f.changeJob(t.Context(), job, func(r *jobRecord) bool {
		r.Published, r.Chain, r.Complete, r.Records = 0, "", false, 0
		return true
	}))
}

func TestAChangedSourceQueuesNothingAfterAFeederThatWasKilled(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	list := contacts(1000, false)
	_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(list[:250], errors.New("cut off")))
	require.Error(t, err)
	forgetFed(t, f, "job")
	inserted := append([]antcrm.ContactCreateParams{{Name: "Nguyễn Thị Mẫu", ExternalID: "ERP-NEW"}}, list...)
	_, err = f.FeedContacts(t.Context(), Job{Name: "job"}, source(inserted, nil))
	require.ErrorIs(t, err, ErrSourceChanged)
	refusal := err.Error()
	info, err := f.chunks.Info(t.Context())
	require.NoError(t, err)
	assert.Equal(t, uint64(2), info.State.Msgs)
	assert.Contains(t, refusal, "chunk 0")

	assert.Equal(t, int64(10), feedContacts(t, f, "job", list).Chunks, "the source as it was goes on")
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 1000, srv.Count(antcrmtest.Contacts))
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
}

func TestTwoSourcesUnderOneNameQueueOnlyOne(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	list := contacts(3000, false)
	failed := make(chan error, 2)
	for _, records := range [][]antcrm.ContactCreateParams{list, list[1:]} {
		go func() {
			_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(records, nil))
			failed <- err
		}()
	}
	errs := []error{<-failed, <-failed}
	require.ErrorIs(t, errors.Join(errs...), ErrSourceChanged)
	assert.Contains(t, errs, error(nil), "the other goes on")
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
}

func TestAFeederSaysThatItsJobWasPurgedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	list := contacts(1000, false)
	interrupted := func(yield func(antcrm.ContactCreateParams, error) bool) {
		for i, p := range list {
			if i == 500 {
				require.NoError(t, f.Purge(t.Context(), "job", true))
			}
			if !yield(p, nil) {
				return
			}
		}
	}
	_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, interrupted)
	require.ErrorContains(t, err, "purged")
	info, err := f.chunks.Info(t.Context())
	require.NoError(t, err)
	assert.Zero(t, info.State.Msgs, "nothing is left to be sent")
}

func TestResultsReachAsFarAsRecordsWereQueued(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(contacts(250, false), errors.New("cut off")))
	require.Error(t, err)
	forgetFed(t, f, "job")
	assert.Len(t, resultsOf(t, f, "job"), 200)
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- f.Work(ctx, WorkerConfig{Client: srv.Client()}) }()
	require.Eventually(t, func() bool { return srv.Count(antcrmtest.Contacts) == 200 }, 10*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-worked)
	for _, r := range resultsOf(t, f, "job") {
		assert.Equal(t, antcrm.OutcomeDone, r.Outcome)
	}
}

func TestOutcomesThatAreNotKeptAnyLongerAreNotCalledNotSent(t *testing.T) {
	t.Parallel()
	f, srv := newFleetWith(t, Config{PayloadAge: 6 * time.Second, LedgerAge: 6 * time.Second}), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(150, false))
	workUntilDone(t, f, srv, WorkerConfig{})
	require.Eventually(t, func() bool {
		e, _, err := f.entry(t.Context(), chunkName("job", 0))
		return err == nil && e == nil
	}, 20*time.Second, 50*time.Millisecond)
	for r, err := range f.Results(t.Context(), "job") {
		require.ErrorContains(t, err, "not kept any longer", "%+v", r)
	}
	status, err := f.JobStatus(t.Context(), "job")
	require.NoError(t, err)
	assert.Equal(t, Totals{Done: 150}, status.Totals)
}

func TestAChunkThatWasRefusedUntilItExpiredIsNotSentAndTheJobEnds(t *testing.T) {
	t.Parallel()
	f, srv := newFleetWith(t, Config{PayloadAge: 4 * time.Second, DeadAfter: 10 * time.Second}), antcrmtest.NewServer(t)
	srv.Inject(antcrmtest.Fault{Status: http.StatusTooManyRequests})
	feedContacts(t, f, "job", contacts(10, false))
	workUntilDone(t, f, srv, WorkerConfig{})
	for _, r := range resultsOf(t, f, "job") {
		assert.Equal(t, antcrm.OutcomeNotSent, r.Outcome)
		assert.False(t, r.Pending)
		assert.Contains(t, r.Error, "429")
	}
	status, err := f.JobStatus(t.Context(), "job")
	require.NoError(t, err)
	assert.Equal(t, Totals{NotSent: 10}, status.Totals)
}

func TestAChunkThatADeadWorkerHeldUntilItExpiredIsUnknownAndTheJobEnds(t *testing.T) {
	t.Parallel()
	f, srv := newFleetWith(t, Config{PayloadAge: time.Second, DeadAfter: time.Second}), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "gone")
	require.Eventually(t, func() bool {
		expired, err := f.expired(t.Context(), "job")
		return err == nil && expired
	}, 20*time.Second, 50*time.Millisecond)
	workUntilDone(t, f, srv, WorkerConfig{})
	status, err := f.JobStatus(t.Context(), "job")
	require.NoError(t, err)
	assert.Equal(t, Totals{Unknown: 10}, status.Totals)
	assert.Zero(t, srv.RequestCount())
}

func TestPayloadIsKeptUntilItsRejectedRecordsAreTold(t *testing.T) {
	t.Parallel()
	f, srv := newMortalFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	begun(t, f, "job", "gone")
	e, rev, err := f.entry(t.Context(), chunkName("job", 0))
	require.NoError(t, err)
	for _, i := range e.open() {
		e.set(i, letterRejected, "", "bad phone")
	}
	e.settle() // and before it could tell, its worker died
	_, _, err = f.put(t.Context(), chunkName("job", 0), e, rev)
	require.NoError(t, err)
	_, left, err := (&worker{f: f}).finishJobs(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, left)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Len(t, notes(t, f.rejected), 1)
}

func TestWhoeverOpensTheFleetLeavesItsRetentionAsItIs(t *testing.T) {
	t.Parallel()
	cfg := Config{StoreDir: filepath.Join(t.TempDir(), "store"), PayloadAge: 14 * 24 * time.Hour, LedgerAge: 60 * 24 * time.Hour, DeadAfter: 6 * time.Second}
	first, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer first.Close()
	bare, err := Open(t.Context(), Config{StoreDir: cfg.StoreDir})
	require.NoError(t, err)
	defer bare.Close()
	info, err := first.chunks.Info(t.Context())
	require.NoError(t, err)
	assert.Equal(t, cfg.PayloadAge, info.Config.MaxAge)
	ledger, err := first.ledger.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, cfg.LedgerAge, ledger.TTL())
	assert.Equal(t, cfg.DeadAfter, bare.cfg.DeadAfter, "it is the same for all")

	other := cfg
	other.PayloadAge = time.Hour
	_, err = Open(t.Context(), other)
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "336h0m0s")
}

func TestNotesEndWhenTheyGoAwayWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	srv.Inject(antcrmtest.Fault{Status: http.StatusTooManyRequests})
	feedContacts(t, f, "job", contacts(1000, false))
	workUntilDone(t, f, srv, WorkerConfig{MaxAttempts: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	read := 0
	for _, err := range f.Notes(ctx, "job") {
		require.NoError(t, err)
		if read++; read == 1 {
			require.NoError(t, f.rejected.Purge(t.Context()))
		}
	}
	assert.Less(t, read, 10)
}

func TestABrokenAddressFileIsNamed(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Close()
	path := filepath.Join(f.cfg.StoreDir, addressFile)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := Open(t.Context(), Config{StoreDir: f.cfg.StoreDir})
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "remove it")
	require.NoError(t, os.Remove(path))
	again, err := Open(t.Context(), Config{StoreDir: f.cfg.StoreDir})
	require.NoError(t, err)
	again.Close()
}

func TestAChangedSourceIsRefusedByTheLedgerWhenThePayloadHasExpired(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	list := contacts(250, false)
	_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(list, errors.New("cut off")))
	require.Error(t, err)
	forgetFed(t, f, "job")
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- f.Work(ctx, WorkerConfig{Client: srv.Client()}) }()
	require.Eventually(t, func() bool { return srv.Count(antcrmtest.Contacts) == 200 }, 10*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-worked)
	require.NoError(t, f.chunks.Purge(t.Context())) // as it expires
	inserted := append([]antcrm.ContactCreateParams{{Name: "Nguyễn Thị Mẫu", ExternalID: "ERP-NEW"}}, list...)
	_, err = f.FeedContacts(t.Context(), Job{Name: "job"}, source(inserted, nil))
	require.ErrorIs(t, err, ErrSourceChanged)
	feedContacts(t, f, "job", list)
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 250, srv.Count(antcrmtest.Contacts))
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
}
