package records

import (
	"errors"
	"io"
	"iter"
	"strconv"
)

// Reader is a file of records. It is for one goroutine, the one that ranges over
// the import.
type Reader[P Params] struct {
	cfg    *config
	err    error // an option that makes no sense
	schema schema[P]
	format format[P]
	used   bool

	next int64
	seen *lines
	rows map[int64]Row
}

// format reads rows: CSV or JSON lines.
type format[P any] interface {
	// begin reads what comes before the first row.
	begin() error
	// read reads the next row; io.EOF after the last. A *RowError whose Err is
	// nil concerns the row alone: the next one can be read.
	read(record *P) (Row, error)
	// keyColumn is the place of the caller's own key, for errors.
	keyColumn() (column int, header string)
	// report writes rows of this format.
	report(w io.Writer) rowWriter
}

func newReader[P Params](opts []Option, open func(*config, schema[P]) format[P]) *Reader[P] {
	cfg, err := newConfig(opts)
	r := &Reader[P]{cfg: cfg, err: err, schema: schemaOf[P](), rows: map[int64]Row{}}
	if !cfg.allowDuplicate {
		r.seen = newLines()
	}
	r.format = open(cfg, r.schema)
	return r
}

// All gives the records of the file, once: the source of an import. What cannot
// be read ends it with a *RowError; see WithBadRows.
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
	for {
		var record P
		row, err := r.format.read(&record)
		if err == nil {
			err = r.checkKey(&record, row)
		}
		switch bad := (*RowError)(nil); {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case r.cfg.badRows != nil && errors.As(err, &bad) && bad.Err == nil:
			r.cfg.badRows(bad)
			continue
		default:
			return err
		}
		if r.cfg.keepRows {
			r.rows[r.next] = row
		}
		r.next++
		if !yield(record) {
			return nil
		}
	}
}

// checkKey refuses a key that an earlier row has.
func (r *Reader[P]) checkKey(record *P, row Row) error {
	key := r.schema.key(record)
	if r.seen == nil || key == "" {
		return nil
	}
	first := r.seen.first(key, row.Line)
	if first == 0 {
		return nil
	}
	column, header := r.format.keyColumn()
	return &RowError{Line: row.Line, Column: column, Header: header, Problem: "the same " + r.schema.keyName + " as on line " + strconv.Itoa(first), Row: row}
}

// Row gives the row of a record, by its place among those that All gave
// (ImportResult.Index), and forgets it. It needs WithRows.
func (r *Reader[P]) Row(index int64) (row Row, ok bool) {
	row, ok = r.rows[index]
	delete(r.rows, index)
	return row, ok
}
