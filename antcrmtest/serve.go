package antcrmtest

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// reply is what goes back: everything is known before the first byte leaves.
type reply struct {
	status int
	header map[string]string
	body   []byte
}

// exchange is one request and what is known of it.
type exchange struct {
	srv     *Server
	w       http.ResponseWriter
	r       *http.Request
	entry   *Request
	read    bool
	body    []byte
	tooBig  bool
	wrote   bool
	refusal string
}

// ServeHTTP answers one request. It is there for programs that bring a listener of their own, and for tests of the
// fake; an effect that cuts the connection panics with [http.ErrAbortHandler], as net/http wants it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.running.Done()
	if s.control != nil && strings.HasPrefix(r.URL.Path, controlPath) {
		s.control.ServeHTTP(w, r)
		return
	}
	x := &exchange{srv: s, w: w, r: r, entry: s.log.arrive(r)}
	x.run()
}

func (x *exchange) run() {
	wait, fault := x.meet(x.srv.faults.list())
	if !x.wait(x.srv.cfg.latency + wait) {
		x.finish(0, fault)
		panic(http.ErrAbortHandler)
	}
	if fault == nil {
		x.send(x.handle(nil), nil)
		return
	}
	x.fail(fault)
}

// meet asks the armed faults. The body is read before only for one that looks into it.
func (x *exchange) meet(armed []*Injected) (time.Duration, *Fault) {
	if len(armed) == 0 {
		return 0, nil
	}
	if needBody(armed, x.r.Method, x.r.URL.Path) {
		x.readBody()
	}
	return pick(armed, Request{
		Time: x.entry.Time, Method: x.r.Method, Path: x.r.URL.Path, Query: x.r.URL.Query(), Header: x.r.Header, Body: x.body,
		BodySize: int64(len(x.body)),
	})
}

// wait sleeps unless the client leaves or the server closes.
func (x *exchange) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
	case <-x.srv.stopping:
	}
	return false
}

// bodyTimeout is how long a body may take to arrive. It is no ReadTimeout of the server's: that one would end long
// answers too.
const bodyTimeout = time.Minute

// readBody takes the body once, up to the limit. What lies beyond is read and thrown away up to a point: a client that
// is cut off while it sends sees a broken connection and never the 413.
func (x *exchange) readBody() {
	if x.read {
		return
	}
	x.read = true
	limit := x.srv.cfg.maxBody
	size := x.r.ContentLength
	if size != 0 {
		conn := http.NewResponseController(x.w)
		if conn.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil { // a recorder has none
			defer func() { _ = conn.SetReadDeadline(time.Time{}) }() // as it has just worked
		}
	}
	if size > limit {
		x.tooBig = true
	} else {
		var buf bytes.Buffer
		if size > 0 {
			buf.Grow(int(size) + bytes.MinRead)
		}
		_, _ = buf.ReadFrom(io.LimitReader(x.r.Body, limit+1)) // a body that breaks off is no JSON, and refused as such
		x.body = buf.Bytes()
		x.tooBig = int64(len(x.body)) > limit
	}
	if x.tooBig {
		x.body = nil
		_, _ = io.CopyN(io.Discard, x.r.Body, 64<<20)
	}
	x.srv.log.gotBody(x.entry, x.body)
}

// handle carries the request out. The body is read in any case: a client that is refused while it still sends sees a
// broken connection instead of the reason, and the log is to show what was refused.
func (x *exchange) handle(fault *Fault) reply {
	x.readBody()
	if r, away := x.turnedAway(); away {
		return r
	}
	end, f := x.find()
	if f == nil {
		if fault != nil && fault.Do == Partial && !end.batch {
			fault = nil // only a package has parts
		}
		c := &call{srv: x.srv, end: end, fault: fault, request: x.entry.Number}
		var a answer
		a, f = x.carryOut(c)
		if x.wrote = c.wrote; f == nil {
			return x.busyAfterWrite(x.good(a))
		}
		if f.docs == "" {
			f.docs = end.docs
		}
	}
	x.refusal = f.message
	x.complain(f)
	r := x.srv.cfg.refusalOf(f)
	if f.status == http.StatusMethodNotAllowed {
		r.header["Allow"] = strings.Join(slices.Sorted(maps.Keys(x.srv.routes[x.path()])), ", ")
	}
	return r
}

