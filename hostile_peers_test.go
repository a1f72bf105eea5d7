package antcrm_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// peer is a server that speaks bytes: a script says what it does with each
// connection.
type peer struct {
	net.Listener
	opened, requests atomic.Int64
	mu               sync.Mutex
	conns            []net.Conn
	closed           bool
	serving          sync.WaitGroup
}

// peerConn is one of its connections.
type peerConn struct {
	net.Conn
	*bufio.Reader
	peer  *peer
	count int64 // of the connection, from 1
	began bool  // the preface of HTTP/2 was read
}

func (c *peerConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// startPeer serves until the test ends; with a config over TLS.
func startPeer(t *testing.T, config *tls.Config, serve func(*peerConn)) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if !assert.NoError(t, err) {
		return nil
	}
	p := &peer{Listener: listener}
	p.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if config != nil {
				conn = tls.Server(conn, config)
			}
			p.serveConn(conn, serve)
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *peer) serveConn(conn net.Conn, serve func(*peerConn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		conn.Close()
		return
	}
	p.conns = append(p.conns, conn)
	c := &peerConn{Conn: conn, Reader: bufio.NewReader(conn), peer: p, count: p.opened.Add(1)}
	p.serving.Go(func() {
		defer conn.Close()
		serve(c)
	})
}

func (p *peer) stop() {
	p.Close()
	p.mu.Lock()
	p.closed = true
	for _, conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
}

// head reads the head of a request over HTTP/1.1.
func (c *peerConn) head() (method string, length int64) {
	reader := textproto.NewReader(c.Reader)
	line, err := reader.ReadLine()
	if err != nil {
		return "", 0
	}
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		return "", 0
	}
	c.peer.requests.Add(1)
	method, _, _ = strings.Cut(line, " ")
	length, _ = strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	return method, length
}

// request reads a request over HTTP/1.1, and returns a good answer to it.
func (c *peerConn) request() (goodAnswer string) {
	method, length := c.head()
	io.CopyN(io.Discard, c.Reader, length)
	switch method {
	case http.MethodGet:
		return `[]`
	case "":
		return ""
	}
	return `{"success":1,"number":7}`
}

func (c *peerConn) say(text string) error {
	_, err := io.WriteString(c.Conn, text)
	return err
}

// hold waits until the other side has closed.
func (c *peerConn) hold() { io.Copy(io.Discard, c.Reader) }

// trickle goes on for ever, slowly.
func (c *peerConn) trickle(pieces ...string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; c.say(pieces[i%len(pieces)]) == nil; i++ {
		<-tick.C
	}
}

// flood goes on for ever, as fast as it is read.
func (c *peerConn) flood(piece string) {
	block := strings.Repeat(piece, max(1, 16<<10/len(piece)))
	for c.say(block) == nil {
	}
}

// reset closes with a RST.
func (c *peerConn) reset() {
	conn := c.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// cut closes with a FIN, without a word of TLS.
func (c *peerConn) cut() {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		secure.NetConn().Close()
		return
	}
	c.Close()
}

// What a call may come to. Of a write whose fate the client cannot know, and of one that was not sent, each has its
// own.
const (
	isGood    = "good"
	isLost    = "lost"    // *TransportError; of a write unknown as well
	isUnsent  = "unsent"  // *TransportError, and not unknown
	isDecode  = "decode"  // *DecodeError; of a write unknown as well
	isRefused = "refused" // *APIError, and not unknown
	isUnclear = "unclear" // *APIError, and unknown
)

// became names what a call came to.
func became(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return isGood
	}
	onOneLine(t, err)
	unknown := errors.Is(err, antcrm.ErrOutcomeUnknown)
	if _, ok := errors.AsType[*antcrm.APIError](err); ok {
		return map[bool]string{false: isRefused, true: isUnclear}[unknown]
	}
	if _, ok := errors.AsType[*antcrm.DecodeError](err); ok {
		return isDecode
	}
	_, isTransport := errors.AsType[*antcrm.TransportError](err)
	assert.True(t, isTransport, "%T: %v", err, err)
	return map[bool]string{false: isUnsent, true: isLost}[unknown]
}

