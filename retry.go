package antcrm

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// attempt is how one request ended, as far as the question whether to repeat
// it is concerned.
type attempt struct {
	method     string
	failed     bool // no complete answer came
	sent       bool // the request may have reached the server
	status     int  // of a complete answer
	retryAfter time.Duration
	asked      bool // the answer has a Retry-After
	number     int  // from 1
}

// retryPolicy is what the caller's options say.
type retryPolicy struct {
	maxRetries int
	maxWait    time.Duration // the longest Retry-After to wait for
	unsafe     bool          // WithRetryUnsafe
}

// verdict is what follows from an attempt.
type verdict struct {
	repeat bool
	// exactWait says that the server has named the wait; else backoff decides.
	exactWait bool
	// maybeDone says that the attempt may have been carried out although no
	// good answer came.
	maybeDone bool
}

// decide is the whole retry policy, a function of its arguments alone. The
// wait is checked against the context by the caller, who knows the clock.
//
//   - GET (and HEAD, OPTIONS) is repeated after a lost answer and on 429, 500,
//     502, 503, 504.
//   - PUT and DELETE the same: they are keyed, so that repeating them ends in
//     the same state.
//   - POST, and any other method, only if nothing was sent, on 429, and on 503
//     with Retry-After, which say that nothing was done.
func decide(a attempt, p retryPolicy) verdict {
	var v verdict
	write := !isRead(a.method)
	refused := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable && a.asked
	switch {
	case a.failed:
		v.maybeDone = write && a.sent
	case a.status >= 500:
		v.maybeDone = write && !refused
	}

	var transient bool
	switch {
	case a.failed, refused:
		transient = true
	default:
		switch a.status {
		case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			transient = true
		}
	}
	if !transient || a.number > p.maxRetries {
		return v
	}
	if v.maybeDone && !isKeyed(a.method) && !p.unsafe {
		return v
	}
	if a.asked {
		v.exactWait = true
		v.repeat = a.retryAfter <= p.maxWait
		return v
	}
	v.repeat = true
	return v
}

func isRead(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// isKeyed reports whether repeating the method ends in the same state.
func isKeyed(method string) bool { return method == http.MethodPut || method == http.MethodDelete }

// backoff is full jitter: uniform in [0, min(max, min·2ⁿ)], n counting from 0.
func backoff(minimum, maximum time.Duration, n int) time.Duration {
	ceiling := minimum
	for range n {
		if ceiling >= maximum/2 {
			ceiling = maximum
			break
		}
		ceiling *= 2
	}
	ceiling = min(ceiling, maximum)
	if ceiling <= 0 {
		return 0
	}
	return time.Duration(rand.Uint64N(uint64(ceiling) + 1))
}

// longestRetryAfter bounds what a nonsensical header can do.
const longestRetryAfter = 24 * time.Hour

// parseRetryAfter reads seconds, also with a fraction, or an HTTP date.
// Anything else says nothing.
func parseRetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	// ParseFloat alone would take Inf, NaN and hexadecimal too.
	if strings.Trim(value, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, false
		}
		if seconds > longestRetryAfter.Seconds() {
			return longestRetryAfter, true
		}
		return time.Duration(seconds * float64(time.Second)), true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), longestRetryAfter), true
}

// pause is the wait that a 429 or 503 has set for the whole client.
type pause struct {
	mu    sync.Mutex
	until time.Time
}

// extend lets nobody send before now+wait.
func (p *pause) extend(wait time.Duration) {
	if wait <= 0 {
		return
	}
	until := time.Now().Add(wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.until) {
		p.until = until
	}
}

// left is how long the pause goes on.
func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until.IsZero() {
		return 0
	}
	return max(time.Until(p.until), 0)
}

// The retry budget: an outage must not be multiplied by the retries of every
// goroutine of a large service. It begins full, each retry takes one token
// (one that the server scheduled by Retry-After takes none), each good answer
// gives a tenth back, and time a few a second.
const (
	budgetSize       = 500
	budgetPerSuccess = 0.1
	budgetPerSecond  = 5
)

type retryBudget struct {
	mu     sync.Mutex
	spent  float64 // tokens taken and not yet given back
	recent time.Time
}

// take takes a token for a retry, if there is one.
func (b *retryBudget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.spent+1 > budgetSize {
		return false
	}
	b.spent++
	return true
}

func (b *retryBudget) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(b.spent-budgetPerSuccess, 0)
}

func (b *retryBudget) refill() {
	now := time.Now()
	if !b.recent.IsZero() {
		b.spent = max(b.spent-now.Sub(b.recent).Seconds()*budgetPerSecond, 0)
	}
	b.recent = now
}

// mayWait reports whether the context allows a wait.
func mayWait(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

// sleep waits, or returns the context's error at once when it ends.
func sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return contextError(ctx)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return contextError(ctx)
	case <-timer.C:
		return nil
	}
}
