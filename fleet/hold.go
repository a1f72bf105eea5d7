package fleet

import (
	"context"
	"maps"
	"sync"
	"time"
)

// hold is why a worker takes no chunks for a while: the fleet is paused, or the
// service refuses the key.
type hold struct {
	mu       sync.Mutex
	end      context.CancelFunc // of the session; nil outside one
	ctx      context.Context    // the session, or the last one
	paused   bool
	refusal  string    // of the key, while it holds
	refusals int       // in a row
	until    time.Time // when the key is tried again
}

// session returns a context that ends with ctx, and when the worker is to wait.
func (h *hold) session(ctx context.Context) (context.Context, context.CancelFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ctx, h.end = context.WithCancel(ctx)
	if h.blocked() {
		h.end()
	}
	return h.ctx, h.end
}

// taking is the session: what is not begun when it ends is for others.
func (w *worker) taking() context.Context {
	w.hold.mu.Lock()
	defer w.hold.mu.Unlock()
	return w.hold.ctx
}

func (h *hold) blocked() bool { return h.paused || time.Now().Before(h.until) }

// reason is why the worker takes no chunks; empty if it does.
func (h *hold) reason() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paused {
		return "the fleet is paused"
	}
	return h.refusal
}

// setPaused ends the session of a worker that is to pause; it reports a change.
func (h *hold) setPaused(paused bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := h.paused != paused
	if h.paused = paused; paused && h.end != nil {
		h.end()
	}
	return changed
}

// mayTake waits until the worker may take chunks; false when it is to stop.
func (w *worker) mayTake(ctx context.Context) bool {
	for ctx.Err() == nil {
		w.hold.mu.Lock()
		blocked := w.hold.blocked()
		w.hold.mu.Unlock()
		if !blocked {
			return true
		}
		_ = sleep(ctx, 100*time.Millisecond)
	}
	return false
}

// watchPause asks now and then whether the fleet is paused, or bound to another account.
func (w *worker) watchPause(ctx context.Context) {
	for sleep(ctx, w.f.beatEvery()) == nil {
		w.lookForPause(ctx)
		w.lookAtAccount(ctx)
	}
}

// lookForPause looks once.
func (w *worker) lookForPause(ctx context.Context) {
	paused, err := w.f.Paused(ctx)
	if err != nil || !w.hold.setPaused(paused) {
		return
	}
	if paused {
		w.f.cfg.Logger.Warn("fleet: the fleet is paused: the worker finishes what it has begun, and takes no chunks until it is resumed")
	} else {
		w.f.cfg.Logger.Warn("fleet: the fleet is resumed")
	}
	w.cfg.Metrics.waiting.WithLabelValues("paused").Set(oneIf(paused))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// keyRefused makes the worker wait before it tries the key again: every chunk
// would meet the same refusal.
func (w *worker) keyRefused(err error) {
	h := &w.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.until) {
		return // another chunk has met it too
	}
	h.refusals++
	wait := backoff(h.refusals)
	h.refusal, h.until = "the service refuses the key: "+err.Error(), time.Now().Add(wait)
	if h.end != nil {
		h.end()
	}
	w.cfg.Metrics.waiting.WithLabelValues("key").Set(1)
	w.f.cfg.Logger.Error("fleet: the service refuses the key; the worker waits and tries again", "wait", wait.Round(time.Second), "error", err)
}

// admitted notes that the service takes the key.
func (w *worker) admitted() {
	h := &w.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refusals == 0 {
		return
	}
	h.refusals, h.refusal, h.until = 0, "", time.Time{}
	w.cfg.Metrics.waiting.WithLabelValues("key").Set(0)
	w.f.cfg.Logger.Warn("fleet: the service takes the key again")
}

// rememberUnsent notes that nothing of a chunk has left, whatever its entry says.
func (w *worker) rememberUnsent(name, begin string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.unsent) >= mostUnsent {
		clear(w.unsent) // what is forgotten becomes unknown at worst
	}
	w.unsent[begin] = name
}

// mostUnsent bounds what a worker remembers.
const mostUnsent = 10_000

func (w *worker) forgetUnsent(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.unsent, func(_, of string) bool { return of == name })
}

func (w *worker) isUnsent(name, begin string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return begin != "" && w.unsent[begin] == name
}
