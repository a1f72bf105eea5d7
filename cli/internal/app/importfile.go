package app

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go/cli/internal/sheet"
	"github.com/antbuddy/antcrm-go/records"
)

// The formats of a file to import.
const (
	formatCSV   = "csv"
	formatJSONL = "jsonl"
	formatXLSX  = "xlsx"
)

// readingFlags say how a file is read.
type readingFlags struct {
	maps          []string
	ignoreUnknown bool
	duplicates    bool
	lookedUp      bool
	format        string
	sheet         string
	delimiter     string
	encoding      string
	skipLines     int
	separator     string
	decimal       string
	dateFormat    string
	phoneRegion   string
}

func (r *readingFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&r.maps, "map", nil, "a column's field: `COLUMN=FIELD`, such as 'Mã KH=customerIdApiRing' (may be repeated)")
	f.BoolVar(&r.ignoreUnknown, "ignore-unknown", false, "leave out columns that are no field; each is named")
	f.BoolVar(&r.duplicates, "allow-duplicates", false, "let rows through whose own key an earlier row has")
	f.BoolVar(&r.lookedUp, "looked-up", false, "send rows that a report calls unknown: those that are in the CRM have been deleted from FILE")
	f.StringVar(&r.format, "format", "", "`FORMAT`: csv, jsonl or xlsx (default: by the file's ending, else csv)")
	f.StringVar(&r.sheet, "sheet", "", "the `SHEET` of a workbook that has several")
	f.StringVar(&r.delimiter, "delimiter", "", "what stands between fields: `CHAR` or tab (default: found out)")
	f.StringVar(&r.encoding, "encoding", "", "the file's encoding, such as windows-1258 (`NAME`; default: UTF-8 or UTF-16)")
	f.IntVar(&r.skipLines, "skip-lines", 0, "pass over `N` lines before the header")
	f.StringVar(&r.separator, "list-separator", "", "what stands between several values in a cell: `CHARS` (default: ; and |)")
	f.StringVar(&r.decimal, "decimal", "", "what stands before decimals: `MARK` . or , (numbers may then have thousands, as 1.500.000,5)")
	f.StringVar(&r.dateFormat, "date-format", "", "how dates are written: `FORM` such as DD/MM/YYYY, or serial for a spreadsheet's numbers")
	f.StringVar(&r.phoneRegion, "phone-region", "", "make phones international (+84…), those without a code being of this `COUNTRY`, such as VN")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{formatCSV, formatJSONL, formatXLSX}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("decimal", cobra.FixedCompletions([]string{".", ","}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("map", r.completeMap)
}

// importFormat is that of --format, else of the file's ending.
func importFormat(chosen, path string) (string, error) {
	switch chosen {
	case formatCSV, formatJSONL, formatXLSX:
		return chosen, nil
	case "":
	default:
		return "", usage("use csv, jsonl or xlsx", "unknown format %q for --format", chosen)
	}
	switch strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz"))) {
	case ".jsonl", ".ndjson":
		return formatJSONL, nil
	case ".xlsx", ".xlsm":
		return formatXLSX, nil
	case ".json":
		return "", usage("make it JSON Lines: jq -c '.[]' "+filepath.Base(path)+" | … import - --format jsonl", "one JSON document cannot be imported row by row")
	case ".xls", ".ods", ".numbers":
		return "", usage("save it as .xlsx or CSV UTF-8", "a workbook of this kind cannot be imported")
	}
	return formatCSV, nil
}

// reading is how the file of an import is read.
type reading struct {
	format   string
	encoding string
	sheet    string
	options  []records.Option
}

// reading is that of the flags.
func (r *readingFlags) reading(path string) (reading, error) {
	format, err := importFormat(r.format, path)
	if err != nil {
		return reading{}, err
	}
	in := reading{format: format, encoding: r.encoding, sheet: r.sheet}
	if r.duplicates {
		in.options = append(in.options, records.WithoutDuplicateCheck())
	}
	if r.lookedUp {
		in.options = append(in.options, records.WithLookedUp())
	}
	if err := r.checkEncoding(format); err != nil {
		return in, err
	}
	if format == formatJSONL {
		return in, r.forTables()
	}
	if r.sheet != "" && format != formatXLSX {
		return in, usage("leave it out", "--sheet is for workbooks")
	}
	columns, err := r.columns()
	if err != nil {
		return in, err
	}
	in.options = append(in.options, records.WithColumns(columns), records.WithNormalizer(sheet.NFC), records.WithLocation(time.Local))
	if r.ignoreUnknown {
		in.options = append(in.options, records.WithUnknownColumns())
	}
	if r.skipLines != 0 {
		in.options = append(in.options, records.WithSkipLines(r.skipLines))
	}
	more, err := r.cells()
	in.options = append(in.options, more...)
	return in, err
}

func (r *readingFlags) checkEncoding(format string) error {
	if r.encoding == "" {
		return nil
	}
	if format == formatXLSX {
		return usage("leave it out", "a workbook has its own encoding")
	}
	if format == formatJSONL {
		return usage("convert it first: iconv -f "+quoted(r.encoding)+" -t UTF-8", "JSON is UTF-8 or UTF-16; --encoding is for CSV")
	}
	if _, err := sheet.Decode(strings.NewReader(""), r.encoding); err != nil {
		return usage("such as windows-1258, utf-16le or iso-8859-1", "--encoding: %s", err.Error())
	}
	return nil
}

