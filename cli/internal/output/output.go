// Package output writes records as a table, JSON, JSON Lines or CSV, one record at a time.
package output

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/antbuddy/antcrm-go/cli/internal/schema"
)

// The formats.
const (
	Table = "table"
	JSON  = "json"
	JSONL = "jsonl"
	CSV   = "csv"
)

// Formats lists the formats.
func Formats() []string { return []string{Table, JSON, JSONL, CSV} }

// Options say how to write.
type Options struct {
	Format   string
	Columns  []string      // nil: the whole record in JSON, Default elsewhere
	Default  []string      // the columns of tables and CSV
	Schema   schema.Schema // the type of the records
	Open     bool          // the records' fields are not documented: any column may exist
	Single   bool          // one record: an object instead of an array, lines instead of a table
	Terminal bool          // a person reads: escape what would disturb the terminal
	Width    int           // columns of the terminal; 0: as wide as it takes
	Color    bool
	BOM      bool // a byte order mark before CSV, for Excel
	Excel    bool // CSV that a spreadsheet opens without harm: with BOM, the line sep=, and no formulas
}

// chosen reports that the user has said which columns there are to be.
func (o Options) chosen() bool { return o.Columns != nil }

// ColumnError is a column that no record has.
type ColumnError struct {
	Column string
	Known  []string
}

// Error names the column and those that there are.
func (e *ColumnError) Error() string {
	return fmt.Sprintf("unknown column %q; there are: %s", e.Column, strings.Join(e.Known, ", "))
}

// window is how many records are looked at before the first is printed: for the widths of a table, and for a column that the schema does
// not know.
const window = 200

// Writer writes records. Close ends the output; without it the output is incomplete.
type Writer struct {
	opts    Options
	columns []column
	check   []column // columns that the schema does not know
	out     *stream
	form    form
	held    []record
	open    bool
	count   int
}

type column struct {
	name   string
	path   []string
	isTime bool
}

type record struct {
	raw   json.RawMessage
	value any // decoded, if the format needs it
}

// form is one of the formats.
type form interface {
	begin(held []record) error
	write(r record) error
	end() error
}

// New returns a writer. A column that cannot exist is a *ColumnError, here or at the first records.
func New(w io.Writer, opts Options) (*Writer, error) {
	names := opts.Columns
	if names == nil && (opts.Format == Table || opts.Format == CSV) {
		names = opts.Default
	}
	out := &Writer{opts: opts, out: &stream{buffer: bufio.NewWriterSize(w, 64<<10)}}
	for _, name := range names {
		if err := out.addColumn(strings.TrimSpace(name)); err != nil {
			return nil, err
		}
	}
	switch opts.Format {
	case Table:
		out.form = newTable(out)
	case CSV:
		out.form = &csvForm{Writer: out, csv: csv.NewWriter(out.out)}
	case JSONL:
		out.form = &jsonForm{Writer: out, lines: true}
	default:
		out.form = &jsonForm{Writer: out}
	}
	return out, nil
}

func (w *Writer) addColumn(name string) error {
	kind, known := w.opts.Schema.Lookup(name)
	col := column{name: name, path: schema.Split(name), isTime: known && kind == schema.Time}
	if name == "" || strings.Contains("."+name+".", "..") {
		return w.unknown(col)
	}
	if !known {
		w.check = append(w.check, col)
	}
	w.columns = append(w.columns, col)
	return nil
}

func (w *Writer) unknown(col column) error {
	known := w.opts.Schema.Names()
	if len(w.held) > 0 {
		if object, ok := w.held[0].value.(map[string]any); ok && w.opts.Open {
			known = sortedKeys(object)
		}
	}
	return &ColumnError{Column: col.name, Known: known}
}

// Count is how many records were written.
func (w *Writer) Count() int { return w.count }

// Write writes one record.
func (w *Writer) Write(raw json.RawMessage) error {
	r := record{raw: raw}
	if len(w.columns) > 0 || w.opts.Format == Table || w.opts.Format == CSV {
		value, err := parse(raw)
		if err != nil {
			return err
		}
		r.value = value
	}
	w.count++
	if w.open {
		return w.form.write(r)
	}
	w.held = append(w.held, r)
	if len(w.held) < w.lookahead() {
		return nil
	}
	return w.begin()
}

