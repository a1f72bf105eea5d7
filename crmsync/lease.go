package crmsync

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// lease tells other processes that this one is alive while it has requests
// under way: its intents count as young as its last sign of life. When the
// state cannot be written, it cancels the requests before others may take the
// process for dead.
type lease struct {
	state *State
	id    string
	beat  time.Duration // between two signs of life
	limit time.Duration // without one, requests are cancelled

	mu      sync.Mutex
	holders map[*context.CancelCauseFunc]struct{}
	stop    context.CancelFunc // of the beating; nil while nobody holds the lease
	beating sync.WaitGroup
}

func newLease(state *State, settle time.Duration) *lease {
	return &lease{
		state: state, id: rand.Text(), beat: min(max(settle/12, 10*time.Millisecond), 5*time.Second),
		limit: max(settle*2/5, time.Second), holders: map[*context.CancelCauseFunc]struct{}{},
	}
}

// hold returns a context for requests whose intents name this owner. It ends
// with release, or when the state is lost.
func (l *lease) hold(ctx context.Context) (held context.Context, release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop == nil {
		if err := l.sign(ctx); err != nil {
			return nil, nil, err
		}
		beatCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		l.stop = stop
		l.beating.Go(func() { l.run(beatCtx) })
	}
	held, cancel := context.WithCancelCause(ctx)
	l.holders[&cancel] = struct{}{}
	return held, func() { l.release(&cancel) }, nil
}

func (l *lease) release(cancel *context.CancelCauseFunc) {
	(*cancel)(nil)
	l.mu.Lock()
	delete(l.holders, cancel)
	last := len(l.holders) == 0 && l.stop != nil
	if last {
		l.stop()
		l.stop = nil
	}
	l.mu.Unlock()
	if last {
		l.beating.Wait()
	}
}

// sign writes the sign of life.
func (l *lease) sign(ctx context.Context) error {
	_, err := l.state.exec(ctx, "INSERT INTO crmsync_owners (id, alive_at) VALUES (?, {now}) ON CONFLICT (id) DO UPDATE SET alive_at = excluded.alive_at", l.id)
	return err
}

func (l *lease) run(ctx context.Context) {
	last := time.Now()
	for sleep(ctx, l.beat) == nil {
		attempt, cancel := context.WithTimeout(ctx, l.limit)
		begun := time.Now()
		err := l.sign(attempt)
		cancel()
		if err == nil {
			last = begun
			continue
		}
		if ctx.Err() == nil && time.Since(last) > l.limit {
			l.cancelAll()
		}
	}
}

func (l *lease) cancelAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cancel := range l.holders {
		(*cancel)(ErrStateLost)
	}
}
