// Package wire is the last step of a request before net/http, and the first step of its answer. It adds the key to
// requests for its origin, finds out whether a request was sent, and reads answers into reused buffers.
package wire

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// keyHeader carries the API key (the vendor's page).
const keyHeader = "Apikey"

// ErrNoStatus is an answer without a status. HTTP has no such answers: a browser makes one of a redirect that it must
// not follow.
var ErrNoStatus = errors.New("the answer has no status: in a browser, it is a redirect, which is not followed")

// KeyTransport adds the key to requests for its origin, and removes the header from any other request. The key exists
// only here, below redirects, retries and debug logs: resty and net/http would forward a header that was set above to
// any host.
type KeyTransport struct {
	next   http.RoundTripper
	origin string
	key    func() string // a closure, so that no %+v can print it
	// endsBodies says that the bodies of next end with the request's context.
	endsBodies bool
}

// NewKeyTransport binds a key to the origin of base.
func NewKeyTransport(next http.RoundTripper, base *url.URL, key func() string) *KeyTransport {
	return &KeyTransport{next: next, origin: Origin(base), key: key, endsBodies: endsBodies(next)}
}

// RoundTrip sends the request, with the key if it is for the key's origin.
func (t *KeyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	// A RoundTripper must not change the caller's request.
	bound := *req
	bound.Header = maps.Clone(req.Header) // whose values nobody changes
	bound.Header.Del(keyHeader)
	if Origin(req.URL) == t.origin {
		bound.Header.Set(keyHeader, t.key())
	}
	if err := req.Context().Err(); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, unsentError{err}
	}
	refuseRedirects(t.next, bound.Header)
	res, err := t.next.RoundTrip(&bound)
	if err != nil || res == nil {
		return res, err
	}
	if res.StatusCode < 100 {
		if res.Body != nil {
			_ = res.Body.Close()
		}
		return nil, ErrNoStatus
	}
	dropBadLocation(req, res)
	if !t.endsBodies && res.Body != nil {
		res.Body = endWith(req.Context(), res.Body)
	}
	return res, nil
}

// CloseIdleConnections makes http.Client.CloseIdleConnections reach the transport below.
func (t *KeyTransport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// unsentError is an error before the request was passed to a transport.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// dropBadLocation removes a Location that is not a URL from a 3xx: http.Client would make a transport error of the
// answer, and quote the Location.
func dropBadLocation(req *http.Request, res *http.Response) {
	location := res.Header.Get("Location")
	if location == "" || res.StatusCode < 300 || res.StatusCode >= 400 {
		return
	}
	if _, err := req.URL.Parse(location); err != nil {
		res.Header.Del("Location")
	}
}

// Origin is scheme, host and port, normalized.
func Origin(u *url.URL) string {
	scheme := strings.ToLower(u.Scheme)
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// IsLoopback reports whether a host name can only mean this machine.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// endingBody is an answer's body that ends with its attempt. net/http's do by themselves; one of another transport may
// block, and is then closed, or return nothing for ever.
type endingBody struct {
	io.ReadCloser
	ctx    context.Context
	failed atomic.Bool // it has ended with an error
	once   sync.Once
	stop   func() bool
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
	b.once.Do(func() {
		if closesFailed || !b.failed.Load() {
			_ = b.ReadCloser.Close()
		}
	})
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.failed.Store(err != nil && err != io.EOF) //nolint:errorlint // as io.Reader has it
	if (n == 0 || err != nil) && b.ctx.Err() != nil {
		err = b.ctx.Err() // not "closed", nor the end that closing can look like
	}
	return n, err
}

// IsHeaderValue reports whether a text can be the value of a header.
func IsHeaderValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// IsToken reports whether a text can be a method or the name of a header.
func IsToken(name string) bool {
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
