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

// Backoff is full jitter: uniform in [0, min(max, min·2ⁿ)], n counting from 0.
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

// Spread is what is added to a wait whose end the server has named, so that
// all who wait for it do not set out together: up to a tenth of the wait, and
// at most a second.
func Spread(wait time.Duration) time.Duration {
	return random(min(wait/10, time.Second))
}

// maxRetryAfter is the longest wait that a header can mean: more is a
// mistake, such as the seconds since 1970.
const maxRetryAfter = 24 * time.Hour

// After reads the Retry-After of an answer: seconds, also with a fraction, or
// an HTTP date. A date is measured from the answer's own Date, if it has one,
// since the local clock may be wrong. A date of the past is a wait of 0.
// Anything else, and a wait of more than a day, says nothing.
func After(header http.Header, now time.Time) (wait time.Duration, ok bool) {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	// ParseFloat alone would take Inf, NaN and hexadecimal too.
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

// Sleep waits, or returns the context's error at once when it ends.
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

// Pause is the wait that a server has asked of a whole client. The zero value
// is no pause.
type Pause struct {
	mu    sync.Mutex
	named time.Time // the end that the server has named
	ends  time.Time // when it is over whatever was named
}

// Extend begins a pause of the wait that the server has named, or makes the
// present one longer. It is over after longest at the latest, so that no
// header stops a client for good.
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

// Left is how long the pause goes on: until the end that the server has named,
// which decides who may wait for it, and in fact. Both are 0 if there is none.
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

// The retry budget: an outage must not be multiplied by the retries of every
// goroutine of a large service. It begins full, each retry takes one token
// (one whose wait the server has named takes none), each good answer returns a
// tenth, and time a few a second.
const (
	budgetSize       = 500
	budgetPerSuccess = 0.1
	budgetPerSecond  = 5
)

// Budget bounds the retries of a client. The zero value is full.
type Budget struct {
	mu     sync.Mutex
	spent  float64 // tokens taken and not yet returned
	recent time.Time
}

// Take takes a token for a retry, if there is one.
func (b *Budget) Take() bool {
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
