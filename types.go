package antcrm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ID is an identifier of the CRM: a lead, a customer, an order number, a
// ticket, a 24-digit object id. The vendor declares identifiers as strings
// and answers with numbers or strings as it pleases, so ID decodes both (and
// null as "") and keeps the text exactly: a 19-digit number loses no digit.
// It is sent as a JSON string.
type ID string

// String returns the identifier's text.
func (id ID) String() string { return string(id) }

// UnmarshalJSON accepts a number, a string or null.
func (id *ID) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, id, anyText) }

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (id *ID) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readScalar(dec, id, anyText)
}

// Decimal is an exact decimal number kept as its text: money in the currency
// the CRM uses (VND, as sent), quantities. It decodes a JSON number, a
// numeric string, "" and null (both: the empty Decimal), and is sent as a
// JSON number. The empty Decimal means "not given" and is left out of
// requests; "0" is a value and is sent. In an update a pointer to the empty
// Decimal sends "", which clears the amount (our decision).
type Decimal string

// NewDecimal returns the Decimal of an integer, such as an amount in VND.
func NewDecimal(n int64) Decimal { return Decimal(strconv.FormatInt(n, 10)) }

// String returns the number's text.
func (d Decimal) String() string { return string(d) }

// IsSet reports whether d is not empty; Rat tells whether it is a number.
func (d Decimal) IsSet() bool { return d != "" }

// Rat returns the exact value; ok is false if d is empty or not a number, or
// has an exponent of more than four digits (whose exact value would not fit
// in memory).
func (d Decimal) Rat() (r *big.Rat, ok bool) {
	if !isDecimal(string(d)) {
		return nil, false
	}
	if i := strings.IndexAny(string(d), "eE"); i >= 0 && len(strings.TrimLeft(string(d[i+1:]), "+-0")) > 4 {
		return nil, false
	}
	return new(big.Rat).SetString(string(d))
}

// Float64 returns the nearest float64; ok is false if d is empty or not a
// number.
func (d Decimal) Float64() (f float64, ok bool) {
	if !isDecimal(string(d)) {
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

// MarshalJSON writes a JSON number, and "" for the empty Decimal (how the
// vendor prints a missing amount).
func (d Decimal) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte(`""`), nil
	}
	number, ok := canonicalDecimal(string(d))
	if !ok {
		return nil, errNotDecimal
	}
	return []byte(number), nil
}

func (Decimal) scalarKind() scalarKind { return decimalText }

// UnmarshalJSON accepts a number, a numeric string, "" or null.
func (d *Decimal) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, d, decimalText) }

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (d *Decimal) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readScalar(dec, d, decimalText)
}

// DecimalText is a Decimal that is sent as a JSON string: the price of a
// product, which the vendor declares and prints as a string where an order's
// money is a number. Convert between the two with a Go conversion.
type DecimalText string

// Decimal returns the same number as a Decimal.
func (d DecimalText) Decimal() Decimal { return Decimal(d) }

// String returns the number's text.
func (d DecimalText) String() string { return string(d) }

func (DecimalText) scalarKind() scalarKind { return decimalText }

// UnmarshalJSON accepts a number, a numeric string, "" or null.
func (d *DecimalText) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, d, decimalText) }

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (d *DecimalText) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readScalar(dec, d, decimalText)
}

// Score is a number of loyalty points or a rating's score. It decodes a
// number, a numeric string, "" and null (both: 0).
type Score float64

// UnmarshalJSON accepts a number, a numeric string, "" or null.
func (s *Score) UnmarshalJSON(data []byte) error {
	if isNumber(data) {
		return s.set(Decimal(data)) // the usual form: no string is allocated
	}
	var text Decimal
	if err := text.UnmarshalJSON(data); err != nil {
		return err
	}
	return s.set(text)
}

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (s *Score) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	val, err := dec.ReadValue()
	if err != nil {
		return err
	}
	return s.UnmarshalJSON(val)
}

func (s *Score) set(text Decimal) error {
	if text == "" {
		*s = 0
		return nil
	}
	f, ok := text.Float64()
	if !ok {
		return errNotDecimal
	}
	*s = Score(f)
	return nil
}

