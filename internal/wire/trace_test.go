package wire_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/wire"
)

// events plays what a transport reports to a trace.
func events(t *testing.T, play func(hooks *httptrace.ClientTrace)) *wire.Trace {
	t.Helper()
	trace := new(wire.Trace)
	ctx := trace.With(t.Context(), func() {})
	if play != nil {
		play(httptrace.ContextClientTrace(ctx))
	}
	return trace
}

func connect(hooks *httptrace.ClientTrace) { hooks.GetConn("h"); hooks.ConnectDone("tcp", "h", nil) }
func gotConn(hooks *httptrace.ClientTrace) { connect(hooks); hooks.GotConn(httptrace.GotConnInfo{}) }
func written(hooks *httptrace.ClientTrace) { gotConn(hooks); hooks.WroteHeaders() }
func refusal(*httptrace.ClientTrace)       {}
func dialFails(hooks *httptrace.ClientTrace) {
	hooks.GetConn("h")
	hooks.ConnectDone("tcp", "h", errors.New("refused"))
}

// The edge of "was it sent": from the moment that a request has a connection to be written to.
func TestWhatATraceHasSeenDecidesWhetherItWasSent(t *testing.T) {
	t.Parallel()
	lost := io.ErrUnexpectedEOF
	for name, test := range map[string]struct {
		play func(*httptrace.ClientTrace)
		want bool
	}{
		"a transport that reports nothing":    {nil, true},
		"asked for a connection":              {func(h *httptrace.ClientTrace) { h.GetConn("h") }, false},
		"dialled in vain":                     {dialFails, false},
		"connected, to a proxy or before TLS": {connect, false},
		"had a connection":                    {gotConn, true},
		"wrote its headers":                   {written, true},
		"had one, asked for another":          {func(h *httptrace.ClientTrace) { gotConn(h); h.GetConn("h") }, false},
		"wrote, then asked for another":       {func(h *httptrace.ClientTrace) { written(h); h.GetConn("h") }, true},
	} {
		assert.Equal(t, test.want, events(t, test.play).MaybeSent(lost), name)
	}
}

// A transport that reports nothing is believed when its error says that it could not connect.
func TestErrorsThatSayThatNothingWasSent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"dial":                {&net.OpError{Op: "dial", Err: errors.New("refused")}, false},
		"wrapped dial":        {fmt.Errorf("a: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), false},
		"read":                {&net.OpError{Op: "read", Err: errors.New("reset")}, true},
		"write":               {&net.OpError{Op: "write", Err: errors.New("reset")}, true},
		"proxyconnect":        {&net.OpError{Op: "proxyconnect", Err: errors.New("refused")}, true},
		"EOF":                 {io.EOF, true},
		"deadline":            {context.DeadlineExceeded, true},
		"no such host":        {&net.DNSError{IsNotFound: true}, false},
		"DNS is down":         {&net.DNSError{IsTemporary: true}, true},
		"bad address":         {&net.AddrError{Err: "missing port"}, false},
		"unreadable address":  {&net.ParseError{Type: "IP address"}, false},
		"invalid address":     {net.InvalidAddrError("x"), false},
		"unknown network":     {net.UnknownNetworkError("x"), false},
		"unverified":          {&tls.CertificateVerificationError{Err: errors.New("x")}, false},
		"unknown authority":   {x509.UnknownAuthorityError{}, false},
		"another host's":      {x509.HostnameError{Certificate: new(x509.Certificate), Host: "h"}, false},
		"invalid certificate": {x509.CertificateInvalidError{Cert: new(x509.Certificate)}, false},
	} {
		assert.Equal(t, test.want, new(wire.Trace).MaybeSent(test.err), name)
		permanent := !test.want && name != "dial" && name != "wrapped dial"
		assert.Equal(t, permanent, new(wire.Trace).IsPermanent(test.err), name)
	}
}

