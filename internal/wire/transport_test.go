package wire_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/wire"
)

const secretKey = "k-4711"

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func request(t *testing.T, ctx context.Context, target string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, body)
	require.NoError(t, err)
	return req
}

func TestOriginsAreComparedNormalized(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://h.example":        "https://h.example:443",
		"HTTPS://H.Example/path?q": "https://h.example:443",
		"https://h.example:443":    "https://h.example:443",
		"https://h.example:8443":   "https://h.example:8443",
		"http://h.example":         "http://h.example:80",
		"http://h.example:443":     "http://h.example:443",
		"http://[::1]:8080/x":      "http://[::1]:8080",
		"http://[::1]":             "http://[::1]:80",
		"https://u:p@h.example":    "https://h.example:443",
	} {
		assert.Equal(t, want, wire.Origin(mustParse(t, text)), text)
	}
}

func TestOnlyThisMachineIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.255.255.254": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example.com": false, "xlocalhost": false, "128.0.0.1": false, "126.255.255.255": false, "0.0.0.0": false, "::": false,
		"::2": false, "10.0.0.1": false, "127.0.0.1.example.com": false, "::ffff:128.0.0.1": false,
	} {
		assert.Equal(t, want, wire.IsLoopback(host), host)
	}
}

func TestHeaderValuesAndTokens(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": true, " ": true, "~": true, "a b": true, "\x1f": false, "\x7f": false, "a\r\nb": false, "é": false, "\x00": false} {
		assert.Equal(t, want, wire.IsHeaderValue(value), "%q", value)
	}
	for i := range 256 {
		c := string([]byte{byte(i)})
		letter := i >= '0' && i <= '9' || i >= 'A' && i <= 'Z' || i >= 'a' && i <= 'z'
		want := letter || i < 128 && strings.Contains("!#$%&'*+-.^_`|~", c) // RFC 9110, 5.6.2
		assert.Equal(t, want, wire.IsToken(c), "%q", c)
		assert.Equal(t, want, wire.IsToken("X"+c), "%q", c)
	}
	assert.False(t, wire.IsToken(""))
}

// The key goes to its own origin and nowhere else, whatever the caller has set; the caller's request stays as it was.
func TestTheKeyGoesToItsOriginAlone(t *testing.T) {
	t.Parallel()
	for target, want := range map[string][]string{
		"https://h.example/contacts":      {secretKey},
		"https://H.EXAMPLE:443/":          {secretKey},
		"http://h.example/contacts":       nil,
		"https://h.example:8443/":         nil,
		"https://h.example.evil.example/": nil,
		"https://evil.example/h.example":  nil,
	} {
		var sent *http.Request
		transport := wire.NewKeyTransport(roundTripper(func(req *http.Request) (*http.Response, error) {
			sent = req
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
		}), mustParse(t, "https://h.example/base"), func() string { return secretKey })
		req := request(t, t.Context(), target, nil)
		req.Header.Set("Apikey", "the caller's")
		req.Header.Set("X-Other", "kept")
		res, err := transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, want, sent.Header["Apikey"], target)
		assert.Equal(t, "kept", sent.Header.Get("X-Other"))
		assert.Equal(t, []string{"the caller's"}, req.Header["Apikey"], "a RoundTripper may not change the request")
	}
}

type closing struct {
	io.Reader
	closed chan struct{}
}

func newClosing(r io.Reader) *closing { return &closing{Reader: r, closed: make(chan struct{})} }

func (c *closing) Close() error {
	close(c.closed) // a second time panics
	return nil
}

// What ended before any transport had it was surely not sent.
func TestARequestWhoseContextHasEndedIsNotSent(t *testing.T) {
	t.Parallel()
	transport := wire.NewKeyTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		panic("sent")
	}), mustParse(t, "https://h.example"), func() string { return secretKey })
	ctx, cancel := context.WithCancel(t.Context())
	body := newClosing(strings.NewReader("{}"))
	req := request(t, ctx, "https://h.example/", body)
	cancel()
	_, err := transport.RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
	<-body.closed
	assert.False(t, new(wire.Trace).MaybeSent(err))
	assert.True(t, new(wire.Trace).MaybeSent(context.Canceled), "of another origin the same error says nothing")
}

