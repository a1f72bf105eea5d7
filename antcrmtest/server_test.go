package antcrmtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServersKnowNothingOfOneAnother(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t)
	require.NotEqual(t, a.srv.URL, b.srv.URL)
	a.ok("POST", "/contacts", aContact)
	assert.Zero(t, b.srv.Count(antcrmtest.Contacts))
	req := a.request("GET", "/contacts", "")
	req.Header.Set("apikey", b.srv.APIKey)
	status, _, _, err := a.send(req)
	require.NoError(t, err)
	assert.Equal(t, 401, status, "a client of another server is refused")
}

func TestSeedKeepsWhatTheRecordHas(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetTime(moment)
	type mine struct {
		Name string `json:"name"`
		Key  string `json:"customerIdApiRing"`
	}
	require.NoError(t, w.srv.Seed(antcrmtest.Contacts,
		mine{"A", "a"}, []mine{{"B", "b"}, {"C", "c"}}, json.RawMessage(`{"name":"D","customerId":"2000500","createdAt":""}`), []byte(`{"name":"E","leadId":7}`), `[{"name":"F","_id":"x"}]`))
	records := w.list("/contacts")
	assert.Equal(t, []any{"A", "B", "C", "D", "E", "F"}, column(records, "name"))
	assert.Equal(t, []any{json.Number("1000001"), json.Number("1000002"), json.Number("1000003"), nil, json.Number("7"), json.Number("1000004")}, column(records, "leadId"))
	assert.Equal(t, "2000500", records[3]["customerId"])
	assert.Empty(t, records[3]["createdAt"])
	assert.Equal(t, json.Number("1710311060673"), records[4]["createdAt"])
	assert.Equal(t, "x", records[5]["_id"])
	assert.JSONEq(t, `{"success":1,"customerId":2000501}`, w.ok("POST", "/contacts", `{"name":"G","customerIdApiRing":"g","contactType":"customer"}`), "counting goes on above")
	require.NoError(t, w.srv.Seed(antcrmtest.Tickets, `{"title":"gone","isTicketDeleted":true}`))
	assert.Empty(t, w.list("/tickets"))
	assert.Empty(t, w.srv.Requests()[0].Fault)
}

