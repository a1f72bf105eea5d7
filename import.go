package antcrm

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// ImportResult is what became of one record of an import's source.
type ImportResult[R any] struct {
	Index   int64   // of the record in the source, from 0
	Ref     R       // the CRM's key of it; the zero R where it was not confirmed
	Outcome Outcome // as in a batch
	Err     error   // why it was not confirmed; nil if it is done
}

// WithJournal makes an import remember in a journal what it has sent, so that
// it can be run again after any crash, with the same source: what was answered
// is given from the journal, what was not begun is sent, and what was begun and
// not answered is OutcomeUnknown (see WithUnknownResolver). A source that no
// longer gives the records that were sent ends the import with
// ErrSourceChanged; that it has grown at its end does no harm. The journal is of
// one account and one server, which nothing checks: with another's, records are
// given as done and not sent. For imports only.
func WithJournal(journal Journal) BatchOption {
	return func(cfg *batchConfig) error {
		if file, isFile := journal.(*FileJournal); journal == nil || isFile && file == nil {
			return invalid("journal", "is nil")
		}
		cfg.journal = journal
		return nil
	}
}

// WithRetryRejected makes an import send again what the journal says the server
// has rejected; without it the rejection is reported again. The records may have
// been corrected since. For imports with a journal only.
func WithRetryRejected() BatchOption {
	return func(cfg *batchConfig) error {
		cfg.retryRejected = true
		return nil
	}
}

// UnknownChunk is a chunk that an earlier run of an import began, and whose
// answer is not in the journal.
type UnknownChunk[P any] struct {
	Indexes []int64 // of the records in the source
	Records []P     // as the source gives them, and as they were sent
}

// Resolution is what was found out about one record of an UnknownChunk.
type Resolution[R any] struct {
	// Outcome is OutcomeDone if the record is in the CRM, OutcomeNotSent if it
	// is not and is to be sent again, OutcomeUnknown if that could not be told.
	Outcome Outcome
	Ref     R // of a record that is done; without one it stays unknown
}

// WithUnknownResolver makes an import ask what became of a chunk that an
// earlier run began and whose answer is not in the journal: resolve looks the
// records up, by a phone number, say, and gives one Resolution a record, in
// order. After an error, or with none, the chunk stays unknown.
//
// Be sure of "not there": what is sent again because a search was wrong, or
// because the lost request was still on its way, is doubled. resolve may be
// called for several chunks at once. Its types must be the import's. For imports
// with a journal only.
func WithUnknownResolver[P, R any](resolve func(ctx context.Context, chunk UnknownChunk[P]) ([]Resolution[R], error)) BatchOption {
	return func(cfg *batchConfig) error {
		if resolve == nil {
			return invalid("resolver", "is nil")
		}
		cfg.resolver = resolve
		return nil
	}
}

// importChunk is records on their way: one request, unless it is halved.
type importChunk[P any] struct {
	at      []int64
	records []P
	known   *JournalEntry // what an earlier run has left of it; nil: nothing
}

func (c *importChunk[P]) add(index int64, record P) {
	c.at = append(c.at, index)
	c.records = append(c.records, record)
}

func (c *importChunk[P]) dropLast() {
	n := len(c.at) - 1
	clear(c.records[n:])
	c.at, c.records = c.at[:n], c.records[:n]
}

// expects is the record that a chunk of the journal takes next.
func (c *importChunk[P]) expects() int64 {
	n := int64(len(c.at))
	for _, run := range c.known.Records {
		if n < run.Count {
			return run.First + n
		}
		n -= run.Count
	}
	return -1
}

func (c *importChunk[P]) part(first, n int) *importChunk[P] {
	return &importChunk[P]{at: c.at[first : first+n], records: c.records[first : first+n]}
}

// pick is the part of a chunk whose places are in the list.
func (c *importChunk[P]) pick(places []int) *importChunk[P] {
	picked := &importChunk[P]{}
	for _, i := range places {
		picked.add(c.at[i], c.records[i])
	}
	return picked
}

