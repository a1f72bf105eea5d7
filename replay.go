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
	"log/slog"
	"reflect"
	"slices"
	"time"
)

// WithJournal makes an import write into a journal what it sends, so that you can run the import again after any crash,
// with the same source. The second run reports the chunks that were answered from the journal, sends those that were
// not begun, and reports those that were begun and not answered as OutcomeUnknown (see WithUnknownResolver).
//
// If the source no longer yields the records that were sent, the import ends with ErrSourceChanged. New records at the
// end of the source are fine. If the journal belongs to another account (another base URL or key), the import ends with
// ErrJournal: see WithReplacedKey. This option is for imports only.
func WithJournal(journal Journal) BatchOption {
	return func(cfg *batchConfig) error {
		if file, isFile := journal.(*FileJournal); journal == nil || isFile && file == nil {
			return invalid("journal", "is nil")
		}
		cfg.journal = journal
		return nil
	}
}

// WithRetryRejected makes a resumed import send the records again that the journal has as rejected. You may have
// corrected them. Without this option the import reports the rejection again. It is for imports with a journal only.
func WithRetryRejected() BatchOption {
	return func(cfg *batchConfig) error {
		cfg.retryRejected = true
		return nil
	}
}

// WithReplacedKey lets an import continue a journal that was written with another key or base URL, and writes the new
// account into it. Use it if the key was replaced or the server has moved, and only if the CRM is the same one: in
// another CRM the import would report records as done that do not exist there. It is for imports with a journal only.
func WithReplacedKey() BatchOption {
	return func(cfg *batchConfig) error {
		cfg.replacedKey = true
		return nil
	}
}

// settleMargin is how long a request may be under way after the limit of its attempt. settleUnlimited is how long it
// may be under way if attempts have no limit. Both are our decisions: the vendor says nothing.
const (
	settleMargin    = 30 * time.Second
	settleUnlimited = time.Hour
)

// WithSettle sets how long a lost request may still be under way. A chunk that was sent less than d ago stays unknown,
// and the resolver is not asked about it: a resolver that looks too early finds nothing, and the chunk would be sent
// again and doubled. The default is the limit of an attempt (WithTimeout) plus 30 s, or an hour if attempts have no
// limit. The option is for imports with a journal only.
func WithSettle(d time.Duration) BatchOption {
	return func(cfg *batchConfig) error {
		if d < 0 {
			return invalid("settle", "must not be negative")
		}
		cfg.settle = &d
		return nil
	}
}

// settleTime returns the time of WithSettle. limit is that of an attempt.
func (cfg *batchConfig) settleTime(limit time.Duration) time.Duration {
	switch {
	case cfg.settle != nil:
		return *cfg.settle
	case limit <= 0:
		return settleUnlimited
	}
	return limit + settleMargin
}

// UnknownChunk is a chunk that an earlier run of an import has begun, and whose answer is not in the journal.
type UnknownChunk[P any] struct {
	Begun   time.Time // when it was last sent, by the clock of the machine that sent it
	Indexes []int64   // of the records in the source
	Records []P       // as they were sent; the source yields the same
}

// Format prints the number of records and nothing else, with every verb.
func (c UnknownChunk[P]) Format(s fmt.State, _ rune) {
	writeText(s, fmt.Sprintf("{Records:%d}", len(c.Records)))
}

// LogValue is the number of records.
func (c UnknownChunk[P]) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("records", len(c.Records)))
}

// Resolution is what a resolver found out about one record of an UnknownChunk.
type Resolution[R any] struct {
	// Outcome is OutcomeDone if the record is in the CRM, OutcomeNotSent if it is certainly not (the import sends it
	// again), and OutcomeUnknown in any other case.
	Outcome Outcome
	Ref     R // the record's key in the CRM, if it is done; without it the record stays unknown
}

// WithUnknownResolver makes a resumed import call resolve for each chunk that an earlier run has begun and whose answer
// is not in the journal. resolve looks the records up in the CRM and returns one Resolution a record, in order. If it
// returns an error or nil, the chunk stays unknown. It is not called for a chunk that may still be under way: see
// WithSettle.
//
// Be sure before you return OutcomeNotSent: if your search was wrong, the record is doubled. Search by what the vendor
// documents (a phone number, an e-mail address, an order's number), compare the records that come back, and return
// OutcomeUnknown on any error, ErrFilterIgnored above all. docs/bulk-import.md has such a resolver.
//
// resolve may be called for several chunks at once. Its types must be those of the import. The option is for imports
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

