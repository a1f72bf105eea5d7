package antcrm_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// What is repeated, as a caller sees it: the statuses are told one by one in
// the tests of internal/retry.
func TestStatusesAreRepeatedByMethod(t *testing.T) {
	t.Parallel()
	repeated := func(method string, status int, header map[string]string) bool {
		server := served(t, func(n int, _ seen) reply {
			if n == 0 {
				return reply{status: status, header: header}
			}
			return ok(`{"success":1}`)
		})
		_ = server.client(quick(), antcrm.WithMaxRetries(1)).Do(t.Context(), method, "/x", nil, nil, nil)
		return len(server.all()) == 2
	}
	for status := 300; status < 600; status++ {
		transient := status == 408 || status == 429 || status >= 500 && status != 501 && status != 505 && status != 511
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			assert.Equal(t, transient, repeated(method, status, nil), "%s %d", method, status)
		}
		for _, method := range []string{"POST", "PATCH"} {
			assert.Equal(t, status == 429, repeated(method, status, nil), "%s %d", method, status)
			wait := map[string]string{"Retry-After": "0"}
			assert.Equal(t, status == 429 || status == 503, repeated(method, status, wait), "%s %d with Retry-After", method, status)
		}
	}
	assert.False(t, repeated("POST", 503, map[string]string{"Retry-After": "86401"}), "which says nothing at all")
}

func TestWithoutRetryMakesOneAttempt(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]antcrm.CallOption{
		{antcrm.WithoutRetry()},
		{antcrm.WithoutRetry(), antcrm.WithRetryUnsafe()},
		{antcrm.WithRetryUnsafe(), antcrm.WithoutRetry()},
	} {
		for _, answer := range []reply{{status: 429}, {status: 500}, {err: errReset}, {err: refusedDial()}} {
			server := served(t, func(int, seen) reply { return answer })
			_, err := server.client(quick(), antcrm.WithMaxRetries(9)).Opportunities.Create(t.Context(), newOrder(), opts...)
			require.Error(t, err)
			server.one()
		}
	}
	server := served(t, func(int, seen) reply { return reply{status: 500} })
	client := server.client(quick(), antcrm.WithMaxRetries(2))
	_, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{}, antcrm.WithoutRetry())
	require.Error(t, err)
	_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.Error(t, err)
	assert.Len(t, server.all(), 4, "one call only, not the client")
}

// A 204 to a PUT answers the key that was sent.
func TestA204IsAGoodAnswerToPutAndDelete(t *testing.T) {
	t.Parallel()
	client := served(t, func(int, seen) reply { return reply{status: http.StatusNoContent} }).client()
	ctx := t.Context()
	for _, ref := range []antcrm.ContactRef{antcrm.LeadRef("1"), antcrm.CustomerRef("2"), antcrm.ExternalRef("ERP-3")} {
		got, err := client.Contacts.Update(ctx, ref, antcrm.ContactUpdateParams{})
		require.NoError(t, err)
		assert.Equal(t, ref, got)
		require.NoError(t, client.Contacts.Delete(ctx, ref))
	}
	number, err := client.Opportunities.Update(ctx, "4", antcrm.OpportunityUpdateParams{})
	require.NoError(t, err)
	assert.Equal(t, antcrm.ID("4"), number)
	code, err := client.Products.Update(ctx, "ERP-5", antcrm.ProductUpdateParams{})
	require.NoError(t, err)
	assert.Equal(t, antcrm.ID("ERP-5"), code)
	id, err := client.Tickets.Update(ctx, "6", antcrm.TicketUpdateParams{})
	require.NoError(t, err)
	assert.Equal(t, antcrm.ID("6"), id)
	out := "untouched"
	require.NoError(t, client.Do(ctx, http.MethodPut, "/x", nil, nil, &out))
	require.NoError(t, client.Do(ctx, http.MethodDelete, "/x", nil, nil, &out))
	assert.Equal(t, "untouched", out)

	_, err = client.Opportunities.Create(ctx, newOrder())
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, "a POST promises an id")
	require.Error(t, client.Points.Accumulate(ctx, antcrm.AccumulateParams{Code: "c"}))
	require.Error(t, client.Do(ctx, http.MethodGet, "/x", nil, nil, &out))
}