func (c *importChunk[P]) pointers() []*P {
	list := make([]*P, len(c.records))
	for i := range c.records {
		list[i] = &c.records[i]
	}
	return list
}

func (c *importChunk[P]) runs() []JournalRun {
	var runs []JournalRun
	for _, index := range c.at {
		if last := len(runs) - 1; last >= 0 && runs[last].First+runs[last].Count == index {
			runs[last].Count++
		} else {
			runs = append(runs, JournalRun{First: index, Count: 1})
		}
	}
	return runs
}

// importNews is what a worker has to tell.
type importNews[P, R any] struct {
	at      []int64
	refs    []R // nil unless done
	outcome Outcome
	err     error
	fatal   error           // ends the import
	ended   *importChunk[P] // a chunk of which nothing more comes
}

// importRun is an import in progress. Its fields belong to the caller's
// goroutine, in which the source is read and results are given; workers send
// chunks and tell what became of them.
type importRun[P, R any] struct {
	bulk[P, R]
	cfg     *batchConfig
	yield   func(ImportResult[R], error) bool
	resolve func(context.Context, UnknownChunk[P]) ([]Resolution[R], error)

	jobs     chan *importChunk[P]
	news     chan importNews[P, R]
	workers  sync.WaitGroup
	started  int
	underWay int         // chunks with the workers
	halted   atomic.Bool // nothing new is sent; also read and set by workers

	past    past[P]
	key     []byte                     // of the journal's digests
	resumed bool                       // the journal is to be finished
	open    map[string]*importChunk[P] // by group: what is being filled
	spare   []*importChunk[P]

	next      int64 // the next record's place
	progress  BatchProgress
	sourceErr error
	fatal     error // why the import was halted, if not for a record
	quit      bool  // the consumer has broken out
}

// importAll is Import for any package endpoint.
func (b bulk[P, R]) importAll(ctx context.Context, source iter.Seq2[P, error], opts []BatchOption) iter.Seq2[ImportResult[R], error] {
	var used atomic.Bool
	return func(yield func(ImportResult[R], error) bool) {
		im := &importRun[P, R]{bulk: b, yield: yield, open: map[string]*importChunk[P]{}}
		err := im.configure(ctx, opts)
		if err == nil && source == nil {
			err = invalid("source", "is nil")
		}
		if err == nil && used.Swap(true) {
			err = invalid("source", "was imported: another range over the same import would send it again")
		}
		if err != nil {
			var none ImportResult[R]
			yield(none, err)
			return
		}
		im.run(ctx, source)
	}
}

func (im *importRun[P, R]) configure(ctx context.Context, opts []BatchOption) error {
	cfg, err := newBatchConfig(opts)
	if err := firstError(err, im.ready(ctx)); err != nil {
		return err
	}
	im.cfg = cfg
	if cfg.journal == nil && (cfg.resolver != nil || cfg.retryRejected) {
		return invalid("journal", "is needed by WithUnknownResolver and WithRetryRejected: see WithJournal")
	}
	if cfg.resolver != nil {
		var ok bool
		if im.resolve, ok = cfg.resolver.(func(context.Context, UnknownChunk[P]) ([]Resolution[R], error)); !ok {
			return invalid("resolver", "is for records of another type")
		}
	}
	im.jobs = make(chan *importChunk[P])
	im.news = make(chan importNews[P, R], min(cfg.concurrency, 64)) // room enough: workers can wait
	return nil
}

func (im *importRun[P, R]) run(ctx context.Context, source iter.Seq2[P, error]) {
	work, cancel := context.WithCancel(ctx)
	// Deferred, because the consumer's loop body may panic or leave its goroutine.
	defer im.stop(ctx, cancel)
	if im.cfg.journal != nil {
		im.fail(im.resume(ctx))
	}
	if im.fatal == nil {
		for record, err := range source {
			if err != nil {
				im.sourceErr = fmt.Errorf("antcrm: %s: the source failed after %d records: %w", im.op, im.next, err)
				break
			}
			if !im.take(work, record) {
				break
			}
		}
	}
	if !im.quit {
		im.flush(work)
	}
	for im.underWay > 0 && !im.quit {
		im.hear(<-im.news)
	}
	im.end(ctx)
}

