package bind

import (
	"errors"
	"reflect"
	"strings"
)

// ErrBudget is a record that would take more memory than its Binder may use.
var ErrBudget = errors.New("the answer becomes larger than allowed")

// Error is a value of another kind than its place takes.
type Error struct {
	Path   string       // JSON pointer, from the record
	Offset int          // byte offset in the record's text
	Size   int          // of the record's text
	First  byte         // first byte of the value that came
	Type   reflect.Type // what it should have become
}

func (e *Error) Error() string {
	return "unexpected JSON value for " + e.Type.String() + " at " + e.Path
}

// within adds a step to the path of an Error.
func within(err error, step string) error {
	if failure, ok := errors.AsType[*Error](err); ok {
		failure.Path = "/" + pointerStep(step) + failure.Path
	}
	return err
}

// pointerStep escapes a name for a JSON pointer (RFC 6901).
func pointerStep(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}
