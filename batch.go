package antcrm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxBatchSize is how many records one request of a batch may carry (the
// vendor's page: every /package endpoint, and /segments/set-contact).
const MaxBatchSize = 100

const defaultConcurrency = 4

// Outcome says what became of a record.
type Outcome int

// The outcomes. The zero value is the one that promises nothing.
const (
	// OutcomeUnknown: sent, no usable answer; it may have been carried out.
	OutcomeUnknown Outcome = iota
	// OutcomeDone: the server has confirmed it.
	OutcomeDone
	// OutcomeRejected: the server said no.
	OutcomeRejected
	// OutcomeNotSent: it never left this process.
	OutcomeNotSent
)

// String returns unknown, done, rejected or not sent.
func (o Outcome) String() string {
	switch o {
	case OutcomeUnknown:
		return "unknown"
	case OutcomeDone:
		return "done"
	case OutcomeRejected:
		return "rejected"
	case OutcomeNotSent:
		return "not sent"
	}
	return "outcome " + strconv.Itoa(int(o))
}

// outcomeOf classifies the error of a write.
func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OutcomeDone
	case errors.Is(err, ErrOutcomeUnknown):
		return OutcomeUnknown
	case errors.Is(err, ErrValidation):
		return OutcomeNotSent
	}
	if answered, ok := errors.AsType[*APIError](err); ok && answered.Attempts > 0 {
		return OutcomeRejected
	}
	return OutcomeNotSent
}

// BatchResult is what became of a batch.
type BatchResult[R any] struct {
	Results  []R            // index i answers input i; the zero R where it was not confirmed
	Failures []BatchFailure // runs of inputs that were not confirmed, in input order
}

// BatchFailure is a run of inputs that were not confirmed.
type BatchFailure struct {
	First, Count int     // the run of inputs
	Outcome      Outcome // what is known of them
	Err          error   // why
}

// BatchError is returned by a batch method when not every record was
// confirmed. errors.Is and errors.As reach the cause of each failure.
type BatchError struct {
	Failures []BatchFailure // as in the BatchResult

	op    string
	total int
}

// Error is one line: how many records failed, and the first few causes.
func (e *BatchError) Error() string {
	const shown = 3
	failed := 0
	for _, failure := range e.Failures {
		failed += failure.Count
	}
	var b strings.Builder
	fmt.Fprintf(&b, "antcrm: %s: %d of %d records not confirmed", e.op, failed, e.total)
	for i, failure := range e.Failures {
		if i == shown {
			fmt.Fprintf(&b, "; and %d more", len(e.Failures)-shown)
			break
		}
		fmt.Fprintf(&b, "; %s %s: %v", failure.records(), failure.Outcome, failure.Err)
	}
	return oneLine(b.String(), 8*maxErrorMessage)
}

func (f BatchFailure) records() string {
	if f.Count == 1 {
		return "record " + strconv.Itoa(f.First)
	}
	return fmt.Sprintf("records %d to %d", f.First, f.First+f.Count-1)
}

// Unwrap returns the causes.
func (e *BatchError) Unwrap() []error {
	causes := make([]error, 0, len(e.Failures))
	for _, failure := range e.Failures {
		if failure.Err != nil {
			causes = append(causes, failure.Err)
		}
	}
	return causes
}

// BatchProgress is how far a batch has come, in records.
type BatchProgress struct {
	Total     int // records in the batch; 0 in an import, whose length is not known
	Confirmed int // done
	Failed    int // rejected, unknown or not sent
}

// BatchOption changes a batch or an import.
type BatchOption func(*batchConfig) error

type batchConfig struct {
	concurrency int
	chunkSize   int
	stopOnError bool
	isolation   bool
	progress    func(BatchProgress)
	callOptions []CallOption
	call        *callConfig

	// Of imports only.
	journal       Journal
	resolver      any // func(context.Context, UnknownChunk[P]) ([]Resolution[R], error)
	retryRejected bool
}

func newBatchConfig(opts []BatchOption) (*batchConfig, error) {
	cfg := &batchConfig{concurrency: defaultConcurrency, chunkSize: MaxBatchSize}
	for i, opt := range opts {
		if opt == nil {
			return nil, invalid("opts", fmt.Sprintf("batch option %d is nil", i))
		}
		if err := opt(cfg); err != nil {
			return nil, err
		}
	}
	call, err := newCallConfig(cfg.callOptions)
	if err != nil {
		return nil, err
	}
	if call.response != nil {
		return nil, invalid("response", "a batch has no single response")
	}
	cfg.call = call
	return cfg, nil
}

