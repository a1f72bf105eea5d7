package redact

import (
	"html"
	"slices"
	"strconv"
	"strings"
)

// Key takes the key out of a text that came from outside, however it is escaped there. If the text was cut short, the
// beginning of the key may stand at its end, and is taken out too.
func Key(text, key string, cut bool) string {
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

// matchKey returns how much of the beginning of text is the key; ranOut says that text ends before that can be told. A
// character of the key may be written as itself or escaped: for a URL, a JSON or Go string, or HTML. Both can fit ("\\"
// is one backslash or two), hence all ends are followed.
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

// unescape reads the escape sequence at the beginning of text, if there is one of a single byte. whole is false if text
// ends within what may be one.
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
