package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
)

// ErrStray is an answer that had come before its request was written: it answers another request, and may be another
// caller's. Over HTTP/1.1 a server that sends two answers to one request makes net/http take the second one for the next
// call's, if that call takes the connection before net/http has noticed.
var ErrStray = errors.New("the server has sent an answer that nobody had asked for")

// watchedConn knows whether anything has come since a request was written. It is below TLS.
type watchedConn struct {
	net.Conn
	steps   atomic.Int64 // counts reads and writes
	read    atomic.Int64 // the last read that returned anything
	written atomic.Int64 // the first write since the connection was given to a request; 0: none yet
	shared  atomic.Bool  // HTTP/2: many requests at a time, whose answers name them
}

// watching makes a dialer's connections watched ones.
func watching(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &watchedConn{Conn: conn}, nil
	}
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.read.Store(c.steps.Add(1))
	}
	return n, err
}

func (c *watchedConn) Write(p []byte) (int, error) {
	c.written.CompareAndSwap(0, c.steps.Add(1))
	return c.Conn.Write(p)
}

// begin is the moment at which a request gets the connection.
func (c *watchedConn) begin() {
	if !c.shared.Load() {
		c.written.Store(0)
	}
}

// isAhead reports, when the answer to a request begins, whether it had come before the request was written.
func (c *watchedConn) isAhead() bool {
	written := c.written.Load()
	return !c.shared.Load() && (written == 0 || c.read.Load() < written)
}

// watched returns the watched connection below another one, nil if there is none: the transport is the caller's.
func watched(conn net.Conn) *watchedConn {
	if secure, ok := conn.(*tls.Conn); ok {
		below := watched(secure.NetConn())
		// A second request may be told first that it has the connection.
		if below != nil && !below.shared.Load() && secure.ConnectionState().NegotiatedProtocol == "h2" {
			below.shared.Store(true)
		}
		return below
	}
	found, _ := conn.(*watchedConn)
	return found
}