func TestASeedThatCannotBeReadChangesNothing(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, records := range map[string][]any{
		"no JSON":           {`{"name":`},
		"no object":         {`7`},
		"null":              {nil},
		"no objects":        {`[{"name":"A"},7]`},
		"a data of nothing": {`{"success":true,"data":"x"}`},
		"a channel":         {make(chan int)},
		"good, then bad":    {aContact, `"x"`},
		"too deep":          {`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, w.srv.Seed(antcrmtest.Contacts, records...))
			assert.Zero(t, w.srv.Count(antcrmtest.Contacts))
		})
	}
	require.Error(t, w.srv.Seed("nothing", aContact))
}

func TestSeedFiles(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"contacts-vip.json":  {Data: []byte(`[{"name":"A"},{"name":"B","contactType":"customer"}]`)},
		"history-point.json": {Data: []byte(`{"type":1,"score":5}`)},
		"rating.json":        {Data: []byte(`{"success":true,"data":[{"type":"omni"}],"limit":20}`)},
		"messages.json":      {Data: []byte(`{"success":true,"data":{"sessions":[{"sessionId":"s"}]}}`)},
		"all.json":           {Data: []byte(`{"products":[{"name":"P"}],"tickets":{"title":"T"}}`)},
		"other/tickets.json": {Data: []byte(`[{"title":"U"}]`)},
	}
	w := start(t, antcrmtest.WithSeed(files), antcrmtest.WithSeed(files, "other/*.json"))
	counts := func() (out []int) {
		for _, kind := range []antcrmtest.Kind{antcrmtest.Contacts, antcrmtest.History, antcrmtest.Ratings, antcrmtest.Messages, antcrmtest.Products, antcrmtest.Tickets} {
			out = append(out, w.srv.Count(kind))
		}
		return out
	}
	assert.Equal(t, []int{2, 1, 1, 1, 1, 2}, counts())

	w.ok("POST", "/contacts", aContact)
	w.srv.Inject(antcrmtest.Fault{Status: 500, Path: "/none"})
	require.NoError(t, w.srv.Reset())
	assert.Equal(t, []int{2, 1, 1, 1, 1, 2}, counts(), "a reset brings the seeds back")
	assert.Empty(t, w.srv.Requests())
	assert.Zero(t, w.srv.RequestCount())
	assert.Empty(t, w.srv.Faults())
	assert.JSONEq(t, `{"success":1,"leadId":1000002}`, w.ok("POST", "/contacts", aContact), "ids begin anew")

	dir := t.TempDir()
	path := filepath.Join(dir, "tickets.json")
	require.NoError(t, os.WriteFile(path, []byte(`[{"title":"V"}]`), 0o600))
	require.NoError(t, w.srv.SeedFile(path))
	require.NoError(t, w.srv.SeedFile(dir))
	assert.Equal(t, 4, w.srv.Count(antcrmtest.Tickets))

	require.Error(t, w.srv.SeedFile(filepath.Join(dir, "none.json")))
	require.Error(t, w.srv.SeedFS(files, "none-*.json"))
	require.Error(t, w.srv.SeedFS(files, "["))
	for name, text := range map[string]string{"a.json": `[]`, "b.json": `{"nothing":[]}`, "c.json": `{`, "contacts.json": `7`} {
		require.Error(t, w.srv.SeedFS(fstest.MapFS{name: {Data: []byte(text)}}), name)
	}
}

func TestBadOptionsAreErrors(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]antcrmtest.Option{
		"key":          antcrmtest.WithAPIKey(""),
		"key of lines": antcrmtest.WithAPIKey("a\nb"),
		"address":      antcrmtest.WithAddr("127.0.0.1"),
		"no such host": antcrmtest.WithAddr("256.0.0.1:0"),
		"clock":        antcrmtest.WithClock(nil),
		"zone":         antcrmtest.WithLocation(nil),
		"page size":    antcrmtest.WithPageSize(0),
		"max limit":    antcrmtest.WithMaxLimit(-1),
		"duplicates":   antcrmtest.WithDuplicates(7),
		"delete key":   antcrmtest.WithDeleteKey(-1),
		"scores":       antcrmtest.WithScores(-1, 0),
		"body":         antcrmtest.WithMaxBodySize(0),
		"log":          antcrmtest.WithRequestLog(-1, 0),
		"latency":      antcrmtest.WithLatency(-1),
		"seed":         antcrmtest.WithSeed(nil),
		"seed file":    antcrmtest.WithSeedFile("none.json"),
		"seed of none": antcrmtest.WithSeed(fstest.MapFS{}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, err := antcrmtest.Start(opt)
			require.Error(t, err)
			assert.Nil(t, srv)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	srv, err := antcrmtest.Start(nil, antcrmtest.WithAPIKey("k"), antcrmtest.WithAddr("0.0.0.0:0"))
	require.NoError(t, err)
	defer srv.Close()
	assert.True(t, strings.HasPrefix(srv.URL, "http://127.0.0.1:"), "a client cannot dial 0.0.0.0")
	assert.Equal(t, "k", srv.APIKey)
}

func TestTheClockStandsOrRuns(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithClock(func() time.Time { return moment }))
	assert.Equal(t, moment, w.srv.Now())
	w.srv.Advance(time.Hour)
	assert.Equal(t, moment.Add(time.Hour), w.srv.Now())
	w.srv.SetTime(moment.AddDate(1, 0, 0))
	w.srv.Advance(time.Minute)
	assert.Equal(t, moment.AddDate(1, 0, 0).Add(time.Minute), w.srv.Now())
}

func TestTheRequestLogIsBounded(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithRequestLog(10, 5))
	for i := range 25 {
		w.ok("GET", fmt.Sprint("/contacts?page=", i+1), "")
	}
	w.ok("POST", "/contacts", aContact)
	requests := w.srv.Requests()
	require.Len(t, requests, 10)
	assert.Equal(t, 26, w.srv.RequestCount())
	last := requests[9]
	assert.Equal(t, "POST", last.Method)
	assert.Equal(t, aContact[:5], string(last.Body))
	assert.EqualValues(t, len(aContact), last.BodySize)
	assert.Equal(t, "25", requests[8].Query.Get("page"))
	requests[8].Query.Set("page", "x")
	requests[9].Header.Set("apikey", "x")
	assert.Equal(t, w.srv.APIKey, w.srv.Requests()[9].Header.Get("apikey"), "what is handed out is a copy")
	assert.Equal(t, "25", w.srv.Requests()[8].Query.Get("page"))

	silent := start(t, antcrmtest.WithRequestLog(0, 0))
	silent.ok("GET", "/contacts", "")
	assert.Empty(t, silent.srv.Requests())
	assert.Equal(t, 1, silent.srv.RequestCount())
}

func TestKeptBodiesAreBoundedTogether(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithRequestLog(1000, 10<<20))
	big := strings.Repeat("x", 9<<20)
	for range 9 {
		req := w.request("POST", "/contacts", big)
		req.Header.Set("Content-Type", "text/plain")
		status, _, _, err := w.send(req)
		require.NoError(t, err)
		require.Equal(t, 415, status)
	}
	kept := 0
	requests := w.srv.Requests()
	require.Len(t, requests, 9)
	for _, r := range requests {
		kept += len(r.Body)
		assert.EqualValues(t, len(big), r.BodySize)
	}
	assert.LessOrEqual(t, kept, 64<<20)
	assert.Empty(t, requests[0].Body, "the oldest lose theirs first")
	assert.Len(t, requests[8].Body, len(big))
}

func TestTheLogNamesNoSecrets(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	srv, err := antcrmtest.Start(antcrmtest.WithAPIKey("the-secret"), antcrmtest.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	require.NoError(t, err)
	w := &wire{t, srv, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	w.ok("GET", "/contacts?phone=0900000001", "")
	w.ok("POST", "/contacts", aContact)
	srv.Close()
	assert.Contains(t, out.String(), "method=GET path=/contacts status=200")
	assert.Contains(t, out.String(), "wrote=true")
	for _, secret := range []string{"the-secret", "0900000001", "customerIdApiRing"} {
		assert.NotContains(t, out.String(), secret)
	}
}

// tester catches what a server says to its test.
type tester struct {
	testing.TB
	mu    sync.Mutex
	lines []string
	fatal bool
}

func (t *tester) note(format string, args []any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}
func (t *tester) Logf(format string, args ...any)   { t.note(format, args) }
func (t *tester) Fatalf(format string, args ...any) { t.fatal = true; t.note(format, args) }

func TestRefusalsStandInTheTestsLog(t *testing.T) {
	t.Parallel()
	tb := &tester{TB: t}
	w := &wire{t, antcrmtest.NewServer(tb), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	w.refused(400, "POST", "/contacts", `{"name":"A"}`, "customerIdApiRing")
	require.Len(t, tb.lines, 1)
	assert.Equal(t, "antcrmtest: POST /contacts: 400 customerIdApiRing: is required (docs/wire.md, Contacts)", tb.lines[0])
	for range 100 {
		w.refused(400, "POST", "/contacts", `{"name":"A"}`, "customerIdApiRing")
	}
	assert.Len(t, tb.lines, 50, "a test's log is not flooded")

	w.srv.Inject(antcrmtest.Fault{Do: "explode"})
	assert.True(t, tb.fatal)
}

func TestShutdownAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	srv, err := antcrmtest.Start()
	require.NoError(t, err)
	slow := srv.Inject(antcrmtest.Fault{Latency: 50 * time.Millisecond})
	w := &wire{t, srv, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	answered := make(chan string, 1)
	req := w.request("POST", "/contacts", aContact)
	go func() {
		_, body, _, err := w.send(req)
		answered <- fmt.Sprint(body, err)
	}()
	require.Eventually(t, func() bool { return slow.Met() == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, srv.Shutdown(context.Background()))
	assert.Equal(t, `{"success":1,"leadId":1000001}<nil>`, <-answered)
}

func TestHugeAndDeepBodiesAreRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	deep := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	for name, tc := range map[string]struct {
		path, body string
		status     int
	}{
		"50 MB":                  {"/contacts", `{"name":"` + strings.Repeat("x", 50<<20) + `","customerIdApiRing":"a"}`, 413},
		"deep in a field":        {"/contacts", `{"name":"A","customerIdApiRing":"a","x":` + deep(5000) + `}`, 400},
		"deep in a package":      {"/contacts/package", `[{"name":"A","customerIdApiRing":"a","x":` + deep(150) + `}]`, 400},
		"deeper than parsers go": {"/contacts", deep(200_000), 400},
		"never closed":           {"/contacts", strings.Repeat(`{"a":`, 100_000), 400},
		"many fields":            {"/contacts", "{" + strings.TrimSuffix(manyFields(20_000), ",") + "}", 400},
		"many phones":            {"/contacts", `{"name":"A","customerIdApiRing":"a","phones":[` + strings.Repeat(`{"value":"1"},`, 20_000) + `{"value":"1"}]}`, 400},
		"a long number":          {"/opportunities", `{"name":"A","receiverName":"B","value":` + strings.Repeat("9", 1<<20) + `}`, 400},
		"an endless exponent":    {"/opportunities", `{"name":"A","receiverName":"B","groupPackage":[{"quantity":1e99999999,"value":1e9999999}]}`, 400},
		"100 levels are nothing": {"/contacts", `{"name":"A","customerIdApiRing":"a","x":` + deep(90) + `}`, 200},
		"a 5 MB name":            {"/contacts", `{"name":"` + strings.Repeat("x", 5<<20) + `","customerIdApiRing":"a"}`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := w.do("POST", tc.path, tc.body)
			assert.Equal(t, tc.status, status, "%.200s", body)
		})
	}
}

// TestARecordOfManyKeysIsKeptAtOnce: keys that were compared each with each held the store's lock for minutes.
func TestARecordOfManyKeysIsKeptAtOnce(t *testing.T) {
	t.Parallel()
	w := start(t)
	var phones strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&phones, `"%d",`, i)
	}
	order := `{"name":"A","receiverName":"B","contacts":[{"phones":[` + strings.TrimSuffix(phones.String(), ",") + `]}]}`
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, req := range []*http.Request{
		w.request("POST", "/opportunities", order),
		w.request("PUT", "/opportunities", `{"number":3000001,"stage":"won"}`),
		w.request("GET", "/opportunities?phones=99999", ""),
	} {
		status, body, _, err := w.send(req.WithContext(ctx))
		require.NoError(t, err)
		require.Equal(t, 200, status, "%.200s", body)
		if req.Method == http.MethodGet {
			assert.Len(t, decodeList(t, body), 1)
		}
	}
}

func TestARecordThatUpdatesHaveMadeLargeIsStillUpdated(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.ok("POST", "/contacts", aContact)
	for i := range 2 {
		w.ok("PUT", "/contacts", `{"customerIdApiRing":"a",`+strings.ReplaceAll(manyFields(900), `"f`, fmt.Sprintf(`"r%d-`, i))+`"last":1}`)
	}
	w.ok("PUT", "/contacts", `{"customerIdApiRing":"a","r0-7":"changed","new":[]}`)
	record := w.list("/contacts")[0]
	assert.Greater(t, len(record), 1800)
	assert.Equal(t, []any{"changed", json.Number("1"), json.Number("1"), []any{}, "A"},
		[]any{record["r0-7"], record["r1-7"], record["last"], record["new"], record["name"]})
}

func TestARefusedRequestIsReadAndLogged(t *testing.T) {
	t.Parallel()
	w := start(t)
	large := `{"name":"` + strings.Repeat("x", 8<<20) + `"}`
	for path, want := range map[string]int{"/contact": 404, "/rating": 405, "/contacts?x=1": 400, "/contacts": 400} {
		status, body := w.do("POST", path, large)
		assert.Equal(t, want, status, "%.200s", body)
	}
	keyless := w.request("POST", "/contacts", large)
	keyless.Header.Del("apikey")
	status, body, _, err := w.send(keyless)
	require.NoError(t, err)
	assert.Equal(t, 401, status, body)
	for _, r := range w.srv.Requests() {
		assert.EqualValues(t, len(large), r.BodySize, r.Path)
		assert.NotEmpty(t, r.Body, r.Path)
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"f%d":1,`, i)
	}
	return b.String()
}

func TestAChunkedBodyWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithMaxBodySize(1000))
	req := w.request("POST", "/contacts", "x")
	req.ContentLength = -1
	req.Body = io.NopCloser(io.LimitReader(endless{}, 20<<20))
	status, body, _, err := w.send(req)
	require.NoError(t, err)
	assert.Equal(t, 413, status, body)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// raw sends bytes as they are and returns the first line of the answer.
func raw(t *testing.T, srv *antcrmtest.Server, text string) string {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(answer), "\r\n")
	return line
}

