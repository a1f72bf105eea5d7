package crmsync

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"slices"

	"github.com/antbuddy/antcrm-go"
)

const (
	digestSize = 16
	fieldSize  = 8
	firstFixed = 128 // numbers of fields that a PUT cannot change begin here
)

// digester makes digests; it is not safe for concurrent use.
type digester struct {
	mac hash.Hash
	sum []byte
}

func newDigester(secret []byte) *digester { return &digester{mac: hmac.New(sha256.New, secret)} }

// digest of parts, size bytes of it.
func (d *digester) digest(size int, parts ...[]byte) []byte {
	d.mac.Reset()
	for _, part := range parts {
		d.mac.Write(part)
	}
	d.sum = d.mac.Sum(d.sum[:0])
	return bytes.Clone(d.sum[:size])
}

// fieldSet is the digests of a record's fields, by number, as the state has them.
type fieldSet []byte

func (f fieldSet) get(number byte) []byte {
	for at := 0; at+1+fieldSize <= len(f); at += 1 + fieldSize {
		if f[at] == number {
			return f[at+1 : at+1+fieldSize]
		}
	}
	return nil
}

// only returns the digests whose numbers are chosen.
func (f fieldSet) only(chosen func(number byte) bool) (kept fieldSet) {
	for at := 0; at+1+fieldSize <= len(f); at += 1 + fieldSize {
		if chosen(f[at]) {
			kept = append(kept, f[at:at+1+fieldSize]...)
		}
	}
	return kept
}

// with returns the set with what other has of the chosen numbers in place of its own.
func (f fieldSet) with(other fieldSet, chosen func(number byte) bool) fieldSet {
	own := f.only(func(number byte) bool { return !chosen(number) })
	return append(own, other.only(chosen)...)
}

func isFixed(number byte) bool { return number >= firstFixed }

// numbersOf are the numbers of the fields that chosen names.
func (s *spec[P, U, R]) numbersOf(chosen func(name string) bool) func(number byte) bool {
	var numbers [256]bool
	s.numbered(func(name string, number byte) { numbers[number] = chosen(name) })
	return func(number byte) bool { return numbers[number] }
}

// numbered calls each with every field of the kind and its number.
func (s *spec[P, U, R]) numbered(each func(name string, number byte)) {
	for i, name := range s.fields {
		each(name, byte(i))
	}
	for i, name := range s.fixed {
		each(name, byte(firstFixed+i))
	}
}

// field digests one field of a record.
func (d *digester) field(key, name string, value []byte) []byte {
	return d.digest(fieldSize, []byte(key), []byte{0}, []byte(name), []byte{0}, value)
}

// fieldDigests digests the fields of a record's JSON. The key is part of each:
// equal values of two records do not show.
func (s *spec[P, U, R]) fieldDigests(d *digester, key string, body map[string]json.RawMessage) fieldSet {
	set := make(fieldSet, 0, len(body)*(1+fieldSize))
	s.numbered(func(name string, number byte) {
		if value, ok := body[name]; ok {
			set = append(append(set, number), d.field(key, name, value)...)
		}
	})
	return set
}

// withDefaults is the set of a record that is created: a fixed field that it does not
// have becomes the API's default.
func (s *spec[P, U, R]) withDefaults(d *digester, key string, created fieldSet) fieldSet {
	set := slices.Clone(created)
	for i, name := range s.fixed {
		number := byte(firstFixed + i)
		if value, ok := s.defaults[name]; ok && set.get(number) == nil {
			set = append(append(set, number), d.field(key, name, []byte(value))...)
		}
	}
	return set
}

// now is the set that an update leads to. Of a field that the source does not speak of
// it has what is known. What the record has besides is not the source's word.
func (s *spec[P, U, R]) now(record fieldSet, only *named, known, maybe fieldSet) fieldSet {
	if maybe != nil { // where they differ, the CRM has one of the two
		known = known.only(func(number byte) bool { return bytes.Equal(known.get(number), maybe.get(number)) })
	}
	unnamed := s.numbersOf(func(name string) bool { return !only.speaksOf(name) })
	hasDefault := s.numbersOf(func(name string) bool { return s.defaults[name] != "" })
	return record.with(known, func(number byte) bool {
		return unnamed(number) || hasDefault(number) && record.get(number) == nil
	})
}

// difference is what separates a record from what was sent of it.
type difference struct {
	fields  []string // changed, as wire names
	cleared []string // those of them that the source no longer has
	fixed   []string // changed, and not to be changed by the API
	kept    []string // the source no longer has them, and the API cannot clear them
	missing string   // what an update may not lack, "" if it lacks nothing
}

// fixedError is why a part of a record is not as the source says, nil if all of it is.
func (d *difference) fixedError() error {
	if len(d.fixed)+len(d.kept) == 0 {
		return nil
	}
	return &FixedFieldError{Fields: d.fixed, Kept: d.kept}
}

