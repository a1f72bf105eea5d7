// Package schema reads the wire names of the SDK's types, so that a command can tell a field that exists from a typing error.
package schema

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/antbuddy/antcrm-go"
)

// Kind is what a field holds.
type Kind int

// The kinds.
const (
	Text   Kind = iota // text, an identifier, a code
	Number             // a decimal number
	Bool
	Time   // milliseconds on the wire
	Any    // any JSON; whatever path leads into it exists
	Object // an object of known fields
	List   // a list of texts
	Lists  // a list of objects
)

// Schema is the JSON fields of a Go type.
type Schema struct{ typ reflect.Type }

// Of returns the schema of T, a struct.
func Of[T any]() Schema { return Schema{reflect.TypeFor[T]()} }

// Names lists the fields of the outermost object, in their order.
func (s Schema) Names() []string {
	var names []string
	eachField(s.typ, func(name string, _ reflect.Type) { names = append(names, name) })
	return names
}

// Split cuts a path such as phones.0.value into its steps.
func Split(path string) []string { return strings.Split(path, ".") }

// Lookup says what a path leads to. A step that is a number picks an element of a list; without one a path goes through all elements.
func (s Schema) Lookup(path string) (Kind, bool) {
	t := s.typ
	for _, step := range Split(path) {
		if step == "" {
			return 0, false
		}
		t = deref(t)
		if t.Kind() == reflect.Slice && !isRaw(t) {
			t = deref(t.Elem())
			if isIndex(step) {
				continue
			}
		}
		if isRaw(t) {
			return Any, true
		}
		next := fieldType(t, step)
		if next == nil {
			return 0, false
		}
		t = next
	}
	return kindOf(deref(t)), true
}

func fieldType(t reflect.Type, name string) (found reflect.Type) {
	if t.Kind() != reflect.Struct || isTime(t) {
		return nil
	}
	eachField(t, func(field string, typ reflect.Type) {
		if field == name {
			found = typ
		}
	})
	return found
}

// eachField gives the fields that JSON knows, those of embedded structs among them.
func eachField(t reflect.Type, give func(name string, typ reflect.Type)) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case field.Anonymous && name == "" && deref(field.Type).Kind() == reflect.Struct:
			eachField(deref(field.Type), give)
		case field.IsExported() && name != "":
			give(name, field.Type)
		}
	}
}

func kindOf(t reflect.Type) Kind {
	switch t {
	case reflect.TypeFor[antcrm.Decimal](), reflect.TypeFor[antcrm.DecimalText]():
		return Number
	}
	switch {
	case isRaw(t):
		return Any
	case isTime(t):
		return Time
	}
	switch t.Kind() {
	case reflect.Bool:
		return Bool
	case reflect.Float64, reflect.Int, reflect.Int64:
		return Number
	case reflect.Slice:
		if deref(t.Elem()).Kind() == reflect.String {
			return List
		}
		return Lists
	case reflect.Struct:
		return Object
	}
	return Text
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func isRaw(t reflect.Type) bool  { return t == reflect.TypeFor[json.RawMessage]() }
func isTime(t reflect.Type) bool { return t == reflect.TypeFor[antcrm.Timestamp]() }

func isIndex(step string) bool {
	_, err := strconv.ParseUint(step, 10, 16)
	return err == nil
}
