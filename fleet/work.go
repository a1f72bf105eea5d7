package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/antbuddy/antcrm-go"
)

// WorkerConfig is how a worker works. Only Client is required.
type WorkerConfig struct {
	// Client sends the records, with the fleet's Limiter (antcrm.WithRateLimiter)
	// and, for traces, a transport of its own (antcrm.WithHTTPClient). The fleet is
	// bound to its account: see Bind.
	Client *antcrm.Client
	// Concurrency is how many chunks are under way at a time: 4 if 0.
	Concurrency int
	// MaxAttempts is how often a chunk is sent that the server refuses for
	// reasons of its own (429, 503, no connection), before its records are given
	// up as not sent: 20 if 0, which takes about ten minutes. A refused key
	// does not count, and a lost answer is never a reason to send again.
	MaxAttempts int
	// AckWait is how long the server waits for a sign of life about a chunk
	// before it gives it to another worker: 30 s if 0. It is the same for all
	// workers of a fleet.
	AckWait time.Duration
	// DrainTimeout is how long chunks under way may take once the worker is to
	// stop: 30 s if 0. Then their requests are cut off, and what had been sent
	// is unknown.
	DrainTimeout time.Duration
	// Resolver, if set, is asked about records whose outcome is unknown.
	Resolver Resolver
	// Settle is how long a lost request may still be under way: a Resolver that
	// answers OutcomeNotSent earlier is asked again when it is over. It must be
	// longer than the client's limit of an attempt (antcrm.WithTimeout): 60 s if 0,
	// which is that limit's default and 30 s. Our decision: nothing says how long
	// the service works on a request whose connection was lost; if it takes longer,
	// what a Resolver calls not sent is created twice.
	Settle time.Duration
	// Metrics, if set, counts what the worker does.
	Metrics *Metrics
	// UntilDone lets Work return once there are jobs and all are finished. A job
	// whose feeding was broken off is not, until it is fed to the end or purged.
	UntilDone bool
}

// Resolver decides about records that may have been carried out: their worker
// died, or the answer was lost. It looks them up and returns a Resolution for
// each, in order. After an error, which is logged, it is asked again, a few
// times; then the records are unknown. The request may still be under way when
// the resolver runs: OutcomeNotSent counts only when WorkerConfig.Settle has passed
// since UnknownChunk.Begun. Until then the records stay unknown, and the resolver
// is asked about them again.
type Resolver func(ctx context.Context, unknown UnknownChunk) ([]Resolution, error)

// UnknownChunk is what a Resolver is asked about.
type UnknownChunk struct {
	Job     string
	Kind    Kind
	Group   string    // the contact type of the chunk
	Begun   time.Time // when its latest request was about to leave, by the NATS server's clock
	Records []UnknownRecord
}

// UnknownRecord is a record whose outcome is unknown.
type UnknownRecord struct {
	Index int64           // place in the source, from 0
	Key   string          // the caller's own key
	JSON  json.RawMessage // the record as it was sent
}

// Resolution is the outcome of a record that was unknown: OutcomeDone with the
// reference, if known; OutcomeNotSent to send it again; OutcomeRejected to give
// it up; OutcomeUnknown to leave it as it is.
type Resolution struct {
	Outcome antcrm.Outcome
	Ref     antcrm.ID
}

// Totals counts records by outcome.
type Totals struct {
	Done     int64 `json:"done"`
	Rejected int64 `json:"rejected"`
	Unknown  int64 `json:"unknown"`
	NotSent  int64 `json:"notSent"`
}

// All is the sum.
func (t Totals) All() int64 { return t.Done + t.Rejected + t.Unknown + t.NotSent }

func (t *Totals) add(o Totals) {
	t.Done += o.Done
	t.Rejected += o.Rejected
	t.Unknown += o.Unknown
	t.NotSent += o.NotSent
}

// worker is one call of Work.
type worker struct {
	f        *Fleet
	cfg      WorkerConfig
	id       string
	started  time.Time
	pulse    *pulse
	observer observer
	consumer jetstream.Consumer

	// requests is the context of what has been begun: it outlives the caller's
	// by DrainTimeout.
	requests context.Context
	stop     context.CancelCauseFunc // ends the worker, with the reason
	tidy     chan struct{}           // the stream has been emptied: a job may be finished

	draining atomic.Bool
	trusted  atomic.Bool // the service has taken the key, and the fleet knows
	hold     hold
	mu       sync.Mutex
	active   map[string]bool   // chunks that this worker is at
	unsent   map[string]string // Begin of entries of which nothing has left, though they may be in the ledger: their chunk
	totals   Totals
	recent   meter
}

