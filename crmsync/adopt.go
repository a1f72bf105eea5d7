package crmsync

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Adoption is how far an Adopt has come.
type Adoption struct {
	Kind    Kind
	Read    int64 // records of the CRM's list
	Adopted int64 // taken over, those of Doubled included
	Known   int64 // their keys were in the state already, which was left as it is
	Keyless int64 // without a key of the caller's: left alone
	Doubled int64 // keys that several records carry: taken back, see State.Unknown
	Done    bool  // the list was read to its end
}

// Adopt takes over the contacts that the CRM has already: it reads the whole list
// (GET /contacts), and records the reference of each contact that carries the
// caller's own key. It sends nothing to the CRM. Use it before the first push with
// a new state, or with one that was lost, if the CRM may have records of the
// source: without it such a push ends with ErrNotAdopted.
//
// The next push compares its records with what the CRM had. It sends the fields
// that differ, and nothing for a record that is the same. A field that the source
// does not have stays as it is in the CRM, and so does what only a creation can
// set (a contact's type). The type of a phone, an e-mail address or an address is
// compared if the source names one. Contacts that were adopted are never deleted by
// WithDeletes.
//
// What the state knows is never overwritten, so that Adopt can be run again at any
// time, also after one that ended early. A key that several contacts carry is not
// taken over. It is in State.Unknown until Settle says which contact it is, or until
// all but one are deleted and Adopt is run again.
//
// A server whose list does not print the key is ErrKeysNotListed. So is a list in
// which no record has ever had one.
func (c *Contacts) Adopt(ctx context.Context) iter.Seq2[Adoption, error] {
	return c.engine.adoptAll(ctx)
}

// Adopt takes over the products that the CRM has already (GET /products): see
// Contacts.Adopt. What lists do not print, such as canEdit, is sent by the next push.
func (p *Products) Adopt(ctx context.Context) iter.Seq2[Adoption, error] {
	return p.engine.adoptAll(ctx)
}

// Adopt takes over the orders that the CRM has already (GET /opportunities): see
// Contacts.Adopt. Assignees, customer and time of creation are not compared, since no
// update can change them.
func (o *Orders) Adopt(ctx context.Context) iter.Seq2[Adoption, error] { return o.engine.adoptAll(ctx) }

// Adopt takes over the tickets that the CRM has already (GET /ticket): see
// Contacts.Adopt. Ensure then recognizes them.
func (t *Tickets) Adopt(ctx context.Context) iter.Seq2[Adoption, error] {
	return t.engine.adoptAll(ctx)
}

const adoptBatch = 500 // records that are written to the state at once

func (e *engine[P, U, R]) adoptAll(ctx context.Context) iter.Seq2[Adoption, error] {
	return func(yield func(Adoption, error) bool) {
		var err error
		switch {
		case e == nil:
			err = invalid("syncer", "was not made by New")
		case ctx == nil:
			err = invalid("ctx", "is nil")
		default:
			a := &adopter[P, U, R]{engine: e, d: newDigester(e.core.secret), yield: yield, progress: Adoption{Kind: e.spec.kind}}
			err = a.run(ctx)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Adoption{}, err)
		}
	}
}

// adopter is one Adopt.
type adopter[P, U, R any] struct {
	*engine[P, U, R]
	d        *digester
	yield    func(Adoption, error) bool
	progress Adoption
	batch    []adoption
}

// adoption is a record of the CRM on its way into the state.
type adoption struct {
	key, ref string
	fields   fieldSet
}

