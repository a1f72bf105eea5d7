package antcrmtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

const aContact = `{"name":"A","customerIdApiRing":"a"}`

// try sends without keep-alive, so that net/http repeats nothing by itself, and returns what came.
func (w *wire) try(method, path, body string) (int, string, http.Header, error) {
	w.t.Helper()
	req := w.request(method, path, body)
	req.Close = true
	return w.send(req)
}

func TestEffects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault  antcrmtest.Fault
		status int // 0: no answer
		body   string
		header map[string]string
		kept   int  // contacts afterwards
		broken bool // the body breaks off
	}{
		"an answer":                {fault: antcrmtest.Fault{Status: 418, Body: "no", Header: map[string]string{"X-A": "b"}}, status: 418, body: "no", header: map[string]string{"X-A": "b"}},
		"an empty answer":          {fault: antcrmtest.Fault{Status: 200}, status: 200},
		"no content":               {fault: antcrmtest.Fault{Status: 204}, status: 204},
		"too many":                 {fault: antcrmtest.Fault{Status: 429, RetryAfter: 1500 * time.Millisecond}, status: 429, header: map[string]string{"Retry-After": "2"}},
		"an answer after all":      {fault: antcrmtest.Fault{Status: 503, Commit: true}, status: 503, kept: 1},
		"a delay":                  {fault: antcrmtest.Fault{Latency: time.Millisecond}, status: 200, body: `{"success":1,"leadId":1000001}`, kept: 1},
		"closed before":            {fault: antcrmtest.Fault{Do: antcrmtest.CloseBefore}},
		"closed after":             {fault: antcrmtest.Fault{Do: antcrmtest.CloseAfter}, kept: 1},
		"truncated JSON":           {fault: antcrmtest.Fault{Do: antcrmtest.Truncate}, status: 200, body: `{"success":1,"l`, kept: 1},
		"a cut connection":         {fault: antcrmtest.Fault{Do: antcrmtest.Cut}, status: 200, body: `{"success":1,"l`, kept: 1, broken: true},
		"HTML from a gateway":      {fault: antcrmtest.Fault{Do: antcrmtest.HTML}, status: 502, header: map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		"HTML under 200":           {fault: antcrmtest.Fault{Do: antcrmtest.HTML, Status: 200, Body: "<html>"}, status: 200, body: "<html>"},
		"HTML, the write done":     {fault: antcrmtest.Fault{Do: antcrmtest.HTML, Commit: true}, status: 502, kept: 1},
		"a redirect":               {fault: antcrmtest.Fault{Do: antcrmtest.Redirect, Location: "https://example.com/x"}, status: 307, header: map[string]string{"Location": "https://example.com/x"}},
		"a redirect of its status": {fault: antcrmtest.Fault{Do: antcrmtest.Redirect, Status: 302, Location: "/y"}, status: 302, header: map[string]string{"Location": "/y"}},
		"a slow body":              {fault: antcrmtest.Fault{Do: antcrmtest.SlowBody, Latency: time.Millisecond, Pieces: 3}, status: 200, body: `{"success":1,"leadId":1000001}`, kept: 1},
		"a slow body of one byte":  {fault: antcrmtest.Fault{Do: antcrmtest.SlowBody, Pieces: 1000}, status: 200, body: `{"success":1,"leadId":1000001}`, kept: 1},
		"partial, on one record":   {fault: antcrmtest.Fault{Do: antcrmtest.Partial, Fail: []int{0}}, status: 200, body: `{"success":1,"leadId":1000001}`, kept: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.t = t
			met := w.srv.Inject(tc.fault)
			status, body, header, err := w.try("POST", "/contacts", aContact)
			assert.Equal(t, tc.status, status)
			switch {
			case tc.status == 0:
				require.Error(t, err)
			case tc.broken:
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			default:
				require.NoError(t, err)
			}
			if tc.body != "" || tc.fault.Status == 200 && tc.fault.Do == "" {
				assert.Equal(t, tc.body, body)
			}
			for name, value := range tc.header {
				assert.Equal(t, value, header.Get(name))
			}
			assert.Equal(t, 1, met.Met())
			assert.Equal(t, tc.kept, w.srv.Count(antcrmtest.Contacts))

			requests := w.srv.Requests()
			require.Len(t, requests, 1)
			assert.Equal(t, tc.status, requests[0].Status)
			assert.Equal(t, tc.kept == 1, requests[0].Wrote)
			if tc.fault.Do != antcrmtest.CloseBefore {
				assert.JSONEq(t, aContact, string(requests[0].Body))
			}
			if tc.fault.Latency == 0 || tc.fault.Do != "" {
				assert.NotEmpty(t, requests[0].Fault)
			}
		})
	}
}

