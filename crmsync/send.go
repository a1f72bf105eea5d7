package crmsync

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/antbuddy/antcrm-go"
)

var errSharedRef = &UnknownError{Reason: "the CRM answered with the reference of another key's record: look whether it has merged the two, " +
	"and leave one of them out of the source"}

var errSettledMeanwhile = &UnknownError{Reason: "it was settled by somebody else while it was under way: look whether the CRM has it twice"}

// sendCreates sends a package of new records.
func (r *pushRun[P, U, R]) sendCreates(items []item[P]) {
	ctx := r.held()
	d := newDigester(r.core.secret)
	claims := make([]claim, 0, len(items))
	for i := range items {
		c, err := r.claimOf(d, &items[i])
		if err != nil {
			r.fail(err)
			return
		}
		claims = append(claims, c)
	}
	token, claimed, err := r.core.claim(ctx, r.spec.kind, r.owner, Create, byPush, claims)
	if err != nil {
		r.fail(err)
		return
	}
	var mine []item[P]
	var records []P
	for _, it := range items {
		if claimed[it.key] {
			mine, records = append(mine, it), append(records, it.record)
		} else {
			r.report(Change[R]{Key: it.key, Action: Create, Index: it.index, Outcome: antcrm.OutcomeNotSent, Err: ErrBusy})
		}
	}
	if len(mine) == 0 {
		return
	}
	r.finishCreates(ctx, token, mine, r.createAll(ctx, records, r.cfg.isolation))
}

// finishCreates records and reports what became of a package.
func (r *pushRun[P, U, R]) finishCreates(ctx context.Context, token string, items []item[P], replies []reply[R]) {
	changes := make([]Change[R], len(items))
	endings := make([]ending, len(items))
	for i, it := range items {
		changes[i] = Change[R]{Key: it.key, Action: Create, Index: it.index, Ref: replies[i].ref, Outcome: replies[i].outcome, Err: replies[i].err}
		endings[i] = ending{key: it.key, what: endingOf(replies[i].outcome)}
		if replies[i].outcome == antcrm.OutcomeDone {
			endings[i].ref, endings[i].fresh = r.spec.refText(replies[i].ref), true
			r.learn(&it.record, endings[i].ref)
		}
	}
	r.finish(ctx, token, endings, changes)
}

// learn keeps a confirmed record to test lookups on.
func (e *engine[P, U, R]) learn(record *P, ref string) {
	e.trust.learn(e.spec.probes(record, &intent{}), ref)
}

// finish records the endings, and reports the changes whatever became of that.
func (r *pushRun[P, U, R]) finish(ctx context.Context, token string, endings []ending, changes []Change[R]) {
	foreign, err := r.core.finish(ctx, r.spec.kind, token, endings)
	for i := range changes {
		if endings[i].isShared() {
			changes[i].Ref, changes[i].Outcome, changes[i].Err = *new(R), antcrm.OutcomeUnknown, errSharedRef
		}
		for _, key := range foreign {
			if changes[i].Key == key {
				changes[i].Outcome, changes[i].Err = antcrm.OutcomeUnknown, errSettledMeanwhile
			}
		}
	}
	r.report(changes...)
	if err != nil {
		r.fail(err)
		return
	}
	for _, change := range changes {
		if hopeless(change.Err) {
			r.fail(change.Err)
			return
		}
	}
}

// sendUpdates sends changed records, one by one.
func (r *pushRun[P, U, R]) sendUpdates(jobs []job[P]) {
	ctx := r.held()
	d := newDigester(r.core.secret)
	updates := make([]update[P, U, R], 0, len(jobs))
	claims := make([]claim, 0, len(jobs))
	for _, j := range jobs {
		u, err := r.updateOf(d, j)
		if err != nil {
			r.fail(err)
			return
		}
		if !u.needed {
			r.report(u.result)
			continue
		}
		updates, claims = append(updates, u), append(claims, u.claim)
	}
	if len(updates) == 0 {
		return
	}
	token, claimed, err := r.core.claim(ctx, r.spec.kind, r.owner, Update, byPush, claims)
	if err != nil {
		r.fail(err)
		return
	}
	r.putAll(ctx, token, updates, claimed)
}

