package antcrm

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/antbuddy/antcrm-go/internal/scan"
)

// Binding is how records get from JSON text into Go values. That the text is
// JSON has been found by go-json-experiment, which reads every answer; what is
// left is to walk it, and to be as lenient about kinds as the vendor is free
// with them. The library's own binding takes half as long again as this one, and
// a second pass where a number stands for a text.

// bindPlans holds how each record type is bound, worked out once a client.
type bindPlans struct {
	mu      sync.Mutex
	structs map[reflect.Type]*structPlan
}

// structPlan is the fields of a struct by their wire names.
type structPlan struct {
	fields []fieldPlan // in the struct's order, which mostly is the wire's
	byName map[string]int
}

type fieldPlan struct {
	name   string
	quoted []byte // the name as most often written
	at     int
	bind   bindFunc
}

// bindFunc reads the value at the cursor into v.
type bindFunc func(b *binder, v reflect.Value) error

// of returns the plan of a struct type.
func (p *bindPlans) of(t reflect.Type) *structPlan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plan(t)
}

func (p *bindPlans) plan(t reflect.Type) *structPlan {
	if known := p.structs[t]; known != nil {
		return known
	}
	if p.structs == nil {
		p.structs = map[reflect.Type]*structPlan{}
	}
	plan := &structPlan{byName: map[string]int{}}
	p.structs[t] = plan // before its fields: a type may hold itself
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue // Record
		}
		plan.byName[name] = len(plan.fields)
		plan.fields = append(plan.fields, fieldPlan{name: name, quoted: []byte(`"` + name + `"`), at: i, bind: p.bindFunc(field.Type)})
	}
	return plan
}

// bindFunc chooses how a type is read. Types of other kinds than the records
// have are left to the decoder of everything else.
func (p *bindPlans) bindFunc(t reflect.Type) bindFunc {
	if t == typeRawMessage {
		return func(b *binder, v reflect.Value) error {
			v.SetBytes(bytes.Clone(b.Value()))
			return nil
		}
	}
	switch t.Kind() {
	case reflect.String:
		kind := anyText
		if own, ok := reflect.Zero(t).Interface().(interface{ scalarKind() scalarKind }); ok {
			kind = own.scalarKind()
		}
		if kind != flagText {
			return func(b *binder, v reflect.Value) error { return b.bindText(v, kind) }
		}
	case reflect.Slice:
		element := p.bindFunc(t.Elem())
		return func(b *binder, v reflect.Value) error { return b.bindSlice(v, element) }
	case reflect.Pointer:
		element := p.bindFunc(t.Elem())
		return func(b *binder, v reflect.Value) error { return b.bindPointer(v, element) }
	case reflect.Struct:
		if !reflect.PointerTo(t).Implements(typeUnmarshaler) {
			plan := p.plan(t)
			return func(b *binder, v reflect.Value) error { return b.bindStruct(v, plan) }
		}
	}
	return (*binder).bindOwn
}

// binder binds the values of a text, which is valid JSON.
type binder struct {
	scan.Cursor
	broken bool // strings may hold bytes that are not UTF-8
	seen   *scan.Interner
}

// bindError is a value of another kind than its place takes.
type bindError struct {
	path   string // JSON pointer, from the value that is bound
	offset int
	size   int    // of the value that is bound
	kind   string // what came
	goType reflect.Type
	cause  error
}

func (e *bindError) Error() string { return e.problem() + " at " + e.path }

func (e *bindError) Unwrap() error { return e.cause }

func (e *bindError) problem() string {
	problem := "unexpected JSON " + e.kind + " for " + e.goType.String()
	if errors.Is(e.cause, errNotDecimal) {
		problem += ": " + errNotDecimal.Error()
	}
	return problem
}

// within adds a step to the path of a bindError.
func within(err error, step string) error {
	if failure, ok := errors.AsType[*bindError](err); ok {
		failure.path = "/" + pointerStep(step) + failure.path
	}
	return err
}

