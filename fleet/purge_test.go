package fleet

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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

func TestAnUnfinishedJobIsPurgedOnlyByForce(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(100, false))
	require.ErrorIs(t, f.Purge(t.Context(), "job", false), ErrUnfinished)
	require.NoError(t, f.Purge(t.Context(), "job", true))
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Zero(t, srv.RequestCount())
	require.ErrorIs(t, f.Purge(t.Context(), "nobody", true), ErrNoJob)
}

func TestAPurgeByForceCountsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	held, release := holdRequests(srv, 3, antcrmtest.Fault{Do: antcrmtest.Delay})
	srv.Inject(antcrmtest.Fault{Nth: 2, Status: http.StatusTooManyRequests}) // refused: it waits to be sent again
	feedContacts(t, f, "job", contacts(1000, false))
	stop := startWork(t, f, WorkerConfig{Client: srv.Client(antcrm.WithMaxRetries(0)), Concurrency: 2})
	require.Eventually(t, func() bool { return held() == 2 }, 10*time.Second, 5*time.Millisecond)
	require.ErrorIs(t, f.Purge(t.Context(), "job", false), ErrUnfinished)
	require.NoError(t, f.Purge(t.Context(), "job", true))
	purged := func() Totals {
		status, err := f.JobStatus(t.Context(), "job")
		require.NoError(t, err)
		assert.True(t, status.Purged)
		assert.NotNil(t, status.Finished)
		return status.Totals
	}
	want := purged()
	assert.Equal(t, int64(200), want.Unknown, "the two chunks that are being sent")
	assert.Equal(t, int64(1000), want.All())
	release()
	require.Eventually(t, func() bool {
		s, err := f.Status(t.Context())
		return err == nil && s.Workers[0].InFlight == 0 && s.Lag+s.Busy == 0
	}, 20*time.Second, 20*time.Millisecond)
	stop()
	assert.Equal(t, want, purged())
	assert.Equal(t, int(want.Done+want.Unknown), srv.Count(antcrmtest.Contacts), "nothing is sent afterwards")
	for _, stream := range []jetstream.Stream{f.ledgerStream, f.chunks, f.rejected, f.unknown} {
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		assert.Zero(t, info.State.Msgs, "%s keeps nothing of it", info.Config.Name)
	}
}
