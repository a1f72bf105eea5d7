package records

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// errFile is the cause of what is wrong with a file as a whole.
var errFile = errors.New("records: the file cannot be read")

func fileError(line int, problem string, cause error) *RowError {
	if cause == nil {
		cause = errFile
	}
	return &RowError{Line: line, Problem: problem, Err: cause}
}

func readFailed(line int, err error) *RowError {
	return fileError(line, "reading failed: "+err.Error(), err)
}

const inputBuffer = 64 << 10

// openText finds out how a file's text is stored: packed with gzip, in UTF-16, with byte order marks. It returns the
// text as UTF-8 without them.
func openText(file io.Reader) (text *bufio.Reader, bom bool, err error) {
	if file == nil {
		return nil, false, fileError(0, "there is no file", nil)
	}
	text = bufio.NewReaderSize(file, inputBuffer)
	start, err := peek(text, 4)
	if err != nil {
		return nil, false, err
	}
	if bytes.HasPrefix(start, []byte("\x1f\x8b")) {
		unpacked, err := gzip.NewReader(text)
		if err != nil {
			return nil, false, fileError(0, "it looks packed with gzip, and cannot be unpacked: "+err.Error(), err)
		}
		text = bufio.NewReaderSize(unpacked, inputBuffer)
		if start, err = peek(text, 4); err != nil {
			return nil, false, err
		}
	}
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("\xd0\xcf\x11\xe0")):
		return nil, false, fileError(0, "the file is a workbook or an archive: save it as CSV UTF-8", nil)
	case bytes.Equal(start, []byte("\xff\xfe\x00\x00")), bytes.Equal(start, []byte("\x00\x00\xfe\xff")):
		return nil, false, fileError(0, "the file is UTF-32: save it as CSV UTF-8", nil)
	}
	if order := wideOrder(start); order != nil {
		text = bufio.NewReaderSize(&wideReader{file: text, order: order}, inputBuffer)
		bom = true // the programs that write UTF-16 read a report best with one
	}
	for { // some programs add a mark to a file that has one
		start, err := peek(text, 3)
		if err != nil {
			return nil, false, err
		}
		if string(start) != "\ufeff" {
			return text, bom, nil
		}
		bom = true
		_, _ = text.Discard(len(start)) // it was there a moment ago
	}
}

// peek looks at the beginning of a text, which may be shorter.
func peek(text *bufio.Reader, n int) ([]byte, error) {
	start, err := text.Peek(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readFailed(0, err)
	}
	return start, nil
}

// wideOrder is the byte order of UTF-16, nil for a text that is not: a mark says so, or the high bytes of two letters,
// one of them Latin. Other zero bytes are a damaged file's.
func wideOrder(start []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(start, []byte("\xff\xfe")):
		return binary.LittleEndian
	case bytes.HasPrefix(start, []byte("\xfe\xff")):
		return binary.BigEndian
	case len(start) < 4:
		return nil
	case start[0] != 0 && start[2] != 0 && areHigh(start[1], start[3]):
		return binary.LittleEndian
	case start[1] != 0 && start[3] != 0 && areHigh(start[0], start[2]):
		return binary.BigEndian
	}
	return nil
}

// areHigh reports whether two bytes may be the high ones of letters: of Latin (0), of alphabets up to Cyrillic (to 4), or
// of Vietnamese with two accents (0x1e). UTF-8 has control characters there.
func areHigh(a, b byte) bool {
	return (a <= 4 || a == 0x1e) && (b <= 4 || b == 0x1e) && (a == 0 || b == 0)
}

// wideReader turns UTF-16 into UTF-8. Half of a pair becomes a byte that is not UTF-8, so that its cell is refused.
type wideReader struct {
	file  *bufio.Reader
	order binary.ByteOrder
	out   []byte
	err   error
}

func (r *wideReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 && r.err == nil {
		r.fill()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	if n == 0 && len(p) > 0 {
		return 0, r.err
	}
	return n, nil
}

func (r *wideReader) fill() {
	for range 1024 {
		unit, err := r.unit()
		if err != nil {
			r.err = err
			return
		}
		char := rune(unit)
		if utf16.IsSurrogate(char) {
			second, _ := r.file.Peek(2)
			if len(second) == 2 {
				char = utf16.DecodeRune(char, rune(r.order.Uint16(second)))
			}
			if len(second) < 2 || char == utf8.RuneError {
				r.out = append(r.out, 0xff)
				continue // what follows may be the end of the row
			}
			_, _ = r.file.Discard(2)
		}
		r.out = utf8.AppendRune(r.out, char)
		if r.file.Buffered() < 2 { // the rest may come much later
			return
		}
	}
}

func (r *wideReader) unit() (uint16, error) {
	var pair [2]byte
	if _, err := io.ReadFull(r.file, pair[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, errors.New("UTF-16 ends in the middle of a character")
		}
		return 0, err
	}
	return r.order.Uint16(pair[:]), nil
}
