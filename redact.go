package antcrm

import (
	"errors"
	"fmt"
	"html"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// redact takes the key out of a text that came from outside, however it is
// escaped there.
func (c *core) redact(text string) string { return redactKey(text, c.key(), false) }

// redactCut is redact for the beginning of an error page; if the page was cut
// there, the beginning of the key may stand at the end.
func (c *core) redactCut(text string, cut bool) []byte {
	return []byte(cutBytes(redactKey(text, c.key(), cut), maxErrorBody))
}

func redactKey(text, key string, cut bool) string {
	var b strings.Builder
	kept := 0
	begins := key[:1] + `%\&`
	for i := 0; ; {
		at := strings.IndexAny(text[i:], begins)
		if at < 0 {
			break
		}
		i += at
		n, ranOut := matchKey(text[i:], key)
		switch {
		case n > 0:
			b.WriteString(text[kept:i] + "[redacted]")
			i += n
			kept = i
		case ranOut && cut:
			return b.String() + text[kept:i]
		default:
			i++
		}
	}
	if kept == 0 {
		return text
	}
	return b.String() + text[kept:]
}

// matchKey returns how much of the beginning of text is the key; ranOut says
// that text ends before that can be told. A character of the key may be
// written as itself or escaped: for a URL, a JSON or Go string, or HTML. Both
// can fit ("\\" is one backslash or two), hence all ends are followed.
func matchKey(text, key string) (n int, ranOut bool) {
	ends := []int{0}
	for i := range len(key) {
		var next []int
		for _, end := range ends {
			rest := text[end:]
			if rest == "" {
				ranOut = true
				continue
			}
			if rest[0] == key[i] || rest[0] == '+' && key[i] == ' ' {
				next = append(next, end+1)
			}
			c, size, whole := unescape(rest)
			if size > 0 && c == key[i] {
				next = append(next, end+size)
			}
			ranOut = ranOut || !whole
		}
		if len(next) == 0 {
			return 0, ranOut
		}
		slices.Sort(next)
		ends = slices.Compact(next)
	}
	return ends[len(ends)-1], false
}

// unescape reads the escape sequence at the beginning of text, if there is
// one of a single byte. whole is false if text ends within what may be one.
func unescape(text string) (c byte, size int, whole bool) {
	switch text[0] {
	case '%':
		return unescapeHex(text, 1, 2)
	case '\\':
		switch {
		case len(text) == 1:
			return 0, 0, false
		case text[1] == 'u':
			return unescapeHex(text, 2, 4)
		case text[1] == 'x':
			return unescapeHex(text, 2, 2)
		}
		return text[1], 2, true
	case '&':
		const longest = 12 // &apos; and &#x00027;
		end := strings.IndexByte(text[:min(len(text), longest)], ';')
		if end < 0 {
			return 0, 0, len(text) >= longest
		}
		if char := html.UnescapeString(text[:end+1]); len(char) == 1 {
			return char[0], end + 1, true
		}
	}
	return 0, 0, true
}

// unescapeHex reads digits after a mark.
func unescapeHex(text string, mark, digits int) (c byte, size int, whole bool) {
	size = mark + digits
	if len(text) < size {
		return 0, 0, false
	}
	value, err := strconv.ParseUint(text[mark:size], 16, 8)
	if err != nil {
		return 0, 0, true
	}
	return byte(value), size, true
}

// clean takes out of the text of a transport's error what may be private.
func (r *run) clean(text string) string {
	if len(r.req.query) > 0 {
		text = strings.ReplaceAll(text, r.req.query.Encode(), "…")
	}
	return r.redact(withoutAnswer(withoutQueries(text)))
}

// withoutAnswer cuts out what net/http quotes of an answer that it cannot read
// as HTTP: that may be the rest of the answer before, a customer's record.
func withoutAnswer(text string) string {
	begin := -1
	for _, complaint := range []string{"malformed ", "Content-Length", "transfer encoding", "GOAWAY", "invalid header"} {
		if at := strings.Index(text, complaint); at >= 0 && (begin < 0 || at < begin) {
			begin = at
		}
	}
	if begin < 0 {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:begin])
	for rest := text[begin:]; ; {
		before, _, found := strings.Cut(rest, `"`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(`"…"`)
		quoted, err := strconv.QuotedPrefix(rest[len(before):])
		if err != nil {
			return b.String() // where it ends cannot be told
		}
		rest = rest[len(before)+len(quoted):]
	}
}

// veil hides what the texts below a transport's error may show. errors.Is and
// errors.As see through it.
func (r *run) veil(err error) error {
	if outer, ok := err.(*url.Error); ok && outer.Err != nil { //nolint:errorlint // the layer of http.Client, no other
		err = outer.Err
	}
	_, quotesURL := errors.AsType[*url.Error](err)
	text := r.clean(err.Error())
	if text == err.Error() && !quotesURL {
		return err
	}
	return &veiled{text: oneLine(text, 4*maxErrorMessage), err: err}
}

// veiled is an error whose own text, and those of its causes, are not shown.
type veiled struct {
	text string
	err  error
}

func (v *veiled) Error() string { return v.text }

// Format prints the text with every verb.
func (v *veiled) Format(s fmt.State, _ rune) { writeText(s, v.text) }

func (v *veiled) Is(target error) bool { return errors.Is(v.err, target) }

// As finds no url.Error, as itself or as a net.Error: its text is the URL with
// the query.
func (v *veiled) As(target any) bool {
	found := reflect.ValueOf(target).Elem()
	before := found.Interface()
	if !errors.As(v.err, target) {
		return false
	}
	if _, isURL := found.Interface().(*url.Error); !isURL {
		return true
	}
	found.Set(reflect.Zero(found.Type()))
	if before != nil {
		found.Set(reflect.ValueOf(before))
	}
	return false
}
