package records

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/antbuddy/antcrm-go"
)

// reportColumns are what a report adds to a row. A reader leaves them out, so that a report can be corrected and fed
// again.
func reportColumns() []string { return []string{"_line", outcomeColumn, "_reason", textColumn} }

const (
	textColumn  = "_text"
	textProblem = "is still the text of a row that could not be read: put what it says in its place"
)

// ErrUnknownRows is a report of rows whose outcome is unknown: they were sent, no usable answer came, and they may be in
// the CRM already. See [WithLookedUp].
var ErrUnknownRows = errors.New("records: the file has rows whose outcome is unknown")

// outcomeColumn holds what became of a row when it was sent.
const outcomeColumn = "_outcome"

// isUnknown reports that a report calls a row unknown.
func isUnknown(outcome string) bool {
	return strings.EqualFold(trim(outcome), antcrm.OutcomeUnknown.String())
}

// unknownRow refuses a file for a row that may be in the CRM already.
func unknownRow(row Row, column int, header string) *RowError {
	return &RowError{
		Line: row.Line, Column: column, Header: header, Row: row, Err: ErrUnknownRows,
		Problem: "is unknown: the row was sent, no usable answer came, and it may be in the CRM already",
	}
}

// Report writes rows that were not imported, in the format of their file, each with its line, its outcome and the
// reason. Correct the report and import it: the added columns are ignored.
//
// If the fields of a row could not be separated, the report has the row's text in the column _text and leaves the other
// columns empty, so that half a row cannot be imported. If nobody corrects it, it is a bad row again.
type Report struct {
	open  func() rowWriter // once the file's header is known
	rows  rowWriter
	count int
	err   error
}

type rowWriter interface {
	write(row Row, notes []string) error
	flush() error
}

// NewReport returns a Report that writes rows of this file to w. It writes nothing before the first row.
func (r *Reader[P]) NewReport(w io.Writer) *Report {
	return &Report{open: func() rowWriter { return r.format.report(w) }}
}

// Add writes a row, or all rows of an order, with its outcome and the reason. After an error every further call returns
// an error.
func (p *Report) Add(row Row, outcome antcrm.Outcome, reason error) error {
	if p.err != nil {
		return p.err
	}
	if p.rows == nil {
		p.rows = p.open()
	}
	why := ""
	if reason != nil {
		why = oneLine(reason.Error())
	}
	p.count++
	for _, part := range row.all() {
		if err := p.rows.write(part, []string{strconv.Itoa(part.Line), outcome.String(), why}); err != nil {
			p.err = fmt.Errorf("records: write report: %w", err)
			break
		}
	}
	return p.err
}

// Count returns how many records were added.
func (p *Report) Count() int { return p.count }

// Flush writes what is still buffered. Call it at the end, and check its error.
func (p *Report) Flush() error {
	if p.err == nil && p.rows != nil {
		if err := p.rows.flush(); err != nil {
			p.err = fmt.Errorf("records: write report: %w", err)
		}
	}
	return p.err
}

func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// csvReport writes rows as the file has them: the same delimiter, the same columns, a byte order mark if there was one
// (Excel needs it for Vietnamese).
type csvReport struct {
	file   io.Writer
	rows   *csv.Writer
	header []string
	keep   []int // places of the columns to write
	bom    bool
	begun  bool
}

func (f *tableFormat[P]) report(w io.Writer) rowWriter {
	report := &csvReport{file: w, rows: csv.NewWriter(w), header: f.header}
	report.rows.Comma, report.bom = f.rows.style()
	for i, name := range f.header {
		if !slices.Contains(reportColumns(), name) {
			report.keep = append(report.keep, i)
		}
	}
	return report
}

func (r *csvReport) write(row Row, notes []string) error {
	if !r.begun {
		r.begun = true
		if r.bom {
			if _, err := io.WriteString(r.file, "\ufeff"); err != nil {
				return err
			}
		}
		if err := r.rows.Write(append(r.pick(r.header), reportColumns()...)); err != nil {
			return err
		}
	}
	return r.rows.Write(append(r.pick(row.Fields), append(notes, string(row.Text))...))
}

func (r *csvReport) pick(fields []string) []string {
	picked := make([]string, 0, len(r.keep)+len(reportColumns()))
	for _, i := range r.keep {
		if i < len(fields) {
			picked = append(picked, fields[i])
		} else {
			picked = append(picked, "")
		}
	}
	return picked
}

func (r *csvReport) flush() error {
	r.rows.Flush()
	return r.rows.Error()
}

// jsonReport writes lines as the file has them, with members added.
type jsonReport struct{ file io.Writer }

func (f *jsonFormat[P]) report(w io.Writer) rowWriter { return jsonReport{file: w} }

func (r jsonReport) write(row Row, notes []string) error {
	var out bytes.Buffer
	enc := jsontext.NewEncoder(&out, jsontext.AllowInvalidUTF8(true))
	err := copyMembers(enc, row.Text)
	if err != nil { // it is not an object: keep what it is, for a person
		err = enc.WriteToken(jsontext.BeginObject)
		notes = append(notes, string(row.Text))
	}
	for i, note := range notes {
		if err == nil {
			err = writeMember(enc, reportColumns()[i], note)
		}
	}
	if err == nil {
		err = enc.WriteToken(jsontext.EndObject)
	}
	if err != nil {
		return err
	}
	_, err = r.file.Write(out.Bytes())
	return err
}

// copyMembers writes the beginning of an object: all members but a report's.
func copyMembers(enc *jsontext.Encoder, text []byte) error {
	var members jsontext.Value
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	dec := jsontext.NewDecoder(bytes.NewReader(members))
	begin, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if begin.Kind() != '{' {
		return errFile
	}
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if slices.Contains(reportColumns(), key) {
			continue
		}
		if err := errors.Join(enc.WriteToken(jsontext.String(key)), enc.WriteValue(value)); err != nil {
			return err
		}
	}
	return nil
}

func writeMember(enc *jsontext.Encoder, name, value string) error {
	return errors.Join(enc.WriteToken(jsontext.String(name)), enc.WriteToken(jsontext.String(value)))
}

func (jsonReport) flush() error { return nil }
