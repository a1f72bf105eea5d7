package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptrace"
	"sync"
	"time"
)

// requests is what a worker knows of the requests for one chunk. It travels in
// their context, and takes a last look before each of them leaves: a process that
// was suspended after "begun" was written must not send when it wakes up, since
// others may have taken it for dead and gone on without it.
type requests struct {
	pulse   *pulse
	metrics *Metrics
	cancel  context.CancelCauseFunc

	// renew writes "begun" once more, by compare-and-swap: it fails if somebody
	// else has the chunk.
	renew func(context.Context) error

	mu      sync.Mutex
	turn    turn
	begun   time.Time // when "begun" was written last
	sent    int       // requests since
	left    time.Time // when the latest one was written to its connection
	refused error     // why the latest one was not
}

// turn is a slot of the shared limit.
type turn struct {
	limiter *Limiter
	slot    time.Time
	used    bool
}

type requestsKey struct{}

// with returns a context for the requests of a chunk.
func (r *requests) with(ctx context.Context) context.Context {
	ctx = context.WithValue(ctx, requestsKey{}, r)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { r.leave(ctx, info) },
	})
}

// requestOf returns nil for a context that is not a worker's.
func requestOf(ctx context.Context) *requests {
	r, _ := ctx.Value(requestsKey{}).(*requests)
	return r
}

// useTurn uses the turn that was waited for before the chunk was begun.
func (r *requests) useTurn(l *Limiter) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turn.limiter != l || r.turn.used || l.late(r.turn.slot, lateness) {
		return false
	}
	r.turn.used = true
	return true
}

// gotTurn notes the turn of a request that had to wait for one of its own.
func (r *requests) gotTurn(l *Limiter, slot time.Time, waited time.Duration) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn = turn{limiter: l, slot: slot, used: true}
	r.metrics.limiterWait.Observe(waited.Seconds())
}

// leave is called when a request has its connection and nothing is written to
// it yet. A request that must not leave finds its connection closed.
func (r *requests) leave(ctx context.Context, info httptrace.GotConnInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused = r.check(ctx); r.refused == nil {
		r.sent++
		r.left = time.Now()
		return
	}
	r.metrics.stopped.Inc()
	r.cancel(r.refused)
	// HTTP/2 looks at the context before it writes, and other requests share its
	// connection; HTTP/1 writes whatever the context says.
	if secure, ok := info.Conn.(*tls.Conn); !ok || secure.ConnectionState().NegotiatedProtocol != "h2" {
		_ = info.Conn.Close()
	}
}

const (
	// longAgo is when "begun" is written again before a request leaves.
	longAgo = time.Second
	// slotTooLate is how far behind its turn a request may leave: a connection has
	// to be made in between.
	slotTooLate = time.Second
	// renewTimeout bounds writing "begun" again.
	renewTimeout = 2 * time.Second
)

var errSuspended = errors.New("fleet: the worker could not report that it is alive, or did not run, and sends nothing until it has")

// check is the last look.
func (r *requests) check(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.sent > 0 || elapsed(r.begun) > longAgo {
		ctx, cancel := context.WithTimeout(ctx, renewTimeout)
		defer cancel()
		if err := r.renew(ctx); err != nil {
			return err
		}
		r.begun, r.sent = time.Now(), 0
	}
	if r.turn.limiter != nil && r.turn.limiter.late(r.turn.slot, slotTooLate) {
		return fmt.Errorf("fleet: the request's turn under the shared rate limit has passed")
	}
	if !r.pulse.fresh() {
		return errSuspended
	}
	return nil
}

// refusal returns why the latest request has not left, or nil if it has, and
// how long it took.
func (r *requests) refusal() (took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left.IsZero() {
		return 0, r.refused
	}
	return time.Since(r.left), r.refused
}