// forTables refuses flags that mean nothing in JSON Lines.
func (r *readingFlags) forTables() error {
	set := map[string]bool{
		"--map": len(r.maps) > 0, "--ignore-unknown": r.ignoreUnknown, "--delimiter": r.delimiter != "", "--skip-lines": r.skipLines != 0, "--sheet": r.sheet != "",
		"--list-separator": r.separator != "", "--decimal": r.decimal != "", "--date-format": r.dateFormat != "", "--phone-region": r.phoneRegion != "",
	}
	for _, flag := range []string{"--map", "--ignore-unknown", "--delimiter", "--skip-lines", "--sheet", "--list-separator", "--decimal", "--date-format", "--phone-region"} {
		if set[flag] {
			return usage("leave it out", "%s is for CSV and workbooks", flag)
		}
	}
	return nil
}

func (r *readingFlags) columns() (map[string]string, error) {
	columns := map[string]string{}
	for _, pair := range r.maps {
		at := strings.LastIndexByte(pair, '=')
		if at <= 0 {
			return nil, usage("such as --map 'Mã KH=customerIdApiRing'", "--map needs COLUMN=FIELD")
		}
		columns[sheet.NFC(pair[:at])] = pair[at+1:]
	}
	return columns, nil
}

// cells are the options of what stands in the cells.
func (r *readingFlags) cells() (options []records.Option, err error) {
	if r.delimiter != "" {
		text := strings.NewReplacer("tab", "\t", `\t`, "\t").Replace(r.delimiter)
		if len([]rune(text)) != 1 {
			return nil, usage("such as ';' or tab", "--delimiter must be one character")
		}
		options = append(options, records.WithDelimiter([]rune(text)[0]))
	}
	if r.separator != "" {
		options = append(options, records.WithListSeparators(r.separator))
	}
	if r.decimal != "" {
		if r.decimal != "." && r.decimal != "," {
			return nil, usage("use . or ,", "--decimal %q", r.decimal)
		}
		options = append(options, records.WithDecimal(rune(r.decimal[0])))
	}
	if r.dateFormat != "" {
		layout := r.dateFormat
		if layout != records.SerialDates {
			if layout, err = sheet.Layout(r.dateFormat); err != nil {
				return nil, usage("or serial for a spreadsheet's numbers", "--date-format: %s", err.Error())
			}
		}
		options = append(options, records.WithDateFormat(layout))
	}
	if r.phoneRegion != "" {
		phones, err := sheet.Phones(r.phoneRegion)
		if err != nil {
			return nil, usage("two letters, such as VN", "--phone-region: %s", err.Error())
		}
		options = append(options, records.WithPhones(phones))
	}
	return options, nil
}

// openRecords begins to read records. The file is a stream, or for a workbook what holds it.
func openRecords[P records.Params](r reading, in *input, file io.Reader, more ...records.Option) (*records.Reader[P], error) {
	opts := slices.Concat(r.options, more)
	switch r.format {
	case formatXLSX:
		rows, err := in.book.Rows()
		if err != nil {
			return nil, &failure{code: exitUsage, text: in.name, err: err}
		}
		return records.FromTable[P](rows, opts...), nil
	case formatJSONL:
		return records.JSONLines[P](decoded(file, r.encoding), opts...), nil
	}
	return records.CSV[P](decoded(file, r.encoding), opts...), nil
}

// decoded is a file as UTF-8. The encoding has been checked.
func decoded(file io.Reader, encoding string) io.Reader {
	if encoding == "" {
		return file
	}
	plain := bufio.NewReader(file)
	if start, err := plain.Peek(2); err == nil && string(start) == "\x1f\x8b" {
		if unpacked, err := gzip.NewReader(plain); err == nil {
			plain = bufio.NewReader(unpacked)
		}
	}
	text, err := sheet.Decode(plain, encoding)
	if err != nil {
		return file
	}
	// With the mark the file's reports have one as well: whoever imports them with the same --encoding must not have them decoded twice.
	return io.MultiReader(strings.NewReader("\ufeff"), text)
}

// fieldsNote is where a command keeps its fields, for the completion of --map.
const fieldsNote = "fields"

func offerFields(cmd *cobra.Command, fields []string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[fieldsNote] = strings.Join(fields, ",")
}

// completeMap completes a column of the file that is named already, or a field.
func (r *readingFlags) completeMap(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	const only = cobra.ShellCompDirectiveNoFileComp
	if at := strings.LastIndexByte(typed, '='); at >= 0 {
		var found []string
		for field := range strings.SplitSeq(cmd.Annotations[fieldsNote], ",") {
			found = append(found, typed[:at+1]+field)
		}
		return found, only
	}
	if len(args) == 0 {
		return nil, only
	}
	var found []string
	for _, name := range headerOf(args[len(args)-1]) {
		found = append(found, name+"=")
	}
	return found, only | cobra.ShellCompDirectiveNoSpace
}

// headerOf reads the names of a CSV file's columns, as far as that is simple.
func headerOf(path string) []string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, 4<<10)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	if bytes.HasPrefix(head[:n], []byte("\x1f\x8b")) || bytes.HasPrefix(head[:n], []byte("PK")) {
		return nil
	}
	line, _, _ := bytes.Cut(bytes.TrimPrefix(head[:n], []byte("\ufeff")), []byte("\n"))
	names := strings.FieldsFunc(strings.TrimSpace(string(line)), func(r rune) bool { return strings.ContainsRune(",;\t", r) })
	for i := range names {
		names[i] = strings.Trim(names[i], ` "`)
	}
	return names
}
