package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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

// reading is how the file of an import is read.
type reading struct {
	format  string
	options []records.Option
}

// reading is that of the flags.
func (b *bulkFlags) reading(path string) (reading, error) {
	format, err := importFormat(b.format, path)
	if err != nil {
		return reading{}, err
	}
	r := reading{format: format}
	if b.fromLine > 0 {
		r.options = append(r.options, records.WithFromLine(b.fromLine))
	}
	if b.asNew {
		r.options = append(r.options, records.WithAsNew())
	}
	if b.duplicates {
		r.options = append(r.options, records.WithoutDuplicateCheck())
	}
	if format == formatJSONL {
		if len(b.maps) > 0 || b.ignoreUnknown {
			return r, usage("leave them out", "--map and --ignore-unknown are for CSV")
		}
		return r, nil
	}
	columns := map[string]string{}
	for _, pair := range b.maps {
		at := strings.LastIndexByte(pair, '=')
		if at <= 0 {
			return r, usage("such as --map 'Mã KH=customerIdApiRing'", "--map needs COLUMN=FIELD")
		}
		columns[pair[:at]] = pair[at+1:]
	}
	r.options = append(r.options, records.WithColumns(columns))
	if b.ignoreUnknown {
		r.options = append(r.options, records.WithUnknownColumns())
	}
	return r, nil
}

// openRecords begins to read records.
func openRecords[P records.Params](r reading, file io.Reader, more ...records.Option) *records.Reader[P] {
	opts := slices.Concat(r.options, more)
	if r.format == formatJSONL {
		return records.JSONLines[P](file, opts...)
	}
	return records.CSV[P](file, opts...)
}

// reportFile is a file of rows that were not carried out. It is made at the start, so that a folder that cannot be written to is found out
// before anything is sent, and removed if nothing was written.
type reportFile struct {
	*os.File
	report *records.Report
}

// openReport opens the file chosen, or one beside the input that is not in use: it may hold corrections. others are files that it must not be.
func openReport(chosen, stem, suffix, ext string, others map[string]string) (*reportFile, error) {
	name := chosen
	if name == "" {
		name = freeName(stem+"."+suffix, ext)
	}
	fail := func(err error) (*reportFile, error) {
		return nil, &failure{code: exitUsage, text: "write " + name, err: withoutPath(err), next: "name another file with --" + suffix}
	}
	for other, what := range others {
		if same(name, other) {
			return fail(errors.New("it is " + what))
		}
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

// same reports that two names are of one file. A device may be named twice.
func same(a, b string) bool {
	first, errFirst := os.Stat(a)
	second, errSecond := os.Stat(b)
	return errFirst == nil && errSecond == nil && first.Mode().IsRegular() && os.SameFile(first, second)
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
	return r.named(errors.Join(r.report.Flush(), r.Close()))
}

// named calls a failed write by the file alone.
func (r *reportFile) named(err error) error {
	if err == nil {
		return nil
	}
	return &failure{code: exitFailure, text: "write " + r.Name(), err: withoutPath(err), next: "free space"}
}

// stemOf is what the files beside an input are called after.
func stemOf(path, noun string) string {
	if path == "-" {
		return noun
	}
	return strings.TrimSuffix(path, filepath.Ext(path))
}