// good is the reply of an answer.
func (x *exchange) good(a answer) reply {
	r := jsonReply(cmp.Or(a.status, x.srv.cfg.goodStatus(x.r.Method)), a.body)
	if a.contentType != "" {
		r.header["Content-Type"] = a.contentType
	}
	if r.status == http.StatusNoContent {
		delete(r.header, "Content-Type")
	}
	return r
}

// path is the endpoint's. A server that redirects to a slash at the end takes it there.
func (x *exchange) path() string {
	path := x.r.URL.Path
	if x.srv.cfg.is(questions.Redirects, "trailing-slash") && len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

func (x *exchange) carryOut(c *call) (answer, *failure) {
	if f := c.readQuery(x.r.URL.RawQuery); f != nil {
		return answer{}, f
	}
	c.body = x.body
	if f := x.checkBody(c); f != nil {
		return answer{}, f
	}
	return c.end.handle(c)
}

// checkBody wants JSON where a body is due, takes it where a key may stand in it, and refuses it on a GET.
func (x *exchange) checkBody(c *call) *failure {
	switch {
	case x.tooBig:
		return &failure{status: http.StatusRequestEntityTooLarge, code: "BODY_TOO_LARGE",
			message: "the body is larger than " + strconv.FormatInt(x.srv.cfg.maxBody, 10) + " bytes"}
	case c.end.method == http.MethodGet && len(x.body) > 0:
		return badRequest("UNEXPECTED_BODY", "a GET takes no body: filters stand in the query")
	case !c.end.body && len(x.body) == 0:
		return nil
	}
	if f := checkContentType(x.r.Header); f != nil {
		return f
	}
	return checkBody(x.body)
}

// find checks the key and finds the endpoint.
func (x *exchange) find() (*endpoint, *failure) {
	if f := x.srv.authorize(x.r.Header); f != nil {
		return nil, f
	}
	methods := x.srv.routes[x.path()]
	if methods == nil || x.r.URL.EscapedPath() != x.r.URL.Path {
		f := notFound("path %s: there is no such endpoint", printable(x.r.URL.Path))
		f.code, f.docs = "UNKNOWN_PATH", "docs/wire.md"
		return nil, f
	}
	end := methods[x.r.Method]
	if end == nil {
		return nil, &failure{status: http.StatusMethodNotAllowed, code: "METHOD_NOT_ALLOWED", docs: "docs/wire.md",
			message: "method " + printable(x.r.Method) + ": " + x.r.URL.Path + " does not take it"}
	}
	return end, nil
}

// maxComplaints bounds what one server writes to a test's log.
const maxComplaints = 50

// complain tells the test which rule a request broke: the body of the refusal is often swallowed by the code under
// test.
func (x *exchange) complain(f *failure) {
	if x.srv.tb == nil || f.status == http.StatusNotFound && f.code == "NOT_FOUND" {
		return
	}
	if n := x.srv.complain.Add(1); n <= maxComplaints {
		x.srv.tb.Logf("antcrmtest: %s %s: %d %s (%s)", printable(x.r.Method), printable(x.r.URL.Path), f.status, f.message, f.docs)
	}
}

// fail does what the fault says.
func (x *exchange) fail(f *Fault) {
	switch f.Do {
	case CloseBefore:
		x.cut(f)
	case CloseAfter:
		x.handle(nil)
		x.cut(f)
	case Partial, StuckPage:
		x.send(x.handle(f), f)
	case Truncate:
		r := x.handle(nil)
		r.body = r.body[:len(r.body)/2]
		x.send(r, f)
	case Cut:
		x.sendCut(x.handle(nil), f)
	case SlowBody:
		x.sendSlowly(x.handle(nil), f)
	default:
		if x.readBody(); f.Commit {
			x.handle(nil)
		}
		x.send(f.reply(), f)
	}
}

// reply is the answer of an effect that replaces the endpoint's.
func (f *Fault) reply() reply {
	r := reply{status: f.Status, header: map[string]string{"Content-Type": "application/json; charset=utf-8"}, body: []byte(f.Body)}
	switch f.Do {
	case HTML:
		r.header["Content-Type"] = "text/html; charset=utf-8"
		if f.Body == "" {
			r.body = []byte("<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1><hr>gateway</body></html>\n")
		}
		if f.Status == 0 {
			r.status = http.StatusBadGateway
		}
	case Redirect:
		r.header["Location"] = f.Location
		if f.Status == 0 {
			r.status = http.StatusTemporaryRedirect
		}
	case GzipBomb:
		r.header["Content-Encoding"] = "gzip"
		r.body = bomb(f.Size)
		if f.Status == 0 {
			r.status = http.StatusOK
		}
	}
	return r
}

// bomb packs size spaces as gzip does. A block of them is packed once and repeated, so that even a large bomb costs the
// server next to nothing.
func bomb(size int64) []byte {
	if size == 0 {
		size = 256 << 20
	}
	spaces := bytes.Repeat([]byte(" "), 1<<20)
	rest := spaces[:size%int64(len(spaces))]
	block, sum := packed(spaces), crc32.NewIEEE()
	out := []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff") // gzip, deflate, no name, no time, any system
	for range size / int64(len(spaces)) {
		out = append(out, block...)
		_, _ = sum.Write(spaces) // a hash takes everything
	}
	out = append(out, packed(rest)...)
	_, _ = sum.Write(rest)
	out = append(out, 3, 0) // the last block, an empty one
	out = binary.LittleEndian.AppendUint32(out, sum.Sum32())
	return binary.LittleEndian.AppendUint32(out, uint32(size)) //nolint:gosec // gzip wants the size modulo 2^32
}

// packed is a piece of a deflate stream that ends on a byte.
func packed(data []byte) []byte {
	var buf bytes.Buffer
	z, _ := flate.NewWriter(&buf, flate.BestCompression) // the level is a good one, and a buffer takes everything
	_, _ = z.Write(data)
	_ = z.Flush()
	return buf.Bytes()
}

// head writes status and header. The request id lets a client's error be found in the log.
func (x *exchange) head(r reply, f *Fault) {
	h := x.w.Header()
	for name, value := range r.header {
		h.Set(name, value)
	}
	if f != nil {
		f.header(h)
	}
	if x.tooBig {
		h.Set("Connection", "close")
	}
	if r.status != http.StatusNoContent && r.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(r.body)))
	}
	x.w.WriteHeader(r.status)
}

