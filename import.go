package antcrm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// importAll is Import for any package endpoint.
func (b bulk[P, R]) importAll(ctx context.Context, source iter.Seq2[P, error], opts []BatchOption) iter.Seq2[ImportResult[R], error] {
	var used atomic.Bool
	opts = slices.Clone(opts) // the caller may change the slice before ranging
	return func(yield func(ImportResult[R], error) bool) {
		r, err := b.newImport(ctx, opts, yield)
		if err == nil && source == nil {
			err = invalid("source", "is nil")
		}
		if err == nil && used.Swap(true) {
			err = invalid("source", "was imported: another range over the same import would send it again")
		}
		if err == nil {
			err = r.run(ctx, source)
		}
		if err != nil {
			yield(ImportResult[R]{}, err)
		}
	}
}

func (b bulk[P, R]) newImport(ctx context.Context, opts []BatchOption, yield func(ImportResult[R], error) bool) (*bulkRun[P, R], error) {
	cfg, err := newBatchConfig(opts)
	if err := firstError(err, b.ready(ctx)); err != nil {
		return nil, err
	}
	r := newBulkRun(b, cfg, func(e bulkEvent[R]) bool {
		for i, index := range e.at {
			result := ImportResult[R]{Index: index, Outcome: e.outcome, Err: e.err}
			if e.outcome == OutcomeDone && i < len(e.refs) {
				result.Ref = e.refs[i]
			}
			if !yield(result, nil) {
				return false
			}
		}
		return true
	})
	if cfg.journal == nil {
		if cfg.needsJournal() {
			return nil, invalid("journal", "is needed by WithUnknownResolver, WithSettle, WithRetryRejected and WithReplacedKey: see WithJournal")
		}
		return r, nil
	}
	r.ledger = &ledger{journal: cfg.journal, account: b.account(), replacedKey: cfg.replacedKey, retryRejected: cfg.retryRejected}
	if cfg.resolver != nil {
		var ok bool
		if r.resolve, ok = cfg.resolver.(func(context.Context, UnknownChunk[P]) ([]Resolution[R], error)); !ok {
			return nil, invalid("resolver", "is for records of another type")
		}
	}
	return r, nil
}

// chunk is the records of one request, unless it is halved.
type chunk[P any] struct {
	at      []int64 // places in the source
	records []P
	body    []byte     // once it is encoded
	sent    *sentChunk // how an earlier run has sent these records; nil: it has not
}

func (c *chunk[P]) add(index int64, record P) {
	c.at = append(c.at, index)
	c.records = append(c.records, record)
}

func (c *chunk[P]) dropLast() {
	n := len(c.at) - 1
	clear(c.records[n:])
	c.at, c.records = c.at[:n], c.records[:n]
}

func (c *chunk[P]) halves() (first, second *chunk[P]) {
	n := len(c.at) / 2
	return &chunk[P]{at: c.at[:n], records: c.records[:n]}, &chunk[P]{at: c.at[n:], records: c.records[n:]}
}

// bulkEvent is the outcome of some records.
type bulkEvent[R any] struct {
	at       []int64
	refs     []R // nil unless done
	outcome  Outcome
	err      error
	notBegun bool // the run ended before it came to these records
}

// workerEvent is what a worker reports.
type workerEvent[P, R any] struct {
	bulkEvent[R]
	fatal error     // ends the run
	ended *chunk[P] // the worker has finished this chunk; nothing else is set then
}

// bulkRun is the one engine of batches and imports. Its fields belong to the caller's goroutine, which reads the
// source, fills chunks and emits events; workers send the chunks.
type bulkRun[P, R any] struct {
	bulk[P, R]
	cfg     *batchConfig
	emit    func(bulkEvent[R]) bool // false: the consumer has broken out
	ledger  *ledger                 // nil: there is no journal
	resolve func(context.Context, UnknownChunk[P]) ([]Resolution[R], error)
	checked bool // the records are known to be valid
	ahead   int  // how many encoded chunks may wait for a worker while the source is being read

	jobs     chan *chunk[P]
	events   chan workerEvent[P, R]
	workers  sync.WaitGroup
	started  int         // workers
	underWay int         // chunks with the workers
	halted   atomic.Bool // nothing new is sent; also read and set by workers

	waiting  []*chunk[P]              // for a worker
	filling  map[string]*chunk[P]     // by group
	replays  map[*sentChunk]*chunk[P] // chunks of earlier runs of which the source has not yet yielded all records
	reusable []*chunk[P]              // emptied, to be filled again

	next      int64 // the next record's place
	progress  BatchProgress
	sourceErr error
	fatal     error // why the run was halted, if not because of a record
	brokenOut bool  // the consumer has broken out of its loop
}

