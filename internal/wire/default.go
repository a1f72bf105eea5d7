package wire

import (
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

// idleConnections is how many connections are kept for the next calls when
// the concurrency is not bounded: with net/http's default of 2 a burst of 50
// parallel calls opens nearly 50 new connections every time.
const idleConnections = 256

// Pool is the transport of a client without one of the caller's: connections
// that can be given up all at once.
type Pool struct {
	mu      sync.Mutex
	current *http.Transport
}

// NewPool returns a pool for a client that sends up to maxConcurrency requests
// at a time (0: any number), each within limit (0: none).
func NewPool(maxConcurrency int, limit time.Duration) *Pool {
	return &Pool{current: defaultTransport(maxConcurrency, limit)}
}

// RoundTrip sends the request.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	p.mu.Lock()
	current := p.current
	p.mu.Unlock()
	if trace, ok := req.Context().Value(traceKey{}).(*Trace); ok {
		trace.used.Store(current)
	}
	return current.RoundTrip(req)
}

// CloseIdleConnections closes the connections that no request uses.
func (p *Pool) CloseIdleConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.CloseIdleConnections()
}

// Done ends an attempt that the trace has watched, once its answer was read.
// After one that timed out, later attempts use new connections: its own may be
// dead, and so may be those that were opened with it. An HTTP/2 connection
// would otherwise be used until TCP gives it up, after minutes. Requests under
// way keep their connections, which are closed when they end.
func (p *Pool) Done(t *Trace, timedOut bool) {
	used := t.used.Load()
	if used == nil {
		return
	}
	p.mu.Lock()
	if timedOut && used == p.current && t.gotConn.Load() {
		p.current = used.Clone()
	}
	retired := used != p.current
	p.mu.Unlock()
	if retired {
		used.CloseIdleConnections()
	}
}

func defaultTransport(maxConcurrency int, limit time.Duration) *http.Transport {
	idle := max(idleConnections, maxConcurrency)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialContext(),
		ForceAttemptHTTP2:      true,
		HTTP2:                  pings(limit),
		MaxIdleConns:           idle,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// pings finds out that the peer of an HTTP/2 connection has vanished within
// the limit of an attempt. A second is the least: servers close connections
// on which they are asked more often.
func pings(limit time.Duration) *http.HTTP2Config {
	const least, most = time.Second, 15 * time.Second
	if limit == 0 {
		limit = 3 * most
	}
	return &http.HTTP2Config{SendPingTimeout: min(max(limit/3, least), most), PingTimeout: min(max(limit/3, least), most)}
}
