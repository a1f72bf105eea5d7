// Package scan walks JSON text that is known to be valid. A JSON library has
// read the text once and found no fault with it; what is left is to find where
// each value ends, which takes a fraction of the time.
//
// A Cursor panics on text that is not valid JSON.
package scan

import "bytes"

// Cursor is a place in a text.
type Cursor struct {
	Text    []byte
	Pos     int
	escapes bool // there is a backslash somewhere
}

// Reset turns to the beginning of another text.
func (c *Cursor) Reset(text []byte) {
	c.Text, c.Pos = text, 0
	c.escapes = bytes.IndexByte(text, '\\') >= 0
}

// Peek returns the byte at the cursor.
func (c *Cursor) Peek() byte { return c.Text[c.Pos] }

// Space moves to the next byte that is no white space.
func (c *Cursor) Space() {
	for c.Text[c.Pos] <= ' ' {
		c.Pos++
	}
}

// Enter moves from the bracket of an array or object to what follows it.
func (c *Cursor) Enter() {
	c.Pos++
	c.Space()
}

// Next moves from behind a value in an array or object to what follows it: the
// next one, or the closing bracket.
func (c *Cursor) Next() {
	c.Space()
	if c.Text[c.Pos] == ',' {
		c.Enter()
	}
}

// Prefix moves behind text if it stands at the cursor.
func (c *Cursor) Prefix(text []byte) bool {
	if !bytes.HasPrefix(c.Text[c.Pos:], text) {
		return false
	}
	c.Pos += len(text)
	return true
}

// Colon moves from behind a member's name to its value.
func (c *Cursor) Colon() {
	c.Space()
	c.Enter()
}

// IsEmptyString reports whether the value at the cursor is "".
func (c *Cursor) IsEmptyString() bool {
	return c.Text[c.Pos] == '"' && c.Text[c.Pos+1] == '"'
}

// HasEscapes reports whether a string of the text must be unquoted.
func (c *Cursor) HasEscapes(quoted []byte) bool {
	return c.escapes && bytes.IndexByte(quoted, '\\') >= 0
}

// Value moves behind the value at the cursor and returns its text.
func (c *Cursor) Value() []byte {
	begin := c.Pos
	switch c.Text[c.Pos] {
	case '"':
		c.skipString()
	case '{', '[':
		c.skipComposite()
	default:
		for c.Pos < len(c.Text) && !endsLiteral(c.Text[c.Pos]) {
			c.Pos++
		}
	}
	return c.Text[begin:c.Pos]
}

// Count returns how many values of an array stand from the cursor on.
func (c *Cursor) Count() (n int) {
	for begin := c.Pos; ; n++ {
		if c.Text[c.Pos] == ']' {
			c.Pos = begin
			return n
		}
		c.Value()
		c.Next()
	}
}

// endsLiteral reports whether b follows a number, a boolean or null.
func endsLiteral(b byte) bool { return b == ',' || b == ']' || b == '}' || b <= ' ' }

func (c *Cursor) skipString() {
	for {
		c.Pos++
		c.Pos += bytes.IndexByte(c.Text[c.Pos:], '"')
		if !c.escapes || !c.isEscaped() {
			c.Pos++
			return
		}
	}
}

// isEscaped reports whether an odd number of backslashes precedes the cursor.
func (c *Cursor) isEscaped() bool {
	n := 0
	for c.Text[c.Pos-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

func (c *Cursor) skipComposite() {
	for depth := 0; ; {
		switch c.Text[c.Pos] {
		case '"':
			c.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.Pos++
		if depth == 0 {
			return
		}
	}
}