// WithConcurrency sets how many requests of a batch are under way at a time.
// The default is 4.
func WithConcurrency(n int) BatchOption {
	return func(cfg *batchConfig) error {
		if n < 1 {
			return invalid("concurrency", "must be at least 1")
		}
		cfg.concurrency = n
		return nil
	}
}

// WithChunkSize sets how many records a request carries: 1 to 100, the default.
func WithChunkSize(n int) BatchOption {
	return func(cfg *batchConfig) error {
		if n < 1 || n > MaxBatchSize {
			return invalid("chunkSize", fmt.Sprintf("must be between 1 and %d", MaxBatchSize))
		}
		cfg.chunkSize = n
		return nil
	}
}

// WithStopOnError stops a batch at its first failure: requests under way are
// finished, the other records are OutcomeNotSent. An import that is run again
// tells once more what its journal has of failures, and is not stopped by them.
func WithStopOnError() BatchOption {
	return func(cfg *batchConfig) error {
		cfg.stopOnError = true
		return nil
	}
}

// WithIsolation halves a chunk that the server has rejected until the bad
// records stand alone, each with its own error, and the good ones are
// confirmed. Only a rejection that can be a record's fault is halved (400,
// 409, 413, 422, a falsy success), never an unknown outcome. A chunk of 100
// with one bad record takes at most 15 requests.
func WithIsolation() BatchOption {
	return func(cfg *batchConfig) error {
		cfg.isolation = true
		return nil
	}
}

// WithProgress calls report each time records of a batch have their outcome (a
// chunk that WithIsolation halves has none yet), one call at a time.
func WithProgress(report func(BatchProgress)) BatchOption {
	return func(cfg *batchConfig) error {
		if report == nil {
			return invalid("progress", "is nil")
		}
		cfg.progress = report
		return nil
	}
}

// WithCallOptions applies options to every request of a batch.
func WithCallOptions(opts ...CallOption) BatchOption {
	return func(cfg *batchConfig) error {
		cfg.callOptions = append(cfg.callOptions, opts...)
		return nil
	}
}

// bulk is a package endpoint: all that a resource file says of it.
type bulk[P, R any] struct {
	*core
	op     string // "create contacts"
	method string
	path   string
	// group keeps records apart that must not share a request; nil: none.
	group func(*P) string
	// body is what a request carries; nil: the array of records.
	body func([]*P) any
	// refs reads the references that the answer gives, one a record.
	refs func(a *answer, group string, count int) ([]R, error)
}

// encode is the body of a chunk.
func (b bulk[P, R]) encode(records []*P) ([]byte, error) {
	if b.body != nil {
		return encodeBody(b.body(records))
	}
	return encodeBody(records)
}

// sendEncoded sends the body of a chunk of count records of one group.
func (b bulk[P, R]) sendEncoded(ctx context.Context, body []byte, group string, count int, cfg *callConfig) ([]R, error) {
	var refs []R
	req := &request{op: b.op, method: b.method, path: b.path, body: body}
	err := b.call(ctx, req, cfg, func(a *answer) (err error) {
		refs, err = b.refs(a, group, count)
		return err
	})
	return refs, err
}

func (b bulk[P, R]) groupOf(record *P) string {
	if b.group == nil {
		return ""
	}
	return b.group(record)
}

