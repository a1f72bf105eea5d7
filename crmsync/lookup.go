package crmsync

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/antbuddy/antcrm-go"
)

// probe is one of the vendor's documented lookups with the value that a record
// was sent with.
type probe struct {
	name  string // "phone"
	field string // the wire name of the field that value is of, "" if it is of none
	value string
	list  func(ctx context.Context) ([]candidate, error)
	// of takes the value of this lookup from a record that is there, and returns the lookup for it.
	of func(candidate) (probe, bool)
}

// candidate is a record that a lookup has found.
type candidate struct {
	ref     string
	key     string // the caller's own key, if the server prints it
	created time.Time
	record  any
}

// verdict is what a lookup says of a record.
type verdict int

const (
	cannotTell verdict = iota
	present
	absent
)

// finding is the verdict with what belongs to it.
type finding struct {
	verdict verdict
	ref     string
	why     string // of cannotTell
	err     error
	again   bool // it may be told later in this run, once a record is known that is there
}

const (
	// maxCandidates bounds what a lookup reads: a value that matches more says nothing about one record.
	maxCandidates = 500
	// maxOfTime bounds a lookup by time, which matches the records of everybody.
	maxOfTime = 5000
	// clockSkew is how far the server's clock may be off when a record is told to be the request's.
	clockSkew = time.Hour
	// zoneSkew is how far it may be off when a record is told not to be the request's: it may also print the time of
	// another zone, or the day alone.
	zoneSkew = 26 * time.Hour
)

// collectCandidates reads the records of a lookup.
func collectCandidates[T any](ctx context.Context, all iter.Seq2[T, error], read func(*T) candidate) ([]candidate, error) {
	return collectUpTo(ctx, maxCandidates, all, read)
}

func collectUpTo[T any](ctx context.Context, most int, all iter.Seq2[T, error], read func(*T) candidate) ([]candidate, error) {
	var found []candidate
	for record, err := range all {
		if err != nil {
			return nil, err
		}
		found = append(found, read(&record))
		if len(found) > most {
			return nil, errTooMany
		}
	}
	return found, ctx.Err()
}

// candidates are the records of a list.
func candidates[T any](all iter.Seq2[T, error], read func(*T) candidate) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		for record, err := range all {
			if err != nil {
				yield(candidate{}, err)
				return
			}
			if !yield(read(&record), nil) {
				return
			}
		}
	}
}

