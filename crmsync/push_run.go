package crmsync

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/antbuddy/antcrm-go"
)

const (
	batchSize   = 500  // records that are compared with the state at once
	updatePack  = 25   // changed records that one worker sends one by one
	maxDeferred = 2000 // lookups that are tried again at the end of a run
)

// pushRun is one push. The caller's goroutine reads the source and yields the
// changes, one goroutine compares the records with the state, and workers send.
type pushRun[P, U, R any] struct {
	*engine[P, U, R]
	cfg   pushConfig
	whole context.Context // the caller's: requests under way end with it
	ctx   context.Context // ends when nothing more is to be sent
	stop  context.CancelCauseFunc
	spool *spool
	begun time.Time // by the state's clock

	in   chan []item[P]
	out  chan []Change[R]
	left chan struct{} // closed when nobody reads out any longer

	lease   sync.Once
	leased  context.Context
	owner   string
	release func()

	slots   chan struct{}
	workers sync.WaitGroup

	mu       sync.Mutex
	creates  map[string][]item[P] // by detail: leads and customers travel apart
	deferred []item[P]
	final    bool // no lookup is deferred any longer
	err      error

	guard   guard[P, U, R]
	updates []job[P]
	same    []claim // adopted records of the batch that are as the source says
	unkeyed bool    // a record had no key: it may be any
	all     bool    // the source was read to its end
}

// job is a record with what the state knows of it.
type job[P any] struct {
	item item[P]
	row  *row
	// Besides row.fields: what a lost update may have made of the record.
	maybe fieldSet
}

func newPushRun[P, U, R any](ctx context.Context, e *engine[P, U, R], cfg pushConfig) (*pushRun[P, U, R], error) {
	var begun int64
	if err := e.core.state.db.QueryRowContext(ctx, e.core.state.sql("SELECT {now}")).Scan(&begun); err != nil {
		return nil, stateError("read the state", err)
	}
	spool, err := newSpool(ctx)
	if err != nil {
		return nil, err
	}
	r := &pushRun[P, U, R]{
		engine: e, cfg: cfg, spool: spool, begun: time.UnixMilli(begun), in: make(chan []item[P], 2), out: make(chan []Change[R], 8), left: make(chan struct{}),
		slots: make(chan struct{}, cfg.concurrency), creates: map[string][]item[P]{},
	}
	r.guard.pushRun = r
	r.whole = ctx
	r.ctx, r.stop = context.WithCancelCause(ctx)
	return r, nil
}

func (r *pushRun[P, U, R]) run(source iter.Seq2[P, error], yield func(Change[R], error) bool) {
	ended := make(chan struct{})
	defer func() {
		r.stop(context.Canceled)
		close(r.left)
		<-ended
		r.spool.close()
	}()
	go func() {
		defer close(ended)
		r.compareAll()
	}()
	emit := &emitter[R]{yield: yield}
	sourceErr := r.read(source, emit)
	for changes := range r.out {
		if !emit.all(changes) {
			r.stop(context.Canceled)
		}
	}
	if emit.stopped {
		return
	}
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	switch {
	case err != nil:
	case sourceErr != nil:
		err = sourceErr
	case r.ctx.Err() != nil:
		err = context.Cause(r.ctx)
	}
	if err != nil {
		yield(Change[R]{}, err)
	}
}

// emitter yields changes until the caller breaks out.
type emitter[R any] struct {
	yield   func(Change[R], error) bool
	stopped bool
}

func (e *emitter[R]) all(changes []Change[R]) bool {
	for _, change := range changes {
		if e.stopped || !e.yield(change, nil) {
			e.stopped = true
			return false
		}
	}
	return true
}

// read hands the source on in batches, and yields what is done meanwhile.
func (r *pushRun[P, U, R]) read(source iter.Seq2[P, error], emit *emitter[R]) (err error) {
	defer close(r.in)
	batch := make([]item[P], 0, batchSize)
	index := int64(0)
	open := true
	for record, sourceErr := range source {
		if sourceErr != nil {
			err = sourceErr
			break
		}
		batch = append(batch, item[P]{index: index, record: record, only: r.cfg.only})
		index++
		if len(batch) == batchSize {
			if open = r.submit(batch, emit); !open {
				break
			}
			batch = make([]item[P], 0, batchSize)
		}
	}
	if open && len(batch) > 0 {
		open = r.submit(batch, emit)
	}
	r.all = open && err == nil
	return err
}

func (r *pushRun[P, U, R]) submit(batch []item[P], emit *emitter[R]) bool {
	for {
		select {
		case r.in <- batch:
			return true
		case changes := <-r.out:
			if !emit.all(changes) {
				r.stop(context.Canceled)
				return false
			}
		case <-r.ctx.Done():
			return false
		}
	}
}