func (a *adopter[P, U, R]) run(ctx context.Context) error {
	// Until the list was read to its end, a push must not take what it did not yet
	// have for new.
	if err := a.core.state.beginAdoption(ctx, a.spec.kind); err != nil {
		return err
	}
	shown := false
	for c, err := range a.listed(ctx) {
		if err != nil {
			return errors.Join(fmt.Errorf("crmsync: adopt %s: %w", a.spec.kind, err), a.flush(ctx))
		}
		a.progress.Read++
		shown = shown || showsKey(c, a.spec.field)
		if checkKey(a.spec.field, c.key, 0) != nil {
			a.progress.Keyless++ // no source can have such a key
			continue
		}
		if err := a.add(ctx, c); err != nil {
			return err
		}
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	if a.progress.Read > 0 && !shown {
		return fmt.Errorf("%w: %s of %d %s", ErrKeysNotListed, a.spec.field, a.progress.Read, a.spec.kind)
	}
	if err := a.core.state.endAdoption(ctx, a.spec.kind); err != nil {
		return err
	}
	// The next push reads the list again before it creates: a record that slid to an earlier page, since another was
	// deleted meanwhile, was not read.
	a.progress.Done = true
	return a.emit()
}

func (a *adopter[P, U, R]) emit() error {
	if !a.yield(a.progress, nil) {
		return errStopped
	}
	return nil
}

func (a *adopter[P, U, R]) add(ctx context.Context, c candidate) error {
	if _, err := a.spec.readRef(c.ref, ""); err != nil {
		return fmt.Errorf("crmsync: adopt %s: a record of the list has a key and no reference: %w", a.spec.kind, err)
	}
	fields, err := a.spec.listedFields(a.d, c.key, c.record)
	if err != nil {
		return fmt.Errorf("crmsync: adopt %s: %w", a.spec.kind, err)
	}
	a.batch = append(a.batch, adoption{c.key, c.ref, fields})
	if len(a.batch) < adoptBatch {
		return nil
	}
	return a.flush(ctx)
}

func (a *adopter[P, U, R]) flush(ctx context.Context) error {
	if len(a.batch) == 0 {
		return nil
	}
	adopted, doubled, err := a.core.state.adopt(ctx, a.spec.kind, a.batch)
	if err != nil {
		return err
	}
	a.progress.Adopted += adopted
	a.progress.Doubled += doubled
	a.progress.Known += int64(len(a.batch)) - adopted - doubled
	a.batch = a.batch[:0]
	return a.emit()
}

// showsKey reports whether a record of a list has the member of the caller's own
// key, if only an empty one.
func showsKey(c candidate, field string) bool {
	if c.key != "" {
		return true
	}
	record, ok := c.record.(interface{ RawJSON() json.RawMessage })
	if !ok {
		return false
	}
	members, err := fieldsOf(record.RawJSON())
	_, shown := members[field]
	return err == nil && shown
}

// adoptedDigest is no record's: one that was taken over is compared by its fields.
var adoptedDigest = make([]byte, digestSize)

func (r *row) adopted() bool { return r != nil && bytes.Equal(r.digest, adoptedDigest) }

// forms of a listed record: a source may leave out what the CRM adds to the
// elements of a list.
const (
	formStride = 32 // numbers of the same fields in the next form
	formCount  = 3
)

var (
	setByCRM = []string{"_id", "cityCode", "stateCode", "wardsCode", "zip"}
	setByAny = append([]string{"type"}, setByCRM...)
)

// listedFields digests the fields of a record that the CRM lists, converted to
// those of a creation, in each form in which a source may have them.
func (s *spec[P, U, R]) listedFields(d *digester, key string, record any) (fieldSet, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	listed, err := fieldsOf(text)
	if err != nil {
		return nil, err
	}
	var set fieldSet
	for form, drop := range [formCount][]string{nil, setByCRM, setByAny} {
		body, err := s.asParams(listed, drop)
		if err != nil {
			return nil, err
		}
		for i, name := range s.fields {
			value, ok := body[name]
			if !ok && form == 0 {
				value = s.emptyOf(name) // a source that says so says the same
			}
			if len(value) == 0 {
				continue
			}
			digest := d.field(key, name, value)
			if form == 0 || !set.has(byte(i), digest) {
				set = append(append(set, byte(i+form*formStride)), digest...)
			}
		}
		for i, name := range s.fixed {
			if value, ok := body[name]; ok && form == 0 && s.defaults[name] != "" {
				set = append(append(set, byte(firstFixed+i)), d.field(key, name, value)...)
			}
		}
	}
	return set, nil
}

// has reports whether a field has this digest in one of its forms.
func (f fieldSet) has(number byte, digest []byte) bool {
	for form := range formCount {
		if bytes.Equal(f.get(number+byte(form*formStride)), digest) {
			return true
		}
	}
	return false
}

// asParams converts the members of a listed record to those of a creation. What a
// creation cannot hold is left out, and is sent by the next push.
func (s *spec[P, U, R]) asParams(listed map[string]json.RawMessage, drop []string) (map[string]json.RawMessage, error) {
	var record P
	for _, name := range slices.Concat(s.fields, s.fixed) {
		value, ok := listed[name]
		if !ok {
			continue
		}
		member := append([]byte(`{"`+name+`":`), withoutMembers(value, drop)...)
		_ = json.Unmarshal(append(member, '}'), &record)
	}
	text, err := json.Marshal(&record)
	if err != nil {
		return nil, err
	}
	return fieldsOf(text)
}

// withoutMembers drops members of an object, or of the objects of a list.
func withoutMembers(value json.RawMessage, drop []string) json.RawMessage {
	if len(drop) == 0 {
		return value
	}
	var list []map[string]json.RawMessage
	var object map[string]json.RawMessage
	var changed any
	switch {
	case json.Unmarshal(value, &list) == nil:
		changed = list
	case json.Unmarshal(value, &object) == nil:
		list, changed = append(list, object), object
	default:
		return value
	}
	for _, object := range list {
		for _, name := range drop {
			delete(object, name)
		}
	}
	text, err := json.Marshal(changed)
	if err != nil {
		return value
	}
	return text
}

// adopt writes records that the CRM has. It returns how many keys are new to the
// state, and how many turned out to be carried by several records.
func (s *State) adopt(ctx context.Context, kind Kind, batch []adoption) (adopted, doubled int64, err error) {
	err = s.update(ctx, func(tx *sql.Tx) (err error) {
		taken := make(map[string]bool, len(batch))
		first := make(map[string]string, len(batch))
		args := make([]any, 0, 6*len(batch))
		for _, a := range batch {
			if _, twice := first[a.key]; !twice {
				first[a.key] = a.ref
				args = append(args, kind, a.key, byAdopt, adoptedDigest, []byte(a.fields), a.ref)
			}
		}
		statement := `INSERT INTO crmsync_records (kind, key, origin, digest, fields, ref, done_at) VALUES ` +
			values(len(first), "(?, ?, ?, ?, ?, ?, {now})") + ` ON CONFLICT (kind, key) DO UPDATE SET origin = excluded.origin, digest = excluded.digest,
			fields = excluded.fields, ref = excluded.ref, done_at = excluded.done_at, ` + noIntent + `
			WHERE crmsync_records.action = ? AND crmsync_records.detail = ? RETURNING key`
		args = append(args, Adopt, counting)
		if err := collect(tx.QueryContext(ctx, s.sql(statement), args...))(taken); err != nil {
			return err
		}
		adopted = int64(len(taken))
		var others []adoption
		for _, a := range batch {
			if !taken[a.key] || first[a.key] != a.ref {
				others = append(others, a)
			}
		}
		doubled, err = s.blockDoubled(ctx, tx, kind, others)
		return err
	})
	return adopted, doubled, err
}

// blockDoubled turns rows that were adopted with another reference, and not pushed
// since, into intents that wait for a person.
func (s *State) blockDoubled(ctx context.Context, tx *sql.Tx, kind Kind, others []adoption) (doubled int64, err error) {
	if len(others) == 0 {
		return 0, nil
	}
	block, err := tx.PrepareContext(ctx, s.sql(`UPDATE crmsync_records SET token = ?, action = ?, detail = '', digest = NULL, fields = NULL, ref = NULL,
		begun_at = {now}, touched_at = {now} WHERE kind = ? AND key = ? AND token IS NULL AND origin = ? AND digest = ? AND ref <> ?`))
	if err != nil {
		return 0, err
	}
	defer func() { _ = block.Close() }()
	for _, a := range others {
		result, err := block.ExecContext(ctx, rand.Text(), Adopt, kind, a.key, byAdopt, adoptedDigest, a.ref)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		doubled += n
	}
	return doubled, nil
}

// counting is the detail of a key that was doubled the last time, while it is counted
// anew. Until then nothing is sent for it.
const counting = "counting"

// beginAdoption has the keys counted that were doubled the last time.
func (s *State) beginAdoption(ctx context.Context, kind Kind) error {
	err := s.exec(ctx, "UPDATE crmsync_records SET detail = ? WHERE kind = ? AND token IS NOT NULL AND action = ?", counting, kind, Adopt)
	if err != nil {
		return err
	}
	return s.setFirst(ctx, kind, true)
}

// endAdoption forgets the doubled keys that no record carries any longer.
func (s *State) endAdoption(ctx context.Context, kind Kind) error {
	return s.exec(ctx, "DELETE FROM crmsync_records WHERE kind = ? AND token IS NOT NULL AND action = ? AND detail = ?", kind, Adopt, counting)
}

// confirmSame records that records are what the source says, adopted ones among them.
// One that somebody else has written meanwhile is left to the next push.
func (s *State) confirmSame(ctx context.Context, kind Kind, claims []claim) error {
	if len(claims) == 0 {
		return nil
	}
	return s.update(ctx, func(tx *sql.Tx) error {
		statement, err := tx.PrepareContext(ctx, s.sql(`UPDATE crmsync_records SET digest = ?, fields = ?, done_at = {now}
			WHERE kind = ? AND key = ? AND token IS NULL AND digest = ?`))
		if err != nil {
			return err
		}
		defer func() { _ = statement.Close() }()
		for _, c := range claims {
			if _, err := statement.ExecContext(ctx, c.want, nilIfEmpty(c.fields), kind, c.key, c.old); err != nil {
				return err
			}
		}
		return nil
	})
}

var errTwoCarriers = &UnknownError{Reason: "several records of the CRM carry its key: delete the others, or run Adopt and say with Settle which one it is"}

// errDoubled is why nothing is sent for a key that several records carry.
func errDoubled() error {
	return &UnknownError{Reason: "several records of the CRM carry its key: say which one it is with Settle, or delete the others and run Adopt again"}
}
