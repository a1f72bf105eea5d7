package bind

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// outline writes a value without white space, as the cursor finds its parts.
func outline(c *cursor, out *bytes.Buffer) {
	open := c.peek()
	if open != '{' && open != '[' {
		out.Write(c.value())
		return
	}
	out.WriteByte(open)
	c.enter()
	for first := true; c.peek() != '}' && c.peek() != ']'; c.next() {
		if !first {
			out.WriteByte(',')
		}
		first = false
		if open == '{' {
			out.Write(c.value())
			c.colon()
			out.WriteByte(':')
		}
		outline(c, out)
	}
	out.WriteByte(c.peek())
	c.pos++
}

// check holds the cursor to what encoding/json makes of a text.
func check(t *testing.T, text []byte) {
	t.Helper()
	var want, got bytes.Buffer
	require.NoError(t, json.Compact(&want, text))

	var c cursor
	c.reset(text)
	outline(&c, &got)
	require.Equal(t, want.String(), got.String())
	require.Equal(t, len(text), c.pos)

	c.reset(text)
	require.Equal(t, string(text), string(c.value()))
	require.Equal(t, len(text), c.pos)

	var items []json.RawMessage
	if text[0] == '[' && json.Unmarshal(text, &items) == nil {
		c.reset(text)
		c.enter()
		begin := c.pos
		require.Equal(t, len(items), c.count())
		require.Equal(t, begin, c.pos)
	}
}

func samples() []string {
	return []string{
		`null`, `true`, `-1.5e+10`, `""`, `"a\"b"`, `"\\"`, `"\\\""`, `[]`, `{}`, `[ ]`, `{ }`, `[1,2 , 3]`, `["]","}",",",":"]`,
		`{"a":1,"b" : [ {"c":"}"} , null ]}`, "[\n\t{\"\\\\\":\"\\\\\\\\\"}\r\n]", `[[[],[[]]],{"a":{}}]`, `"Nguyễn Văn Mẫu"`, `["\\",1]`,
	}
}

func TestCursorFindsWhereEveryValueEnds(t *testing.T) {
	t.Parallel()
	for _, text := range samples() {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			check(t, []byte(text))
		})
	}
}

func TestCursorTellsNamesAndEmptyStrings(t *testing.T) {
	t.Parallel()
	var c cursor
	c.reset([]byte(`{"name" : "", "x\u0061" : "y"}`))
	c.enter()
	assert.False(t, c.prefix([]byte(`"nam"`)))
	assert.True(t, c.prefix([]byte(`"name"`)))
	c.colon()
	assert.True(t, c.isEmptyString())
	assert.Equal(t, `""`, string(c.value()))
	c.next()
	assert.False(t, c.isEmptyString())
	assert.True(t, c.hasEscapes(c.value()))
	c.colon()
	assert.False(t, c.hasEscapes(c.value()))
}

func FuzzCursor(f *testing.F) {
	for _, text := range samples() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value := bytes.Trim(text, " \t\r\n")
		if json.Valid(value) && jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true)) {
			check(t, value)
		}
	})
}
