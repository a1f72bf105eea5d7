package antcrm_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func quick() antcrm.Option { return antcrm.WithRetryBackoff(0, time.Microsecond) }

func newOrder() antcrm.OpportunityCreateParams {
	return antcrm.OpportunityCreateParams{Name: "Order", ReceiverName: "Mai"}
}

// transportFunc is a transport of the caller's.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

var errReset = errors.New("connection reset by peer")

func refusedDial() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

func TestRetriesFollowTheMethod(t *testing.T) {
	t.Parallel()
	list := func(ctx context.Context, c *antcrm.Client) error {
		_, err := c.Opportunities.List(ctx, antcrm.OpportunityListParams{})
		return err
	}
	create := func(ctx context.Context, c *antcrm.Client) error {
		_, err := c.Opportunities.Create(ctx, newOrder())
		return err
	}
	update := func(ctx context.Context, c *antcrm.Client) error {
		_, err := c.Opportunities.Update(ctx, "1", antcrm.OpportunityUpdateParams{})
		return err
	}
	remove := func(ctx context.Context, c *antcrm.Client) error { return c.Opportunities.Delete(ctx, "1") }
	unsafely := func(ctx context.Context, c *antcrm.Client) error {
		_, err := c.Opportunities.Create(ctx, newOrder(), antcrm.WithRetryUnsafe())
		return err
	}
	done := ok(`{"success":1,"number":7}`)
	lost, dial := reply{err: errReset}, reply{err: refusedDial()}
	busy := reply{status: 503, header: map[string]string{"Retry-After": "0"}}
	for name, tt := range map[string]struct {
		call     func(context.Context, *antcrm.Client) error
		replies  []reply
		requests int
		want     []error // empty: success
		not      []error
	}{
		"a GET is repeated after a lost answer":       {list, []reply{lost, ok(`[]`)}, 2, nil, nil},
		"a GET is repeated on 500 502 503":            {list, []reply{{status: 500}, {status: 502}, {status: 503}, ok(`[]`)}, 4, nil, nil},
		"a GET is not repeated on 501":                {list, []reply{{status: 501}}, 1, []error{antcrm.ErrServer}, []error{antcrm.ErrOutcomeUnknown}},
		"retries end":                                 {list, []reply{{status: 504}, {status: 504}, {status: 504}, {status: 504}}, 4, []error{antcrm.ErrServer}, []error{antcrm.ErrOutcomeUnknown}},
		"a lost POST is unknown and sent once":        {create, []reply{lost}, 1, []error{antcrm.ErrOutcomeUnknown, errReset}, nil},
		"a POST that could not connect is repeated":   {create, []reply{dial, done}, 2, nil, nil},
		"a POST is not repeated on 500":               {create, []reply{{status: 500}}, 1, []error{antcrm.ErrServer, antcrm.ErrOutcomeUnknown}, nil},
		"a POST is not repeated on a bare 503":        {create, []reply{{status: 503}}, 1, []error{antcrm.ErrServer, antcrm.ErrOutcomeUnknown}, nil},
		"a POST is repeated on 429":                   {create, []reply{{status: 429}, done}, 2, nil, nil},
		"a POST is repeated on 503 with Retry-After":  {create, []reply{busy, done}, 2, nil, nil},
		"503 with Retry-After to the end is refused":  {create, []reply{busy, busy, busy, busy}, 4, []error{antcrm.ErrServer}, []error{antcrm.ErrOutcomeUnknown}},
		"429 to the end":                              {create, []reply{{status: 429}, {status: 429}, {status: 429}, {status: 429}}, 4, []error{antcrm.ErrRateLimited}, []error{antcrm.ErrOutcomeUnknown}},
		"a PUT is repeated after a lost answer":       {update, []reply{lost, done}, 2, nil, nil},
		"a PUT lost once and refused is unknown too":  {update, []reply{lost, {status: 429}, {status: 429}, {status: 429}}, 4, []error{antcrm.ErrRateLimited, antcrm.ErrOutcomeUnknown}, nil},
		"a PUT that ends in a 5xx is unknown":         {update, []reply{{status: 500}, {status: 500}, {status: 500}, {status: 500}}, 4, []error{antcrm.ErrServer, antcrm.ErrOutcomeUnknown}, nil},
		"a DELETE that was lost and is gone is done":  {remove, []reply{lost, {status: 404}}, 2, nil, nil},
		"a DELETE of what is not there is not found":  {remove, []reply{{status: 404}}, 1, []error{antcrm.ErrNotFound}, []error{antcrm.ErrOutcomeUnknown}},
		"a DELETE answered 204 is done":               {remove, []reply{{status: 204}}, 1, nil, nil},
		"an unsafe POST is repeated":                  {unsafely, []reply{lost, {status: 500}, done}, 3, nil, nil},
		"a redirect is an error without a sentinel":   {create, []reply{{status: 307, header: map[string]string{"Location": "https://evil.example/"}}}, 1, []error{}, []error{antcrm.ErrOutcomeUnknown, antcrm.ErrServer, antcrm.ErrRejected}},
		"a long Retry-After ends the call":            {create, []reply{{status: 429, header: map[string]string{"Retry-After": "121"}}}, 1, []error{antcrm.ErrRateLimited}, nil},
		"HTML under 200 after a POST is unknown":      {create, []reply{ok(`<html>gateway</html>`)}, 1, []error{antcrm.ErrOutcomeUnknown}, nil},
		"a falsy success is rejected and not unknown": {create, []reply{ok(`{"success":0,"message":"no"}`)}, 1, []error{antcrm.ErrRejected}, []error{antcrm.ErrOutcomeUnknown}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := scripted(t, tt.replies...)
			err := tt.call(t.Context(), server.client(quick(), antcrm.WithMaxRetries(3)))
			assert.Len(t, server.all(), tt.requests)
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			for _, want := range tt.want {
				require.ErrorIs(t, err, want)
			}
			for _, not := range tt.not {
				require.NotErrorIs(t, err, not)
			}
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestEveryAttemptCarriesTheWholeBody(t *testing.T) {
	t.Parallel()
	server := scripted(t, reply{err: errReset}, reply{status: 500}, ok(`{"success":1,"number":7}`))
	_, err := server.client(quick(), antcrm.WithMaxRetries(3)).Opportunities.Update(t.Context(), "7", antcrm.OpportunityUpdateParams{Name: new("x")})
	require.NoError(t, err)
	for _, req := range server.all() {
		assert.JSONEq(t, `{"number":"7","name":"x"}`, req.Body)
	}
}

func TestTheKeyStaysOnItsOriginAndNothingIsFollowed(t *testing.T) {
	t.Parallel()
	var strangers atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		var requests atomic.Int64
		home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			assert.Equal(t, secretKey, r.Header.Get("apikey"))
			http.Redirect(w, r, other.URL+"/contacts", status)
		}))
		hc := &http.Client{Transport: &http.Transport{}}
		client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(home.URL), antcrm.WithHTTPClient(hc))
		require.NoError(t, err)
		_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{}, antcrm.WithHeader("apikey", "not the client's"))
		failure := requireError[*antcrm.APIError](t, err)
		assert.Equal(t, status, failure.StatusCode)
		require.Error(t, client.Contacts.Delete(t.Context(), antcrm.LeadRef("1")))
		assert.Equal(t, int64(2), requests.Load())
		assert.Nil(t, hc.CheckRedirect, "the caller's client is not changed")
		client.CloseIdleConnections()
		home.Close()
	}
	assert.Zero(t, strangers.Load())
}

