package antcrm

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"errors"
	"io"
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
	if len(data) <= smallText {
		return json.Unmarshal(data, v, asEncodingJSON, json.WithUnmarshalers(standardNumber))
	}
	guard := &sizeGuard{ctx: ctx, budget: maxBuilt(maxResponse) * 5 / 3}
	return json.Unmarshal(data, v, asEncodingJSON, json.WithUnmarshalers(json.JoinUnmarshalers(json.UnmarshalFromFunc(guard.admit), standardNumber)))
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

// sizeGuard is called before each value of a text is decoded. It ends the decoding when the context ends, or when the
// decoded values take more memory than allowed: [{},{},…] becomes a hundred times its size.
type sizeGuard struct {
	ctx    context.Context // a guard lives no longer than one decoding
	steps  int
	budget int64
	newMap int // depth of the members of the last map
}

// What values take in Go's runtime beside their own size, in bytes.
const (
	memberSize = 16  // a member, whether of a map or not
	mapSize    = 48  // an empty map
	firstSlots = 136 // the first eight slots of a map of texts and interfaces, less what four members count
	boxSize    = 16  // a number or a text in an interface, the bytes of a text
	sliceSize  = 24  // a slice in an interface
	growing    = 3   // an element, while its list is copied to a larger place
	growingMap = 32  // the slots of a map that are free, or copied to a larger place, for each member
)

// admit lets the library decode the value, decodes it, or ends the decoding.
func (g *sizeGuard) admit(dec *jsontext.Decoder, v any) error {
	const seldom = 256
	if g.steps++; g.steps%seldom == 0 && g.ctx.Err() != nil {
		return errEnded
	}
	if isOpen(v) {
		return g.decodeOpen(dec, v)
	}
	if g.budget -= int64(g.cost(dec, reflect.TypeOf(v).Elem())); g.budget < 0 {
		return bind.ErrBudget
	}
	return errors.ErrUnsupported
}

// cost returns how many bytes a value of a type takes.
func (g *sizeGuard) cost(dec *jsontext.Decoder, t reflect.Type) (size int) {
	depth := dec.StackDepth()
	parent, before := dec.StackIndex(depth)
	if parent == '{' {
		size = memberSize
		if before%2 == 0 { // it is a name: only a map has them decoded
			size += growingMap
		}
		if depth == g.newMap {
			size, g.newMap = size+firstSlots, 0
		}
	}
	switch t.Kind() {
	case reflect.Map:
		size += mapSize
		g.newMap = depth + 1
	case reflect.String:
		size += boxSize
	}
	switch {
	case parent == '[':
		size += growing * int(t.Size())
	case t.Kind() != reflect.String && t.Kind() != reflect.Pointer:
		size += int(t.Size()) // again, if it is a struct's field: it may as well be a map's value
	}
	return size
}

// isOpen reports whether v points to a place that holds whatever JSON says. What that takes is known from the text alone.
func isOpen(v any) bool {
	switch v := v.(type) {
	case *any:
		return *v == nil // else it may point to a type of the caller's, which is decoded into
	case *map[string]any, *[]any:
		return true
	}
	return false
}

// decodeOpen decodes into a place that holds whatever JSON says. One look at the text says whether it fits; asking before
// each of a million members would take longer than decoding them.
func (g *sizeGuard) decodeOpen(dec *jsontext.Decoder, v any) error {
	text, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if g.budget -= openSize(text); g.budget < 0 {
		return bind.ErrBudget
	}
	if len(text) <= smallText {
		err = json.Unmarshal(text, v, asEncodingJSON)
	} else {
		err = json.UnmarshalRead(&untilEnd{ctx: g.ctx, text: text}, v, asEncodingJSON)
	}
	if failure, ok := errors.AsType[*json.SemanticError](err); ok {
		failure.ByteOffset += dec.InputOffset() - int64(len(text))
		failure.JSONPointer = dec.StackPointer() + failure.JSONPointer
	}
	return err
}

// openSize returns how many bytes valid JSON takes as maps, slices, texts and numbers in interfaces.
func openSize(text []byte) int64 {
	const inInterface = 16
	var texts, names, scalars, lists, objects, full int64
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			texts++
			i = endOfText(text, i)
		case ':':
			names++
		case '[':
			lists++
		case '{':
			objects++
			if bytes.TrimLeft(text[i+1:], " \t\n\r")[0] != '}' {
				full++
			}
		case ',', ']', '}', ' ', '\t', '\n', '\r':
		default:
			scalars++
			for i+1 < len(text) && !endsScalar(text[i+1]) {
				i++
			}
		}
	}
	texts -= names
	elements := texts + scalars + lists + objects - names - 1 // every value but the whole is an element or a member's
	return names*(2*memberSize+boxSize+inInterface) + elements*growing*inInterface + (texts+scalars)*boxSize +
		lists*sliceSize + objects*mapSize + full*firstSlots
}

// endOfText returns where the text that begins at i ends: at its closing quote.
func endOfText(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

func endsScalar(c byte) bool {
	return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\n' || c == '\r'
}

// untilEnd reads a text until its context ends.
type untilEnd struct {
	ctx  context.Context // a reader lives no longer than one decoding
	text []byte
}

func (r *untilEnd) Read(p []byte) (int, error) {
	switch {
	case r.ctx.Err() != nil:
		return 0, errEnded
	case len(r.text) == 0:
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}
