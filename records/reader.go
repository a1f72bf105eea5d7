package records

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/antbuddy/antcrm-go"
)

// Reader reads a file of records. Use it in one goroutine only, the one that ranges over the import.
type Reader[P Params] struct {
	cfg    *config
	err    error // an option that makes no sense
	schema schema[P]
	format format[P]
	used   bool
	check  func(*P) error

	next   int64
	seen   *lines // keys
	phones *lines
	rows   map[int64]Row
}

// format reads rows: a table or JSON lines.
type format[P any] interface {
	// begin reads what comes before the first row.
	begin() error
	// read reads the next row; io.EOF after the last. A *RowError whose Err is nil concerns the row alone: the next one
	// can be read.
	read(record *P) (Row, error)
	// keyColumn is the place of the caller's own key, for errors.
	keyColumn() (column int, header string)
	// merges reports that rows with the same key that follow one another are one record.
	merges() bool
	// report writes rows of this format.
	report(w io.Writer) rowWriter
}

func newReader[P Params](opts []Option, open func(*config, schema[P]) format[P]) *Reader[P] {
	cfg, err := newConfig(opts)
	r := &Reader[P]{cfg: cfg, err: err, schema: schemaOf[P](), rows: map[int64]Row{}}
	if !cfg.allowDuplicate {
		r.seen = newLines()
	}
	if cfg.phoneCheck && cfg.warnings != nil && r.schema.phones != nil {
		r.phones = newLines()
	}
	r.format = open(cfg, r.schema)
	return r
}

// Check sets a function that checks each record before it is yielded. If it returns an error, the row is a bad one; an
// *antcrm.ValidationError names the field. Call Check before you range over All.
func (r *Reader[P]) Check(check func(*P) error) { r.check = check }

// All yields the records of the file, as the source of an import. It can be ranged over once. It ends with a *RowError
// at the first row that cannot be read: see [WithBadRows].
func (r *Reader[P]) All() iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		if err := r.each(func(record P) bool { return yield(record, nil) }); err != nil {
			var none P
			yield(none, err)
		}
	}
}

var errUsed = errors.New("records: a file can be read once")

func (r *Reader[P]) each(yield func(P) bool) error {
	if r.err != nil {
		return r.err
	}
	if r.used {
		return errUsed
	}
	r.used = true
	if err := r.format.begin(); err != nil {
		return err
	}
	units := &assembler[P]{reader: r}
	for {
		u := units.next()
		switch {
		case errors.Is(u.err, io.EOF):
			return nil
		case u.row.LastLine() < r.cfg.fromLine && !isFatal(u.err):
			continue // an earlier run has dealt with it
		case u.err == nil:
		case r.cfg.badRows == nil || isFatal(u.err):
			return u.err
		default:
			r.report(u)
			if !r.cfg.placeholders {
				continue
			}
			u.record = *new(P)
		}
		if r.cfg.keepRows {
			r.rows[r.next] = u.row
		}
		r.next++
		if !yield(u.record) {
			return nil
		}
	}
}

// report passes a bad row on, and with it the other rows of the same order.
func (r *Reader[P]) report(u unit[P]) {
	if bad, ok := errors.AsType[*RowError](u.err); ok {
		bad.Row = u.row
		r.cfg.badRows(bad)
	}
}

// isFatal reports an error after which nothing more can be read.
func isFatal(err error) bool {
	if err == nil {
		return false
	}
	bad, ok := errors.AsType[*RowError](err)
	return !ok || bad.Err != nil
}

// unit is what becomes one record: a row, or the rows of an order.
type unit[P any] struct {
	record P
	row    Row
	err    error // io.EOF after the last
	key    string
}

// unreadable reports a row whose fields could not be told apart: nobody knows which order it belongs to.
func (u unit[P]) unreadable() bool { return u.err != nil && !isFatal(u.err) && u.row.Fields == nil }

// assembler puts the rows of one order together. It reads one row ahead where rows can be merged, and none elsewhere: a
// pipe may bring the next one much later.
type assembler[P Params] struct {
	reader *Reader[P]
	ahead  *unit[P]
	torn   int // the line of a row before this one that could not be read, 0: none
}

func (a *assembler[P]) read() (u unit[P]) {
	if a.ahead != nil {
		u, a.ahead = *a.ahead, nil
		return u
	}
	u.row, u.err = a.reader.format.read(&u.record)
	if bad, ok := errors.AsType[*RowError](u.err); ok && bad.Row.Line > 0 {
		u.row = bad.Row
	}
	if !errors.Is(u.err, io.EOF) && !isFatal(u.err) {
		u.key = a.reader.schema.key(&u.record)
	}
	return u
}

