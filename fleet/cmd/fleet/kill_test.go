package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/fleet"
)

// asProgram makes the test binary the fleet command: the tests start it as
// processes of their own, which can be killed.
const asProgram = "FLEET_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(asProgram) {
	case "":
		os.Exit(m.Run())
	case "nats":
		err = natsProgram()
	case "resolving worker":
		err = resolvingWorker()
	default:
		main()
	}
	if err != nil {
		complain(err)
		os.Exit(1)
	}
}

// program is a fleet process.
type program struct {
	*exec.Cmd
	lines chan string // of its standard error
	ended chan error
}

// start runs the command in the background; it is killed when the test ends.
func start(t *testing.T, srv *antcrmtest.Server, args ...string) *program {
	t.Helper()
	return startWith(t, srv, nil, args...)
}

// startWith is start with something about the process changed.
func startWith(t *testing.T, srv *antcrmtest.Server, change func(*exec.Cmd), args ...string) *program {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	env := []string{asProgram + "=fleet", "NATS_URL=", "ANTCRM_API_KEY=" + srv.APIKey, "ANTCRM_BASE_URL=" + srv.URL}
	if change != nil {
		change(cmd)
		env = append(env, cmd.Env...)
	}
	return launch(t, cmd, args[0], env...)
}

// launch starts the test binary as another program; the environment says which.
func launch(t *testing.T, cmd *exec.Cmd, name string, env ...string) *program {
	t.Helper()
	cmd.Env = append(os.Environ(), env...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &program{Cmd: cmd, lines: make(chan string, 100), ended: make(chan error, 1)}
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			t.Log(name, cmd.Process.Pid, lines.Text())
			select {
			case p.lines <- lines.Text():
			default: // nobody reads them
			}
		}
		close(p.lines)
		p.ended <- cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process with SIGKILL and waits for it.
func (p *program) kill() {
	_ = p.Process.Kill()
	for range p.ended {
	}
}

// done waits for the process to end by itself.
func (p *program) done(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case err := <-p.ended:
		require.NoError(t, err)
	case <-time.After(within):
		require.Fail(t, "the process does not end", "%v", p.Args)
	}
}

// customers writes a sheet of n customers and leads.
func customers(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "customers.csv")
	var out bytes.Buffer
	out.WriteString("name,customerIdApiRing,contactType,phones\n")
	for i := range n {
		fmt.Fprintf(&out, "Nguyễn Văn Mẫu %d,%s,%s,09%08d\n", i, externalID(i), contactType(i), i)
	}
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path
}

func externalID(i int) string { return fmt.Sprintf("ERP-%06d", i) }

// eventually waits for a condition.
func eventually(t *testing.T, within time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !condition() {
		require.True(t, time.Now().Before(deadline), "in vain: %s", what)
		time.Sleep(20 * time.Millisecond)
	}
}

const job = "customers"

// outcomes reads the results of the job and holds them to the fake's store.
func outcomes(t *testing.T, f *fleet.Fleet, srv *antcrmtest.Server, n int) fleet.Totals {
	t.Helper()
	var totals fleet.Totals
	seen := make([]bool, n)
	doubles, lost := 0, 0
	for r, err := range f.Results(t.Context(), job) {
		require.NoError(t, err)
		require.False(t, r.Pending)
		require.Equal(t, externalID(int(r.Index)), r.Key)
		require.False(t, seen[r.Index], "record %d is named twice", r.Index)
		seen[r.Index] = true
		there := srv.CountByExternalID(antcrmtest.Contacts, r.Key)
		if there > 1 {
			doubles++
		}
		switch r.Outcome {
		case antcrm.OutcomeDone:
			totals.Done++
			assert.NotEmpty(t, r.Ref)
			if there == 0 {
				lost++
			}
		case antcrm.OutcomeUnknown:
			totals.Unknown++
		case antcrm.OutcomeRejected:
			totals.Rejected++
		case antcrm.OutcomeNotSent:
			totals.NotSent++
			assert.Zero(t, there)
		}
	}
	assert.Equal(t, int64(n), totals.All(), "every record has an outcome")
	assert.Zero(t, doubles, "records that are in the CRM twice")
	assert.Zero(t, lost, "records that are called done and are not in the CRM")
	assert.Empty(t, srv.Duplicates(antcrmtest.Contacts))
	t.Logf("%d records: done %d, unknown %d, rejected %d, not sent %d; in the CRM %d; doubles %d, losses %d",
		n, totals.Done, totals.Unknown, totals.Rejected, totals.NotSent, srv.Count(antcrmtest.Contacts), doubles, lost)
	return totals
}

