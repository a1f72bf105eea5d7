package records

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CSV reads a CSV file: UTF-8 with or without a byte order mark, the header in
// the first line, as Excel and others write it. Empty fields set nothing, rows
// of empty fields are passed over. Phones, emails, tags and assignees may hold
// several values between ; or |; addresses, im, cusFields and groupPackage are
// JSON lists, of the API's members alone; addresses cannot be beside address.*,
// nor groupPackage beside item.*. Line breaks are refused but in lists, custom
// fields, notes, descriptions and streets: elsewhere a quote is wrong, most
// likely.
func CSV[P Params](r io.Reader, opts ...Option) *Reader[P] {
	return newReader(opts, func(cfg *config, s schema[P]) format[P] {
		return &csvFormat[P]{cfg: cfg, schema: s, file: r}
	})
}

type csvFormat[P any] struct {
	cfg    *config
	schema schema[P]
	file   io.Reader

	budget  *budget
	rows    *csv.Reader
	bom     bool
	skipped int    // lines before the header: sep=;
	last    int    // the line on which the last row began
	text    []byte // the last row as it is
	header  []string
	columns []column[P] // by place; set nil: left out
	key     int         // the place of the caller's own key, -1: none
}

// budget is a reader that refuses to go on for ever without the end of a row:
// a quote that is never closed would have the whole file read into memory. It
// remembers what it has read since the last row began.
type budget struct {
	file io.Reader
	left int

	recent []byte
	used   int   // bytes of recent that belong to earlier rows
	offset int64 // where recent begins
}

var errRowTooLong = errors.New("row too long")

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errRowTooLong
	}
	n, err := b.file.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.offset += int64(b.used)
	b.recent = append(b.recent[:copy(b.recent, b.recent[b.used:])], p[:n]...)
	b.used = 0
	return n, err
}

// row returns the row that ends at an offset, and forgets it.
func (b *budget) row(end int64) []byte {
	until := min(max(int(end-b.offset), b.used), len(b.recent))
	text := b.recent[b.used:until]
	b.used = until
	return bytes.Trim(text, "\r\n")
}

func (f *csvFormat[P]) fail(line int, problem string, cause error) error {
	if cause == nil {
		cause = errFile
	}
	return &RowError{Line: line, Problem: problem, Err: cause}
}

// errFile is the cause of what is wrong with a file as a whole.
var errFile = errors.New("records: the file cannot be read")

const csvBuffer = 4 << 10 // of encoding/csv: what it may have read beyond a row

func (f *csvFormat[P]) begin() error {
	if f.file == nil {
		return f.fail(0, "there is no file", nil)
	}
	head := bufio.NewReaderSize(f.file, 64<<10)
	delimiter, err := f.sniff(head)
	if err != nil {
		return err
	}
	f.budget = &budget{file: head}
	f.rows = csv.NewReader(f.budget)
	f.rows.Comma = delimiter
	f.rows.FieldsPerRecord = -1 // told apart below
	f.rows.ReuseRecord = true
	header, line, err := f.next()
	if errors.Is(err, io.EOF) {
		return f.fail(0, "the file is empty: its first line must name the columns", nil)
	}
	if bad := (*RowError)(nil); errors.As(err, &bad) {
		return f.fail(bad.Line, "the header: "+bad.Problem, bad.Err)
	}
	return f.readHeader(slices.Clone(header), line)
}

// sniff looks at the beginning of a file: its encoding, its delimiter.
func (f *csvFormat[P]) sniff(head *bufio.Reader) (rune, error) {
	start, err := head.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, f.fail(0, "reading failed: "+err.Error(), err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		f.bom = true
		_, _ = head.Discard(3) // it was there a moment ago
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return 0, f.fail(0, "the file is UTF-16: save it as CSV UTF-8", nil)
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("\xd0\xcf\x11\xe0")):
		return 0, f.fail(0, "the file is a workbook or an archive: save it as CSV UTF-8", nil)
	}
	first, ended := firstLine(head)
	if !ended && bytes.IndexByte(bytes.TrimSuffix(first, []byte("\r")), '\r') >= 0 {
		return 0, f.fail(1, "its lines end with a carriage return alone: save the file as CSV UTF-8", nil)
	}
	delimiter := detect(first)
	if told, isSep := bytes.CutPrefix(bytes.TrimSuffix(first, []byte("\r")), []byte("sep=")); isSep {
		if r, size := utf8.DecodeRune(told); size == len(told) && isDelimiter(r) {
			_, _ = head.Discard(min(len(first)+1, head.Buffered()))
			f.skipped, f.last, delimiter = 1, 1, r
		}
	}
	if f.cfg.delimiter != 0 {
		delimiter = f.cfg.delimiter
	}
	return delimiter, nil
}