// pointerStep escapes a name for a JSON pointer (RFC 6901).
func pointerStep(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// mismatch is the value at a position, which does not fit v.
func (b *binder) mismatch(at int, v reflect.Value, cause error) error {
	return &bindError{offset: at, size: len(b.Text), kind: kindName(jsontext.Value(b.Text[at:]).Kind()), goType: v.Type(), cause: cause}
}

// bindText takes a string or a number, whose text it keeps, and null.
func (b *binder) bindText(v reflect.Value, kind scalarKind) error {
	begin := b.Pos
	if c := b.Peek(); c != '"' && c != 'n' && !isNumber(b.Text[begin:]) {
		return b.mismatch(begin, v, nil)
	}
	text, err := kind.canonical(b.scalar())
	if err != nil {
		return b.mismatch(begin, v, err)
	}
	v.SetString(text)
	return nil
}

// scalar reads a string, a number or null as its text.
func (b *binder) scalar() string {
	value := b.Value()
	switch {
	case value[0] == 'n':
		return ""
	case value[0] != '"':
		return b.seen.String(value)
	case b.broken || b.HasEscapes(value):
		text, _ := unquote(value) // valid
		return text
	}
	return b.seen.String(value[1 : len(value)-1])
}

// isNone reports whether the value is null or "", the vendor's ways to say that
// there is no object or list, and moves behind it if so.
func (b *binder) isNone() bool {
	if b.Peek() != 'n' && !b.IsEmptyString() {
		return false
	}
	b.Value()
	return true
}

// bindSlice takes an array; null is none, "" an empty one, and any other value
// the one element of a list of one.
func (b *binder) bindSlice(v reflect.Value, element bindFunc) error {
	v.SetZero()
	isNull := b.Peek() == 'n'
	switch {
	case b.isNone():
		if !isNull {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		return nil
	case b.Peek() != '[':
		v.Grow(1)
		v.SetLen(1)
		return element(b, v.Index(0))
	}
	b.Enter()
	switch b.Peek() {
	case ']':
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	case '{', '[': // there are few of them, and to count them takes as long as to bind them
	default:
		v.Grow(b.Count())
	}
	for i := 0; b.Peek() != ']'; i++ {
		if i == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(i + 1)
		if err := element(b, v.Index(i)); err != nil {
			return within(err, strconv.Itoa(i))
		}
		b.Next()
	}
	b.Pos++
	return nil
}

// bindPointer takes an object; anything else is none: the vendor leaves some
// references as ids, and is not explicit about what stands for nothing (our
// decision; RawJSON has what came).
func (b *binder) bindPointer(v reflect.Value, element bindFunc) error {
	v.SetZero()
	if b.Peek() != '{' {
		b.Value()
		return nil
	}
	v.Set(reflect.New(v.Type().Elem()))
	return element(b, v.Elem())
}

// bindStruct takes an object; null and "" are none.
func (b *binder) bindStruct(v reflect.Value, plan *structPlan) error {
	switch {
	case b.isNone():
		v.SetZero()
		return nil
	case b.Peek() != '{':
		return b.mismatch(b.Pos, v, nil)
	}
	b.Enter()
	for last := -1; b.Peek() != '}'; b.Next() {
		at := b.field(plan, last)
		b.Colon()
		if at < 0 {
			b.Value()
			continue
		}
		last = at
		field := &plan.fields[at]
		if err := field.bind(b, v.Field(field.at)); err != nil {
			return within(err, field.name)
		}
	}
	b.Pos++
	return nil
}

// field reads a member's name and finds its field; -1: there is none. The
// likeliest are those after the last one.
func (b *binder) field(plan *structPlan, last int) int {
	const likely = 3
	for at := last + 1; at <= last+likely && at < len(plan.fields); at++ {
		if b.Prefix(plan.fields[at].quoted) {
			return at
		}
	}
	quoted := b.Value()
	name := quoted[1 : len(quoted)-1]
	if b.HasEscapes(quoted) {
		text, _ := unquote(quoted) // valid
		name = []byte(text)
	}
	if at, known := plan.byName[string(name)]; known {
		return at
	}
	return -1
}

// bindOwn leaves a value to the type's own UnmarshalJSON.
func (b *binder) bindOwn(v reflect.Value) error {
	begin := b.Pos
	var err error
	if own, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		err = own.UnmarshalJSON(b.Value())
	} else {
		err = json.Unmarshal(b.Value(), v.Addr().Interface())
	}
	if err != nil {
		return b.mismatch(begin, v, err)
	}
	return nil
}