func TestHeaderTricksAreRefused(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithHosts("x", "elsewhere"))
	key := "apikey: " + w.srv.APIKey + "\r\n"
	for name, tc := range map[string]struct{ text, want string }{
		"two lengths":           {"POST /contacts HTTP/1.1\r\nHost: x\r\n" + key + "Content-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}", "400"},
		"a broken chunk":        {"POST /contacts HTTP/1.1\r\nHost: x\r\n" + key + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n{}\r\n", "400"},
		"no host":               {"GET /contacts HTTP/1.1\r\n" + key + "Connection: close\r\n\r\n", "400"},
		"a folded key":          {"GET /contacts HTTP/1.1\r\nHost: x\r\napikey:\r\n " + w.srv.APIKey + "x\r\nConnection: close\r\n\r\n", "40"},
		"a huge header":         {"GET /contacts HTTP/1.1\r\nHost: x\r\n" + key + "X: " + strings.Repeat("a", 90<<10) + "\r\nConnection: close\r\n\r\n", "431"},
		"no HTTP":               {"\x16\x03\x01\x02\x00\r\n\r\n", "400"},
		"an absolute form":      {"GET http://elsewhere/contacts HTTP/1.1\r\nHost: x\r\n" + key + "Connection: close\r\n\r\n", "200"},
		"options *":             {"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + key + "Connection: close\r\n\r\n", "404"},
		"a NUL in the path":     {"GET /con\x00tacts HTTP/1.1\r\nHost: x\r\n" + key + "Connection: close\r\n\r\n", "400"},
		"a length without body": {"POST /contacts HTTP/1.0\r\n" + key + "Content-Type: application/json\r\n\r\n", "400"},
		"the key in the query":  {"GET /contacts?apikey=" + w.srv.APIKey + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "401"},
		"a key in odd spelling": {"GET /contacts HTTP/1.1\r\nHost: x\r\nApiKEY: " + w.srv.APIKey + "\r\nConnection: close\r\n\r\n", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Contains(t, raw(t, w.srv, tc.text), " "+tc.want)
		})
	}
}