// firstLine looks at a file's first line, or as much of it as fits the buffer. It
// reads no further than the line: a pipe may give the next one much later.
func firstLine(head *bufio.Reader) (line []byte, ended bool) {
	for want := 1; ; want = head.Buffered() + 1 {
		// What is wrong with the file shows when it is read.
		_, err := head.Peek(min(want, head.Size()))
		text, _ := head.Peek(head.Buffered())
		if line, _, ended = bytes.Cut(text, []byte("\n")); ended || err != nil || want > head.Size() {
			return line, ended
		}
	}
}

// detect counts what may stand between the names of a header, outside quotes.
func detect(line []byte) rune {
	best, most := ',', 0
	for _, delimiter := range ",;\t" {
		count, quoted := 0, false
		for _, r := range string(line) {
			switch r {
			case '"':
				quoted = !quoted
			case delimiter:
				if !quoted {
					count++
				}
			}
		}
		if count > most {
			best, most = delimiter, count
		}
	}
	return best
}

// next reads a row. Its line is right even if it could not be read.
func (f *csvFormat[P]) next() (fields []string, line int, err error) {
	f.budget.left = f.cfg.rowLimit() + csvBuffer
	fields, err = f.rows.Read()
	f.text = f.budget.row(f.rows.InputOffset())
	if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
		f.last = parse.StartLine + f.skipped
		return fields, f.last, f.unparsed(parse, fields)
	}
	begin := f.last + 1
	switch {
	case errors.Is(err, io.EOF):
		return nil, 0, io.EOF
	case errors.Is(err, errRowTooLong):
		return nil, begin, f.fail(begin, fmt.Sprintf("the row that begins here or soon after has more than %d bytes: is a quote never closed?", f.cfg.rowLimit()), errRowTooLong)
	case err != nil:
		return nil, begin, f.fail(begin, "reading failed: "+err.Error(), err)
	}
	line, _ = f.rows.FieldPos(0)
	f.last = line + f.skipped
	return fields, f.last, nil
}

// unparsed is a row that is not CSV.
func (f *csvFormat[P]) unparsed(parse *csv.ParseError, fields []string) error {
	bad := &RowError{Line: parse.StartLine + f.skipped, Row: Row{Line: parse.StartLine + f.skipped, Text: bytes.Clone(f.text)}}
	bad.Column = min(len(fields)+1, max(len(f.header), 1))
	if bad.Column <= len(f.header) {
		bad.Header = f.header[bad.Column-1]
	}
	switch {
	case errors.Is(parse.Err, csv.ErrBareQuote):
		bad.Problem = "a quote inside a field that is not quoted"
	case parse.Line > parse.StartLine:
		bad.Problem = fmt.Sprintf("a quote that is not closed properly, up to line %d", parse.Line+f.skipped)
		bad.Err = errFile // the lines between may be rows
	default:
		bad.Problem = "a quote that is not closed properly"
		if parse.Column > len(f.text) { // it is not a quote that is wrong: none came
			bad.Err = errFile
		}
	}
	return bad
}

func (f *csvFormat[P]) readHeader(header []string, line int) error {
	f.header, f.key = header, -1
	f.columns = make([]column[P], len(header))
	places := map[string]int{}
	for i, name := range header {
		c, problem := f.columnOf(name)
		if problem != "" {
			return f.badColumn(line, i, problem)
		}
		f.columns[i] = c
		if c.set == nil { // left out: it takes nothing from another
			continue
		}
		for _, id := range []string{fold(name), strings.Join(c.names, " ")} {
			earlier, twice := places[id]
			if twice && earlier != i && (!c.many || id == fold(name)) {
				return f.badColumn(line, i, fmt.Sprintf("is the same column as %d (%s)", earlier+1, label(header[earlier])))
			}
			places[id] = i
		}
		if c.names[0] == f.schema.keyName {
			f.key = i
		}
	}
	if err := f.checkParts(line); err != nil {
		return err
	}
	return f.checkMapping(header, line)
}

// checkParts finds a list beside columns of its first element: the one would
// overwrite the other, or add to it.
func (f *csvFormat[P]) checkParts(line int) error {
	for i, list := range f.columns {
		if list.parts == "" {
			continue
		}
		part := slices.IndexFunc(f.columns, func(c column[P]) bool { return c.set != nil && strings.HasPrefix(c.names[0], list.parts) })
		if part >= 0 {
			first, second := min(i, part), max(i, part)
			return f.badColumn(line, second, fmt.Sprintf("sets the same as column %d (%s): use one of the two", first+1, label(f.header[first])))
		}
	}
	return nil
}

