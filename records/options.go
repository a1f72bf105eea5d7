package records

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Option changes how a file is read.
type Option func(*config) error

type config struct {
	columns        map[string]string // by folded name
	mapped         []string          // the names that are mapped, as given
	ignoreUnknown  bool
	delimiter      rune // 0: detected
	skipLines      int
	fromLine       int
	maxField       int
	badRows        func(*RowError)
	placeholders   bool
	warnings       func(*RowError)
	fields         func(string)
	keepRows       bool
	allowDuplicate bool
	phoneCheck     bool
	asNew          bool
	lookedUp       bool
	required       []string

	normalize  func(string) string
	phone      func(string) (string, error)
	separators string // of lists in one cell
	decimal    rune   // 0: the point, and no thousands
	dateFormat string // "": ISO and milliseconds
	location   *time.Location
	zoneTold   bool     // that dates name no zone
	order      dayOrder // of the birthdays so far
	orderTold  bool     // that it is not certain
}

// defaultMaxField is far beyond any field of a CRM.
const defaultMaxField = 1 << 20

// rowLimit is how much of a row is ever held in memory.
func (c *config) rowLimit() int { return 4 * c.maxField }

func newConfig(opts []Option) (*config, error) {
	cfg := &config{maxField: defaultMaxField, separators: ";|", location: time.UTC}
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

// warn reports what is taken as it is and may be meant otherwise.
func (c *config) warn(w *RowError) {
	if c.warnings != nil {
		c.warnings(w)
	}
}

// WithColumns maps the file's own column names to the columns that Columns lists; "" leaves a column out. Names are
// compared without case, blanks, hyphens, underscores and invisible characters; a column that is in the map twice is an
// error. What is not in the map keeps its name; what is in it and not in the file is an error, unless it is left out.
// Tables only.
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

// WithUnknownColumns leaves out the columns whose names are not known, and those without a name, instead of refusing
// the file. Each is reported to WithWarnings, with the name that it may be a misspelling of. The CRM's own keys are
// never left out so: see WithAsNew. Tables only.
func WithUnknownColumns() Option {
	return func(cfg *config) error {
		cfg.ignoreUnknown = true
		return nil
	}
}

// WithAsNew imports a file that has the CRM's own keys (leadId, customerId, number, _id): an export. Without it such a
// file is refused with ErrExported, because an import only creates: every record would be in the CRM twice. With it the
// CRM's own columns are left out, and each row becomes one more record.
func WithAsNew() Option {
	return func(cfg *config) error {
		cfg.asNew = true
		return nil
	}
}

// WithLookedUp accepts the rows that a report calls unknown. Without it such a file is refused with ErrUnknownRows: its
// rows may be in the CRM already. Set it once somebody has looked each of them up there, and has removed from the file
// those that were found.
func WithLookedUp() Option {
	return func(cfg *config) error {
		cfg.lookedUp = true
		return nil
	}
}

// WithRequired names columns that each row must fill, so that a row's empty fields are reported with everything else
// that is wrong with it. Without it the import finds them, one a row.
func WithRequired(columns ...string) Option {
	return func(cfg *config) error {
		cfg.required = slices.Clone(columns)
		return nil
	}
}

// WithDelimiter sets the delimiter of a CSV file. Without this option it is found from the header line (comma,
// semicolon as in Excel of many countries, tab or bar) or from Excel's "sep=" line.
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

// WithSkipLines skips lines before the header, such as a title. Tables only.
func WithSkipLines(lines int) Option {
	return func(cfg *config) error {
		if lines < 0 {
			return &RowError{Problem: "the lines to skip must not be fewer than 0"}
		}
		cfg.skipLines = lines
		return nil
	}
}

// WithFromLine skips the rows that begin before a line of the file, counted from 1 with the header, to continue an
// import that was stopped. The skipped rows still count for the check of repeated keys.
func WithFromLine(line int) Option {
	return func(cfg *config) error {
		if line < 0 {
			return &RowError{Problem: "the first line must not be below 0"}
		}
		cfg.fromLine = line
		return nil
	}
}

// WithMaxField sets how many bytes a field may have. Default: 1 MiB. A row may have four times as many.
func WithMaxField(bytes int) Option {
	return func(cfg *config) error {
		if bytes < 1 || bytes > 1<<28 {
			return &RowError{Problem: "the largest field must have between 1 byte and 256 MiB"}
		}
		cfg.maxField = bytes
		return nil
	}
}

// WithBadRows passes rows that cannot be read to report and goes on with the next, instead of ending there. What is
// wrong with the whole file (its header, a disk that fails, a quote that runs over lines or to the end of the file and
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

// WithPlaceholders yields the zero record in the place of a bad row, after WithBadRows has reported it. An import
// refuses it as invalid and sends nothing, and every record keeps its place when the row is corrected in the file: the
// next run of an import with a journal then sends the corrected row.
func WithPlaceholders() Option {
	return func(cfg *config) error {
		cfg.placeholders = true
		return nil
	}
}

// WithWarnings reports what is taken as it is, or mended, and may be meant otherwise: columns that are left out, a name
// that begins with "=", a phone that an earlier row has (WithPhoneDuplicates). A warning has the shape of an error,
// with the place; its row is imported.
func WithWarnings(report func(*RowError)) Option {
	return func(cfg *config) error {
		if report == nil {
			return &RowError{Problem: "the function for warnings is nil"}
		}
		cfg.warnings = report
		return nil
	}
}

// WithFields reports the fields of the API that the file speaks of, each at least once, by their wire names, such as
// "phones": those of a table's columns before its first row, and in JSON Lines the members of each line that can be
// read. A field that no column and no line has is not reported.
func WithFields(report func(field string)) Option {
	return func(cfg *config) error {
		if report == nil {
			return &RowError{Problem: "the function for fields is nil"}
		}
		cfg.fields = report
		return nil
	}
}

// WithRows keeps each row until you call Row for it. An import yields exactly one result a record: if you call Row for
// each, few rows are kept at a time.
func WithRows() Option {
	return func(cfg *config) error {
		cfg.keepRows = true
		return nil
	}
}

// WithoutDuplicateCheck accepts several rows with the same key of your own (customerIdApiRing, opportunityIdApiRing).
// The check takes about 25 bytes of memory a row. It compares hashes of 64 bits: with billions of rows it might refuse
// a row because of another key.
func WithoutDuplicateCheck() Option {
	return func(cfg *config) error {
		cfg.allowDuplicate = true
		return nil
	}
}

// WithPhoneDuplicates reports a phone that an earlier row has to WithWarnings. Phones are compared by their last nine
// digits, so that 0901234567 and +84 901 234 567 are the same one.
func WithPhoneDuplicates() Option {
	return func(cfg *config) error {
		cfg.phoneCheck = true
		return nil
	}
}

// WithNormalizer puts headers and texts into one form of Unicode before anything else is done with them;
// golang.org/x/text/unicode/norm.NFC.String is meant. macOS writes "é" as two characters: without a normalizer such a
// key is refused, because for the CRM it would be another key.
func WithNormalizer(normalize func(string) string) Option {
	return func(cfg *config) error {
		if normalize == nil {
			return &RowError{Problem: "the normalizer is nil"}
		}
		cfg.normalize = normalize
		return nil
	}
}

// WithPhones normalizes phone numbers: normalize returns the number to send, or an error if the text is not one.
// Without this option phone numbers are sent as the file has them.
func WithPhones(normalize func(string) (string, error)) Option {
	return func(cfg *config) error {
		if normalize == nil {
			return &RowError{Problem: "the normalizer of phones is nil"}
		}
		cfg.phone = normalize
		return nil
	}
}

// WithListSeparators sets the characters that separate several values in one cell of phones, emails, tags and
// assignees. Default: ";|".
func WithListSeparators(separators string) Option {
	return func(cfg *config) error {
		if separators == "" || strings.ContainsFunc(separators, func(r rune) bool { return r == '"' || r == utf8.RuneError }) {
			return &RowError{Problem: fmt.Sprintf("%q cannot separate the values of a list", separators)}
		}
		cfg.separators = separators
		return nil
	}
}

// WithDecimal sets the decimal separator of the file's numbers: '.' or ','. The other one and blanks may then separate
// thousands, and a sign for the dong may follow: 1.500.000,5 ₫. Without this option the decimal separator is a point,
// and a number has no separators of thousands.
func WithDecimal(mark rune) Option {
	return func(cfg *config) error {
		if mark != '.' && mark != ',' {
			return &RowError{Problem: fmt.Sprintf("%q cannot stand before decimals: use '.' or ','", mark)}
		}
		cfg.decimal = mark
		return nil
	}
}

// SerialDates is the date format of spreadsheets' numbers: 45364 is 2024-03-13.
const SerialDates = "serial"

// WithDateFormat says how the file writes dates, as a layout of package time ("02/01/2006"), or SerialDates. ISO days
// (2006-01-02), as a workbook's date cells come, pass as well, unless the layout has the year first and dashes itself. Birthdays
// must have that form too, and are sent as 2006-01-02. Without this option they are sent as they stand: the vendor does
// not say which form it expects, and nobody knows which of two numbers is the month.
func WithDateFormat(layout string) Option {
	return func(cfg *config) error {
		probe := time.Date(2006, 11, 22, 13, 14, 15, 0, time.UTC)
		back, err := time.Parse(layout, probe.Format(layout))
		if layout != SerialDates && (err != nil || back.Year() != 2006 || back.Month() != 11 || back.Day() != 22) {
			return &RowError{Problem: fmt.Sprintf("%q is no form of a date with day, month and year", layout)}
		}
		cfg.dateFormat = layout
		return nil
	}
}

// WithLocation sets the time zone of days and times that name none. Default: UTC.
func WithLocation(zone *time.Location) Option {
	return func(cfg *config) error {
		if zone == nil {
			return &RowError{Problem: "the time zone is nil"}
		}
		cfg.location = zone
		return nil
	}
}
