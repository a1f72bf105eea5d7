package app

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/antbuddy/antcrm-go/cli/internal/sheet"
)

// input is the file of an import. One that can be read twice is checked as a whole before anything is sent.
type input struct {
	path   string // as the user calls it
	name   string // in errors
	file   *os.File
	sums   *checksums // nil: it comes by a pipe and can be read once
	book   *sheet.Workbook
	kept   bool   // file is a temporary copy of a pipe
	remove string // the temporary file, where it has a name
}

// openInput opens a file; - is stdin.
func (a *app) openInput(path string) (*input, error) {
	in := &input{path: path, name: path, file: a.stdin}
	if path == "-" {
		in.name = "stdin"
	} else {
		file, err := os.Open(path)
		if err != nil {
			return nil, in.unreadable(err)
		}
		in.file = file
	}
	info, err := in.file.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a folder")
	}
	if err != nil {
		in.close()
		return nil, in.unreadable(err)
	}
	if info.Mode().IsRegular() {
		in.sums = &checksums{file: in.file, seed: maphash.MakeSeed()}
	}
	return in, nil
}

func (in *input) unreadable(err error) error {
	return &failure{code: exitUsage, text: "read " + in.name, err: withoutPath(err), next: "give a file that can be read, or - for stdin"}
}

func (in *input) close() {
	if in.book != nil {
		_ = in.book.Close()
	}
	if in.path != "-" || in.kept {
		_ = in.file.Close()
	}
	if in.remove != "" {
		_ = os.Remove(in.remove)
	}
}

// prepare makes a file ready to be read: a workbook is opened, and a pipe is read to its end first where a row in it may change what an earlier one means.
func (in *input) prepare(ctx context.Context, r reading, merged bool) error {
	if in.sums == nil && (r.format == formatXLSX || merged && r.format == formatCSV) {
		ctx, stop := signal.NotifyContext(ctx, stopSignals()...)
		defer stop()
		if err := in.keep(ctx); err != nil {
			return err
		}
	}
	if r.format == formatXLSX {
		return in.openBook(r.sheet)
	}
	return nil
}

// once is the file from its beginning, for a reader that sends nothing.
func (in *input) once() io.Reader {
	if in.sums != nil {
		return in.sums.record()
	}
	return in.file
}

// keep copies what comes by a pipe to a temporary file of the user's own, which can be read twice.
func (in *input) keep(ctx context.Context) error {
	file, err := os.CreateTemp("", "antcrm-import-*")
	if err != nil {
		return &failure{code: exitFailure, text: "keep the input in a temporary file", err: withoutPath(err), next: "set TMPDIR to a folder that can be written to"}
	}
	if os.Remove(file.Name()) != nil { // Windows removes no open file
		in.remove = file.Name()
	}
	pipe := in.file
	_, err = await(ctx, func() (int64, error) { return io.Copy(file, pipe) })
	if in.path != "-" {
		_ = pipe.Close()
	}
	in.file, in.kept = file, true
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &failure{code: exitFailure, text: "keep the input in a temporary file", err: withoutPath(err), next: "free space"}
	}
	in.sums = &checksums{file: file, seed: maphash.MakeSeed()}
	return nil
}

// openBook opens a workbook.
func (in *input) openBook(name string) error {
	book, err := sheet.Open(in.file, name)
	if problem, ok := errors.AsType[*sheet.Error](err); ok {
		return usage(problem.Hint, "%s: %s", in.name, problem.Problem)
	}
	if err != nil {
		return in.unreadable(err)
	}
	in.book = book
	return nil
}

// stem is what the files beside an input are called after: for what is no regular file (stdin, a device, <(…)) the noun, in the current folder.
func (in *input) stem(noun string) string {
	if in.path == "-" || in.kept || in.sums == nil || ofSystem(in.path) {
		return noun
	}
	path := strings.TrimSuffix(in.path, ".gz")
	return strings.TrimSuffix(path, filepath.Ext(path))
}

// ofSystem reports a name such as /dev/stdin, which may lead to a regular file: nothing can be written beside it.
func ofSystem(path string) bool {
	path, err := filepath.Abs(path)
	return err == nil && (strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/"))
}

// changed reports that the file has another size by now: what was sent is what it had when it was checked.
func (in *input) changed() bool {
	if in.sums == nil || in.book != nil {
		return false
	}
	now, err := in.file.Stat()
	return err == nil && now.Size() != in.sums.size
}

// replaced reports that the file's name leads to another file by now.
func (in *input) replaced() bool {
	if in.path == "-" || in.kept || in.sums == nil {
		return false
	}
	now, err := os.Stat(in.path)
	was, errWas := in.file.Stat()
	return errors.Is(err, fs.ErrNotExist) || err == nil && errWas == nil && !os.SameFile(now, was)
}

// errFileChanged is a file that is no longer what was checked.
var errFileChanged = errors.New("the file has changed since it was checked")

// checksums are those of a file's blocks. What is sent must be what was checked: somebody may write to the file meanwhile.
type checksums struct {
	file *os.File
	seed maphash.Seed
	sums []uint64
	size int64
}

const sumBlock = 256 << 10

// record reads the file from its beginning and remembers it.
func (c *checksums) record() io.Reader {
	c.sums, c.size = nil, 0
	return &blockReader{sums: c, check: func(_ int, block []byte) error {
		c.sums = append(c.sums, maphash.Bytes(c.seed, block))
		c.size += int64(len(block))
		return nil
	}}
}

// verify reads the file from its beginning, and ends where it is not what was recorded.
func (c *checksums) verify() io.Reader {
	return &blockReader{sums: c, check: func(number int, block []byte) error {
		switch {
		case number >= len(c.sums) && len(block) == 0:
			return nil
		case number >= len(c.sums), maphash.Bytes(c.seed, block) != c.sums[number]:
			return errFileChanged
		}
		return nil
	}}
}

type blockReader struct {
	sums   *checksums
	check  func(number int, block []byte) error
	number int
	block  []byte // what is left of the last one
	buffer []byte
	err    error
}

func (r *blockReader) Read(p []byte) (int, error) {
	if len(r.block) == 0 && r.err == nil {
		r.fill()
	}
	if len(r.block) == 0 {
		return 0, r.err
	}
	n := copy(p, r.block)
	r.block = r.block[n:]
	return n, nil
}

func (r *blockReader) fill() {
	if r.buffer == nil {
		r.buffer = make([]byte, sumBlock)
	}
	n, err := r.sums.file.ReadAt(r.buffer, int64(r.number)*sumBlock)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		r.err = err
		return
	case err != nil:
		r.err = io.EOF
	}
	if r.err == nil || n > 0 {
		if bad := r.check(r.number, r.buffer[:n]); bad != nil {
			r.err = bad
			return
		}
		r.number++
	}
	if r.err != nil && r.number < len(r.sums.sums) {
		r.err = errFileChanged // it has become shorter
		return
	}
	r.block = r.buffer[:n]
}
