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
