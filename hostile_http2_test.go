package antcrm_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The frames of HTTP/2 (RFC 9113, 6) and their flags.
const (
	frameData, frameHeaders, framePriority, frameReset, frameSettings            = 0, 1, 2, 3, 4
	framePush, framePing, frameGoAway, frameWindow, frameContinuation, frameOdd2 = 5, 6, 7, 8, 9, 0x55

	endStream, isAck, endHeaders = 1, 1, 4
)

// frame is one frame's bytes.
func frame(kind, flags byte, stream uint32, payload string) string {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}

// word is four bytes.
func word(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// literal is a header field in HPACK, neither indexed nor compressed.
func literal(name, value string) string {
	return "\x00" + string([]byte{byte(len(name))}) + name + hpackLength(len(value)) + value
}

func hpackLength(n int) string {
	if n < 127 {
		return string([]byte{byte(n)})
	}
	out := []byte{127}
	for n -= 127; n >= 128; n >>= 7 {
		out = append(out, byte(n&127|128))
	}
	return string(append(out, byte(n)))
}

const (
	status200 = "\x88" // of HPACK's static table
	settings  = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
)

// stream reads frames until a request is complete, and returns its stream and a good answer to it.
func (c *peerConn) stream() (id uint32, goodAnswer string) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	if !c.began {
		if _, err := io.ReadFull(c.Reader, make([]byte, len(preface))); err != nil {
			return 0, ""
		}
		c.began = true
		c.say(settings)
	}
	goodAnswer = `[]`
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(c.Reader, head); err != nil {
			return 0, ""
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, c.Reader, length); err != nil {
			return 0, ""
		}
		kind, flags := head[3], head[4]
		switch {
		case kind == frameSettings && flags&isAck == 0:
			c.say(frame(frameSettings, isAck, 0, ""))
		case kind == frameHeaders:
			c.peer.requests.Add(1)
			id = binary.BigEndian.Uint32(head[5:])
		case kind == frameData:
			goodAnswer = `{"success":1,"number":7}`
		}
		if (kind == frameHeaders || kind == frameData) && flags&endStream != 0 {
			return id, goodAnswer
		}
	}
}

// streaming treats each request in the same way.
func streaming(treat func(c *peerConn, id uint32, goodAnswer string)) func(*peerConn) {
	return func(c *peerConn) {
		for {
			id, answer := c.stream()
			if id == 0 {
				return
			}
			treat(c, id, answer)
		}
	}
}

// framing answers each request with the same frames.
func framing(frames func(id uint32) string) func(*peerConn) {
	return streaming(func(c *peerConn, id uint32, _ string) { c.say(frames(id)) })
}

// Whatever a connection does, over HTTP/2.
func TestHostileConnectionsOverHTTP2(t *testing.T) {
	t.Parallel()
	if !inTrustingProcess(t) {
		return
	}
	config := configHTTP2()
	peers := append(append(floods(), brokenStreams()...), malformedStreams()...)
	for i := range peers {
		peers[i].config = config
	}
	checkPeers(t, "https", append(peers, brokenTLS(config)...))
	if !raceDetector {
		assert.LessOrEqual(t, mostMemory(t), int64(mostResident), "of all of them")
	}
}

// floods send without an end, fast or slowly.
func floods() []hostilePeer {
	flood := func(name, piece string) hostilePeer {
		return hostilePeer{name: name, slow: true, list: isLost, create: isLost, serve: streaming(func(c *peerConn, _ uint32, _ string) { c.flood(piece) })}
	}
	onStream := func(name string, first, piece func(id uint32) string, trickle bool) hostilePeer {
		return hostilePeer{name: name, list: isLost, create: isLost, slow: !trickle, serve: streaming(func(c *peerConn, id uint32, _ string) {
			c.say(first(id))
			if trickle {
				c.trickle(piece(id))
				return
			}
			c.flood(piece(id))
		})}
	}
	nothing := func(uint32) string { return "" }
	headers := func(id uint32) string { return frame(frameHeaders, endHeaders, id, status200) }
	openHeaders := func(id uint32) string { return frame(frameHeaders, 0, id, status200) }
	early := func(id uint32) string {
		return frame(frameHeaders, endHeaders, id, literal(":status", "103")+literal("link", "</a>"))
	}
	continuation := func(id uint32) string {
		return frame(frameContinuation, 0, id, literal("x", strings.Repeat("a", 1<<10)))
	}
	emptyContinuation := func(id uint32) string { return frame(frameContinuation, 0, id, "") }
	emptyData := func(id uint32) string { return frame(frameData, 0, id, "") }
	return []hostilePeer{
		{name: "silence", serve: (*peerConn).hold, list: isLost, create: isLost},
		{name: "silence after the request", serve: framing(nothing), list: isLost, create: isLost},
		onStream("slow headers", openHeaders, emptyContinuation, true),
		onStream("slow body", headers, func(id uint32) string { return frame(frameData, 0, id, " ") }, true),
		onStream("slow 103s", nothing, early, true),
		flood("pings", frame(framePing, 0, 0, "12345678")),
		flood("settings", settings),
		flood("settings of a table size", frame(frameSettings, 0, 0, "\x00\x01"+word(1<<31))),
		flood("window updates", frame(frameWindow, 0, 0, word(1))),
		flood("priorities", frame(framePriority, 0, 1, "\x00\x00\x00\x00\x10")),
		flood("unknown frames", frame(frameOdd2, 0, 0, "x")),
		flood("acks", frame(framePing, isAck, 0, "12345678")),
		flood("data of no stream", frame(frameData, 0, 99, "x")),
		flood("resets of no stream", frame(frameReset, 0, 99, word(8))),
		onStream("103s without an end", nothing, early, false),
		onStream("headers without an end", openHeaders, continuation, false),
		onStream("empty headers without an end", openHeaders, emptyContinuation, false),
		onStream("empty data without an end", headers, emptyData, false),
	}
}