// RecordFault reports whether a call was refused for what can be the fault of a
// record in it: 400, 409, 413, 422, or a falsy success. Any other refusal (a
// wrong key, a 404, a 429 to the end) would have met any record, and nothing was
// carried out. WithIsolation and journals go by it.
func RecordFault(err error) bool {
	answered, ok := errors.AsType[*APIError](err)
	if !ok || outcomeOf(err) != OutcomeRejected {
		return false
	}
	switch answered.StatusCode {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return errors.Is(err, ErrRejected)
}

// isolable reports whether a refused chunk may be sent again in halves. One
// whose refusal gives ids may have been carried out in part: that would double
// what was.
func isolable(err error) bool {
	answered, _ := errors.AsType[*APIError](err)
	return RecordFault(err) && !answered.withIDs
}

// leftGoroutine is what is known of a request in which a callback (a transport,
// a limiter, a resolver) has called runtime.Goexit, as a test's FailNow does.
func leftGoroutine(op string) error {
	return fmt.Errorf("antcrm: %s: a callback has left the goroutine of the request: %w", op, ErrOutcomeUnknown)
}

// halve sends a chunk of n records, beginning at the record first, and, as long
// as send says so, its halves in place of it.
func halve(first, n int, send func(first, n int) (again bool)) {
	if !send(first, n) {
		return
	}
	halve(first, n/2, send)
	halve(first+n/2, n-n/2, send)
}

// halves reports whether a chunk of n records that ended in err is to be sent
// in halves.
func (cfg *batchConfig) halves(n int, err error) bool {
	return err != nil && cfg.isolation && n > 1 && isolable(err)
}

// batchRun is a batch in progress.
type batchRun[P, R any] struct {
	bulk[P, R]
	cfg     *batchConfig
	items   []P
	results []R
	stopped atomic.Bool

	mu       sync.Mutex
	causes   []BatchFailure // First and Count unused
	causeOf  []int32        // by input: index into causes, -1 done
	progress BatchProgress
}

// run sends all items and waits for the last answer. The result is never nil.
func (b bulk[P, R]) run(ctx context.Context, items []P, opts []BatchOption) (*BatchResult[R], error) {
	r := &batchRun[P, R]{bulk: b, items: items, results: make([]R, len(items)), causeOf: make([]int32, len(items))}
	r.progress.Total = len(items)
	cfg, err := newBatchConfig(opts)
	if err == nil {
		err = firstError(b.ready(ctx), cfg.withoutImport())
	}
	if err != nil {
		r.failAll(err)
		return r.end(err)
	}
	r.cfg = cfg
	if r.refuseInvalid() {
		return r.end(nil)
	}
	for i := range r.causeOf {
		r.causeOf[i] = notBegun
	}
	r.sendAll(ctx)
	return r.end(nil)
}

// ready reports what keeps a bulk write from beginning.
func (b bulk[P, R]) ready(ctx context.Context) error {
	if ctx == nil {
		return invalid("ctx", "is nil")
	}
	if b.core == nil {
		return invalid("client", "was not made by NewClient")
	}
	return nil
}

// withoutImport refuses the options that only an import can honour.
func (cfg *batchConfig) withoutImport() error {
	if cfg.journal != nil || cfg.resolver != nil || cfg.retryRejected {
		return invalid("journal", "is for imports: see Import")
	}
	return nil
}

const (
	confirmed int32 = -1
	notBegun  int32 = -2
)

// refuseInvalid checks every record before the first is sent.
func (r *batchRun[P, R]) refuseInvalid() bool {
	bad := r.invalid()
	if len(bad) == 0 {
		return false
	}
	others := int32(-1)
	for i := range r.items {
		if err := bad[i]; err != nil {
			r.causeOf[i] = r.addCause(OutcomeNotSent, err)
			continue
		}
		if others < 0 {
			others = r.addCause(OutcomeNotSent, fmt.Errorf("antcrm: %s: not sent because other records are invalid", r.op))
		}
		r.causeOf[i] = others
	}
	return true
}

// invalid are the errors of bad records, by place. Nothing can be sent before
// all are checked, so every core takes its part of them.
func (r *batchRun[P, R]) invalid() map[int]error {
	const least = 500 // fewer are not worth a goroutine
	var (
		mu       sync.Mutex
		bad      = map[int]error{}
		checkers sync.WaitGroup
		part     = max(least, len(r.items)/runtime.GOMAXPROCS(0)+1)
	)
	for first := 0; first < len(r.items); first += part {
		checkers.Go(func() {
			for i := first; i < min(first+part, len(r.items)); i++ {
				if err := checkRecord(&r.items[i], i); err != nil {
					mu.Lock()
					bad[i] = err
					mu.Unlock()
				}
			}
		})
	}
	checkers.Wait()
	return bad
}

// checkRecord checks one record of a batch; its errors name the index.
func checkRecord[P any](record *P, index int) error {
	body, ok := any(record).(params)
	if !ok {
		return nil
	}
	err := checkParams(body)
	if failure, ok := errors.AsType[*ValidationError](err); ok {
		failure.Index = index
	}
	return err
}

func (r *batchRun[P, R]) addCause(outcome Outcome, err error) int32 {
	r.causes = append(r.causes, BatchFailure{Outcome: outcome, Err: err})
	return int32(len(r.causes) - 1)
}

func (r *batchRun[P, R]) failAll(err error) {
	cause := r.addCause(OutcomeNotSent, err)
	for i := range r.causeOf {
		r.causeOf[i] = cause
	}
}

// batchChunk is one request, unless it is halved.
type batchChunk struct {
	at   []int // its inputs
	body []byte
	err  error // of encoding it
}

// sendAll lets the workers take chunks in input order.
func (r *batchRun[P, R]) sendAll(ctx context.Context) {
	chunks := r.chunks()
	width := min(r.cfg.concurrency, len(chunks))
	ready := make(chan batchChunk, width)
	enough := make(chan struct{})
	var encoder, workers sync.WaitGroup
	encoder.Go(func() { r.encodeAhead(chunks, ready, enough) })
	for range width {
		workers.Go(func() {
			for c := range ready {
				if r.stopped.Load() || ctx.Err() != nil {
					return
				}
				halve(0, len(c.at), func(first, n int) bool { return r.deliver(ctx, r.part(c, first, n)) })
			}
		})
	}
	workers.Wait()
	close(enough)
	encoder.Wait()
	r.explainNotBegun(ctx)
}

// encodeAhead encodes chunks while others are on their way, so that a worker
// whose answer has come has the next one to send: one a worker at most, to
// bound the memory.
func (r *batchRun[P, R]) encodeAhead(chunks [][]int, ready chan<- batchChunk, enough <-chan struct{}) {
	defer close(ready)
	for _, at := range chunks {
		select {
		case ready <- r.encoded(at):
		case <-enough:
			return
		}
	}
}

func (r *batchRun[P, R]) encoded(at []int) batchChunk {
	records := make([]*P, len(at))
	for i, input := range at {
		records[i] = &r.items[input]
	}
	body, err := r.encode(records)
	return batchChunk{at: at, body: body, err: err}
}

// part is a chunk, or one that holds some of its records.
func (r *batchRun[P, R]) part(c batchChunk, first, n int) batchChunk {
	if n == len(c.at) {
		return c
	}
	return r.encoded(c.at[first : first+n])
}

// explainNotBegun says why the inputs that are left were not sent.
func (r *batchRun[P, R]) explainNotBegun(ctx context.Context) {
	reason := fmt.Errorf("antcrm: %s: not sent because an earlier record failed", r.op)
	if err := contextError(ctx); err != nil {
		reason = fmt.Errorf("antcrm: %s: not sent: %w", r.op, err)
	}
	cause := int32(-1)
	for i := range r.causeOf {
		if r.causeOf[i] == notBegun {
			if cause < 0 {
				cause = r.addCause(OutcomeNotSent, reason)
			}
			r.causeOf[i] = cause
		}
	}
}

// chunks cuts the inputs into requests: indexes of one group, in input order.
func (r *batchRun[P, R]) chunks() [][]int {
	var chunks [][]int
	open := map[string]int{} // group: its chunk that has room
	for i := range r.items {
		group := r.groupOf(&r.items[i])
		at, ok := open[group]
		if !ok {
			at = len(chunks)
			open[group] = at
			chunks = append(chunks, make([]int, 0, r.cfg.chunkSize))
		}
		chunks[at] = append(chunks[at], i)
		if len(chunks[at]) == r.cfg.chunkSize {
			delete(open, group)
		}
	}
	return chunks
}

// deliver sends a chunk and reports whether its halves are to be sent instead.
func (r *batchRun[P, R]) deliver(ctx context.Context, c batchChunk) (again bool) {
	if r.stopped.Load() || ctx.Err() != nil {
		return false
	}
	var refs []R
	err := c.err
	defer func() {
		if !again {
			r.record(c.at, refs, err)
		}
	}()
	if err == nil {
		err = leftGoroutine(r.op) // if the request never returns
		refs, err = r.sendEncoded(ctx, c.body, r.groupOf(&r.items[c.at[0]]), len(c.at), r.cfg.call)
	}
	return r.cfg.halves(len(c.at), err)
}

func (r *batchRun[P, R]) record(chunk []int, refs []R, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	cause := confirmed
	if err != nil {
		cause = r.addCause(outcomeOf(err), err)
		if r.cfg.stopOnError {
			r.stopped.Store(true)
		}
	}
	for i, at := range chunk {
		r.causeOf[at] = cause
		if err == nil && refs != nil {
			r.results[at] = refs[i]
		}
	}
	if err == nil {
		r.progress.Confirmed += len(chunk)
	} else {
		r.progress.Failed += len(chunk)
	}
	if r.cfg.progress != nil {
		r.cfg.progress(r.progress)
	}
}

// end turns the causes into runs. err is for a batch of no records that is
// invalid all the same.
func (r *batchRun[P, R]) end(err error) (*BatchResult[R], error) {
	result := &BatchResult[R]{Results: r.results}
	for i := 0; i < len(r.causeOf); {
		cause, first := r.causeOf[i], i
		for i < len(r.causeOf) && r.causeOf[i] == cause {
			i++
		}
		if cause == confirmed {
			continue
		}
		failure := r.causes[cause]
		failure.First, failure.Count = first, i-first
		result.Failures = append(result.Failures, failure)
	}
	if len(result.Failures) == 0 {
		return result, err
	}
	return result, &BatchError{Failures: result.Failures, op: r.op, total: len(r.items)}
}
