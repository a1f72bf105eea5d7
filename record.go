package antcrm

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Record is embedded in every record that the API lists. It keeps the JSON as
// it came, so that fields the vendor does not document stay reachable. The
// record's strings are parts of that JSON: whoever keeps one string of a record
// for long should clone it (strings.Clone).
type Record struct{ raw string }

// RawJSON returns a copy of the record as received, unknown fields included.
// It is nil for a record that did not come from the API.
func (r Record) RawJSON() json.RawMessage {
	if r.raw == "" {
		return nil
	}
	return json.RawMessage(r.raw)
}

// Decode decodes the record as received into v, a pointer to the caller's own
// struct, by the rules of encoding/json.
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

// Format keeps a customer's data out of logs: a record prints as {redacted}
// with every verb, alone and within slices, maps, structs and pages. Print its
// fields instead.
//
// There is one case in which fmt cannot do that: it calls no method of a value
// that it reaches through an unexported field. A struct of yours with a record in
// such a field shows it: give the struct a Format method of its own.
func (Record) Format(s fmt.State, _ rune) { redacted{}.Format(s, 0) }

// LogValue keeps a customer's data out of slog records.
func (Record) LogValue() slog.Value { return redacted{}.LogValue() }

func (r *Record) setRaw(raw string) { r.raw = raw }

// rawText is RawJSON without the copy.
func (r *Record) rawText() string { return r.raw }

// rawKeeper is a pointer to a record: to a type that embeds Record.
type rawKeeper interface {
	setRaw(raw string)
	rawText() string
}

// redacted is embedded in parameter types and in the parts of records and
// parameters: they carry personal data that must reach no log line by way of
// %+v.
type redacted struct{}

// Format prints {redacted} with every verb.
func (redacted) Format(s fmt.State, _ rune) { writeText(s, "{redacted}") }

// LogValue is {redacted} for slog.
func (redacted) LogValue() slog.Value { return slog.StringValue("{redacted}") }
