package fleet

import (
	"context"
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
