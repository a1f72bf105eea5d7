package records

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Table is a source of rows, such as the sheet of a workbook or the rows of a query. It is used in one goroutine only.
type Table interface {
	// Next returns the cells of the next row and the number of the row, from 1; io.EOF after the last. Cells may be
	// reused by the next call.
	Next() (cells []string, row int, err error)
}

// FromTable reads a table by the rules of CSV, the header in its first row that is not blank. A report of it is CSV
// with a byte order mark, as Excel reads it. An error of the table ends the import.
func FromTable[P Params](table Table, opts ...Option) *Reader[P] {
	return newReader(opts, func(cfg *config, s schema[P]) format[P] {
		return &tableFormat[P]{cfg: cfg, schema: s, rows: &foreignRows{cfg: cfg, table: table}}
	})
}

// rowSource reads the rows of a table, the header among them.
type rowSource interface {
	begin() error
	// next reads a row; io.EOF after the last. A *RowError whose Err is nil concerns the row alone.
	next() (cells []string, line int, err error)
	headerRead(header []string)
	lastText() []byte    // of the last row, where the cells could not be told apart
	lineOf(cell int) int // of a cell of the last row
	style() (delimiter rune, bom bool)
}

// foreignRows are those of a Table.
type foreignRows struct {
	cfg   *config
	table Table
	last  int
	cells []string
}

func (f *foreignRows) begin() error {
	if f.table == nil {
		return fileError(0, "there is no table", nil)
	}
	return nil
}

func (f *foreignRows) next() ([]string, int, error) {
	for {
		cells, line, err := f.table.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, 0, io.EOF
		case err != nil:
			return nil, f.last + 1, readFailed(f.last+1, err)
		}
		f.last, f.cells = line, cells
		if line > f.cfg.skipLines {
			return cells, line, nil
		}
	}
}

func (f *foreignRows) headerRead([]string) {}

func (f *foreignRows) lastText() []byte { return []byte(strings.Join(f.cells, ",")) }

func (f *foreignRows) lineOf(int) int { return f.last }

func (f *foreignRows) style() (rune, bool) { return ',', true }

// tableFormat gives the cells of a table their meaning.
type tableFormat[P any] struct {
	cfg    *config
	schema schema[P]
	rows   rowSource

	header  []string
	line    int         // of the header
	columns []column[P] // by place; set nil: left out
	key     int         // the place of the caller's own key, -1: none
	outcome int         // the place of a report's outcome, -1: none
	grouped bool        // several rows may be one record
	lastKey string      // of the row before
}

func (f *tableFormat[P]) begin() error {
	if err := f.rows.begin(); err != nil {
		return err
	}
	for {
		header, line, err := f.rows.next()
		if errors.Is(err, io.EOF) {
			return fileError(0, "the file is empty: its first line must name the columns", nil)
		}
		if bad, ok := errors.AsType[*RowError](err); ok {
			return fileError(bad.Line, "the header: "+bad.Problem, bad.Err)
		}
		if !slices.ContainsFunc(header, func(name string) bool { return !isBlank(name) }) {
			continue
		}
		return f.readHeader(slices.Clone(header), line)
	}
}

func (f *tableFormat[P]) read(record *P) (Row, error) {
	for {
		cells, line, err := f.rows.next()
		if err != nil {
			return Row{Line: line}, err
		}
		if !slices.ContainsFunc(cells, func(cell string) bool { return !isBlank(cell) }) {
			continue
		}
		row := Row{Line: line}
		cells = f.withoutTrailing(cells)
		if f.mayBeThere(cells) {
			return row, unknownRow(row, f.outcome+1, outcomeColumn)
		}
		if problem := f.shape(cells, &row); problem != "" {
			bad := &RowError{Line: line, Problem: problem, Row: row}
			if problem == otherHeader {
				bad.Err = errFile
			}
			return row, bad
		}
		if f.isHeader(cells) {
			f.cfg.warn(&RowError{Line: line, Problem: "repeats the header, and is skipped", Row: row})
			continue
		}
		if f.cfg.keepRows || f.cfg.badRows != nil {
			row.Fields = slices.Clone(cells)
		}
		return row, f.fill(record, cells, row)
	}
}

// mayBeThere reports a row that a report calls unknown. Where the cells are not those of the columns, any of them may be
// the outcome.
func (f *tableFormat[P]) mayBeThere(cells []string) bool {
	switch {
	case f.cfg.lookedUp || f.outcome < 0:
		return false
	case len(cells) != len(f.header):
		return slices.ContainsFunc(cells, isUnknown)
	}
	return isUnknown(cells[f.outcome])
}