func (c WorkerConfig) withDefaults() (WorkerConfig, error) {
	setDefault(&c.Concurrency, 4)
	setDefault(&c.MaxAttempts, 20)
	setDefault(&c.AckWait, 30*time.Second)
	setDefault(&c.DrainTimeout, 30*time.Second)
	setDefault(&c.Settle, 60*time.Second)
	switch {
	case c.Client == nil:
		return c, invalid("a worker needs a Client")
	case c.Concurrency < 1 || c.Concurrency > 1000:
		return c, invalid("Concurrency must be between 1 and 1000")
	case c.MaxAttempts < 1:
		return c, invalid("MaxAttempts must be at least 1")
	case c.AckWait < time.Second:
		return c, invalid("AckWait must be at least a second")
	case c.DrainTimeout < 0:
		return c, invalid("DrainTimeout is negative")
	case c.Settle < 0:
		return c, invalid("Settle is negative")
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics()
	}
	return c, nil
}

// Work takes chunks and sends them until ctx ends, then finishes what it has
// begun (DrainTimeout) and returns nil. While the key is refused (401, 403), it
// waits, reports so in its status and in the log, and tries again from time to
// time. It returns an error when going on makes no sense: the configuration is
// wrong, or the fleet belongs to another account (ErrOtherAccount).
func (f *Fleet) Work(ctx context.Context, cfg WorkerConfig) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	account, err := accountOf(cfg.Client)
	if err != nil {
		return err
	}
	if err := f.bind(ctx, account, untried); err != nil {
		return err
	}
	if err := f.ask(ctx, "compare clocks", f.clock.compare); err != nil {
		return err
	}
	w := &worker{
		f: f, cfg: cfg, started: time.Now().UTC(), tidy: make(chan struct{}, 1), active: map[string]bool{}, unsent: map[string]string{},
		observer: observer{f: f},
	}
	w.id = safeName(hostName()) + "-" + nuid.Next()
	w.pulse = newPulse(f, w.id)
	w.pulse.account = account
	err = f.ask(ctx, "create the workers' consumer", func(ctx context.Context) (err error) {
		w.consumer, err = f.chunks.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: cfg.AckWait,
			// Redelivery is bounded by the ledger, which gives a chunk up by name; the
			// server would just stop delivering it.
			MaxDeliver: -1, MaxAckPending: 20_000,
		})
		return err
	})
	if err != nil {
		return err
	}
	return w.run(ctx)
}

const consumerName = "workers"

// safeName makes a text fit for a key.
func safeName(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && goodName.MatchString(string(r)) {
			return r
		}
		return '-'
	}, text)
}

func (w *worker) run(caller context.Context) error {
	ctx, stop := context.WithCancelCause(caller)
	defer stop(nil)
	w.stop = stop
	requests, cut := context.WithCancel(context.WithoutCancel(caller))
	defer cut()
	w.requests = requests

	// The worker is listed before it looks at the account: whoever rebinds the
	// fleet in this moment sees it, or it sees the new account.
	if err := w.pulse.beat(requests, w.status()); err == nil {
		w.lookAtAccount(ctx)
	}
	var background sync.WaitGroup
	beats, endBeats := context.WithCancel(requests)
	background.Go(func() { w.beats(beats) })
	background.Go(func() { w.tidyUp(ctx) })
	// A pause holds for a worker that comes later, too: the first look comes before the first chunk.
	w.lookForPause(ctx)
	background.Go(func() { w.watchPause(ctx) })
	err := w.consume(ctx, cut)
	stop(err) // whatever has ended it, the tidier ends as well
	endBeats()
	background.Wait()

	leave, cancel := context.WithTimeout(context.WithoutCancel(caller), requestTimeout)
	defer cancel()
	w.pulse.leave(leave, w.status())
	if cause := context.Cause(ctx); err == nil && caller.Err() == nil && !errors.Is(cause, errAllDone) {
		err = cause
	}
	return err
}

var errAllDone = errors.New("every job is finished")

// consume takes chunks while it may, and on ctx's end waits for those under way.
func (w *worker) consume(ctx context.Context, cut context.CancelFunc) error {
	var handlers sync.WaitGroup
	slots := make(chan struct{}, w.cfg.Concurrency)
	for attempt := 0; w.mayTake(ctx); attempt++ {
		if err := w.takeChunks(ctx, slots, &handlers); err != nil {
			w.stop(err)
			break
		}
		_ = sleep(ctx, retryWait(0))
	}
	w.draining.Store(true)
	timer := time.AfterFunc(w.cfg.DrainTimeout, cut)
	defer timer.Stop()
	handlers.Wait()
	return nil
}

// takeChunks takes chunks until the worker is to stop or to wait, or until the
// server ends it. An error says that there is no use in beginning again.
func (w *worker) takeChunks(ctx context.Context, slots chan struct{}, handlers *sync.WaitGroup) error {
	ctx, end := w.hold.session(ctx)
	defer end()
	// Few, because what waits here waits for this worker alone.
	messages, err := w.consumer.Messages(jetstream.PullMaxMessages(min(pullAhead, w.cfg.Concurrency)), jetstream.PullExpiry(5*time.Second), jetstream.WithMessagesErrOnMissingHeartbeat(false))
	if err != nil {
		w.f.cfg.Logger.Warn("fleet: take chunks; trying again", "error", err)
		return nil
	}
	defer w.giveBack(messages)
	for ctx.Err() == nil {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err == nil {
			handlers.Go(func() { w.handle(msg, func() { <-slots }) })
			continue
		}
		<-slots
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) || errors.Is(err, jetstream.ErrConsumerDeleted) {
			return w.consumerGone(ctx, err)
		}
		_ = sleep(ctx, retryWait(1))
	}
	return nil
}

