package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Limiter is a rate limit that all workers of a fleet keep together, on any
// number of machines. It is an antcrm.RateLimiter.
//
// The requests of the fleet stand on one time line, a slot each, 1/rate apart.
// A key in a bucket says up to where slots are taken; a worker takes the next
// few of them (a lease) by compare-and-swap and assigns one to each request.
// A slot that is not used within lateness is void: it is never made up for, so
// that in any one second at most rate + 10 % requests pass, and at rates below
// ten one more than the rate. A worker that dies takes no more with it than the
// rest of its lease, a tenth of a second, and the slots that its waiting
// requests hold. One that was suspended finds its slots void when it wakes up.
type Limiter struct {
	interval time.Duration
	most     int // slots a lease
	store    leaseStore
	logger   *slog.Logger

	lock chan struct{} // holds a token while the fields below are in use
	// The lease: left slots from next on, and how many the worker is expected
	// to use in time.
	next time.Time
	left int
	want int
	void int // slots of the lease that were not used in time
	used int // slots of the lease that were
}

const (
	// leaseSpan is how much of the time line a lease covers at most.
	leaseSpan = 100 * time.Millisecond
	// lateness is how late a slot may be used: a second that begins with the late
	// requests of the slots before it holds lateness × rate + 1 more than the rate.
	// With 50 ms nothing would be left of the 10 % at 19 a second for the way to
	// the service.
	lateness = 30 * time.Millisecond
)

// leaseStore is the end of the part of the time line that is taken.
type leaseStore interface {
	// now is the time by the clock that all members share.
	now() time.Time
	// end reads it.
	end(ctx context.Context) (end time.Time, revision uint64, err error)
	// swap moves it, if nobody else has since the revision was read.
	swap(ctx context.Context, end time.Time, revision uint64) (next uint64, ok bool, err error)
}

// Limiter returns the limit of the fleet: perSecond requests a second, retries
// included. All workers must ask for the same number. ctx bounds the call only.
func (f *Fleet) Limiter(ctx context.Context, perSecond float64) (*Limiter, error) {
	if err := f.ask(ctx, "compare clocks", f.clock.compare); err != nil {
		return nil, err
	}
	limiter, err := newLimiter(perSecond, &bucketLeases{bucket: f.limits, clock: f.clock}, f.cfg.Logger)
	if err == nil {
		f.limiter.Store(limiter)
	}
	return limiter, err
}

func newLimiter(perSecond float64, store leaseStore, logger *slog.Logger) (*Limiter, error) {
	if !(perSecond >= 0.001 && perSecond <= 100_000) {
		return nil, invalid("the rate must be between 0.001 and 100000 a second")
	}
	interval := time.Duration(float64(time.Second) / perSecond)
	return &Limiter{
		interval: interval, most: max(1, int(leaseSpan/interval)), want: 1,
		store: store, logger: logger, lock: make(chan struct{}, 1),
	}, nil
}

// Wait returns when it is this request's turn, or with an error when ctx ends
// first or would end before the turn comes.
func (l *Limiter) Wait(ctx context.Context) error {
	if request := requestOf(ctx); request != nil {
		return request.waitForTurn(ctx, l)
	}
	_, err := l.wait(ctx)
	return err
}

// wait returns the slot whose time has come. One that passed while the process
// did not run is void: it waits for another.
func (l *Limiter) wait(ctx context.Context) (time.Time, error) {
	for {
		slot, err := l.take(ctx)
		if err == nil {
			err = sleep(ctx, slot.Sub(l.store.now()))
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("fleet: wait for the shared rate limit: %w", err)
		}
		if !l.late(slot, lateness) {
			return slot, nil
		}
		l.missed(ctx)
	}
}

// late reports whether a slot passed longer ago than that.
func (l *Limiter) late(slot time.Time, by time.Duration) bool {
	return l.store.now().Sub(slot) > by
}

// missed counts a slot that was assigned and not used: the next lease is smaller.
func (l *Limiter) missed(ctx context.Context) {
	select {
	case l.lock <- struct{}{}:
		l.void++
		l.used = max(0, l.used-1)
		<-l.lock
	case <-ctx.Done():
	}
}