func TestADeleteThatComesBack404(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		replies []reply
		done    bool
	}{
		{"after a lost answer", []reply{{err: errReset}, {status: 404, body: `{"message":"no such contact"}`}}, true},
		{"after a 5xx", []reply{{status: 502}, {status: 404}}, true},
		{"after two", []reply{{status: 500}, {status: 429}, {status: 404}}, true},
		{"after a lost answer, from a gateway", []reply{{err: errReset}, {status: 404, body: " <html>no such route</html>"}}, false},
		{"after a lost answer, not HTML", []reply{{err: errReset}, {status: 404, body: "no such contact"}}, true},
		{"after a lost answer, a compressed page from a gateway", []reply{{err: errReset}, {status: 404, body: "\x0b\xff\x80", header: map[string]string{"Content-Encoding": "br"}}}, false},
		{"after a lost answer, a page in UTF-16 from a gateway", []reply{{err: errReset}, {status: 404, body: "\xfe\xff\x00<\x00p\x00>"}}, false},
		{"after a lost answer, a page that breaks off from a gateway", []reply{{err: errReset}, {status: 404, body: "x", header: map[string]string{"Content-Encoding": "gzip"}}}, false},
		{"after a 429", []reply{{status: 429}, {status: 404}}, false},
		{"after a 503 that names a wait", []reply{{status: 503, header: map[string]string{"Retry-After": "0"}}, {status: 404}}, false},
		{"after nothing was sent", []reply{{err: refusedDial()}, {status: 404}}, false},
		{"at once", []reply{{status: 404}}, false},
	} {
		err := scripted(t, tt.replies...).client(quick(), antcrm.WithMaxRetries(3)).Contacts.Delete(t.Context(), antcrm.LeadRef("1"))
		if tt.done {
			require.NoError(t, err, tt.name)
			continue
		}
		require.ErrorIs(t, err, antcrm.ErrNotFound, tt.name)
		maybeDone := strings.HasSuffix(tt.name, "gateway")
		assert.Equal(t, maybeDone, errors.Is(err, antcrm.ErrOutcomeUnknown), tt.name)
	}
	// Of a GET and a PUT a 404 says what it says.
	client := served(t, func(n int, _ seen) reply { return []reply{{err: errReset}, {status: 404}}[n%2] }).client(quick(), antcrm.WithMaxRetries(3))
	_, err := client.Opportunities.Update(t.Context(), "1", antcrm.OpportunityUpdateParams{})
	require.ErrorIs(t, err, antcrm.ErrNotFound)
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
	_, err = client.Contacts.Get(t.Context(), antcrm.LeadRef("1"))
	require.ErrorIs(t, err, antcrm.ErrNotFound)
}

// attempts counts what an observer sees.
func attempts(n *atomic.Int64) antcrm.Option {
	return antcrm.WithObserver(func(context.Context, antcrm.Attempt) { n.Add(1) })
}

