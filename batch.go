package antcrm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// MaxBatchSize is how many records one request of a batch may carry. The vendor's page says so for every /package
// endpoint and for /segments/set-contact.
const MaxBatchSize = 100

const defaultConcurrency = 4

// BatchOption configures one batch or import.
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
	replacedKey   bool
	settle        *time.Duration // nil: the default
}

func newBatchConfig(opts []BatchOption) (*batchConfig, error) {
	cfg := &batchConfig{concurrency: defaultConcurrency, chunkSize: MaxBatchSize}
	if err := applyOptions(cfg, "batch option", opts); err != nil {
		return nil, err
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

// WithConcurrency sets how many requests of a batch or an import run at a time. The default is 4.
func WithConcurrency(n int) BatchOption {
	return func(cfg *batchConfig) error {
		if n < 1 {
			return invalid("concurrency", "must be at least 1")
		}
		cfg.concurrency = n
		return nil
	}
}

// WithChunkSize sets how many records a request carries, 1 to 100. The default is 100.
func WithChunkSize(n int) BatchOption {
	return func(cfg *batchConfig) error {
		if n < 1 || n > MaxBatchSize {
			return invalid("chunkSize", fmt.Sprintf("must be between 1 and %d", MaxBatchSize))
		}
		cfg.chunkSize = n
		return nil
	}
}

// WithStopOnError stops a batch or an import at its first failure. Requests under way are finished; the records that
// remain are OutcomeNotSent. A resumed import reports the failures in its journal again; they do not stop it.
func WithStopOnError() BatchOption {
	return func(cfg *batchConfig) error {
		cfg.stopOnError = true
		return nil
	}
}

// WithIsolation finds the bad records of a rejected chunk. It sends the chunk again in halves until each bad record
// stands alone, with its own error, and the good ones are confirmed. A chunk of 100 with one bad record takes at most
// 15 requests.
//
// It assumes that a refused package wrote nothing (our decision: the vendor does not say). If your server writes the
// good records of a package that it refuses, this option creates them again, up to seven times. Ask your server before
// you set it: package probe with its WithWrites, or "antcrm doctor --contract --write", answers the question
// package-partial.
//
// It halves only a rejection that may be a record's fault (RecordFault), never an unknown outcome, and never a refusal
// that comes with ids.
func WithIsolation() BatchOption {
	return func(cfg *batchConfig) error {
		cfg.isolation = true
		return nil
	}
}

// WithProgress calls report each time the outcome of some records becomes known. A chunk that WithIsolation halves is
// reported by its halves. It makes one call at a time.
func WithProgress(report func(BatchProgress)) BatchOption {
	return func(cfg *batchConfig) error {
		if report == nil {
			return invalid("progress", "is nil")
		}
		cfg.progress = report
		return nil
	}
}

// WithCallOptions applies options to every request of a batch or an import.
func WithCallOptions(opts ...CallOption) BatchOption {
	opts = slices.Clone(opts)
	return func(cfg *batchConfig) error {
		cfg.callOptions = append(cfg.callOptions, opts...)
		return nil
	}
}

// bulk describes a package endpoint: a resource file fills it in.
type bulk[P, R any] struct {
	*core
	op     string // "create contacts"
	method string
	path   string
	// group names the group of a record: a request has records of one group. Nil: all records are of one.
	group func(*P) string
	// body makes the body of a request. Nil: it is the array of records.
	body func([]*P) any
	// refs reads the references from the answer, one for each of the records that were sent.
	refs func(a *answer, records []P) ([]R, error)
}

// encode encodes the body of a chunk.
func (b bulk[P, R]) encode(records []*P) ([]byte, error) {
	if b.body != nil {
		return encodeBody(b.body(records))
	}
	return encodeBody(records)
}

// sendEncoded sends the body of a chunk of records of one group.
func (b bulk[P, R]) sendEncoded(ctx context.Context, body []byte, records []P, cfg *callConfig) ([]R, error) {
	var refs []R
	req := &request{op: b.op, method: b.method, path: b.path, body: body}
	err := b.call(ctx, req, cfg, func(a *answer) (err error) {
		refs, err = b.refs(a, records)
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

// runBatch imports a slice and gathers the results. The result is never nil.
func (b bulk[P, R]) runBatch(ctx context.Context, items []P, opts []BatchOption) (*BatchResult[R], error) {
	g := newGathering[R](b.op, len(items))
	cfg, err := newBatchConfig(opts)
	if err == nil {
		err = firstError(b.ready(ctx), cfg.withoutImport())
	}
	if err != nil {
		return g.end(err, err)
	}
	if bad := invalidRecords(items); len(bad) > 0 {
		for i, err := range bad {
			g.add([]int64{int64(i)}, nil, OutcomeNotSent, err)
		}
		return g.end(fmt.Errorf("antcrm: %s: %w", b.op, errOthersInvalid), nil)
	}
	r := newBulkRun(b, cfg, g.event)
	r.checked, r.ahead, r.progress.Total = true, cfg.concurrency, len(items)
	_ = r.run(ctx, func(yield func(P, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}) // it has no error of its own: every failure is one of records
	if left := len(items) - r.progress.Confirmed - r.progress.Failed; left > 0 && cfg.progress != nil {
		r.progress.Failed += left
		cfg.progress(r.progress)
	}
	rest := fmt.Errorf("antcrm: %s: not sent because an earlier record failed", b.op)
	if err := contextError(ctx); err != nil {
		rest = fmt.Errorf("antcrm: %s: not sent: %w", b.op, err)
	}
	return g.end(rest, nil)
}

// ready reports why a bulk write cannot begin.
func (b bulk[P, R]) ready(ctx context.Context) error {
	if ctx == nil {
		return invalid("ctx", "is nil")
	}
	if b.core == nil {
		return invalid("client", "was not made by NewClient")
	}
	return nil
}

// withoutImport refuses the options that are for imports only.
func (cfg *batchConfig) withoutImport() error {
	if cfg.journal != nil || cfg.needsJournal() {
		return invalid("journal", "is for imports: see Import")
	}
	return nil
}

func (cfg *batchConfig) needsJournal() bool {
	return cfg.resolver != nil || cfg.retryRejected || cfg.replacedKey || cfg.settle != nil
}

// invalidRecords returns the errors of the invalid records, by index. Nothing is sent before all records are checked,
// so every core checks its share.
func invalidRecords[P any](items []P) map[int]error {
	const least = 500 // a goroutine for fewer does not pay
	var (
		mu       sync.Mutex
		bad      = map[int]error{}
		checkers sync.WaitGroup
		share    = max(least, len(items)/runtime.GOMAXPROCS(0)+1)
	)
	for first := 0; first < len(items); first += share {
		checkers.Go(func() {
			for i := first; i < min(first+share, len(items)); i++ {
				if err := checkRecord(&items[i], i); err != nil {
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
	body, ok := any(record).(validator)
	if !ok {
		return nil
	}
	err := checkParams(body)
	if failure, ok := errors.AsType[*ValidationError](err); ok {
		failure.Index = index
	}
	return err
}

// gathering collects the results of a batch, by input.
type gathering[R any] struct {
	op      string
	results []R
	causes  []BatchFailure // without First and Count
	causeOf []int          // by input: an index into causes, or one of the constants
}

const (
	confirmed = -1
	notBegun  = -2
)

func newGathering[R any](op string, total int) *gathering[R] {
	g := &gathering[R]{op: op, results: make([]R, total), causeOf: make([]int, total)}
	for i := range g.causeOf {
		g.causeOf[i] = notBegun
	}
	return g
}

// event adds what the engine reports. Records that were not begun get one common cause at the end.
func (g *gathering[R]) event(e bulkEvent[R]) bool {
	if !e.notBegun {
		g.add(e.at, e.refs, e.outcome, e.err)
	}
	return true
}

func (g *gathering[R]) add(at []int64, refs []R, outcome Outcome, err error) {
	cause := confirmed
	if outcome != OutcomeDone {
		cause = len(g.causes)
		g.causes = append(g.causes, BatchFailure{Outcome: outcome, Err: err})
	}
	for i, input := range at {
		g.causeOf[input] = cause
		if cause == confirmed && i < len(refs) {
			g.results[input] = refs[i]
		}
	}
}

// end turns the causes into runs. rest is the cause of records that were not begun; empty is the error of a batch that
// has no records.
func (g *gathering[R]) end(rest, empty error) (*BatchResult[R], error) {
	result := &BatchResult[R]{Results: g.results}
	for i := 0; i < len(g.causeOf); {
		cause, first := g.causeOf[i], i
		for i < len(g.causeOf) && g.causeOf[i] == cause {
			i++
		}
		if cause == confirmed {
			continue
		}
		failure := BatchFailure{Outcome: OutcomeNotSent, Err: rest}
		if cause != notBegun {
			failure = g.causes[cause]
		}
		failure.First, failure.Count = first, i-first
		result.Failures = append(result.Failures, failure)
	}
	if len(result.Failures) == 0 {
		return result, empty
	}
	return result, &BatchError{Failures: slices.Clone(result.Failures), op: g.op, total: len(g.results)}
}