func newBulkRun[P, R any](b bulk[P, R], cfg *batchConfig, emit func(bulkEvent[R]) bool) *bulkRun[P, R] {
	return &bulkRun[P, R]{
		bulk: b, cfg: cfg, emit: emit, filling: map[string]*chunk[P]{}, replays: map[*sentChunk]*chunk[P]{},
		jobs:   make(chan *chunk[P]),
		events: make(chan workerEvent[P, R], min(cfg.concurrency, 64)), // room enough: workers can wait
	}
}

// run reads the source to its end, unless something halts it, and returns when every request has ended. Its error is
// the source's, the journal's or the context's.
func (r *bulkRun[P, R]) run(ctx context.Context, source iter.Seq2[P, error]) error {
	work, cancel := context.WithCancel(ctx)
	// Deferred, because the consumer's loop body may panic or leave its goroutine.
	defer r.stop(ctx, cancel)
	r.fail(r.ledger.resume(ctx, r.op))
	if r.fatal == nil {
		for record, err := range source {
			if err != nil {
				r.sourceErr = fmt.Errorf("antcrm: %s: the source failed after %d records: %w", r.op, r.next, err)
				break
			}
			if !r.read(work, record) {
				break
			}
		}
	}
	r.flush(work)
	for r.underWay > 0 && !r.brokenOut {
		r.handle(<-r.events)
	}
	if r.brokenOut {
		return nil
	}
	r.fail(r.ledger.finish(ctx))
	err := join(r.sourceErr, r.fatal)
	if ended := contextError(ctx); ended != nil && !errors.Is(err, ended) {
		err = join(fmt.Errorf("antcrm: %s: %w", r.op, ended), err)
	}
	return err
}

// stop waits for all goroutines, whatever has ended the run.
func (r *bulkRun[P, R]) stop(ctx context.Context, cancel context.CancelFunc) {
	cancel()
	close(r.jobs)
	for r.underWay > 0 {
		if e := <-r.events; e.ended != nil {
			r.underWay--
		}
	}
	r.workers.Wait()
	_ = r.ledger.finish(ctx) // a second time, unless the consumer has left: it takes no error any more
}

// fail halts the run. The first failure is the one that run returns.
func (r *bulkRun[P, R]) fail(err error) {
	if err == nil {
		return
	}
	if r.fatal == nil {
		r.fatal = err
	}
	r.halted.Store(true)
}

// obstacle returns why nothing more may be sent, or nil.
func (r *bulkRun[P, R]) obstacle(ctx context.Context) error {
	if err := contextError(ctx); err != nil {
		return fmt.Errorf("antcrm: %s: not sent: %w", r.op, err)
	}
	if r.halted.Load() {
		return fmt.Errorf("antcrm: %s: not sent because the import was stopped", r.op)
	}
	return nil
}

// read handles a record of the source. It reports whether to read another one.
func (r *bulkRun[P, R]) read(ctx context.Context, record P) (more bool) {
	index := r.next
	r.next++
	obstacle := r.obstacle(ctx)
	sent, err := r.ledger.find(ctx, index)
	switch {
	case err != nil:
		r.fail(err)
		r.report(bulkEvent[R]{at: []int64{index}, err: fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)})
	case sent != nil:
		r.replay(ctx, sent, index, record)
	case obstacle != nil:
		r.report(bulkEvent[R]{at: []int64{index}, outcome: OutcomeNotSent, err: obstacle, notBegun: true})
	default:
		r.fill(ctx, index, record)
	}
	for len(r.events) > 0 && !r.brokenOut {
		r.handle(<-r.events)
	}
	return obstacle == nil && !r.brokenOut && !r.halted.Load()
}

