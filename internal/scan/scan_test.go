package scan_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/scan"
)

// outline writes a value without white space, as the cursor finds its parts.
func outline(c *scan.Cursor, out *bytes.Buffer) {
	open := c.Peek()
	if open != '{' && open != '[' {
		out.Write(c.Value())
		return
	}
	out.WriteByte(open)
	c.Enter()
	for first := true; c.Peek() != '}' && c.Peek() != ']'; c.Next() {
		if !first {
			out.WriteByte(',')
		}
		first = false
		if open == '{' {
			out.Write(c.Value())
			c.Colon()
			out.WriteByte(':')
		}
		outline(c, out)
	}
	out.WriteByte(c.Peek())
	c.Pos++
}

// check holds the cursor to what encoding/json makes of a text.
func check(t *testing.T, text []byte) {
	t.Helper()
	var want, got bytes.Buffer
	require.NoError(t, json.Compact(&want, text))

	var c scan.Cursor
	c.Reset(text)
	outline(&c, &got)
	require.Equal(t, want.String(), got.String())
	require.Equal(t, len(text), c.Pos)

	c.Reset(text)
	require.Equal(t, string(text), string(c.Value()))
	require.Equal(t, len(text), c.Pos)

	var items []json.RawMessage
	if text[0] == '[' && json.Unmarshal(text, &items) == nil {
		c.Reset(text)
		c.Enter()
		begin := c.Pos
		require.Equal(t, len(items), c.Count())
		require.Equal(t, begin, c.Pos)
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
	var c scan.Cursor
	c.Reset([]byte(`{"name" : "", "x\u0061" : "y"}`))
	c.Enter()
	assert.False(t, c.Prefix([]byte(`"nam"`)))
	assert.True(t, c.Prefix([]byte(`"name"`)))
	c.Colon()
	assert.True(t, c.IsEmptyString())
	assert.Equal(t, `""`, string(c.Value()))
	c.Next()
	assert.False(t, c.IsEmptyString())
	assert.True(t, c.HasEscapes(c.Value()))
	c.Colon()
	assert.False(t, c.HasEscapes(c.Value()))
}

func TestInternerGivesBackWhatItIsGiven(t *testing.T) {
	t.Parallel()
	var in scan.Interner
	for range 3 { // the third finds what collisions have left of the second
		for n := range 2000 {
			text := strings.Repeat("đ", n%40) + string(rune('a'+n%26))
			assert.Equal(t, text, in.String([]byte(text)))
		}
	}
	assert.Equal(t, "Work", (*scan.Interner)(nil).String([]byte("Work")))
	once, again := in.String([]byte("Việt Nam")), in.String([]byte("Việt Nam"))
	assert.Same(t, unsafe.StringData(once), unsafe.StringData(again))
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