// ledger is a run's view of its journal. A nil ledger has no journal and remembers nothing.
type ledger struct {
	journal       Journal
	account       string // of this run
	replacedKey   bool
	retryRejected bool

	key     []byte    // of the journal's digests
	resumed bool      // Resume was called, and Finish must be
	since   time.Time // when it was resumed
	pull    func() (JournalEntry, error, bool)
	cancel  func()
	head    *sentChunk   // the next chunk of the history; nil: not read yet, or none is left
	active  []*sentChunk // chunks of which the source has not yet yielded all records
}

// sentChunk is a chunk that an earlier run has sent.
type sentChunk struct {
	JournalEntry
	yielded int64 // how many of its records the source has yielded again
}

// expects returns the place of its record that the source yields next.
func (c *sentChunk) expects() int64 {
	n := c.yielded
	for _, run := range c.Records {
		if n < run.Count {
			return run.First + n
		}
		n -= run.Count
	}
	return -1
}

func (l *ledger) resume(ctx context.Context, op string) error {
	if l == nil {
		return nil
	}
	history, err := l.journal.Resume(ctx, op)
	if err != nil {
		return err
	}
	l.resumed, l.since = true, time.Now()
	if history == nil {
		return nil
	}
	l.key = slices.Clone(history.Key)
	if history.Entries != nil {
		l.pull, l.cancel = iter.Pull2(history.Entries)
	}
	if history.Account == l.account || history.SetAccount == nil {
		return nil
	}
	if history.Account != "" && !l.replacedKey {
		return journalFailure{fmt.Errorf("antcrm: %s: the journal belongs to another account: it was written with another key or base URL (see WithReplacedKey)", op)}
	}
	return history.SetAccount(ctx, l.account)
}

func (l *ledger) finish(ctx context.Context) error {
	if l == nil || !l.resumed {
		return nil
	}
	l.resumed = false
	if l.cancel != nil {
		l.cancel()
	}
	return l.journal.Finish(context.WithoutCancel(ctx))
}

// find returns the chunk in which an earlier run has sent a record, or nil. It must be called with each index in order.
func (l *ledger) find(ctx context.Context, index int64) (found *sentChunk, err error) {
	if l == nil {
		return nil, nil
	}
	for {
		head, err := l.peek(ctx)
		if err != nil {
			return nil, err
		}
		if head == nil || head.First() > index {
			break
		}
		l.active = append(l.active, head)
		l.head = nil
	}
	for _, c := range l.active {
		switch next := c.expects(); {
		case next == index && found == nil:
			found = c
		case next <= index: // two entries have the same record
			return nil, damagedEntry(c.JournalEntry)
		}
	}
	if found != nil {
		if found.yielded++; int(found.yielded) == found.Count() {
			l.active = slices.DeleteFunc(l.active, func(c *sentChunk) bool { return c == found })
		}
	}
	return found, nil
}

func damagedEntry(entry JournalEntry) error {
	return journalFailure{fmt.Errorf("antcrm: the journal's entry of record %d %w", entry.First(), errDamaged)}
}

// peek returns the next chunk of the history that must not be sent again, or nil if none is left.
func (l *ledger) peek(ctx context.Context) (*sentChunk, error) {
	for l.head == nil && l.pull != nil {
		entry, err, ok := l.pull()
		if !ok {
			l.pull = nil
			break
		}
		if err == nil {
			err = entry.check()
		}
		if err != nil {
			return nil, journalFailure{fmt.Errorf("antcrm: read journal: %w", err)}
		}
		if l.retryRejected && entry.Outcome == OutcomeRejected {
			forgotten := JournalEntry{Records: entry.Records, Digest: entry.Digest, Outcome: OutcomeNotSent}
			if err := l.journal.Record(context.WithoutCancel(ctx), forgotten); err != nil {
				return nil, err
			}
			continue
		}
		entry = entry.copy() // the journal may reuse its slice
		if entry.Begun.IsZero() {
			entry.Begun = l.since
		}
		l.head = &sentChunk{JournalEntry: entry}
	}
	return l.head, nil
}

