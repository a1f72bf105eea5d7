package records

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/antbuddy/antcrm-go"
)

// RowError says what is wrong with a row or a file, and where. Its text has no value of the file.
type RowError struct {
	Line    int    // from 1, of the row's first line; 0 if it is the whole file
	Column  int    // CSV: the field in the row, JSON: the byte in the line, from 1; 0 if it is the whole row
	Header  string // the column's name in the file; JSON: a pointer such as /phones/0/value
	Problem string
	Seen    string      // the cell, cut short, with escapes for what nobody sees; not in Error, because it is a customer's
	Also    []*RowError // what else is wrong with the same row, or with the header
	Row     Row         // what came, as far as it could be read
	Err     error       // the cause where there is one, such as the file's read error
}

// Error is one line: the place, and all that is wrong there.
func (e *RowError) Error() string {
	var b strings.Builder
	b.WriteString("records: ")
	e.write(&b, 0)
	for _, other := range e.Also {
		b.WriteString("; ")
		other.write(&b, e.Line)
	}
	return b.String()
}

// write adds an error's place, without a line that has been named, and problem.
func (e *RowError) write(b *strings.Builder, named int) {
	var place []string
	if e.Line > 0 && e.Line != named {
		place = append(place, "line "+strconv.Itoa(e.Line))
	}
	if e.Column > 0 {
		place = append(place, "column "+strconv.Itoa(e.Column))
	}
	text := strings.Join(place, ", ")
	if e.Header != "" {
		text = strings.TrimSpace(text + " (" + label(e.Header) + ")")
	}
	if text != "" {
		text += ": "
	}
	b.WriteString(text + e.Problem)
}

// Problems returns each problem of a row as an error of its own, this one first.
func (e *RowError) Problems() []*RowError {
	first := *e
	first.Also = nil
	return append([]*RowError{&first}, e.Also...)
}

// joinProblems makes one error of all that is wrong with a row or a header.
func joinProblems(problems []*RowError) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b *RowError) int {
		switch {
		case errors.Is(a.Err, ErrExported) != errors.Is(b.Err, ErrExported): // it decides what is to be done
			if errors.Is(a.Err, ErrExported) {
				return -1
			}
			return 1
		case a.Column == 0 || b.Column == 0:
			return b.Column - a.Column // what has no place comes last
		}
		return a.Column - b.Column
	})
	first := *problems[0]
	first.Also = problems[1:]
	return &first
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// Is matches antcrm.ErrValidation: nothing of the row was sent.
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

// Row is a row of the file. It prints as {redacted}, because its fields are personal data.
type Row struct {
	Line   int      // from 1
	Fields []string // CSV: the fields, one a column of the header; nil if they could not be told apart
	Text   []byte   // JSON: the line; CSV: the row whose fields could not be told apart
	More   []Row    // the further rows of the same order
}

// all are the row and those that belong to the same record.
func (r Row) all() []Row { return append([]Row{r}, r.More...) }

// LastLine returns the line on which the last row of the record begins.
func (r Row) LastLine() int {
	if n := len(r.More); n > 0 {
		return r.More[n-1].Line
	}
	return r.Line
}

// Format prints {redacted} with every verb.
func (Row) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "{redacted}") }
