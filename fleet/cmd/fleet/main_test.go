package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/fleet"
)

// call runs the command in this process.
func call(t *testing.T, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	var out, log bytes.Buffer
	err = run(t.Context(), args, strings.NewReader(stdin), &out, &log)
	if log.Len() > 0 {
		t.Log(log.String())
	}
	return out.String(), err
}

const sheet = "\ufeffMã KH;Họ tên;contactType;phones\nKH-1;Nguyễn Văn Mẫu;customer;0900000001\nKH-2;Trần Thị Mẫu;lead;0900000002\nKH-3;;customer;0900000003\n"

func TestASheetIsFedSentAndReported(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	spans := newCollector(t)
	dir := t.TempDir()
	store, file := filepath.Join(dir, "store"), filepath.Join(dir, "customers.csv")
	require.NoError(t, os.WriteFile(file, []byte(sheet), 0o600))

	_, err := call(t, "", "feed", "-store", store, "-job", "sheet", "-column", "Mã KH=customerIdApiRing", "-column", "Họ tên=name", file)
	require.NoError(t, err)
	traced := func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL) }
	worker := startWith(t, srv, traced, "work", "-store", store, "-rate", "100", "-metrics", "127.0.0.1:0")
	address := ""
	for line := range worker.lines {
		if _, found, ok := strings.Cut(line, "metrics at "); ok {
			address = found
			break
		}
	}
	require.NotEmpty(t, address)
	var metrics string
	eventually(t, 20*time.Second, "three settled records", func() bool {
		metrics = get(t, address)
		return strings.Contains(metrics, `antcrm_fleet_records_total{kind="contacts",outcome="done"} 2`) &&
			strings.Contains(metrics, `antcrm_fleet_records_total{kind="contacts",outcome="rejected"} 1`)
	})
	assert.Contains(t, metrics, "antcrm_fleet_send_seconds_count 2")

	var s fleet.Status
	eventually(t, 20*time.Second, "a finished job", func() bool {
		text, err := call(t, "", "status", "-store", store)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal([]byte(text), &s))
		return s.Jobs[0].Finished != nil
	})
	assert.Equal(t, 1, s.Alive)
	assert.Equal(t, fleet.Totals{Done: 2, Rejected: 1}, s.Jobs[0].Totals)

	require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
	worker.done(t, 10*time.Second)
	assert.Positive(t, spans.requests(), "spans reach the collector")
	assert.NotContains(t, spans.text(), srv.APIKey)
	assert.NotContains(t, spans.text(), "0900000001")
	assert.Contains(t, spans.text(), "fleet chunk")

	text, err := call(t, "", "results", "-store", store, "-job", "sheet")
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 4)
	assert.Equal(t, []string{"index", "key", "type", "outcome", "reference", "pending", "error"}, rows[0])
	for _, row := range rows[1:] {
		switch row[1] {
		case "KH-3":
			assert.Equal(t, []string{"2", "KH-3", "customer", "rejected", "", "false", "name: is required"}, row)
		default:
			assert.Equal(t, "done", row[3])
			assert.NotEmpty(t, row[4])
		}
	}
	output := filepath.Join(dir, "rejected.csv")
	_, err = call(t, "", "results", "-store", store, "-job", "sheet", "-only", "rejected", "-o", output)
	require.NoError(t, err)
	written, err := os.ReadFile(output)
	require.NoError(t, err)
	assert.Equal(t, 2, bytes.Count(written, []byte("\n")))

	text, err = call(t, "", "records", "-store", store, "-job", "sheet")
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(text, "\n"))
	corrected := strings.Replace(text, `{"`, `{"name":"Lê Mẫu","`, 1)
	_, err = call(t, corrected, "feed", "-store", store, "-job", "corrected", "-format", "jsonl", "-")
	require.NoError(t, err, "it can be corrected and fed again: %s", text)

	_, err = call(t, "", "purge", "-store", store, "-job", "sheet")
	require.NoError(t, err)
	_, err = call(t, "", "results", "-store", store, "-job", "sheet", "-o", output)
	require.ErrorContains(t, err, "purged")
	kept, err := os.ReadFile(output)
	require.NoError(t, err)
	assert.Equal(t, written, kept, "what an earlier call has written is not lost")
	others, err := filepath.Glob(output + ".*")
	require.NoError(t, err)
	assert.Empty(t, others)
}

func get(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}

// collector takes spans, as OpenTelemetry's would.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies = append(c.bodies, string(text))
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.bodies)
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.bodies, "\n")
}

func TestOrdersComeFromStandardInput(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	store := filepath.Join(t.TempDir(), "store")
	lines := `{"name":"Order 1","receiverName":"Mai","opportunityIdApiRing":"SO-1","value":0}` + "\n"
	_, err := call(t, lines, "feed", "-store", store, "-job", "orders", "-kind", "opportunities", "-format", "jsonl", "-")
	require.NoError(t, err)
	start(t, srv, "work", "-store", store, "-until-done").done(t, 20*time.Second)
	assert.Equal(t, 1, srv.CountByExternalID(antcrmtest.Opportunities, "SO-1"))
}

