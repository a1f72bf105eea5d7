package fleet

import (
	"context"
	"sync"
	"time"
)

// serverClock is the clock of the server, which all members of a fleet share:
// those of their machines need not agree.
type serverClock struct {
	f *Fleet

	mu       sync.Mutex
	offset   time.Duration // the server's clock, less this machine's
	measured time.Time
}

const (
	clockKey = "clock"
	// recompare is how often clocks are compared again: they drift, and are set.
	recompare = time.Minute
)

// compare measures the server's clock by the time stamp that it puts on a
// message.
func (c *serverClock) compare(ctx context.Context) error {
	before := time.Now()
	revision, err := c.f.limits.Put(ctx, clockKey, nil)
	if err != nil {
		return err
	}
	after := time.Now()
	kept, err := c.f.limits.GetRevision(ctx, clockKey, revision)
	if err != nil { // another member measured a moment later
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// The stamp was put on between before and after: an offset that fits stays,
	// so that members of one machine have none, however slow an answer was.
	least, most := kept.Created().Sub(after), kept.Created().Sub(before)
	c.offset = min(max(c.offset, least), most)
	c.measured = after
	return nil
}

// refresh compares clocks when the last comparison is old. If it fails, the old
// one will do for another while.
func (c *serverClock) refresh(ctx context.Context) {
	c.mu.Lock()
	stale := time.Since(c.measured) > recompare
	c.mu.Unlock()
	if stale {
		_ = brief(ctx, c.compare)
	}
}

func (c *serverClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

// elapsed is the time since a moment of this process, by the clock that moved
// further: the monotonic clock stands still while some machines are suspended,
// and the wall clock is set again when they wake up.
func elapsed(since time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
