package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/fleet"
)

// metricsOf waits for the line that says where a process serves its metrics.
func metricsOf(t *testing.T, p *program) (address string) {
	t.Helper()
	for line := range p.lines {
		if _, found, ok := strings.Cut(line, "metrics at "); ok {
			return found
		}
	}
	require.Fail(t, "it serves no metrics")
	return ""
}

func statusOf(t *testing.T, store ...string) (s fleet.Status) {
	t.Helper()
	text, err := call(t, "", append([]string{"status"}, store...)...)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	return s
}

func TestAKeyThatIsRefusedMidwayHoldsTheWorkerAndItsMetricsStayUp(t *testing.T) {
	t.Parallel()
	const n = 3000
	srv, address, spans := antcrmtest.NewServer(t), natsServer(t), newCollector(t)
	at := []string{"-nats", address, "-replicas", "1"}
	var refused atomic.Bool
	srv.Inject(antcrmtest.Fault{Status: http.StatusUnauthorized, Match: func(*antcrmtest.Request) bool { return refused.Load() }})
	// The flags stand before and behind the command.
	_, err := call(t, "", "-nats", address, "feed", customers(t, n), "-replicas", "1", "-job", job)
	require.NoError(t, err)
	named := func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL, "OTEL_SERVICE_NAME=imports-of-shop-7")
	}
	worker := startWith(t, srv, named, append([]string{"work", "-rate", "20", "-metrics", "127.0.0.1:0"}, at...)...)
	metrics := metricsOf(t, worker)
	eventually(t, 30*time.Second, "a third of the records", func() bool { return srv.Count(antcrmtest.Contacts) >= n/3 })
	refused.Store(true)
	eventually(t, 30*time.Second, "a worker that waits", func() bool { return strings.Contains(get(t, metrics), `antcrm_fleet_waiting{reason="key"} 1`) })
	assert.Contains(t, get(t, metrics), `antcrm_fleet_refusals_total{status="401"}`)
	eventually(t, 30*time.Second, "a status that says so", func() bool {
		s := statusOf(t, at...)
		return len(s.Workers) == 1 && strings.Contains(s.Workers[0].Waiting, "refuses the key") && s.Alive == 1
	})
	assert.Contains(t, strings.Join(render(new(statusOf(t, at...))), "\n"), "waits: the service refuses the key")
	refused.Store(false)
	eventually(t, 60*time.Second, "a finished job", func() bool { return statusOf(t, at...).Jobs[0].Finished != nil })
	assert.Equal(t, fleet.Totals{Done: n}, statusOf(t, at...).Jobs[0].Totals, "it cost no record and no attempt")
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
	eventually(t, 30*time.Second, "metrics of the whole fleet", func() bool {
		text := get(t, metrics)
		return strings.Contains(text, `antcrm_fleet_workers{state="alive"} 1`) && strings.Contains(text, "antcrm_fleet_lag_chunks 0") &&
			strings.Contains(text, `antcrm_fleet_waiting{reason="key"} 0`)
	})
	for _, name := range []string{"limiter_wait_seconds", "request_seconds", "send_seconds"} {
		assert.Regexp(t, "antcrm_fleet_"+name+"_count [1-9]", get(t, metrics), "the wait for a turn stands apart from the service's time")
	}
	require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
	worker.done(t, 30*time.Second)
	assert.Contains(t, spans.text(), "imports-of-shop-7")
}

func TestAFeederServesMetrics(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	input, rows, err := os.Pipe()
	require.NoError(t, err)
	feeder := startWith(t, srv, func(cmd *exec.Cmd) { cmd.Stdin = input },
		"feed", "-nats", natsServer(t), "-replicas", "1", "-job", job, "-format", "csv", "-chunk", "2", "-metrics", "127.0.0.1:0", "-")
	require.NoError(t, input.Close())
	metrics := metricsOf(t, feeder)
	_, err = rows.WriteString("name,customerIdApiRing\nA,1\nB,2\nC,3\n")
	require.NoError(t, err)
	eventually(t, 30*time.Second, "a queued chunk", func() bool {
		text := get(t, metrics)
		return strings.Contains(text, "antcrm_fleet_fed_records_total 3") && strings.Contains(text, `antcrm_fleet_fed_chunks_total{state="queued"} 1`)
	})
	require.NoError(t, rows.Close())
	feeder.done(t, 30*time.Second)
}

func TestFeedersAndWorkersOfAnotherAccountAreRefusedUntilItIsRebound(t *testing.T) {
	t.Parallel()
	srv, other, address := antcrmtest.NewServer(t), antcrmtest.NewServer(t), natsServer(t)
	with := func(args ...string) []string { return append(args, "-nats", address, "-replicas", "1") }
	start(t, other, with("feed", "-job", job, customers(t, 10))...).done(t, 40*time.Second) // binds nothing
	f, err := fleet.Open(t.Context(), fleet.Config{URL: address, Replicas: 1})
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Bind(t.Context(), srv.Client()))
	for _, args := range [][]string{with("feed", "-job", "more", customers(t, 10)), with("work")} {
		stranger := start(t, other, args...)
		err := <-stranger.ended
		var failed *exec.ExitError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, 1, failed.ExitCode())
		said := ""
		for line := range stranger.lines {
			said += line + "\n"
		}
		assert.Contains(t, said, "the fleet belongs to another account")
		assert.NotContains(t, said, other.APIKey)
	}
	assert.Len(t, statusOf(t, "-nats", address, "-replicas", "1").Jobs, 1, "nothing was queued")
	start(t, other, with("rebind")...).done(t, 40*time.Second)
	start(t, other, with("work", "-until-done")...).done(t, 40*time.Second)
	assert.Equal(t, 10, other.Count(antcrmtest.Contacts))
	assert.Zero(t, srv.Count(antcrmtest.Contacts))
}

func TestAFleetIsPausedAndResumed(t *testing.T) {
	t.Parallel()
	srv, address := antcrmtest.NewServer(t), natsServer(t)
	with := func(args ...string) []string { return append(args, "-nats", address, "-replicas", "1") }
	_, err := call(t, "", with("feed", "-job", job, customers(t, 10))...)
	require.NoError(t, err)
	_, err = call(t, "", with("pause")...)
	require.NoError(t, err)
	worker := start(t, srv, with("work", "-until-done")...)
	eventually(t, 30*time.Second, "a worker that waits", func() bool {
		s := statusOf(t, "-nats", address, "-replicas", "1")
		return s.Paused && len(s.Workers) == 1 && s.Workers[0].Waiting == "the fleet is paused"
	})
	assert.Contains(t, strings.Join(render(new(statusOf(t, "-nats", address, "-replicas", "1"))), "\n"), "paused: no worker takes chunks until fleet resume")
	assert.Zero(t, srv.RequestCount())
	_, err = call(t, "", with("resume")...)
	require.NoError(t, err)
	worker.done(t, 40*time.Second)
	assert.Equal(t, 10, srv.Count(antcrmtest.Contacts))
}