func TestWhatIsWrongWithAFileIsNamed(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	lines := `{"name":"A","customerIdApiRing":"1"}` + "\n{broken\n" + `{"name":"B","customerIdApiRing":"2"}` + "\n"
	_, err := call(t, lines, "feed", "-store", store, "-job", "a", "-format", "jsonl", "-")
	require.ErrorContains(t, err, "line 2")
	_, err = call(t, lines, "feed", "-store", store, "-job", "b", "-format", "jsonl", "-skip-bad-rows", "-")
	require.NoError(t, err)
	text, err := call(t, "", "results", "-store", store, "-job", "b")
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(text, "\n"))
	assert.Contains(t, text, "not sent,,true")
}

func TestAnUnknownColumnComesWithTheFlagForIt(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	_, err := call(t, "name,Mã KH\nA,1\n", "feed", "-store", store, "-job", "a", "-format", "csv", "-")
	require.ErrorContains(t, err, `-column "Mã KH=…"`)
}

func TestBadCallsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"nonsense"}, {"feed"}, {"feed", "-job", "a"}, {"feed", "-job", "a", "file.unknown"}, {"status", "more"}, {"results"}, {"records"}, {"results", "-job", "a", "-only", "lost"}, {"purge"},
		{"work", "-nonsense"}, {"serve", "-nats", "nats://127.0.0.1:1"}, {"bench", "-rounds", "0"},
	} {
		_, err := call(t, "", args...)
		require.ErrorIs(t, err, errUsage, "%v", args)
	}
	_, err := call(t, "", "help")
	require.NoError(t, err)
}

func TestTheStatusOfATerminal(t *testing.T) {
	t.Parallel()
	text := strings.Join(render(&fleet.Status{
		Alive: 1, Rate: 50, Lag: 3,
		Jobs: []fleet.JobStatus{
			{Job: "half", Chunks: 4, Settled: 2, Fed: true, Records: 400, Totals: fleet.Totals{Done: 190, Rejected: 10}},
			{Job: "new", Chunks: 0},
		},
		Workers: []fleet.WorkerStatus{{Host: "one", PID: 7, Alive: true}, {Host: "two", PID: 8}},
	}), "\n")
	assert.Contains(t, text, "[##########..........]  50 %  half")
	assert.Contains(t, text, "done 190  rejected 10")
	assert.Contains(t, text, "about 4s left")
	assert.Contains(t, text, "being fed")
	assert.Contains(t, text, "one pid 7")
	assert.NotContains(t, text, "two")
}

func TestTheStatusFitsTheTerminal(t *testing.T) {
	t.Parallel()
	lines := []string{"first", "a", "b", "Nguyễn Văn", "last"}
	assert.Equal(t, []string{"first", "Nguyễn", "last"}, fit(lines, 6, 4))
}

func TestTheStatusIsWrittenOnceWhereNobodyWatches(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer null.Close()
	_, live := terminalOf(null)
	assert.False(t, live, "a character device is not yet a terminal")
}

func TestTheLimitIsReportedFromTheFirstRequestOn(t *testing.T) {
	t.Parallel()
	var requests []antcrmtest.Request
	for i := range 200 {
		requests = append(requests, antcrmtest.Request{Time: time.Unix(1000, 0).Add(time.Duration(i) * 10 * time.Millisecond)})
	}
	var out bytes.Buffer
	report(&out, requests, 100, time.Second, 4)
	assert.Equal(t, "shared limit of 100/s, 4 workers: 100 calls in 1s (+0.0 %), at most 100 in any one second\n", out.String())
}

func TestMistakesAreNamedOnceWithWhatToDo(t *testing.T) {
	t.Parallel()
	at := func(args ...string) []string { return append(args, "-store", filepath.Join(t.TempDir(), "store")) }
	var said bytes.Buffer
	err := run(t.Context(), []string{"purge", "-wrong"}, nil, io.Discard, &said)
	require.ErrorIs(t, err, errUsage)
	require.ErrorContains(t, err, "-wrong (fleet purge -h for its flags)")
	assert.Empty(t, said.String(), "main prints the error")
	require.NoError(t, run(t.Context(), []string{"-h"}, nil, io.Discard, &said))
	assert.Contains(t, said.String(), "usage: fleet feed")
	require.ErrorIs(t, run(t.Context(), []string{"purge", "-h"}, nil, io.Discard, &said), flag.ErrHelp)
	assert.Contains(t, said.String(), "-force")

	store := at()
	out, err := call(t, "", append(store, "results", "-job", "none")...)
	require.ErrorIs(t, err, fleet.ErrNoJob)
	assert.Empty(t, out, "no header without results")
	rows, writer := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(writer, "{\"name\":\"Mẫu\"}\n")
		stop()
		_ = writer.CloseWithError(context.Canceled)
	}()
	err = run(ctx, append(store, "feed", "-job", "job", "-chunk", "1", "-format", "jsonl", "-"), rows, io.Discard, &said)
	require.ErrorContains(t, err, "the same command")
	_, err = call(t, "", append(store, "feed", "-job", "job", "-chunk", "1", customers(t, 1))...)
	require.NoError(t, err)
	_, err = call(t, "", append(store, "purge", "-job", "job")...)
	require.ErrorIs(t, err, fleet.ErrUnfinished)
	require.ErrorContains(t, err, "(-force)")
}