// fill puts a record into the chunk of its group, unless it is invalid.
func (r *bulkRun[P, R]) fill(ctx context.Context, index int64, record P) {
	group := r.groupOf(&record)
	c := r.chunkOf(ctx, group)
	c.add(index, record)
	if !r.checked {
		if err := checkRecord(&c.records[len(c.records)-1], int(index)); err != nil {
			c.dropLast()
			if r.cfg.stopOnError {
				r.halted.Store(true)
			}
			r.report(bulkEvent[R]{at: []int64{index}, outcome: OutcomeNotSent, err: err})
			return
		}
	}
	if len(c.at) == r.cfg.chunkSize {
		delete(r.filling, group)
		r.dispatch(ctx, c)
	}
}

// maxFilling bounds how many chunks are filled at a time, even if every record has a group of its own.
const maxFilling = 16

// chunkOf returns the chunk of a group that has room.
func (r *bulkRun[P, R]) chunkOf(ctx context.Context, group string) *chunk[P] {
	if c := r.filling[group]; c != nil {
		return c
	}
	if len(r.filling) == maxFilling {
		oldest := inOrder(r.filling)[0]
		delete(r.filling, r.groupOf(&oldest.records[0]))
		r.dispatch(ctx, oldest)
	}
	var c *chunk[P]
	if last := len(r.reusable) - 1; last >= 0 {
		c, r.reusable = r.reusable[last], r.reusable[:last]
	} else {
		c = &chunk[P]{at: make([]int64, 0, r.cfg.chunkSize), records: make([]P, 0, r.cfg.chunkSize)}
	}
	r.filling[group] = c
	return c
}

// inOrder lists chunks by their first records.
func inOrder[K comparable, P any](chunks map[K]*chunk[P]) []*chunk[P] {
	return slices.SortedFunc(maps.Values(chunks), func(a, b *chunk[P]) int { return slices.Compare(a.at, b.at) })
}

// flush dispatches the incomplete chunks when the source has ended.
func (r *bulkRun[P, R]) flush(ctx context.Context) {
	if r.brokenOut {
		return
	}
	if r.sourceErr == nil && r.obstacle(ctx) == nil {
		r.fail(r.ledger.missing(ctx, r.op, r.next))
	}
	for _, c := range inOrder(r.replays) { // of which some records have not come
		r.reportUnsent(c, firstError(r.obstacle(ctx), r.sourceErr))
	}
	for _, c := range inOrder(r.filling) {
		if len(c.at) > 0 {
			r.dispatch(ctx, c)
		}
	}
	r.ahead = 0 // nothing more is read meanwhile
	r.submit(ctx)
}

// dispatch queues a chunk for the workers.
func (r *bulkRun[P, R]) dispatch(ctx context.Context, c *chunk[P]) {
	r.waiting = append(r.waiting, c)
	r.submit(ctx)
}

// submit passes waiting chunks to workers until no more than r.ahead wait. A free worker encodes its chunk itself.
// While all are busy, the caller's goroutine encodes the chunks that wait, so that a worker can send its next one at
// once.
func (r *bulkRun[P, R]) submit(ctx context.Context) {
	for len(r.waiting) > 0 && !r.brokenOut {
		c := r.waiting[0]
		if reason := r.obstacle(ctx); reason != nil {
			r.waiting = r.waiting[1:]
			r.reportUnsent(c, reason)
			continue
		}
		if r.started < r.cfg.concurrency {
			r.started++
			r.submitted()
			r.workers.Go(func() { r.work(ctx, c) })
			continue
		}
		select {
		case r.jobs <- c:
			r.submitted()
			continue
		case e := <-r.events:
			r.handle(e)
			continue
		default:
		}
		last := r.waiting[len(r.waiting)-1]
		_ = r.encodeChunk(last) // its worker reports the error
		if len(r.waiting) <= r.ahead {
			return
		}
		select {
		case r.jobs <- c:
			r.submitted()
		case e := <-r.events:
			r.handle(e)
		case <-ctx.Done():
		}
	}
}

func (r *bulkRun[P, R]) submitted() {
	r.waiting = r.waiting[1:]
	r.underWay++
}

// reportUnsent reports a chunk that this run has not sent.
func (r *bulkRun[P, R]) reportUnsent(c *chunk[P], reason error) {
	if c.sent == nil {
		r.report(bulkEvent[R]{at: c.at, outcome: OutcomeNotSent, err: reason, notBegun: true})
		return
	}
	before := r.sentBefore()
	if len(c.at) < c.sent.Count() {
		before = fmt.Errorf("antcrm: %s: sent by an earlier run together with records that have not come: %w", r.op, ErrOutcomeUnknown)
	}
	r.report(bulkEvent[R]{at: c.at, err: fmt.Errorf("%w; %w", before, reason)})
}