// end finishes the journal and gives the sequence's own error.
func (im *importRun[P, R]) end(ctx context.Context) {
	if im.quit {
		return
	}
	im.fail(im.finishJournal(ctx))
	err := join(im.sourceErr, im.fatal)
	if ended := contextError(ctx); ended != nil && !errors.Is(err, ended) {
		err = join(fmt.Errorf("antcrm: %s: %w", im.op, ended), err)
	}
	if err != nil {
		var none ImportResult[R]
		im.quit = true
		im.yield(none, err)
	}
}

// stop leaves no goroutine behind, whatever has ended the import.
func (im *importRun[P, R]) stop(ctx context.Context, cancel context.CancelFunc) {
	cancel()
	close(im.jobs)
	for im.underWay > 0 {
		if news := <-im.news; news.ended != nil {
			im.underWay--
		}
	}
	im.workers.Wait()
	im.past.close()
	_ = im.finishJournal(ctx) // end has reported what there was to report
}

func (im *importRun[P, R]) resume(ctx context.Context) error {
	history, err := im.cfg.journal.Resume(ctx, im.op)
	if err != nil {
		return err
	}
	im.resumed = true
	if history != nil && history.Entries != nil {
		im.past.open(history.Entries)
	}
	if history != nil {
		im.key = history.Key
	}
	return nil
}

func (im *importRun[P, R]) finishJournal(ctx context.Context) error {
	if !im.resumed {
		return nil
	}
	im.resumed = false
	return im.cfg.journal.Finish(context.WithoutCancel(ctx))
}

// fail ends the import; the first failure is the one that is told.
func (im *importRun[P, R]) fail(err error) {
	if err == nil {
		return
	}
	if im.fatal == nil {
		im.fatal = err
	}
	im.halted.Store(true)
}

// obstacle is why nothing more may be sent, or nil.
func (im *importRun[P, R]) obstacle(ctx context.Context) error {
	if err := contextError(ctx); err != nil {
		return fmt.Errorf("antcrm: %s: not sent: %w", im.op, err)
	}
	if im.halted.Load() {
		return fmt.Errorf("antcrm: %s: not sent because the import was stopped", im.op)
	}
	return nil
}

// take puts a record of the source into its chunk. It reports whether another
// record is wanted.
func (im *importRun[P, R]) take(ctx context.Context, record P) (more bool) {
	index := im.next
	im.next++
	c, err := im.past.chunk(index, im.forget(ctx))
	if err != nil {
		im.fail(err)
		im.give([]int64{index}, nil, OutcomeUnknown, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err))
		return false
	}
	if reason := im.obstacle(ctx); reason != nil {
		im.takeLast(ctx, c, index, record, reason)
		return false
	}
	if c == nil {
		c = im.filling(ctx, im.groupOf(&record))
	}
	c.add(index, record)
	if err := checkRecord(&c.records[len(c.records)-1], int(index)); err != nil {
		im.refuse(c, err)
	} else if len(c.at) == im.limit(c) {
		im.hand(ctx, c)
	}
	im.hearWaiting()
	return !im.quit && !im.halted.Load()
}

// takeLast reports the record that was read when the import had stopped.
func (im *importRun[P, R]) takeLast(ctx context.Context, c *importChunk[P], index int64, record P, reason error) {
	if c == nil {
		im.give([]int64{index}, nil, OutcomeNotSent, reason)
		return
	}
	c.add(index, record)
	if len(c.at) == im.limit(c) { // else it is among those that flush reports
		im.hand(ctx, c)
	}
}