// hostilePeer is a server that means ill, or is broken, below what an answer says.
type hostilePeer struct {
	name         string
	serve        func(*peerConn)
	list, create string // what a GET and a POST come to; alternatives stand beside each other
	resent       bool   // net/http may send the POST again: the server has said that it did not look at it
	slow         bool   // not part of the default run
	config       *tls.Config
}

// checkPeers makes a GET and a POST of each peer, some at a time. A call ends by the limits of the client, it comes to
// what it must, and a POST that may have been carried out is not sent again. What stays behind TestMain finds.
func checkPeers(t *testing.T, scheme string, peers []hostilePeer) {
	t.Helper()
	const many = 12
	var calls sync.WaitGroup
	slots := make(chan struct{}, many)
	for _, p := range peers {
		if p.slow && !isLongRun() {
			continue
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			slots <- struct{}{}
			calls.Go(func() {
				checkPeer(t, scheme, p, method)
				<-slots
			})
		}
	}
	calls.Wait()
}

func checkPeer(t *testing.T, scheme string, p hostilePeer, call string) {
	t.Helper()
	server := startPeer(t, p.config, p.serve)
	if server == nil {
		return
	}
	// What must end in time has little of it. What must be good has enough on a busy machine.
	limit := 250 * time.Millisecond
	if !strings.Contains(p.list, isLost) {
		limit = 20 * time.Second
	}
	var made atomic.Int64
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(scheme+"://"+server.Addr().String()), antcrm.WithMaxRetries(1), quick(),
		antcrm.WithTimeout(limit), attempts(&made))
	if !assert.NoError(t, err) {
		return
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if call == http.MethodGet {
		_, err = client.Opportunities.List(ctx, antcrm.OpportunityListParams{})
		got := became(t, err)
		if got == isUnsent {
			got = isLost // a read has no outcome
		}
		assert.Contains(t, p.list, got, "%s, GET: %v", p.name, err)
	} else {
		_, err = client.Opportunities.Create(ctx, newOrder())
		got := became(t, err)
		if got == isUnsent && !strings.Contains(p.create, isUnsent) && server.requests.Load() == 0 && errors.Is(err, context.DeadlineExceeded) {
			got = isLost // on a busy machine the limit may pass before anything is sent, and nothing was
		}
		assert.Contains(t, p.create, got, "%s, POST: %v", p.name, err)
		if !p.resent {
			assert.LessOrEqual(t, server.requests.Load(), int64(1), "%s: sent again: %v", p.name, err)
		}
	}
	assert.NoError(t, ctx.Err(), "%s: the client's own limits end a call", p.name)
	assert.LessOrEqual(t, made.Load(), int64(2), p.name)
}

const okHead = "HTTP/1.1 200 OK\r\n"

// answering reads each request and treats it in the same way.
func answering(treat func(c *peerConn, goodAnswer string)) func(*peerConn) {
	return func(c *peerConn) {
		if answer := c.request(); answer != "" {
			treat(c, answer)
		}
	}
}

// saying answers each request with the same bytes, then holds the line.
func saying(text string) func(*peerConn) {
	return answering(func(c *peerConn, _ string) {
		c.say(text)
		c.hold()
	})
}

// Whatever a connection does, over HTTP/1.1.
func TestHostileConnectionsOverHTTP1(t *testing.T) {
	t.Parallel()
	checkPeers(t, "http", append(append(slowPeers(), brokenPeers()...), malformedPeers()...))
}

