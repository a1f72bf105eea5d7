package output

import (
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/antbuddy/antcrm-go/cli/internal/schema"
)

const (
	gap      = "  "
	narrow   = 6 // a column is not squeezed below this
	ellipsis = "…"
)

// tableForm writes aligned columns; a single record, or a terminal too narrow for the columns, gets lines of "name  value" instead.
type tableForm struct {
	*Writer
	widths   []int
	vertical bool
	any      bool
	measure  *runewidth.Condition
}

// newTable measures by a fixed rule, so that the same records print the same under every locale.
func newTable(w *Writer) *tableForm {
	measure := runewidth.NewCondition()
	measure.EastAsianWidth = false
	measure.StrictEmojiNeutral = true
	return &tableForm{Writer: w, measure: measure}
}

func (f *tableForm) begin(held []record) error {
	if f.vertical = f.opts.Single; f.vertical {
		return nil
	}
	f.widths = make([]int, len(f.columns))
	for i, col := range f.columns {
		f.widths[i] = f.measure.StringWidth(col.name)
		for _, r := range held {
			f.widths[i] = max(f.widths[i], f.measure.StringWidth(f.cell(r, i)))
		}
	}
	if f.opts.Width > 0 {
		if !f.opts.chosen() {
			f.dropEmpty(held)
		}
		f.vertical = !f.squeeze(f.opts.Width)
	}
	if f.vertical {
		return nil
	}
	header := make([]string, len(f.columns))
	for i, col := range f.columns {
		header[i] = col.name
	}
	return f.text(f.bold(f.line(header)) + "\n")
}

// dropEmpty leaves out columns that no record fills where the table does not fit the terminal.
func (f *tableForm) dropEmpty(held []record) {
	if len(held) == 0 || f.total() <= f.opts.Width {
		return
	}
	var columns []column
	var widths []int
	for i, col := range f.columns {
		if slices.ContainsFunc(held, func(r record) bool { return f.cell(r, i) != "" }) {
			columns, widths = append(columns, col), append(widths, f.widths[i])
		}
	}
	if len(columns) > 0 {
		f.columns, f.widths = columns, widths
	}
}

func (f *tableForm) total() int {
	total := len(gap) * max(0, len(f.widths)-1)
	for _, w := range f.widths {
		total += w
	}
	return total
}

// squeeze takes columns from the widest until the table fits; false if it cannot.
func (f *tableForm) squeeze(width int) bool {
	total := f.total()
	for total > width {
		i := f.widest()
		if i < 0 {
			return false
		}
		f.widths[i]--
		total--
	}
	return true
}

// readable is the width to which names and phones are kept while other columns can be cut.
const readable = 16

// widest is the column to cut next, -1 if none can be. A short name, a phone and a time say little when cut: their turn
// comes after the others'.
func (f *tableForm) widest() int {
	best, bestWorth := -1, 0
	for i, w := range f.widths {
		worth := f.columns[i].worth(w)
		if w > narrow && (best < 0 || worth < bestWorth || worth == bestWorth && w > f.widths[best]) {
			best, bestWorth = i, worth
		}
	}
	return best
}

// worth is how late a column of a width is cut.
func (c column) worth(width int) int {
	last := strings.ToLower(c.path[len(c.path)-1])
	switch {
	case strings.HasSuffix(last, "name"), strings.HasPrefix(c.name, "phone"), strings.HasSuffix(last, "phone"):
		if width <= readable {
			return 1
		}
	case c.isTime:
		return 2
	}
	return 0
}

func (f *tableForm) cell(r record, i int) string {
	return Clean(human(at(r.value, f.columns[i].path), f.columns[i].isTime))
}

func (f *tableForm) write(r record) error {
	if f.vertical {
		return f.record(r)
	}
	cells := make([]string, len(f.columns))
	for i := range f.columns {
		cells[i] = f.cell(r, i)
	}
	return f.text(f.line(cells) + "\n")
}

// line pads each cell to its column. Only a terminal's cells are cut: elsewhere nothing may be lost.
func (f *tableForm) line(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		if f.opts.Width > 0 {
			cell = f.measure.Truncate(cell, f.widths[i], ellipsis)
		}
		b.WriteString(cell)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(0, f.widths[i]-f.measure.StringWidth(cell))) + gap)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func (f *tableForm) bold(text string) string {
	if !f.opts.Color {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// record writes one record as lines, leaving out what is empty.
func (f *tableForm) record(r record) error {
	columns := f.columns
	if f.opts.Single && f.opts.Columns == nil {
		columns = f.allColumns(r)
	}
	if f.any && !f.opts.Single {
		if err := f.text("\n"); err != nil {
			return err
		}
	}
	f.any = true
	names := 0
	for _, col := range columns {
		names = max(names, f.measure.StringWidth(Clean(col.name)))
	}
	for _, col := range columns {
		value := Clean(human(at(r.value, col.path), col.isTime))
		if value == "" {
			continue
		}
		if err := f.field(Clean(col.name), value, names); err != nil {
			return err
		}
	}
	return nil
}

// allColumns are the fields of the record: those of the type in its order, then the undocumented ones.
func (f *tableForm) allColumns(r record) []column {
	object, ok := r.value.(map[string]any)
	if !ok {
		return nil
	}
	known := f.opts.Schema.Names()
	var columns []column
	for _, name := range slices.Concat(known, sortedKeys(object)) {
		if _, there := object[name]; there && !slices.ContainsFunc(columns, func(c column) bool { return c.name == name }) {
			// Not by addColumn: an undocumented name with dots is no path.
			kind, _ := f.opts.Schema.Lookup(name)
			columns = append(columns, column{name: name, path: []string{name}, isTime: kind == schema.Time})
		}
	}
	return columns
}

// field writes "name  value", the value wrapped where the terminal ends.
func (f *tableForm) field(name, value string, names int) error {
	indent := names + len(gap)
	if f.opts.Width > 0 && indent > f.opts.Width/2 {
		// Too narrow for two columns: the value goes below its name.
		indent = min(2, f.opts.Width/4)
		name = f.measure.Truncate(name, f.opts.Width, ellipsis)
		if err := f.text(f.bold(name) + "\n"); err != nil {
			return err
		}
		return f.wrapped(strings.Repeat(" ", indent), indent, value)
	}
	return f.wrapped(f.bold(name)+strings.Repeat(" ", indent-f.measure.StringWidth(name)), indent, value)
}

func (f *tableForm) wrapped(lead string, indent int, value string) error {
	lines := []string{value}
	if f.opts.Width > 0 {
		lines = strings.Split(f.measure.Wrap(value, max(2, f.opts.Width-indent)), "\n")
	}
	for _, line := range lines {
		if err := f.text(lead + line + "\n"); err != nil {
			return err
		}
		lead = strings.Repeat(" ", indent)
	}
	return nil
}

func (f *tableForm) end() error { return nil }

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
