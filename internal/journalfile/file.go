// Package journalfile keeps lines of JSON in a file that survives crashes: each has a checksum, is only ever appended,
// and is on the disk when Sync returns. The file is locked while it is open.
package journalfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

var (
	// ErrLocked is a file that another process, or this one, has open.
	ErrLocked = errors.New("in use")
	// ErrDamaged is a line that is not as it was written.
	ErrDamaged = errors.New("is damaged")

	errMoved   = errors.New("it was moved, deleted or replaced while it was in use: put it back before you go on, or records may be sent twice")
	errChanged = errors.New("another program has written to it")
)

const maxLine = 1 << 20

// Span is where in the file a line is.
type Span struct {
	Offset int64
	Length int32
}

// File is an open file of lines. It is safe for concurrent use.
type File struct {
	path     string
	modified time.Time

	mu     sync.Mutex // of all below
	file   *os.File   // nil: closed
	size   int64      // of the lines
	failed error      // a write that failed: nothing may follow it

	syncing sync.Mutex // one fsync at a time; taken before mu
	synced  int64
}

// Open opens or creates a file, and passes each line to read: the first as it is, which begins with magic, the others
// without their checksums. An error of read that is an ErrDamaged, or a wrong checksum, is reported with the number of
// the line.
//
// A crash can leave a part of a last line, or zeros in its place: they are cut off, since Sync has not returned. Any
// other file is left exactly as it is.
func Open(path, magic string, read func(number int, text []byte, at Span) error) (*File, error) {
	path, err := filepath.Abs(path) // the working directory may change
	if err != nil {
		return nil, err
	}
	file, err := openLocked(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, file: file}
	if err := f.load(magic, read); err != nil {
		_ = closeLocked(file, path)
		return nil, err
	}
	return f, nil
}

// Modified returns when the file was last written before it was opened.
func (f *File) Modified() time.Time { return f.modified }

func (f *File) load(magic string, read func(int, []byte, Span) error) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("is not a regular file")
	}
	f.modified = info.ModTime()
	unended, err := f.scan(magic, read)
	if err != nil || info.Size() == 0 {
		return err
	}
	f.makePrivate()
	if unended {
		if _, err := f.file.WriteAt([]byte("\n"), f.size); err != nil {
			return err
		}
		f.size++
	}
	if unended || f.size < info.Size() {
		if err := f.file.Truncate(f.size); err != nil {
			return err
		}
		return f.file.Sync()
	}
	return nil
}

// makePrivate keeps other users out. Not every file system can.
func (f *File) makePrivate() {
	if info, err := f.file.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		_ = f.file.Chmod(0o600)
	}
}

// scan reads the lines, and sets size to where the next one goes. unended reports that the last line only lacks its
// end.
func (f *File) scan(magic string, read func(int, []byte, Span) error) (unended bool, err error) {
	lines := bufio.NewReaderSize(f.file, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(lines)
		last := errors.Is(err, io.EOF)
		switch {
		case last:
			line, err = bytes.TrimRight(line, "\x00"), nil
		case err != nil && !errors.Is(err, ErrDamaged):
			return false, err
		}
		if last && len(line) == 0 && f.size > 0 || last && number == 1 && f.isEmpty() {
			return false, nil
		}
		begin := sealBegin
		if number == 1 {
			begin = magic
			if !bytes.HasPrefix(line, []byte(magic)) {
				return false, errors.New("is not a journal")
			}
		}
		if err == nil {
			err = f.readLine(number, line, read)
		}
		switch {
		case errors.Is(err, ErrDamaged) && last && isCut(line, begin):
			return false, nil
		case errors.Is(err, ErrDamaged):
			return false, fmt.Errorf("line %d %w", number, ErrDamaged)
		case err != nil:
			return false, err
		}
		f.size += int64(len(line))
		if last {
			return true, nil
		}
		f.size++
	}
}

func (f *File) isEmpty() bool {
	info, err := f.file.Stat()
	return err == nil && info.Size() == 0
}

// readLine passes a line to read.
func (f *File) readLine(number int, line []byte, read func(int, []byte, Span) error) error {
	text := line
	if number > 1 {
		var ok bool
		if text, ok = unseal(line); !ok {
			return ErrDamaged
		}
	}
	return read(number, text, Span{Offset: f.size, Length: int32(len(line))})
}

// isCut reports whether a last line is the beginning of a line, as a crash leaves it. A last line that ends like a
// whole line is damaged, unless only closing braces are missing: a crash can cut a line after an inner brace.
func isCut(line []byte, begin string) bool {
	if n := min(len(line), len(begin)); string(line[:n]) != begin[:n] {
		return false
	}
	if bytes.HasSuffix(line, []byte("}")) {
		missing := unclosed(line)
		return len(missing) > 0 && json.Valid(slices.Concat(line, missing))
	}
	var whole json.RawMessage
	return errors.Is(json.NewDecoder(bytes.NewReader(line)).Decode(&whole), io.ErrUnexpectedEOF)
}

