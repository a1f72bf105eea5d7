package antcrm_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// blackhole is a listener whose connections can die silently: what comes after
// is neither read nor answered, and nobody is told.
type blackhole struct {
	net.Listener
	mu    sync.Mutex
	conns []*mortalConn
}

func (b *blackhole) Accept() (net.Conn, error) {
	conn, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	mortal := &mortalConn{Conn: conn}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, mortal)
	return mortal, nil
}

// kill lets every connection opened so far die.
func (b *blackhole) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range b.conns {
		conn.dead.Store(true)
	}
}

func (b *blackhole) opened() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

type mortalConn struct {
	net.Conn
	dead atomic.Bool
}

// Read of a dead connection returns when the other side has closed it.
func (c *mortalConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.dead.Load() {
			return n, err
		}
	}
}

func (c *mortalConn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// dying serves over connections that can be killed.
func dying(t *testing.T, overTLS bool, handler http.HandlerFunc) (*httptest.Server, *blackhole) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	hole := &blackhole{Listener: server.Listener}
	server.Listener = hole
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = overTLS
	if overTLS {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		hole.bury()
		server.Close()
	})
	return server, hole
}

// bury closes what was killed.
func (b *blackhole) bury() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range b.conns {
		if conn.dead.Load() {
			_ = conn.Close()
		}
	}
}

// trusted is the environment variable of a process that trusts the
// certificates of test servers: what is tested there is the SDK's own
// transport over HTTP/2, which no option can make trust them.
const trusted = "ANTCRM_TEST_TRUSTED"

// inTrustingProcess runs the calling test again in such a process, and reports
// whether this is it.
func inTrustingProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(trusted) != "" {
		return true
	}
	if runtime.GOOS != "linux" {
		t.Skip("SSL_CERT_FILE is read on Linux")
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	file := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(file, certificate, 0o600))
	runAgain(t, "SSL_CERT_FILE="+file, trusted+"=1")
	return false
}

// runAgain runs the calling test in a process of its own, with more in its environment.
func runAgain(t *testing.T, env ...string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	child.Env = append(os.Environ(), env...)
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
}

// configHTTP2 is what a server over HTTP/2 needs to be one that a trusting process trusts.
func configHTTP2() *tls.Config {
	helper := httptest.NewUnstartedServer(nil)
	helper.EnableHTTP2 = true
	helper.StartTLS()
	defer helper.Close()
	return helper.TLS.Clone()
}

func emptyList(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, `[]`)
}

// gated answers n requests of opensMany once all have come in, and any other at once.
func gated(gate <-chan struct{}, n int64) http.HandlerFunc {
	all := make(chan struct{})
	var arrived atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Gate") != "" {
			<-gate
			if arrived.Add(1) == n {
				close(all)
			}
			<-all
			<-gate
		}
		emptyList(w, r)
	}
}

// opensMany makes a client hold so many connections open at once.
func opensMany(t *testing.T, client *antcrm.Client, n int, gate chan struct{}) {
	t.Helper()
	var calls sync.WaitGroup
	for range n {
		calls.Go(func() {
			_, err := client.Products.List(t.Context(), antcrm.ProductListParams{}, antcrm.WithHeader("X-Gate", "1"))
			assert.NoError(t, err)
		})
	}
	for range 2 * n { // first all come in, then all go out
		gate <- struct{}{}
	}
	calls.Wait()
}

// Eight connections that died in the pool cost one attempt, not two calls.
func TestDeadConnectionsCostOneAttempt(t *testing.T) {
	t.Parallel()
	const dead = 8
	gate := make(chan struct{})
	server, hole := dying(t, false, gated(gate, dead))
	var made atomic.Int64
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithTimeout(500*time.Millisecond), quick(), attempts(&made))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	opensMany(t, client, dead, gate)
	opened := hole.opened()
	require.GreaterOrEqual(t, opened, dead)
	hole.kill()
	made.Store(0)
	for range 3 {
		_, err = client.Products.List(t.Context(), antcrm.ProductListParams{})
		require.NoError(t, err)
	}
	assert.Equal(t, int64(4), made.Load(), "one was lost")
	assert.Equal(t, opened+1, hole.opened())

	// A deadline of the call's own tells as much.
	hole.kill()
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = client.Products.List(short, antcrm.ProductListParams{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	made.Store(0)
	_, err = client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
	require.NoError(t, err)
	assert.Equal(t, int64(1), made.Load())
}

// The limit of the caller's http.Client ends an attempt as WithTimeout does: the pool of its dead connections is
// abandoned too, and the pings fit into it.
func TestTheTimeoutOfTheCallersHTTPClientTellsOfDeadConnections(t *testing.T) {
	t.Parallel()
	const dead = 4
	gate := make(chan struct{})
	server, hole := dying(t, false, gated(gate, dead))
	var made atomic.Int64
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithHTTPClient(&http.Client{Timeout: 500 * time.Millisecond}), quick(), attempts(&made))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	opensMany(t, client, dead, gate)
	hole.kill()
	made.Store(0)
	for range 3 {
		_, err = client.Products.List(t.Context(), antcrm.ProductListParams{})
		require.NoError(t, err)
	}
	assert.Equal(t, int64(4), made.Load(), "one was lost")

	hole.kill()
	_, err = client.Opportunities.Create(t.Context(), newOrder())
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	onOneLine(t, err)
	made.Store(0)
	_, err = client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
	require.NoError(t, err)
	assert.Equal(t, int64(1), made.Load())
}