// missing reports an error if the journal has records after the source's last one.
func (l *ledger) missing(ctx context.Context, op string, count int64) error {
	if l == nil {
		return nil
	}
	head, err := l.peek(ctx)
	if err != nil || head == nil && len(l.active) == 0 {
		return err
	}
	return fmt.Errorf("antcrm: %s: the source has %d records, and later ones were sent: %w", op, count, ErrSourceChanged)
}

func (l *ledger) digest(body []byte) string {
	mac := hmac.New(sha256.New, l.key)
	_, _ = mac.Write(body) // never fails
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

// ledgerEntry is a request in the journal. It is nil in a run without a journal.
type ledgerEntry struct {
	ledger *ledger
	entry  JournalEntry
	begun  bool
	failed error // why the last attempt was not begun
}

func (l *ledger) newEntry(at []int64, body []byte) *ledgerEntry {
	if l == nil {
		return nil
	}
	return &ledgerEntry{ledger: l, entry: JournalEntry{Records: runsOf(at), Digest: l.digest(body)}}
}

// begin is called before each attempt.
func (e *ledgerEntry) begin(ctx context.Context) error {
	if e == nil {
		return nil
	}
	e.entry.Begun = time.Now()
	e.failed = e.ledger.journal.Begin(ctx, e.entry.copy())
	e.begun = e.begun || e.failed == nil
	return e.failed
}

// end records how the request ended, even if the import has been cancelled meanwhile. A rejected chunk that is halved
// counts as not sent: its halves have entries of their own. A chunk that was refused for another reason than a bad
// record, such as a wrong key or a 429, counts as not sent too: the next run sends it.
func (e *ledgerEntry) end(ctx context.Context, refs any, err error, halved bool) error {
	if e == nil {
		return nil
	}
	if !e.begun {
		return e.failed
	}
	e.entry.Outcome = outcomeOf(err)
	if halved || e.entry.Outcome == OutcomeRejected && !RecordFault(err) {
		e.entry.Outcome = OutcomeNotSent
	}
	if answered, ok := errors.AsType[*APIError](err); ok {
		e.entry.Status = answered.StatusCode
	}
	if e.entry.Outcome == OutcomeDone {
		if e.entry.Refs, err = json.Marshal(refs); err != nil {
			return journalFailure{err}
		}
	}
	return firstError(e.failed, e.ledger.journal.Record(context.WithoutCancel(ctx), e.entry.copy()))
}

// replay handles a record that an earlier run has sent. Once the source has yielded the whole chunk, it reports what
// the journal has, or has the chunk looked up.
func (r *bulkRun[P, R]) replay(ctx context.Context, sent *sentChunk, index int64, record P) {
	c := r.replays[sent]
	if c == nil {
		c = &chunk[P]{sent: sent}
		r.replays[sent] = c
	}
	c.add(index, record)
	if len(c.at) < sent.Count() {
		return
	}
	delete(r.replays, sent)
	if err := r.encodeChunk(c); err != nil || r.ledger.digest(c.body) != sent.Digest {
		err := fmt.Errorf("antcrm: %s: records %d to %d are not the ones that were sent from there: %w", r.op, sent.First(), index, ErrSourceChanged)
		r.fail(err)
		r.report(bulkEvent[R]{at: c.at, err: fmt.Errorf("%w: %w", err, ErrOutcomeUnknown)})
		return
	}
	switch {
	case sent.Outcome == OutcomeDone:
		r.replayDone(c)
	case sent.Outcome == OutcomeRejected:
		r.report(bulkEvent[R]{at: c.at, outcome: OutcomeRejected, err: r.rejectedBefore(sent.Status)})
	case r.resolve != nil:
		if left := r.cfg.settleTime(r.core.cfg.timeout) - time.Since(sent.Begun); left > 0 {
			r.report(bulkEvent[R]{at: c.at, err: fmt.Errorf("antcrm: %s: sent by an earlier run, and may still be under way: look it up in %v: %w",
				r.op, left.Round(time.Second), ErrOutcomeUnknown)})
			return
		}
		r.dispatch(ctx, c)
	default:
		r.report(bulkEvent[R]{at: c.at, err: r.sentBefore()})
	}
}

func (r *bulkRun[P, R]) replayDone(c *chunk[P]) {
	var refs []R
	if err := json.Unmarshal(c.sent.Refs, &refs); err != nil || len(refs) != len(c.at) {
		err := damagedEntry(c.sent.JournalEntry)
		r.fail(err)
		r.report(bulkEvent[R]{at: c.at, err: fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)})
		return
	}
	r.report(bulkEvent[R]{at: c.at, refs: refs, outcome: OutcomeDone})
}