// Timestamp is a point in time: epoch milliseconds on the wire. It decodes a
// number or numeric string of milliseconds, RFC 3339 with or without a
// fraction, YYYY-MM-DD (midnight UTC), "" and null. A text that is none of
// these decodes as the zero Timestamp rather than failing a page of good
// records (our decision: the vendor's dates are not documented well enough);
// RawJSON still has the text. Times are kept to the millisecond, in UTC.
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
	if isNumber(data) {
		*t = parseTimestamp(string(data)) // the usual form: no string is allocated
		return nil
	}
	text, err := scalarText(data)
	if err != nil {
		text = "" // an object, say: no date
	}
	*t = parseTimestamp(text)
	return nil
}

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (t *Timestamp) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	val, err := dec.ReadValue()
	if err != nil {
		return err
	}
	return t.UnmarshalJSON(val)
}

func parseTimestamp(text string) Timestamp {
	if text == "" {
		return Timestamp{}
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return fromMillis(ms)
	}
	if isDecimal(text) {
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

// ContactKind tells a person from an organization among customers (wire
// name type). The vendor sends it as a number or a string; it is sent as the
// string the vendor declares. Values beyond the constants are passed on as
// they are.
type ContactKind string

// The kinds of the vendor's page.
const (
	KindPerson  ContactKind = "0" // a contact, in the vendor's words
	KindAccount ContactKind = "1" // an account: an organization
)

// UnmarshalJSON accepts a number, a string or null.
func (k *ContactKind) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, k, anyText) }

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (k *ContactKind) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readScalar(dec, k, anyText)
}

// Gender of a contact. The vendor sends it as a number or a string; it is
// sent as the string the vendor declares.
type Gender string

// The genders of the vendor's page.
const (
	GenderMale   Gender = "0"
	GenderFemale Gender = "1"
	GenderOther  Gender = "2"
)

// UnmarshalJSON accepts a number, a string or null.
func (g *Gender) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, g, anyText) }

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (g *Gender) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readScalar(dec, g, anyText)
}

// NumericCode is a small enumeration that the vendor sends as a number or a
// numeric string, and that is sent as a number: the kind of a discount, the
// kind and the status of a loyalty entry. Empty means "not given".
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

// MarshalJSON writes a number where the code is one, else the text.
func (c NumericCode) MarshalJSON() ([]byte, error) {
	if number, ok := canonicalDecimal(string(c)); ok {
		return []byte(number), nil
	}
	return json.Marshal(string(c))
}

func (NumericCode) scalarKind() scalarKind { return codeText }

// UnmarshalJSON accepts a number, a string or null.
func (c *NumericCode) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, c, codeText) }

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (c *NumericCode) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readScalar(dec, c, codeText)
}

// Flag is a yes or a no of a record: Yes, No, or empty if the record does not
// say. It decodes true and false, which the vendor also prints as 1 and 0 and
// as texts, and "" and null (both: empty); it is sent as true or false.
type Flag string

// The values of a Flag. Other texts are passed on as they are.
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

func (Flag) scalarKind() scalarKind { return flagText }

// UnmarshalJSON accepts a boolean, a number, a string or null.
func (f *Flag) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `true`, `1`, `"true"`, `"1"`:
		*f = Yes
	case `false`, `0`, `"false"`, `"0"`:
		*f = No
	default:
		return unmarshalScalar(data, f, anyText)
	}
	return nil
}

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (f *Flag) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	val, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if err := f.UnmarshalJSON(val); !errors.Is(err, errWrongKind) {
		return err
	}
	return wrongKind(val)
}

// Tags is a list of tag names. The vendor declares it as a string and shows
// an array: a lone string decodes as one tag, "" and null as none.
type Tags []string

// UnmarshalJSON accepts an array of strings, one string, "" or null.
func (t *Tags) UnmarshalJSON(data []byte) error {
	return jsonv2.Unmarshal(data, t, lenient)
}

// UnmarshalJSONFrom is UnmarshalJSON for json/v2 decoders.
func (t *Tags) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '[':
		return t.readArray(dec)
	case 'n':
		*t = nil
		return dec.SkipValue()
	}
	var one string
	if err := readScalar(dec, &one, anyText); err != nil {
		return err
	}
	*t = Tags{}
	if one != "" {
		*t = Tags{one}
	}
	return nil
}