func TestAFaultMeetsTheRequestsItNames(t *testing.T) {
	t.Parallel()
	type call struct{ method, path, body string }
	calls := []call{{"POST", "/contacts", aContact}, {"GET", "/contacts", ""}, {"POST", "/contacts/package", "[" + aContact + "]"}, {"GET", "/rating", ""}, {"POST", "/contacts", `{"name":"B","customerIdApiRing":"b"}`}}
	for name, tc := range map[string]struct {
		fault antcrmtest.Fault
		want  string // one letter a call: x met, . not
	}{
		"any":                   {antcrmtest.Fault{}, "xxxxx"},
		"method":                {antcrmtest.Fault{Method: "post"}, "x.x.x"},
		"path":                  {antcrmtest.Fault{Path: "/contacts"}, "xx..x"},
		"path with a star":      {antcrmtest.Fault{Path: "/contacts*"}, "xxx.x"},
		"a star":                {antcrmtest.Fault{Path: "*"}, "xxxxx"},
		"method and path":       {antcrmtest.Fault{Method: "GET", Path: "/rating"}, "...x."},
		"body":                  {antcrmtest.Fault{BodyContains: `"a"`}, "x.x.."},
		"own look at the body":  {antcrmtest.Fault{Match: func(r *antcrmtest.Request) bool { return strings.Contains(string(r.Body), `"B"`) }}, "....x"},
		"own condition":         {antcrmtest.Fault{Match: func(r *antcrmtest.Request) bool { return r.Header.Get("Content-Type") == "" }}, ".x.x."},
		"nth":                   {antcrmtest.Fault{Method: "POST", Nth: 2}, "..x.."},
		"after":                 {antcrmtest.Fault{After: 3}, "...xx"},
		"nth behind after":      {antcrmtest.Fault{After: 1, Nth: 2}, "..x.."},
		"times":                 {antcrmtest.Fault{Times: 2}, "xx..."},
		"times behind after":    {antcrmtest.Fault{After: 1, Times: 2}, ".xx.."},
		"a certain probability": {antcrmtest.Fault{Probability: 1}, "xxxxx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.t = t
			fault := tc.fault
			fault.Status = 599
			armed := w.srv.Inject(fault)
			got := ""
			for _, c := range calls {
				status, _ := w.do(c.method, c.path, c.body)
				got += map[bool]string{true: "x", false: "."}[status == 599]
			}
			assert.Equal(t, tc.want, got)
			assert.Equal(t, strings.Count(tc.want, "x"), armed.Met())
			armed.Remove()
			w.ok("GET", "/contacts", "")
			assert.Empty(t, w.srv.Faults())
		})
	}
}

func TestProbabilityIsSeeded(t *testing.T) {
	t.Parallel()
	pattern := func(seed uint64) string {
		w := start(t)
		w.srv.Inject(antcrmtest.Fault{Probability: 0.5, Seed: seed, Status: 500})
		got := ""
		for range 40 {
			status, _ := w.do("GET", "/contacts", "")
			got += map[bool]string{true: "x", false: "."}[status == 500]
		}
		return got
	}
	one := pattern(1)
	assert.Equal(t, one, pattern(1))
	assert.NotEqual(t, one, pattern(2))
	assert.Contains(t, one, "x")
	assert.Contains(t, one, ".")
}