// lookahead is how many records are held back before the output begins.
func (w *Writer) lookahead() int {
	if w.opts.Format == Table || len(w.check) > 0 {
		return window
	}
	return 1
}

func (w *Writer) begin() error {
	if err := w.checkColumns(); err != nil {
		return err
	}
	w.open = true
	if err := w.form.begin(w.held); err != nil {
		return err
	}
	for _, r := range w.held {
		if err := w.form.write(r); err != nil {
			return err
		}
	}
	w.held = nil
	return nil
}

// checkColumns refuses a column that neither the type nor any of the first records has. Undocumented fields may be asked for.
func (w *Writer) checkColumns() error {
	for _, col := range w.check {
		found := len(w.held) == 0 && w.opts.Open
		for _, r := range w.held {
			found = found || has(r.value, col.path)
		}
		if !found {
			return w.unknown(col)
		}
	}
	return nil
}

// Flush hands on what was written so far; a page of a list, say.
func (w *Writer) Flush() error {
	if err := w.out.flush(); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// Close ends the output.
func (w *Writer) Close() error {
	if !w.open {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if err := w.form.end(); err != nil {
		return err
	}
	return w.Flush()
}

// jsonForm writes a JSON array, one object, or JSON Lines.
type jsonForm struct {
	*Writer
	lines bool
	any   bool
}

func (f *jsonForm) begin([]record) error {
	if f.lines || f.opts.Single {
		return nil
	}
	return f.text("[")
}

func (f *jsonForm) write(r record) error {
	text, err := f.encode(r)
	if err != nil {
		return err
	}
	if f.opts.Terminal {
		text = escapeUnsafe(text)
	}
	switch {
	case f.lines || f.opts.Single:
		return f.text(string(text) + "\n")
	case f.any:
		return f.text(",\n  " + string(text))
	}
	f.any = true
	return f.text("\n  " + string(text))
}

func (f *jsonForm) encode(r record) ([]byte, error) {
	raw := []byte(r.raw)
	if len(f.columns) > 0 {
		raw = f.selected(r)
	}
	var b bytes.Buffer
	var err error
	switch {
	case f.lines:
		err = json.Compact(&b, raw)
	case f.opts.Single:
		err = json.Indent(&b, raw, "", "  ")
	default:
		err = json.Indent(&b, raw, "  ", "  ")
	}
	if err != nil {
		return nil, fmt.Errorf("the record is not JSON: %w", err)
	}
	return b.Bytes(), nil
}

// selected is the record's columns as an object, in their order.
func (f *jsonForm) selected(r record) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, col := range f.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(compact(col.name) + ":" + compact(at(r.value, col.path)))
	}
	b.WriteByte('}')
	return b.Bytes()
}

func (f *jsonForm) end() error {
	switch {
	case f.lines || f.opts.Single:
		return nil
	case !f.any:
		return f.text("]\n")
	}
	return f.text("\n]\n")
}

func (w *Writer) text(s string) error {
	if _, err := w.out.Write([]byte(s)); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// csvForm writes a header and one line a record.
type csvForm struct {
	*Writer
	csv *csv.Writer
}

func (f *csvForm) begin([]record) error {
	if f.opts.BOM || f.opts.Excel {
		if err := f.text("\ufeff"); err != nil {
			return err
		}
	}
	if f.opts.Excel {
		if err := f.text("sep=,\n"); err != nil {
			return err
		}
	}
	header := make([]string, len(f.columns))
	for i, col := range f.columns {
		header[i] = col.name
	}
	return f.row(header)
}

func (f *csvForm) write(r record) error {
	cells := make([]string, len(f.columns))
	for i, col := range f.columns {
		cells[i] = exact(at(r.value, col.path), col.isTime)
	}
	return f.row(cells)
}

// row hands each line on at once: the buffer that counts is that of the Writer.
func (f *csvForm) row(cells []string) error {
	for i, cell := range cells {
		if f.opts.Excel && isFormula(cell) {
			cell = "'" + cell
		}
		if f.opts.Terminal {
			cell = Clean(cell)
		}
		cells[i] = cell
	}
	_ = f.csv.Write(cells) // the error of Flush is the same
	f.csv.Flush()
	if err := f.csv.Error(); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// isFormula reports what a spreadsheet would compute, or take for a number that loses its beginning, such as +84.
func isFormula(cell string) bool {
	return cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0]))
}

func (f *csvForm) end() error { return nil }