func TestAnAnswerWithoutAStatusIsClosedAndRefused(t *testing.T) {
	t.Parallel()
	for code, refused := range map[int]bool{0: true, 99: true, 100: false, 200: false} {
		body := newClosing(strings.NewReader(""))
		transport := wire.NewKeyTransport(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: code, Header: http.Header{}, Body: body}, nil
		}), mustParse(t, "https://h.example"), func() string { return secretKey })
		res, err := transport.RoundTrip(request(t, t.Context(), "https://h.example/", nil))
		if !refused {
			require.NoError(t, err, code)
			require.NoError(t, res.Body.Close())
			continue
		}
		require.ErrorIs(t, err, wire.ErrNoStatus, code)
		<-body.closed
		assert.True(t, new(wire.Trace).IsPermanent(err))
	}
}

func TestALocationThatIsNoURLIsDropped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code     int
		location string
		kept     bool
	}{
		{http.StatusMultipleChoices, "http://[::1", false}, {http.StatusFound, "http://[::1", false}, {399, "\x7f", false},
		{http.StatusFound, "/login", true}, {http.StatusFound, "https://other.example/", true},
		{http.StatusCreated, "http://[::1", true}, {http.StatusBadRequest, "http://[::1", true}, {299, "http://[::1", true},
	} {
		transport := wire.NewKeyTransport(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: test.code, Header: http.Header{"Location": {test.location}}, Body: http.NoBody}, nil
		}), mustParse(t, "https://h.example"), func() string { return secretKey })
		res, err := transport.RoundTrip(request(t, t.Context(), "https://h.example/", nil))
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, test.kept, res.Header.Get("Location") != "", "%d %q", test.code, test.location)
	}
}

// stuck is a body of a transport that knows nothing of contexts: it blocks until it is closed, and ends then like a
// whole one.
type stuck struct{ *closing }

func (b stuck) Read([]byte) (int, error) {
	<-b.closed
	return 0, io.EOF
}

func answering(t *testing.T, ctx context.Context, body io.ReadCloser) *http.Response {
	t.Helper()
	transport := wire.NewKeyTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body}, nil
	}), mustParse(t, "https://h.example"), func() string { return secretKey })
	res, err := transport.RoundTrip(request(t, ctx, "https://h.example/", nil))
	require.NoError(t, err)
	return res
}

func TestABodyOfAnyTransportEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	res := answering(t, ctx, stuck{newClosing(nil)})
	go cancel()
	_, err := io.ReadAll(res.Body)
	require.ErrorIs(t, err, context.Canceled, "and not as if it were whole")
	require.NoError(t, res.Body.Close(), "the body is closed once")
}

func TestABodyThatWasReadIsClosedOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := newClosing(strings.NewReader("[]"))
	res := answering(t, ctx, body)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, "[]", string(text))
	require.NoError(t, res.Body.Close())
	require.NoError(t, res.Body.Close())
	<-body.closed
}

// Bytes that came are not lost to a context that has ended since.
func TestBytesThatCameAreRead(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	res := answering(t, ctx, io.NopCloser(strings.NewReader("[]")))
	cancel()
	buffer := make([]byte, 2)
	n, err := res.Body.Read(buffer)
	require.NoError(t, err)
	assert.Equal(t, "[]", string(buffer[:n]))
	_, err = res.Body.Read(buffer)
	require.ErrorIs(t, err, context.Canceled)
}

func TestIdleConnectionsOfTheTransportBelowAreClosed(t *testing.T) {
	t.Parallel()
	closed := 0
	wire.NewKeyTransport(idle{func() { closed++ }}, mustParse(t, "https://h.example"), nil).CloseIdleConnections()
	assert.Equal(t, 1, closed)
	wire.NewKeyTransport(roundTripper(nil), mustParse(t, "https://h.example"), nil).CloseIdleConnections()
}

type idle struct{ close func() }

func (idle) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("none") }
func (i idle) CloseIdleConnections()                         { i.close() }

// With a pool the body of a real server's answer ends with the context too.
func TestAPoolsAnswersEndWithTheContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "[")
		w.(http.Flusher).Flush()
		<-release
	}))
	t.Cleanup(func() { close(release); server.Close() })
	pool := wire.NewPool(1, 0)
	t.Cleanup(pool.CloseIdleConnections)
	ctx, cancel := context.WithCancel(t.Context())
	res, err := wire.NewKeyTransport(pool, mustParse(t, server.URL), func() string { return secretKey }).RoundTrip(request(t, ctx, server.URL, nil))
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, res.Body.Close())
}
