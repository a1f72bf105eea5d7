package fleet

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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