func (t *Tags) readArray(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	list := Tags{}
	for kind := dec.PeekKind(); kind != ']'; kind = dec.PeekKind() {
		list = append(list, "")
		tag := &list[len(list)-1]
		var err error
		if kind == '"' {
			err = jsonv2.UnmarshalDecode(dec, tag) // it knows the names it has seen before
		} else {
			err = readScalar(dec, tag, anyText)
		}
		if err != nil {
			return err
		}
	}
	*t = list
	_, err := dec.ReadToken()
	return err
}

// Country of an address.
type Country struct {
	Code string `json:"code,omitzero"` // ISO 3166 code, such as VN
	Name string `json:"name,omitzero"`
}

// Address is a postal address, Vietnamese style.
type Address struct {
	redacted

	Type         string   `json:"type,omitzero"` // such as Work
	HouseNumber  string   `json:"street,omitzero"`
	StreetName   string   `json:"streetName,omitzero"`
	Ward         string   `json:"wards,omitzero"`
	District     string   `json:"state,omitzero"`
	City         string   `json:"city,omitzero"`
	Country      *Country `json:"country,omitzero"`
	CityCode     string   `json:"cityCode,omitzero"`  // read only: the vendor lists it in answers
	DistrictCode string   `json:"stateCode,omitzero"` // read only
	WardCode     string   `json:"wardsCode,omitzero"` // read only
	Zip          string   `json:"zip,omitzero"`       // read only
	ID           ID       `json:"_id,omitzero"`       // read only
}

// Phone is a telephone number.
type Phone struct {
	redacted

	Type  string `json:"type,omitzero"` // such as Work
	Value string `json:"value,omitzero"`
	ID    ID     `json:"_id,omitzero"` // read only
}

// Email is an e-mail address.
type Email struct {
	redacted

	Type  string `json:"type,omitzero"` // such as Work
	Value string `json:"value,omitzero"`
	ID    ID     `json:"_id,omitzero"` // read only
}

// SocialProfile is an account elsewhere, such as on Facebook.
type SocialProfile struct {
	redacted

	Protocol string `json:"protocol,omitzero"` // such as Facebook
	Value    string `json:"value,omitzero"`
}

// CustomField is a field the CRM's administrator has defined. Its value may
// be any JSON; TextField and Text cover the usual case of a text.
type CustomField struct {
	redacted

	Name  string          `json:"name,omitzero"`
	Value json.RawMessage `json:"value,omitzero"`
}

// TextField returns a custom field whose value is a text.
func TextField(name, text string) CustomField {
	if !utf8.ValidString(text) {
		// An encoder would replace the bytes in silence; so they are refused before sending.
		return CustomField{Name: name, Value: json.RawMessage(`"` + text + `"`)}
	}
	value, _ := json.Marshal(text) // a string always marshals
	return CustomField{Name: name, Value: value}
}

// Text returns the value if it is a JSON string, else the JSON itself.
func (f CustomField) Text() string {
	var text string
	if json.Unmarshal(f.Value, &text) == nil {
		return text
	}
	return string(f.Value)
}

// Record is embedded in every record that the API lists. It keeps the JSON as
// it came, so that fields the vendor does not document stay reachable.
type Record struct{ raw []byte }

// RawJSON returns a copy of the record as received, unknown fields included.
// It is nil for a record that did not come from the API.
func (r Record) RawJSON() json.RawMessage {
	if r.raw == nil {
		return nil
	}
	return append(json.RawMessage(nil), r.raw...)
}

// Decode decodes the record as received into v, a pointer to the caller's own
// struct, by the rules of encoding/json.
func (r Record) Decode(v any) error {
	if r.raw == nil {
		return &DecodeError{Problem: "decode record: it did not come from the API", Offset: 0}
	}
	return decodeInto(r.raw, v)
}

// Format keeps a customer's data out of logs: a record prints as {redacted}
// with every verb. Print its fields instead.
func (Record) Format(s fmt.State, _ rune) { redacted{}.Format(s, 0) }

// LogValue keeps a customer's data out of slog records.
func (Record) LogValue() slog.Value { return redacted{}.LogValue() }

