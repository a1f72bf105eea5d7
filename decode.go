package antcrm

import (
	"bytes"
	"errors"
	"io"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/antbuddy/antcrm-go/internal/bind"
	"github.com/antbuddy/antcrm-go/internal/wire"
)

// lenient is how answers are read: the vendor's JSON may repeat a name, or have bytes that are not UTF-8 (they become
// U+FFFD). Names must be spelled as the vendor does.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// validUTF8 is lenient for the usual answer, in which every byte is UTF-8.
var validUTF8 = jsontext.AllowDuplicateNames(true)

// describe says what is wrong and where, without quoting a value.
func describe(err error) *DecodeError {
	if failure, ok := errors.AsType[*DecodeError](err); ok {
		return failure
	}
	if errors.Is(err, bind.ErrBudget) {
		return &DecodeError{Problem: bind.ErrBudget.Error(), err: ErrResponseTooLarge}
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
	if goType != nil && goType != reflect.TypeFor[unmarshalerFunc]() { // a reader of our own is no type that a caller knows
		problem += " for " + goType.String()
	}
	return problem
}

// wrongKind is the error of a value whose kind does not fit its place.
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

// errEnded is the end of the context while an answer was decoded.
var errEnded = errors.New("the context has ended")

func isSyntactic(err error) bool {
	_, syntactic := errors.AsType[*jsontext.SyntacticError](err)
	return syntactic
}

// maxBuilt is how many bytes the records of an answer may take in memory: three times the limit of its text, and at
// least three times the default limit. For comparison: 10,000 full contacts are nearly 16 MiB of text and take twice
// that in memory, while a record {} takes two hundred times its text.
func maxBuilt(maxResponse int64) int64 {
	const growth, largest = 3, 1 << 50
	return growth * min(max(maxResponse, defaultMaxResponse), largest)
}

// isValidJSON reports whether a text is one JSON value.
func isValidJSON(text []byte) bool { return jsontext.Value(text).IsValid(lenient) }

// isEmptyJSON reports whether a value is null, [] or {}.
func isEmptyJSON(v jsontext.Value) bool {
	switch v.Kind() {
	case 'n':
		return true
	case '[', '{':
		return len(bytes.TrimSpace(v[1:len(v)-1])) == 0
	}
	return false
}
