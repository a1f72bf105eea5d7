package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/antbuddy/antcrm-go/cli/internal/output"
)

// exportFormat is that of -o, else of the file's ending, else JSON Lines.
func exportFormat(chosen, target string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	switch strings.ToLower(filepath.Ext(target)) {
	case ".csv":
		return output.CSV, nil
	case ".json":
		return output.JSON, nil
	case ".jsonl", ".ndjson", "":
		return output.JSONL, nil
	}
	return "", usage("say which with -o csv, -o jsonl or -o json", "the ending of %s names no format", target)
}

// copyRecords writes all records and counts them.
func copyRecords[T recorded](to io.Writer, all iter.Seq2[T, error], opts output.Options, counted func()) (int, error) {
	w, err := output.New(to, opts)
	if err != nil {
		return 0, err
	}
	for record, err := range all {
		if err != nil {
			_ = w.Flush()
			return w.Count(), err
		}
		if err := w.Write(record.RawJSON()); err != nil {
			return w.Count(), err
		}
		if counted != nil {
			counted()
		}
	}
	return w.Count(), w.Close()
}

// outputFile is a file that takes its name only when it is complete.
type outputFile struct {
	*os.File
	name    string // as the user calls it
	target  string // what the complete file replaces; "": it is no regular file and is written in place
	settled bool
}

// createOutput opens a temporary file beside the target. It holds personal data: its owner alone may read it (mode 0600).
func createOutput(target string) (*outputFile, error) {
	name := target
	fail := func(err error) (*outputFile, error) {
		return nil, &failure{code: exitUsage, text: "write " + name, err: withoutPath(err), next: "give another file with -f"}
	}
	if info, err := os.Stat(target); err == nil {
		switch {
		case info.IsDir():
			return fail(errors.New("it is a folder"))
		case !info.Mode().IsRegular():
			// A device or a pipe must not be replaced by a file.
			file, err := os.OpenFile(target, os.O_WRONLY, 0)
			if err != nil {
				return fail(err)
			}
			return &outputFile{File: file, name: name}, nil
		}
		// A link keeps pointing at the file.
		if file, err := filepath.EvalSymlinks(target); err == nil {
			target = file
		}
	}
	file, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return fail(err)
	}
	return &outputFile{File: file, name: name, target: target}, nil
}

// awaitOutput is createOutput until the context ends: a named pipe may wait for its reader for ever.
func awaitOutput(ctx context.Context, target string) (*outputFile, error) {
	return await(ctx, func() (*outputFile, error) { return createOutput(target) })
}

// named calls a failed write by the file's own name instead of the temporary one. Other errors stay.
func (f *outputFile) named(err error) error {
	if failed, ok := errors.AsType[*os.PathError](err); !ok || failed.Path != f.Name() {
		return err
	}
	return &failure{code: exitFailure, text: "write " + f.name, err: withoutPath(err), next: "free space or give another file with -f"}
}

func (f *outputFile) commit() error {
	f.settled = true
	if f.target == "" {
		return f.named(f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return f.named(err)
	}
	if err := os.Rename(f.Name(), f.target); err != nil {
		_ = os.Remove(f.Name())
		return &failure{code: exitFailure, text: "write " + f.name, err: withoutPath(err), next: "give another file with -f"}
	}
	return nil
}

// discard removes what is not complete.
func (f *outputFile) discard() {
	if f.settled {
		return
	}
	_ = f.Close()
	if f.target != "" {
		_ = os.Remove(f.Name())
	}
}

// withoutPath is a file error in the system's words: the text around it names the file.
func withoutPath(err error) error {
	if failure, ok := errors.AsType[*os.PathError](err); ok {
		return failure.Err
	}
	if failure, ok := errors.AsType[*os.LinkError](err); ok {
		return failure.Err
	}
	return err
}

// plural is a count and its noun: 1 contact, 2 contacts. Words without a plural stay.
func plural(n int, noun string) string {
	if n == 1 {
		switch {
		case strings.HasSuffix(noun, "ies"):
			noun = strings.TrimSuffix(noun, "ies") + "y"
		case noun != "telesales" && noun != "zns":
			noun = strings.TrimSuffix(noun, "s")
		}
	}
	return fmt.Sprintf("%d %s", n, noun)
}
