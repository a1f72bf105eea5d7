package records

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/antbuddy/antcrm-go"
)

// RowError is something wrong with a file, and where. Its text holds no value of
// the file.
type RowError struct {
	Line    int    // from 1, of the row's first line; 0 if it is the whole file
	Column  int    // CSV: the field in the row, JSON: the byte in the line, from 1; 0 if it is the whole row
	Header  string // the column's name in the file; JSON: a pointer such as /phones/0/value
	Problem string
	Row     Row   // what came, as far as it could be read
	Err     error // the cause where there is one, such as the file's read error
}

// Error is one line: where, and what is wrong.
func (e *RowError) Error() string {
	var b strings.Builder
	b.WriteString("records: ")
	if e.Line > 0 {
		b.WriteString("line " + strconv.Itoa(e.Line))
	}
	if e.Column > 0 {
		b.WriteString(", column " + strconv.Itoa(e.Column))
	}
	if e.Header != "" {
		b.WriteString(" (" + label(e.Header) + ")")
	}
	if e.Line > 0 {
		b.WriteString(": ")
	}
	b.WriteString(e.Problem)
	return b.String()
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// Is matches antcrm.ErrValidation: nothing was sent of the row.
func (e *RowError) Is(target error) bool { return target == antcrm.ErrValidation && e.Err == nil }

// Format prints the error's text with every verb: Row holds personal data.
func (e RowError) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, e.Error()) }

// label makes a name out of a file fit for an error: short, and on one line.
func label(name string) string {
	const longest = 60
	var b strings.Builder
	for i, r := range []rune(name) {
		if i == longest {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// Row is a row as the file has it. It prints as {redacted}: its fields are
// personal data.
type Row struct {
	Line   int      // from 1
	Fields []string // CSV: the fields, one a column of the header; nil if they could not be told apart
	Text   []byte   // JSON: the line; CSV: the row whose fields could not be told apart
}

// Format keeps the row out of logs.
func (Row) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "{redacted}") }
