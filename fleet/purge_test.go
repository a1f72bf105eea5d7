package fleet

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	require.ErrorIs(t, f.Purge(t.Context(), "job", false), ErrConfig)
	require.NoError(t, f.Purge(t.Context(), "job", true))
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Zero(t, srv.RequestCount())
	require.ErrorIs(t, f.Purge(t.Context(), "nobody", true), ErrNoJob)
}
