//go:build unix

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/fleet"
)

// suspendRounds is how often a worker is suspended in each run.
func suspendRounds() int {
	if os.Getenv("ANTCRM_LONG_TESTS") != "" {
		return 10
	}
	return 2
}

// TestAWorkerThatIsSuspendedDoublesNothing stops workers at random moments for
// longer than others wait for them, under a low rate and under none.
func TestAWorkerThatIsSuspendedDoublesNothing(t *testing.T) {
	t.Parallel()
	for name, rate := range map[string]string{"low rate": "20", "no rate": "0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 30_000
			srv := antcrmtest.NewServer(t, antcrmtest.WithLatency(150*time.Millisecond), antcrmtest.WithRequestLog(10, 0))
			store := filepath.Join(t.TempDir(), "store")
			common := []string{"-store", store, "-dead-after", "2s"}
			with := func(name string, more ...string) []string { return append(append([]string{name}, common...), more...) }
			start(t, srv, with("serve")...)
			f, err := fleet.Open(t.Context(), fleet.Config{StoreDir: store, DeadAfter: 2 * time.Second})
			require.NoError(t, err)
			defer f.Close()
			start(t, srv, with("feed", "-job", job, customers(t, n))...).done(t, time.Minute)

			work := with("work", "-ack-wait", "1s", "-concurrency", "2", "-rate", rate)
			workers := []*program{start(t, srv, work...), start(t, srv, work...)}
			eventually(t, 30*time.Second, "a record", func() bool { return srv.Count(antcrmtest.Contacts) > 0 })
			for round := range suspendRounds() {
				victim := workers[round%2].Process
				time.Sleep(rand.N(400 * time.Millisecond))
				require.NoError(t, victim.Signal(syscall.SIGSTOP))
				time.Sleep(4*time.Second + rand.N(time.Second))
				require.NoError(t, victim.Signal(syscall.SIGCONT))
			}
			ended := start(t, srv, with("feed", "-job", job, "-wait", customers(t, n))...)
			ended.done(t, 2*time.Minute)
			totals := outcomes(t, f, srv, n)
			assert.LessOrEqual(t, totals.Unknown, int64(400*suspendRounds()), strconv.Itoa(suspendRounds())+" rounds")
			status, err := f.JobStatus(t.Context(), job)
			require.NoError(t, err)
			assert.Equal(t, totals, status.Totals, "a finished job is not reopened, and its report is exact")
		})
	}
}
