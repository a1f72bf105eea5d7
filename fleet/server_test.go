package fleet

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestPayloadIsEncryptedOnTheDiskAndGoneWhenTheJobIsFinished(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	feedContacts(t, f, "job", contacts(100, false))
	files := 0
	err := filepath.WalkDir(f.cfg.StoreDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		assert.NotContains(t, string(text), "Nguyễn", path)
		assert.NotContains(t, string(text), key(1), path)
		return err
	})
	require.NoError(t, err)
	assert.Greater(t, files, 5)

	workUntilDone(t, f, srv, WorkerConfig{})
	info, err := f.chunks.Info(t.Context())
	require.NoError(t, err)
	assert.Zero(t, info.State.Msgs)
	assert.Len(t, resultsOf(t, f, "job"), 100)

	require.NoError(t, f.Purge(t.Context(), "job", false))
	for _, err := range f.Results(t.Context(), "job") {
		require.ErrorContains(t, err, "purged")
	}
	_, err = f.FeedContacts(t.Context(), Job{Name: "job"}, source(contacts(100, false), nil))
	require.ErrorIs(t, err, ErrPurged, "it cannot be fed again by mistake")
	_, err = f.FeedContacts(t.Context(), Job{Name: "job"}, func(func(antcrm.ContactCreateParams, error) bool) {
		t.Error("the source of a purged job is read")
	})
	require.ErrorIs(t, err, ErrPurged)
	require.ErrorIs(t, f.Wait(t.Context(), "job"), ErrPurged)
}

func TestAnotherProcessTakesTheEmbeddedServerOver(t *testing.T) {
	t.Parallel()
	cfg := Config{StoreDir: filepath.Join(t.TempDir(), "store"), unsynced: true, DeadAfter: time.Second}
	first, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	second, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	defer second.Close()
	feedContacts(t, first, "job", contacts(100, false))
	first.Close()
	var status *Status
	require.Eventually(t, func() bool { status, err = second.Status(t.Context()); return err == nil }, 15*time.Second, 50*time.Millisecond)
	require.Len(t, status.Jobs, 1)
	assert.Equal(t, int64(1), status.Lag)
	assert.Equal(t, int64(100), status.Jobs[0].Records)

	wrong := cfg
	wrong.StoreKey = "k-4711"
	second.Close()
	_, err = Open(t.Context(), wrong)
	require.ErrorIs(t, err, ErrConfig)
	assert.NotContains(t, err.Error(), "4711")
}

func TestABrokenAddressFileIsNamed(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Close()
	path := filepath.Join(f.cfg.StoreDir, addressFile)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := Open(t.Context(), Config{StoreDir: f.cfg.StoreDir})
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "remove it")
	require.NoError(t, os.Remove(path))
	again, err := Open(t.Context(), Config{StoreDir: f.cfg.StoreDir})
	require.NoError(t, err)
	again.Close()
}

func TestTheEmbeddedServerIsLimitedByItsDiskAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	require.Equal(t, int64(maxStore), f.host.server.JetStreamConfig().MaxStore, "not a share of what was free when it started")
	answer := func(status int, code jetstream.ErrorCode) error {
		return &jetstream.APIError{Code: status, ErrorCode: code}
	}
	for _, text := range []string{
		"write /store/1.blk: no space left on device", "JetStream file resource limits exceeded for server",
		"JetStream file resource limits exceeded for account: \"$G\"", "JetStream out of File resources, will be DISABLED",
		"insufficient resources (10023)", "insufficient storage resources available (10047)",
	} {
		assert.True(t, diskFull(text), text)
	}
	assert.False(t, diskFull("JetStream memory resource limits exceeded for server"))
	assert.False(t, permanent(answer(400, 10002)), "the storage of a cluster's account is used up: whoever feeds waits")
	assert.False(t, permanent(answer(503, 10023)))
	assert.False(t, permanent(answer(500, 10047)))
	assert.True(t, permanent(answer(400, 10025)))
}

func TestAStoreOfAnotherKeyGetsNoKeyFile(t *testing.T) {
	t.Parallel()
	cfg := Config{StoreDir: filepath.Join(t.TempDir(), "store"), unsynced: true, StoreKey: "k-0815", DeadAfter: 10 * time.Second}
	f, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	cfg.StoreKey = ""
	for _, while := range []string{"while another process is the server", "alone", "without the address file"} {
		_, err := Open(t.Context(), cfg)
		require.ErrorIs(t, err, ErrConfig, while)
		require.ErrorContains(t, err, "set StoreKey (FLEET_STORE_KEY)", while)
		assert.NoFileExists(t, cfg.StoreDir+".key", while)
		if f.Close(); while == "alone" {
			require.NoError(t, os.Remove(filepath.Join(cfg.StoreDir, addressFile)))
		}
	}
}