// Between a connection and its use stand a proxy and the handshake: what fails there, and is no failure of the network,
// fails again.
func TestRefusalsBetweenAConnectionAndItsUseArePermanent(t *testing.T) {
	t.Parallel()
	refused, network := errors.New("Proxy Authentication Required"), &net.OpError{Op: "read", Err: errors.New("reset")}
	socks := func(err error) error { return &net.OpError{Op: "socks connect", Err: err} }
	for name, test := range map[string]struct {
		play func(*httptrace.ClientTrace)
		err  error
		want bool
	}{
		"not connected":        {dialFails, refused, false},
		"nothing reported":     {refusal, refused, false},
		"refused in between":   {connect, refused, true},
		"network in between":   {connect, network, false},
		"EOF in between":       {connect, io.EOF, false},
		"cut in between":       {connect, io.ErrUnexpectedEOF, false},
		"cancelled in between": {connect, context.Canceled, false},
		"timed out in between": {connect, context.DeadlineExceeded, false},
		"refused by SOCKS":     {connect, socks(errors.New("connection not allowed by ruleset")), true},
		"SOCKS was cut":        {connect, socks(io.EOF), false},
		"SOCKS was reset":      {connect, socks(network), false},
		"SOCKS timed out":      {connect, socks(context.DeadlineExceeded), false},
		"had a connection":     {gotConn, refused, false},
		"asked anew":           {func(h *httptrace.ClientTrace) { connect(h); h.GetConn("h") }, refused, false},
	} {
		assert.Equal(t, test.want, events(t, test.play).IsPermanent(test.err), name)
	}
}

// An attempt may open eight connections; the ninth ends it, and the error says why.
func TestAnAttemptThatGoesInCirclesIsEnded(t *testing.T) {
	t.Parallel()
	cancelled := 0
	trace := new(wire.Trace)
	hooks := httptrace.ContextClientTrace(trace.With(t.Context(), func() { cancelled++ }))
	for range 8 {
		hooks.GotConn(httptrace.GotConnInfo{})
		hooks.GotConn(httptrace.GotConnInfo{Reused: true})
	}
	assert.Zero(t, cancelled)
	require.ErrorIs(t, trace.Explain(context.Canceled), context.Canceled, "somebody else's end")
	hooks.GotConn(httptrace.GotConnInfo{})
	assert.Equal(t, 1, cancelled)
	require.ErrorIs(t, trace.Explain(fmt.Errorf("get: %w", context.Canceled)), wire.ErrDropped)
	require.ErrorIs(t, trace.Explain(io.EOF), io.EOF, "another error is its own reason")
}

// After an attempt that timed out on a connection, the next ones use new connections; after any other they keep theirs.
func TestATimeOutRetiresThePoolsConnections(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	t.Cleanup(server.Close)
	pool := wire.NewPool(0, time.Minute)
	t.Cleanup(pool.CloseIdleConnections)
	var address string
	send := func(timedOut bool) (reused bool, trace *wire.Trace) {
		trace = new(wire.Trace)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			reused, address = info.Reused, info.Conn.LocalAddr().String()
		}})
		res, err := pool.RoundTrip(request(t, trace.With(ctx, cancel), server.URL, nil))
		require.NoError(t, err)
		_, err = io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		pool.Done(trace, timedOut)
		return reused, trace
	}
	reused, _ := send(false)
	assert.False(t, reused)
	reused, old := send(false)
	assert.True(t, reused, "a good attempt keeps its connection")
	first := address
	reused, _ = send(true)
	assert.True(t, reused)
	reused, _ = send(false)
	assert.False(t, reused, "after a time-out another connection")
	assert.NotEqual(t, first, address)
	second := address
	pool.Done(old, true) // of connections that are retired already
	reused, _ = send(false)
	assert.True(t, reused, "it does not retire those of today")
	assert.Equal(t, second, address)
	pool.Done(new(wire.Trace), true) // of an attempt that had no transport
	reused, _ = send(false)
	assert.True(t, reused)
}
