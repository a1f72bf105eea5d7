package antcrmtest

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Request is one request that arrived, and its result.
type Request struct {
	Number   int       // counted from 1 since the start or the last [Server.Reset]
	Time     time.Time // when it arrived, by the real clock
	Method   string
	Path     string
	Query    url.Values    // what could be read of it
	Header   http.Header   // the key included
	Body     []byte        // at most as much as [WithRequestLog] allows
	BodySize int64         // how much of the body was read; 0 when a fault cut the request off before
	Status   int           // what was answered; 0 while it runs, or when the connection was cut instead
	Fault    Effect        // the effect of the fault that it met, "" for none
	Refusal  string        // why the fake refused it: field and rule; "" when it did not
	Wrote    bool          // it changed the store, whether or not the answer arrived
	Took     time.Duration // from its arrival to the answer's first byte
}

// maxKeptBodies bounds the bodies of the request log together.
const maxKeptBodies = 64 << 20

// requestLog keeps the last requests in the order of their arrival.
type requestLog struct {
	mu       sync.Mutex
	keep     int
	keepBody int
	entries  []*Request
	bodies   int // bytes kept
	bodyless int // entries from the front that have lost their bodies
	total    int64
}

// arrive notes a request before anything is done with it.
func (l *requestLog) arrive(r *http.Request) *Request {
	entry := &Request{Time: time.Now(), Method: r.Method, Path: r.URL.Path, Header: r.Header}
	entry.Query, _ = url.ParseQuery(r.URL.RawQuery) // what cannot be read is refused later
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	entry.Number = int(l.total)
	if l.keep == 0 {
		return entry
	}
	l.entries = append(l.entries, entry)
	if len(l.entries) >= 2*l.keep { // forgetting in halves costs nothing worth counting
		l.forget(len(l.entries) - l.keep)
	}
	return entry
}

func (l *requestLog) forget(n int) {
	for _, e := range l.entries[:n] {
		l.bodies -= len(e.Body)
	}
	l.entries = slices.Clone(l.entries[n:])
	l.bodyless = max(0, l.bodyless-n)
}

// gotBody notes what was read.
func (l *requestLog) gotBody(entry *Request, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry.BodySize = int64(len(body))
	if len(body) > l.keepBody {
		body = bytes.Clone(body[:l.keepBody]) // a piece must not hold the whole
	}
	entry.Body = body
	l.bodies += len(body)
	for l.bodies > maxKeptBodies && l.bodyless < len(l.entries) {
		old := l.entries[l.bodyless]
		l.bodies -= len(old.Body)
		old.Body = nil
		l.bodyless++
	}
}

// finish notes what became of a request. It is called before the answer leaves, so that a client which has its answer
// finds it here.
func (l *requestLog) finish(entry *Request, status int, fault Effect, refusal string, wrote bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry.Status, entry.Fault, entry.Refusal, entry.Wrote = status, fault, refusal, wrote
	entry.Took = time.Since(entry.Time)
}

// last copies the newest n entries, all of them when n is below 0.
func (l *requestLog) last(n int) []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := min(len(l.entries), l.keep)
	if n < 0 || n > have {
		n = have
	}
	out := make([]Request, 0, n)
	for _, e := range l.entries[len(l.entries)-n:] {
		c := *e
		c.Query, c.Header, c.Body = url.Values(http.Header(e.Query).Clone()), e.Header.Clone(), bytes.Clone(e.Body)
		out = append(out, c)
	}
	return out
}

func (l *requestLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.bodies, l.bodyless, l.total = nil, 0, 0, 0
}

func (l *requestLog) arrived() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}