// feedHalf starts a feeder that gets half of the file and waits for the rest.
func feedHalf(t *testing.T, srv *antcrmtest.Server, file string, args []string) *program {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	input, rest, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = rest.Close() })
	feeder := startWith(t, srv, func(cmd *exec.Cmd) { cmd.Stdin = input }, args...)
	require.NoError(t, input.Close()) // the feeder has its own
	_, err = rest.Write(text[:len(text)/2])
	require.NoError(t, err)
	return feeder
}

func TestNothingIsLostOrDoubledWhenAWorkerTheFeederAndTheServerAreKilled(t *testing.T) {
	t.Parallel()
	const n = 8_000
	srv := antcrmtest.NewServer(t, antcrmtest.WithLatency(150*time.Millisecond), antcrmtest.WithRequestLog(10, 0))
	store := filepath.Join(t.TempDir(), "store")
	common := []string{"-store", store, "-dead-after", "6s"}
	with := func(name string, more ...string) []string { return append(append([]string{name}, common...), more...) }
	file := customers(t, n)

	server := start(t, srv, with("serve")...)
	f, err := fleet.Open(t.Context(), fleet.Config{StoreDir: store, DeadAfter: 6 * time.Second})
	require.NoError(t, err)
	defer f.Close()

	// The feeder is killed midway, which is half of the file, and run again.
	feeder := feedHalf(t, srv, file, with("feed", "-job", job, "-format", "csv", "-"))
	queued := func() int64 {
		s, err := f.Status(t.Context())
		require.NoError(t, err)
		return s.Lag
	}
	eventually(t, 30*time.Second, "the first chunks", func() bool { return queued() > 0 })
	feeder.kill()
	t.Logf("the feeder was killed with %d of 81 chunks queued", queued())
	require.Less(t, queued(), int64(81))

	work := with("work", "-ack-wait", "2s", "-concurrency", "2")
	first := start(t, srv, work...)
	start(t, srv, work...)
	start(t, srv, work...)
	eventually(t, 30*time.Second, "a record", func() bool { return srv.Count(antcrmtest.Contacts) > 0 })
	start(t, srv, with("feed", "-job", job, file)...).done(t, 60*time.Second)

	eventually(t, 30*time.Second, "a fifth of the records", func() bool { return srv.Count(antcrmtest.Contacts) >= n/5 })
	first.kill()
	eventually(t, 30*time.Second, "a third of the records", func() bool { return srv.Count(antcrmtest.Contacts) >= n/3 })
	server.kill() // somebody else takes it over, with the same files
	eventually(t, 30*time.Second, "half of the records", func() bool { return srv.Count(antcrmtest.Contacts) >= n/2 })
	start(t, srv, with("feed", "-job", job, "-wait", file)...).done(t, 60*time.Second)

	totals := outcomes(t, f, srv, n)
	assert.LessOrEqual(t, totals.Unknown, int64(2*antcrm.MaxBatchSize), "the killed worker had two chunks in its hands")
	assert.Equal(t, int64(n), totals.Unknown+totals.Done)
	assert.LessOrEqual(t, n-srv.Count(antcrmtest.Contacts), int(totals.Unknown))
}