// withoutTrailing drops blank cells beyond the header, if the header ends with columns of blanks itself. In other files
// a field too many is a comma that is not quoted, most likely: the cells after it are in the wrong columns.
func (f *tableFormat[P]) withoutTrailing(cells []string) []string {
	columns := len(f.header)
	_, foreign := f.rows.(*foreignRows)
	if len(cells) <= columns || !foreign && !isBlank(f.header[columns-1]) || slices.ContainsFunc(cells[columns:], func(cell string) bool { return !isBlank(cell) }) {
		return cells
	}
	return cells[:columns]
}

const otherHeader = "is a different header: import the rows below it as a separate file"

// shape says what is wrong with a row as a whole, if its cells cannot be taken for those of the columns.
func (f *tableFormat[P]) shape(cells []string, row *Row) (problem string) {
	_, foreign := f.rows.(*foreignRows)
	if len(cells) != len(f.header) && !(foreign && len(cells) < len(f.header)) {
		row.Text = bytes.Clone(f.rows.lastText())
		return fmt.Sprintf("%d fields, but the header has %d", len(cells), len(f.header))
	}
	if text := f.unparsedText(cells); text != "" {
		row.Text = []byte(text)
		return textProblem
	}
	if f.isOtherHeader(cells) {
		return otherHeader
	}
	return ""
}

// unparsedText is the text of a report's row whose fields could not be told apart, and which nobody has put into its
// columns since.
func (f *tableFormat[P]) unparsedText(cells []string) (text string) {
	for i, cell := range cells {
		switch {
		case f.header[i] == textColumn:
			text = cell
		case cell != "" && !slices.Contains(reportColumns(), f.header[i]):
			return ""
		}
	}
	return text
}

// isHeader reports that a row repeats the header, as files that were joined do.
func (f *tableFormat[P]) isHeader(cells []string) bool {
	same := 0
	for i, cell := range cells {
		switch {
		case isBlank(cell):
		case fold(f.cfg.normal(cell)) != fold(f.header[i]):
			return false
		default:
			same++
		}
	}
	return same > 1 || same == 1 && len(f.header) == 1
}

// isOtherHeader reports a row of names of columns that is not this file's header: what follows would get into the wrong
// fields.
func (f *tableFormat[P]) isOtherHeader(cells []string) bool {
	names := 0
	for _, cell := range cells {
		if isBlank(cell) {
			continue
		}
		if _, known := f.schema.find(cell); !known && !slices.ContainsFunc(f.header, func(name string) bool { return fold(name) == fold(cell) }) {
			return false
		}
		names++
	}
	return names > 1 && !f.isHeader(cells)
}

// fill sets the record's fields from a row's cells. Everything that is wrong with the row is in the error.
func (f *tableFormat[P]) fill(record *P, cells []string, row Row) error {
	var problems []*RowError
	for i, cell := range cells {
		at := RowError{Line: f.rows.lineOf(i), Column: i + 1, Header: f.header[i], Row: row, Seen: visible(cell)}
		problem, warning := f.set(record, i, cell)
		if problem != "" {
			at.Problem = problem
			problems = append(problems, &at)
		} else if warning != "" {
			at.Problem = warning
			f.cfg.warn(&at)
		}
	}
	key := f.schema.key(record)
	if !f.grouped || key == "" || key != f.lastKey { // a further row of an order may leave to the first what is said of the order
		for _, name := range f.cfg.required {
			if bad := f.missing(name, cells, row); bad != nil {
				problems = append(problems, bad)
			}
		}
	}
	f.lastKey = key
	return joinProblems(problems)
}

func (f *tableFormat[P]) set(record *P, i int, cell string) (problem, warning string) {
	c := f.columns[i]
	switch {
	case len(cell) > f.cfg.maxField:
		return fmt.Sprintf("has %d bytes, more than %d", len(cell), f.cfg.maxField), ""
	case c.set == nil && c.nameless && !isBlank(cell):
		return "has a value, but its column has no name", ""
	case c.set == nil:
		return wrongBytes(cell), ""
	}
	value, problem, warning := f.cfg.clean(c.kind, cell)
	if problem != "" || value == "" {
		return problem, warning
	}
	err := c.set(f.cfg, record, value)
	if unsure, ok := errors.AsType[doubt](err); ok {
		return "", string(unsure)
	}
	if err != nil {
		return err.Error(), ""
	}
	return "", warning
}

// missing is a required column that a row does not fill.
func (f *tableFormat[P]) missing(name string, cells []string, row Row) *RowError {
	place := -1
	for i, c := range f.columns {
		if c.set == nil || c.names[0] != name {
			continue
		}
		place = i
		if i < len(cells) && !isBlank(cells[i]) {
			return nil
		}
	}
	if place < 0 {
		return nil // readHeader has refused the file
	}
	return &RowError{Line: row.Line, Column: place + 1, Header: f.header[place], Problem: "is required", Row: row}
}

func (f *tableFormat[P]) keyColumn() (column int, header string) {
	if f.key < 0 {
		return 0, ""
	}
	return f.key + 1, f.header[f.key]
}

func (f *tableFormat[P]) merges() bool { return f.grouped }
