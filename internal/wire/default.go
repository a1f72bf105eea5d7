package wire

import (
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

// idleConnections is how many idle connections are kept if the concurrency is not limited. With net/http's default of 2
// each burst of 50 parallel calls opens nearly 50 new connections.
const idleConnections = 256

// Pool is the client's own transport. It can abandon all its connections at once.
type Pool struct {
	mu      sync.Mutex
	current *http.Transport
}

// NewPool returns a pool for a client that sends up to maxConcurrency requests at a time (0: any number), each within
// limit (0: none).
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

// Done must be called at the end of each attempt, with its trace. If the attempt timed out, later attempts use new
// connections: its own may be dead, and so may those that were opened at the same time. An HTTP/2 connection would
// otherwise be used until TCP gives it up, after minutes. Requests under way keep their connections, which are closed
// when they end.
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
		// net/http takes an attempt off its HTTP/2 connection a moment after the attempt has ended. A server that sends
		// without an end would be read, for nothing, until the connection has been idle for IdleConnTimeout.
		for _, later := range []time.Duration{100 * time.Millisecond, 2 * time.Second} {
			time.AfterFunc(later, used.CloseIdleConnections)
		}
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

// pings configures HTTP/2 to notice a dead connection within the limit of an attempt. The shortest interval is a
// second: servers close connections with more frequent pings.
func pings(limit time.Duration) *http.HTTP2Config {
	const least, most = time.Second, 15 * time.Second
	if limit == 0 {
		limit = 3 * most
	}
	return &http.HTTP2Config{SendPingTimeout: min(max(limit/3, least), most), PingTimeout: min(max(limit/3, least), most)}
}