// brokenStreams end before the answer does.
func brokenStreams() []hostilePeer {
	const refused, internal, calm = 7, 2, 11
	head := func(id uint32, more string) string { return frame(frameHeaders, endHeaders, id, status200+more) }
	reset := func(id, code uint32) string { return frame(frameReset, 0, id, word(code)) }
	goAway := func(last, code uint32) string { return frame(frameGoAway, 0, 0, word(last)+word(code)) }
	lost := func(name string, serve func(*peerConn)) hostilePeer {
		return hostilePeer{name: name, serve: serve, list: isLost, create: isLost}
	}
	return []hostilePeer{
		lost("RST of the connection before the request", func(c *peerConn) { c.reset() }).orUnsent(),
		lost("RST of the connection after the request", streaming(func(c *peerConn, _ uint32, _ string) { c.reset() })),
		lost("RST of the connection in the body", streaming(func(c *peerConn, id uint32, _ string) { c.say(head(id, "")); c.reset() })),
		lost("FIN in the body", streaming(func(c *peerConn, id uint32, _ string) {
			c.say(head(id, "") + frame(frameData, 0, id, "[]"))
			c.cut()
		})),
		lost("a stream reset before the headers", framing(func(id uint32) string { return reset(id, internal) })),
		lost("a stream reset in the headers", framing(func(id uint32) string { return frame(frameHeaders, 0, id, status200) + reset(id, internal) })),
		lost("a stream reset in the body", framing(func(id uint32) string { return head(id, "") + frame(frameData, 0, id, "[]") + reset(id, internal) })),
		lost("a stream reset without an error", framing(func(id uint32) string { return head(id, "") + frame(frameData, 0, id, "[]") + reset(id, 0) })),
		lost("a stream to be calm", framing(func(id uint32) string { return reset(id, calm) })),
		lost("a stream refused for ever", framing(func(id uint32) string { return reset(id, refused) })).again(),
		lost("GOAWAY before the request's stream", framing(func(uint32) string { return goAway(0, 0) })).again(),
		lost("GOAWAY behind the request's stream, and nothing", framing(func(id uint32) string { return goAway(id, 0) })),
		lost("GOAWAY for an error", framing(func(uint32) string { return goAway(0, calm) })).again(),
		{name: "GOAWAY behind a good answer", list: isGood, create: isGood, serve: streaming(func(c *peerConn, id uint32, answer string) {
			c.say(goAway(id, 0) + head(id, "") + frame(frameData, endStream, id, answer))
		})},
		{name: "a reset behind a good answer", list: isGood, create: isGood, serve: streaming(func(c *peerConn, id uint32, answer string) {
			c.say(head(id, "") + frame(frameData, endStream, id, answer) + reset(id, 0))
		})},
	}
}

func (p hostilePeer) again() hostilePeer { p.resent = true; p.create += isUnsent; return p }

func (p hostilePeer) orUnsent() hostilePeer { p.create += isUnsent; return p }

