package bind

import "bytes"

// cursor walks JSON text that is known to be valid. A JSON library has read the text once and found no fault with it;
// what is left is to find where each value ends, which takes a fraction of the time. A cursor panics on text that is
// not valid JSON.
type cursor struct {
	text    []byte
	pos     int
	escapes bool // there is a backslash somewhere
}

// reset turns to the beginning of another text.
func (c *cursor) reset(text []byte) {
	c.text, c.pos = text, 0
	c.escapes = bytes.IndexByte(text, '\\') >= 0
}

// peek returns the byte at the cursor.
func (c *cursor) peek() byte { return c.text[c.pos] }

// space moves to the next byte that is no white space.
func (c *cursor) space() {
	for c.text[c.pos] <= ' ' {
		c.pos++
	}
}

// enter moves from the bracket of an array or object to what follows it.
func (c *cursor) enter() {
	c.pos++
	c.space()
}

// next moves from behind a value in an array or object to what follows it: the next one, or the closing bracket.
func (c *cursor) next() {
	c.space()
	if c.text[c.pos] == ',' {
		c.enter()
	}
}

// prefix moves behind text if it stands at the cursor.
func (c *cursor) prefix(text []byte) bool {
	if !bytes.HasPrefix(c.text[c.pos:], text) {
		return false
	}
	c.pos += len(text)
	return true
}

// colon moves from behind a member's name to its value.
func (c *cursor) colon() {
	c.space()
	c.enter()
}

// isEmptyString reports whether the value at the cursor is "".
func (c *cursor) isEmptyString() bool {
	return c.text[c.pos] == '"' && c.text[c.pos+1] == '"'
}

// hasEscapes reports whether a string of the text must be unquoted.
func (c *cursor) hasEscapes(quoted []byte) bool {
	return c.escapes && bytes.IndexByte(quoted, '\\') >= 0
}

// value moves behind the value at the cursor and returns its text.
func (c *cursor) value() []byte {
	begin := c.pos
	switch c.text[c.pos] {
	case '"':
		c.skipString()
	case '{', '[':
		c.skipComposite()
	default:
		for c.pos < len(c.text) && !endsLiteral(c.text[c.pos]) {
			c.pos++
		}
	}
	return c.text[begin:c.pos]
}

// count returns how many values of an array stand from the cursor on.
func (c *cursor) count() (n int) {
	for begin := c.pos; ; n++ {
		if c.text[c.pos] == ']' {
			c.pos = begin
			return n
		}
		c.value()
		c.next()
	}
}

// endsLiteral reports whether b follows a number, a boolean or null.
func endsLiteral(b byte) bool { return b == ',' || b == ']' || b == '}' || b <= ' ' }

func (c *cursor) skipString() {
	for {
		c.pos++
		c.pos += bytes.IndexByte(c.text[c.pos:], '"')
		if !c.escapes || !c.isEscaped() {
			c.pos++
			return
		}
	}
}

// isEscaped reports whether an odd number of backslashes precedes the cursor.
func (c *cursor) isEscaped() bool {
	n := 0
	for c.text[c.pos-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

func (c *cursor) skipComposite() {
	for depth := 0; ; {
		switch c.text[c.pos] {
		case '"':
			c.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.pos++
		if depth == 0 {
			return
		}
	}
}