func (im *importRun[P, R]) limit(c *importChunk[P]) int {
	if c.known != nil {
		return c.known.Count()
	}
	return im.cfg.chunkSize
}

// refuse reports the last record of a chunk as invalid and goes on without it.
func (im *importRun[P, R]) refuse(c *importChunk[P], err error) {
	if c.known != nil { // it was valid when it was sent
		im.changed(c)
		return
	}
	index := c.at[len(c.at)-1]
	c.dropLast()
	if im.cfg.stopOnError {
		im.halted.Store(true)
	}
	im.give([]int64{index}, nil, OutcomeNotSent, err)
}

// mostOpen bounds what a source with a group for every record can hold open.
const mostOpen = 16

// filling is the chunk of a group that has room.
func (im *importRun[P, R]) filling(ctx context.Context, group string) *importChunk[P] {
	if c := im.open[group]; c != nil {
		return c
	}
	if len(im.open) == mostOpen {
		im.hand(ctx, im.opened()[0])
	}
	var c *importChunk[P]
	if last := len(im.spare) - 1; last >= 0 {
		c, im.spare = im.spare[last], im.spare[:last]
	} else {
		c = &importChunk[P]{at: make([]int64, 0, im.cfg.chunkSize), records: make([]P, 0, im.cfg.chunkSize)}
	}
	im.open[group] = c
	return c
}

// opened lists the chunks being filled, the oldest first.
func (im *importRun[P, R]) opened() []*importChunk[P] {
	list := make([]*importChunk[P], 0, len(im.open))
	for _, c := range im.open {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *importChunk[P]) int { return slices.Compare(a.at, b.at) })
	return list
}

// hand settles a chunk that an earlier run has settled, and has any other sent.
func (im *importRun[P, R]) hand(ctx context.Context, c *importChunk[P]) {
	if c.known != nil {
		if im.recall(c) {
			im.dispatch(ctx, c)
		}
		return
	}
	for group, other := range im.open {
		if other == c {
			delete(im.open, group)
		}
	}
	if len(c.at) > 0 {
		im.dispatch(ctx, c)
	}
}

// recall gives what the journal knows of a chunk. It reports whether the chunk
// has to go to a worker all the same.
func (im *importRun[P, R]) recall(c *importChunk[P]) (unsettled bool) {
	body, err := im.encode(c.pointers())
	if err != nil || im.digest(body) != c.known.Digest {
		im.changed(c)
		return false
	}
	switch c.known.Outcome {
	case OutcomeDone:
		var refs []R
		if err := json.Unmarshal(c.known.Refs, &refs); err != nil || len(refs) != len(c.at) {
			im.fail(journalFailure{fmt.Errorf("antcrm: %s: the journal's entry of record %d %w", im.op, c.at[0], errDamaged)})
			im.give(c.at, nil, OutcomeUnknown, fmt.Errorf("%w: %w", ErrOutcomeUnknown, im.fatal))
			return false
		}
		im.give(c.at, refs, OutcomeDone, nil)
	case OutcomeRejected:
		im.give(c.at, nil, OutcomeRejected, im.rejectedBefore(c.known.Status))
	default:
		if im.resolve != nil {
			return true
		}
		im.give(c.at, nil, OutcomeUnknown, im.begunBefore())
	}
	return false
}

// rejectedBefore is the error of a chunk that an earlier run saw rejected. The
// server's message may have held personal data: the journal has only the status.
func (im *importRun[P, R]) rejectedBefore(status int) error {
	return &APIError{StatusCode: status, Method: im.method, Path: im.path, Message: "rejected in an earlier run, says the journal", Attempts: 1, callInfo: callInfo{op: im.op}}
}

func (im *importRun[P, R]) begunBefore() error {
	return fmt.Errorf("antcrm: %s: sent by an earlier run whose answer is not in the journal: %w", im.op, ErrOutcomeUnknown)
}

