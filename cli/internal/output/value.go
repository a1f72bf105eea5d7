package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// parse decodes a record; numbers keep their digits.
func parse(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("the record is not JSON: %w", err)
	}
	return v, nil
}

// at follows a path. A list without an index is gone through element by element; what is not there is nil.
func at(v any, path []string) any {
	if len(path) == 0 {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		return at(v[path[0]], path[1:])
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil {
			if i < 0 || i >= len(v) {
				return nil
			}
			return at(v[i], path[1:])
		}
		all := make([]any, 0, len(v))
		for _, element := range v {
			if found := at(element, path); found != nil {
				all = append(all, found)
			}
		}
		return all
	}
	return nil
}

// has reports whether a path leads to something, null included.
func has(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		next, ok := v[path[0]]
		return ok && has(next, path[1:])
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil {
			return i >= 0 && i < len(v) && has(v[i], path[1:])
		}
		for _, element := range v {
			if has(element, path) {
				return true
			}
		}
	}
	return false
}

// human is a value as a person reads it in a table.
func human(v any, isTime bool) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if t, ok := timeOf(v, isTime); ok {
			return t.Local().Format("2006-01-02 15:04")
		}
		return v
	case json.Number:
		if t, ok := timeOf(v.String(), isTime); ok {
			return t.Local().Format("2006-01-02 15:04")
		}
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		texts := make([]string, 0, len(v))
		for _, element := range v {
			if text := human(element, isTime); text != "" {
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, ", ")
	case map[string]any:
		return humanObject(v)
	}
	return ""
}

// humanObject prints {type, value}, {protocol, value} and {name, value} as "Work: 0900…", other objects as JSON.
func humanObject(v map[string]any) string {
	value, ok := v["value"]
	if !ok {
		return compact(v)
	}
	for _, label := range []string{"name", "type", "protocol"} {
		if text, ok := v[label].(string); ok && text != "" {
			return text + ": " + human(value, false)
		}
	}
	return human(value, false)
}

// exact is a value as a program reads it in a CSV: a list of texts is joined with "; ", whatever is deeper stays JSON.
func exact(v any, isTime bool) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if t, ok := timeOf(v, isTime); ok {
			return t.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		return v
	case json.Number:
		if t, ok := timeOf(v.String(), isTime); ok {
			return t.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		texts := make([]string, 0, len(v))
		for _, element := range v {
			switch element.(type) {
			case map[string]any, []any:
				return compact(v)
			}
			texts = append(texts, exact(element, isTime))
		}
		return strings.Join(texts, "; ")
	}
	return compact(v)
}

func compact(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// timeOf reads epoch milliseconds.
func timeOf(text string, isTime bool) (time.Time, bool) {
	if !isTime {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 || ms > 253402300799999 {
		return time.Time{}, false
	}
	return time.UnixMilli(ms), true
}

// Clean makes a text fit for a terminal: one line, nothing that moves the cursor or turns the reading direction around.
func Clean(text string) string {
	clean := true
	for _, r := range text {
		if unsafeRune(r) {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unsafeRune(r):
			return -1
		}
		return r
	}, text)
}

// unsafeRune reports control characters and bidirectional overrides. Joiners stay: emoji and some scripts need them.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// escapeUnsafe writes JSON text for a terminal: what Clean would drop becomes \u escapes, which mean the same.
func escapeUnsafe(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r != '\n' && r != '\t' && unsafeRune(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.Bytes()
}

// Fields lists the names of an object's fields, as columns for records without a type. Anything else has none.
func Fields(raw json.RawMessage) []string {
	v, err := parse(raw)
	object, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil
	}
	return sortedKeys(object)
}
