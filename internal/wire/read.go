package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Why a body could not be read although all of it came.
var (
	ErrTooLarge = errors.New("answer is larger than allowed")
	ErrNotGzip  = errors.New("answer is not valid gzip")
)

// ReadBody reads at most limit bytes of an answer, decompressed, into buf. The caller closes the body. It reads to the
// end, so that the connection can be used again.
func ReadBody(buf *bytes.Buffer, res *http.Response, limit int64) error {
	var body io.Reader = res.Body
	if strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") && !res.Uncompressed {
		// Only behind a transport with compression switched off.
		unzip, err := gzip.NewReader(res.Body)
		if errors.Is(err, io.EOF) {
			return nil // a 204, or the answer to a HEAD
		}
		if err != nil {
			return ErrNotGzip
		}
		body = unzip
	}
	buf.Grow(presize(res.ContentLength, limit))
	n, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	if n > limit {
		buf.Truncate(int(limit))
		return ErrTooLarge
	}
	return err
}

// Drain reads the rest of an error body, up to a limit, so that the connection can be used again.
func Drain(res *http.Response) {
	const most = 256 << 10
	_, _ = io.CopyN(io.Discard, res.Body, most)
}

// presize returns how much to allocate before reading: the announced size, up to a limit, plus the room that ReadFrom
// needs to see the end.
func presize(announced, limit int64) int {
	const unannounced, most = 4 << 10, 1 << 20
	if announced < 0 {
		return int(min(unannounced, limit+1))
	}
	return int(min(announced, limit, most)) + bytes.MinRead
}

// Buffers holds buffers of answers. The zero value is ready.
type Buffers struct{ pool sync.Pool }

// Get returns an empty buffer.
func (p *Buffers) Get() *bytes.Buffer {
	if buf, ok := p.pool.Get().(*bytes.Buffer); ok {
		buf.Reset()
		return buf
	}
	return new(bytes.Buffer)
}

// Put returns a buffer for reuse, unless a rare large answer has made it huge.
func (p *Buffers) Put(buf *bytes.Buffer) {
	const maxKept = 1 << 20
	if buf != nil && buf.Cap() <= maxKept {
		p.pool.Put(buf)
	}
}