func (x *exchange) send(r reply, f *Fault) {
	x.finish(r.status, f)
	x.head(r, f)
	_, _ = x.w.Write(r.body) // the client may have left
}

// cut ends the connection without an answer.
func (x *exchange) cut(f *Fault) {
	x.finish(0, f)
	panic(http.ErrAbortHandler)
}

// sendCut ends the connection in the middle of the body.
func (x *exchange) sendCut(r reply, f *Fault) {
	x.finish(r.status, f)
	x.head(r, f)
	_, _ = x.w.Write(r.body[:len(r.body)/2])
	x.flush()
	panic(http.ErrAbortHandler)
}

// sendSlowly sends the body in pieces.
func (x *exchange) sendSlowly(r reply, f *Fault) {
	x.finish(r.status, f)
	x.head(r, f)
	pieces := f.Pieces
	if pieces == 0 {
		pieces = 16
	}
	size := max(1, (len(r.body)+pieces-1)/pieces)
	for piece := range slices.Chunk(r.body, size) {
		if !x.wait(f.Latency) {
			panic(http.ErrAbortHandler)
		}
		if _, err := x.w.Write(piece); err != nil {
			return
		}
		x.flush()
	}
}

func (x *exchange) flush() {
	if err := http.NewResponseController(x.w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return // the client has left
	}
}

// finish writes the request's end into the log, before the answer leaves.
func (x *exchange) finish(status int, f *Fault) {
	effect := Effect("")
	if f != nil {
		effect = f.Do
	}
	x.srv.log.finish(x.entry, status, effect, x.refusal, x.wrote)
	if l := x.srv.cfg.logger; l != nil {
		l.LogAttrs(x.r.Context(), slog.LevelInfo, "request",
			slog.String("method", printable(x.r.Method)), slog.String("path", printable(x.r.URL.Path)), slog.Int("status", status),
			slog.Duration("took", time.Since(x.entry.Time)), slog.String("fault", string(effect)), slog.Bool("wrote", x.wrote))
	}
}
