//go:build unix

package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/fleet"
)

// TestKillingAndSuspendingEverybodyInALoopLosesAndDoublesNothing kills the server,
// the feeder and workers with SIGKILL again and again, and suspends workers, in any
// order and overlapping. It runs with ANTCRM_SOAK only.
func TestKillingAndSuspendingEverybodyInALoopLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	if !soak() {
		t.Skip("takes minutes: set ANTCRM_SOAK")
	}
	const n, rounds = 60_000, 40
	srv := antcrmtest.NewServer(t, antcrmtest.WithLatency(150*time.Millisecond), antcrmtest.WithRequestLog(n, 0))
	store, file := filepath.Join(t.TempDir(), "store"), customers(t, n)
	with := func(name string, more ...string) []string {
		return append([]string{name, "-store", store, "-dead-after", "3s"}, more...)
	}
	begin := map[string]func() *program{
		"server":   func() *program { return start(t, srv, with("serve")...) },
		"feeder":   func() *program { return start(t, srv, with("feed", "-job", job, "-chunk", "20", file)...) },
		"worker 1": func() *program { return start(t, srv, with("work", "-ack-wait", "1s", "-rate", "30")...) },
		"worker 2": func() *program { return start(t, srv, with("work", "-ack-wait", "1s", "-rate", "30")...) },
	}
	running := map[string]*program{}
	for _, name := range []string{"server", "feeder", "worker 1", "worker 2"} {
		running[name] = begin[name]()
	}
	f, err := fleet.Open(t.Context(), fleet.Config{StoreDir: store, DeadAfter: 3 * time.Second})
	require.NoError(t, err)
	defer f.Close()
	eventually(t, 60*time.Second, "a record", func() bool { return srv.Count(antcrmtest.Contacts) > 0 })
	names := []string{"server", "feeder", "worker 1", "worker 2"}
	for range rounds {
		name := names[rand.N(len(names))]
		victim := running[name]
		if name == "server" || name == "feeder" || rand.N(2) == 0 {
			t.Log("kill", name, srv.Count(antcrmtest.Contacts))
			victim.kill()
			time.Sleep(rand.N(600 * time.Millisecond))
			running[name] = begin[name]()
		} else {
			t.Log("suspend", name, srv.Count(antcrmtest.Contacts))
			require.NoError(t, victim.Process.Signal(syscall.SIGSTOP))
			time.AfterFunc(3*time.Second+rand.N(3*time.Second), func() { _ = victim.Process.Signal(syscall.SIGCONT) })
		}
		time.Sleep(rand.N(2 * time.Second))
	}
	start(t, srv, with("feed", "-job", job, "-chunk", "20", file)...).done(t, 2*time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	require.NoError(t, f.Wait(ctx, job))
	totals := outcomes(t, f, srv, n)
	for range 3 { // who is still suspended wakes up
		status, err := f.JobStatus(t.Context(), job)
		require.NoError(t, err)
		assert.NotNil(t, status.Finished)
		assert.Equal(t, totals.All(), status.Totals.All())
		time.Sleep(2 * time.Second)
	}
	totals = outcomes(t, f, srv, n)
	status, err := f.JobStatus(t.Context(), job)
	require.NoError(t, err)
	assert.Equal(t, totals, status.Totals)
	t.Logf("\n| SIGKILL of server, feeder and workers, SIGSTOP of workers, %d times | fed | done | rejected | unknown | not sent | lost | doubled | most in one second |\n"+
		"| rate 30, no resolver | %d | %d | %d | %d | %d | %d | %d | %d |", rounds,
		n, totals.Done, totals.Rejected, totals.Unknown, totals.NotSent, n-int(totals.All()), len(srv.Duplicates(antcrmtest.Contacts)), busiest(srv))
}
