//go:build !js

package wire

import (
	"context"
	"net"
	"net/http"
	"time"
)

// dialContext connects over TCP.
func dialContext() func(ctx context.Context, network, addr string) (net.Conn, error) {
	return watching((&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext)
}

// endsBodies reports whether a transport ends the body of an answer with the request's context: net/http's does.
func endsBodies(next http.RoundTripper) bool {
	switch next.(type) {
	case *http.Transport, *Pool:
		return true
	}
	return false
}

// closesFailed says that a body whose reading has failed is to be closed.
const closesFailed = true

// refuseRedirects has nothing to do: a transport follows none.
func refuseRedirects(http.RoundTripper, http.Header) {}