// One HTTP/2 connection carries all requests: while it is dead nothing works,
// unless a new one is opened.
func TestADeadHTTP2ConnectionCostsOneAttempt(t *testing.T) {
	t.Parallel()
	if !inTrustingProcess(t) {
		return
	}
	server, hole := dying(t, true, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		emptyList(w, r)
	})
	var made atomic.Int64
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithTimeout(500*time.Millisecond), quick(), attempts(&made))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	list := func() error {
		_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
		return err
	}
	require.NoError(t, list())
	hole.kill()
	made.Store(0)
	var calls sync.WaitGroup
	for range 6 {
		calls.Go(func() { assert.NoError(t, list()) })
	}
	calls.Wait()
	assert.LessOrEqual(t, made.Load(), int64(12), "each lost one attempt at most")
	assert.LessOrEqual(t, hole.opened(), 1+12, "each attempt may have dialled while there was no connection")

	// A write that may not be repeated fails once; the next call works.
	hole.kill()
	_, err = client.Opportunities.Create(t.Context(), newOrder())
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	made.Store(0)
	require.NoError(t, list())
	assert.Equal(t, int64(1), made.Load())
}

// Pings find a dead connection well before the limit of an attempt.
func TestPingsFindADeadHTTP2Connection(t *testing.T) {
	t.Parallel()
	if !inTrustingProcess(t) {
		return
	}
	server, hole := dying(t, true, emptyList)
	const limit = time.Minute
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithTimeout(4*time.Second), quick())
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	list := func(ctx context.Context) error {
		_, err := client.Products.List(ctx, antcrm.ProductListParams{})
		return err
	}
	require.NoError(t, list(t.Context()))
	hole.kill()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err = client.Opportunities.Create(ctx, newOrder())
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the pings were faster: %v", err)
	require.NoError(t, list(ctx))
}

