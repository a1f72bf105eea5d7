package crmsync

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// Ensure makes the CRM have this contact as it is given, recognized by
// ExternalID, and returns its reference: it is created if it is not there,
// updated if it changed since it was last sent, and left alone otherwise. However
// many goroutines, processes and machines call it at once with one state, and
// whenever one of them crashes, the contact is created once.
//
// Before its first creation the key is looked up (GET /contacts with
// customerIdApiRing): a contact that carries it is taken over and updated. That
// filter is not documented; if the server does not know it, nothing is taken
// over, and the state alone says what is there. If the lookup fails, nothing is
// created, and the error is the lookup's.
//
// The record is compared with what was last sent, and not with the CRM. A record that
// is as it was sends nothing, even if a person has changed or deleted it there; an
// update of one that was deleted is antcrm.ErrNotFound. What is given is taken for
// the newest: the source of events that may come late or twice must pass the record as
// it is now, not as the event has it.
//
// Calls for the same key wait for one another. If an earlier request may still
// be under way, or it cannot be told what became of it, the error is
// antcrm.ErrOutcomeUnknown: call again later (see WithSettle), or see
// State.Unknown. After ErrFixedField the other fields were sent. Any other error
// means that nothing was done.
func (c *Contacts) Ensure(ctx context.Context, record antcrm.ContactCreateParams) (antcrm.ContactRef, error) {
	return c.engine.ensure(ctx, record)
}

// Ensure makes the CRM have this product, recognized by ExternalID, and returns
// its code: see Contacts.Ensure. Before its first creation the code is looked up
// (GET /products); a product of that code which carries the key is taken over.
func (p *Products) Ensure(ctx context.Context, record antcrm.ProductCreateParams) (antcrm.ID, error) {
	return p.engine.ensure(ctx, record)
}

// Ensure makes the CRM have this order, recognized by ExternalID, and returns
// its number: see Contacts.Ensure. Orders cannot be looked up by the caller's
// own key, so one that another system created is not recognized before Adopt.
func (o *Orders) Ensure(ctx context.Context, record antcrm.OpportunityCreateParams) (antcrm.ID, error) {
	return o.engine.ensure(ctx, record)
}

// Ensure makes the CRM have this ticket, recognized by ExternalID, and returns
// its TicketId: see Contacts.Ensure. Tickets cannot be looked up by the caller's
// own key, so one that another system created is not recognized before Adopt.
func (t *Tickets) Ensure(ctx context.Context, record antcrm.TicketCreateParams) (antcrm.ID, error) {
	return t.engine.ensure(ctx, record)
}

const (
	minPoll = 20 * time.Millisecond
	maxPoll = 500 * time.Millisecond
)

// ensureRun is one call of Ensure.
type ensureRun[P, U, R any] struct {
	*engine[P, U, R]
	d    *digester
	item item[P]
	poll time.Duration
}

func (e *engine[P, U, R]) ensure(ctx context.Context, record P) (ref R, err error) {
	switch {
	case e == nil:
		return ref, invalid("syncer", "was not made by New")
	case ctx == nil:
		return ref, invalid("ctx", "is nil")
	}
	r := &ensureRun[P, U, R]{engine: e, d: newDigester(e.core.secret), item: item[P]{index: -1, record: record}, poll: minPoll}
	if e.prepare(r.d, &r.item); r.item.err != nil {
		return ref, r.item.err
	}
	if err := e.valid(ctx, &r.item); err != nil {
		return ref, err
	}
	for {
		ref, done, err := r.step(ctx)
		if done || err != nil {
			return ref, err
		}
	}
}

// step reads what the state knows and does the next thing. It reports done once
// the record is as it should be.
func (r *ensureRun[P, U, R]) step(ctx context.Context) (ref R, done bool, err error) {
	known, err := r.core.state.row(ctx, r.spec.kind, r.item.key)
	switch {
	case err != nil:
		return ref, false, err
	case known == nil:
		return r.create(ctx)
	case known.intent != nil:
		return ref, false, r.await(ctx, known)
	case bytes.Equal(known.digest, r.item.digest):
		ref, err = r.spec.readRef(known.ref, "")
		return ref, true, err
	}
	return r.update(ctx, known, "", nil)
}

// create makes a record that the state does not know.
func (r *ensureRun[P, U, R]) create(ctx context.Context) (ref R, done bool, err error) {
	c, err := r.claimOf(r.d, &r.item)
	if err != nil {
		return ref, false, err
	}
	held, owner, release := r.core.lease.hold(ctx)
	defer release()
	token, claimed, err := r.core.claim(ctx, r.spec.kind, owner, Create, byEnsure, []claim{c})
	if err != nil || !claimed[r.item.key] {
		return ref, false, err // somebody was faster: look again
	}
	if adopted, found, err := r.adopt(held, token); err != nil || found {
		return adopted, false, err
	}
	reply := r.createAll(held, []P{r.item.record}, false)[0]
	end := ending{key: r.item.key, what: endingOf(reply.outcome)}
	if reply.outcome == antcrm.OutcomeDone {
		end.ref, end.fresh = r.spec.refText(reply.ref), true
		r.learn(&r.item.record, end.ref)
	}
	err = r.finish(ctx, token, end, reply.err)
	if heldBack(ctx, reply.outcome, reply.err) {
		return ref, false, nil
	}
	if err != nil {
		return ref, true, err
	}
	return reply.ref, true, nil
}