func TestFaultsAreTriedInOrderAndDelaysLetThrough(t *testing.T) {
	t.Parallel()
	w := start(t)
	delay := w.srv.Inject(antcrmtest.Fault{Do: antcrmtest.Delay, Latency: time.Millisecond})
	first := w.srv.Inject(antcrmtest.Fault{Status: 500, Times: 1})
	second := w.srv.Inject(antcrmtest.Fault{Status: 503, Times: 1})
	var got []int
	for range 3 {
		status, _ := w.do("GET", "/contacts", "")
		got = append(got, status)
	}
	assert.Equal(t, []int{500, 503, 200}, got)
	assert.Equal(t, []int{3, 1, 1}, []int{delay.Met(), first.Met(), second.Met()})
	w.srv.ClearFaults()
	assert.Empty(t, w.srv.Faults())
}

func TestAPartialFailureLeavesRecordsOut(t *testing.T) {
	t.Parallel()
	const two = `[{"name":"A","customerIdApiRing":"a"},{"name":"B","customerIdApiRing":"b"},{"name":"C","customerIdApiRing":"c"}]`
	w := start(t)
	w.srv.Inject(antcrmtest.Fault{Do: antcrmtest.Partial, Fail: []int{1}, Times: 1})
	assert.JSONEq(t, `{"success":1,"leadId":[1000001,1000002]}`, w.ok("POST", "/contacts/package", two))
	assert.Equal(t, []any{"A", "C"}, column(w.list("/contacts"), "name"))

	w.srv.Inject(antcrmtest.Fault{Path: "/contacts/package", Do: antcrmtest.Partial, Fail: []int{0, 2}, Nulls: true, Times: 1})
	assert.JSONEq(t, `{"success":1,"leadId":[null,1000003,null]}`, w.ok("POST", "/contacts/package", two))

	w.ok("POST", "/opportunities/package", `[{"name":"A","receiverName":"B"},{"name":"A","receiverName":"B"}]`)
	w.srv.Inject(antcrmtest.Fault{Path: "/opportunities/package", Do: antcrmtest.Partial, Fail: []int{0}, Times: 1})
	assert.JSONEq(t, `{"success":1,"number":[3000002]}`, w.ok("PUT", "/opportunities/package", `[{"number":3000001,"stage":"x"},{"number":3000002,"stage":"x"}]`))
	assert.Equal(t, []any{"", "x"}, column(w.list("/opportunities"), "stage"))

	w.srv.Inject(antcrmtest.Fault{Do: antcrmtest.Partial, Fail: []int{0, 1}, Times: 1})
	assert.JSONEq(t, `{"success":1}`, w.ok("POST", "/opportunities/package", `[{"name":"A","receiverName":"B"},{"name":"A","receiverName":"B"}]`))
}

func TestAStuckPageStandsForEveryPage(t *testing.T) {
	t.Parallel()
	w := start(t)
	for i := range 6 {
		require.NoError(t, w.srv.Seed(antcrmtest.Products, map[string]any{"name": fmt.Sprint(i)}))
		require.NoError(t, w.srv.Seed(antcrmtest.Messages, map[string]any{"sessionId": fmt.Sprint(i), "createdAt": 5, "messages": []any{map[string]any{"_id": fmt.Sprint(i)}}}))
	}
	w.srv.Inject(antcrmtest.Fault{Method: "GET", Do: antcrmtest.StuckPage, Page: 2})
	for _, page := range []string{"1", "2", "3"} {
		assert.Equal(t, []any{"2", "3"}, column(w.list("/products?limit=2&page="+page), "name"))
	}
	body := w.ok("GET", "/messages?limit=2&offset=4&created_from=1970-01-01T00:00:00.000Z&created_to=2030-01-01T00:00:00.000Z", "")
	assert.Contains(t, body, `"sessionId":"2"`)
}

func TestAGzipBombUnpacksToWhatWasAsked(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.Inject(antcrmtest.Fault{Do: antcrmtest.GzipBomb, Size: 3<<20 + 7})
	resp, err := w.hc.Do(w.request("GET", "/contacts", ""))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	assert.True(t, resp.Uncompressed)
	n, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	assert.EqualValues(t, 3<<20+7, n)
}