// What a server goes on to send when an attempt has timed out is not read for nothing: its connection is closed, though
// what comes keeps the pings quiet.
func TestAnHTTP2ConnectionThatIsNotUsedAnyMoreIsClosed(t *testing.T) {
	t.Parallel()
	if !inTrustingProcess(t) {
		return
	}
	config := configHTTP2()
	const many = 32
	ended := make(chan struct{}, many)
	server := startPeer(t, config, streaming(func(c *peerConn, _ uint32, _ string) {
		c.trickle(frame(frameWindow, 0, 0, word(1)))
		ended <- struct{}{}
	}))
	var calls sync.WaitGroup
	for range many {
		calls.Go(func() {
			client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL("https://"+server.Addr().String()), antcrm.WithTimeout(time.Second), antcrm.WithMaxRetries(0))
			if !assert.NoError(t, err) {
				return
			}
			_, err = client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
	calls.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	began := server.requests.Load() // on a busy machine the limit may pass before a request is sent
	for n := range began {
		select {
		case <-ended:
		case <-ctx.Done():
			require.Fail(t, "some are still open", "%d of %d", began-n, began)
		}
	}
}

// A kept connection may be closed when a request has just been written to it. net/http itself then sends a read again, on
// another connection, within the same attempt; a write it does not, and the caller is told.
func TestOnlyReadsAreSentAgainByNetHTTP(t *testing.T) {
	t.Parallel()
	for method, again := range map[string]bool{"GET": true, "HEAD": true, "OPTIONS": true, "PUT": false, "DELETE": false, "POST": false, "PATCH": false} {
		server := startPeer(t, nil, func(c *peerConn) {
			for n := 1; c.count > 1 || n <= 2; n++ {
				if c.request() == "" || c.count == 1 && n == 2 {
					return
				}
				_ = c.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		var made atomic.Int64
		client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL("http://"+server.Addr().String()), attempts(&made))
		require.NoError(t, err)
		require.NoError(t, client.Do(t.Context(), http.MethodGet, "/x", nil, nil, nil))
		err = client.Do(t.Context(), method, "/x", nil, nil, nil, antcrm.WithoutRetry())
		if again {
			require.NoError(t, err, method)
			assert.Equal(t, int64(3), server.requests.Load(), method)
		} else {
			require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, method)
			assert.Equal(t, int64(2), server.requests.Load(), method)
		}
		assert.Equal(t, int64(2), made.Load(), "%s: an attempt each", method)
		client.CloseIdleConnections()
	}
}

// A server sends two answers to one request. The second one never becomes the next call's, whoever is faster: a read is
// made again, and of a write the caller is told.
func TestAnAnswerThatNobodyAskedForIsNobodys(t *testing.T) {
	t.Parallel()
	checkStrays(t, "http", nil, 1500)
}

func TestAnAnswerThatNobodyAskedForIsNobodysOverTLS(t *testing.T) {
	t.Parallel()
	if !inTrustingProcess(t) {
		return
	}
	helper := httptest.NewTLSServer(nil)
	config := helper.TLS.Clone()
	helper.Close()
	checkStrays(t, "https", config, 400)
}

func checkStrays(t *testing.T, scheme string, config *tls.Config, calls int) {
	t.Helper()
	const stray = okHead + "Content-Length: 26\r\n\r\n[{\"_id\":\"x\",\"number\":666}]"
	server := startPeer(t, config, func(c *peerConn) {
		for {
			method, length := c.head()
			_, _ = io.CopyN(io.Discard, c.Reader, length)
			switch method {
			case "":
				return
			case http.MethodDelete:
				_ = c.say("HTTP/1.1 204 No Content\r\n\r\n" + stray)
			default:
				_ = c.say(okHead + "Content-Length: 24\r\n\r\n[{\"_id\":\"x\",\"number\":1}]")
			}
		}
	})
	var lost atomic.Int64
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(scheme+"://"+server.Addr().String()), quick(),
		antcrm.WithObserver(func(_ context.Context, a antcrm.Attempt) {
			if a.Status == 0 {
				lost.Add(1)
			}
		}))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	for range calls {
		require.NoError(t, client.Opportunities.Delete(t.Context(), "1"))
		page, err := client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
		require.NoError(t, err)
		require.Equal(t, antcrm.ID("1"), page.Items[0].Number)
	}
	t.Logf("%d of %d answers were nobody's, over %d connections", lost.Load(), calls, server.opened.Load())
}

// Requests of others that are under way keep their connection.
func TestASlowAnswerDisturbsNobodyElse(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	begun := make(chan struct{})
	server, _ := dying(t, false, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/products":
			close(begun)
			<-release
		case "/tickets":
			<-r.Context().Done()
			return
		}
		emptyList(w, r)
	})
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(server.URL), antcrm.WithMaxRetries(0))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	var calls sync.WaitGroup
	calls.Go(func() {
		_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
		assert.NoError(t, err)
	})
	<-begun
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = client.Tickets.List(short, antcrm.TicketListParams{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(release)
	calls.Wait()
}

// goAway is an HTTP/2 server that takes every request and says at once that it
// was never looked at.
func goAway(t *testing.T) (base string, opened *atomic.Int64) {
	t.Helper()
	opened = new(atomic.Int64)
	config := configHTTP2()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	require.NoError(t, err)
	hole := &blackhole{Listener: listener}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := hole.Accept()
			if err != nil {
				return
			}
			opened.Add(1)
			serving.Go(func() { refuseStreams(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		hole.kill()
		hole.bury() // net/http may have dialled once more than it used
		serving.Wait()
	})
	return "https://" + listener.Addr().String(), opened
}

func refuseStreams(conn net.Conn) {
	defer conn.Close()
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	if _, err := io.ReadFull(conn, make([]byte, len(preface))); err != nil {
		return
	}
	_, _ = conn.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return
		}
		if head[3] == 1 { // HEADERS
			_, _ = conn.Write([]byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) // GOAWAY, last stream 0
			return
		}
	}
}

// net/http repeats by itself what a server has not looked at, without a limit.
func TestADroppedHTTP2ConnectionIsNotOpenedForEver(t *testing.T) {
	t.Parallel()
	if !inTrustingProcess(t) {
		return
	}
	base, opened := goAway(t)
	var made atomic.Int64
	for _, hc := range []*http.Client{nil, {Transport: &http.Transport{ForceAttemptHTTP2: true}}} {
		opts := []antcrm.Option{antcrm.WithBaseURL(base), antcrm.WithMaxRetries(1), quick(), attempts(&made), antcrm.WithTimeout(5 * time.Second)}
		if hc != nil {
			opts = append(opts, antcrm.WithHTTPClient(hc))
		}
		client, err := antcrm.NewClient(secretKey, opts...)
		require.NoError(t, err)
		made.Store(0)
		opened.Store(0)
		_, err = client.Products.List(t.Context(), antcrm.ProductListParams{})
		require.ErrorContains(t, err, "drops every connection")
		require.NotErrorIs(t, err, context.Canceled, "nobody has cancelled anything")
		requireError[*antcrm.TransportError](t, err)
		assert.Equal(t, int64(2), made.Load())
		assert.LessOrEqual(t, opened.Load(), int64(20))
		_, err = client.Opportunities.Create(t.Context(), newOrder())
		require.Error(t, err)
		require.NotErrorIs(t, err, context.Canceled)
		onOneLine(t, err)
		client.CloseIdleConnections()
	}
}