// changed ends an import whose source gives other records than were sent.
func (im *importRun[P, R]) changed(c *importChunk[P]) {
	err := fmt.Errorf("antcrm: %s: records %d to %d are not the ones that were sent from there: %w", im.op, c.known.First(), c.at[len(c.at)-1], ErrSourceChanged)
	im.past.drop(c)
	im.fail(err)
	im.give(c.at, nil, OutcomeUnknown, fmt.Errorf("%w: %w", err, ErrOutcomeUnknown))
}

// dispatch gives a chunk to a worker, and takes news while all are busy.
func (im *importRun[P, R]) dispatch(ctx context.Context, c *importChunk[P]) {
	for !im.quit {
		if reason := im.obstacle(ctx); reason != nil {
			im.withhold(c, reason)
			return
		}
		if im.started < im.cfg.concurrency {
			im.started++
			im.underWay++
			im.workers.Go(func() { im.work(ctx, c) })
			return
		}
		select {
		case im.jobs <- c:
			im.underWay++
			return
		case news := <-im.news:
			im.hear(news)
		case <-ctx.Done():
		}
	}
}

// withhold reports a chunk that this run has not sent.
func (im *importRun[P, R]) withhold(c *importChunk[P], reason error) {
	if c.known == nil {
		im.give(c.at, nil, OutcomeNotSent, reason)
		return
	}
	before := im.begunBefore()
	if len(c.at) < c.known.Count() {
		before = fmt.Errorf("antcrm: %s: sent by an earlier run together with records that have not come: %w", im.op, ErrOutcomeUnknown)
	}
	im.give(c.at, nil, OutcomeUnknown, fmt.Errorf("%w; %w", before, reason))
}

// flush hands over what is left when the source has ended.
func (im *importRun[P, R]) flush(ctx context.Context) {
	complete := im.sourceErr == nil && im.obstacle(ctx) == nil
	if complete {
		im.fail(im.past.missing(im.op, im.next, im.forget(ctx)))
	}
	for _, c := range im.past.partial() {
		reason := im.obstacle(ctx)
		if reason == nil {
			reason = im.sourceErr
		}
		im.withhold(c, reason)
	}
	for _, c := range im.opened() {
		im.hand(ctx, c)
	}
}

// hear takes a worker's news and gives the results.
func (im *importRun[P, R]) hear(news importNews[P, R]) {
	if news.ended != nil {
		im.underWay--
		im.reuse(news.ended)
		return
	}
	im.fail(news.fatal)
	im.give(news.at, news.refs, news.outcome, news.err)
}

func (im *importRun[P, R]) hearWaiting() {
	for !im.quit {
		select {
		case news := <-im.news:
			im.hear(news)
		default:
			return
		}
	}
}

func (im *importRun[P, R]) reuse(c *importChunk[P]) {
	if c.known != nil {
		return
	}
	clear(c.records)
	c.at, c.records = c.at[:0], c.records[:0]
	im.spare = append(im.spare, c)
}

// give yields a result for each record.
func (im *importRun[P, R]) give(at []int64, refs []R, outcome Outcome, err error) {
	if im.quit {
		return
	}
	if outcome == OutcomeDone {
		im.progress.Confirmed += len(at)
	} else {
		im.progress.Failed += len(at)
	}
	if im.cfg.progress != nil {
		im.cfg.progress(im.progress)
	}
	for i, index := range at {
		result := ImportResult[R]{Index: index, Outcome: outcome, Err: err}
		if outcome == OutcomeDone && i < len(refs) {
			result.Ref = refs[i]
		}
		if !im.yield(result, nil) {
			im.quit = true
			return
		}
	}
}

// work is a worker: one chunk after the other.
func (im *importRun[P, R]) work(ctx context.Context, c *importChunk[P]) {
	for ; c != nil; c = <-im.jobs { // nil: closed
		im.workOn(ctx, c)
	}
}

