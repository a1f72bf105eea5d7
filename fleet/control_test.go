package fleet

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// clientOf is a client with a key of the caller's choice.
func clientOf(t *testing.T, url, key string) *antcrm.Client {
	t.Helper()
	client, err := antcrm.NewClient(key, antcrm.WithBaseURL(url))
	require.NoError(t, err)
	return client
}

func TestAFleetTakesWorkersOfOneAccountOnly(t *testing.T) {
	t.Parallel()
	f, srv, second := newFleet(t), antcrmtest.NewServer(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(10, false))
	require.NoError(t, f.Bind(t.Context(), srv.Client()))
	require.NoError(t, f.Bind(t.Context(), srv.Client()), "the same account again")
	for name, stranger := range map[string]*antcrm.Client{
		"another key of the same CRM": clientOf(t, srv.URL, "k-4711"),
		"another CRM, same key":       clientOf(t, second.URL, srv.APIKey),
	} {
		for what, err := range map[string]error{
			"Work": f.Work(t.Context(), WorkerConfig{Client: stranger}),
			"Bind": f.Bind(t.Context(), stranger),
		} {
			require.ErrorIs(t, err, ErrOtherAccount, "%s: %s", name, what)
			require.ErrorContains(t, err, "the fleet belongs to another account")
			require.ErrorContains(t, err, `called "default": use another name`)
			assert.NotContains(t, err.Error(), "4711")
		}
	}
	assert.Zero(t, srv.RequestCount()+second.RequestCount(), "nothing was sent")
	require.ErrorIs(t, f.Bind(t.Context(), &antcrm.Client{}), ErrConfig, "a client that has no account")
	require.ErrorIs(t, f.Rebind(t.Context(), &antcrm.Client{}), ErrConfig)

	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 10, srv.Count(antcrmtest.Contacts), "its own worker works")
}

func TestAReplacedKeyIsTakenAfterRebind(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	old := clientOf(t, srv.URL, "k-old")
	require.NoError(t, f.Bind(t.Context(), old))
	require.ErrorIs(t, f.Bind(t.Context(), srv.Client()), ErrOtherAccount)
	require.NoError(t, f.Rebind(t.Context(), srv.Client()))
	feedContacts(t, f, "job", contacts(10, false))
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 10, srv.Count(antcrmtest.Contacts))
	require.ErrorIs(t, f.Work(t.Context(), WorkerConfig{Client: old}), ErrOtherAccount, "the old key is now the stranger")
	kept, err := f.limits.Get(t.Context(), accountKey)
	require.NoError(t, err)
	assert.NotContains(t, string(kept.Value()), srv.APIKey, "a hash is kept, not the key")
}

func TestAFleetIsNotReboundWhileWorkersOfTheOldAccountRun(t *testing.T) {
	t.Parallel()
	f, old, other := newMortalFleet(t), antcrmtest.NewServer(t), antcrmtest.NewServer(t)
	ended := make(chan error, 1)
	go func() { ended <- f.Work(t.Context(), WorkerConfig{Client: old.Client()}) }()
	require.Eventually(t, func() bool { s, err := f.Status(t.Context()); return err == nil && s.Alive == 1 }, 10*time.Second, 10*time.Millisecond)
	err := f.Rebind(t.Context(), other.Client())
	require.ErrorIs(t, err, ErrWorkersRun)
	require.ErrorContains(t, err, "1 alive")
	require.ErrorContains(t, err, "end them first")
	require.NoError(t, f.Bind(t.Context(), old.Client()), "it is bound as it was")
	require.NoError(t, f.Rebind(t.Context(), old.Client()), "to the account of those that run")

	require.NoError(t, f.ForceRebind(t.Context(), other.Client()))
	require.Eventually(t, func() bool { return len(ended) == 1 }, 30*time.Second, 10*time.Millisecond, "the worker notices")
	require.ErrorIs(t, <-ended, ErrOtherAccount)
	feedContacts(t, f, "job", contacts(10, false))
	require.ErrorIs(t, f.Work(t.Context(), WorkerConfig{Client: old.Client()}), ErrOtherAccount)
	require.NoError(t, f.Rebind(t.Context(), old.Client()), "nobody is alive")
	workUntilDone(t, f, old, WorkerConfig{})
	assert.Equal(t, 10, old.Count(antcrmtest.Contacts))
	assert.Zero(t, other.RequestCount())
}

