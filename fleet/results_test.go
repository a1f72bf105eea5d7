package fleet

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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