// fail ends the push. The first error is the one that is reported.
func (r *pushRun[P, U, R]) fail(err error) {
	r.mu.Lock()
	if r.err == nil && r.ctx.Err() == nil {
		r.err = err
	}
	r.mu.Unlock()
	r.stop(err)
}

func (r *pushRun[P, U, R]) report(changes ...Change[R]) {
	if len(changes) == 0 {
		return
	}
	select {
	case r.out <- changes:
	case <-r.left:
	}
}

// held returns the context of the run's requests: other processes see that this
// one is alive while it lasts.
func (r *pushRun[P, U, R]) held() context.Context {
	r.lease.Do(func() { r.leased, r.owner, r.release = r.core.lease.hold(r.whole) })
	return r.leased
}

// dispatch runs work in a worker once one is free.
func (r *pushRun[P, U, R]) dispatch(work func()) {
	select {
	case r.slots <- struct{}{}:
	case <-r.ctx.Done():
		return // what was not begun is not sent
	}
	r.workers.Go(func() {
		defer func() { <-r.slots }()
		work()
	})
}

// compareAll compares batches with the state until the source has ended, and
// then finishes.
func (r *pushRun[P, U, R]) compareAll() {
	defer close(r.out)
	defer func() {
		r.workers.Wait()
		if r.release != nil {
			r.release()
		}
	}()
	d := newDigester(r.core.secret)
	ready := make(chan prepared[P])
	go r.prepareBatches(ready)
	for batch := range ready {
		err := batch.err
		if err == nil && r.ctx.Err() == nil {
			err = r.compare(d, batch)
		}
		if err != nil {
			r.fail(err)
		}
	}
	r.flush()
	r.workers.Wait()
	r.flush() // of records whose lookup found nothing
	r.workers.Wait()
	r.lookAgain()
	if r.ctx.Err() == nil && r.all && r.cfg.deletes {
		if err := r.deletes(); err != nil {
			r.fail(err)
		}
	}
	if r.ctx.Err() == nil && r.all {
		if err := r.guard.done(r.ctx); err != nil {
			r.fail(err)
		}
	}
}

// flush sends the packages that are not full.
func (r *pushRun[P, U, R]) flush() {
	r.mu.Lock()
	creates := r.creates
	r.creates = map[string][]item[P]{}
	r.mu.Unlock()
	for _, items := range creates {
		if len(items) > 0 {
			r.dispatch(func() { r.sendCreates(items) })
		}
	}
	if len(r.updates) > 0 {
		jobs := r.updates
		r.updates = nil
		r.dispatch(func() { r.sendUpdates(jobs) })
	}
}

// lookAgain tries lookups once more that nothing could vouch for: meanwhile
// records of this run may.
func (r *pushRun[P, U, R]) lookAgain() {
	r.mu.Lock()
	r.final = true
	items := r.deferred
	r.deferred = nil
	r.mu.Unlock()
	for _, it := range items {
		r.dispatch(func() {
			known, err := r.core.state.row(r.ctx, r.spec.kind, it.key)
			switch {
			case err != nil:
				r.fail(err)
			case known == nil || known.intent == nil:
				r.report(Change[R]{Key: it.key, Action: Create, Index: it.index, Err: errSettledMeanwhile})
			default:
				r.resolve(job[P]{item: it, row: known})
			}
		})
	}
	r.workers.Wait()
	r.flush()
	r.workers.Wait()
}

// prepared is a batch whose records are digested.
type prepared[P any] struct {
	items   []item[P]
	doubled map[int64]int64 // places of records whose key stands at an earlier place
	err     error
}

// prepareBatches digests the next batch while one is compared with the state, which
// is most of the work where nothing has changed.
func (r *pushRun[P, U, R]) prepareBatches(ready chan<- prepared[P]) {
	defer close(ready)
	d := []*digester{newDigester(r.core.secret), newDigester(r.core.secret)}
	for items := range r.in {
		if r.ctx.Err() != nil {
			continue
		}
		var half sync.WaitGroup // of the work, for the other core
		half.Go(func() { r.prepareAll(d[1], items[len(items)/2:]) })
		r.prepareAll(d[0], items[:len(items)/2])
		half.Wait()
		keys := make([]keyAt, 0, len(items))
		for i := range items {
			if items[i].err == nil {
				keys = append(keys, keyAt{items[i].key, items[i].index})
			}
		}
		batch := prepared[P]{items: items}
		batch.doubled, batch.err = r.spool.add(r.ctx, keys)
		ready <- batch
	}
}