func TestWhatFailsTheSameWayAgainIsNotRepeated(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	trusting := secure.Client().Transport.(*http.Transport)
	wrongName := trusting.Clone()
	wrongName.TLSClientConfig.ServerName = "other.example"
	pinned := trusting.Clone()
	pinned.TLSClientConfig.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not the certificate that was pinned") }
	through := func(proxy *url.URL) *http.Transport {
		transport := trusting.Clone()
		transport.Proxy = http.ProxyURL(proxy)
		return transport
	}
	refusing := func(answer string) *url.URL {
		return rawServer(t, func(net.Conn, *http.Request) string { return answer })
	}
	hangsUp := rawServer(t, func(net.Conn, *http.Request) string { return "" })
	// A SOCKS proxy answers two greetings, or less.
	socks := func(answers ...string) *http.Transport {
		proxy := startPeer(t, nil, func(c *peerConn) {
			for _, answer := range answers {
				_, _ = c.Read(make([]byte, 512))
				_ = c.say(answer)
			}
		})
		return through(&url.URL{Scheme: "socks5", Host: proxy.Addr().String(), User: url.UserPassword("mai", "pr0xy-pass")})
	}
	const loggedIn = "\x05\x00"
	certified := func(change func(*x509.Certificate)) (string, *http.Transport) { return certifiedServer(t, change) }
	expiredURL, expired := certified(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	earlyURL, early := certified(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) })
	namedURL, named := certified(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"crm.example"} })
	otherURL, other := certified(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} })
	forClientsURL, forClients := certified(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(plain.Close)

	for name, tt := range map[string]struct {
		base      string
		transport http.RoundTripper
		attempts  int64
	}{
		"an unknown authority":                        {secure.URL, nil, 1},
		"a wrong name":                                {secure.URL, wrongName, 1},
		"a pinned certificate":                        {secure.URL, pinned, 1},
		"an expired certificate":                      {expiredURL, expired, 1},
		"a certificate of tomorrow":                   {earlyURL, early, 1},
		"a name for an address":                       {namedURL, named, 1},
		"another address":                             {otherURL, other, 1},
		"a certificate for clients":                   {forClientsURL, forClients, 1},
		"plain HTTP for TLS":                          {strings.Replace(plain.URL, "http:", "https:", 1), nil, 1},
		"407 to CONNECT":                              {secure.URL, through(refusing("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")), 1},
		"403 to CONNECT":                              {secure.URL, through(refusing("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")), 1},
		"502 to CONNECT":                              {secure.URL, through(refusing("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")), 1},
		"407 to a plain request":                      {"http://127.0.0.1:1", through(refusing("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")), 1},
		"429 to CONNECT":                              {secure.URL, through(refusing("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")), 1},
		"503 to CONNECT":                              {secure.URL, through(refusing("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")), 1},
		"no HTTP to CONNECT":                          {secure.URL, through(refusing("hello\r\n\r\n")), 1},
		"a SOCKS proxy that takes none of the logins": {secure.URL, socks("\x05\xff"), 1},
		"a SOCKS proxy that refuses the password":     {secure.URL, socks("\x05\x02", "\x01\x01"), 1},
		"a SOCKS proxy that refuses the server":       {secure.URL, socks(loggedIn, "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"), 1},
		"a SOCKS proxy that cannot reach the server":  {secure.URL, socks(loggedIn, "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"), 1},
		"a SOCKS proxy that hangs up":                 {secure.URL, socks(), 3},
		"a SOCKS proxy that hangs up later":           {secure.URL, socks(loggedIn), 3},
		"a proxy that hangs up":                       {secure.URL, through(hangsUp), 3},
		"a proxy whose address is none":               {secure.URL, through(&url.URL{Scheme: "http", Host: "127.0.0.1:99999"}), 1},
		"a transport that reads no address": {secure.URL, transportFunc(func(*http.Request) (*http.Response, error) {
			return nil, &net.AddrError{Err: "missing port", Addr: "x"}
		}), 1},
		"a name that does not exist": {secure.URL, transportFunc(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
		}), 1},
		"a name server that is down": {secure.URL, transportFunc(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}
		}), 3},
		"a refused connection": {"http://127.0.0.1:1", nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var made atomic.Int64
			opts := []antcrm.Option{antcrm.WithBaseURL(tt.base), quick(), antcrm.WithMaxRetries(2), attempts(&made)}
			if tt.transport != nil {
				opts = append(opts, antcrm.WithHTTPClient(&http.Client{Transport: tt.transport}))
			}
			client, err := antcrm.NewClient(secretKey, opts...)
			require.NoError(t, err)
			defer client.CloseIdleConnections()
			_, err = client.Opportunities.Create(t.Context(), newOrder())
			require.Error(t, err)
			assert.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown, "nothing was sent")
			assert.Equal(t, tt.attempts, made.Load(), err)
			onOneLine(t, err, "pr0xy-pass")
		})
	}
}

// certifiedServer starts a server whose certificate is changed before it is signed, and returns a transport that trusts
// whoever has signed it.
func certifiedServer(t *testing.T, change func(*x509.Certificate)) (base string, trusting *http.Transport) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(certificate)
	signed, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(signed)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{signed}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return server.URL, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
}

