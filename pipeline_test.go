package antcrm_test

import (
	"bytes"
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
	"testing/synctest"
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

func TestARetryAfterPausesTheWholeClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration
		begin := time.Now()
		server := served(t, func(n int, _ seen) reply {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begin))
			if n == 0 {
				return reply{status: 429, header: map[string]string{"Retry-After": "30"}}
			}
			return ok(`[]`)
		})
		client := server.client(antcrm.WithMaxRetries(3))
		var calls sync.WaitGroup
		for i := range 3 {
			calls.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
				assert.NoError(t, err)
			})
		}
		time.Sleep(5 * time.Second)
		short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := client.Products.List(short, antcrm.ProductListParams{})
		require.ErrorIs(t, err, antcrm.ErrRateLimited, "a call that may not wait so long is refused")
		assert.Equal(t, 5*time.Second, time.Since(begin), "at once")
		calls.Wait()
		require.Len(t, at, 4)
		assert.Zero(t, at[0])
		for _, set := range at[1:] {
			assert.GreaterOrEqual(t, set, 30*time.Second)
			assert.LessOrEqual(t, set, 31*time.Second, "a second later at most")
		}
		assert.NotEqual(t, at[1], at[2], "nobody sets out together")
		assert.NotEqual(t, at[2], at[3])
	})
}

func TestWaitsEndWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel(cause)
		}()
		server := served(t, func(int, seen) reply { return reply{status: 429, header: map[string]string{"Retry-After": "60"}} })
		begin := time.Now()
		_, err := server.client(antcrm.WithMaxRetries(3)).Products.List(ctx, antcrm.ProductListParams{})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, err, antcrm.ErrRateLimited, "what the last attempt came to is told too")
		assert.Equal(t, time.Second, time.Since(begin))
	})
}

func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		server := served(t, func(int, seen) reply {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(10 * time.Millisecond)
			now.Add(-1)
			return ok(`[]`)
		})
		client := server.client(antcrm.WithRateLimit(10, 1), antcrm.WithMaxConcurrency(2))
		begin := time.Now()
		var calls sync.WaitGroup
		for range 11 {
			calls.Go(func() {
				_, err := client.Tickets.List(t.Context(), antcrm.TicketListParams{})
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		assert.LessOrEqual(t, most.Load(), int64(2))
		assert.GreaterOrEqual(t, time.Since(begin), time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := client.Tickets.Create(ctx, antcrm.TicketCreateParams{Title: "t", SLA: "s", Contact: antcrm.TicketContact{ID: "1"}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown)
		assert.Len(t, server.all(), 11)
	})
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

func TestATransportsErrorIsSeenButNotItsSecrets(t *testing.T) {
	t.Parallel()
	mine := errors.New("circuit open")
	server := served(t, func(_ int, req seen) reply {
		return reply{err: errors.Join(mine, &url.Error{Op: "Post", URL: "https://idp.example/token?secret=" + secretKey + "&phone=" + req.Query.Get("phone"), Err: io.ErrUnexpectedEOF})}
	})
	_, err := server.client().Contacts.List(t.Context(), antcrm.ContactListParams{Phone: "0900000001"})
	require.ErrorIs(t, err, mine)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Contains(t, err.Error(), "circuit open")
	onOneLine(t, err, "0900000001")
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		assert.NotContains(t, cause.Error(), "0900000001")
		assert.NotContains(t, fmt.Sprintf("%+v %#v", cause, cause), secretKey)
	}
	_, foundNet := errors.AsType[net.Error](err) // which a url.Error is too
	assert.False(t, foundNet)
	_, found := errors.AsType[*url.Error](err)
	assert.False(t, found, "its text is the URL")
}

func TestLogsTellEveryAttemptAndNothingPrivate(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := scripted(t, reply{status: 500, body: `{"message":"Nguyen 0900000001"}`}, reply{err: errReset}, ok(`[]`))
	client := server.client(quick(), antcrm.WithMaxRetries(3), antcrm.WithLogger(logger), antcrm.WithUserAgent("shop/1"))
	_, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{Phone: "0900000001", Email: "mai@example.com"})
	require.NoError(t, err)
	text := out.String()
	assert.Equal(t, 3, strings.Count(text, "level=DEBUG"))
	assert.Equal(t, 2, strings.Count(text, "level=WARN"))
	for _, part := range []string{"method=GET", "path=/contacts", "status=500", "attempt=2"} {
		assert.Contains(t, text, part)
	}
	for line := range strings.Lines(text) {
		for _, name := range []string{"method", "path", "status", "attempt", "wait", "duration", "size", "request_id"} {
			assert.Contains(t, line, " "+name+"=")
		}
	}
	for _, private := range []string{secretKey, "0900000001", "mai", "Nguyen"} {
		assert.NotContains(t, text, private)
	}
	assert.Equal(t, "shop/1", server.all()[0].Header.Get("User-Agent"))
}

func TestLogsTellTheWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		server := scripted(t, reply{status: 429, header: map[string]string{"Retry-After": "7"}}, ok(`[]`))
		_, err := server.client(antcrm.WithMaxRetries(1), antcrm.WithLogger(logger)).Contacts.List(t.Context(), antcrm.ContactListParams{})
		require.NoError(t, err)
		var levels []string
		var waits []time.Duration
		for _, found := range regexp.MustCompile(`level=(\w+) .* wait=(\S+)`).FindAllStringSubmatch(out.String(), -1) {
			wait, err := time.ParseDuration(found[2])
			require.NoError(t, err)
			levels, waits = append(levels, found[1]), append(waits, wait)
		}
		assert.Equal(t, []string{"DEBUG", "WARN", "DEBUG"}, levels)
		assert.Zero(t, waits[0], "before the attempt")
		assert.GreaterOrEqual(t, waits[1], 7*time.Second, "at warn, after it")
		assert.Equal(t, waits[1], waits[2])
	})
}