func (a *assembler[P]) next() unit[P] {
	u := a.read()
	if errors.Is(u.err, io.EOF) || isFatal(u.err) {
		return u
	}
	if a.reader.format.merges() {
		a.gather(&u)
	}
	if err := a.reader.complete(&u); err != nil {
		u.err = err
	}
	return u
}

// gather adds the rows that follow with the same key. One that is wrong holds the whole order back: a part of it must
// not be created.
func (a *assembler[P]) gather(u *unit[P]) {
	if u.unreadable() {
		a.torn = u.row.Line
		return
	}
	var problems []*RowError
	if bad, ok := errors.AsType[*RowError](u.err); ok {
		problems = bad.Problems()
	}
	torn := a.torn
	for u.key != "" {
		next := a.read()
		if next.unreadable() {
			torn = next.row.Line
		}
		if isFatal(next.err) && !errors.Is(next.err, io.EOF) {
			torn = next.row.Line
		}
		if next.key != u.key {
			a.ahead = &next
			break
		}
		problems = append(problems, a.add(u, &next)...)
	}
	if torn > 0 && len(problems) == 0 {
		problems = append(problems, &RowError{Line: u.row.Line, Problem: fmt.Sprintf("line %d beside this order could not be read, and may be a part of it", torn)})
	}
	a.torn = 0
	if len(problems) > 0 {
		first := *problems[0]
		first.Also = problems[1:]
		u.err = &first
	}
}

// add merges a row into the order before it.
func (a *assembler[P]) add(u, next *unit[P]) []*RowError {
	u.row.More = append(u.row.More, next.row)
	if bad, ok := errors.AsType[*RowError](next.err); ok {
		return bad.Problems()
	}
	if field := a.reader.schema.merge(&u.record, &next.record); field != "" {
		return []*RowError{{Line: next.row.Line, Header: field, Problem: "is not what line " + strconv.Itoa(u.row.Line) + " of the same order says"}}
	}
	return nil
}

// complete checks a record as a whole, and adds to what is wrong with its row.
func (r *Reader[P]) complete(u *unit[P]) error {
	var problems []*RowError
	if bad, ok := errors.AsType[*RowError](u.err); ok {
		problems = bad.Problems()
	}
	problems = append(problems, r.checkKey(u)...)
	if len(problems) == 0 {
		problems = r.checkRecord(u)
	}
	if len(problems) == 0 {
		r.checkPhones(u)
		return nil
	}
	first := *problems[0]
	first.Also = problems[1:]
	return &first
}

// checkKey refuses a key that an earlier row has. Where rows are merged the earlier one was a part of this order: the
// file as a whole is wrong then.
func (r *Reader[P]) checkKey(u *unit[P]) []*RowError {
	if r.seen == nil || u.key == "" {
		return nil
	}
	first := r.seen.first(u.key, u.row.Line)
	if first == 0 {
		return nil
	}
	column, header := r.format.keyColumn()
	bad := &RowError{Line: u.row.Line, Column: column, Header: header, Row: u.row, Problem: "the same " + r.schema.keyName + " as on line " + strconv.Itoa(first)}
	if r.format.merges() {
		bad.Problem += ", and other orders between them: sort the file by this column, so that no part of an order is sent alone"
		bad.Err = errFile
	}
	return []*RowError{bad}
}

func (r *Reader[P]) checkRecord(u *unit[P]) []*RowError {
	if r.schema.check != nil {
		if field, problem := r.schema.check(&u.record); problem != "" {
			return []*RowError{{Line: u.row.Line, Header: field, Problem: problem, Row: u.row}}
		}
	}
	if r.check == nil {
		return nil
	}
	err := r.check(&u.record)
	if invalid, ok := errors.AsType[*antcrm.ValidationError](err); ok {
		return []*RowError{{Line: u.row.Line, Header: invalid.Field, Problem: invalid.Problem, Row: u.row}}
	}
	if err != nil {
		return []*RowError{{Line: u.row.Line, Problem: err.Error(), Row: u.row}}
	}
	return nil
}

// checkPhones reports phones that an earlier row has.
func (r *Reader[P]) checkPhones(u *unit[P]) {
	if r.phones == nil {
		return
	}
	for _, phone := range r.schema.phones(&u.record) {
		same := samePhone(phone.Value)
		if same == "" {
			continue
		}
		if first := r.phones.first(same, u.row.Line); first != 0 && first != u.row.Line {
			r.cfg.warn(&RowError{Line: u.row.Line, Header: "phones", Problem: "the same phone as on line " + strconv.Itoa(first), Row: u.row})
		}
	}
}

// Row returns the row of a record, by its place among those that All yielded (ImportResult.Index), and forgets it. It
// needs WithRows.
func (r *Reader[P]) Row(index int64) (row Row, ok bool) {
	row, ok = r.rows[index]
	delete(r.rows, index)
	return row, ok
}
