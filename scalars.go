package antcrm

import (
	"encoding/json"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/antbuddy/antcrm-go/internal/bind"
)

// ID is an identifier of the CRM: of a lead or a customer, an order number, a ticket's id, a 24-digit object id. The
// vendor declares identifiers as strings and answers with numbers or strings. ID decodes both (and null as "") and
// keeps every digit. It is sent as a JSON string.
type ID string

// String returns the identifier's text.
func (id ID) String() string { return string(id) }

// UnmarshalJSON accepts a number, a string or null.
func (id *ID) UnmarshalJSON(data []byte) error { return unmarshalText(data, id) }

// Decimal is an exact decimal number, kept as text: a quantity, or an amount of money in the CRM's currency (VND), as
// sent. It decodes a JSON number or a numeric string; "" and null are the empty Decimal. It is sent as a JSON number.
//
// The empty Decimal means "not set" and is left out of requests; "0" is a value and is sent. In an update a pointer to
// the empty Decimal is ErrValidation, because an empty text is not a number.
//
// An amount that is not a number ("on request", true) does not fail a page of good records: the Decimal keeps its text,
// and Valid reports false (our decision). Sending such a Decimal is ErrValidation.
type Decimal string

// NewDecimal returns the Decimal of an integer, such as an amount in VND.
func NewDecimal(n int64) Decimal { return Decimal(strconv.FormatInt(n, 10)) }

// String returns the number's text.
func (d Decimal) String() string { return string(d) }

// IsSet reports whether d is not empty. Valid reports whether it is a number.
func (d Decimal) IsSet() bool { return d != "" }

// Valid reports whether d is a number. The empty Decimal is none.
func (d Decimal) Valid() bool { return bind.IsDecimal(string(d)) }

// Rat returns the exact value. ok is false if d is empty, is not a number, or has an exponent of more than four digits,
// whose exact value would not fit in memory.
func (d Decimal) Rat() (r *big.Rat, ok bool) {
	if !d.Valid() {
		return nil, false
	}
	if i := strings.IndexAny(string(d), "eE"); i >= 0 && len(strings.TrimLeft(string(d[i+1:]), "+-0")) > 4 {
		return nil, false
	}
	return new(big.Rat).SetString(string(d))
}

// Float64 returns the nearest float64. ok is false if d is empty or not a number.
func (d Decimal) Float64() (f float64, ok bool) {
	if !d.Valid() {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(d), 64)
	return f, err == nil
}

