package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// program is a running antcrm-mock.
type program struct {
	t     *testing.T
	hello greeting
	stop  context.CancelFunc
	ended chan error
	log   *safeBuffer
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func launch(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	p := &program{t: t, stop: stop, ended: make(chan error, 1), log: &safeBuffer{}}
	go func() {
		err := run(ctx, args, in, p.log)
		_ = in.Close()
		p.ended <- err
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err, p.log)
	require.NoError(t, json.Unmarshal(line, &p.hello))
	t.Cleanup(stop)
	return p
}

func (p *program) do(method, path, body string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.hello.URL+path, strings.NewReader(body))
	require.NoError(p.t, err)
	req.Header.Set("apikey", p.hello.APIKey)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return resp.StatusCode, string(answer)
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestTheFirstLineSaysWhereAndWithWhichKey(t *testing.T) {
	t.Parallel()
	p := launch(t)
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+$`, p.hello.URL)
	assert.NotEmpty(t, p.hello.APIKey)
	assert.Equal(t, p.hello.URL+"/_mock/", p.hello.Control)
	status, body := p.do("GET", "/contacts", "")
	assert.Equal(t, 200, status)
	assert.Equal(t, "[]", body)
	p.stop()
	require.NoError(t, <-p.ended, "a signal is no error")
}

func TestFlags(t *testing.T) {
	t.Parallel()
	seed := file(t, "contacts.json", `[{"name":"A","customerIdApiRing":"a"},{"name":"B"},{"name":"C"}]`)
	faults := file(t, "faults.json", `{"path":"/products","status":429,"retryAfter":"3s"}`)
	p := launch(t, "-key", "k", "-seed", seed, "-seed", filepath.Dir(seed), "-faults", faults, "-log", "text", "-duplicates", "reject",
		"-page-size", "5", "-max-limit", "2", "-latency", "1ms")
	assert.Equal(t, "k", p.hello.APIKey)
	status, _ := p.do("GET", "/products", "")
	assert.Equal(t, 429, status)
	_, body := p.do("GET", "/_mock/faults", "")
	assert.Contains(t, body, `"met":1`)
	_, body = p.do("GET", "/contacts?limit=4", "")
	assert.Equal(t, 2, strings.Count(body, `"name"`))
	status, _ = p.do("POST", "/contacts", `{"name":"A","customerIdApiRing":"a"}`)
	assert.Equal(t, 409, status)
	assert.Contains(t, p.log.String(), "path=/products status=429")

	status, _ = p.do("POST", "/_mock/reset", "")
	assert.Equal(t, 200, status)
	_, body = p.do("GET", "/_mock/state", "")
	assert.Contains(t, body, `"contacts":6`, "the seed files are loaded again")
}

func TestEachProgramMakesAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	first, second := launch(t).hello.APIKey, launch(t).hello.APIKey
	assert.Regexp(t, `^mock-[A-Z2-7]{26}$`, first)
	assert.NotEqual(t, first, second)
}

func TestOpenQuestionsAreListedAndAnsweredByName(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-questions"}, &out, io.Discard))
	for _, q := range antcrmtest.OpenQuestions() {
		assert.Contains(t, out.String(), q.ID+"\n    "+q.Question+"\n")
		for _, a := range q.Alternatives {
			assert.Contains(t, out.String(), "    "+a.Name+": "+a.Consequence+"\n")
		}
	}

	p := launch(t, "-answer", "success-spelling=ok", "-answer", "duplicate-key=conflict", "-host", "mock")
	_, body := p.do("POST", "/contacts", `{"name":"A","customerIdApiRing":"a"}`)
	assert.JSONEq(t, `{"success":"ok","leadId":1000001}`, body)
	status, _ := p.do("POST", "/contacts", `{"name":"A","customerIdApiRing":"a"}`)
	assert.Equal(t, 409, status)
}

func TestAReportIsPlayed(t *testing.T) {
	t.Parallel()
	report := file(t, "report.json", `{"format": 1, "findings": [{"id": "success-spelling", "answer": "differs", "alternative": "ok"},
		{"id": "duplicate-key", "answer": "differs", "alternative": "conflict"}, {"id": "money-format", "answer": "differs"}]}`)
	p := launch(t, "-like", report, "-answer", "duplicate-key=default")
	assert.Equal(t, "antcrm-mock: the report has answers that cannot be played: money-format\n", p.log.String())
	for i := range 2 {
		_, body := p.do("POST", "/contacts", `{"name":"A","customerIdApiRing":"a"}`)
		assert.JSONEq(t, fmt.Sprintf(`{"success":"ok","leadId":%d}`, 1000001+i), body, "a later -answer counts")
	}
}

func TestAReportOfUnknownQuestionsIsSaid(t *testing.T) {
	t.Parallel()
	p := launch(t, "-like", file(t, "report.json", `{"format": 1, "findings": [{"id": "spelling-of-success", "answer": "as decided"}]}`))
	assert.Equal(t, "antcrm-mock: the report has answers that cannot be played: spelling-of-success\n", p.log.String())
}

func TestControlCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	p := launch(t, "-control=false")
	assert.Empty(t, p.hello.Control)
	status, _ := p.do("POST", "/_mock/reset", "")
	assert.Equal(t, 404, status)
}

func TestBadArgumentsAreErrors(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"unknown flag":       {"-nothing"},
		"a word":             {"serve"},
		"an empty key":       {"-key", ""},
		"an address":         {"-addr", "nowhere"},
		"a latency":          {"-latency", "-1s"},
		"a limit":            {"-max-limit", "x"},
		"duplicates":         {"-duplicates", "maybe"},
		"a log":              {"-log", "xml"},
		"no question":        {"-answer", "nothing=ignored"},
		"no alternative":     {"-answer", "package-order=sideways"},
		"no answer":          {"-answer", "package-order"},
		"a host with a port": {"-host", "mock:80"},
		"no such seed":       {"-seed", "none.json"},
		"no such faults":     {"-faults", "none.json"},
		"no such report":     {"-like", "none.json"},
		"a report of later":  {"-like", file(t, "report.json", `{"format":2,"findings":[]}`)},
		"faults of no sense": {"-faults", file(t, "faults.json", `{"do":"explode"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.Error(t, run(t.Context(), args, &out, io.Discard))
			assert.Empty(t, out.String(), "no URL is printed")
		})
	}
}