// slowPeers never come to an end.
func slowPeers() []hostilePeer {
	sayThenTrickle := func(head string, pieces ...string) func(*peerConn) {
		return answering(func(c *peerConn, _ string) {
			c.say(head)
			c.trickle(pieces...)
		})
	}
	sayThenFlood := func(head, piece string) func(*peerConn) {
		return answering(func(c *peerConn, _ string) {
			c.say(head)
			c.flood(piece)
		})
	}
	const early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	return []hostilePeer{
		{name: "silence", serve: (*peerConn).hold, list: isLost, create: isLost},
		{name: "silence after the request", serve: saying(""), list: isLost, create: isLost},
		{name: "slow status line", serve: sayThenTrickle("HTTP/1.1 2", "0"), list: isLost, create: isLost},
		{name: "slow header", serve: sayThenTrickle(okHead+"X: ", "a"), list: isLost, create: isLost},
		{name: "slow headers", serve: sayThenTrickle(okHead, "X: a\r\n"), list: isLost, create: isLost},
		{name: "slow body", serve: sayThenTrickle(okHead+"Content-Length: 1000000\r\n\r\n[", " "), list: isLost, create: isLost},
		{name: "slow chunks", serve: sayThenTrickle(okHead+"Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"), list: isLost, create: isLost},
		{name: "slow body without a length", serve: sayThenTrickle(okHead+"\r\n[", " "), list: isLost, create: isLost},
		{name: "slow chunk extension", serve: sayThenTrickle(okHead+"Transfer-Encoding: chunked\r\n\r\n1;", "a"), list: isLost, create: isLost},
		{name: "slow trailers", serve: sayThenTrickle(okHead+"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n", "X: a\r\n"), list: isLost, create: isLost},
		{name: "slow error page", serve: sayThenTrickle("HTTP/1.1 409 Conflict\r\nContent-Length: 1000000\r\n\r\n", "x"), list: isRefused + isLost, create: isRefused + isLost},
		{name: "slow 103s", serve: sayThenTrickle("", early), list: isLost, create: isLost},
		{name: "slow 100s", serve: sayThenTrickle("", "HTTP/1.1 100 Continue\r\n\r\n"), list: isLost, create: isLost},
		{name: "103s without an end", serve: sayThenFlood("", early), list: isLost, create: isLost},
		{name: "100s without an end", serve: sayThenFlood("", "HTTP/1.1 100 Continue\r\n\r\n"), list: isLost, create: isLost},
		{name: "102s with large headers", serve: sayThenFlood("", "HTTP/1.1 102 Processing\r\nX: "+strings.Repeat("a", 1<<10)+"\r\n\r\n"), list: isLost, create: isLost},
		{name: "a header without an end", serve: sayThenFlood(okHead+"X: ", "a"), list: isLost, create: isLost},
		{name: "headers without an end", serve: sayThenFlood(okHead, "X: a\r\n"), list: isLost, create: isLost},
		{name: "a status line without an end", serve: sayThenFlood("HTTP/1.1 200 ", "a"), list: isLost, create: isLost},
		{name: "trailers without an end", serve: sayThenFlood(okHead+"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n", "X: a\r\n"), list: isLost, create: isLost},
		{name: "a chunk extension without an end", serve: sayThenFlood(okHead+"Transfer-Encoding: chunked\r\n\r\n1;", "a"), list: isLost, create: isLost},
		{name: "a chunk size without an end", serve: sayThenFlood(okHead+"Transfer-Encoding: chunked\r\n\r\n", "0"), list: isLost, create: isLost},
		{name: "tiny chunks with extensions", serve: sayThenFlood(okHead+"Transfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("a", 1<<10)+"\r\n \r\n"), list: isLost, create: isLost},
		{name: "an error page without an end", serve: sayThenFlood("HTTP/1.1 409 Conflict\r\n\r\n", "x"), list: isRefused, create: isRefused},
	}
}

// brokenPeers drop the connection.
func brokenPeers() []hostilePeer {
	dropping := func(text string) (reset, cut func(*peerConn)) {
		reset = answering(func(c *peerConn, _ string) { c.say(text); c.reset() })
		cut = answering(func(c *peerConn, _ string) { c.say(text); c.cut() })
		return reset, cut
	}
	var peers []hostilePeer
	for _, stage := range []struct{ name, said, create string }{
		{"after the request", "", isLost},
		{"in the status line", "HTTP/1.", isLost},
		{"in the headers", okHead + "Content-Ty", isLost},
		{"after the headers", okHead + "Content-Length: 40\r\n\r\n", isLost},
		{"in the body", okHead + "Content-Length: 40\r\n\r\n[{\"number\":1},", isLost},
		{"in a chunk", okHead + "Transfer-Encoding: chunked\r\n\r\n40\r\n[{\"number\":1},", isLost},
		{"between chunks", okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n", isLost},
		{"in the trailers", okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nX: a", isLost},
		{"after a 103", "HTTP/1.1 103 Early Hints\r\n\r\n", isLost},
		{"in an error page", "HTTP/1.1 409 Conflict\r\nContent-Length: 40\r\n\r\n{\"mess", isRefused + isLost},
	} {
		reset, cut := dropping(stage.said)
		list := isLost
		if strings.Contains(stage.create, isRefused) {
			list += isRefused
		}
		peers = append(peers,
			hostilePeer{name: "RST " + stage.name, serve: reset, list: list, create: stage.create},
			hostilePeer{name: "FIN " + stage.name, serve: cut, list: list, create: stage.create})
	}
	return append(peers,
		// Nothing was read: the client knows only that it has written.
		hostilePeer{name: "RST before the request is read", serve: (*peerConn).reset, list: isLost, create: isLost + isUnsent},
		hostilePeer{name: "FIN before the request is read", serve: (*peerConn).cut, list: isLost, create: isLost + isUnsent},
		hostilePeer{name: "RST in the request", serve: func(c *peerConn) { c.head(); c.reset() }, list: isLost, create: isLost},
		// Without a length, the end of the connection is the end of the answer: what it means is up to the JSON.
		hostilePeer{name: "FIN in a body without a length", serve: answering(func(c *peerConn, answer string) {
			c.say(okHead + "\r\n" + answer[:len(answer)-1])
		}), list: isDecode, create: isDecode},
		hostilePeer{name: "FIN after a body without a length", serve: answering(func(c *peerConn, answer string) {
			c.say(okHead + "\r\n" + answer)
		}), list: isGood, create: isGood},
		hostilePeer{name: "RST in gzip", serve: answering(func(c *peerConn, _ string) {
			c.say(okHead + "Content-Encoding: gzip\r\nContent-Length: 40\r\n\r\n\x1f\x8b\x08\x00")
			c.reset()
		}), list: isLost, create: isLost},
	)
}

// malformedPeers answer with what is no HTTP, or not the answer that was asked for.
func malformedPeers() []hostilePeer {
	length := func(off int) func(*peerConn) {
		return answering(func(c *peerConn, answer string) {
			c.say(okHead + "Content-Length: " + strconv.Itoa(len(answer)+off) + "\r\n\r\n" + answer)
			c.hold()
		})
	}
	// answered says its head, a good answer, and a tail.
	answered := func(head, tail string) func(*peerConn) {
		return answering(func(c *peerConn, answer string) {
			c.say(head + "Content-Length: " + strconv.Itoa(len(answer)) + "\r\n\r\n" + answer + tail)
			c.hold()
		})
	}
	chunks := func(text string) func(*peerConn) { return saying(okHead + "Transfer-Encoding: chunked\r\n\r\n" + text) }
	trailed := answering(func(c *peerConn, answer string) {
		c.say(okHead + "Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n" + strconv.FormatInt(int64(len(answer)), 16) + "\r\n" + answer + "\r\n0\r\nX: a\r\n\r\n")
		c.hold()
	})
	bad := func(name, text string) hostilePeer {
		return hostilePeer{name: name, serve: saying(text), list: isLost, create: isLost}
	}
	return []hostilePeer{
		{name: "Content-Length too long", serve: length(1), list: isLost, create: isLost},
		{name: "Content-Length too short", serve: length(-1), list: isDecode, create: isDecode},
		{name: "trailers", serve: trailed, list: isGood, create: isGood},
		{name: "a second answer", serve: answered(okHead, okHead+"Content-Length: 2\r\n\r\n{}"), list: isGood, create: isGood},
		{name: "a good answer behind a 103", serve: answered("HTTP/1.1 103 Early Hints\r\n\r\n"+okHead, ""), list: isGood, create: isGood},
		{name: "a large header", serve: answered(okHead+"X: "+strings.Repeat("a", 500<<10)+"\r\n", ""), list: isGood, create: isGood},
		{name: "101", serve: saying("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), list: isRefused, create: isUnclear},
		bad("101 without an upgrade", "HTTP/1.1 099 x\r\n\r\n"),
		bad("no HTTP", "hello\r\n\r\n"),
		bad("HTML without a head", "<html></html>\r\n\r\n"),
		bad("another protocol", "SSH-2.0-OpenSSH_9.6\r\n"),
		bad("a status of letters", "HTTP/1.1 abc OK\r\n\r\n"),
		bad("a status of five digits", "HTTP/1.1 20000 OK\r\n\r\n"),
		bad("a negative length", okHead+"Content-Length: -1\r\n\r\n[]"),
		bad("a length of letters", okHead+"Content-Length: x\r\n\r\n[]"),
		bad("a length that overflows", okHead+"Content-Length: 99999999999999999999\r\n\r\n[]"),
		bad("a length of 9 EB", okHead+"Content-Length: 9000000000000000000\r\n\r\n[]"),
		bad("two lengths", okHead+"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]"),
		bad("an unknown transfer coding", okHead+"Transfer-Encoding: x\r\n\r\n[]"),
		bad("a header without a colon", okHead+"X\r\n\r\n[]"),
		bad("a header of NUL", okHead+"X: \x00\r\n\r\n[]"),
		bad("HTTP/2 unasked", "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00"),
		{name: "a chunk of no number", serve: chunks("zz\r\n[]\r\n0\r\n\r\n"), list: isLost, create: isLost},
		{name: "a chunk that overflows", serve: chunks("fffffffffffffffff\r\n[]\r\n0\r\n\r\n"), list: isLost, create: isLost},
		{name: "a chunk of 8 EB", serve: chunks("7fffffffffffffff\r\n[]"), list: isLost, create: isLost},
		{name: "a chunk without its end", serve: chunks("2\r\n[]0\r\n\r\n"), list: isLost, create: isLost},
		{name: "a chunk and a length", serve: saying(okHead + "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"), list: isGood + isLost, create: isDecode + isLost},
		{name: "204 with a body", serve: saying("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n[]"), list: isDecode, create: isDecode},
		{name: "304", serve: saying("HTTP/1.1 304 Not Modified\r\n\r\n"), list: isRefused, create: isRefused},
		{name: "gzip that is none", serve: saying(okHead + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]"), list: isLost + isDecode, create: isLost + isDecode},
		{name: "refused before the request is read", serve: func(c *peerConn) {
			c.head()
			c.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			c.hold()
		}, list: isRefused, create: isRefused},
		{name: "answered before the request is read", serve: func(c *peerConn) {
			method, _ := c.head()
			answer := map[string]string{"GET": `[]`}[method]
			if answer == "" {
				answer = `{"success":1,"number":7}`
			}
			c.say(okHead + "Connection: close\r\n\r\n" + answer)
		}, list: isGood, create: isGood + isLost},
	}
}

// A server that closes each connection behind its answer meets calls that have just begun to use it. A read is
// repeated; a write is done, not sent, or unknown, as it was.
func TestAConnectionClosedAtTheMomentOfUse(t *testing.T) {
	t.Parallel()
	const calls = 200
	var written [calls]atomic.Int64
	server := startPeer(t, nil, func(c *peerConn) {
		method, length := c.head()
		body := make([]byte, length)
		io.ReadFull(c.Reader, body)
		answer := `[]`
		if method == http.MethodPost {
			var order struct {
				Name string `json:"name"`
			}
			assert.NoError(t, json.Unmarshal(body, &order))
			n, err := strconv.Atoi(order.Name)
			assert.NoError(t, err)
			written[n].Add(1)
			answer = `{"success":1,"number":7}`
		}
		c.say(okHead + "Content-Length: " + strconv.Itoa(len(answer)) + "\r\n\r\n" + answer)
		if c.count%2 == 0 {
			c.reset()
		}
	})
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL("http://"+server.Addr().String()), quick())
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	for n := range calls {
		order := newOrder()
		order.Name = strconv.Itoa(n)
		_, err := client.Opportunities.Create(t.Context(), order)
		if outcome(err) != antcrm.OutcomeUnknown {
			assert.Equal(t, map[antcrm.Outcome]int64{antcrm.OutcomeDone: 1}[outcome(err)], written[n].Load(), "%v", err)
		}
		assert.LessOrEqual(t, written[n].Load(), int64(1), "doubled")
		_, err = client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
		assert.NoError(t, err)
	}
}