func TestNoWaitOutlivesTheServer(t *testing.T) {
	t.Parallel()
	srv, err := antcrmtest.Start()
	require.NoError(t, err)
	slow := srv.Inject(antcrmtest.Fault{Latency: time.Hour})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/contacts", nil)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			err = errors.Join(resp.Body.Close(), nil)
		}
		failed <- err
	}()
	require.Eventually(t, func() bool { return slow.Met() == 1 }, 10*time.Second, time.Millisecond)
	srv.Close()
	srv.Close()
	require.Error(t, <-failed)
}

func TestFaultsThatMakeNoSenseAreNotArmed(t *testing.T) {
	t.Parallel()
	srv, err := antcrmtest.Start()
	require.NoError(t, err)
	defer srv.Close()
	for name, f := range map[string]antcrmtest.Fault{
		"unknown effect":         {Do: "explode"},
		"answer without status":  {Do: antcrmtest.Answer},
		"a status of 99":         {Status: 99},
		"redirect to nowhere":    {Do: antcrmtest.Redirect},
		"partial without places": {Do: antcrmtest.Partial},
		"probability above 1":    {Probability: 1.5, Status: 500},
		"a negative count":       {Times: -1},
		"a negative wait":        {Latency: -1},
		"a relative path":        {Path: "contacts", Status: 500},
		"a place below 0":        {Do: antcrmtest.Partial, Fail: []int{-1}},
		"a bomb without end":     {Do: antcrmtest.GzipBomb, Size: 1 << 50},
		"a body without status":  {Body: "no"},
		"a pause without status": {RetryAfter: time.Second},
		"a header with a break":  {Status: 500, Header: map[string]string{"A": "b\r\nC: d"}},
	} {
		t.Run(name, func(t *testing.T) {
			armed := srv.Inject(f)
			require.Error(t, armed.Err())
			assert.Zero(t, armed.Met())
			armed.Remove()
		})
	}
	assert.Empty(t, srv.Faults())
}

func TestFaultsReadAndWriteAsJSON(t *testing.T) {
	t.Parallel()
	faults, err := antcrmtest.ParseFaults([]byte(`[{"method":"POST","path":"/contacts*","times":2,"status":429,"retryAfter":"2s","latency":"50ms"},{"do":"close-after","nth":3}]`))
	require.NoError(t, err)
	assert.Equal(t, []antcrmtest.Fault{
		{Method: "POST", Path: "/contacts*", Times: 2, Status: 429, RetryAfter: 2 * time.Second, Latency: 50 * time.Millisecond},
		{Do: antcrmtest.CloseAfter, Nth: 3},
	}, faults)
	text, err := json.Marshal(faults)
	require.NoError(t, err)
	again, err := antcrmtest.ParseFaults(text)
	require.NoError(t, err)
	assert.Equal(t, faults, again)
	one, err := antcrmtest.ParseFaults([]byte(` {"status":500}`))
	require.NoError(t, err)
	assert.Len(t, one, 1)

	for _, bad := range []string{``, `{`, `7`, `{"stauts":500}`, `{"latency":5}`, `{"latency":"5"}`, `{"do":"explode"}`, `[{"status":1}]`,
		"[" + strings.Repeat(`{"status":500},`, 1000) + `{"status":500}]`} {
		_, err := antcrmtest.ParseFaults([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestTheFaultsOfTheDocumentsCanBeArmed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/cli.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "A file of faults is a list")
	require.True(t, found)
	_, rest, _ = strings.Cut(rest, "```json\n")
	list, _, _ := strings.Cut(rest, "```")
	faults, err := antcrmtest.ParseFaults([]byte(list))
	require.NoError(t, err)
	require.Len(t, faults, 3)
	srv := antcrmtest.NewServer(t)
	for _, fault := range faults {
		require.NoError(t, srv.Inject(fault).Err())
	}
}