// missingError is why no part of an update may be sent, nil if it may.
func (d *difference) missingError(index int64) error {
	if d.missing == "" {
		return nil
	}
	return &antcrm.ValidationError{Index: int(index), Field: d.missing, Problem: "is missing, and the CRM has one: without it an update lets the CRM set it anew"}
}

// changesOf says what separates a record from what the state knows of it, and from what
// a lost update may have made of it.
func (e *engine[P, U, R]) changesOf(d *digester, it *item[P], known *row, maybe fieldSet) (body map[string]json.RawMessage, now fieldSet, diff difference, err error) {
	if body, err = fieldsOf(it.body); err != nil {
		return nil, nil, diff, err
	}
	now = e.spec.now(e.spec.fieldDigests(d, it.key, body), it.only, known.fields, maybe)
	diff = e.spec.diffOf(known, now, maybe, it.only)
	for i, name := range e.spec.fields {
		if _, ok := body[name]; !ok && slices.Contains(e.spec.always, name) && fieldSet(known.fields).get(byte(i)) != nil {
			diff.missing = name
		}
	}
	return body, now, diff, nil
}

// diff compares a record's fields with those sent before. Any of several earlier
// states may be what the CRM has: a field that differs from one of them is sent.
func (s *spec[P, U, R]) diff(now fieldSet, before ...fieldSet) difference {
	var d difference
	s.numbered(func(name string, number byte) {
		hasDefault := s.defaults[name] != ""
		if !slices.ContainsFunc(before, func(old fieldSet) bool {
			known := old.get(number)
			return !bytes.Equal(known, now.get(number)) && (known != nil || !hasDefault) // the CRM's default is not known of every record
		}) {
			return
		}
		if number >= firstFixed {
			d.fixed = append(d.fixed, name)
		} else {
			d.fields = append(d.fields, name)
		}
	})
	return d
}

// diffListed compares a record's fields with those that the CRM listed when it was
// adopted. What the source does not have was never its own, and what an update cannot
// change is as the CRM has it.
func (s *spec[P, U, R]) diffListed(now, listed fieldSet) (fields []string) {
	for i, name := range s.fields {
		if digest := now.get(byte(i)); digest != nil && !listed.has(byte(i), digest) {
			fields = append(fields, name)
		}
	}
	return fields
}

// diffOf compares a record's fields with what the state knows of it, and with what a
// lost update may have made of it.
func (s *spec[P, U, R]) diffOf(known *row, now, maybe fieldSet, only *named) difference {
	before := []fieldSet{known.fields}
	if known.adopted() {
		before = before[:0]
	}
	if maybe != nil {
		before = append(before, maybe)
	}
	found := s.diff(now, before...)
	if known.adopted() {
		listed := s.diffListed(now, known.fields)
		found.fields = slices.DeleteFunc(slices.Clone(s.fields), func(name string) bool {
			return !slices.Contains(listed, name) && !slices.Contains(found.fields, name)
		})
		found.fixed = nil
	}
	unnamed := func(name string) bool { return !only.speaksOf(name) }
	found.fields, found.fixed = slices.DeleteFunc(found.fields, unnamed), slices.DeleteFunc(found.fixed, unnamed)
	found.fields, found.cleared, found.kept = s.sendable(found.fields, now)
	return found
}

// sendable splits changed fields: those that an update sends, those of them that it
// clears, and those that the API cannot clear.
func (s *spec[P, U, R]) sendable(changed []string, now fieldSet) (fields, cleared, kept []string) {
	for i, name := range s.fields {
		switch {
		case !slices.Contains(changed, name):
		case now.get(byte(i)) != nil:
			fields = append(fields, name)
		case slices.Contains(s.kept, name):
			kept = append(kept, name)
		default:
			fields, cleared = append(fields, name), append(cleared, name)
		}
	}
	return fields, cleared, kept
}

// emptyOf is the JSON that clears a field.
func (s *spec[P, U, R]) emptyOf(name string) json.RawMessage {
	if value := s.empty[name]; value != "" {
		return json.RawMessage(value)
	}
	return json.RawMessage(`""`)
}

// change builds the update of the fields, from the JSON of the record: the wire
// names of creations and updates are the same. What the record no longer has is
// cleared.
func (s *spec[P, U, R]) change(body map[string]json.RawMessage, fields []string) (change U, err error) {
	put := make(map[string]json.RawMessage, len(fields)+len(s.always))
	for _, name := range s.always {
		if value, ok := body[name]; ok {
			put[name] = value
		}
	}
	for _, name := range fields {
		value, ok := body[name]
		if !ok {
			value = s.emptyOf(name)
		}
		put[name] = value
	}
	text, err := json.Marshal(put)
	if err != nil {
		return change, err
	}
	err = json.Unmarshal(text, &change)
	return change, err
}
