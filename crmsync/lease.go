package crmsync

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// lease tells other processes that this one is alive while it has requests
// under way: its intents count as young as its last sign of life. When the
// state could not be written for too long, it cancels the requests before others
// may take the process for dead.
type lease struct {
	state *State
	beat  time.Duration // between two signs of life
	limit time.Duration // without one, requests are cancelled

	mu    sync.Mutex
	pulse *pulse // nil while nobody holds the lease
}

func newLease(state *State, settle time.Duration) *lease {
	l := &lease{state: state, beat: min(max(settle/12, 10*time.Millisecond), 5*time.Second), limit: max(settle*2/5, time.Second)}
	if settle < time.Second {
		l.limit = 5 * time.Second // nothing is in time for others that wait so briefly: do not stop at each hiccup, too
	}
	return l
}

// pulse is the signs of life from a first holder of the lease to the last one.
type pulse struct {
	*lease
	owner   string                                // what intents name
	holders map[*context.CancelCauseFunc]struct{} // guarded by lease.mu
	stop    context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex
	last time.Time // the last sign
	err  error     // why there is none since
}

// hold returns a context for requests whose intents name this owner. It ends
// with release, or when the state is lost. It writes nothing: an intent is young
// from its own beginning, and a sign of life is due only later.
func (l *lease) hold(ctx context.Context) (held context.Context, owner string, release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pulse == nil {
		l.pulse = l.begin(ctx)
	}
	p := l.pulse
	held, cancel := context.WithCancelCause(ctx)
	p.holders[&cancel] = struct{}{}
	return held, p.owner, func() { p.release(&cancel) }
}

func (l *lease) begin(ctx context.Context) *pulse {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &pulse{lease: l, owner: rand.Text(), holders: map[*context.CancelCauseFunc]struct{}{}, stop: stop, last: time.Now()}
	p.running.Go(func() { p.sign(ctx) })
	p.running.Go(func() { p.watch(ctx) })
	l.state.mu.Lock()
	l.state.pulses[p] = struct{}{}
	l.state.mu.Unlock()
	return p
}

func (p *pulse) release(cancel *context.CancelCauseFunc) {
	(*cancel)(nil)
	p.lease.mu.Lock()
	delete(p.holders, cancel)
	last := len(p.holders) == 0
	if last {
		p.lease.dropLocked(p)
	}
	p.lease.mu.Unlock()
	if !last {
		return
	}
	p.state.mu.Lock()
	delete(p.state.pulses, p)
	p.state.mu.Unlock()
	p.stop()
	p.running.Wait()
}

// renew gives later holders another owner. What this one could not record must
// not stay young for as long as this process lives.
func (l *lease) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pulse = nil
}

func (l *lease) dropLocked(p *pulse) {
	if l.pulse == p {
		l.pulse = nil
	}
}

const signSQL = "INSERT INTO crmsync_owners (id, alive_at) VALUES (?, {now}) ON CONFLICT (id) DO UPDATE SET alive_at = excluded.alive_at"

// sign sees to it that there is a sign of life in time. What this process
// writes meanwhile is one too, so a busy state needs none of its own. One that
// failed is tried again until the requests are cancelled.
func (p *pulse) sign(ctx context.Context) {
	for sleep(ctx, p.untilDue()) == nil {
		if p.untilDue() > 0 {
			continue
		}
		// An empty change: the state adds the signs that are due.
		err := p.state.update(ctx, func(*sql.Tx) error { return nil })
		if p.failed(err); err != nil && sleep(ctx, p.beat/4) != nil {
			return
		}
	}
}

// watch cancels the requests once there was no sign of life for too long, even
// if the write of one has not returned yet.
func (p *pulse) watch(ctx context.Context) {
	for {
		left := p.limit - p.silence()
		if left <= 0 {
			p.cancelAll()
			return
		}
		if sleep(ctx, left) != nil {
			return
		}
	}
}

func (p *pulse) silence() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.last)
}

func (p *pulse) untilDue() time.Duration { return p.beat - p.silence() }

func (p *pulse) signedAt(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.After(p.last) {
		p.last = at
	}
}

func (p *pulse) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// lostError is ErrStateLost with what the last sign of life met.
func (p *pulse) lostError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		return ErrStateLost
	}
	return fmt.Errorf("%w: %w", ErrStateLost, p.err)
}

func (p *pulse) cancelAll() {
	err := p.lostError()
	p.lease.mu.Lock()
	defer p.lease.mu.Unlock()
	p.lease.dropLocked(p)
	for cancel := range p.holders {
		(*cancel)(err)
	}
}

// sign is a sign of life that counts once its transaction is durable.
type sign struct {
	owner string
	pulse *pulse // nil: of an owner that signs for the first time
	at    time.Time
}

// signDue adds to a transaction the signs of life that will be due soon, and
// those of owners that it needs.
func (s *State) signDue(ctx context.Context, tx *sql.Tx, needed []string) (signs []sign, err error) {
	for _, owner := range needed {
		signs = append(signs, sign{owner: owner})
	}
	s.mu.Lock()
	for p := range s.pulses {
		if p.untilDue() <= p.beat/2 && !slices.Contains(needed, p.owner) {
			signs = append(signs, sign{owner: p.owner, pulse: p})
		}
	}
	s.mu.Unlock()
	// In one order, or two transactions may wait for each other's rows.
	slices.SortFunc(signs, func(a, b sign) int { return strings.Compare(a.owner, b.owner) })
	for i := range signs {
		signs[i].at = time.Now()
		if _, err := tx.ExecContext(ctx, s.sql(signSQL), signs[i].owner); err != nil {
			return nil, err
		}
	}
	return signs, nil
}
