package antcrm

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Record is embedded in every record that the API lists. It keeps the JSON as received, so that undocumented fields
// stay reachable. The record's strings share the memory of that JSON: if you keep a single string for long, clone it
// (strings.Clone).
type Record struct{ raw string }

// RawJSON returns a copy of the record's JSON as received, unknown fields included. It is nil for a record that did not
// come from the API.
func (r Record) RawJSON() json.RawMessage {
	if r.raw == "" {
		return nil
	}
	return json.RawMessage(r.raw)
}

// Decode decodes the record's JSON as received into v, a pointer to a struct of your own, by the rules of
// encoding/json.
func (r Record) Decode(v any) error {
	if r.raw == "" {
		return &DecodeError{Problem: "decode record: it did not come from the API"}
	}
	if v == nil {
		return invalid("v", "must be a non-nil pointer")
	}
	if err := checkOut(v); err != nil {
		return err
	}
	if err := decodeInto(context.Background(), []byte(r.raw), v, int64(len(r.raw))); err != nil {
		failure := describe(err)
		failure.Size = len(r.raw)
		return failure
	}
	return nil
}

// Format prints {redacted} with every verb, to keep a customer's data out of logs: for a record alone and for one in a
// slice, a map, a struct or a page. Print the fields that you need.
//
// There is one exception: fmt calls no methods of a value that it reaches through an unexported field. If a struct of
// yours has a record in such a field, give the struct a Format method.
func (Record) Format(s fmt.State, _ rune) { redacted{}.Format(s, 0) }

// LogValue is {redacted}, to keep a customer's data out of slog's records.
func (Record) LogValue() slog.Value { return redacted{}.LogValue() }

func (r *Record) setRaw(raw string) { r.raw = raw }

// rawText is RawJSON without the copy.
func (r *Record) rawText() string { return r.raw }

// rawKeeper is a pointer to a record: to a type that embeds Record.
type rawKeeper interface {
	setRaw(raw string)
	rawText() string
}

// redacted is embedded in parameter types and in the parts of records and parameters. They carry personal data that %+v
// must not write into a log.
type redacted struct{}

// Format prints {redacted} with every verb.
func (redacted) Format(s fmt.State, _ rune) { writeText(s, "{redacted}") }

// LogValue is {redacted} for slog.
func (redacted) LogValue() slog.Value { return slog.StringValue("{redacted}") }