// compare says of each record of a batch what it needs.
func (r *pushRun[P, U, R]) compare(d *digester, p prepared[P]) error {
	batch, doubled := p.items, p.doubled
	done, rows, err := r.known(batch)
	if err != nil {
		return err
	}
	if err := r.guard.check(r.ctx, creations(batch, doubled, rows, done)); err != nil {
		return err
	}
	changes := r.sort(d, batch, doubled, done, rows)
	if err := r.core.state.confirmSame(r.ctx, r.spec.kind, r.same); err != nil {
		return err
	}
	r.same = r.same[:0]
	r.report(changes...)
	return nil
}

// creations are the records of a batch that nothing is known of.
func creations[P any](batch []item[P], doubled map[int64]int64, rows map[string]*row, done map[string]sent) (found []*item[P]) {
	for i := range batch {
		it := &batch[i]
		_, double := doubled[it.index]
		_, confirmed := done[it.key]
		if it.err == nil && !double && !confirmed && rows[it.key] == nil {
			found = append(found, it)
		}
	}
	return found
}

// sort sends each record of a batch its way. It returns the changes that need no
// request.
func (r *pushRun[P, U, R]) sort(d *digester, batch []item[P], doubled map[int64]int64, done map[string]sent, rows map[string]*row) []Change[R] {
	changes := make([]Change[R], 0, len(batch))
	for i := range batch {
		it := &batch[i]
		first, double := doubled[it.index]
		switch {
		case it.err != nil:
			r.unkeyed = true
			changes = append(changes, Change[R]{Key: it.key, Action: Create, Index: it.index, Outcome: antcrm.OutcomeNotSent, Err: it.err})
		case double:
			err := &DuplicateKeyError{Key: it.key, First: first, Second: it.index}
			changes = append(changes, Change[R]{Key: it.key, Action: Unchanged, Index: it.index, Outcome: antcrm.OutcomeNotSent, Err: err})
		default:
			if before, same := done[it.key]; same && bytes.Equal(before.digest, it.digest) {
				changes = append(changes, r.unchanged(it, before.ref))
				continue
			}
			changes = append(changes, r.route(d, it, rows[it.key])...)
		}
	}
	return changes
}

// known returns what the state has of a batch: of unchanged records, which most
// are, only what they need, of the others all of it.
func (r *pushRun[P, U, R]) known(batch []item[P]) (done map[string]sent, rows map[string]*row, err error) {
	names := make([]string, 0, len(batch))
	for i := range batch {
		if batch[i].err == nil {
			names = append(names, batch[i].key)
		}
	}
	if done, err = r.core.state.confirmed(r.ctx, r.spec.kind, names); err != nil {
		return nil, nil, err
	}
	names = names[:0]
	for i := range batch {
		if it := &batch[i]; it.err == nil && !bytes.Equal(done[it.key].digest, it.digest) {
			names = append(names, it.key)
		}
	}
	if len(names) == 0 {
		return done, nil, nil
	}
	rows, err = r.core.state.rows(r.ctx, r.spec.kind, names)
	return done, rows, err
}

func (r *pushRun[P, U, R]) unchanged(it *item[P], text string) Change[R] {
	ref, err := r.spec.readRef(text, "")
	return Change[R]{Key: it.key, Action: Unchanged, Index: it.index, Ref: ref, Outcome: antcrm.OutcomeDone, Err: err}
}

func (r *pushRun[P, U, R]) prepareAll(d *digester, items []item[P]) {
	for i := range items {
		r.prepare(d, &items[i])
	}
}

// route sends one record its way. What needs no request is returned.
func (r *pushRun[P, U, R]) route(d *digester, it *item[P], known *row) []Change[R] {
	change := Change[R]{Key: it.key, Index: it.index}
	if known != nil && known.intent == nil && bytes.Equal(known.digest, it.digest) { // it was confirmed just now
		return []Change[R]{r.unchanged(it, known.ref)}
	}
	change.Action = Create
	if known != nil && known.digest != nil {
		change.Action = Update
	}
	if err := r.valid(r.ctx, it); err != nil {
		change.Outcome, change.Err = antcrm.OutcomeNotSent, err
		return []Change[R]{change}
	}
	if known != nil && known.intent == nil && (known.adopted() || it.only != nil) {
		if same, err := r.isSame(d, it, known); err != nil || same {
			change = r.unchanged(it, known.ref)
			if err != nil {
				change.Outcome, change.Err = antcrm.OutcomeNotSent, err
			}
			return []Change[R]{change}
		}
	}
	if r.cfg.dryRun {
		return []Change[R]{r.planned(d, change, it, known)}
	}
	switch {
	case known == nil:
		r.create(*it)
	case known.intent != nil:
		r.dispatch(func() { r.resolve(job[P]{item: *it, row: known}) })
	default:
		if r.updates = append(r.updates, job[P]{item: *it, row: known}); len(r.updates) == updatePack {
			jobs := r.updates
			r.updates = nil
			r.dispatch(func() { r.sendUpdates(jobs) })
		}
	}
	return nil
}

