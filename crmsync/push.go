package crmsync

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/antbuddy/antcrm-go"
)

// Contacts pushes and ensures leads, customers and accounts.
type Contacts struct {
	engine *engine[antcrm.ContactCreateParams, antcrm.ContactUpdateParams, antcrm.ContactRef]
}

// Products pushes and ensures products.
type Products struct {
	engine *engine[antcrm.ProductCreateParams, antcrm.ProductUpdateParams, antcrm.ID]
}

// Orders pushes and ensures orders, which the API calls opportunities.
type Orders struct {
	engine *engine[antcrm.OpportunityCreateParams, antcrm.OpportunityUpdateParams, antcrm.ID]
}

// Tickets ensures tickets.
type Tickets struct {
	engine *engine[antcrm.TicketCreateParams, antcrm.TicketUpdateParams, antcrm.ID]
}

// Change is what a push did with one record, or would do.
type Change[R any] struct {
	Key     string         // the caller's own key
	Action  Action         // what the record needed
	Ref     R              // the CRM's reference; the zero R where it is not known
	Outcome antcrm.Outcome // what became of it; of Unchanged, and of what needs nothing, OutcomeDone
	Err     error          // why it is not done
	Index   int64          // place in the source, from 0; -1 for a deletion
	Fields  []string       // of an update: the wire names of the fields that changed
	Cleared []string       // those of Fields that the source no longer has: the update clears them
}

// PushOption changes a push.
type PushOption func(*pushConfig) error

type pushConfig struct {
	dryRun      bool
	deletes     bool
	maxDeletes  int
	concurrency int
	isolation   bool
	firstPush   bool
	only        *named
}

const (
	defaultConcurrency = 4
	maxConcurrency     = 1000
)

func newPushConfig(opts []PushOption) (pushConfig, error) {
	cfg := pushConfig{concurrency: defaultConcurrency}
	for _, opt := range opts {
		if opt == nil {
			return cfg, invalid("opts", "a push option is nil")
		}
		if err := opt(&cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// WithDryRun makes the push a plan: the same changes, nothing sent and nothing
// written to the state. What would be sent is OutcomeNotSent without an error;
// what depends on a lookup is OutcomeUnknown.
func WithDryRun() PushOption {
	return func(cfg *pushConfig) error {
		cfg.dryRun = true
		return nil
	}
}

// WithDeletes deletes, once the whole source was read without an error, what an
// earlier push created and source no longer has. If that is more than atMost
// records, the push ends with ErrTooManyDeletes before the first of them: a
// source that was cut short must not empty the CRM. Records that Ensure made, or
// a person, are never deleted.
func WithDeletes(atMost int) PushOption {
	return func(cfg *pushConfig) error {
		if atMost < 0 {
			return invalid("deletes", "is negative")
		}
		cfg.deletes, cfg.maxDeletes = true, atMost
		return nil
	}
}

// WithConcurrency sets how many requests are under way at a time. The default
// is 4.
func WithConcurrency(n int) PushOption {
	return func(cfg *pushConfig) error {
		if n < 1 || n > maxConcurrency {
			return invalid("concurrency", "must be between 1 and 1000")
		}
		cfg.concurrency = n
		return nil
	}
}

// WithIsolation halves a package that the server has refused until the bad
// records stand alone: see antcrm.WithIsolation.
func WithIsolation() PushOption {
	return func(cfg *pushConfig) error {
		cfg.isolation = true
		return nil
	}
}

// WithFields says which fields the source speaks of, by their wire names, such as
// "phones": the others of a record that exists are neither compared nor sent, and stay
// as they are in the CRM. Without it the source speaks of all, and a field that a record
// no longer has is cleared. Use it for a source that lacks fields, such as a file
// without the column. A record that is created is sent whole.
func WithFields(names ...string) PushOption {
	return func(cfg *pushConfig) error {
		sorted := slices.Sorted(slices.Values(names))
		cfg.only = &named{names: make(map[string]bool, len(names)), mark: []byte("\x00" + strings.Join(sorted, ","))}
		for _, name := range sorted {
			cfg.only.names[name] = true
		}
		return nil
	}
}

// Push makes the CRM's contacts what source says, recognized by ExternalID: it
// creates what is new (POST /contacts/package, up to 100 a request), updates
// what changed since the last push (PUT /contacts, the changed fields only) and
// sends nothing for the rest. It yields one Change for each record of the
// source, in no order, and one for each deletion.
//
// Source may be of any length and in any order; it is read once, in the caller's
// goroutine, in constant memory. A key that it has twice is a DuplicateKeyError
// for the second record. An invalid record is an antcrm.ErrValidation that names
// its place; the others are sent.
//
// The sequence's own error, with the zero Change, ends the push: the source's,
// the state's, the context's, ErrTooManyDeletes, or a refusal that would meet any
// record (401, 403). What was sent before it is in the state. Breaking out stops
// the push: requests under way are finished, the rest is not sent.
//
// A record whose creation was sent and not answered is never sent again on a
// guess: see State.Unknown. Run the push again and it looks the record up.
//
// Before the first creation by a state that has created none, the CRM's list is read
// once (GET /contacts; one request if the CRM is empty). If it has a record of the
// source, the state is new or was lost: the push ends with ErrNotAdopted before that
// record is created a second time. See Adopt, and WithFirstPush. A list that shows no
// keys is searched for three of the records by what they hold. A later push looks three
// of the records up that it is about to create, contacts by key, products by code, orders
// by customer and phone: a state that is an old backup, or not the only one of the
// account, does not know them.
func (c *Contacts) Push(ctx context.Context, source iter.Seq2[antcrm.ContactCreateParams, error], opts ...PushOption) iter.Seq2[Change[antcrm.ContactRef], error] {
	return c.engine.push(ctx, source, opts)
}

// Push makes the CRM's products what source says, recognized by ExternalID: see
// Contacts.Push. Products are created one by one (POST /products), since the API
// has no package of them.
func (p *Products) Push(ctx context.Context, source iter.Seq2[antcrm.ProductCreateParams, error], opts ...PushOption) iter.Seq2[Change[antcrm.ID], error] {
	return p.engine.push(ctx, source, opts)
}

// Push makes the CRM's orders what source says, recognized by ExternalID, which
// an order needs here: see Contacts.Push. They are created by packages (POST
// /opportunities/package) and updated by the remembered number (PUT
// /opportunities). An update always has the order's value, where the source has
// one: without it the CRM prices the order anew.
func (o *Orders) Push(ctx context.Context, source iter.Seq2[antcrm.OpportunityCreateParams, error], opts ...PushOption) iter.Seq2[Change[antcrm.ID], error] {
	return o.engine.push(ctx, source, opts)
}

// push ranges over the source in the caller's goroutine.
func (e *engine[P, U, R]) push(ctx context.Context, source iter.Seq2[P, error], opts []PushOption) iter.Seq2[Change[R], error] {
	return func(yield func(Change[R], error) bool) {
		cfg, err := newPushConfig(opts)
		switch {
		case err != nil:
		case e == nil:
			err = invalid("syncer", "was not made by New")
		case ctx == nil:
			err = invalid("ctx", "is nil")
		case source == nil:
			err = invalid("source", "is nil")
		}
		if err != nil {
			yield(Change[R]{}, err)
			return
		}
		run, err := newPushRun(ctx, e, cfg)
		if err != nil {
			yield(Change[R]{}, err)
			return
		}
		run.run(source, yield)
	}
}