// listed reads the CRM's whole list. Its first request names no page: a server may call its first page 0, and what only
// that page has would be missed. If that request finds nothing there is nothing to be read.
func (e *engine[P, U, R]) listed(ctx context.Context) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		first, firstErr := e.spec.sample(ctx)
		if firstErr != nil && !notFound(firstErr) {
			yield(candidate{}, firstErr)
			return
		}
		seen := make(map[string]bool, len(first))
		for _, c := range first {
			if seen[c.ref] = true; !yield(c, nil) {
				return
			}
		}
		if firstErr == nil && len(first) == 0 {
			return
		}
		for c, err := range e.spec.list(ctx) {
			if err == nil && seen[c.ref] {
				continue
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

var errTooMany = errors.New("the lookup matches too many records")

// samples reads some records of a list. It names no page, so that it has the
// first one whatever number the server begins with.
func samples[T any](page *antcrm.Page[T], err error, read func(*T) candidate) ([]candidate, error) {
	if err != nil {
		return nil, err
	}
	found := make([]candidate, 0, len(page.Items))
	for i := range page.Items {
		found = append(found, read(&page.Items[i]))
	}
	return found, nil
}

// find looks a lost creation up. Only certainty counts. A record is present if it
// carries the key, or is the only one of the same name and content that nobody
// else's key stands for and that is not older than the request. It is absent if no
// lookup finds one that could be it, and each lookup was seen to find a record
// that is there. A record that has changed since it was sent is looked up by what of
// it is still the same, and recognized by the digests of what was sent.
func (e *engine[P, U, R]) find(ctx context.Context, record *P, key string, in *intent, asSent bool) finding {
	if found, done := e.findByKey(ctx, record, key); done {
		return found
	}
	probes := e.spec.probes(record, in)
	same := func(found any) likeness { return e.spec.same(record, found) }
	if !asSent {
		var err error
		if probes, err = e.unchangedProbes(probes, record, key, in); err != nil {
			return finding{why: "the record cannot be read", err: err}
		}
		same = func(found any) likeness { return e.asSent(key, in, found) }
		if len(probes) == 0 {
			return finding{why: "the record has changed since it was sent, in what it would be looked up by"}
		}
	}
	if len(probes) == 0 {
		return finding{why: "the record has nothing to look it up by"}
	}
	var seen []candidate
	for _, p := range probes {
		found, err := p.list(ctx)
		if err != nil {
			return finding{why: "the lookup by " + p.name + " failed", err: err}
		}
		for _, c := range found {
			if !slices.ContainsFunc(seen, func(other candidate) bool { return other.ref == c.ref }) {
				seen = append(seen, c)
			}
		}
	}
	result := e.judge(ctx, key, in, seen, same)
	if result.verdict != absent {
		return result
	}
	for _, p := range probes {
		if trusted, err := e.trust.trusts(ctx, p, e.spec.sample); err != nil || !trusted {
			return finding{why: "nothing was found by " + p.name + ", and that lookup was not seen to find a record that is there", err: err, again: err == nil}
		}
	}
	return result
}

// findByKey accepts only a record that carries the key: the filter is not
// documented, and what it does not find may be there.
func (e *engine[P, U, R]) findByKey(ctx context.Context, record *P, key string) (result finding, done bool) {
	if e.spec.byKey == nil {
		return finding{}, false
	}
	ref, ok, err := e.spec.byKey(ctx, record, key)
	if err == nil && ok {
		return finding{verdict: present, ref: e.spec.refText(ref)}, true
	}
	return finding{}, false
}

// unchangedProbes are the lookups of a changed record by what was sent all the same.
func (e *engine[P, U, R]) unchangedProbes(probes []probe, record *P, key string, in *intent) ([]probe, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	body, err := fieldsOf(text)
	if err != nil {
		return nil, err
	}
	changed := e.spec.diff(e.spec.fieldDigests(newDigester(e.core.secret), key, body), in.fields)
	return slices.DeleteFunc(probes, func(p probe) bool {
		return slices.Contains(changed.fields, p.field) || slices.Contains(changed.fixed, p.field)
	}), nil
}

// asSent compares a record that was found with what was sent, of which there are only
// digests. A server may write a text in another way, so that what differs is unclear.
func (e *engine[P, U, R]) asSent(key string, in *intent, found any) likeness {
	d := newDigester(e.core.secret)
	listed, err := e.spec.listedFields(d, key, found)
	sent := fieldSet(in.fields)
	if err != nil || sent.get(0) == nil { // the name, or the title
		return unclear
	}
	for i, name := range e.spec.fields {
		digest := sent.get(byte(i))
		if digest == nil && e.spec.empty[name] == "[]" {
			digest = d.field(key, name, []byte("[]")) // no phones were sent: one who has some may be another
		}
		if digest != nil && !listed.has(byte(i), digest) {
			return unclear
		}
	}
	return alike
}

// judge compares the candidates with the record.
func (e *engine[P, U, R]) judge(ctx context.Context, key string, in *intent, found []candidate, same func(any) likeness) finding {
	var carriers, twins []candidate
	var unsure bool
	for _, c := range found {
		switch {
		case c.key == key:
			carriers = append(carriers, c)
			continue
		case c.key != "":
			continue // somebody else's
		case !c.created.IsZero() && c.created.Before(in.begun.Add(-zoneSkew)):
			continue // older than the request
		}
		older := !c.created.IsZero() && c.created.Before(in.begun.Add(-clockSkew)) // or the server's clock is off
		owner, err := e.core.state.refOwner(ctx, e.spec.kind, c.ref)
		switch {
		case err != nil:
			return finding{why: "the state cannot be read", err: err}
		case owner != "" && owner != key:
			continue
		}
		switch likeness := same(c.record); {
		case likeness == different:
		case likeness == alike && !older:
			twins = append(twins, c)
		default:
			unsure = true
		}
	}
	switch {
	case len(carriers) == 1:
		return finding{verdict: present, ref: carriers[0].ref}
	case len(carriers) > 1:
		return finding{why: "several records carry the key"}
	case unsure:
		return finding{why: "a record was found that may be it or not"}
	case len(twins) == 1:
		return finding{verdict: present, ref: twins[0].ref}
	case len(twins) > 1:
		return finding{why: "several records of this name and content were found"}
	}
	return finding{verdict: absent}
}

// likeness is how a record that was found compares with one that was sent.
type likeness int

const (
	different likeness = iota
	unclear
	alike
)

// sameText compares texts as people write them: case and white space aside.
func sameText(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}

// shape is how a value is written: each digit a 9, runs of small and of capital
// letters one letter each, other characters as they are. A lookup is trusted
// for a shape that it was seen to find, since a server may store another form
// than it was sent (+84… for 0…).
func shape(value string) string {
	var b strings.Builder
	letters := strings.ContainsFunc(value, unicode.IsLetter)
	last := rune(-1)
	for _, r := range value {
		switch {
		case unicode.IsDigit(r):
			r = '9'
		case unicode.IsUpper(r):
			r = 'A'
		case unicode.IsLetter(r):
			r = 'a'
		}
		// How many digits there are is part of how a phone is written, not of an e-mail address or a code.
		if r == last && (letters || r != '9') {
			continue
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}