func (r *pushRun[P, U, R]) putAll(ctx context.Context, token string, updates []update[P, U, R], claimed map[string]bool) {
	var endings []ending
	var changes []Change[R]
	for _, u := range updates {
		if !claimed[u.claim.key] {
			u.result.Outcome, u.result.Err = antcrm.OutcomeNotSent, ErrBusy
			r.report(u.result)
			continue
		}
		if r.ctx.Err() != nil {
			u.result.Outcome, u.result.Err = antcrm.OutcomeNotSent, context.Cause(r.ctx)
			endings, changes = append(endings, ending{key: u.claim.key, what: refused}), append(changes, u.result)
			continue
		}
		result, end := r.put(ctx, u)
		endings, changes = append(endings, end), append(changes, result)
	}
	if len(endings) > 0 {
		r.finish(ctx, token, endings, changes)
	}
}

// update is one changed record, ready to be sent.
type update[P, U, R any] struct {
	claim  claim
	change U
	ref    R
	diff   difference
	old    *row
	needed bool
	result Change[R]
}

// refuse reports whether there is a reason to send nothing, and notes it.
func (u *update[P, U, R]) refuse(reason error) bool {
	if reason == nil {
		return false
	}
	u.result.Outcome, u.result.Err = antcrm.OutcomeNotSent, reason
	return true
}

// updateOf says which fields a changed record sends.
func (e *engine[P, U, R]) updateOf(d *digester, j job[P]) (u update[P, U, R], err error) {
	it := &j.item
	u.old = j.row
	u.result = Change[R]{Key: it.key, Action: Update, Index: it.index}
	if u.ref, err = e.spec.readRef(j.row.ref, j.row.key); err != nil {
		return u, err
	}
	u.result.Ref = u.ref
	body, now, diff, err := e.changesOf(d, it, j.row, j.maybe)
	if err != nil {
		return u, err
	}
	u.diff = diff
	u.result.Fields, u.result.Cleared = u.diff.fields, u.diff.cleared
	u.claim = claim{key: it.key, old: j.row.digest, detail: e.spec.detail(&it.record), want: it.digest, fields: now}
	fields := u.diff.fields
	if len(fields) == 0 && j.maybe == nil {
		if u.refuse(u.diff.fixedError()) {
			return u, nil
		}
		if j.row.adopted() || it.only != nil {
			u.result.Action, u.result.Outcome = Unchanged, antcrm.OutcomeDone
			return u, nil
		}
	}
	if len(fields) == 0 { // it differs in what has no number here: all of it that the source speaks of
		fields, _, _ = e.spec.sendable(slices.DeleteFunc(slices.Clone(e.spec.fields), func(name string) bool { return !it.only.speaksOf(name) }), now)
	}
	if u.refuse(u.diff.missingError(it.index)) {
		return u, nil
	}
	u.needed = true
	u.change, err = e.spec.change(body, fields)
	return u, err
}

// put sends one update.
func (e *engine[P, U, R]) put(ctx context.Context, u update[P, U, R]) (Change[R], ending) {
	err := e.spec.update(ctx, u.claim.key, u.ref, u.change)
	u.result.Outcome, u.result.Err = outcomeOf(err), err
	end := ending{key: u.claim.key, what: endingOf(u.result.Outcome), ref: u.old.ref}
	if fixed := u.diff.fixedError(); err == nil && fixed != nil {
		// The record stays different, so that each push says so again.
		unsent := e.spec.numbersOf(func(name string) bool {
			return slices.Contains(u.diff.fixed, name) || slices.Contains(u.diff.kept, name)
		})
		end.digest, end.fields = u.old.digest, fieldSet(u.claim.fields).with(u.old.fields, unsent)
		u.result.Err = fixed
	}
	return u.result, end
}

