package antcrm

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/antbuddy/antcrm-go/internal/bind"
)

// asEncodingJSON has the rules of encoding/json, with the leniency of lenient.
var asEncodingJSON = json.JoinOptions(jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false), lenient)

// standardNumber reads the type encoding/json.Number.
var standardNumber = json.UnmarshalFromFunc(unmarshalStandardNumber)

// decodeInto decodes into a type of the caller's by the rules of encoding/json, until the context ends. The value may
// take two thirds more memory than records may: an interface and a map take more than a field.
func decodeInto(ctx context.Context, data []byte, v any, maxResponse int64) error {
	unmarshalers := standardNumber
	if len(data) > smallText {
		unmarshalers = json.JoinUnmarshalers(json.UnmarshalFromFunc((&limiter{ctx: ctx, boxed: -1, budget: maxBuilt(maxResponse) * 5 / 3}).admit), standardNumber)
	}
	return json.Unmarshal(data, v, asEncodingJSON, json.WithUnmarshalers(unmarshalers))
}

// unmarshalStandardNumber reads an encoding/json.Number, which json/v2 would treat as a string.
func unmarshalStandardNumber(dec *jsontext.Decoder, number *stdjson.Number) error {
	if kind := dec.PeekKind(); kind != '0' && kind != '"' {
		return errors.ErrUnsupported
	}
	val, err := dec.ReadValue()
	if err == nil && stdjson.Unmarshal(val, number) != nil {
		err = &json.SemanticError{JSONKind: val.Kind(), GoType: reflect.TypeFor[stdjson.Number]()}
	}
	return err
}

// smallText is the length up to which memory is not counted: every value takes at least two bytes of the text, so a
// short text cannot become large.
const smallText = 64 << 10

// limiter is called before each value of a text is decoded. It ends the decoding when the context ends, or when the
// decoded values take more memory than allowed: [{},{},…] becomes a hundred times its size.
type limiter struct {
	ctx    context.Context // a limiter lives no longer than one decoding
	steps  int
	budget int64
	newMap int   // depth of the members of the last map
	boxed  int64 // offset of the last interface
}

// What values take in Go's runtime beside their own size, in bytes.
const (
	memberSize = 16  // a member, whether of a map or not
	mapSize    = 48  // an empty map
	firstSlots = 136 // the first eight slots of a map of texts and interfaces, less what four members count
	boxSize    = 16  // a number or a text in an interface, the bytes of a text
	sliceSize  = 24  // a slice in an interface
	growing    = 2   // an element, while its list is copied to a larger place
)

// admit lets the library decode the value, or ends the decoding.
func (l *limiter) admit(dec *jsontext.Decoder, v any) error {
	const seldom = 256
	if l.steps++; l.steps%seldom == 0 && l.ctx.Err() != nil {
		return errEnded
	}
	if l.budget -= int64(l.cost(dec, reflect.TypeOf(v).Elem())); l.budget < 0 {
		return bind.ErrBudget
	}
	return errors.ErrUnsupported
}

// cost returns how many bytes a value of a type takes. The library calls it twice for a value in an interface: for the
// interface, and for the value.
func (l *limiter) cost(dec *jsontext.Decoder, t reflect.Type) (size int) {
	depth := dec.StackDepth()
	parent, _ := dec.StackIndex(depth)
	isBoxed := l.boxed == dec.InputOffset()
	if parent == '{' && !isBoxed {
		size = memberSize
		if depth == l.newMap {
			size, l.newMap = size+firstSlots, 0
		}
	}
	switch t.Kind() {
	case reflect.Interface:
		l.boxed = dec.InputOffset()
		size += boxOf(dec.PeekKind())
	case reflect.Map:
		size += mapSize
		l.newMap = depth + 1
	case reflect.String:
		size += boxSize
	}
	switch {
	case isBoxed:
	case parent == '[':
		size += growing * int(t.Size())
	case t.Kind() != reflect.String && t.Kind() != reflect.Pointer:
		size += int(t.Size()) // again, if it is a struct's field: it may as well be a map's value
	}
	return size
}

// boxOf returns how many bytes a value takes in an interface.
func boxOf(kind jsontext.Kind) int {
	switch kind {
	case '[':
		return sliceSize
	case '0':
		return boxSize // a text counts when it is asked for
	}
	return 0
}
