package app

import (
	"context"
	"errors"
	"iter"

	"github.com/antbuddy/antcrm-go"
)

func productImport() importing[antcrm.ProductCreateParams, antcrm.ID] {
	type params = antcrm.ProductCreateParams
	return importing[params, antcrm.ID]{
		use: "import FILE", noun: "products", verb: "imported",
		short: "Import products from CSV, Excel or JSON Lines", file: "products",
		long: `Creates a product for each row of FILE, one request each: the API has no other
way. It keeps no journal. If it is killed, nobody knows which rows were sent; go
on with a sync, which looks them up in the CRM first, here and from then on:

  antcrm sync products products.csv --state sqlite:products.db --adopt`,
		required: []string{"name", "code", "productIdApiRing"}, template: []string{"name", "code", "productIdApiRing", "value", "canEdit"},
		changes: []string{"antcrm products update-file --help", "antcrm sync products --help"},
		example: "  antcrm products import products.csv --dry-run\n  antcrm products import products.xlsx --map 'Mã SP=code' --decimal ,",
		run: func(c *antcrm.Client, _ string, b *bulkFlags) importFunc[params, antcrm.ID] {
			create := func(ctx context.Context, p params) (antcrm.ID, error) { return c.Products.Create(ctx, p) }
			return oneByOne(create, b.concurrency, b.stopOnError)
		},
		check: func(ctx context.Context, c *antcrm.Client, _ string, record params) error {
			_, err := c.Products.Create(ctx, record)
			return err
		},
	}
}

// oneByOne is what the API lacks: an import of records that have no request for many, in the shape of the others.
func oneByOne[P, R any](create func(context.Context, P) (R, error), concurrency int, stopOnError bool) importFunc[P, R] {
	return func(ctx context.Context, source iter.Seq2[P, error], _ ...antcrm.BatchOption) iter.Seq2[antcrm.ImportResult[R], error] {
		return func(yield func(antcrm.ImportResult[R], error) bool) {
			run := &oneByOneRun[P, R]{create: create, stopOnError: stopOnError, free: concurrency, results: make(chan antcrm.ImportResult[R], concurrency), yield: yield}
			defer run.finish()
			for record, err := range source {
				if err != nil {
					run.finish()
					run.emit(antcrm.ImportResult[R]{}, err)
					return
				}
				if !run.send(ctx, record) {
					return
				}
			}
		}
	}
}

// oneByOneRun is one such import under way.
type oneByOneRun[P, R any] struct {
	create      func(context.Context, P) (R, error)
	stopOnError bool
	yield       func(antcrm.ImportResult[R], error) bool
	results     chan antcrm.ImportResult[R]
	next        int64 // the index of the next record
	free        int   // requests that may still begin
	inFlight    int
	stop        bool // a record was refused, and that ends the import
	left        bool // nobody listens any more
}

// send begins a record's request once there is room for it. One that is not begun any more is reported as such.
func (r *oneByOneRun[P, R]) send(ctx context.Context, record P) (goOn bool) {
	for r.free == 0 {
		r.take()
	}
	index := r.next
	r.next++
	if r.stop || r.left {
		r.emit(antcrm.ImportResult[R]{Index: index, Outcome: antcrm.OutcomeNotSent, Err: errStopped}, nil)
		return false
	}
	r.free--
	r.inFlight++
	go func() {
		ref, err := r.create(ctx, record)
		r.results <- antcrm.ImportResult[R]{Index: index, Ref: ref, Outcome: outcomeOf(err), Err: err}
	}()
	return true
}

// take waits for one request.
func (r *oneByOneRun[P, R]) take() {
	result := <-r.results
	r.free++
	r.inFlight--
	r.stop = r.stop || r.stopOnError && result.Err != nil
	r.emit(result, nil)
}

func (r *oneByOneRun[P, R]) emit(result antcrm.ImportResult[R], err error) {
	r.left = r.left || !r.yield(result, err)
}

// finish waits for all requests under way.
func (r *oneByOneRun[P, R]) finish() {
	for r.inFlight > 0 {
		r.take()
	}
}

// outcomeOf is what became of a write.
func outcomeOf(err error) antcrm.Outcome {
	_, answered := errors.AsType[*antcrm.APIError](err)
	switch {
	case err == nil:
		return antcrm.OutcomeDone
	case errors.Is(err, antcrm.ErrOutcomeUnknown):
		return antcrm.OutcomeUnknown
	case answered:
		return antcrm.OutcomeRejected
	}
	return antcrm.OutcomeNotSent
}