// sendDeletes deletes records, one by one. What is not there is deleted.
func (r *pushRun[P, U, R]) sendDeletes(keys []string, rows map[string]*row) {
	ctx := r.held()
	var claims []claim
	for _, key := range keys {
		known := rows[key]
		switch {
		case known == nil:
		case known.intent == nil:
			claims = append(claims, claim{key: key, old: known.digest})
		case known.intent.action == Delete || known.intent.age >= r.core.settle:
			r.deleteAgain(ctx, known)
		default:
			r.report(Change[R]{Key: key, Action: Delete, Index: -1, Err: r.young()})
		}
	}
	if len(claims) == 0 {
		return
	}
	token, claimed, err := r.core.claim(ctx, r.spec.kind, r.owner, Delete, byPush, claims)
	if err != nil {
		r.fail(err)
		return
	}
	var endings []ending
	var changes []Change[R]
	for _, c := range claims {
		if !claimed[c.key] {
			r.report(Change[R]{Key: c.key, Action: Delete, Index: -1, Outcome: antcrm.OutcomeNotSent, Err: ErrBusy})
			continue
		}
		if r.ctx.Err() != nil {
			endings = append(endings, ending{key: c.key, what: refused})
			changes = append(changes, Change[R]{Key: c.key, Action: Delete, Index: -1, Outcome: antcrm.OutcomeNotSent, Err: context.Cause(r.ctx)})
			continue
		}
		change, end := r.deleteOne(ctx, rows[c.key])
		endings, changes = append(endings, end), append(changes, change)
	}
	r.finish(ctx, token, endings, changes)
}

func (e *engine[P, U, R]) deleteOne(ctx context.Context, known *row) (Change[R], ending) {
	change := Change[R]{Key: known.key, Action: Delete, Index: -1}
	ref, err := e.spec.readRef(known.ref, "")
	if err == nil {
		change.Ref = ref
		if err = e.spec.remove(ctx, known.key, ref); notFound(err) {
			err = nil
		}
	}
	change.Outcome, change.Err = outcomeOf(err), err
	end := ending{key: known.key, what: endingOf(change.Outcome)}
	if end.what == confirmed {
		end.what = deleted
	}
	return change, end
}

// deleteAgain deletes a record whose last write was lost: to delete twice does no harm.
func (r *pushRun[P, U, R]) deleteAgain(ctx context.Context, known *row) {
	token, taken, err := r.core.state.takeOver(ctx, r.spec.kind, known.key, known.intent, r.owner)
	switch {
	case err != nil:
		r.fail(err)
	case !taken:
		r.report(Change[R]{Key: known.key, Action: Delete, Index: -1, Outcome: antcrm.OutcomeNotSent, Err: ErrBusy})
	default:
		change, end := r.deleteOne(ctx, known)
		r.finish(ctx, token, []ending{end}, []Change[R]{change})
	}
}

func (e *engine[P, U, R]) young() error {
	return &UnknownError{Reason: "it may still be under way (see WithSettle)"}
}

// resolve finds out what became of a record whose last write was lost.
func (r *pushRun[P, U, R]) resolve(j job[P]) {
	ctx := r.held()
	in := j.row.intent
	change := Change[R]{Key: j.item.key, Action: in.action, Index: j.item.index}
	if in.action == Adopt {
		change.Err = errDoubled()
		r.report(change)
		return
	}
	repeat := in.action == Update && bytes.Equal(in.want, j.item.digest) && in.owner == ""
	if in.age < r.core.settle && !repeat {
		change.Err = r.young()
		r.report(change)
		return
	}
	token, taken, err := r.core.state.takeOver(ctx, r.spec.kind, j.item.key, in, r.owner)
	switch {
	case err != nil:
		r.fail(err)
	case !taken:
		change.Outcome, change.Err = antcrm.OutcomeNotSent, ErrBusy
		r.report(change)
	case in.action == Create:
		r.resolveCreate(ctx, j, token)
	case in.action == Update:
		r.repeatUpdate(ctx, j, token)
	default:
		r.resolveDelete(ctx, j, token)
	}
}