func TestBadConfigurationIsATypedError(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]antcrm.Option{
		"nil option": nil, "no scheme": antcrm.WithBaseURL("apiring.antbuddy.com"), "no host": antcrm.WithBaseURL("https://"),
		"empty": antcrm.WithBaseURL(""), "user": antcrm.WithBaseURL("https://u:p@h.example"), "query": antcrm.WithBaseURL("https://h.example?a=1"),
		"plain http": antcrm.WithBaseURL("http://h.example"), "ftp": antcrm.WithBaseURL("ftp://h.example"), "dots": antcrm.WithBaseURL("https://h.example/a/../b"),
		"port only": antcrm.WithBaseURL("https://:80"), "not a URL": antcrm.WithBaseURL("https://h.example\n"),
		"client": antcrm.WithHTTPClient(nil), "timeout": antcrm.WithTimeout(-1), "retries": antcrm.WithMaxRetries(-1),
		"backoff": antcrm.WithRetryBackoff(2, 1), "wait": antcrm.WithMaxRetryWait(-1), "rate": antcrm.WithRateLimit(0, 1), "burst": antcrm.WithRateLimit(1, 0),
		"limiter": antcrm.WithRateLimiter(nil), "concurrency": antcrm.WithMaxConcurrency(0), "agent": antcrm.WithUserAgent("a\nb"), "size": antcrm.WithMaxResponseSize(0),
	} {
		_, err := antcrm.NewClient("key", opt)
		require.ErrorIs(t, err, antcrm.ErrValidation, name)
		assert.NotContains(t, err.Error(), "u:p")
	}
	for _, key := range []string{"", "  ", "a\nb", " a", "ключ", "a\x00"} {
		_, err := antcrm.NewClient(key)
		require.ErrorIs(t, err, antcrm.ErrValidation)
	}
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL("http://h.example/prefix/"), antcrm.WithInsecureHTTP(), antcrm.WithLogger(nil), antcrm.WithTimeout(0), antcrm.WithMaxRetryWait(time.Second))
	require.NoError(t, err)
	assert.Equal(t, "antcrm.Client{http://h.example/prefix}", fmt.Sprintf("%+v", client))
	assert.NotContains(t, fmt.Sprintf("%#v %+v", *client.Contacts, *client), secretKey)
}

func TestTheEnvironmentConfiguresAClient(t *testing.T) {
	t.Setenv("ANTCRM_API_KEY", "")
	_, err := antcrm.NewClientFromEnv()
	require.ErrorIs(t, err, antcrm.ErrValidation)
	t.Setenv("ANTCRM_API_KEY", "key")
	t.Setenv("ANTCRM_BASE_URL", "https://crm.example")
	client, err := antcrm.NewClientFromEnv()
	require.NoError(t, err)
	assert.Equal(t, "antcrm.Client{https://crm.example}", fmt.Sprint(client))
}

func TestDoRefusesWhatCouldLeaveTheAPI(t *testing.T) {
	t.Parallel()
	client := scripted(t).client()
	for _, path := range []string{"", "contacts", "//evil.example/x", "/a?b=1", "/a#b", "/a/../b", "/a/%2e%2e/b", "/a b", "/%zz", "/%ff", `/a\b`, "https://evil.example/"} {
		require.ErrorIs(t, client.Do(t.Context(), "GET", path, nil, nil, nil), antcrm.ErrValidation, path)
	}
	type query = map[string][]string
	require.ErrorIs(t, client.Do(t.Context(), "GET", "/x", query{"a": {"\xff"}}, nil, nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "GET", "/x", nil, 1, nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "CONNECT", "/x", nil, nil, nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "G T", "/x", nil, nil, nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "POST", "/x", nil, strings.NewReader("{}"), nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "POST", "/x", nil, []byte("{"), nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "POST", "/x", nil, make(chan int), nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "GET", "/x", nil, nil, 1), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(nil, "GET", "/x", nil, nil, nil), antcrm.ErrValidation) //nolint:staticcheck // nil is the test
	for _, opt := range []antcrm.CallOption{nil, antcrm.WithResponse(nil), antcrm.WithHeader("Idempotency-Key", "1"), antcrm.WithHeader("a b", "1"), antcrm.WithHeader("A", "1\n"), antcrm.WithHeader("Host", "x"), antcrm.WithReadAhead(-1)} {
		require.ErrorIs(t, client.Do(t.Context(), "GET", "/x", nil, nil, nil, opt), antcrm.ErrValidation)
	}
}

func TestDoSendsAndDecodesAnything(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok("\ufeff"+`{"Success":true,"data":{"n":12345678901234567890}}`), ok("Ok"), ok(`{"success":false,"error":{"code":"E1","message":"no"}}`))
	client := server.client()
	var out struct {
		Data struct{ N uint64 }
	}
	var res antcrm.Response
	require.NoError(t, client.Do(t.Context(), "post", "/new/thing", nil, map[string]string{"a": "<b>"}, &out, antcrm.WithResponse(&res)))
	assert.Equal(t, uint64(12345678901234567890), out.Data.N)
	assert.Equal(t, `{"a":"<b>"}`, server.all()[0].Body)
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, 1, res.Attempts)
	assert.NotContains(t, fmt.Sprintf("%+v", res), "12345")
	require.NoError(t, client.Do(t.Context(), "POST", "/ok", nil, []byte(`{}`), nil))
	err := client.Do(t.Context(), "POST", "/no", nil, nil, nil)
	require.ErrorIs(t, err, antcrm.ErrRejected)
	assert.Equal(t, "E1", requireError[*antcrm.APIError](t, err).Code)
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
