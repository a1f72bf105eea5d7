package main

import (
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/antbuddy/antcrm-go/records"
)

// source is a file of records, as the flags describe it.
type source struct {
	stdin  io.Reader
	stderr io.Writer

	columns   map[string]string
	format    string
	skipBad   bool
	unknown   bool
	duplicate bool

	file io.ReadCloser
}

func (s *source) flags(flags *flag.FlagSet) {
	s.columns = map[string]string{}
	flags.StringVar(&s.format, "format", "", "`csv or jsonl`; by default what the file's name says")
	flags.Func("column", "`OURS=THEIRS`: a column of the CSV file and the API's name for it (\"Mã KH=customerIdApiRing\"; nothing behind = leaves it out); may be given more than once", func(v string) error {
		ours, theirs, ok := strings.Cut(v, "=")
		if !ok {
			return fmt.Errorf("%q has no =", v)
		}
		s.columns[ours] = theirs
		return nil
	})
	flags.BoolVar(&s.unknown, "ignore-unknown-columns", false, "leave out columns of a CSV file whose names are not known")
	flags.BoolVar(&s.skipBad, "skip-bad-rows", false, "name rows that cannot be read and go on, instead of stopping there")
	flags.BoolVar(&s.duplicate, "allow-duplicate-keys", false, "let rows with the same key of your own through; saves some 25 bytes of memory a row")
}

// open finds the file and its format.
func (s *source) open(path string) (err error) {
	if s.format == "" {
		switch strings.ToLower(filepath.Ext(path)) {
		case ".csv", ".tsv", ".txt":
			s.format = "csv"
		case ".jsonl", ".ndjson", ".json":
			s.format = "jsonl"
		}
	}
	if s.format != "csv" && s.format != "jsonl" {
		return usage("say with -format whether the file is csv or jsonl")
	}
	if path == "-" {
		s.file = io.NopCloser(s.stdin)
		return nil
	}
	s.file, err = os.Open(path)
	return err
}

func (s *source) close() { _ = s.file.Close() }

// read gives the records of the file.
func read[P records.Params](s *source) iter.Seq2[P, error] {
	var options []records.Option
	if len(s.columns) > 0 {
		options = append(options, records.WithColumns(s.columns))
	}
	if s.unknown {
		options = append(options, records.WithUnknownColumns())
	}
	if s.duplicate {
		options = append(options, records.WithoutDuplicateCheck())
	}
	if s.skipBad {
		options = append(options, records.WithBadRows(func(bad *records.RowError) { _, _ = fmt.Fprintln(s.stderr, "skipped:", bad) }))
	}
	if s.format == "csv" {
		return records.CSV[P](s.file, options...).All()
	}
	return records.JSONLines[P](s.file, options...).All()
}