// A certificate of certifiedServer's that nothing is wrong with verifies: what is wrong with the others is what was
// changed.
func TestAGoodCertificateOfTheTestsVerifies(t *testing.T) {
	t.Parallel()
	base, transport := certifiedServer(t, func(*x509.Certificate) {})
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(base), antcrm.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/x", nil, nil, nil))
}

// proxied is the environment variable that names what the SDK's own transport meets in a proxy of the environment.
const proxied = "ANTCRM_TEST_PROXIED"

// The SDK's own transport takes the proxy from the environment: what refuses there is not asked again, and its password
// is in no error and in no log.
func TestAProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	const password = "pr0xy-pass"
	if os.Getenv(proxied) != "" {
		checkProxied(t, password)
		return
	}
	for name, answer := range map[string]string{
		"407": "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
		"403": "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
	} {
		var asked atomic.Int64
		proxy := rawServer(t, func(_ net.Conn, req *http.Request) string {
			assert.Equal(t, http.MethodConnect, req.Method)
			assert.NotEmpty(t, req.Header.Get("Proxy-Authorization"))
			assert.Empty(t, req.Header.Get("Apikey"), "the proxy does not see the key")
			asked.Add(1)
			return answer
		})
		runAgain(t, proxied+"="+name, "HTTPS_PROXY=http://mai:"+password+"@"+proxy.Host, "NO_PROXY=")
		assert.Equal(t, int64(2), asked.Load(), "one attempt of each of two calls")
	}
	for _, address := range []string{
		"http://mai:" + password + "%zz@127.0.0.1:1", "mai:" + password + "@127.0.0.1:80:80",
		"socks5://mai:" + password + "@127.0.0.1:1", "gopher://mai:" + password + "@127.0.0.1:1", "http://mai:" + password + "@127.0.0.1:99999",
	} {
		runAgain(t, proxied+"=none", "HTTPS_PROXY="+address, "NO_PROXY=")
	}
}

func checkProxied(t *testing.T, password string) {
	t.Helper()
	var made atomic.Int64
	var logged strings.Builder
	logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL("https://crm.example"), antcrm.WithMaxRetries(1), quick(), attempts(&made), antcrm.WithLogger(logger))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	requireError[*antcrm.TransportError](t, err)
	onOneLine(t, err, password)
	_, err = client.Opportunities.Create(t.Context(), newOrder())
	requireError[*antcrm.TransportError](t, err)
	require.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown)
	onOneLine(t, err, password)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		assert.NotContains(t, cause.Error(), password)
	}
	assert.NotContains(t, logged.String(), password)
	if os.Getenv(proxied) != "none" {
		assert.Equal(t, int64(2), made.Load())
	}
}

// rawServer answers the first request of each connection with a text, then
// hangs up.
func rawServer(tb testing.TB, answer func(net.Conn, *http.Request) string) *url.URL {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = conn.Write([]byte(answer(conn, req)))
			}
			_ = conn.Close()
		}
	}()
	tb.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}
}

func TestAProxysPasswordIsInNoError(t *testing.T) {
	t.Parallel()
	const password = "pr0xy-pass"
	for _, proxy := range []*url.URL{
		{Scheme: "http", Host: "127.0.0.1:1", User: url.UserPassword("mai", password)},
		{Scheme: "http", Host: "127.0.0.1:99999", User: url.UserPassword("mai", password)},
		{Scheme: "socks5", Host: "127.0.0.1:1", User: url.UserPassword("mai", password)},
		{Scheme: "gopher", Host: "127.0.0.1:1", User: url.UserPassword("mai", password)},
	} {
		client, err := antcrm.NewClient(secretKey, antcrm.WithMaxRetries(0), antcrm.WithHTTPClient(&http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}))
		require.NoError(t, err)
		_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
		require.Error(t, err)
		onOneLine(t, err, password)
	}
	// As http.ProxyFromEnvironment and others word it.
	for _, text := range []string{
		`invalid proxy address "http://mai:` + password + `%zz@proxy": parse "http://mai:` + password + `%zz@proxy": invalid URL escape "%zz"`,
		`invalid proxy address "mai:` + password + `@proxy:80:80": parse "http://mai:` + password + `@proxy:80:80": invalid port ":80:80" after host`,
		`parse "http://mai:x/` + password + `@proxy": invalid port ":x" after host`,
		`parse "http://mai:` + password + `@proxy:80:80": invalid port ":80:80" after host`,
		`cannot use http://mai:` + password + `@proxy.example:3128/ or socks5h://mai:` + password + `@b`,
	} {
		_, err := scripted(t, reply{err: errors.New(text)}).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
		require.Error(t, err)
		onOneLine(t, err, password)
		var shown error
		for shown = err; shown != nil; shown = errors.Unwrap(shown) {
			assert.NotContains(t, shown.Error(), password)
		}
	}
}

