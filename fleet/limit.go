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
// few of them (a lease) by compare-and-swap and gives each request its slot.
// A slot that is not used in time is void: it is never made up for, so that the
// limit holds over any stretch of time, and a worker that dies takes no more
// with it than the rest of its lease, a tenth of a second, and the slots that
// its waiting requests hold.
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

// leaseSpan is how much of the time line a lease covers at most, and how late
// a slot may be used.
const leaseSpan = 100 * time.Millisecond

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
	store := &bucketLeases{bucket: f.limits}
	if err := f.untilDone(ctx, "compare clocks", store.compareClocks); err != nil {
		return nil, err
	}
	return newLimiter(perSecond, store, f.cfg.Logger)
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
	slot, err := l.take(ctx)
	if err != nil {
		return fmt.Errorf("fleet: wait for the shared rate limit: %w", err)
	}
	if err := sleep(ctx, slot.Sub(l.store.now())); err != nil {
		return fmt.Errorf("fleet: wait for the shared rate limit: %w", err)
	}
	return nil
}

// take gives out the next slot of the lease, and takes a new lease if there is
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
		for ; l.left > 0 && l.next.Add(leaseSpan).Before(now); l.left-- {
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

// bucketLeases keeps the end of the time line in a bucket.
type bucketLeases struct {
	bucket jetstream.KeyValue

	mu       sync.Mutex
	offset   time.Duration // the server's clock, less this machine's
	measured time.Time
	known    time.Time // what the last swap of this member left, at revision at
	at       uint64
}

const (
	limitKey = "requests"
	clockKey = "clock"
	// recompare is how often clocks are compared again: they drift, and are set.
	recompare = time.Minute
)

type leaseRecord struct {
	End int64 `json:"end"` // nanoseconds since 1970, by the server's clock
}

// compareClocks measures the server's clock by the time stamp that it gives a
// message: machines whose clocks differ share its time line all the same.
func (b *bucketLeases) compareClocks(ctx context.Context) error {
	before := time.Now()
	revision, err := b.bucket.Put(ctx, clockKey, nil)
	if err != nil {
		return err
	}
	after := time.Now()
	kept, err := b.bucket.GetRevision(ctx, clockKey, revision)
	if err != nil { // another member measured a moment later
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offset = kept.Created().Sub(before.Add(after.Sub(before) / 2))
	b.measured = after
	return nil
}

func (b *bucketLeases) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.offset)
}

// end gives what the last swap of this worker left, if that is news: the swap
// finds out whether it still holds.
func (b *bucketLeases) end(ctx context.Context) (time.Time, uint64, error) {
	b.mu.Lock()
	known, at, stale := b.known, b.at, time.Since(b.measured) > recompare
	b.at = 0
	b.mu.Unlock()
	if stale {
		_ = b.compareClocks(ctx) // the old comparison will do for another while
	}
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
