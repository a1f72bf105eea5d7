package fleet

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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

func TestAnEmptySourceIsAFinishedJob(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	assert.Equal(t, FeedReport{}, feedContacts(t, f, "job", nil))
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Empty(t, resultsOf(t, f, "job"))
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

func TestAChangedSourceIsNotSaidToDifferWhereNothingIsKnown(t *testing.T) {
	t.Parallel()
	f, list := newFleet(t), contacts(20, false)
	feedContacts(t, f, "job", list)
	feedAgain := func(list []antcrm.ContactCreateParams) error {
		_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(list, nil))
		return err
	}
	list[3].Name = "Trần Thị Mẫu"
	err := feedAgain(list)
	require.ErrorIs(t, err, ErrSourceChanged)
	require.ErrorContains(t, err, "somewhere among its first 20 records")
	err = feedAgain(contacts(120, false))
	require.ErrorIs(t, err, ErrSourceChanged)
}