// What SECURITY.md says of those who see the key: a hook of httptrace, and a transport of the caller's.
func TestHooksAndTransportsBelowSeeTheKey(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	t.Cleanup(server.Close)
	traced, below := "", ""
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteHeaderField: func(name string, values []string) {
		if name == "Apikey" {
			traced = values[0]
		}
	}})
	transport := transportFunc(func(req *http.Request) (*http.Response, error) {
		below = req.Header.Get("apikey")
		return http.DefaultTransport.RoundTrip(req)
	})
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	_, err = client.Contacts.List(ctx, antcrm.ContactListParams{})
	require.NoError(t, err)
	assert.Equal(t, []string{secretKey, secretKey}, []string{traced, below})
	text, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	assert.Contains(t, string(text), "`httptrace` hooks on the context see the key")
}

// A create crosses few frames of this module on its way to the HTTP client.
func TestACallCrossesFewFrames(t *testing.T) {
	t.Parallel()
	const maxFrames = 7
	frames := 0
	client, err := antcrm.NewClient(secretKey, antcrm.WithHTTPClient(&http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		callers := make([]uintptr, 100)
		stack := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
		below := true // resty and net/http
		for frame, more := stack.Next(); more; frame, more = stack.Next() {
			switch {
			case strings.Contains(frame.Function, "resty"):
				below, frames = false, 0
			case !below && strings.HasPrefix(frame.Function, "github.com/antbuddy/antcrm-go."):
				frames++
			}
		}
		return nil, errReset
	})}))
	require.NoError(t, err)
	_, err = client.Contacts.Create(t.Context(), antcrm.ContactCreateParams{Name: "n", ExternalID: "e"})
	require.ErrorIs(t, err, errReset)
	assert.Positive(t, frames)
	assert.LessOrEqual(t, frames, maxFrames)
	t.Log(strconv.Itoa(frames) + " frames")
}

// A slot is kept through a call's waits and retries, so that no more calls
// than allowed are ever under way.
func TestASlotIsHeldThroughTheWaits(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		begin := time.Now()
		server := served(t, func(n int, _ seen) reply {
			if n < 2 {
				return reply{status: 500, header: map[string]string{"Retry-After": "10"}} // which pauses nobody else
			}
			return ok(`[]`)
		})
		client := server.client(antcrm.WithMaxConcurrency(1), antcrm.WithMaxRetries(3))
		go func() { _, _ = client.Products.List(t.Context(), antcrm.ProductListParams{}) }()
		time.Sleep(time.Second)
		assert.Len(t, server.all(), 1)
		_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(begin), 20*time.Second)
		assert.Len(t, server.all(), 4)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		blocked := served(t, func(int, seen) reply { time.Sleep(time.Minute); return ok(`[]`) })
		client = blocked.client(antcrm.WithMaxConcurrency(1))
		go func() { _, _ = client.Products.List(t.Context(), antcrm.ProductListParams{}) }()
		time.Sleep(time.Millisecond)
		_, err = client.Products.List(ctx, antcrm.ProductListParams{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, requireError[*antcrm.TransportError](t, err).Attempts)
		blocked.one()
		time.Sleep(time.Minute)
	})
}
