package retry

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

// Backoff returns a wait with full jitter: uniform in [0, min(max, min·2ⁿ)], with n from 0.
func Backoff(minimum, maximum time.Duration, n int) time.Duration {
	ceiling := minimum
	for range n {
		if ceiling >= maximum/2 {
			ceiling = maximum
			break
		}
		ceiling *= 2
	}
	return random(min(ceiling, maximum))
}

// random is uniform in [0, ceiling].
func random(ceiling time.Duration) time.Duration {
	if ceiling <= 0 {
		return 0
	}
	return time.Duration(rand.Uint64N(uint64(ceiling) + 1))
}

// Spread returns a random time to add to a wait that the server has named, so that those who wait for the same end do
// not all send together: up to a tenth of the wait, and at most a second.
func Spread(wait time.Duration) time.Duration {
	return random(min(wait/10, time.Second))
}

// maxRetryAfter is the longest plausible wait. A longer one is a mistake, such as the seconds since 1970.
const maxRetryAfter = 24 * time.Hour

// After reads the Retry-After of an answer: seconds, also with a fraction, or an HTTP date. A date is measured from the
// answer's own Date, if it has one, since the local clock may be wrong. A date of the past is a wait of 0. Anything
// else, and a wait of more than a day, is ignored: ok is false then. If there are several, the longest counts: a server
// and its gateway may both have named a wait.
func After(header http.Header, now time.Time) (wait time.Duration, ok bool) {
	for _, value := range header.Values("Retry-After") {
		if named, usable := readWait(strings.TrimSpace(value), header, now); usable {
			wait, ok = max(wait, named), true
		}
	}
	return wait, ok
}

func readWait(value string, header http.Header, now time.Time) (wait time.Duration, ok bool) {
	if value == "" {
		return 0, false
	}
	// ParseFloat alone would accept Inf, NaN and hexadecimal numbers too.
	if strings.Trim(value, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) || seconds > maxRetryAfter.Seconds() {
			return 0, false
		}
		return time.Duration(seconds * float64(time.Second)), true
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if sent, err := http.ParseTime(header.Get("Date")); err == nil {
		now = sent
	}
	wait = max(until.Sub(now), 0)
	if wait > maxRetryAfter {
		return 0, false
	}
	return wait, true
}

// MayWait reports whether the context allows a wait.
func MayWait(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

// Sleep waits. If the context ends, it returns the context's error at once.
func Sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Pause is a wait of the whole client that the server has asked for. The zero value is no pause.
type Pause struct {
	mu    sync.Mutex
	named time.Time // the end that the server has named
	ends  time.Time // the latest end, whatever the server has named
}

// Extend begins or extends the pause by the wait that the server has named. The pause ends after longest at the latest,
// so that no header stops a client for good.
func (p *Pause) Extend(wait, longest time.Duration) {
	now := time.Now()
	named := now.Add(wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.ends) && !named.After(p.named) {
		return
	}
	p.named, p.ends = named, now.Add(min(wait, longest))
}

// Left returns how long the pause lasts: until the end that the server has named, which decides whether a call may wait
// for it, and until its actual end. Both are 0 if there is no pause.
func (p *Pause) Left() (named, actual time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ends.IsZero() {
		return 0, 0
	}
	now := time.Now()
	if actual = p.ends.Sub(now); actual <= 0 {
		return 0, 0
	}
	return p.named.Sub(now), actual
}

// The retry budget keeps the many goroutines of a large service from multiplying an outage by their retries. It begins
// full. Each retry uses one token, except a retry whose wait the server has named. Each good answer returns a tenth of
// a token, and each second a few.
const (
	budgetSize       = 500
	budgetPerSuccess = 0.1
	budgetPerSecond  = 5
)

// Budget bounds the retries of a client. The zero value is full.
type Budget struct {
	mu     sync.Mutex
	spent  float64 // tokens used and not yet returned
	recent time.Time
}

// Acquire takes a token for a retry, and reports whether there was one.
func (b *Budget) Acquire() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.spent+1 > budgetSize {
		return false
	}
	b.spent++
	return true
}

// Succeeded returns a part of a token for a good answer.
func (b *Budget) Succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent = max(b.spent-budgetPerSuccess, 0)
}

func (b *Budget) refill() {
	now := time.Now()
	if !b.recent.IsZero() {
		b.spent = max(b.spent-now.Sub(b.recent).Seconds()*budgetPerSecond, 0)
	}
	b.recent = now
}