// Int64 returns the value if it is a whole number that fits an int64.
func (d Decimal) Int64() (n int64, ok bool) {
	if n, err := strconv.ParseInt(string(d), 10, 64); err == nil {
		return n, true
	}
	r, ok := d.Rat()
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

// MarshalJSON writes a JSON number. It writes "" for the empty Decimal, as the vendor prints a missing amount, and a
// JSON string for a text that is not a number.
func (d Decimal) MarshalJSON() ([]byte, error) { return marshalNumber(string(d)) }

// UnmarshalJSON accepts a number, a string or null, and any other value as its JSON text.
func (d *Decimal) UnmarshalJSON(data []byte) error { return unmarshalText(data, d) }

// DecimalText is a Decimal that is sent as a JSON string. The vendor declares and prints the price of a product as a
// string, while an order's amounts are numbers. Use a Go conversion between the two types.
type DecimalText string

// Decimal returns the same number as a Decimal.
func (d DecimalText) Decimal() Decimal { return Decimal(d) }

// Valid reports whether d is a number. The empty DecimalText is none.
func (d DecimalText) Valid() bool { return d.Decimal().Valid() }

// String returns the number's text.
func (d DecimalText) String() string { return string(d) }

// UnmarshalJSON accepts a number, a string or null, and any other value as its JSON text.
func (d *DecimalText) UnmarshalJSON(data []byte) error { return unmarshalText(data, d) }

// Score is a number of loyalty points or a rating's score. It decodes a number or a numeric string; "" and null are 0.
// A value that is not a number is 0 too, so that it does not fail a page of good records (our decision); RawJSON still
// has it.
type Score float64

// UnmarshalJSON accepts what the type's comment lists.
func (s *Score) UnmarshalJSON(data []byte) error {
	if f, ok := Decimal(data).Float64(); ok { // the usual form: no string is allocated
		*s = Score(f)
		return nil
	}
	text, err := numberText(data)
	if err != nil {
		return err
	}
	*s = 0
	if f, ok := Decimal(text).Float64(); ok {
		*s = Score(f)
	}
	return nil
}

// Timestamp is a point in time, in UTC and to the millisecond. On the wire it is a number of milliseconds since 1970.
// It also decodes a numeric string of milliseconds, RFC 3339 with or without a fraction, and YYYY-MM-DD (midnight UTC);
// "" and null are the zero Timestamp. Any other text is the zero Timestamp too, so that it does not fail a page of good
// records (our decision: the vendor's dates are not documented well enough); RawJSON still has it.
type Timestamp struct{ time.Time }

// NewTimestamp returns t as a Timestamp, cut to the millisecond.
func NewTimestamp(t time.Time) Timestamp {
	if t.IsZero() {
		return Timestamp{}
	}
	return Timestamp{time.UnixMilli(t.UnixMilli()).UTC()}
}

// MarshalJSON writes epoch milliseconds, and null for the zero Timestamp.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, t.UnixMilli(), 10), nil
}

// UnmarshalJSON accepts what the type's comment lists.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	if ms, err := strconv.ParseInt(string(data), 10, 64); err == nil { // the usual form: no string is allocated
		*t = fromMillis(ms)
		return nil
	}
	text, err := numberText(data)
	if err != nil {
		return err
	}
	*t = parseTimestamp(text)
	return nil
}

func parseTimestamp(text string) Timestamp {
	if text == "" {
		return Timestamp{}
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return fromMillis(ms)
	}
	if bind.IsDecimal(text) {
		// 1.692084490615E12, as some JSON writers print large numbers.
		if f, err := strconv.ParseFloat(text, 64); err == nil && f > -maxMillis && f < maxMillis {
			return fromMillis(int64(f))
		}
		return Timestamp{}
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if parsed, err := time.Parse(layout, text); err == nil {
			return fromMillis(parsed.UnixMilli())
		}
	}
	return Timestamp{}
}

// maxMillis is the end of year 9999: beyond it a number is no date.
const maxMillis = 253402300800000

func fromMillis(ms int64) Timestamp {
	if ms <= -maxMillis || ms >= maxMillis {
		return Timestamp{}
	}
	return NewTimestamp(time.UnixMilli(ms))
}

// ContactKind says whether a customer is a person or an organization (wire name type). The vendor answers with a number
// or a string; it is sent as a string, as the vendor declares it. Other values than the constants are sent as they are.
type ContactKind string

// The kinds of the vendor's page.
const (
	KindPerson  ContactKind = "0" // a contact, in the vendor's words
	KindAccount ContactKind = "1" // an account: an organization
)

// UnmarshalJSON accepts a number, a string or null.
func (k *ContactKind) UnmarshalJSON(data []byte) error { return unmarshalText(data, k) }

// Gender is the gender of a contact. The vendor answers with a number or a string; it is sent as a string, as the
// vendor declares it.
type Gender string

// The genders of the vendor's page.
const (
	GenderMale   Gender = "0"
	GenderFemale Gender = "1"
	GenderOther  Gender = "2"
)

// UnmarshalJSON accepts a number, a string or null.
func (g *Gender) UnmarshalJSON(data []byte) error { return unmarshalText(data, g) }

// NumericCode is an enumeration with numeric values: the kind of a discount, the kind and the status of a loyalty
// entry. The vendor answers with a number or a numeric string; it is sent as a number. Empty means "not set".
type NumericCode string

