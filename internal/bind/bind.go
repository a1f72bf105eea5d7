// Package bind makes records of JSON text that is known to be valid: a JSON library has read it and found no fault with
// it. What is left is to walk it, and to be as lenient about kinds of values as the vendor is free with them.
//
// Why not the library's own binding. Measured on a page of 100 contacts (103 kB), Go 1.26: a List from memory takes
// 0.42 ms and 990 allocations this way; the library alone, into the same types and without the copies for RawJSON,
// takes 0.77 ms and 4,000. The library calls a type's UnmarshalJSON wherever a number may stand for a text, and makes a
// string of each value. Here the strings of a record are cut from the copy of its JSON that the record keeps for
// RawJSON anyway.
//
// The price. One string that a caller keeps keeps the text of its whole record, about a kilobyte, in memory. And there
// is a second reader of JSON to maintain, which FuzzBinding holds to the library's.
package bind

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// Binder binds the records of one answer. It is not safe for concurrent use.
type Binder struct {
	cursor
	plans  *Plans
	record *plan
	size   int    // of a record
	own    string // the record's own copy of the text: its strings are parts of it
	broken bool   // strings may hold bytes that are not UTF-8
	budget int64  // bytes that may still be built
}

// NewBinder returns a Binder for records of a struct type, which together may take budget bytes. broken says that the
// text may hold bytes that are not UTF-8.
func NewBinder(plans *Plans, record reflect.Type, budget int64, broken bool) *Binder {
	return &Binder{plans: plans, record: plans.of(record), size: int(record.Size()), budget: budget, broken: broken}
}

// Knows reports whether the record type has a field of the wire name.
func (b *Binder) Knows(name string) bool {
	_, known := b.record.byName[name]
	return known
}

// Bind binds text, a valid JSON value without white space around it, to the record that record points to. It returns
// the copy of the text that the record must keep: its strings are parts of it. The error is an *Error or ErrBudget.
func (b *Binder) Bind(text []byte, record any) (own string, err error) {
	v := reflect.ValueOf(record).Elem()
	if err := b.charge(len(text)); err != nil {
		return "", err
	}
	b.reset(text)
	b.own = string(text)
	if b.peek() != '{' {
		return "", b.mismatch(0, v)
	}
	return b.own, b.bindStruct(v, b.record)
}

// Charge takes room for n records off the budget.
func (b *Binder) Charge(n int) error { return b.charge(n * b.size) }

// charge takes what is about to be allocated off the budget.
func (b *Binder) charge(size int) error {
	const header = 16 // no allocation is smaller
	if b.budget -= int64(max(size, header)); b.budget < 0 {
		return ErrBudget
	}
	return nil
}

// mismatch is the value at a position, which does not fit v.
func (b *Binder) mismatch(at int, v reflect.Value) error {
	return &Error{Offset: at, Size: len(b.text), First: b.text[at], Type: v.Type()}
}

// bindText reads a scalar.
func (b *Binder) bindText(v reflect.Value, as Text) error {
	begin := b.pos
	value := b.value()
	plain := !b.hasEscapes(value)
	size := len(value)
	if b.broken && !utf8.Valid(value) {
		plain, size = false, 3*size // U+FFFD takes three bytes for each that is replaced
	}
	if !plain {
		if err := b.charge(size); err != nil {
			return err
		}
	}
	text, err := as.read(b.own[begin:b.pos], plain)
	if err != nil {
		return b.mismatch(begin, v)
	}
	v.SetString(text)
	return nil
}

// bindRaw keeps a value as it is. The copy is the caller's, who may change it.
func (b *Binder) bindRaw(v reflect.Value) error {
	value := b.value()
	if err := b.charge(len(value)); err != nil {
		return err
	}
	v.SetBytes(bytes.Clone(value))
	return nil
}

// isNone reports whether the value is null or "", the vendor's ways to say that there is no object or list, and moves
// behind it if so.
func (b *Binder) isNone() bool {
	if b.peek() != 'n' && !b.isEmptyString() {
		return false
	}
	b.value()
	return true
}

// bindSlice takes an array; null is none, "" an empty one, and any other value the one element of a list of one.
func (b *Binder) bindSlice(v reflect.Value, element bindFunc) error {
	v.SetZero()
	isNull := b.peek() == 'n'
	switch {
	case b.isNone():
		if !isNull {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		return nil
	case b.peek() != '[':
		if err := b.grow(v, 1); err != nil {
			return err
		}
		v.SetLen(1)
		return element(b, v.Index(0))
	}
	return b.bindArray(v, element)
}

func (b *Binder) bindArray(v reflect.Value, element bindFunc) error {
	b.enter()
	switch b.peek() {
	case ']':
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	case '{', '[': // there are few of them, and to count them takes as long as to bind them
	default:
		if err := b.grow(v, b.count()); err != nil {
			return err
		}
	}
	for i := 0; b.peek() != ']'; i++ {
		if i == v.Cap() {
			if err := b.grow(v, max(1, i)); err != nil { // doubled: to copy costs more than to waste
				return err
			}
		}
		v.SetLen(i + 1)
		if err := element(b, v.Index(i)); err != nil {
			return within(err, strconv.Itoa(i))
		}
		b.next()
	}
	b.pos++
	return nil
}

// grow makes room for n more elements.
func (b *Binder) grow(v reflect.Value, n int) error {
	if err := b.charge(n * int(v.Type().Elem().Size())); err != nil {
		return err
	}
	v.Grow(n)
	return nil
}

// bindPointer takes an object; anything else is none: the vendor leaves some references as ids, and is not explicit
// about what stands for nothing (our decision; RawJSON has what came).
func (b *Binder) bindPointer(v reflect.Value, element bindFunc) error {
	v.SetZero()
	if b.peek() != '{' {
		b.value()
		return nil
	}
	if err := b.charge(int(v.Type().Elem().Size())); err != nil {
		return err
	}
	v.Set(reflect.New(v.Type().Elem()))
	return element(b, v.Elem())
}

// bindStruct takes an object; null and "" are none.
func (b *Binder) bindStruct(v reflect.Value, fields *plan) error {
	switch {
	case b.isNone():
		v.SetZero()
		return nil
	case b.peek() != '{':
		return b.mismatch(b.pos, v)
	}
	b.enter()
	for last := -1; b.peek() != '}'; b.next() {
		at := fields.find(b, last)
		b.colon()
		if at < 0 {
			b.value()
			continue
		}
		last = at
		f := &fields.fields[at]
		if err := f.bind(b, v.Field(f.index)); err != nil {
			return within(err, f.name)
		}
	}
	b.pos++
	return nil
}

// bindOwn leaves a value to the type's own UnmarshalJSON.
func (b *Binder) bindOwn(v reflect.Value) error {
	begin := b.pos
	var err error
	if own, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		err = own.UnmarshalJSON(b.value())
	} else {
		err = json.Unmarshal(b.value(), v.Addr().Interface())
	}
	if err != nil {
		return b.mismatch(begin, v)
	}
	return nil
}