func TestAnswersAreCappedDecompressed(t *testing.T) {
	t.Parallel()
	server := served(t, func(int, seen) reply { return ok(`["` + strings.Repeat("x", 1000) + `"]`) })
	err := server.client(antcrm.WithMaxResponseSize(1003)).Do(t.Context(), "GET", "/x", nil, nil, nil)
	require.ErrorIs(t, err, antcrm.ErrResponseTooLarge)
	require.NoError(t, server.client(antcrm.WithMaxResponseSize(1004)).Do(t.Context(), "GET", "/x", nil, nil, nil))
}

// stuckBody gives nothing and no end. Once closed it ends, like a pipe, or not.
type stuckBody struct{ closed chan struct{} }

func (b stuckBody) Read([]byte) (int, error) {
	if b.closed == nil {
		return 0, nil
	}
	<-b.closed
	return 0, io.EOF
}

func (b stuckBody) Close() error {
	if b.closed != nil {
		close(b.closed) // panics the second time
	}
	return errors.New("cannot be closed")
}

func TestNoBodyOutlastsItsAttempt(t *testing.T) {
	t.Parallel()
	for _, status := range []int{101, 200, 400} {
		for _, body := range []func() stuckBody{
			func() stuckBody { return stuckBody{} },
			func() stuckBody { return stuckBody{closed: make(chan struct{})} },
		} {
			client, err := antcrm.NewClient(secretKey, antcrm.WithMaxRetries(0), antcrm.WithTimeout(20*time.Millisecond),
				antcrm.WithHTTPClient(&http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: status, ContentLength: -1, Body: body()}, nil
				})}))
			require.NoError(t, err)
			_, err = client.Opportunities.Create(t.Context(), newOrder())
			if status == 200 {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
				continue
			}
			assert.Equal(t, status, requireError[*antcrm.APIError](t, err).StatusCode)
		}
	}
}

func TestASwitchOfProtocolsIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"))
		_, err = buffered.ReadByte()
		assert.ErrorIs(t, err, io.EOF, "the client hangs up")
		_ = conn.Close()
	}))
	defer server.Close()
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithTimeout(0))
	require.NoError(t, err)
	_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	assert.Equal(t, 101, requireError[*antcrm.APIError](t, err).StatusCode)
}

func TestAnEchoedKeyIsCutOut(t *testing.T) {
	t.Parallel()
	page := strings.Repeat("y", 64<<10-5) + secretKey
	for _, body := range []string{`{"message":"bad key ` + secretKey + `"}`, "bad " + secretKey, page} {
		server := served(t, func(int, seen) reply {
			return reply{status: 401, body: body, header: map[string]string{"X-Request-Id": "r-" + secretKey}}
		})
		_, err := server.client().Contacts.List(t.Context(), antcrm.ContactListParams{})
		require.ErrorIs(t, err, antcrm.ErrUnauthorized)
		failure := requireError[*antcrm.APIError](t, err)
		for _, text := range []string{err.Error(), failure.Message, string(failure.Body), failure.RequestID, fmt.Sprintf("%+v %#v", failure, *failure)} {
			assert.NotContains(t, text, secretKey)
			assert.NotContains(t, text, secretKey[:5])
		}
		assert.LessOrEqual(t, len(failure.Body), 64<<10)
	}
}

func TestAnEscapedEchoOfTheKeyIsCutOutToo(t *testing.T) {
	t.Parallel()
	const key = `k/+<&>"'\=%~ x|9\\`
	quoted := strconv.Quote(key)
	lower := regexp.MustCompile(`%..`).ReplaceAllStringFunc(url.QueryEscape(key), strings.ToLower)
	for _, echo := range []string{
		key, url.QueryEscape(key), lower, url.PathEscape(key), quoted[1 : len(quoted)-1], html.EscapeString(key),
		strings.Trim(toJSON(t, key), `"`), strings.NewReplacer(`\`, `\\`, `"`, `\"`, "/", `\/`).Replace(key),
		strings.NewReplacer("&", "&amp;", `"`, "&quot;", "'", "&apos;", "/", "&#x2F;").Replace(key),
	} {
		for _, page := range []string{"<p>" + echo + "</p>", strings.Repeat("y", 64<<10-len(echo)+2) + echo} {
			server := served(t, func(int, seen) reply {
				return reply{status: 401, body: page, header: map[string]string{"X-Request-Id": echo}}
			})
			client, err := antcrm.NewClient(key, antcrm.WithHTTPClient(&http.Client{Transport: transportFunc(server.respond)}))
			require.NoError(t, err)
			_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
			failure := requireError[*antcrm.APIError](t, err)
			for _, text := range []string{err.Error(), string(failure.Body), failure.RequestID} {
				assert.NotContains(t, text, echo)
				assert.NotContains(t, text, echo[:len(echo)-3])
			}
			assert.NotEmpty(t, failure.Body)
		}
	}
}

func TestWhatIsNotHTTPIsNotQuoted(t *testing.T) {
	t.Parallel()
	const record = `{"name":"Nguyen","phone":"0900000001"}`
	for _, answer := range []string{
		"HTTP/1.1 " + record + "\r\n\r\n",
		record + " \r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + strings.ReplaceAll(record, ":", "") + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + record + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + record + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + record + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\nNguyen 0900000001\r\n\r\n",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				_, _ = conn.Write([]byte(answer))
				_ = conn.Close()
			}
		}))
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithLogger(logger), antcrm.WithMaxRetries(1), quick())
		require.NoError(t, err)
		_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
		server.Close()
		assert.Contains(t, out.String(), "level=WARN")
		for cause := error(requireError[*antcrm.TransportError](t, err)); cause != nil; cause = errors.Unwrap(cause) {
			onOneLine(t, fmt.Errorf("antcrm: %w", cause), "Nguyen", "0900000001")
		}
		assert.NotContains(t, out.String(), "Nguyen")
		assert.NotContains(t, out.String(), "0900000001")
	}
}