func TestConcurrentWritesToOneRecordLoseNothing(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a","phones":[{"value":"0900"}]}`)
	const workers, rounds = 8, 20
	var wg sync.WaitGroup
	for i := range workers {
		requests := make([]*http.Request, 0, 4*rounds)
		for j := range rounds {
			requests = append(requests,
				w.request("PUT", "/contacts", fmt.Sprintf(`{"customerIdApiRing":"a","field%d":%d,"phones":[{"value":"0900"},{"value":"%d"}]}`, i, j, i)),
				w.request("POST", "/accumulate", `{"code":"x","data":{"phones":[{"type":"Work","value":"0900"}]}}`),
				w.request("POST", "/contacts", fmt.Sprintf(`{"name":"B","customerIdApiRing":"b%d-%d"}`, i, j)),
				w.request("GET", "/contacts?contactType=lead&limit=5", ""))
		}
		wg.Go(func() {
			for _, req := range requests {
				status, body, _, err := w.send(req)
				assert.NoError(t, err)
				assert.Equal(t, 200, status, body)
			}
		})
	}
	wg.Wait()
	records := w.list("/contacts?customerIdApiRing=a")
	require.Len(t, records, 1)
	for i := range workers {
		assert.Equal(t, json.Number(fmt.Sprint(rounds-1)), records[0][fmt.Sprint("field", i)])
	}
	assert.Equal(t, json.Number(fmt.Sprint(100*workers*rounds)), records[0]["scoreAvailable"])
	assert.Equal(t, 1+workers*rounds, w.srv.Count(antcrmtest.Contacts))
	assert.Empty(t, w.srv.Duplicates(antcrmtest.Contacts))
	seen := map[any]bool{}
	for _, c := range w.list("/contacts?limit=1000") {
		assert.False(t, seen[c["leadId"]])
		seen[c["leadId"]] = true
	}
}

