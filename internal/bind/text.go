package bind

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Text says how a type whose kind is string reads a JSON scalar. The zero Text takes a string or a number, whose text
// it keeps exactly, and null, which is the empty text.
type Text struct {
	Canonical  func(text string) string // nil: the text as it is
	Booleans   bool                     // takes true and false, as texts
	Composites bool                     // takes an object or an array, as its JSON text
}

// errKind is a JSON value of a kind that its type does not take.
var errKind = errors.New("wrong kind of JSON value")

// Read returns the text of a JSON value. It is the one reader of scalars: the UnmarshalJSON methods of the lenient
// types and the binding of records use it.
func (t Text) Read(value string) (string, error) {
	if value == "" || !jsontext.Value(value).IsValid(lenient...) && !IsDecimal(value) {
		return "", errKind
	}
	return t.read(value, isPlain(value))
}

// lenient lets a string hold bytes that are not UTF-8: they become U+FFFD.
var lenient = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// read is Read for valid JSON; plain says that a string need not be unquoted.
func (t Text) read(value string, plain bool) (text string, err error) {
	switch first := value[0]; {
	case first == 'n':
		return "", nil
	case first == '"' && plain:
		text = value[1 : len(value)-1]
	case first == '"':
		text = unquote(value)
	case isNumber(first), t.Booleans && (first == 't' || first == 'f'), t.Composites && (first == '{' || first == '['):
		text = value
	default:
		return "", errKind
	}
	if t.Canonical != nil {
		text = t.Canonical(text)
	}
	return text, nil
}

// isPlain reports whether the text of a string is what stands between its quotes.
func isPlain(quoted string) bool {
	return strings.IndexByte(quoted, '\\') < 0 && utf8.ValidString(quoted)
}

// unquote returns the text of a valid JSON string. Bytes that are not UTF-8, and halves of surrogate pairs, become
// U+FFFD.
func unquote(quoted string) string {
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return string(text)
}

// isNumber reports whether a JSON value that begins with the byte is a number.
func isNumber(first byte) bool { return first == '-' || first >= '0' && first <= '9' }

// IsDecimal reports whether text is a decimal number: a JSON number, leading zeros allowed.
func IsDecimal(text string) bool {
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

// ShortNumber returns a decimal number without the leading zeros that JSON forbids, and any other text as it is.
func ShortNumber(text string) string {
	if !IsDecimal(text) {
		return text
	}
	sign, number := "", text
	if text[0] == '-' {
		sign, number = "-", text[1:]
	}
	short := number
	for len(short) > 1 && short[0] == '0' && short[1] >= '0' && short[1] <= '9' {
		short = short[1:]
	}
	if len(short) == len(number) {
		return text
	}
	return sign + short
}