func TestAMistypedKeyDoesNotLockTheRightOneOut(t *testing.T) {
	t.Parallel()
	f, srv := newMortalFleet(t), antcrmtest.NewServer(t)
	wrong := clientOf(t, srv.URL, "k-mistyped")
	require.NoError(t, f.CheckAccount(t.Context(), wrong), "a feeder binds nothing")
	feedContacts(t, f, "job", contacts(10, false))
	stop := startWork(t, f, WorkerConfig{Client: wrong})
	require.Eventually(t, func() bool {
		kept, _, err := f.bound(t.Context())
		return err == nil && kept.open()
	}, 10*time.Second, 10*time.Millisecond, "the service refuses the key")
	bounded, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := f.Work(bounded, WorkerConfig{Client: srv.Client()})
	require.ErrorIs(t, err, ErrOtherAccount)
	require.ErrorContains(t, err, "1 of its workers are running")
	require.NoError(t, f.CheckAccount(t.Context(), srv.Client()))
	stop()
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 10, srv.Count(antcrmtest.Contacts))

	// A key that was good once stays bound when the service refuses it.
	srv.Inject(antcrmtest.Fault{Status: 401})
	feedContacts(t, f, "more", contacts(10, false))
	stop = startWork(t, f, WorkerConfig{Client: srv.Client()})
	require.Eventually(t, func() bool {
		s, err := f.Status(t.Context())
		return err == nil && len(s.Workers) == 1 && s.Workers[0].Waiting != ""
	}, 10*time.Second, 10*time.Millisecond)
	stop()
	require.ErrorIs(t, f.CheckAccount(t.Context(), wrong), ErrOtherAccount)
	require.ErrorIs(t, f.Work(t.Context(), WorkerConfig{Client: wrong}), ErrOtherAccount)
}

func TestFleetsOfTwoAccountsShareAServerUnderTwoNames(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	for _, name := range []string{"one", "two"} {
		srv := antcrmtest.NewServer(t)
		f, err := Open(t.Context(), Config{StoreDir: store, unsynced: true, Name: name, DeadAfter: 10 * time.Second})
		require.NoError(t, err)
		defer f.Close()
		feedContacts(t, f, "job", contacts(10, false)) // the same job's name in both
		workUntilDone(t, f, srv, WorkerConfig{})
		assert.Equal(t, 10, srv.Count(antcrmtest.Contacts))
	}
}

func TestAStoreIsOpenedWithItsOwnKeyOnly(t *testing.T) {
	t.Parallel()
	cfg := Config{StoreDir: filepath.Join(t.TempDir(), "store"), unsynced: true, StoreKey: "k-0815", DeadAfter: 10 * time.Second}
	f, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	feedContacts(t, f, "job", contacts(10, false))
	wrong := cfg
	wrong.StoreKey = "k-4711"
	refused := func(while string) {
		_, err := Open(t.Context(), wrong)
		require.ErrorIs(t, err, ErrConfig, while)
		require.ErrorContains(t, err, "was encrypted with another key", while)
		assert.NotContains(t, err.Error(), "4711")
		assert.NotContains(t, err.Error(), "0815")
	}
	refused("while another process is the server")
	f.Close()
	refused("when it would be the server itself")
	f, err = Open(t.Context(), cfg)
	require.NoError(t, err)
	defer f.Close()
	assert.Len(t, resultsOf(t, f, "job"), 10, "what was refused did no harm")
}

// startWork runs a worker until the test ends, or stop is called.
func startWork(t *testing.T, f *Fleet, cfg WorkerConfig) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- f.Work(ctx, cfg) }()
	ended := false
	stop = func() {
		if cancel(); !ended {
			ended = true
			assert.NoError(t, <-worked)
		}
	}
	t.Cleanup(stop)
	return stop
}

// waiting reports whether the fleet's only worker says that it waits for that reason.
func waitingFor(t *testing.T, f *Fleet, reason string) func() bool {
	t.Helper()
	return func() bool {
		s, err := f.Status(t.Context())
		return err == nil && len(s.Workers) == 1 && s.Workers[0].Waiting == reason
	}
}

func TestAPausedFleetFinishesWhatItHasBegunAndGoesOnAfterResume(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	held, release := holdRequests(srv, 0, antcrmtest.Fault{Do: antcrmtest.Delay})
	feedContacts(t, f, "job", contacts(1000, false))
	stop := startWork(t, f, WorkerConfig{Client: srv.Client(), Concurrency: 1})
	require.Eventually(t, func() bool { return held() == 1 }, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, f.Pause(t.Context()))
	require.NoError(t, f.Pause(t.Context()), "a second time is no mistake")
	require.Eventually(t, waitingFor(t, f, "the fleet is paused"), 10*time.Second, 20*time.Millisecond)
	release()
	require.Eventually(t, func() bool {
		s, err := f.Status(t.Context())
		return err == nil && s.Paused && s.Jobs[0].Totals == Totals{Done: 100} && s.Workers[0].InFlight == 0
	}, 10*time.Second, 20*time.Millisecond, "what was begun is finished, and nothing else begun")

	stop() // the pause holds for those that come later
	stop = startWork(t, f, WorkerConfig{Client: srv.Client(), Concurrency: 1})
	require.Eventually(t, waitingFor(t, f, "the fleet is paused"), 10*time.Second, 20*time.Millisecond)
	assert.Equal(t, 1, srv.RequestCount())

	require.NoError(t, f.Resume(t.Context()))
	require.NoError(t, f.Resume(t.Context()))
	require.NoError(t, f.Wait(t.Context(), "job"))
	stop()
	assert.Equal(t, 1000, srv.Count(antcrmtest.Contacts))
	assert.Equal(t, 10, srv.RequestCount())
	paused, err := f.Paused(t.Context())
	require.NoError(t, err)
	assert.False(t, paused)
}