// workOn tells that a chunk has ended in any case: the caller's goroutine waits
// for it, even if a callback has left the worker's (runtime.Goexit).
func (im *importRun[P, R]) workOn(ctx context.Context, c *importChunk[P]) {
	defer func() { im.news <- importNews[P, R]{ended: c} }()
	if c.known != nil {
		im.lookUp(ctx, c)
	} else {
		im.deliver(ctx, c)
	}
}

// deliver sends a chunk, and its halves if it is rejected and to be isolated.
func (im *importRun[P, R]) deliver(ctx context.Context, c *importChunk[P]) {
	halve(0, len(c.at), func(first, n int) bool { return im.attempt(ctx, c.part(first, n)) })
}

// attempt makes one request and tells what came of it, or reports that the
// halves are to be sent instead.
func (im *importRun[P, R]) attempt(ctx context.Context, c *importChunk[P]) (again bool) {
	left := leftGoroutine(im.op)
	news := importNews[P, R]{at: c.at, err: left, fatal: left} // if exchange never returns
	defer func() {
		if again {
			return
		}
		if news.fatal != nil || news.err != nil && im.cfg.stopOnError {
			im.halted.Store(true)
		}
		im.news <- news
	}()
	news, again = im.exchange(ctx, c)
	return again
}

// exchange is one request, between two lines of the journal: one before each
// attempt, so that the journal knows when the last one began, and one after.
func (im *importRun[P, R]) exchange(ctx context.Context, c *importChunk[P]) (news importNews[P, R], again bool) {
	if reason := im.obstacle(ctx); reason != nil {
		return importNews[P, R]{at: c.at, outcome: OutcomeNotSent, err: reason}, false
	}
	body, err := im.encode(c.pointers())
	if err != nil {
		return importNews[P, R]{at: c.at, outcome: OutcomeNotSent, err: err}, false
	}
	entry := im.entry(c, body)
	begun, unbegun := false, error(nil)
	call := *im.cfg.call
	call.beforeAttempt = func(ctx context.Context) error {
		unbegun = im.begin(ctx, entry)
		begun = begun || unbegun == nil
		return unbegun
	}
	refs, err := im.sendEncoded(ctx, body, im.groupOf(&c.records[0]), len(c.at), &call)
	if unbegun != nil && !begun {
		return importNews[P, R]{at: c.at, outcome: OutcomeNotSent, err: fmt.Errorf("antcrm: %s: not sent: %w", im.op, unbegun), fatal: unbegun}, false
	}
	if !begun {
		return importNews[P, R]{at: c.at, outcome: outcomeOf(err), err: err}, false
	}
	again = im.cfg.halves(len(c.at), err)
	unrecorded := firstError(unbegun, im.record(ctx, entry, refs, err, again))
	news = importNews[P, R]{at: c.at, refs: refs, outcome: outcomeOf(err), err: err, fatal: unrecorded}
	return news, again && unrecorded == nil
}