func TestParallelCallersReuseTheirConnections(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.RawQuery, "number=1") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, strings.Repeat("e", 100<<10))
			return
		}
		_, _ = io.WriteString(w, `[]`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	const callers = 64
	for range 5 {
		var calls sync.WaitGroup
		for i := range callers {
			calls.Go(func() {
				number := antcrm.ID("")
				if i%2 == 0 {
					number = "1"
				}
				_, _ = client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{Number: number})
			})
		}
		calls.Wait()
	}
	// net/http may dial once more while a connection is on its way back.
	assert.LessOrEqual(t, opened.Load(), int64(callers+callers/8))
}

// Over a real connection, answers come compressed, in pieces and without a
// Content-Type.
func TestEveryMethodOverARealConnection(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		var requests atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := op.answers[requests.Add(1)-1]
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			sameJSON(t, op.body, string(body))
			assert.EqualValues(t, len(body), r.ContentLength, "a length, not chunks")
			w.Header()["Content-Type"] = nil
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			for i := range len(answer) {
				_, err := io.WriteString(zip, answer[i:i+1])
				assert.NoError(t, err)
				if i == 0 {
					assert.NoError(t, zip.Flush())
					assert.NoError(t, http.NewResponseController(w).Flush())
				}
			}
			assert.NoError(t, zip.Close())
		}))
		defer server.Close()
		client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL))
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		got, err := op.call(t.Context(), client)
		require.NoError(t, err)
		if op.want != "" {
			assert.JSONEq(t, op.want, toJSON(t, got))
		}
	})
}

// A POST without a body says so; sent in chunks it is refused by some servers.
func TestAPostWithoutABodyHasALength(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Zero(t, r.ContentLength)
		assert.Empty(t, r.TransferEncoding)
		assert.Empty(t, r.Header["Content-Type"])
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/recount", nil, nil, nil))
}

// A body that is there and empty costs a goroutine over HTTP/1.1 and a frame over HTTP/2.
func TestAReadHasNoBody(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete} {
		transport := transportFunc(func(req *http.Request) (*http.Response, error) {
			assert.True(t, req.Body == nil || req.Body == http.NoBody, "%s: %T", method, req.Body)
			return nil, errReset
		})
		client, err := antcrm.NewClient(secretKey, antcrm.WithHTTPClient(&http.Client{Transport: transport}))
		require.NoError(t, err)
		require.Error(t, client.Do(t.Context(), method, "/x", nil, nil, nil, antcrm.WithoutRetry()))
	}
}

// A browser makes an answer without a status of a redirect that it was told not to follow.
func TestAnAnswerWithoutAStatusIsLost(t *testing.T) {
	t.Parallel()
	var closed atomic.Int64
	transport := transportFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{Header: http.Header{}, Body: closer{strings.NewReader("[]"), func() { closed.Add(1) }}}, nil
	})
	client, err := antcrm.NewClient(secretKey, antcrm.WithHTTPClient(&http.Client{Transport: transport}), quick())
	require.NoError(t, err)
	_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	assert.Equal(t, 1, requireError[*antcrm.TransportError](t, err).Attempts)
	_, err = client.Opportunities.Create(t.Context(), newOrder())
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
	assert.Equal(t, 1, requireError[*antcrm.TransportError](t, err).Attempts)
	assert.Equal(t, int64(2), closed.Load())
}

// closer is a body that knows when it is closed.
type closer struct {
	io.Reader
	closed func()
}

func (c closer) Close() error {
	c.closed()
	return nil
}
