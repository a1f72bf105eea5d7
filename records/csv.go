package records

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// CSV reads a CSV file: UTF-8, or UTF-16 as Excel's "Unicode text" has it, also packed with gzip, the header in the
// first line. Empty fields set nothing, rows and columns of blanks are passed over. Phones, emails, tags and assignees
// may hold several values between ; or |; addresses, im, cusFields and groupPackage are JSON lists, of the API's
// members alone; addresses cannot be beside address.*, nor groupPackage beside item.*. Line breaks are refused but in
// lists, custom fields, notes, descriptions and streets: elsewhere a quote is wrong, most likely. What spreadsheets do
// to cells is refused, mended or reported as docs/bulk-import.md lists it. Rows of one order (the same
// opportunityIdApiRing, beside columns item.*) must follow one another; they become one order.
func CSV[P Params](r io.Reader, opts ...Option) *Reader[P] {
	return newReader(opts, func(cfg *config, s schema[P]) format[P] {
		return &tableFormat[P]{cfg: cfg, schema: s, rows: &csvRows{cfg: cfg, file: r}}
	})
}

// csvRows reads the rows of a CSV file.
type csvRows struct {
	cfg  *config
	file io.Reader

	budget  *budget
	rows    *csv.Reader
	bom     bool
	skipped int    // lines before the header: sep=;
	last    int    // the line on which the last row began
	text    []byte // the last row as it is
	header  []string
}

// budget is a reader that refuses to go on for ever without the end of a row: a quote that is never closed would have
// the whole file read into memory. It remembers what it has read since the last row began.
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

const csvBuffer = 4 << 10 // of encoding/csv: what it may have read beyond a row

func (f *csvRows) begin() error {
	head, bom, err := openText(f.file)
	if err != nil {
		return err
	}
	f.bom = bom
	for range f.cfg.skipLines {
		if err := f.skipLine(head); err != nil {
			return err
		}
	}
	delimiter, err := f.detect(head)
	if err != nil {
		return err
	}
	f.budget = &budget{file: head}
	f.rows = csv.NewReader(f.budget)
	f.rows.Comma = delimiter
	f.rows.FieldsPerRecord = -1 // checked later
	f.rows.ReuseRecord = true
	return nil
}

// skipLine passes over a line before the header, however long it is.
func (f *csvRows) skipLine(head *bufio.Reader) error {
	for {
		_, err := head.ReadSlice('\n')
		switch {
		case err == nil:
			f.skipped++
			f.last++
			return nil
		case errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return readFailed(f.last+1, err)
		}
	}
}

// detect looks at the header for the delimiter.
func (f *csvRows) detect(head *bufio.Reader) (rune, error) {
	first, ended := firstLine(head)
	if !ended && bytes.IndexByte(bytes.TrimSuffix(first, []byte("\r")), '\r') >= 0 {
		return 0, fileError(1, "its lines end with a carriage return alone: save the file as CSV UTF-8", nil)
	}
	delimiter := mostFrequent(first)
	if r, isSep := separatorLine(string(first)); isSep {
		_, _ = head.Discard(min(len(first)+1, head.Buffered()))
		f.skipped++
		f.last++
		delimiter = r
	}
	if f.cfg.delimiter != 0 {
		delimiter = f.cfg.delimiter
	}
	return delimiter, nil
}

// separatorLine reads Excel's "sep=;" line, in any case, also in quotes.
func separatorLine(line string) (rune, bool) {
	line = strings.TrimRight(line, "\r")
	if inner, ok := strings.CutPrefix(line, `"`); ok && strings.HasSuffix(inner, `"`) {
		line = strings.TrimSuffix(inner, `"`)
	}
	if len(line) < 5 || !strings.EqualFold(line[:4], "sep=") {
		return 0, false
	}
	r, size := utf8.DecodeRuneInString(line[4:])
	return r, isDelimiter(r) && strings.Trim(line[4+size:], " ,;\t") == ""
}

// firstLine looks at a file's first line, or as much of it as fits the buffer. It reads no further than the line: a
// pipe may bring the next one much later.
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

// mostFrequent counts what may stand between the names of a header, outside quotes.
func mostFrequent(line []byte) rune {
	best, most := ',', 0
	for _, delimiter := range ",;\t|" {
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
func (f *csvRows) next() (fields []string, line int, err error) {
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
		return nil, begin, fileError(begin, fmt.Sprintf("the row that begins here or soon after has more than %d bytes: is a quote never closed?", f.cfg.rowLimit()), errRowTooLong)
	case err != nil:
		return nil, begin, readFailed(begin, err)
	}
	line, _ = f.rows.FieldPos(0)
	f.last = line + f.skipped
	return fields, f.last, nil
}

// unparsed is a row that is not CSV.
func (f *csvRows) unparsed(parse *csv.ParseError, fields []string) error {
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

func (f *csvRows) headerRead(header []string) { f.header = header }

func (f *csvRows) lastText() []byte { return f.text }

func (f *csvRows) lineOf(cell int) int {
	line, _ := f.rows.FieldPos(cell)
	return line + f.skipped
}

func (f *csvRows) style() (delimiter rune, bom bool) {
	if f.rows == nil {
		return ',', f.bom
	}
	return f.rows.Comma, f.bom
}
