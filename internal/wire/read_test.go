package wire_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/wire"
)

func zipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, err := io.WriteString(zip, text)
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	return out.String()
}

func TestAtMostTheLimitIsRead(t *testing.T) {
	t.Parallel()
	const limit = 10
	for name, encode := range map[string]func(string) string{"plain": func(text string) string { return text }, "gzip": func(text string) string { return zipped(t, text) }} {
		for size, want := range map[int]error{0: nil, 1: nil, limit - 1: nil, limit: nil, limit + 1: wire.ErrTooLarge, 100 * limit: wire.ErrTooLarge} {
			for _, announced := range []bool{true, false} {
				text := strings.Repeat("x", size)
				body := encode(text)
				res := &http.Response{Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
				if announced {
					res.ContentLength = int64(len(body))
				}
				if name == "gzip" {
					res.Header.Set("Content-Encoding", "GZIP")
				}
				var buf bytes.Buffer
				err := wire.ReadBody(&buf, res, limit)
				require.ErrorIs(t, err, want, "%s %d", name, size)
				if want == nil {
					require.NoError(t, err)
				}
				assert.Equal(t, text[:min(size, limit)], buf.String())
			}
		}
	}
}

func TestWhatIsCalledGzipMayBeEmptyOrNone(t *testing.T) {
	t.Parallel()
	read := func(body string, uncompressed bool) (string, error) {
		res := &http.Response{
			Header: http.Header{"Content-Encoding": {"gzip"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Uncompressed: uncompressed,
		}
		var buf bytes.Buffer
		err := wire.ReadBody(&buf, res, 100)
		return buf.String(), err
	}
	text, err := read("", false)
	require.NoError(t, err)
	assert.Empty(t, text)
	_, err = read("[]", false)
	require.ErrorIs(t, err, wire.ErrNotGzip)
	text, err = read("[]", true)
	require.NoError(t, err)
	assert.Equal(t, "[]", text, "net/http has unpacked it already")
	whole := zipped(t, "[1,2,3]")
	_, err = read(whole[:len(whole)-5], false)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut short")
}

func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("reset by peer")
	res := &http.Response{Header: http.Header{}, ContentLength: 100, Body: io.NopCloser(io.MultiReader(strings.NewReader("[1"), failing{broken}))}
	var buf bytes.Buffer
	require.ErrorIs(t, wire.ReadBody(&buf, res, 100), broken)
	assert.Equal(t, "[1", buf.String())
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// What a server announces costs no memory before it comes.
func TestWhatIsAnnouncedIsNotAllocated(t *testing.T) {
	t.Parallel()
	for _, announced := range []int64{-1, 0, 100, 1 << 20, 1 << 40} {
		res := &http.Response{Header: http.Header{}, ContentLength: announced, Body: io.NopCloser(strings.NewReader("[]"))}
		var buf bytes.Buffer
		require.NoError(t, wire.ReadBody(&buf, res, 1<<41))
		assert.LessOrEqual(t, buf.Cap(), 2<<20, announced)
		assert.Equal(t, "[]", buf.String())
	}
}

// Whoever announces the size is read without growing on the way.
func TestWhatIsAnnouncedIsReadInOnePiece(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", 100_000)
	var buf bytes.Buffer
	res := &http.Response{Header: http.Header{}, ContentLength: int64(len(text)), Body: io.NopCloser(strings.NewReader(text))}
	require.NoError(t, wire.ReadBody(&buf, res, 1<<20))
	assert.Less(t, buf.Cap(), len(text)+len(text)/4)
}

func TestDrainReadsToTheEndOfASmallRest(t *testing.T) {
	t.Parallel()
	for size, rest := range map[int]int{0: 0, 1: 0, 256 << 10: 0, 256<<10 + 1: 1} {
		body := strings.NewReader(strings.Repeat("x", size))
		wire.Drain(&http.Response{Body: io.NopCloser(body)})
		assert.Equal(t, rest, body.Len(), size)
	}
}

func TestBuffersComeBackEmptyAndHugeOnesAreDropped(t *testing.T) {
	t.Parallel()
	var buffers wire.Buffers
	buf := buffers.Get()
	buf.WriteString("somebody's record")
	buffers.Put(buf)
	buffers.Put(nil)
	for range 10 {
		again := buffers.Get()
		require.NotNil(t, again)
		assert.Zero(t, again.Len())
	}
	huge := bytes.NewBuffer(make([]byte, 0, 1<<20+1))
	buffers.Put(huge)
	for range 10 {
		assert.NotSame(t, huge, buffers.Get())
	}
}
