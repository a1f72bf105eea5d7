package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// maxConnections is how many new connections one attempt may open. net/http repeats a request by itself, without limit,
// if the server drops the connection before it has read the request (an HTTP/2 GOAWAY). With a server that always does
// so it opened more than 600 connections a second.
const maxConnections = 8

// ErrDropped ends an attempt whose every connection was dropped.
var ErrDropped = errors.New("the server drops every connection before it answers")

// Trace watches an attempt to find out whether any of it may have reached the server.
type Trace struct {
	traced    atomic.Bool // the transport reports to httptrace at all
	connected atomic.Bool // a connection was made, to the server or to a proxy
	gotConn   atomic.Bool // the request had a connection to be written to
	wrote     atomic.Bool // its headers were written to one, now or before
	opened    atomic.Int32
	dropped   atomic.Bool                    // more than maxConnections were opened
	used      atomic.Pointer[http.Transport] // of a Pool
	conn      atomic.Pointer[watchedConn]    // of a Pool
	stray     atomic.Bool                    // the answer was not to this request
}

type traceKey struct{}

// With returns a context with which the trace watches a request. The trace calls cancel if the attempt opens too many
// connections.
func (t *Trace) With(ctx context.Context, cancel context.CancelFunc) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, traceKey{}, t), &httptrace.ClientTrace{
		// net/http asks for another connection if the one before was dead and nothing was written to it. A caller's own
		// transport may repeat a request that was written: wrote therefore stays true.
		GetConn: func(string) {
			t.traced.Store(true)
			t.gotConn.Store(false)
			t.connected.Store(false)
		},
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				t.connected.Store(true)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			t.gotConn.Store(true)
			if conn := watched(info.Conn); conn != nil {
				conn.begin()
				t.conn.Store(conn)
			}
			if !info.Reused && t.opened.Add(1) > maxConnections {
				t.dropped.Store(true)
				cancel()
			}
		},
		WroteHeaders: func() { t.wrote.Store(true) },
		GotFirstResponseByte: func() {
			if conn := t.conn.Load(); conn != nil && conn.isAhead() {
				t.stray.Store(true)
				_ = conn.Close() // what comes next answers this request, and must not become the next call's
				cancel()
			}
		},
	})
}

// Explain replaces the error of a failure whose reason only the trace knows. err is nil for a good answer, which is none
// if it was another request's.
func (t *Trace) Explain(err error) error {
	if t.stray.Load() {
		return ErrStray
	}
	if t.dropped.Load() && errors.Is(err, context.Canceled) {
		return ErrDropped
	}
	return err
}

// MaybeSent reports, after a failure, whether the request may have reached the server. If the transport does not use
// httptrace (a test double, for example), it may have, unless the error says that the transport could not connect.
func (t *Trace) MaybeSent(err error) bool {
	if t.gotConn.Load() || t.wrote.Load() {
		return true
	}
	if t.traced.Load() {
		return false
	}
	if _, unsent := errors.AsType[unsentError](err); unsent {
		return false
	}
	op, ok := errors.AsType[*net.OpError](err)
	return (!ok || op.Op != "dial") && !isBadAddress(err) && !isBadCertificate(err)
}

// IsPermanent reports, after a failure, whether another attempt would fail in the same way: a certificate that does not
// verify, a proxy that refuses to connect, an address that is none, a redirect in a browser.
func (t *Trace) IsPermanent(err error) bool {
	if isBadCertificate(err) || isBadAddress(err) || errors.Is(err, ErrNoStatus) {
		return true
	}
	if errors.Is(err, ErrStray) || errors.Is(err, ErrDropped) {
		return false // net/http may have been about to connect again
	}
	// Between a connection and its use come a proxy's answer, which net/http makes an error of no type, and the
	// handshake, in which a caller's own check of the certificate may fail. What is no failure of the network there is
	// a refusal.
	return t.connected.Load() && !t.gotConn.Load() && !isNetworkFailure(err)
}

func isBadCertificate(err error) bool {
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return unverified || authority || hostname || invalid
}

// isBadAddress reports whether there is nothing to dial: the address cannot be read, or the name does not exist.
func isBadAddress(err error) bool {
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return name.IsNotFound
	}
	_, address := errors.AsType[*net.AddrError](err)
	_, unreadable := errors.AsType[*net.ParseError](err)
	_, invalid := errors.AsType[net.InvalidAddrError](err)
	_, network := errors.AsType[net.UnknownNetworkError](err)
	return address || unreadable || invalid || network
}

// IsTimeout reports whether an attempt has ended because it took too long: by the limit of an http.Client of the
// caller's, which the attempt's context does not show, or because TCP has given up the connection.
func IsTimeout(err error) bool {
	failure, ok := errors.AsType[net.Error](err)
	return ok && failure.Timeout()
}

func isNetworkFailure(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && strings.HasPrefix(op.Op, "socks") {
		return isNetworkFailure(op.Err) // what a SOCKS proxy has answered is wrapped like a failure of the network
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled)
}