// resolveCreate looks a lost creation up.
func (r *pushRun[P, U, R]) resolveCreate(ctx context.Context, j job[P], token string) {
	it, in := j.item, j.row.intent
	change := Change[R]{Key: it.key, Action: Create, Index: it.index}
	found, err := r.settleCreate(ctx, &it, in, token)
	var unknown *UnknownError
	switch {
	case errors.As(err, &unknown) && found.again && r.later(j):
	case errors.As(err, &unknown):
		change.Err = unknown
		r.report(change)
	case err != nil:
		r.fail(err)
	case found.verdict == absent:
		if items := r.packed(it); items != nil {
			r.sendCreates(items)
		}
	case bytes.Equal(in.want, it.digest):
		change.Outcome = antcrm.OutcomeDone
		change.Ref, change.Err = r.spec.readRef(found.ref, in.detail)
		r.report(change)
	default:
		known := &row{key: it.key, digest: in.want, fields: in.fields, ref: found.ref}
		r.sendUpdates([]job[P]{{item: it, row: known}})
	}
}

// later defers a lookup to the end of the run.
func (r *pushRun[P, U, R]) later(j job[P]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.final || len(r.deferred) == maxDeferred {
		return false
	}
	r.deferred = append(r.deferred, j.item)
	return true
}

// settleCreate looks a lost creation up and writes what it finds to the state.
// What it cannot tell is an *UnknownError.
func (e *engine[P, U, R]) settleCreate(ctx context.Context, it *item[P], in *intent, token string) (finding, error) {
	found := e.find(ctx, &it.record, it.key, in, bytes.Equal(in.want, it.digest))
	end := ending{key: it.key, ref: found.ref}
	switch found.verdict {
	case present:
		end.what, end.fresh = confirmed, true
	case absent:
		end.what = refused
	default:
		end.what = released
	}
	ends := []ending{end}
	foreign, err := e.core.finish(ctx, e.spec.kind, token, ends)
	switch {
	case err != nil:
		return found, err
	case len(foreign) > 0:
		return finding{}, errSettledMeanwhile
	case ends[0].isShared():
		return finding{}, errSharedRef
	case found.verdict == cannotTell:
		return found, &UnknownError{Reason: found.why, Err: found.err}
	}
	return found, nil
}

// repeatUpdate sends a lost update again: the same PUT twice does no harm, and
// one that has changed meanwhile sends what differs from either state.
func (r *pushRun[P, U, R]) repeatUpdate(ctx context.Context, j job[P], token string) {
	j.maybe = j.row.intent.fields
	if j.maybe == nil {
		j.maybe = fieldSet{}
	}
	u, err := r.updateOf(newDigester(r.core.secret), j)
	if err != nil {
		r.fail(err)
		return
	}
	change, end := u.result, ending{key: j.item.key, what: refused}
	if u.needed {
		change, end = r.put(ctx, u)
	}
	switch {
	case end.what == refused:
		end.what = released // the lost one may have been carried out all the same
	case end.what == confirmed && end.digest == nil:
		end.digest, end.fields = u.claim.want, u.claim.fields
	}
	r.finish(ctx, token, []ending{end}, []Change[R]{change})
}

// resolveDelete ends a lost deletion of a record that the source has again: it
// is deleted, and then created anew.
func (r *pushRun[P, U, R]) resolveDelete(ctx context.Context, j job[P], token string) {
	change, end := r.deleteOne(ctx, j.row)
	if end.what == deleted {
		if _, err := r.core.finish(ctx, r.spec.kind, token, []ending{end}); err != nil {
			r.fail(err)
			return
		}
		if items := r.packed(j.item); items != nil {
			r.sendCreates(items)
		}
		return
	}
	change.Index = j.item.index
	r.finish(ctx, token, []ending{end}, []Change[R]{change})
}
