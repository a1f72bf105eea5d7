package antcrm

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go/internal/retry"
)

// What a call waits for before it sends: a slot, the end of a pause, the limiters.

// acquireSlot takes one of the slots of WithMaxConcurrency.
func (r *callRun) acquireSlot(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r.core.slots == nil {
		return nil
	}
	// Calls that wait for the end of a pause keep their slots. A call that will be refused because of the pause must
	// not queue behind them.
	if err := r.checkPause(ctx); err != nil {
		return err
	}
	select {
	case r.core.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *callRun) releaseSlot() {
	if r.core.slots != nil {
		<-r.core.slots
	}
}

// admit waits for the end of a pause that the server has asked for, and for the limiters. If a pause began while it
// waited for a limiter, it waits for both again: turns that were granted during a pause and used together at its end
// would exceed the limit.
func (r *callRun) admit(ctx context.Context) error {
	for {
		if err := r.waitOutPause(ctx); err != nil {
			return err
		}
		for _, limiter := range r.core.cfg.limiters {
			if err := limiter.Wait(ctx); err != nil {
				return r.cleanError(limiterError(ctx, err))
			}
		}
		if _, left := r.core.pause.Left(); left == 0 {
			break
		}
	}
	if ctx.Err() == nil && r.cfg.beforeAttempt != nil {
		return r.cfg.beforeAttempt(ctx)
	}
	return ctx.Err()
}

func (r *callRun) waitOutPause(ctx context.Context) error {
	for {
		if err := r.checkPause(ctx); err != nil {
			return err
		}
		_, left := r.core.pause.Left()
		if left == 0 {
			return nil
		}
		if err := retry.Sleep(ctx, left+r.spread(ctx, left)); err != nil {
			return err
		}
	}
}

// spread returns a random time to add to a wait, 0 if the context does not allow it.
func (r *callRun) spread(ctx context.Context, wait time.Duration) time.Duration {
	extra := retry.Spread(wait)
	if !retry.MayWait(ctx, wait+extra) {
		return 0
	}
	return extra
}

// checkPause refuses a call that would have to wait longer than it may for the end of a pause.
func (r *callRun) checkPause(ctx context.Context) error {
	named, _ := r.core.pause.Left()
	if named == 0 || named <= r.core.cfg.maxRetryWait && retry.MayWait(ctx, named) {
		return nil
	}
	return &APIError{
		StatusCode: http.StatusTooManyRequests, Method: r.req.method, Path: r.req.path, RetryAfter: named, Attempts: r.attempts,
		Message:  "not sent: the server has asked this client to wait longer than the call may",
		callInfo: callInfo{op: r.req.op, unknown: r.unknown},
	}
}

// limiterError adds context.DeadlineExceeded to the error of a rate.Limiter, which refuses in advance if the wait would
// exceed the deadline, and says so only in its text.
func limiterError(ctx context.Context, err error) error {
	_, hasDeadline := ctx.Deadline()
	if ctx.Err() == nil && hasDeadline && !errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "exceed context deadline") {
		return join(context.DeadlineExceeded, err)
	}
	return err
}