func TestRecordsAreFoundByTheirKeys(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a","phones":[{"value":"0900"}]}`)
	for field, value := range map[string]string{"customerIdApiRing": "a", "leadId": "1000001", "phone": "0900", "contactType": "lead"} {
		raw, ok := w.srv.Record(antcrmtest.Contacts, field, value)
		require.True(t, ok, field)
		assert.Contains(t, string(raw), `"name":"A"`)
		clear(raw)
	}
	_, ok := w.srv.Record(antcrmtest.Contacts, "phone", "1")
	assert.False(t, ok)
	_, ok = w.srv.Record("nothing", "phone", "1")
	assert.False(t, ok)
	records := w.srv.Records(antcrmtest.Contacts)
	require.Len(t, records, 1)
	clear(records[0])
	assert.Equal(t, []any{"A"}, column(w.list("/contacts"), "name"), "what is handed out is a copy")
	assert.Empty(t, w.srv.Records("nothing"))
	assert.Zero(t, w.srv.Count("nothing"))
	assert.Zero(t, w.srv.CountByExternalID("nothing", "a"))
	assert.Empty(t, w.srv.Duplicates("nothing"))
	assert.Zero(t, w.srv.CountByExternalID(antcrmtest.Ratings, "a"))
}

func TestDeletingManyKeepsTheListsRight(t *testing.T) {
	t.Parallel()
	w := start(t)
	for i := range 900 {
		require.NoError(t, w.srv.Seed(antcrmtest.Contacts, fmt.Sprintf(`{"name":"%d","customerIdApiRing":"k%d","type":%d,"phones":[{"value":"%d"}]}`, i, i, i%2, i%10)))
	}
	h := w.srv
	for i := range 900 {
		if i%3 != 0 {
			w.ok("DELETE", fmt.Sprintf("/contacts?customerIdApiRing=k%d", i), "")
		}
		if i%300 == 0 {
			w.ok("PUT", "/contacts", fmt.Sprintf(`{"customerIdApiRing":"k%d","phones":[{"value":"moved"}]}`, i))
		}
	}
	assert.Equal(t, 300, h.Count(antcrmtest.Contacts))
	assert.Len(t, w.list("/contacts?limit=5000"), 300)
	assert.Equal(t, []any{"300", "303"}, column(w.list("/contacts?limit=2&page=51"), "name"))
	assert.Equal(t, []any{"0", "300", "600"}, column(w.list("/contacts?phone=moved"), "name"))
	assert.Len(t, w.list("/contacts?phone=0&limit=1000"), 27)
	assert.Len(t, w.list("/contacts?type=1&limit=1000"), 150)
}

// The vendor's page prints the entries of the history with an "id", and with no "_id".
func TestAnEntryOfTheHistoryHasAnID(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	client := srv.Client()
	_, err := client.Contacts.Create(t.Context(), antcrm.ContactCreateParams{Name: "Mai", ExternalID: "K", Phones: []antcrm.Phone{{Value: "0900000001"}}})
	require.NoError(t, err)
	require.NoError(t, client.Points.Accumulate(t.Context(), antcrm.AccumulateParams{Code: "C", Data: antcrm.AccumulateCustomer{Phones: []antcrm.Phone{{Value: "0900000001"}}}}))
	page, err := client.Points.List(t.Context(), antcrm.LoyaltyListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.NotEmpty(t, page.Items[0].ID)
	assert.NotContains(t, string(page.Items[0].RawJSON()), `"_id"`)
}
