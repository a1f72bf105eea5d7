package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// WorkerStatus is what a worker reports of itself, every few seconds.
type WorkerStatus struct {
	ID       string    `json:"id"`
	Host     string    `json:"host"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	InFlight int       `json:"inFlight"` // chunks
	Totals   Totals    `json:"totals"`   // records, since it started
	Rate     float64   `json:"rate"`     // records a second, lately
	Draining bool      `json:"draining,omitempty"`
	Waiting  string    `json:"waiting,omitempty"` // why it takes no chunks: the fleet is paused, the key is refused
	Left     bool      `json:"left,omitempty"`    // it has ended in good order
	Alive    bool      `json:"alive"`
}

// report is a worker's status as it is kept.
type report struct {
	WorkerStatus

	Account string `json:"account,omitempty"`
}

// pulse reports that the worker is alive, and knows when others may think that
// it is not. From then on it sends nothing: whoever finds its chunks in the
// ledger must be able to rely on that.
type pulse struct {
	f       *Fleet
	id      string
	account string // of the worker's client

	mu     sync.Mutex
	live   context.Context // ends when the worker has been silent too long
	cancel context.CancelFunc
	timer  *time.Timer
	last   time.Time // when the latest report that arrived was made
}

// fresh reports whether others take the worker for alive, by the clock and not
// by a timer: a timer of a process that was suspended has yet to run.
func (p *pulse) fresh() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.last.IsZero() && elapsed(p.last) < p.f.fence()
}

// fence is the silence after which a worker stops by itself, before DeadAfter
// lets others take it for dead.
func (f *Fleet) fence() time.Duration { return f.cfg.DeadAfter * 3 / 4 }

func (f *Fleet) beatEvery() time.Duration { return f.cfg.DeadAfter / 10 }

func newPulse(f *Fleet, id string) *pulse {
	p := &pulse{f: f, id: id}
	p.live, p.cancel = context.WithCancel(context.Background())
	p.cancel() // until the first beat
	return p
}

// beat reports the status once.
func (p *pulse) beat(ctx context.Context, status WorkerStatus) error {
	text, err := encode(report{status, p.account})
	if err != nil {
		return err
	}
	began := time.Now()
	// Longer than the gap between beats: a slow disk is no dead worker.
	ctx, cancel := context.WithTimeout(ctx, min(requestTimeout, p.f.fence()/2))
	defer cancel()
	if _, err := p.f.workers.Put(ctx, p.id, text); err != nil {
		return err
	}
	left := p.f.fence() - elapsed(began)
	if left <= 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	gap := elapsed(p.last)
	p.last = began
	if p.timer != nil && p.timer.Stop() && gap < p.f.fence() {
		p.timer.Reset(left)
		return nil
	}
	p.cancel() // what was under way while others could take the worker for dead
	live, end := context.WithCancel(context.Background())
	p.live, p.cancel = live, end
	p.timer = time.AfterFunc(left, end)
	return nil
}

// sending returns a context for requests: it ends with ctx, and when the
// worker has been silent too long. It waits until the worker is not.
func (p *pulse) sending(ctx context.Context) (context.Context, context.CancelFunc, error) {
	for {
		p.mu.Lock()
		live := p.live
		p.mu.Unlock()
		if live.Err() == nil && p.fresh() {
			ctx, cancel := context.WithCancel(ctx)
			stop := context.AfterFunc(live, cancel)
			return ctx, func() { stop(); cancel() }, nil
		}
		if err := sleep(ctx, p.f.beatEvery()/4); err != nil {
			return nil, nil, err
		}
	}
}

// leave reports that the worker sends no more, so that nobody waits for it.
func (p *pulse) leave(ctx context.Context, status WorkerStatus) {
	p.mu.Lock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.last = time.Time{}
	p.cancel()
	p.mu.Unlock()
	status.Left = true
	if text, err := encode(report{status, p.account}); err == nil {
		_, _ = p.f.workers.Put(ctx, p.id, text) // or others wait until it counts as dead
	}
}

// observer judges other workers by what it has seen of them itself: machines'
// clocks need not agree, and a restart of the server kills nobody.
type observer struct {
	f    *Fleet
	mu   sync.Mutex
	seen map[string]sighting
}

type sighting struct {
	revision   uint64
	reconnects uint64 // of this process: it was deaf in between
	at         time.Time
}

// dead reports whether the worker has been silent for DeadAfter, as far as
// this process can tell; it needs to be asked twice, that long apart.
func (o *observer) dead(ctx context.Context, id string) (bool, error) {
	revision := uint64(0)
	kept, err := o.f.workers.Get(ctx, id)
	switch {
	case err == nil:
		var status WorkerStatus
		if json.Unmarshal(kept.Value(), &status) == nil && status.Left {
			return true, nil
		}
		revision = kept.Revision()
	case !errors.Is(err, jetstream.ErrKeyNotFound):
		return false, err
	}
	now, reconnects := time.Now(), o.f.conn.Stats().Reconnects
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[string]sighting{}
	}
	last, ok := o.seen[id]
	if !ok || last.revision != revision || last.reconnects != reconnects {
		o.seen[id] = sighting{revision: revision, reconnects: reconnects, at: now}
		return false, nil
	}
	return now.Sub(last.at) >= o.f.cfg.DeadAfter, nil
}

// listWorkers lists the workers that have reported, and whether lately.
func (f *Fleet) listWorkers(ctx context.Context) ([]WorkerStatus, error) {
	list := []WorkerStatus{}
	err := f.each(ctx, f.workers, ">", func(kept jetstream.KeyValueEntry) {
		var status WorkerStatus
		if json.Unmarshal(kept.Value(), &status) == nil && !status.Left {
			status.Alive = f.lately(kept)
			list = append(list, status)
		}
	})
	return list, err
}

// lately reports whether a worker's report is younger than DeadAfter.
func (f *Fleet) lately(kept jetstream.KeyValueEntry) bool {
	return time.Since(kept.Created()) < f.cfg.DeadAfter
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
