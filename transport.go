package antcrm

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"crypto/tls"

	"github.com/go-resty/resty/v2"
)

// keyHeader carries the API key (the vendor's page).
const keyHeader = "Apikey"

// keyTransport adds the key to requests for the origin it belongs to, and
// takes it off any other. Here, below redirects, retries and debug logs, is
// the one place where the key exists: resty and net/http forward a header set
// above to any host.
type keyTransport struct {
	next   http.RoundTripper
	origin string
	key    func() string // a closure, so that no %+v can print it
}

func (t *keyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	// A RoundTripper may not change the request it is given.
	bound := *req
	bound.Header = maps.Clone(req.Header) // whose values nobody changes
	bound.Header.Del(keyHeader)
	if originOf(req.URL) == t.origin {
		bound.Header.Set(keyHeader, t.key())
	}
	if err := contextError(req.Context()); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, unsentError{err}
	}
	res, err := t.next.RoundTrip(&bound)
	if err == nil && res != nil {
		dropBadLocation(req, res)
		if _, standard := t.next.(*http.Transport); !standard && res.Body != nil {
			res.Body = endWith(req.Context(), res.Body)
		}
	}
	return res, err
}

// unsentError is what ended a request before any transport had it.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// dropBadLocation keeps http.Client from making a transport failure of a 3xx
// whose Location is not a URL, and from quoting it.
func dropBadLocation(req *http.Request, res *http.Response) {
	location := res.Header.Get("Location")
	if location == "" || res.StatusCode < 300 || res.StatusCode >= 400 {
		return
	}
	if _, err := req.URL.Parse(location); err != nil {
		res.Header.Del("Location")
	}
}

// CloseIdleConnections makes http.Client.CloseIdleConnections reach the
// transport below.
func (t *keyTransport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// originOf is scheme, host and port, normalized.
func originOf(u *url.URL) string {
	scheme := strings.ToLower(u.Scheme)
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// isLoopback reports whether a host name can only mean this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// idleConnections is how many connections are kept for the next calls when
// the concurrency is not bounded: with net/http's default of 2 a burst of 50
// parallel calls opens nearly 50 new connections every time.
const idleConnections = 256

func defaultTransport(maxConcurrency int) *http.Transport {
	idle := max(idleConnections, maxConcurrency)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           idle,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// newRestyClient puts resty on top of a copy of the caller's http.Client (or
// of our own) with everything switched off that is wrong for an SDK: its
// retries, its logs, its redirects, its body parsing.
func newRestyClient(cfg *config, base *url.URL, key string) *resty.Client {
	hc := &http.Client{}
	if cfg.httpClient != nil {
		shallow := *cfg.httpClient
		hc = &shallow
	}
	next := hc.Transport
	if next == nil {
		next = defaultTransport(cfg.maxConcurrency)
	}
	hc.Transport = &keyTransport{next: next, origin: originOf(base), key: func() string { return key }}
	// An API call that follows a redirect hands its body, and a POST its
	// meaning, to somebody else: a 3xx is an error instead.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	rc := resty.NewWithClient(hc)
	rc.SetLogger(silentLogger{})
	rc.SetDisableWarn(true)
	return rc
}

// silentLogger keeps resty's own log, which prints URLs, from stderr.
type silentLogger struct{}

func (silentLogger) Errorf(string, ...any) {}
func (silentLogger) Warnf(string, ...any)  {}
func (silentLogger) Debugf(string, ...any) {}

// sentTrace watches an attempt and knows whether any of it can have reached
// the server.
type sentTrace struct {
	traced  atomic.Bool // the transport reports to httptrace at all
	gotConn atomic.Bool // the request had a connection to be written to
	wrote   atomic.Bool // its headers were written to one, now or before
}

func (t *sentTrace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		// Another connection is asked for when the one before was found dead
		// with nothing written to it, but also by a transport of the caller's
		// that repeats requests itself: what was written once stays written.
		GetConn: func(string) {
			t.traced.Store(true)
			t.gotConn.Store(false)
		},
		GotConn:      func(httptrace.GotConnInfo) { t.gotConn.Store(true) },
		WroteHeaders: func() { t.wrote.Store(true) },
	}
}

// maybeSent tells, after a failure, whether the request may have reached the
// server. A transport that reports nothing (a test double, say) is believed
// only when its error says that it could not connect.
func (t *sentTrace) maybeSent(err error) bool {
	if t.gotConn.Load() || t.wrote.Load() {
		return true
	}
	if t.traced.Load() {
		return false
	}
	if _, ok := errors.AsType[unsentError](err); ok {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	return true
}

var errNotGzip = errors.New("answer is not valid gzip")

// readBody reads at most limit bytes of an answer, decompressed, into buf; the
// caller closes it. Reading to the end is what lets the connection be used
// again.
func readBody(buf *bytes.Buffer, res *http.Response, limit int64) error {
	var body io.Reader = res.Body
	if strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") && !res.Uncompressed {
		// Only behind a transport with compression switched off.
		unzip, err := gzip.NewReader(res.Body)
		if errors.Is(err, io.EOF) {
			return nil // a 204, or the answer to a HEAD
		}
		if err != nil {
			return errNotGzip
		}
		body = unzip
	}
	buf.Grow(presize(res.ContentLength, limit))
	n, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	if n > limit {
		buf.Truncate(int(limit))
		return ErrResponseTooLarge
	}
	return err
}

// endingBody is an answer's body that ends with its attempt. net/http's do by
// themselves; one of another transport may block, and is then closed, or give
// nothing for ever.
type endingBody struct {
	io.ReadCloser
	ctx  context.Context
	once sync.Once
	stop func() bool
}

func endWith(ctx context.Context, body io.ReadCloser) io.ReadCloser {
	b := &endingBody{ReadCloser: body, ctx: ctx}
	b.stop = context.AfterFunc(ctx, b.close)
	return b
}

func (b *endingBody) Close() error {
	b.stop()
	b.close()
	return nil
}

// close closes once: the end of the context and the end of the body may meet.
func (b *endingBody) close() {
	b.once.Do(func() { _ = b.ReadCloser.Close() })
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if (n == 0 || err != nil) && b.ctx.Err() != nil {
		err = contextError(b.ctx) // not "closed", nor the end that closing can look like
	}
	return n, err
}

// drain reads what is left of a cut error body, so that the connection can be
// used again; more than this is not worth the wait.
func drain(res *http.Response) {
	const most = 256 << 10
	_, _ = io.CopyN(io.Discard, res.Body, most)
}

// presize is what to allocate before reading: what the server announces plus
// the room that ReadFrom wants to see the end, but not whatever it announces.
func presize(announced, limit int64) int {
	const unannounced, most = 4 << 10, 1 << 20
	if announced < 0 {
		return int(min(unannounced, limit+1))
	}
	return int(min(announced, limit, most)) + bytes.MinRead
}

// bufferPool holds answer buffers. It belongs to a client: no globals.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *bytes.Buffer {
	if buf, ok := p.pool.Get().(*bytes.Buffer); ok {
		buf.Reset()
		return buf
	}
	return new(bytes.Buffer)
}

// put gives a buffer back; one grown huge by a rare answer is left to the
// garbage collector.
func (p *bufferPool) put(buf *bytes.Buffer) {
	const largestKept = 1 << 20
	if buf != nil && buf.Cap() <= largestKept {
		p.pool.Put(buf)
	}
}

func isHeaderValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func isToken(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}
