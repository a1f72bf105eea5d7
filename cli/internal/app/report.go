package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// reportFile is a file of rows that were not carried out. It is made with its first row; that the folder can be written to is tried before anything is
// sent. It is always a new file of mode 0600: an older one may hold rows that nobody has dealt with yet, and a link or a device leads elsewhere.
type reportFile struct {
	name   string
	chosen bool
	stem   string
	ext    string
	suffix string
	device bool

	report *records.Report
	file   *os.File
	synced time.Time
}

// newReport finds the name of a report. others are files that it must not be.
func newReport(chosen, stem, suffix, ext string, others map[string]string) (*reportFile, error) {
	r := &reportFile{name: chosen, chosen: chosen != "", stem: stem + "." + suffix, ext: ext, suffix: suffix}
	if !r.chosen {
		r.name = freeName(r.stem, ext)
	}
	for other, what := range others {
		if sameName(r.name, other) {
			return nil, r.refused(errors.New("it is " + what))
		}
	}
	if err := r.tryName(); err != nil {
		return nil, r.refused(err)
	}
	return r, nil
}

func (r *reportFile) refused(err error) error {
	return &failure{code: exitUsage, text: "write " + r.name, err: withoutPath(err), next: "name another file with --" + r.suffix}
}

// tryName makes the file and removes it again.
func (r *reportFile) tryName() error {
	info, err := os.Lstat(r.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link")
	case info.Mode()&fs.ModeDevice != 0: // /dev/null, say
		file, err := os.OpenFile(r.name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		r.device = true
		return file.Close()
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	case info.Size() > 0:
		return errors.New("it exists, and may hold rows that nobody has dealt with")
	default: // an empty file is nobody's loss; its mode is
		if err := os.Remove(r.name); err != nil {
			return err
		}
	}
	file, err := create(r.name)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(r.name))
}

// create makes a file that was not there. Its owner alone may read it: it holds personal data.
func create(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func (r *reportFile) make() (*os.File, error) {
	if r.device {
		return os.OpenFile(r.name, os.O_WRONLY, 0)
	}
	return create(r.name)
}

// Write makes the file at the first row.
func (r *reportFile) Write(p []byte) (int, error) {
	if r.file == nil {
		file, err := r.make()
		for errors.Is(err, fs.ErrExist) && !r.chosen { // another import has taken the name
			r.name = freeName(r.stem, r.ext)
			file, err = create(r.name)
		}
		if err != nil {
			return 0, err
		}
		r.file = file
	}
	return r.file.Write(p)
}

// syncEvery is how often rows are put on the disk for good while an import runs.
const syncEvery = 200 * time.Millisecond

// add writes a row through to the file: the process may be killed.
func (r *reportFile) add(row records.Row, outcome antcrm.Outcome, reason error) error {
	err := errors.Join(r.report.Add(row, outcome, reason), r.report.Flush())
	if err == nil && r.file != nil && !r.device && time.Since(r.synced) > syncEvery {
		err = r.file.Sync()
		r.synced = time.Now()
	}
	return r.named(err)
}

// count is how many rows it has; none before the import has begun.
func (r *reportFile) count() int {
	if r.report == nil {
		return 0
	}
	return r.report.Count()
}

// close finishes the file.
func (r *reportFile) close() error {
	if r.file == nil {
		return nil
	}
	if r.device {
		return r.named(errors.Join(r.report.Flush(), r.file.Close()))
	}
	err := r.named(errors.Join(r.report.Flush(), r.file.Sync(), r.file.Close()))
	if err == nil && !r.chosen {
		r.replaceOlder()
	}
	return err
}

// discard removes the file with all that this run has written into it.
func (r *reportFile) discard() {
	if r.file == nil || r.device {
		return
	}
	_ = r.file.Close()
	_ = os.Remove(r.name)
	r.file, r.report = nil, nil
}

// older are the reports of earlier runs that are beside this one.
func (r *reportFile) older() (names []string) {
	for n := 1; n <= maxOlder && !r.chosen; n++ {
		name := numbered(r.stem, r.ext, n)
		if name == r.name && r.file != nil {
			continue
		}
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			names = append(names, name)
		}
	}
	return names
}

// maxOlder is how many older reports are looked at, and how large they may be.
const (
	maxOlder     = 20
	maxOlderSize = 64 << 20
)

// replaceOlder removes reports of earlier runs whose every line is in this one: those of a run that was killed, or run again with its journal. A report that
// somebody has corrected has other lines, and stays.
func (r *reportFile) replaceOlder() {
	own, err := os.ReadFile(r.name)
	if err != nil || len(own) > maxOlderSize {
		return
	}
	lines := map[string]bool{}
	for line := range bytes.Lines(own) {
		lines[string(line)] = true
	}
	removed := false
	for n := 1; n <= maxOlder; n++ {
		name := numbered(r.stem, r.ext, n)
		if name == r.name {
			break
		}
		info, err := os.Lstat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxOlderSize {
			continue
		}
		if older, err := os.ReadFile(name); err == nil && allIn(older, lines) && os.Remove(name) == nil {
			removed = true
		}
	}
	if name := freeName(r.stem, r.ext); removed && name != r.name && os.Rename(r.name, name) == nil {
		r.name = name
	}
}

// allIn reports that a text has no other lines. The last one may be cut.
func allIn(text []byte, lines map[string]bool) bool {
	for line := range bytes.Lines(text) {
		if !lines[string(line)] && bytes.HasSuffix(line, []byte("\n")) {
			return false
		}
	}
	return true
}

// named calls a failed write by the file alone.
func (r *reportFile) named(err error) error {
	if err == nil {
		return nil
	}
	return &failure{code: exitFailure, text: "write " + r.name, err: withoutPath(err), next: "free space"}
}

// freeName is a name that nothing has.
func freeName(stem, ext string) string {
	for n := 1; ; n++ {
		name := numbered(stem, ext, n)
		if info, err := os.Lstat(name); err != nil || info.Mode().IsRegular() && info.Size() == 0 {
			return name
		}
	}
}

// numbered is the nth of several names.
func numbered(stem, ext string, n int) string {
	if n == 1 {
		return stem + ext
	}
	return fmt.Sprintf("%s-%d%s", stem, n, ext)
}

// sameName reports that two names are of one file, be it there or not.
func sameName(a, b string) bool {
	first, errFirst := os.Stat(a)
	second, errSecond := os.Stat(b)
	if errFirst == nil && errSecond == nil {
		return os.SameFile(first, second)
	}
	pathA, errA := filepath.Abs(a)
	pathB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && pathA == pathB
}
