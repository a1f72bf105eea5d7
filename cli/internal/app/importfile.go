package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/antbuddy/antcrm-go/records"
)

// The formats of a file to import.
const (
	formatCSV   = "csv"
	formatJSONL = "jsonl"
)

// importFormat is that of --format, else of the file's ending.
func importFormat(chosen, path string) (string, error) {
	switch chosen {
	case formatCSV, formatJSONL:
		return chosen, nil
	case "":
	default:
		return "", usage("use csv or jsonl", "unknown format %q for --format", chosen)
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jsonl", ".ndjson":
		return formatJSONL, nil
	case ".json":
		return "", usage("make it JSON Lines: jq -c '.[]' "+filepath.Base(path)+" | … import - --format jsonl", "one JSON document cannot be imported row by row")
	case ".xlsx", ".xls", ".ods":
		return "", usage("save it as CSV UTF-8", "a workbook cannot be imported")
	}
	return formatCSV, nil
}

// openInput opens the file to import; - is stdin. The caller closes it.
func (a *app) openInput(path string) (*os.File, error) {
	if path == "-" {
		return a.stdin, nil
	}
	file, err := os.Open(path)
	if err == nil {
		info, statErr := file.Stat()
		if err = statErr; err == nil && info.IsDir() {
			err = errors.New("it is a folder")
		}
		if err != nil {
			_ = file.Close()
		}
	}
	if err != nil {
		return nil, &failure{code: exitUsage, text: "read " + path, err: withoutPath(err), next: "give a file that can be read, or - for stdin"}
	}
	return file, nil
}

// reader reads records from a file.
func reader[P records.Params](b *bulkFlags, format string, file io.Reader, more ...records.Option) (*records.Reader[P], error) {
	if format == formatJSONL {
		if len(b.maps) > 0 || b.ignoreUnknown {
			return nil, usage("leave them out", "--map and --ignore-unknown are for CSV")
		}
		return records.JSONLines[P](file, append(b.common(), more...)...), nil
	}
	// What an export of contacts calls phones.value is a column that can be read.
	columns := map[string]string{"phones.value": "phones", "emails.value": "emails"}
	for _, pair := range b.maps {
		at := strings.LastIndexByte(pair, '=')
		if at <= 0 {
			return nil, usage("such as --map 'Mã KH=customerIdApiRing'", "--map needs COLUMN=FIELD")
		}
		columns[pair[:at]] = pair[at+1:]
	}
	opts := append(b.common(), records.WithColumns(columns))
	if b.ignoreUnknown {
		opts = append(opts, records.WithUnknownColumns())
	}
	return records.CSV[P](file, append(opts, more...)...), nil
}

func (b *bulkFlags) common() []records.Option {
	if b.duplicates {
		return []records.Option{records.WithoutDuplicateCheck()}
	}
	return nil
}

// reportFile is a file of rows that were not carried out. It is made at the start, so that a folder that cannot be written to is found out
// before anything is sent, and removed if nothing was written.
type reportFile struct {
	*os.File
	report *records.Report
}

// openReport opens the file chosen, or one beside the input that is not in use: it may hold corrections.
func openReport(chosen, input, stem, suffix, ext string) (*reportFile, error) {
	name := chosen
	if name == "" {
		name = freeName(stem+"."+suffix, ext)
	}
	fail := func(err error) (*reportFile, error) {
		return nil, &failure{code: exitUsage, text: "write " + name, err: withoutPath(err), next: "name another file with --" + suffix}
	}
	if same(name, input) {
		return fail(errors.New("it is the file to import"))
	}
	// Its owner alone may read it: it holds personal data.
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fail(err)
	}
	return &reportFile{File: file}, nil
}

func freeName(stem, ext string) string {
	name := stem + ext
	for n := 2; ; n++ {
		if info, err := os.Stat(name); err != nil || info.Size() == 0 && info.Mode().IsRegular() {
			return name
		}
		name = fmt.Sprintf("%s-%d%s", stem, n, ext)
	}
}

func same(a, b string) bool {
	first, errFirst := os.Stat(a)
	second, errSecond := os.Stat(b)
	return errFirst == nil && errSecond == nil && os.SameFile(first, second)
}

// close finishes the file, and removes it if it has no rows.
func (r *reportFile) close() error {
	if r.report == nil || r.report.Count() == 0 {
		info, err := r.Stat()
		_ = r.Close()
		if err == nil && info.Mode().IsRegular() {
			return os.Remove(r.Name())
		}
		return nil
	}
	return errors.Join(r.report.Flush(), r.Close())
}

// stemOf is what the files beside an input are called after.
func stemOf(path, noun string) string {
	if path == "-" {
		return noun
	}
	return strings.TrimSuffix(path, filepath.Ext(path))
}