// heldBack reports whether nothing was sent only because the state was slow: the
// caller still waits, so the next step tries again. It ends with the state's own
// error if that cannot be written at all.
func heldBack(ctx context.Context, outcome antcrm.Outcome, err error) bool {
	return ctx.Err() == nil && outcome == antcrm.OutcomeNotSent && errors.Is(err, ErrStateLost)
}

// adopt takes over a record that carries the key already. A lookup that failed
// says nothing, so that the call ends with its error: to create the record all the
// same might create it twice.
func (r *ensureRun[P, U, R]) adopt(ctx context.Context, token string) (ref R, found bool, err error) {
	if r.spec.byKey == nil {
		return ref, false, nil
	}
	body, err := fieldsOf(r.item.body)
	if err != nil {
		return ref, false, err
	}
	fields := r.spec.fieldDigests(r.d, r.item.key, body)
	ref, found, err = r.spec.byKey(ctx, &r.item.record, r.item.key)
	switch {
	case err == nil && found:
		end := ending{key: r.item.key, what: confirmed, ref: r.spec.refText(ref), fresh: true, digest: adoptedDigest, fields: fields.only(isFixed)}
		return ref, true, r.finish(ctx, token, end, nil)
	case err == nil, filterUnknown(err):
		return ref, false, nil
	case errors.Is(err, ErrStateLost):
		return ref, false, nil // what is sent next ends with it, too
	}
	return ref, false, r.finish(ctx, token, ending{key: r.item.key, what: refused}, err)
}

// filterUnknown reports whether a lookup found nothing, or met a server that does
// not know its filter.
func filterUnknown(err error) bool {
	if errors.Is(err, antcrm.ErrFilterIgnored) || errors.Is(err, antcrm.ErrNotFound) {
		return true
	}
	answered, ok := errors.AsType[*antcrm.APIError](err)
	return ok && (answered.StatusCode == http.StatusBadRequest || answered.StatusCode == http.StatusUnprocessableEntity)
}

// finish records an outcome and returns the error of the call, or why it could
// not be recorded.
func (r *ensureRun[P, U, R]) finish(ctx context.Context, token string, end ending, callErr error) error {
	ends := []ending{end}
	foreign, err := r.core.finish(ctx, r.spec.kind, token, ends)
	switch {
	case callErr != nil:
		return callErr
	case err != nil:
		return &UnknownError{Reason: "the request was carried out, and the state could not record it", Err: err}
	case len(foreign) > 0:
		return errSettledMeanwhile
	case ends[0].isShared():
		return errSharedRef
	}
	return nil
}

// update sends what changed. token is that of an intent taken over, "" for a new one.
func (r *ensureRun[P, U, R]) update(ctx context.Context, known *row, token string, maybe fieldSet) (ref R, done bool, err error) {
	u, err := r.updateOf(r.d, job[P]{item: r.item, row: known, maybe: maybe})
	if err != nil {
		return ref, false, err
	}
	switch {
	case u.needed:
	case token != "":
		return u.ref, true, r.finish(ctx, token, ending{key: r.item.key, what: released}, u.result.Err)
	case known.adopted() && u.result.Err == nil:
		return u.ref, true, r.core.state.confirmSame(ctx, r.spec.kind, []claim{u.claim})
	default:
		return u.ref, true, u.result.Err
	}
	held, owner, release := r.core.lease.hold(ctx)
	defer release()
	if token == "" {
		var claimed map[string]bool
		token, claimed, err = r.core.claim(ctx, r.spec.kind, owner, Update, byEnsure, []claim{u.claim})
		if err != nil || !claimed[r.item.key] {
			return ref, false, err
		}
	}
	result, end := r.put(held, u)
	switch {
	case end.what == refused && maybe != nil:
		end.what = released
	case end.what == confirmed && end.digest == nil:
		end.digest, end.fields = u.claim.want, u.claim.fields
	}
	err = r.finish(ctx, token, end, result.Err)
	if heldBack(ctx, result.Outcome, result.Err) {
		return ref, false, nil
	}
	return u.ref, true, err
}

// await waits while another process sends, or finds out what became of a request
// whose process is gone.
func (r *ensureRun[P, U, R]) await(ctx context.Context, known *row) error {
	in := known.intent
	if in.action == Adopt {
		return errDoubled()
	}
	repeat := in.owner == "" && in.action == Update && bytes.Equal(in.want, r.item.digest)
	if in.age < r.core.settle && !repeat {
		if in.owner == "" {
			return r.young()
		}
		err := sleep(ctx, min(r.poll, max(r.core.settle-in.age, minPoll)))
		r.poll = min(r.poll*3/2, maxPoll)
		return err
	}
	held, owner, release := r.core.lease.hold(ctx)
	defer release()
	token, taken, err := r.core.state.takeOver(ctx, r.spec.kind, r.item.key, in, owner)
	if err != nil || !taken {
		return err // somebody was faster: look again
	}
	switch in.action {
	case Create:
		_, err = r.settleCreate(held, &r.item, in, token)
	case Update:
		maybe := fieldSet(in.fields)
		if maybe == nil {
			maybe = fieldSet{}
		}
		_, _, err = r.update(ctx, known, token, maybe)
	default:
		_, end := r.deleteOne(held, known)
		err = r.finish(ctx, token, end, nil)
	}
	return err
}