// take returns the next slot of the lease, and takes a new lease if there is
// none.
func (l *Limiter) take(ctx context.Context) (time.Time, error) {
	select {
	case l.lock <- struct{}{}:
		defer func() { <-l.lock }()
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	for {
		now := l.store.now()
		for ; l.left > 0 && l.next.Add(lateness).Before(now); l.left-- {
			l.next = l.next.Add(l.interval)
			l.void++
		}
		if l.left > 0 {
			slot := l.next
			if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < slot.Sub(now) {
				return time.Time{}, context.DeadlineExceeded
			}
			l.next = slot.Add(l.interval)
			l.left--
			l.used++
			return slot, nil
		}
		if err := l.lease(ctx); err != nil {
			return time.Time{}, err
		}
	}
}

// lease takes the next slots of the time line. A worker that used up its last
// lease gets more, one that let slots lapse as many as it used.
func (l *Limiter) lease(ctx context.Context) error {
	if l.void > 0 {
		l.want = max(1, l.used)
	} else if l.used > 0 {
		l.want = min(2*l.want, l.most)
	}
	l.void, l.used = 0, 0
	for attempt := 0; ; attempt++ {
		end, revision, err := l.store.end(ctx)
		if err == nil {
			start := end
			if now := l.store.now(); start.Before(now) {
				start = now
			}
			var ok bool
			_, ok, err = l.store.swap(ctx, start.Add(time.Duration(l.want)*l.interval), revision)
			if ok {
				l.next, l.left = start, l.want
				l.warnFar(start.Sub(l.store.now()))
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil { // somebody else was faster
			continue
		}
		if attempt == 0 {
			l.logger.Warn("fleet: no lease of the shared rate limit; trying again", "error", err)
		}
		if err := sleep(ctx, retryWait(attempt)); err != nil {
			return err
		}
	}
}

// far is a wait for a turn that is no ordinary one.
const far = 10 * time.Second

// warnFar says why a fleet may stand still: one low rate takes the line for all.
func (l *Limiter) warnFar(wait time.Duration) {
	if wait > far {
		l.logger.Warn("fleet: the next turn under the shared rate limit is far away: has a worker been given a lower rate?",
			"wait", wait.Round(time.Second), "interval", l.interval)
	}
}

// bucketLeases keeps the end of the time line in a bucket, by the server's clock.
type bucketLeases struct {
	bucket jetstream.KeyValue
	clock  *serverClock

	mu    sync.Mutex
	known time.Time // what the last swap of this member left, at revision at
	at    uint64
}

const limitKey = "requests"

type leaseRecord struct {
	End int64 `json:"end"` // nanoseconds since 1970, by the server's clock
}

func (b *bucketLeases) now() time.Time { return b.clock.now() }

// end returns what the last swap of this worker left, once: the next swap
// finds out whether it still holds.
func (b *bucketLeases) end(ctx context.Context) (time.Time, uint64, error) {
	b.mu.Lock()
	known, at := b.known, b.at
	b.at = 0
	b.mu.Unlock()
	b.clock.refresh(ctx)
	if at > 0 {
		return known, at, nil
	}
	kept, err := b.bucket.Get(ctx, limitKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return time.Time{}, 0, nil
	}
	if err != nil {
		return time.Time{}, 0, err
	}
	var record leaseRecord
	if err := json.Unmarshal(kept.Value(), &record); err != nil {
		return time.Time{}, 0, fmt.Errorf("fleet: read the shared rate limit: %w", err)
	}
	return time.Unix(0, record.End), kept.Revision(), nil
}

func (b *bucketLeases) swap(ctx context.Context, end time.Time, revision uint64) (next uint64, ok bool, err error) {
	text, err := json.Marshal(leaseRecord{End: end.UnixNano()})
	if err != nil {
		return 0, false, err
	}
	if revision == 0 {
		next, err = b.bucket.Create(ctx, limitKey, text)
	} else {
		next, err = b.bucket.Update(ctx, limitKey, text, revision)
	}
	if err != nil {
		if conflict(err) {
			err = nil
		}
		return 0, false, err
	}
	b.mu.Lock()
	b.known, b.at = end, next
	b.mu.Unlock()
	return next, true, nil
}