func (r *Record) setRaw(raw []byte) { r.raw = raw }

// rawBytes is RawJSON without the copy.
func (r *Record) rawBytes() []byte { return r.raw }

// redacted is embedded in parameter types and in the parts of records and
// parameters: they carry personal data that must reach no log line by way of
// %+v.
type redacted struct{}

// Format prints {redacted} with every verb.
func (redacted) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("{redacted}")) }

// LogValue is {redacted} for slog.
func (redacted) LogValue() slog.Value { return slog.StringValue("{redacted}") }

// scalarKind says which JSON scalars a lenient type takes and how its text is
// kept.
type scalarKind int

const (
	anyText     scalarKind = iota // a string or a number, its text kept exactly
	decimalText                   // a number, a numeric string, or ""
	codeText                      // as anyText; numbers in their shortest form
	flagText                      // read by the type itself: a boolean as well
)

var (
	errNotDecimal = errors.New("not a decimal number")
	errWrongKind  = errors.New("wrong kind of JSON value")
)

// readScalar reads the next value of a decoder into a type whose kind is
// string.
func readScalar[T ~string](dec *jsontext.Decoder, into *T, kind scalarKind) error {
	val, err := dec.ReadValue()
	if err != nil {
		return err
	}
	err = unmarshalScalar(val, into, kind)
	if errors.Is(err, errWrongKind) {
		return wrongKind(val)
	}
	return err
}

// unmarshalScalar decodes one JSON scalar; null is the empty text.
func unmarshalScalar[T ~string](data []byte, into *T, kind scalarKind) error {
	text, err := scalarText(data)
	if err != nil {
		return err
	}
	if text, err = kind.canonical(text); err != nil {
		return err
	}
	*into = T(text)
	return nil
}

// canonical is a scalar's text as its type keeps it.
func (kind scalarKind) canonical(text string) (string, error) {
	if kind == anyText || text == "" {
		return text, nil
	}
	number, ok := canonicalDecimal(text)
	switch {
	case ok:
		return number, nil
	case kind == decimalText:
		return "", errNotDecimal
	}
	return text, nil
}

// isNumber reports whether JSON text begins as a number does.
func isNumber(data []byte) bool {
	return len(data) > 0 && (data[0] == '-' || data[0] >= '0' && data[0] <= '9')
}

func scalarText(data []byte) (string, error) {
	switch {
	case len(data) == 0:
		return "", errWrongKind
	case data[0] == 'n' && string(data) == "null":
		return "", nil
	case data[0] == '"':
		return unquote(data)
	case isNumber(data):
		if !isDecimal(string(data)) {
			return "", errNotDecimal
		}
		return string(data), nil
	default:
		return "", errWrongKind
	}
}

func unquote(data []byte) (string, error) {
	inner := data[1:]
	if n := len(inner); n > 0 && inner[n-1] == '"' && bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) && bytes.IndexByte(inner, '"') == n-1 {
		return string(inner[:n-1]), nil
	}
	text, err := jsontext.AppendUnquote(nil, data)
	if err != nil && !jsontext.Value(data).IsValid(lenient) {
		return "", err
	}
	// Bytes that are not UTF-8, and halves of surrogate pairs, have become U+FFFD.
	return string(text), nil
}

// isDecimal reports whether text is a decimal number: a JSON number, leading
// zeros allowed.
func isDecimal(text string) bool {
	rest, ok := digits(strings.TrimPrefix(text, "-"))
	if !ok {
		return false
	}
	if after, found := strings.CutPrefix(rest, "."); found {
		if rest, ok = digits(after); !ok {
			return false
		}
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		if rest, ok = digits(rest); !ok {
			return false
		}
	}
	return rest == ""
}

// digits cuts the leading digits, of which there must be one.
func digits(text string) (rest string, ok bool) {
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return text[i:], i > 0
}

// canonicalDecimal returns text as a valid JSON number: without the leading
// zeros that JSON forbids.
func canonicalDecimal(text string) (string, bool) {
	if !isDecimal(text) {
		return "", false
	}
	sign := ""
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	for len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9' {
		text = text[1:]
	}
	return sign + text, true
}