func (im *importRun[P, R]) digest(body []byte) string {
	mac := hmac.New(sha256.New, im.key)
	_, _ = mac.Write(body) // never fails
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

// entry is what the journal has of a chunk that is begun.
func (im *importRun[P, R]) entry(c *importChunk[P], body []byte) JournalEntry {
	if im.cfg.journal == nil {
		return JournalEntry{}
	}
	return JournalEntry{Records: c.runs(), Digest: im.digest(body)}
}

func (im *importRun[P, R]) begin(ctx context.Context, entry JournalEntry) error {
	if im.cfg.journal == nil {
		return nil
	}
	return im.cfg.journal.Begin(ctx, entry)
}

// record writes down how a request ended, even if the import has been
// cancelled meanwhile. A rejected chunk whose halves come is as if it had not
// been sent: they have entries of their own. So is one that was refused for no
// record's fault, such as a wrong key or a 429: the next run sends it.
func (im *importRun[P, R]) record(ctx context.Context, entry JournalEntry, refs []R, err error, halved bool) error {
	if im.cfg.journal == nil {
		return nil
	}
	entry.Outcome = outcomeOf(err)
	if halved || entry.Outcome == OutcomeRejected && !RecordFault(err) {
		entry.Outcome = OutcomeNotSent
	}
	if answered, ok := errors.AsType[*APIError](err); ok {
		entry.Status = answered.StatusCode
	}
	if entry.Outcome == OutcomeDone {
		if entry.Refs, err = json.Marshal(refs); err != nil {
			return journalFailure{err}
		}
	}
	return im.cfg.journal.Record(context.WithoutCancel(ctx), entry)
}

// forget removes a journal's entry: its records are as if they had never been
// sent.
func (im *importRun[P, R]) forget(ctx context.Context) func(JournalEntry) (bool, error) {
	return func(entry JournalEntry) (bool, error) {
		if !im.cfg.retryRejected || entry.Outcome != OutcomeRejected {
			return false, nil
		}
		return true, im.cfg.journal.Record(ctx, JournalEntry{Records: entry.Records, Digest: entry.Digest, Outcome: OutcomeNotSent})
	}
}

// lookUp asks the caller what became of a chunk, and sends what is not there.
func (im *importRun[P, R]) lookUp(ctx context.Context, c *importChunk[P]) {
	found, err := im.ask(ctx, c)
	places, err := sortResolutions(found, len(c.at), err)
	refs := make([]R, 0, len(c.at))
	for _, i := range places[OutcomeDone] {
		refs = append(refs, found[i].Ref)
	}
	done, again, still := c.pick(places[OutcomeDone]), c.pick(places[OutcomeNotSent]), c.pick(places[OutcomeUnknown])
	unrecorded := im.recordFound(ctx, c, done, refs, still)
	if unrecorded != nil {
		im.halted.Store(true)
	}
	if len(done.at) > 0 {
		im.news <- importNews[P, R]{at: done.at, refs: refs, outcome: OutcomeDone, fatal: unrecorded}
	}
	if len(still.at) > 0 {
		reason := im.begunBefore()
		if err != nil {
			reason = fmt.Errorf("%w; looking it up: %w", reason, err)
		}
		im.news <- importNews[P, R]{at: still.at, outcome: OutcomeUnknown, err: reason, fatal: unrecorded}
	}
	switch {
	case len(again.at) == 0:
	case unrecorded != nil:
		im.news <- importNews[P, R]{at: again.at, outcome: OutcomeUnknown, err: fmt.Errorf("%w; %w", im.begunBefore(), unrecorded), fatal: unrecorded}
	default:
		im.deliver(ctx, again)
	}
}

// ask calls the resolver. If it leaves its goroutine, the chunk stays unknown.
func (im *importRun[P, R]) ask(ctx context.Context, c *importChunk[P]) (found []Resolution[R], err error) {
	returned := false
	defer func() {
		if !returned {
			left := leftGoroutine(im.op)
			im.halted.Store(true)
			im.news <- importNews[P, R]{at: c.at, err: left, fatal: left}
		}
	}()
	found, err = im.resolve(ctx, UnknownChunk[P]{Indexes: slices.Clone(c.at), Records: slices.Clone(c.records)})
	returned = true
	return found, err
}

// sortResolutions lists the places of the records by what was found. Done without
// a reference is unknown: it would be done for ever, and nobody could tell as what.
func sortResolutions[R any](found []Resolution[R], count int, err error) (places [4][]int, _ error) {
	if err == nil && found != nil && len(found) != count {
		err = fmt.Errorf("%d resolutions for %d records", len(found), count)
	}
	nameless := 0
	for i := range count {
		outcome := OutcomeUnknown
		switch {
		case err != nil || found == nil:
		case found[i].Outcome == OutcomeDone && reflect.ValueOf(&found[i].Ref).Elem().IsZero():
			nameless++
		case found[i].Outcome == OutcomeDone, found[i].Outcome == OutcomeNotSent:
			outcome = found[i].Outcome
		}
		places[outcome] = append(places[outcome], i)
	}
	if nameless > 0 {
		err = fmt.Errorf("%d of %d resolutions are done without a reference", nameless, count)
	}
	return places, err
}

// recordFound replaces the entry of a chunk by what is known of its parts now,
// in one line.
func (im *importRun[P, R]) recordFound(ctx context.Context, whole, done *importChunk[P], refs []R, still *importChunk[P]) error {
	if len(still.at) == len(whole.at) {
		return nil // nothing new
	}
	void := *whole.known
	void.Outcome = OutcomeNotSent
	entries := []JournalEntry{void}
	for _, part := range []*importChunk[P]{done, still} {
		if len(part.at) == 0 {
			continue
		}
		body, err := im.encode(part.pointers())
		if err != nil {
			return journalFailure{err}
		}
		entry := im.entry(part, body)
		if part == done {
			entry.Outcome = OutcomeDone
			if entry.Refs, err = json.Marshal(refs); err != nil {
				return journalFailure{err}
			}
		}
		entries = append(entries, entry)
	}
	return im.cfg.journal.Record(context.WithoutCancel(ctx), entries...)
}

// past walks through what a journal has left, in step with the source.
type past[P any] struct {
	pull   func() (JournalEntry, error, bool)
	stop   func()
	head   *JournalEntry     // the next one; nil: none is left
	active []*importChunk[P] // those whose records are coming
}

func (p *past[P]) open(entries iter.Seq2[JournalEntry, error]) {
	p.pull, p.stop = iter.Pull2(entries)
}

func (p *past[P]) close() {
	if p.stop != nil {
		p.stop()
	}
}

// peek returns the next entry that is not to be forgotten; nil: none.
func (p *past[P]) peek(forget func(JournalEntry) (bool, error)) (*JournalEntry, error) {
	for p.head == nil && p.pull != nil {
		entry, err, ok := p.pull()
		if !ok {
			p.pull = nil
			break
		}
		if err == nil {
			err = entry.check()
		}
		if err != nil {
			return nil, journalFailure{fmt.Errorf("antcrm: read journal: %w", err)}
		}
		forgotten, err := forget(entry)
		if err != nil {
			return nil, err
		}
		if !forgotten {
			p.head = &entry
		}
	}
	return p.head, nil
}

// chunk returns the chunk in which an earlier run has sent the record; nil:
// none has.
func (p *past[P]) chunk(index int64, forget func(JournalEntry) (bool, error)) (found *importChunk[P], err error) {
	for {
		head, err := p.peek(forget)
		if err != nil {
			return nil, err
		}
		if head == nil || head.First() > index {
			break
		}
		p.active = append(p.active, &importChunk[P]{known: head})
		p.head = nil
	}
	for _, c := range p.active {
		switch next := c.expects(); {
		case next == index && found == nil:
			found = c
		case next <= index: // two entries have the same record
			return nil, journalFailure{fmt.Errorf("antcrm: the journal's entry of record %d %w", c.known.First(), errDamaged)}
		}
	}
	if found != nil && len(found.at)+1 == found.known.Count() {
		p.drop(found)
	}
	return found, nil
}

func (p *past[P]) drop(c *importChunk[P]) {
	p.active = slices.DeleteFunc(p.active, func(other *importChunk[P]) bool { return other == c })
}

// partial returns the chunks of which only some records came.
func (p *past[P]) partial() []*importChunk[P] {
	return slices.DeleteFunc(slices.Clone(p.active), func(c *importChunk[P]) bool { return len(c.at) == 0 })
}

// missing reports that a source has ended before the journal has.
func (p *past[P]) missing(op string, count int64, forget func(JournalEntry) (bool, error)) error {
	head, err := p.peek(forget)
	if err != nil {
		return err
	}
	if head == nil && len(p.active) == 0 {
		return nil
	}
	return fmt.Errorf("antcrm: %s: the source has %d records, and later ones were sent: %w", op, count, ErrSourceChanged)
}
