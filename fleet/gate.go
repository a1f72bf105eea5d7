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

// waitForTurn is the limiter's Wait for a request of a worker: it uses the turn
// that was waited for before the chunk was begun, or waits for one.
func (r *requests) waitForTurn(ctx context.Context, l *Limiter) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turn.limiter != l || r.turn.used || r.late() {
		r.turn = turn{limiter: l}
		if r.refused = r.takeTurn(ctx); r.refused != nil {
			return r.refused
		}
	}
	r.turn.used = true
	return nil
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
	// renewAhead is how long before its turn a request that waits for one writes
	// "begun" again.
	renewAhead = longAgo / 2
	// renewTimeout bounds writing "begun" again.
	renewTimeout = 2 * time.Second
)

var errSuspended = errors.New("fleet: the worker could not report that it is alive, or did not run, and sends nothing until it has")

// check is the last look. A turn that has passed while the connection was made is
// void: another one is waited for, since requests that are late together would
// break the promise about any one second.
func (r *requests) check(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.sent > 0 || elapsed(r.begun) > longAgo {
			if err := r.beginAgain(ctx); err != nil {
				return err
			}
		}
		if !r.late() {
			break
		}
		if err := r.takeTurn(ctx); err != nil {
			return err
		}
	}
	if !r.pulse.fresh() {
		return errSuspended
	}
	return nil
}

// beginAgain writes "begun" once more.
func (r *requests) beginAgain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	if err := r.renew(ctx); err != nil {
		return err
	}
	r.begun, r.sent = time.Now(), 0
	return nil
}

// late reports whether the request's turn has passed.
func (r *requests) late() bool {
	return r.turn.limiter != nil && r.turn.limiter.late(r.turn.slot, lateness)
}

// takeTurn waits for another turn. "Begun" is written again, where that is needed,
// a moment before the turn comes and not behind it.
func (r *requests) takeTurn(ctx context.Context) error {
	began, l := time.Now(), r.turn.limiter
	if r.sent > 0 {
		if err := r.beginAgain(ctx); err != nil {
			return err
		}
	}
	slot, err := l.take(ctx)
	if err == nil {
		err = sleep(ctx, slot.Sub(l.store.now())-renewAhead)
	}
	if err == nil && elapsed(r.begun) > longAgo-renewAhead {
		err = r.beginAgain(ctx)
	}
	if err == nil {
		err = sleep(ctx, slot.Sub(l.store.now()))
	}
	if err != nil {
		return fmt.Errorf("fleet: wait for the shared rate limit: %w", err)
	}
	if l.late(slot, lateness) {
		l.missed(ctx)
	}
	r.turn.slot = slot
	r.metrics.limiterWait.Observe(time.Since(began).Seconds())
	return nil
}

// overtaken reports whether somebody else has taken the chunk before anything of
// it left.
func (r *requests) overtaken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left.IsZero() && errors.Is(r.refused, errTaken)
}

// refusal returns why the latest request has not left, or nil if it has, and
// how long it took.
func (r *requests) refusal() (took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused != nil || r.left.IsZero() {
		return 0, r.refused
	}
	return time.Since(r.left), nil
}
