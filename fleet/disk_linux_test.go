package fleet

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestAFullDiskStopsTheServerOnlyUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Skip("a small disk cannot be mounted here:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	var log safeText
	f, err := Open(t.Context(), Config{StoreDir: filepath.Join(dir, "store"), DeadAfter: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	t.Cleanup(f.Close)
	srv := antcrmtest.NewServer(t)
	list := contacts(1000, false)
	for i := range list {
		list[i].BackgroundInfo = strings.Repeat("x", 2000)
	}
	ballast := filepath.Join(dir, "ballast")
	fill := func() {
		file, err := os.Create(ballast)
		require.NoError(t, err)
		for block := make([]byte, 64<<10); err == nil; {
			_, err = file.Write(block)
		}
		_ = file.Close()
	}
	fed := make(chan error, 1)
	fill()
	go func() {
		_, err := f.FeedContacts(t.Context(), Job{Name: "job"}, source(list, nil))
		fed <- err
	}()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "the disk is full") }, 60*time.Second, 50*time.Millisecond)
	require.NoError(t, os.Remove(ballast))
	require.NoError(t, <-fed)
	assert.Contains(t, log.String(), "the server goes on")
	workUntilDone(t, f, srv, WorkerConfig{})
	assert.Equal(t, 1000, srv.Count(antcrmtest.Contacts))
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
	for _, r := range resultsOf(t, f, "job") {
		assert.Equal(t, antcrm.OutcomeDone, r.Outcome)
	}
}
