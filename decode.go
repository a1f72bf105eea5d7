package antcrm

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/antbuddy/antcrm-go/internal/bind"
	"github.com/antbuddy/antcrm-go/internal/wire"
)

// lenient is how answers are read: the vendor's JSON may repeat a name or
// carry bytes that are not UTF-8 (which become U+FFFD); names are matched as
// the vendor spells them.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// asEncodingJSON is the rules of encoding/json, as lenient.
var asEncodingJSON = json.JoinOptions(jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false), lenient,
	json.WithUnmarshalers(json.UnmarshalFromFunc(stdNumber)))

// validUTF8 is lenient for the usual answer, in which every byte is UTF-8.
var validUTF8 = jsontext.AllowDuplicateNames(true)

// readerFunc reads one JSON value.
type readerFunc func(*jsontext.Decoder) error

// UnmarshalJSONFrom is called by json.Unmarshal.
func (read *readerFunc) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return (*read)(dec) }

// readJSON reads a text that is one JSON value.
func readJSON(text []byte, opts jsontext.Options, read readerFunc) error {
	return json.Unmarshal(text, &read, opts)
}

// eachMember calls read for each member of the next value, an object; read
// takes the member's value.
func eachMember(dec *jsontext.Decoder, read func(name string) error) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := read(name.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// eachElement calls read for each element of the next value, an array; read
// takes the element.
func eachElement(dec *jsontext.Decoder, read func(kind jsontext.Kind) error) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for kind := dec.PeekKind(); kind != ']'; kind = dec.PeekKind() {
		if err := read(kind); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// decodeInto decodes into a caller's own type by the rules of encoding/json.
func decodeInto(data []byte, v any) error {
	if v == nil {
		return invalid("v", "must be a non-nil pointer")
	}
	if err := checkOut(v); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v, asEncodingJSON); err != nil {
		failure := describe(err)
		failure.Size = len(data)
		return failure
	}
	return nil
}

// stdNumber reads the one type that encoding/json knows by name and json/v2
// takes for a text.
func stdNumber(dec *jsontext.Decoder, number *stdjson.Number) error {
	if kind := dec.PeekKind(); kind != '0' && kind != '"' {
		return errors.ErrUnsupported
	}
	val, err := dec.ReadValue()
	if err == nil && stdjson.Unmarshal(val, number) != nil {
		err = &json.SemanticError{JSONKind: val.Kind(), GoType: reflect.TypeFor[stdjson.Number]()}
	}
	return err
}

// describe says what is wrong and where without quoting any value.
func describe(err error) *DecodeError {
	if failure, ok := errors.AsType[*DecodeError](err); ok {
		return failure
	}
	if mismatch, ok := errors.AsType[*bind.Error](err); ok {
		return &DecodeError{Path: mismatch.Path, Offset: int64(mismatch.Offset), Problem: mismatchText(jsontext.Kind(mismatch.First), mismatch.Type)}
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return &DecodeError{Path: string(semantic.JSONPointer), Offset: semantic.ByteOffset, Problem: mismatchText(semantic.JSONKind, semantic.GoType)}
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		problem := "the body is not valid JSON"
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			problem = "the JSON is cut short"
		}
		return &DecodeError{Path: string(syntactic.JSONPointer), Offset: syntactic.ByteOffset, Problem: problem}
	}
	switch {
	case errors.Is(err, bind.ErrBudget):
		return &DecodeError{Problem: bind.ErrBudget.Error(), err: ErrResponseTooLarge}
	case errors.Is(err, ErrResponseTooLarge):
		return &DecodeError{Problem: "the answer is larger than allowed", err: ErrResponseTooLarge}
	case errors.Is(err, wire.ErrNotGzip):
		return &DecodeError{Problem: wire.ErrNotGzip.Error()}
	}
	return &DecodeError{Problem: "the body is not what the endpoint answers"}
}

// mismatchText describes a JSON value that does not fit its place.
func mismatchText(kind jsontext.Kind, goType reflect.Type) string {
	problem := "unexpected value"
	if kind != 0 {
		problem = "unexpected JSON " + kindName(kind)
	}
	if goType != nil {
		problem += " for " + goType.String()
	}
	return problem
}

// wrongKind is a value of a kind that its place does not take.
func wrongKind(val jsontext.Value) error { return &json.SemanticError{JSONKind: val.Kind()} }

func kindName(kind jsontext.Kind) string {
	switch kind {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 'n':
		return "null"
	case 't', 'f':
		return "boolean"
	}
	return "number"
}

// isValidJSON reports whether a text is one JSON value.
func isValidJSON(text []byte) bool { return jsontext.Value(text).IsValid(lenient) }

// isEmptyJSON reports whether a value holds nothing.
func isEmptyJSON(v jsontext.Value) bool {
	switch v.Kind() {
	case 'n':
		return true
	case '[', '{':
		return len(bytes.TrimSpace(v[1:len(v)-1])) == 0
	}
	return false
}