// handle takes a worker's event: an outcome, or the end of a chunk, which can be filled again.
func (r *bulkRun[P, R]) handle(e workerEvent[P, R]) {
	if c := e.ended; c != nil {
		r.underWay--
		if c.sent == nil {
			clear(c.records)
			c.at, c.records, c.body = c.at[:0], c.records[:0], nil
			r.reusable = append(r.reusable, c)
		}
		return
	}
	r.fail(e.fatal)
	r.report(e.bulkEvent)
}

// report emits the outcome of some records.
func (r *bulkRun[P, R]) report(e bulkEvent[R]) {
	if r.brokenOut {
		return
	}
	if e.outcome == OutcomeDone {
		r.progress.Confirmed += len(e.at)
	} else {
		r.progress.Failed += len(e.at)
	}
	if r.cfg.progress != nil {
		r.cfg.progress(r.progress)
	}
	r.brokenOut = !r.emit(e)
}

// work is a worker: one chunk after the other.
func (r *bulkRun[P, R]) work(ctx context.Context, c *chunk[P]) {
	for ; c != nil; c = <-r.jobs { // nil: closed
		r.process(ctx, c)
	}
}

// process sends a chunk or has it looked up. It reports its end in any case, even if a callback leaves the goroutine
// (runtime.Goexit): the caller's goroutine waits for it.
func (r *bulkRun[P, R]) process(ctx context.Context, c *chunk[P]) {
	defer func() { r.events <- workerEvent[P, R]{ended: c} }()
	if c.sent != nil {
		r.lookUp(ctx, c)
		return
	}
	r.sendChunk(ctx, c)
}

// sendChunk sends a chunk, or, if it is rejected and to be isolated, its halves.
func (r *bulkRun[P, R]) sendChunk(ctx context.Context, c *chunk[P]) {
	if split := r.sendWhole(ctx, c); split {
		first, second := c.halves()
		r.sendChunk(ctx, first)
		r.sendChunk(ctx, second)
	}
}

// sendWhole makes one request of a chunk and reports the outcome, unless its halves are to be sent instead.
func (r *bulkRun[P, R]) sendWhole(ctx context.Context, c *chunk[P]) (split bool) {
	left := leftGoroutine(r.op)
	e := workerEvent[P, R]{bulkEvent: bulkEvent[R]{at: c.at, err: left}, fatal: left} // if sendRecorded never returns
	defer func() {
		if split {
			return
		}
		if e.fatal != nil || e.err != nil && r.cfg.stopOnError {
			r.halted.Store(true)
		}
		r.events <- e
	}()
	e, split = r.sendRecorded(ctx, c)
	return split
}

// leftGoroutine is the error of a request in which a callback (a transport, a limiter, a resolver) has called
// runtime.Goexit, as a test's FailNow does.
func leftGoroutine(op string) error {
	return fmt.Errorf("antcrm: %s: a callback has left the goroutine of the request: %w", op, ErrOutcomeUnknown)
}

// sendRecorded makes one request. The journal gets a line before each attempt, and one with the outcome.
func (r *bulkRun[P, R]) sendRecorded(ctx context.Context, c *chunk[P]) (e workerEvent[P, R], split bool) {
	e.at, e.outcome = c.at, OutcomeNotSent
	if e.err = r.obstacle(ctx); e.err != nil {
		e.notBegun = true
		return e, false
	}
	if e.err = r.encodeChunk(c); e.err != nil {
		return e, false
	}
	entry := r.ledger.newEntry(c.at, c.body)
	call := *r.cfg.call
	call.beforeAttempt = entry.begin
	e.refs, e.err = r.sendEncoded(ctx, c.body, c.records, &call)
	e.outcome = outcomeOf(e.err)
	split = e.err != nil && r.cfg.isolation && len(c.at) > 1 && isolable(e.err)
	e.fatal = entry.end(ctx, e.refs, e.err, split)
	return e, split && e.fatal == nil
}

func (r *bulkRun[P, R]) encodeChunk(c *chunk[P]) (err error) {
	if c.body == nil {
		records := make([]*P, len(c.records))
		for i := range c.records {
			records[i] = &c.records[i]
		}
		c.body, err = r.encode(records)
	}
	return err
}