// isSame reports whether a record is what the CRM listed when it was adopted, or what
// the state has of the fields that the source speaks of. It notes that the state is to
// say so.
func (r *pushRun[P, U, R]) isSame(d *digester, it *item[P], known *row) (bool, error) {
	u, err := r.updateOf(d, job[P]{item: *it, row: known})
	if err != nil || u.needed || u.result.Err != nil {
		return false, err
	}
	if !r.cfg.dryRun {
		r.same = append(r.same, u.claim)
	}
	return true, nil
}

// planned is what a dry run says of a record that is not as it was.
func (r *pushRun[P, U, R]) planned(d *digester, change Change[R], it *item[P], known *row) Change[R] {
	change.Outcome = antcrm.OutcomeNotSent
	if known == nil {
		return change
	}
	if known.ref != "" {
		change.Ref, _ = r.spec.readRef(known.ref, "")
	}
	if known.intent != nil {
		change.Outcome, change.Err = antcrm.OutcomeUnknown, &UnknownError{Reason: "the push will look it up"}
		if known.intent.action == Adopt {
			change.Err = errDoubled()
		}
	}
	if known.digest != nil {
		if _, _, diff, err := r.changesOf(d, it, known, nil); err == nil {
			change.Fields, change.Cleared = diff.fields, diff.cleared
			switch {
			case change.Err != nil:
			case len(diff.fields) > 0 && diff.missing != "":
				change.Err = diff.missingError(it.index)
			default:
				change.Err = diff.fixedError()
			}
		}
	}
	return change
}

// create puts a record into a package, and sends the package once it is full.
func (r *pushRun[P, U, R]) create(it item[P]) {
	if items := r.packed(it); items != nil {
		r.dispatch(func() { r.sendCreates(items) })
	}
}

func (r *pushRun[P, U, R]) packed(it item[P]) []item[P] {
	r.mu.Lock()
	defer r.mu.Unlock()
	detail := r.spec.detail(&it.record)
	r.creates[detail] = append(r.creates[detail], it)
	items := r.creates[detail]
	if len(items) < r.spec.pack {
		return nil
	}
	delete(r.creates, detail)
	return items
}

// deletes finds what the source no longer has, and deletes it if it is not too much.
func (r *pushRun[P, U, R]) deletes() error {
	if r.unkeyed {
		return fmt.Errorf("crmsync: nothing was deleted: a record of the source has no usable key, and may be any of those that seem to be gone: %w", antcrm.ErrValidation)
	}
	total, after := 0, ""
	for {
		keys, err := r.pushedKeys(after)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		gone, err := r.spool.without(r.ctx, keys)
		if err != nil {
			return err
		}
		total, after = total+gone, keys[len(keys)-1]
	}
	if total > r.cfg.maxDeletes {
		return fmt.Errorf("%w: %d, and %d are allowed", ErrTooManyDeletes, total, r.cfg.maxDeletes)
	}
	return r.deleteGone()
}

// pushedKeys returns keys that earlier pushes have created, in order.
func (r *pushRun[P, U, R]) pushedKeys(after string) (keys []string, err error) {
	query := "SELECT " + rowColumns + ` FROM crmsync_records r WHERE r.kind = ? AND r.key > ? AND r.origin = ? AND r.digest IS NOT NULL AND r.done_at < ?
		ORDER BY r.key LIMIT 1000`
	err = r.core.state.query(r.ctx, query, []any{r.spec.kind, after, byPush, r.begun.UnixMilli()}, func(known *row) bool {
		keys = append(keys, known.key)
		return true
	})
	return keys, err
}

func (r *pushRun[P, U, R]) deleteGone() error {
	after := ""
	for r.ctx.Err() == nil {
		keys, err := r.spool.goneAfter(r.ctx, after, updatePack)
		if err != nil || len(keys) == 0 {
			return err
		}
		after = keys[len(keys)-1]
		rows, err := r.core.state.rows(r.ctx, r.spec.kind, keys)
		if err != nil {
			return err
		}
		if r.cfg.dryRun {
			for _, key := range keys {
				change := Change[R]{Key: key, Action: Delete, Index: -1, Outcome: antcrm.OutcomeNotSent}
				change.Ref, _ = r.spec.readRef(rows[key].ref, "")
				r.report(change)
			}
			continue
		}
		r.dispatch(func() { r.sendDeletes(keys, rows) })
	}
	return nil
}