// malformedStreams break the rules of HTTP/2.
func malformedStreams() []hostilePeer {
	answered := func(fields, tail string) func(*peerConn) {
		return streaming(func(c *peerConn, id uint32, answer string) {
			c.say(frame(frameHeaders, endHeaders, id, status200+fields) + frame(frameData, endStream, id, answer) + tail)
		})
	}
	bad := func(name string, frames func(id uint32) string) hostilePeer {
		return hostilePeer{name: name, serve: framing(frames), list: isLost, create: isLost}
	}
	fields := func(text string) func(id uint32) string {
		return func(id uint32) string { return frame(frameHeaders, endHeaders|endStream, id, text) }
	}
	return []hostilePeer{
		{name: "a good answer", serve: answered("", ""), list: isGood, create: isGood},
		{name: "two answers on a stream", serve: streaming(func(c *peerConn, id uint32, answer string) {
			one := frame(frameHeaders, endHeaders, id, status200) + frame(frameData, endStream, id, answer)
			c.say(one + one)
		}), list: isGood + isLost, create: isGood + isLost},
		{name: "Content-Length too long", serve: answered(literal("content-length", "100"), ""), list: isLost, create: isLost},
		{name: "Content-Length too short", serve: answered(literal("content-length", "1"), ""), list: isLost, create: isLost},
		{name: "trailers", serve: streaming(func(c *peerConn, id uint32, answer string) {
			c.say(frame(frameHeaders, endHeaders, id, status200) + frame(frameData, 0, id, answer) + frame(frameHeaders, endHeaders|endStream, id, literal("x", "a")))
		}), list: isGood, create: isGood},
		{name: "an empty answer", serve: framing(fields(status200)), list: isDecode, create: isDecode},
		{name: "101", serve: framing(fields(literal(":status", "101"))), list: isLost + isRefused, create: isLost + isUnclear},
		{name: "409", serve: framing(fields(literal(":status", "409"))), list: isRefused, create: isRefused},
		bad("a status of letters", fields(literal(":status", "abc"))),
		bad("no status", fields(literal("x", "a"))),
		bad("two statuses", fields(status200+status200)),
		bad("a header in capitals", fields(status200+literal("X", "a"))),
		bad("an index of no table", fields("\xff\xff\xff\xff\x0f")),
		bad("data before the headers", func(id uint32) string { return frame(frameData, endStream, id, "[]") }),
		bad("headers of stream 0", func(uint32) string { return frame(frameHeaders, endHeaders|endStream, 0, status200) }),
		bad("headers of the server's own stream", func(uint32) string { return frame(frameHeaders, endHeaders|endStream, 2, status200) }),
		bad("a push", func(id uint32) string { return frame(framePush, endHeaders, id, word(2)+"\x82\x87\x84") }),
		bad("a continuation of nothing", func(id uint32) string { return frame(frameContinuation, endHeaders, id, status200) }),
		bad("a frame of 16 MiB", func(id uint32) string { return "\xff\xff\xff\x00\x00" + word(id) }),
		bad("settings that are none", func(uint32) string { return frame(frameSettings, 0, 0, "\x00\x05"+word(1)) }),
		bad("a window that overflows", func(uint32) string { return frame(frameWindow, 0, 0, word(1<<31-1)) }),
		bad("padding longer than the frame", func(id uint32) string {
			return frame(frameHeaders, endHeaders, id, status200) + frame(frameData, 8|endStream, id, "\xff[]")
		}),
		bad("HTTP/1.1 instead", func(uint32) string { return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]" }),
	}
}

// brokenTLS fails before a request could be sent, or with the first of its bytes.
func brokenTLS(config *tls.Config) []hostilePeer {
	clientCert := config.Clone()
	clientCert.ClientAuth = tls.RequireAnyClientCert
	old := config.Clone()
	old.MaxVersion = tls.VersionTLS11
	old.MinVersion = tls.VersionTLS10
	return []hostilePeer{
		{name: "TLS: cut", serve: func(c *peerConn) { c.cut() }, list: isLost, create: isUnsent},
		{name: "TLS: reset", serve: func(c *peerConn) { c.reset() }, list: isLost, create: isUnsent},
		{name: "TLS: an alert", serve: func(c *peerConn) { c.say("\x15\x03\x03\x00\x02\x02\x28"); c.hold() }, list: isLost, create: isUnsent},
		{name: "TLS: silence", serve: (*peerConn).hold, list: isLost, create: isUnsent},
		{name: "TLS: plain HTTP", serve: func(c *peerConn) { c.say("HTTP/1.1 400 Bad Request\r\n\r\n"); c.hold() }, list: isLost, create: isUnsent},
		{name: "TLS: a record without an end", serve: func(c *peerConn) { c.say("\x16\x03\x03\x40\x00"); c.trickle("\x00") }, list: isLost, create: isUnsent},
		{name: "TLS: an old version", serve: (*peerConn).hold, config: old, list: isLost, create: isUnsent},
		// With TLS 1.3 the server refuses when the request may be under way.
		{name: "TLS: a client certificate is wanted", serve: (*peerConn).hold, config: clientCert, list: isLost, create: isLost + isUnsent},
	}
}
