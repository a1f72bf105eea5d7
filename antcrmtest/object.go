package antcrmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The fake keeps every record as the JSON text that the vendor would print. Bodies are checked once, strictly, by
// jsontext (duplicate names and broken UTF-8 are mistakes a client wants to hear of); from then on the text is known to
// be valid, so that taking it apart needs no parser, keeps every digit and copies nothing.

const (
	maxDepth  = 100  // levels of nesting in one record; deeper ones would come back as pages nobody can decode
	maxFields = 1000 // fields of one record, and elements of one of its arrays
)

// field is one member of an object: its name, and its value as JSON text.
type field struct {
	name  string
	value []byte
}

// object is one JSON object, taken apart at its top level only; the order of its fields is kept.
type object []field

func (o object) get(name string) []byte {
	for i := range o {
		if o[i].name == name {
			return o[i].value
		}
	}
	return nil
}

func (o *object) set(name string, value []byte) {
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, field{name, value})
}

// setAll sets many fields. A record that updates have made large is not searched from its beginning for each of them.
func (o *object) setAll(fields object) {
	if len(*o) <= maxFields {
		for _, f := range fields {
			o.set(f.name, f.value)
		}
		return
	}
	at := make(map[string]int, len(*o))
	for i, f := range *o {
		at[f.name] = i
	}
	for _, f := range fields {
		if i, ok := at[f.name]; ok {
			(*o)[i].value = f.value
			continue
		}
		*o = append(*o, f)
	}
}

// setDefault sets a field that is absent.
func (o *object) setDefault(name, value string) {
	if o.get(name) == nil {
		*o = append(*o, field{name, []byte(value)})
	}
}

func (o *object) remove(names ...string) {
	kept := (*o)[:0]
	for _, f := range *o {
		if !contains(names, f.name) {
			kept = append(kept, f)
		}
	}
	*o = kept
}

// text is the field as text: a string's content, a number's digits, otherwise "".
func (o object) text(name string) string {
	s, _ := scalarText(o.get(name))
	return s
}

func (o object) appendTo(dst []byte) []byte {
	dst = append(dst, '{')
	for i, f := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, f.name)
		dst = append(dst, ':')
		dst = append(dst, f.value...)
	}
	return append(dst, '}')
}

func (o object) encode() []byte {
	size := 2
	for i := range o {
		size += len(o[i].name) + len(o[i].value) + 4
	}
	return o.appendTo(make([]byte, 0, size))
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// appendQuoted writes s as a JSON string. Invalid UTF-8 cannot come from a checked body; from a Go string it is
// replaced.
func appendQuoted(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		encoded, _ := json.Marshal(s) // replaces what is no UTF-8; a string cannot fail
		return append(dst, encoded...)
	}
	return out
}

func quoted(s string) []byte { return appendQuoted(make([]byte, 0, len(s)+2), s) }

// checkJSON reports whether body is exactly one JSON value.
func checkJSON(body []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	if _, err := dec.ReadValue(); err != nil {
		if errors.Is(err, io.EOF) && len(bytes.TrimSpace(body)) == 0 {
			return errors.New("the body is empty")
		}
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// tooDeep reports whether valid JSON text is nested deeper than maxDepth.
func tooDeep(v []byte) bool {
	if bytes.Count(v, []byte{'{'})+bytes.Count(v, []byte{'['}) <= maxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(v); {
		switch v[i] {
		case '"':
			i = skipString(v, i)
			continue
		case '{', '[':
			if depth++; depth > maxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
		i++
	}
	return false
}

// hugeNumber returns a number of valid JSON text that a double does not hold: most clients could not read it back. nil
// if there is none.
func hugeNumber(v []byte) []byte {
	for i := 0; i < len(v); {
		switch {
		case v[i] == '"':
			i = skipString(v, i)
		case isNumber(v[i:]):
			end := skipValue(v, i)
			if _, err := strconv.ParseFloat(string(v[i:end]), 64); err != nil {
				return v[i:end]
			}
			i = end
		default:
			i++
		}
	}
	return nil
}

// skipString returns the index behind the string that begins at i.
func skipString(v []byte, i int) int {
	for at := i + 1; at < len(v); {
		quote := bytes.IndexByte(v[at:], '"')
		if quote < 0 {
			break
		}
		quote += at
		escapes := 0
		for v[quote-1-escapes] == '\\' {
			escapes++
		}
		if at = quote + 1; escapes%2 == 0 {
			return at
		}
	}
	return len(v)
}

// skipValue returns the index behind the value that begins at i, in valid JSON text.
func skipValue(v []byte, i int) int {
	if i >= len(v) {
		return len(v)
	}
	switch v[i] {
	case '"':
		return skipString(v, i)
	case '{', '[':
		depth := 0
		for i < len(v) {
			switch v[i] {
			case '"':
				i = skipString(v, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
		return len(v)
	}
	for i < len(v) && v[i] != ',' && v[i] != '}' && v[i] != ']' && !isSpace(v[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func skipSpace(v []byte, i int) int {
	for i < len(v) && isSpace(v[i]) {
		i++
	}
	return i
}

// splitObject takes valid JSON text apart; false when it is no object.
func splitObject(v []byte) (object, bool) {
	i := skipSpace(v, 0)
	if i >= len(v) || v[i] != '{' {
		return nil, false
	}
	o := make(object, 0, min(24, len(v)/16+1))
	for i = skipSpace(v, i+1); i < len(v) && v[i] != '}'; {
		end := skipValue(v, i)
		name := unquote(v[i:end])
		i = skipSpace(v, skipSpace(v, end)+1) // over the colon
		end = skipValue(v, i)
		o = append(o, field{name, v[i:end]})
		if i = skipSpace(v, end); i < len(v) && v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return o, true
}

// splitArray takes valid JSON text apart; false when it is no array.
func splitArray(v []byte) ([][]byte, bool) {
	i := skipSpace(v, 0)
	if i >= len(v) || v[i] != '[' {
		return nil, false
	}
	elements := make([][]byte, 0, 4)
	for i = skipSpace(v, i+1); i < len(v) && v[i] != ']'; {
		end := skipValue(v, i)
		elements = append(elements, v[i:end])
		if i = skipSpace(v, end); i < len(v) && v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return elements, true
}

// unquote returns the content of a JSON string.
func unquote(v []byte) string {
	if len(v) < 2 || v[0] != '"' {
		return ""
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	s, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(s)
}

func isNull(v []byte) bool   { return len(v) == 4 && v[0] == 'n' }
func isString(v []byte) bool { return len(v) > 0 && v[0] == '"' }
func isObject(v []byte) bool { return len(v) > 0 && v[0] == '{' }
func isArray(v []byte) bool  { return len(v) > 0 && v[0] == '[' }
func isNumber(v []byte) bool { return len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') }
func isBool(v []byte) bool   { return len(v) > 0 && (v[0] == 't' || v[0] == 'f') }

// scalarText is a string's content or a number's digits, exactly as they stand there.
func scalarText(v []byte) (string, bool) {
	switch {
	case isString(v):
		return unquote(v), true
	case isNumber(v):
		return string(v), true
	}
	return "", false
}

// digits reports whether s is what a JSON number without sign, fraction or exponent looks like.
func digits(s string) bool {
	if s == "" || len(s) > 1 && s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// numberOrString writes s as the vendor prints ids and codes: a number where it is one of 64 bits, otherwise a string.
func numberOrString(s string) []byte {
	if _, err := strconv.ParseUint(s, 10, 64); err == nil && digits(s) {
		return []byte(s)
	}
	return quoted(s)
}