func (f *csvFormat[P]) badColumn(line, place int, problem string) error {
	return &RowError{Line: line, Column: place + 1, Header: f.header[place], Problem: problem, Err: errFile}
}

// checkMapping finds a mapped column that the file does not have: a typing error
// would leave its values out in silence.
func (f *csvFormat[P]) checkMapping(header []string, line int) error {
	for _, name := range f.cfg.mapped {
		has := func(column string) bool { return fold(column) == fold(name) }
		if target := f.cfg.columns[fold(name)]; target != "" && !slices.ContainsFunc(header, has) {
			return &RowError{Line: line, Problem: fmt.Sprintf("there is no column %q, which is mapped to %q", label(name), label(target)), Err: errFile}
		}
	}
	return nil
}

// columnOf finds what a column of the file sets, or says why nothing.
func (f *csvFormat[P]) columnOf(name string) (c column[P], problem string) {
	if !utf8.ValidString(name) {
		return c, "is not UTF-8: save the file as CSV UTF-8"
	}
	if slices.Contains(reportColumns(), name) {
		return c, ""
	}
	target, mapped := f.cfg.columns[fold(name)]
	if mapped && target == "" {
		return c, ""
	}
	if !mapped {
		target = name
	}
	if c, ok := f.schema.find(target); ok {
		return c, ""
	}
	switch {
	case mapped:
		return c, fmt.Sprintf("is mapped to %q, which is no column of these records", label(target))
	case f.cfg.ignoreUnknown:
		return c, ""
	case strings.TrimSpace(name) == "":
		return c, "has no name: give it one, or leave out the columns that are not known"
	}
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Mn, r) }) {
		return c, "is an unknown column; its accents are characters of their own (Unicode NFD, as macOS writes them), which may be the difference"
	}
	return c, "is an unknown column"
}

func (f *csvFormat[P]) read(record *P) (Row, error) {
	for {
		fields, line, err := f.next()
		if err != nil {
			return Row{Line: line}, err
		}
		if !slices.ContainsFunc(fields, func(field string) bool { return field != "" }) {
			continue
		}
		row := Row{Line: line}
		if len(fields) != len(f.header) {
			row.Text = bytes.Clone(f.text)
			return row, &RowError{Line: line, Problem: fmt.Sprintf("%d fields, but the header has %d", len(fields), len(f.header)), Row: row}
		}
		if text := f.untold(fields); text != "" {
			row.Text = []byte(text)
			return row, &RowError{Line: line, Problem: textProblem, Row: row}
		}
		if f.cfg.keepRows || f.cfg.badRows != nil {
			row.Fields = slices.Clone(fields)
		}
		return row, f.fill(record, fields, row)
	}
}

// untold is the text of a report's row whose fields could not be told apart,
// and which nobody has put into its columns since.
func (f *csvFormat[P]) untold(fields []string) (text string) {
	for i, field := range fields {
		switch {
		case f.header[i] == textColumn:
			text = field
		case field != "" && !slices.Contains(reportColumns(), f.header[i]):
			return ""
		}
	}
	return text
}

// fill sets the record's fields from a row's.
func (f *csvFormat[P]) fill(record *P, fields []string, row Row) error {
	for i, value := range fields {
		problem := f.check(value)
		if c := f.columns[i]; problem == "" && value != "" && c.set != nil {
			if err := c.fill(record, value); err != nil {
				problem = err.Error()
			}
		}
		if problem != "" {
			line, _ := f.rows.FieldPos(i)
			return &RowError{Line: line + f.skipped, Column: i + 1, Header: f.header[i], Problem: problem, Row: row}
		}
	}
	return nil
}

func (f *csvFormat[P]) check(value string) (problem string) {
	if len(value) > f.cfg.maxField {
		return fmt.Sprintf("has %d bytes, more than %d", len(value), f.cfg.maxField)
	}
	if utf8.ValidString(value) {
		return ""
	}
	valid := 0
	for valid < len(value) {
		r, size := utf8.DecodeRuneInString(value[valid:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		valid += size
	}
	return fmt.Sprintf("is not UTF-8 from byte %d on: save the file as CSV UTF-8", valid+1)
}

func (f *csvFormat[P]) keyColumn() (column int, header string) {
	if f.key < 0 {
		return 0, ""
	}
	return f.key + 1, f.header[f.key]
}
