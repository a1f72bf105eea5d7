package records

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Option changes how a file is read.
type Option func(*config) error

type config struct {
	columns        map[string]string // by folded name
	mapped         []string          // the names that are mapped, as given
	ignoreUnknown  bool
	delimiter      rune // 0: found out
	maxField       int
	badRows        func(*RowError)
	keepRows       bool
	allowDuplicate bool
}

// defaultMaxField is far beyond any field of a CRM.
const defaultMaxField = 1 << 20

// rowLimit is how much of a row is ever held in memory.
func (c *config) rowLimit() int { return 4 * c.maxField }

func newConfig(opts []Option) (*config, error) {
	cfg := &config{maxField: defaultMaxField}
	for _, opt := range opts {
		if opt == nil {
			return cfg, &RowError{Problem: "an option is nil"}
		}
		if err := opt(cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// WithColumns maps the file's own column names to the columns that Columns
// lists; "" leaves a column out. Names are compared without case, spaces,
// hyphens and underscores; a column that is in the map twice is an error. What
// is not in the map keeps its name; what is in it and not in the file is an
// error, unless it is left out. CSV only.
func WithColumns(columns map[string]string) Option {
	return func(cfg *config) error {
		cfg.columns = map[string]string{}
		cfg.mapped = slices.Sorted(maps.Keys(columns))
		names := map[string]string{}
		for _, from := range cfg.mapped {
			id := fold(from)
			if earlier, twice := names[id]; twice {
				return &RowError{Problem: fmt.Sprintf("%q and %q are mapped, but are the same column", label(earlier), label(from))}
			}
			names[id], cfg.columns[id] = from, columns[from]
		}
		return nil
	}
}

// WithUnknownColumns leaves out the columns whose names are not known, and those
// without a name (a delimiter at the end of each line makes one), instead of
// refusing the file. CSV only.
func WithUnknownColumns() Option {
	return func(cfg *config) error {
		cfg.ignoreUnknown = true
		return nil
	}
}

// WithDelimiter sets what stands between the fields of a CSV file. Without it
// the header line decides: comma, semicolon (Excel in many countries) or tab,
// or what Excel's "sep=" line says.
func WithDelimiter(delimiter rune) Option {
	return func(cfg *config) error {
		if !isDelimiter(delimiter) {
			return &RowError{Problem: fmt.Sprintf("%q cannot be a delimiter", delimiter)}
		}
		cfg.delimiter = delimiter
		return nil
	}
}

func isDelimiter(r rune) bool {
	return r > 0 && r != '"' && r != '\r' && r != '\n' && utf8.ValidRune(r) && r != utf8.RuneError
}

// WithMaxField sets how many bytes a field may have: 1 MiB unless set. A row may
// have four times as many.
func WithMaxField(bytes int) Option {
	return func(cfg *config) error {
		if bytes < 1 || bytes > 1<<28 {
			return &RowError{Problem: "the largest field must have between 1 byte and 256 MiB"}
		}
		cfg.maxField = bytes
		return nil
	}
}

// WithBadRows hands rows that cannot be read to report and goes on with the
// next, instead of ending there. What is wrong with the whole file (its header,
// a disk that fails, a quote that runs over lines or to the end of the file and
// is not closed properly: it may have taken rows with it) ends it all the same.
func WithBadRows(report func(*RowError)) Option {
	return func(cfg *config) error {
		if report == nil {
			return &RowError{Problem: "the function for bad rows is nil"}
		}
		cfg.badRows = report
		return nil
	}
}

// WithRows keeps each row until Row has asked for it. An import gives exactly
// one result a record, so that asking for each keeps few at a time.
func WithRows() Option {
	return func(cfg *config) error {
		cfg.keepRows = true
		return nil
	}
}

// WithoutDuplicateCheck lets rows with the same key of the caller's
// (customerIdApiRing, opportunityIdApiRing) through. The check takes some 25
// bytes of memory a row. It compares hashes of 64 bits: that a row is refused
// for another's key has to be feared from billions of rows on.
func WithoutDuplicateCheck() Option {
	return func(cfg *config) error {
		cfg.allowDuplicate = true
		return nil
	}
}
