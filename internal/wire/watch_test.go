package wire

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What has come before a request was written does not answer it; what has come since may.
func TestAnAnswerThatIsAheadOfItsRequestIsStray(t *testing.T) {
	t.Parallel()
	const read, write = "read", "write"
	for name, test := range map[string]struct {
		shared bool
		before []string // the connection was given to the request
		after  []string
		want   bool
	}{
		"an answer":                                 {after: []string{write, read}},
		"an answer, on a kept connection":           {before: []string{write, read}, after: []string{write, read}},
		"an answer to a long request":               {before: []string{write, read}, after: []string{write, write, read, write}},
		"left over from the answer before":          {before: []string{write, read}, after: nil, want: true},
		"left over, while the request was written":  {before: []string{write, read}, after: []string{write}, want: true},
		"came unasked, before the request":          {before: []string{write, read}, after: []string{read, write}, want: true},
		"HTTP/2 says itself what is an answer":      {shared: true, before: []string{write, read}, after: []string{write}},
		"HTTP/2, of two requests one had an answer": {shared: true, before: []string{write, write, read}},
	} {
		ours, theirs := net.Pipe()
		conn := &watchedConn{Conn: ours}
		conn.shared.Store(test.shared)
		do := func(steps []string) {
			for _, step := range steps {
				if step == write {
					go func() { _, _ = theirs.Read(make([]byte, 1)) }()
					_, err := conn.Write([]byte("x"))
					require.NoError(t, err)
					continue
				}
				go func() { _, _ = theirs.Write([]byte("x")) }()
				_, err := io.ReadFull(conn, make([]byte, 1))
				require.NoError(t, err)
			}
		}
		do(test.before)
		ended := false
		trace := new(Trace)
		hooks := httptrace.ContextClientTrace(trace.With(t.Context(), func() { ended = true }))
		hooks.GotConn(httptrace.GotConnInfo{Conn: conn, Reused: true})
		do(test.after)
		hooks.GotFirstResponseByte()
		assert.Equal(t, test.want, ended, name)
		err := conn.SetDeadline(time.Time{}) // says whether it is closed
		if test.want {
			require.ErrorIs(t, trace.Explain(nil), ErrStray, name)
			require.ErrorIs(t, trace.Explain(context.Canceled), ErrStray, name)
			require.ErrorIs(t, err, io.ErrClosedPipe, "nobody gets what comes next")
			assert.True(t, trace.MaybeSent(ErrStray), "the request may have been read")
			assert.False(t, trace.IsPermanent(ErrStray))
			hooks.GetConn("api.example:443") // net/http may go on to connect again
			hooks.ConnectDone("tcp", "192.0.2.1:443", nil)
			assert.False(t, trace.IsPermanent(ErrStray))
		} else {
			require.NoError(t, trace.Explain(nil), name)
		}
		_ = theirs.Close()
		_ = ours.Close()
	}
}

// Of a connection that another transport has made nothing is known.
func TestConnectionsOfOthersAreNotWatched(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	trace := new(Trace)
	hooks := httptrace.ContextClientTrace(trace.With(t.Context(), func() {}))
	hooks.GotConn(httptrace.GotConnInfo{Conn: ours})
	hooks.GotFirstResponseByte()
	require.NoError(t, trace.Explain(nil))
}

// The second request over an HTTP/2 connection may be told before the first that it has it.
func TestAnHTTP2ConnectionIsKnownAsOneByWhoeverGetsIt(t *testing.T) {
	t.Parallel()
	for protocol, shared := range map[string]bool{"h2": true, "http/1.1": false} {
		helper := httptest.NewUnstartedServer(nil)
		helper.TLS = &tls.Config{NextProtos: []string{protocol}}
		helper.StartTLS()
		below, theirs := net.Pipe()
		served := tls.Server(theirs, helper.TLS)
		go func() { _ = served.Handshake() }()
		ours := &watchedConn{Conn: below}
		conn := tls.Client(ours, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}) //nolint:gosec // of a pipe
		require.NoError(t, conn.HandshakeContext(t.Context()))
		hooks := httptrace.ContextClientTrace(new(Trace).With(t.Context(), func() {}))
		hooks.GotConn(httptrace.GotConnInfo{Conn: conn, Reused: true})
		assert.Equal(t, shared, ours.shared.Load(), protocol)
		_ = below.Close()
		_ = theirs.Close()
		helper.Close()
	}
}