// The numeric codes of the vendor's page.
const (
	DiscountCash    NumericCode = "0" // typeDiscount: an amount of money
	DiscountPercent NumericCode = "1" // typeDiscount: a percentage

	LoyaltyAccumulation NumericCode = "1" // LoyaltyEntry.Type
	LoyaltyRedemption   NumericCode = "2"

	LoyaltyFailed    NumericCode = "0" // LoyaltyEntry.Status
	LoyaltySucceeded NumericCode = "1"
)

// MarshalJSON writes a number if the code is one, else a string.
func (c NumericCode) MarshalJSON() ([]byte, error) { return marshalNumber(string(c)) }

// UnmarshalJSON accepts a number, a string or null.
func (c *NumericCode) UnmarshalJSON(data []byte) error { return unmarshalText(data, c) }

// Flag is Yes, No, or empty if the record does not say. It decodes true, false, 1 and 0, also as strings; "" and null
// are empty. It is sent as true or false.
type Flag string

// The values of a Flag. Other texts are kept as they are.
const (
	Yes Flag = "true"
	No  Flag = "false"
)

// Bool reports whether the flag is Yes.
func (f Flag) Bool() bool { return f == Yes }

// MarshalJSON writes true or false, and any other text as a string.
func (f Flag) MarshalJSON() ([]byte, error) {
	if f == Yes || f == No {
		return []byte(f), nil
	}
	return json.Marshal(string(f))
}

// UnmarshalJSON accepts a boolean, a number, a string or null.
func (f *Flag) UnmarshalJSON(data []byte) error { return unmarshalText(data, f) }

func flagText(text string) string {
	switch text {
	case "1":
		return string(Yes)
	case "0":
		return string(No)
	}
	return text
}

// Tags is a list of tag names. The vendor declares it as a string and prints an array. A single string decodes as one
// tag; "" and null are no tags.
type Tags []string

// UnmarshalJSON accepts an array of strings, one string, "" or null.
func (t *Tags) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return t.unmarshalArray(data)
	}
	var one ID
	if err := unmarshalText(data, &one); err != nil {
		return err
	}
	switch {
	case one != "":
		*t = Tags{string(one)}
	case string(data) == "null":
		*t = nil
	default:
		*t = Tags{}
	}
	return nil
}

func (t *Tags) unmarshalArray(data []byte) error {
	var names []ID
	if err := jsonv2.Unmarshal(data, &names, lenient); err != nil {
		return err
	}
	*t = make(Tags, len(names))
	for i, name := range names {
		(*t)[i] = string(name)
	}
	return nil
}

// textOf says how a type whose kind is string is read from JSON.
func textOf(t reflect.Type) bind.Text {
	switch t {
	case reflect.TypeFor[Decimal](), reflect.TypeFor[DecimalText]():
		return bind.Text{Canonical: bind.ShortNumber, Booleans: true, Composites: true}
	case reflect.TypeFor[NumericCode]():
		return bind.Text{Canonical: bind.ShortNumber}
	case reflect.TypeFor[Flag]():
		return bind.Text{Canonical: flagText, Booleans: true}
	}
	return bind.Text{}
}

// unmarshalText is the UnmarshalJSON of types whose kind is string.
func unmarshalText[T ~string](data []byte, into *T) error {
	text, err := textOf(reflect.TypeFor[T]()).Read(string(data))
	if err != nil {
		return err
	}
	*into = T(text)
	return nil
}

// numberText returns the text of a value that should be a number, and may be anything.
func numberText(data []byte) (string, error) {
	return bind.Text{Booleans: true, Composites: true}.Read(string(data))
}

// marshalNumber writes a JSON number if the text is one, else a JSON string.
func marshalNumber(text string) ([]byte, error) {
	if bind.IsDecimal(text) {
		return []byte(bind.ShortNumber(text)), nil
	}
	return json.Marshal(text)
}
