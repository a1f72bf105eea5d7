//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
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
	if soak() {
		return 20
	}
	return 1
}

// busiest is how many POSTs arrived within any one second.
func busiest(srv *antcrmtest.Server) (most int) {
	var at []time.Time
	for _, r := range srv.Requests() {
		if r.Method == http.MethodPost {
			at = append(at, r.Time)
		}
	}
	for from, to := 0, 0; to < len(at); to++ {
		for at[to].Sub(at[from]) >= time.Second {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// TestAWorkerThatIsSuspendedDoublesNothing stops workers at random moments for
// longer than others wait for them: under a low rate and under none, with and
// without a resolver. ANTCRM_SOAK makes it 20 rounds each.
func TestAWorkerThatIsSuspendedDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{0, 10} {
		for _, resolver := range []bool{false, true} {
			t.Run(fmt.Sprintf("rate %d, resolver %t", rate, resolver), func(t *testing.T) {
				t.Parallel()
				suspend(t, rate, resolver, suspendRounds())
			})
		}
	}
}

func suspend(t *testing.T, rate int, resolver bool, rounds int) {
	t.Helper()
	n := 1200 * rounds // two workers with two chunks of ten at a time make 20 requests a second
	if rate > 0 {
		n = 60 * rate * rounds
	}
	srv := antcrmtest.NewServer(t, antcrmtest.WithLatency(200*time.Millisecond), antcrmtest.WithRequestLog(n, 0))
	address := natsServer(t)
	f, err := fleet.Open(t.Context(), fleet.Config{URL: address, Replicas: 1, DeadAfter: 2 * time.Second})
	require.NoError(t, err)
	defer f.Close()
	list := invented(n)
	_, err = f.FeedContacts(t.Context(), fleet.Job{Name: job, ChunkSize: 10}, list)
	require.NoError(t, err)

	worker := func() *program {
		if resolver {
			return startWith(t, srv, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, asProgram+"=resolving worker") }, address, strconv.Itoa(rate))
		}
		return start(t, srv, "work", "-nats", address, "-replicas", "1", "-ack-wait", "1s", "-concurrency", "2", "-rate", strconv.Itoa(rate))
	}
	workers := []*program{worker(), worker()}
	eventually(t, 60*time.Second, "a record", func() bool { return srv.Count(antcrmtest.Contacts) > 0 })
	for round := range rounds {
		victim := workers[round%2].Process
		time.Sleep(rand.N(400 * time.Millisecond))
		require.NoError(t, victim.Signal(syscall.SIGSTOP))
		time.Sleep(4*time.Second + rand.N(time.Second))
		require.NoError(t, victim.Signal(syscall.SIGCONT))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	require.NoError(t, f.Wait(ctx, job))
	totals := outcomes(t, f, srv, n)
	if resolver {
		assert.Equal(t, fleet.Totals{Done: int64(n)}, totals, "the resolver knows of each")
	} else {
		assert.LessOrEqual(t, totals.Unknown, int64(40*rounds), "two chunks of ten a suspension, and what woke up")
	}
	for range 2 { // a worker that woke up late has had its time
		status, err := f.JobStatus(t.Context(), job)
		require.NoError(t, err)
		assert.NotNil(t, status.Finished, "a finished job is not reopened")
		assert.Equal(t, totals, status.Totals, "and its report is exact")
		time.Sleep(500 * time.Millisecond)
	}
	t.Logf("\n| SIGSTOP and SIGCONT | fed | done | rejected | unknown | not sent | lost | doubled | most in one second |\n"+
		"| rate %d, resolver %t, %d rounds | %d | %d | %d | %d | %d | %d | %d | %d |", rate, resolver, rounds,
		n, totals.Done, totals.Rejected, totals.Unknown, totals.NotSent, n-int(totals.All()), len(srv.Duplicates(antcrmtest.Contacts)), busiest(srv))
	if rate > 0 {
		// Half a dozen more than promised are those that the machine was late with.
		assert.LessOrEqual(t, busiest(srv), rate+rate/10+6)
	}
}
