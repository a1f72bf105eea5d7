package fleet

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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

// TestALateRefusalOfASettledChunkIsNotSentAndReopensNothing is what a suspended
// worker did to a finished job: it put "to be sent again" over "unknown" and took
// the note with the records away, when the payload was gone.
func TestALateRefusalOfASettledChunkIsNotSentAndReopensNothing(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	held, release := holdRequests(srv, 0, antcrmtest.Fault{Times: 1, Status: http.StatusTooManyRequests})
	feedContacts(t, f, "job", contacts(10, false))
	stop := startWork(t, f, WorkerConfig{Client: srv.Client(antcrm.WithMaxRetries(0))})
	require.Eventually(t, func() bool { return held() == 1 }, 10*time.Second, 5*time.Millisecond)

	// Others take the worker for dead, report its records as unknown and finish the job.
	name := chunkName("job", 0)
	e, rev, err := f.entry(t.Context(), name)
	require.NoError(t, err)
	e.abandon()
	e.settle()
	rev, won, err := f.put(t.Context(), name, e, rev)
	require.NoError(t, err)
	require.True(t, won)
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), f.subject("chunks")+"."+name)
	require.NoError(t, err)
	other := &worker{f: f, id: "other"}
	other.cfg.Metrics = NewMetrics()
	d := &delivery{worker: other, name: name, entry: e, rev: rev}
	require.NoError(t, d.decode(msg.Data))
	told, err := d.tell(t.Context())
	require.NoError(t, err)
	require.True(t, told)
	_, left, err := other.finishJobs(t.Context())
	require.NoError(t, err)
	require.Zero(t, left)
	status, err := f.JobStatus(t.Context(), "job")
	require.NoError(t, err)
	require.Equal(t, Totals{Unknown: 10}, status.Totals)
	finished := *status.Finished

	release() // 429: nothing was carried out
	require.Eventually(t, func() bool {
		status, err := f.JobStatus(t.Context(), "job")
		return err == nil && status.Totals == Totals{NotSent: 10}
	}, 10*time.Second, 20*time.Millisecond, "the report follows what the worker knows")
	stop()
	status, err = f.JobStatus(t.Context(), "job")
	require.NoError(t, err)
	assert.Equal(t, finished, *status.Finished, "the job stays finished")
	for _, r := range resultsOf(t, f, "job") {
		assert.Equal(t, antcrm.OutcomeNotSent, r.Outcome)
		assert.False(t, r.Pending)
	}
	assert.Empty(t, notes(t, f.unknown))
	rejected := notes(t, f.rejected)
	require.Len(t, rejected, 1)
	require.Len(t, rejected[0].Records, 10)
	assert.Contains(t, string(rejected[0].Records[9].Record), key(9), "the records can be fed again")
	assert.Equal(t, 1, srv.RequestCount())
	assert.Zero(t, srv.Count(antcrmtest.Contacts))
}

// newDelivery is the first delivery of a job's first chunk to a worker that is alive.
func newDelivery(t *testing.T, f *Fleet, job string) *delivery {
	t.Helper()
	w := &worker{f: f, id: "worker", active: map[string]bool{}, unsent: map[string]string{}, observer: observer{f: f}}
	w.cfg.Metrics, w.cfg.MaxAttempts = NewMetrics(), 3
	w.pulse = newPulse(f, w.id)
	require.NoError(t, w.pulse.beat(t.Context(), w.status()))
	_, end := w.hold.session(t.Context())
	t.Cleanup(end)
	d := &delivery{worker: w, name: chunkName(job, 0), number: 1}
	msg, err := f.chunks.GetLastMsgForSubject(t.Context(), f.subject("chunks")+"."+d.name)
	require.NoError(t, err)
	require.NoError(t, d.decode(msg.Data))
	d.digest = digest(msg.Data)
	return d
}

func TestAChunkWhoseBegunCannotBeWrittenIsNotSent(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, c := range []struct {
		job     string
		written bool // although its acknowledgement is lost
	}{{"lost", false}, {"written", true}} {
		feedContacts(t, f, c.job, contacts(10, false))
		d := newDelivery(t, f, c.job)
		e := newEntry(d.chunk, d.digest)
		if c.written {
			copied := *e
			copied.State, copied.Owner, copied.Attempts = stateBegun, d.id, 1
			_, won, err := f.put(t.Context(), d.name, &copied, 0)
			require.NoError(t, err)
			require.True(t, won)
			*e = copied
			require.NoError(t, d.unbegin(t.Context(), e, 0))
		} else {
			begun, err := d.begin(t.Context(), ended(t), e) // others may take the worker for dead
			require.ErrorIs(t, err, context.Canceled)
			assert.False(t, begun)
		}
		there, _, err := f.entry(t.Context(), d.name)
		require.NoError(t, err)
		require.NotNil(t, there)
		assert.Equal(t, stateReleased, there.State, c.job)
		assert.Zero(t, there.Attempts, c.job)
		assert.False(t, d.isUnsent(d.name, e.Begin), "it is in the ledger and needs no memory")
		for _, r := range resultsOf(t, f, c.job) {
			assert.Equal(t, antcrm.OutcomeNotSent, r.Outcome, c.job)
			assert.True(t, r.Pending)
		}
	}
}

func TestAWorkerRemembersWhatItBegunAndDidNotSendWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	feedContacts(t, f, "job", contacts(10, false))
	d := newDelivery(t, f, "job")
	e := newEntry(d.chunk, d.digest)
	begun, err := d.begin(t.Context(), t.Context(), e)
	require.NoError(t, err)
	require.True(t, begun)
	d.rememberUnsent(d.name, e.Begin) // as unbegin does before it asks the server
	there, _, err := f.entry(t.Context(), d.name)
	require.NoError(t, err)
	require.Equal(t, stateBegun, there.State)

	d.number = 2 // the chunk is delivered again
	next, err := d.look(t.Context())
	require.NoError(t, err)
	require.Equal(t, stepResolve, next)
	_, err = d.resolve(t.Context())
	require.NoError(t, err)
	there, _, err = f.entry(t.Context(), d.name)
	require.NoError(t, err)
	assert.Equal(t, stateReleased, there.State, "nothing of it has left: it is to be sent")
}

func TestABegunThatWasRefusedAndIsStoredLaterIsNotUnknown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	feedContacts(t, f, "job", contacts(10, false))
	d := newDelivery(t, f, "job")
	d.rev = 99 // the server refuses the write, and knows no entry, as without a quorum
	e := newEntry(d.chunk, d.digest)
	begun, err := d.begin(t.Context(), t.Context(), e)
	require.NoError(t, err)
	require.False(t, begun)
	_, won, err := f.put(t.Context(), d.name, e, 0) // the attempt before it is stored after all
	require.NoError(t, err)
	require.True(t, won)
	d.number = 2
	next, err := d.look(t.Context())
	require.NoError(t, err)
	require.Equal(t, stepResolve, next)
	_, err = d.resolve(t.Context())
	require.NoError(t, err)
	there, _, err := f.entry(t.Context(), d.name)
	require.NoError(t, err)
	assert.Equal(t, stateReleased, there.State, "nothing has left")
}
