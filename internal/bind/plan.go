package bind

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// Plans holds how each record type is bound, worked out once. It is safe for concurrent use.
type Plans struct {
	text    func(reflect.Type) Text
	mu      sync.Mutex
	structs map[reflect.Type]*plan
}

// NewPlans returns Plans for which text says how each type whose kind is string is read.
func NewPlans(text func(reflect.Type) Text) *Plans {
	return &Plans{text: text, structs: map[reflect.Type]*plan{}}
}

// plan is the fields of a struct by their wire names.
type plan struct {
	fields []field // in the struct's order, which mostly is the wire's
	byName map[string]int
}

type field struct {
	name   string
	quoted []byte // the name as it is written most often
	index  int
	bind   bindFunc
}

// bindFunc reads the value at the cursor into v.
type bindFunc func(b *Binder, v reflect.Value) error

// of returns the plan of a struct type.
func (p *Plans) of(t reflect.Type) *plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plan(t)
}

func (p *Plans) plan(t reflect.Type) *plan {
	if known := p.structs[t]; known != nil {
		return known
	}
	made := &plan{byName: map[string]int{}}
	p.structs[t] = made // before its fields: a type may hold itself
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		made.byName[name] = len(made.fields)
		made.fields = append(made.fields, field{name: name, quoted: []byte(`"` + name + `"`), index: i, bind: p.bindFunc(f.Type)})
	}
	return made
}

var (
	typeRawMessage  = reflect.TypeFor[json.RawMessage]()
	typeUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
)

// bindFunc chooses how a type is read. Types of other kinds than the records have are left to encoding/json.
func (p *Plans) bindFunc(t reflect.Type) bindFunc {
	if t == typeRawMessage {
		return (*Binder).bindRaw
	}
	switch t.Kind() {
	case reflect.String:
		text := p.text(t)
		return func(b *Binder, v reflect.Value) error { return b.bindText(v, text) }
	case reflect.Slice:
		element := p.bindFunc(t.Elem())
		return func(b *Binder, v reflect.Value) error { return b.bindSlice(v, element) }
	case reflect.Pointer:
		element := p.bindFunc(t.Elem())
		return func(b *Binder, v reflect.Value) error { return b.bindPointer(v, element) }
	case reflect.Struct:
		if !reflect.PointerTo(t).Implements(typeUnmarshaler) {
			made := p.plan(t)
			return func(b *Binder, v reflect.Value) error { return b.bindStruct(v, made) }
		}
	}
	return (*Binder).bindOwn
}

// find reads a member's name and finds its field; -1: there is none. The likeliest are those after the last one.
func (p *plan) find(b *Binder, last int) int {
	const likely = 3
	for at := last + 1; at <= last+likely && at < len(p.fields); at++ {
		if b.prefix(p.fields[at].quoted) {
			return at
		}
	}
	quoted := b.value()
	name := quoted[1 : len(quoted)-1]
	if b.broken || b.hasEscapes(quoted) {
		name = []byte(unquote(string(quoted)))
	}
	if at, known := p.byName[string(name)]; known {
		return at
	}
	return -1
}