// consumerGone returns an error if the consumer was deleted. A server that goes
// down, or a cluster that moves the consumer, ends the taking too.
func (w *worker) consumerGone(ctx context.Context, why error) error {
	_, err := w.f.chunks.Consumer(ctx, consumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("fleet: take chunks: %w", why)
	}
	return nil
}

// pullAhead is how many chunks a worker holds at most beside those it works on.
const pullAhead = 4

// giveBack lets others have what was pulled and not looked at.
func (w *worker) giveBack(messages jetstream.MessagesContext) {
	messages.Drain()
	for {
		msg, err := messages.Next()
		if err != nil {
			return
		}
		_ = msg.Nak()
	}
}

// beats reports the worker's state until ctx ends.
func (w *worker) beats(ctx context.Context) {
	failed := false
	for {
		err := w.pulse.beat(ctx, w.status())
		if err != nil && !failed && ctx.Err() == nil {
			w.f.cfg.Logger.Warn("fleet: report that the worker is alive", "worker", w.id, "error", err)
		}
		failed = err != nil
		if sleep(ctx, w.f.beatEvery()) != nil {
			return
		}
	}
}

func (w *worker) status() WorkerStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return WorkerStatus{
		ID: w.id, Host: hostName(), PID: os.Getpid(), Started: w.started, InFlight: len(w.active), Totals: w.totals,
		Rate: w.recent.rate(time.Now()), Draining: w.draining.Load(), Waiting: w.hold.reason(),
	}
}

// claim notes that a chunk is in this worker's hands; false if it is already.
func (w *worker) claim(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.active[name] {
		return false
	}
	w.active[name] = true
	w.cfg.Metrics.inFlight.Set(float64(len(w.active)))
	return true
}

func (w *worker) unclaim(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.active, name)
	w.cfg.Metrics.inFlight.Set(float64(len(w.active)))
}

// handle does what is to be done about one delivery of a chunk. It calls free
// when the next chunk may begin: an acknowledgement needs nobody to wait for it.
func (w *worker) handle(msg jetstream.Msg, free func()) {
	name := strings.TrimPrefix(msg.Subject(), w.f.subject("chunks")+".")
	delivered := uint64(1)
	if meta, err := msg.Metadata(); err == nil {
		delivered = meta.NumDelivered
		if meta.NumPending == 0 {
			defer w.lookForEnd()
		}
	}
	if delivered > 1 {
		w.cfg.Metrics.redelivered.Inc()
	}
	if !w.claim(name) {
		free()
		_ = msg.NakWithDelay(w.cfg.AckWait / 2)
		return
	}
	defer w.unclaim(name)
	endSigns := w.signsOfLife(msg)
	defer endSigns()
	d := &delivery{worker: w, name: name, msg: msg, number: delivered}
	wait, err := d.settle(w.requests)
	endSigns()
	free()
	switch {
	case err == nil && wait == 0:
		w.ack(msg)
	case err == nil:
		_ = msg.NakWithDelay(wait)
	case errors.Is(err, errStopping):
		_ = msg.Nak()
	case fatal(err):
		_ = msg.NakWithDelay(backoff(int(delivered)))
		w.keyRefused(err)
	default:
		_ = msg.NakWithDelay(backoff(int(delivered)))
		w.f.cfg.Logger.Warn("fleet: chunk is left for later", "chunk", name, "error", err)
	}
}

// signsOfLife tells the server that the chunk is being worked on, until the
// function it returns is called.
func (w *worker) signsOfLife(msg jetstream.Msg) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for sleep(ctx, w.cfg.AckWait/3) == nil {
			_ = msg.InProgress()
		}
	}()
	return cancel
}

// ackTimeout is short: an acknowledgement that is lost costs one delivery,
// which the ledger ends at once, and waiting for it costs the worker's time.
const ackTimeout = 300 * time.Millisecond

func (w *worker) ack(msg jetstream.Msg) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.requests), ackTimeout)
	defer cancel()
	if err := msg.DoubleAck(ctx); err != nil {
		w.cfg.Metrics.acksLost.Inc()
	}
}

// backoff is the gap before a chunk is delivered again: 1 s to 1 min, the upper
// half of it at random.
func backoff(attempt int) time.Duration {
	gap := min(time.Second<<min(max(attempt-1, 0), 6), time.Minute)
	return gap/2 + rand.N(gap/2)
}

// account adds to the worker's totals.
func (w *worker) account(t Totals) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.totals.add(t)
	w.recent.add(time.Now(), t.All())
}
