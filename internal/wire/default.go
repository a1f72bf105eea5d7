package wire

import (
	"crypto/tls"
	"net/http"
	"time"
)

// idleConnections is how many connections are kept for the next calls when
// the concurrency is not bounded: with net/http's default of 2 a burst of 50
// parallel calls opens nearly 50 new connections every time.
const idleConnections = 256

// DefaultTransport is what a client without a transport of the caller's uses.
func DefaultTransport(maxConcurrency int) *http.Transport {
	idle := max(idleConnections, maxConcurrency)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialContext(),
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