// rejectedBefore is the error of a chunk that was rejected in an earlier run. The journal keeps only the status: the
// server's message may quote personal data.
func (r *bulkRun[P, R]) rejectedBefore(status int) error {
	return &APIError{StatusCode: status, Method: r.method, Path: r.path, Message: "rejected in an earlier run, according to the journal", Attempts: 1, callInfo: callInfo{op: r.op}}
}

func (r *bulkRun[P, R]) sentBefore() error {
	return fmt.Errorf("antcrm: %s: sent by an earlier run whose answer is not in the journal: %w", r.op, ErrOutcomeUnknown)
}

// lookUp asks the resolver about a chunk, and sends the records that are not in the CRM.
func (r *bulkRun[P, R]) lookUp(ctx context.Context, c *chunk[P]) {
	found, err := r.ask(ctx, c)
	places, err := sortResolutions(found, len(c.at), err)
	refs := make([]R, 0, len(c.at))
	for _, i := range places[OutcomeDone] {
		refs = append(refs, found[i].Ref)
	}
	done, again, still := c.pick(places[OutcomeDone]), c.pick(places[OutcomeNotSent]), c.pick(places[OutcomeUnknown])
	unrecorded := r.recordFound(ctx, c, done, refs, still)
	if unrecorded != nil {
		r.halted.Store(true)
	}
	if len(done.at) > 0 {
		r.events <- workerEvent[P, R]{bulkEvent: bulkEvent[R]{at: done.at, refs: refs, outcome: OutcomeDone}, fatal: unrecorded}
	}
	if len(still.at) > 0 {
		reason := r.sentBefore()
		if err != nil {
			reason = fmt.Errorf("%w; looking it up: %w", reason, err)
		}
		r.events <- workerEvent[P, R]{bulkEvent: bulkEvent[R]{at: still.at, err: reason}, fatal: unrecorded}
	}
	switch {
	case len(again.at) == 0:
	case unrecorded != nil:
		r.events <- workerEvent[P, R]{bulkEvent: bulkEvent[R]{at: again.at, err: fmt.Errorf("%w; %w", r.sentBefore(), unrecorded)}, fatal: unrecorded}
	default:
		r.sendChunk(ctx, again)
	}
}

// pick returns the records at these places of a chunk.
func (c *chunk[P]) pick(places []int) *chunk[P] {
	picked := &chunk[P]{}
	for _, i := range places {
		picked.add(c.at[i], c.records[i])
	}
	return picked
}

// ask calls the resolver. If it leaves its goroutine, the chunk stays unknown.
func (r *bulkRun[P, R]) ask(ctx context.Context, c *chunk[P]) (found []Resolution[R], err error) {
	returned := false
	defer func() {
		if !returned {
			left := leftGoroutine(r.op)
			r.halted.Store(true)
			r.events <- workerEvent[P, R]{bulkEvent: bulkEvent[R]{at: c.at, err: left}, fatal: left}
		}
	}()
	found, err = r.resolve(ctx, UnknownChunk[P]{Begun: c.sent.Begun, Indexes: slices.Clone(c.at), Records: slices.Clone(c.records)})
	returned = true
	return found, err
}

// sortResolutions lists the places of the records by outcome. A record that is done without a reference is unknown: the
// journal would have no key for it.
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

// recordFound replaces the entry of a chunk by entries of its parts, in one line.
func (r *bulkRun[P, R]) recordFound(ctx context.Context, whole, done *chunk[P], refs []R, still *chunk[P]) error {
	if len(still.at) == len(whole.at) {
		return nil // nothing new
	}
	void := whole.sent.copy()
	void.Outcome = OutcomeNotSent
	entries := []JournalEntry{void}
	for _, part := range []*chunk[P]{done, still} {
		if len(part.at) == 0 {
			continue
		}
		if err := r.encodeChunk(part); err != nil {
			return journalFailure{err}
		}
		entry := r.ledger.newEntry(part.at, part.body).entry
		entry.Begun = whole.sent.Begun
		if part == done {
			var err error
			entry.Outcome = OutcomeDone
			if entry.Refs, err = json.Marshal(refs); err != nil {
				return journalFailure{err}
			}
		}
		entries = append(entries, entry)
	}
	return r.ledger.journal.Record(context.WithoutCancel(ctx), entries...)
}
