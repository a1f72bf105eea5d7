package fleet

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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