// unclosed returns the brackets that would close a text, or nothing if the text ends within a string.
func unclosed(text []byte) []byte {
	var open []byte
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			open = append(open, c+2) // } and ] stand two behind them
		case (c == '}' || c == ']') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	if inString {
		return nil
	}
	slices.Reverse(open)
	return open
}

// readLine reads a line without its end. A line that is too long is damaged; it is still read to its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		piece, err := r.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(piece) > maxLine+len("\n"); !tooLong {
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case tooLong:
			return line, ErrDamaged
		case err != nil:
			return line, err
		default:
			return line[:len(line)-1], nil
		}
	}
}

// A line begins with a checksum of its rest, so that a changed line is found to be damaged.
const (
	sealBegin = `{"sum":"`
	sealEnd   = `",`
	sealSize  = len(sealBegin) + 8 + len(sealEnd)
)

func seal(text []byte) []byte {
	line := fmt.Appendf(nil, "%s%08x%s", sealBegin, crc32.ChecksumIEEE(text), sealEnd)
	return append(line, text[1:]...) // without its brace
}

func unseal(line []byte) (text []byte, ok bool) {
	if len(line) < sealSize {
		return nil, false
	}
	text = append([]byte("{"), line[sealSize:]...)
	return text, bytes.Equal(line, seal(text))
}

// Begin writes the first line of an empty file. It is durable, and so is the file's name, before any line follows.
func (f *File) Begin(text []byte) error {
	f.makePrivate()
	at, err := f.write(text)
	if err != nil {
		_ = f.file.Truncate(0) // a part of it would be taken for another file
		return err
	}
	if err := f.Sync(at.Offset + int64(at.Length)); err != nil {
		return err
	}
	return syncFolder(f.path)
}

// Append writes a line: a JSON object, which gets its checksum.
func (f *File) Append(text []byte) (Span, error) { return f.write(seal(text)) }

// write appends a line. After a failure it writes nothing more: the next line would be joined to an incomplete one.
func (f *File) write(line []byte) (Span, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable(); err != nil {
		return Span{}, err
	}
	if len(line) > maxLine {
		return Span{}, errors.New("the line is too long")
	}
	if err := f.checkSize(); err != nil {
		return Span{}, err // written behind a truncated file, the line would hide that others are gone
	}
	at := Span{Offset: f.size, Length: int32(len(line))}
	if _, err := f.file.WriteAt(append(line, '\n'), f.size); err != nil {
		f.failed = err
		return Span{}, err
	}
	f.size += int64(len(line)) + 1
	return at, nil
}

func (f *File) usable() error {
	if f.file == nil {
		return os.ErrClosed
	}
	return f.failed
}

// Line reads a line back, without its checksum.
func (f *File) Line(at Span) ([]byte, error) {
	f.mu.Lock()
	file := f.file
	f.mu.Unlock()
	if file == nil {
		return nil, os.ErrClosed
	}
	line := make([]byte, at.Length)
	if _, err := file.ReadAt(line, at.Offset); err != nil {
		return nil, err
	}
	text, ok := unseal(line)
	if !ok {
		return nil, fmt.Errorf("the line at offset %d %w", at.Offset, ErrDamaged)
	}
	return text, nil
}

// Size returns where the next line goes.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// Sync returns when everything before end is on the disk, in the file of that name. Callers that wait while another
// fsync runs share the next one.
func (f *File) Sync(end int64) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if f.synced >= end {
		return nil
	}
	f.mu.Lock()
	file, size, err := f.file, f.size, f.usable()
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		f.mu.Lock()
		f.failed = err // what is on the disk is not known any more
		f.mu.Unlock()
		return err
	}
	if err := f.Check(); err != nil {
		return err
	}
	f.synced = size
	return nil
}

// Check reports whether the file is still there under its name, and as it was written.
func (f *File) Check() error {
	if f == nil { // of a journal that was not opened
		return os.ErrClosed
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable(); err != nil || exclusive {
		return err
	}
	if err := f.checkSize(); err != nil {
		return err
	}
	own, err := f.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(f.path); err != nil || !os.SameFile(own, there) {
		f.failed = errMoved
	}
	return f.failed
}

// checkSize reports whether somebody else has written to the file, or cut it off.
func (f *File) checkSize() error {
	info, err := f.file.Stat()
	if err == nil && info.Size() != f.size {
		err = errChanged
		f.failed = err
	}
	return err
}

// Close closes the file and lets others open it. It may be called twice.
func (f *File) Close() error {
	if f == nil {
		return nil
	}
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	var err error
	if f.failed == nil && f.synced < f.size {
		err = f.file.Sync()
	}
	if closeErr := closeLocked(f.file, f.path); err == nil {
		err = closeErr
	}
	f.file = nil
	return err
}
