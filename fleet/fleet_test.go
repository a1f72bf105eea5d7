package fleet

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"name":      {Name: "a.b"},
		"ages":      {PayloadAge: time.Hour, LedgerAge: time.Minute},
		"deadAfter": {DeadAfter: time.Millisecond},
		"replicas":  {Replicas: 7},
	} {
		cfg.StoreDir = filepath.Join(t.TempDir(), "store")
		_, err := Open(t.Context(), cfg)
		require.ErrorIs(t, err, ErrConfig, name)
	}
	f := newFleet(t)
	for _, cfg := range []WorkerConfig{{}, {Client: &antcrm.Client{}, Concurrency: -1}, {Client: &antcrm.Client{}, AckWait: 1}} {
		require.ErrorIs(t, f.Work(t.Context(), cfg), ErrConfig)
	}
	for _, job := range []Job{{}, {Name: "a b"}, {Name: "a", ChunkSize: 101}} {
		_, err := f.FeedContacts(t.Context(), job, source[antcrm.ContactCreateParams](nil, nil))
		require.ErrorIs(t, err, ErrConfig)
	}
	_, err := f.Limiter(t.Context(), 0)
	require.ErrorIs(t, err, ErrConfig)
	_, err = f.JobStatus(t.Context(), "nobody")
	require.ErrorIs(t, err, ErrNoJob)
}

func TestFleetsOnOneServerDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	cfg := Config{StoreDir: filepath.Join(t.TempDir(), "store"), unsynced: true, DeadAfter: 10 * time.Second, Name: "one"}
	one, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer one.Close()
	cfg.Name = "two"
	two, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer two.Close()
	feedContacts(t, one, "job", contacts(5, false))
	status, err := two.Status(t.Context())
	require.NoError(t, err)
	assert.Empty(t, status.Jobs)
	assert.Zero(t, status.Lag)
}

func TestWhoeverOpensTheFleetLeavesItsRetentionAsItIs(t *testing.T) {
	t.Parallel()
	cfg := Config{StoreDir: filepath.Join(t.TempDir(), "store"), unsynced: true, PayloadAge: 14 * 24 * time.Hour, LedgerAge: 60 * 24 * time.Hour, DeadAfter: 6 * time.Second}
	first, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer first.Close()
	bare, err := Open(t.Context(), Config{StoreDir: cfg.StoreDir})
	require.NoError(t, err)
	defer bare.Close()
	info, err := first.chunks.Info(t.Context())
	require.NoError(t, err)
	assert.Equal(t, cfg.PayloadAge, info.Config.MaxAge)
	ledger, err := first.ledger.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, cfg.LedgerAge, ledger.TTL())
	assert.Equal(t, cfg.DeadAfter, bare.cfg.DeadAfter, "it is the same for all")

	other := cfg
	other.PayloadAge = time.Hour
	_, err = Open(t.Context(), other)
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "336h0m0s")
}
