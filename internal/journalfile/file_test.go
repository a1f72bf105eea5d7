package journalfile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/journalfile"
)

const (
	magic  = `{"journal":"test"`
	header = magic + `,"version":1}`
	// sealSize is by how much a checksum lengthens a line.
	sealSize = len(`"sum":"00000000",`)
	maxLine  = 1 << 20
)

// open opens a file and returns the lines that it has.
func open(path string) (*journalfile.File, []string, error) {
	var lines []string
	file, err := journalfile.Open(path, magic, func(number int, text []byte, at journalfile.Span) error {
		if number != len(lines)+1 {
			return fmt.Errorf("line %d follows line %d", number, len(lines))
		}
		if number == 1 && !json.Valid(text) {
			return journalfile.ErrDamaged
		}
		lines = append(lines, string(text))
		return nil
	})
	return file, lines, err
}

// written returns the path of a closed file with a header and the lines, and where each line begins.
func written(t *testing.T, lines ...string) (path string, at []journalfile.Span) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal")
	file, had, err := open(path)
	require.NoError(t, err)
	require.Empty(t, had)
	require.NoError(t, file.Begin([]byte(header)))
	for _, line := range lines {
		span, err := file.Append([]byte(line))
		require.NoError(t, err)
		at = append(at, span)
	}
	require.NoError(t, file.Close())
	return path, at
}

func TestLinesComeBackAsTheyWereAppended(t *testing.T) {
	t.Parallel()
	lines := []string{`{"a":"Nguyễn"}`, `{"b":[1,{"c":"}\n"}]}`, `{"":""}`}
	path, at := written(t, lines...)
	for range 2 {
		file, got, err := open(path)
		require.NoError(t, err)
		assert.Equal(t, append([]string{header}, lines...), got)
		for i, span := range at {
			text, err := file.Line(span)
			require.NoError(t, err)
			assert.Equal(t, lines[i], string(text))
		}
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, info.Size(), file.Size())
		require.NoError(t, file.Close())
	}
}

// The caller's text is not kept, and what Line returns is the caller's.
func TestAppendedTextStaysTheCallers(t *testing.T) {
	t.Parallel()
	file, _, err := open(filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, err)
	require.NoError(t, file.Begin([]byte(header)))
	text := append(make([]byte, 0, 100), `{"a":1}`...)
	span, err := file.Append(text)
	require.NoError(t, err)
	assert.Equal(t, `{"a":1}`, string(text))
	copy(text, `{"b":2}`)
	first, err := file.Line(span)
	require.NoError(t, err)
	copy(first, `{"c":3}`)
	second, err := file.Line(span)
	require.NoError(t, err)
	assert.Equal(t, `{"a":1}`, string(second))
	require.NoError(t, file.Close())
}

// Wherever a crash cuts the file, whole lines stay and the part of a last one goes; what follows is readable.
func TestAFileCutAnywhereKeepsItsWholeLines(t *testing.T) {
	t.Parallel()
	lines := []string{`{"a":{"b":[1,2]}}`, `{"text":"{\"["}`}
	path, _ := written(t, lines...)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	all := append([]string{header}, lines...)
	for size := range whole {
		for _, tail := range []string{"", "\x00\x00\x00"} {
			cut := filepath.Join(t.TempDir(), "cut")
			content := append(slices.Clone(whole[:size]), tail...)
			require.NoError(t, os.WriteFile(cut, content, 0o600))
			file, got, err := open(cut)
			if len(content) > 0 && size < len(magic) {
				require.ErrorContains(t, err, "is not a journal", "%d", size)
				same, err := os.ReadFile(cut)
				require.NoError(t, err)
				assert.Equal(t, content, same)
				continue
			}
			require.NoError(t, err, "%d %q", size, whole[:size])
			// A line is whole once its last brace is there.
			want := bytes.Count(whole[:size], []byte("\n"))
			if size > 0 && whole[size] == '\n' {
				want++
			}
			require.Len(t, got, len(all[:want]), "%q", whole[:size])
			for i := range got {
				require.Equal(t, all[i], got[i])
			}
			if want > 0 {
				_, err = file.Append([]byte(`{"more":true}`))
				require.NoError(t, err)
			}
			require.NoError(t, file.Close())
			again, got, err := open(cut)
			require.NoError(t, err)
			if want > 0 {
				assert.Equal(t, append(slices.Clone(all[:want]), `{"more":true}`), got)
			}
			require.NoError(t, again.Close())
		}
	}
}

func TestAChangedByteIsDamageOfItsLine(t *testing.T) {
	t.Parallel()
	path, at := written(t, `{"a":"one"}`, `{"a":"two"}`, `{"a":"three"}`)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for line, span := range at[:2] {
		for i := range int64(span.Length) {
			changed := slices.Clone(whole)
			changed[span.Offset+i] ^= 1
			require.NoError(t, os.WriteFile(path, changed, 0o600))
			_, _, err := open(path)
			require.ErrorIs(t, err, journalfile.ErrDamaged, "%q", changed)
			require.ErrorContains(t, err, fmt.Sprintf("line %d", line+2))
			same, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, changed, same, "a damaged file is left as it is")
		}
	}
}

// A last line that ends as lines do, and is none, was whole: to drop it could send its records again.
func TestALastLineThatWasWholeIsDamagedNotCut(t *testing.T) {
	t.Parallel()
	path, at := written(t, `{"a":{"b":"c"}}`)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	line := string(whole[at[0].Offset : at[0].Offset+int64(at[0].Length)])
	for _, changed := range []string{
		strings.Replace(line, `c"}}`, `c#}}`, 1), strings.Replace(line, `"c"`, `"d"`, 1), line + "}", line + "x", strings.Replace(line, `{"b"`, `["b"`, 1),
	} {
		content := append(slices.Clone(whole[:at[0].Offset]), changed...)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, _, err := open(path)
		require.ErrorIs(t, err, journalfile.ErrDamaged, changed)
		require.ErrorContains(t, err, "line 2")
		same, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, same)
	}
}

func TestAnotherFileIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"x", "\n", "name,phone\n", `{"journal":"other"}`, "\x00"} {
		path := filepath.Join(t.TempDir(), "other")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		before, err := os.Stat(path)
		require.NoError(t, err)
		_, _, err = open(path)
		require.ErrorContains(t, err, "is not a journal", "%q", content)
		same, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(same))
		after, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, before.Mode(), after.Mode())
	}
	_, _, err := open(t.TempDir())
	require.Error(t, err, "a folder")
	_, _, err = open(filepath.Join(t.TempDir(), "none", "journal"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// The longest line that can be written can be read; one byte more is refused, and the file goes on.
func TestTheLongestLineIsReadAgain(t *testing.T) {
	t.Parallel()
	line := func(sealed int) string {
		frame := `{"a":""}`
		return `{"a":"` + strings.Repeat("x", sealed-sealSize-len(frame)) + `"}`
	}
	path, _ := written(t, `{"a":1}`)
	file, _, err := open(path)
	require.NoError(t, err)
	_, err = file.Append([]byte(line(maxLine + 1)))
	require.ErrorContains(t, err, "too long")
	longest, err := file.Append([]byte(line(maxLine)))
	require.NoError(t, err)
	_, err = file.Append([]byte(`{"a":2}`))
	require.NoError(t, err)
	text, err := file.Line(longest)
	require.NoError(t, err)
	assert.Len(t, text, maxLine-sealSize)
	require.NoError(t, file.Close())

	file, lines, err := open(path)
	require.NoError(t, err)
	require.Len(t, lines, 4)
	assert.Equal(t, line(maxLine), lines[2])
	assert.Equal(t, `{"a":2}`, lines[3])
	require.NoError(t, file.Close())

	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	longer := bytes.Replace(whole, []byte("xxx"), []byte("xxxx"), 1)
	require.NoError(t, os.WriteFile(path, longer, 0o600))
	_, _, err = open(path)
	require.ErrorIs(t, err, journalfile.ErrDamaged)
	require.ErrorContains(t, err, "line 3")
}

func TestAnOpenFileIsLocked(t *testing.T) {
	t.Parallel()
	path, _ := written(t)
	file, _, err := open(path)
	require.NoError(t, err)
	_, _, err = open(path)
	require.ErrorIs(t, err, journalfile.ErrLocked)
	require.NoError(t, file.Close())
	file, _, err = open(path)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// A file that could not be used is not left locked.
func TestARefusedFileIsNotLeftLocked(t *testing.T) {
	t.Parallel()
	path, _ := written(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	_, _, err = open(path)
	require.Error(t, err)
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	file, _, err := open(path)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

func TestAClosedFileSaysSo(t *testing.T) {
	t.Parallel()
	file, _, err := open(filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, err)
	require.NoError(t, file.Begin([]byte(header)))
	span, err := file.Append([]byte(`{"a":1}`))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, file.Close())
	_, err = file.Append([]byte(`{"a":2}`))
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = file.Line(span)
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorIs(t, file.Sync(file.Size()+1), os.ErrClosed)
	require.ErrorIs(t, file.Check(), os.ErrClosed)
	var none *journalfile.File
	require.NoError(t, none.Close())
	require.ErrorIs(t, none.Check(), os.ErrClosed)
}

// What another program does to the file is an error of everything that follows, even once it is undone: what was
// written meanwhile is not known.
func TestAFileThatOthersChangeFailsForGood(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("nobody else can open the file there")
	}
	for name, change := range map[string]struct{ do, undo func(path string) error }{
		"longer":  {appendTo, func(path string) error { return shorten(path, 1) }},
		"shorter": {func(path string) error { return shorten(path, 1) }, appendTo},
	} {
		path, _ := written(t, `{"a":1}`)
		file, _, err := open(path)
		require.NoError(t, err)
		require.NoError(t, file.Check())
		require.NoError(t, change.do(path))
		_, err = file.Append([]byte(`{"a":2}`))
		require.ErrorContains(t, err, "another program has written to it", name)
		require.NoError(t, change.undo(path))
		require.ErrorContains(t, file.Check(), "another program", name)
		require.ErrorContains(t, file.Sync(file.Size()), "another program", name)
		require.NoError(t, file.Close())
	}
}

func appendTo(path string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString("\n")
	return err
}

func shorten(path string, by int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-by)
}

func TestAFileThatIsMovedFailsForGood(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be moved there")
	}
	path, _ := written(t, `{"a":1}`)
	file, _, err := open(path)
	require.NoError(t, err)
	at, err := file.Append([]byte(`{"a":2}`))
	require.NoError(t, err)
	require.NoError(t, os.Rename(path, path+".old"))
	require.ErrorContains(t, file.Sync(at.Offset+int64(at.Length)), "moved")
	require.NoError(t, os.Rename(path+".old", path))
	_, err = file.Append([]byte(`{"a":3}`))
	require.ErrorContains(t, err, "moved")
	require.NoError(t, file.Close())

	path, _ = written(t)
	file, _, err = open(path)
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, content, 0o600))
	require.ErrorContains(t, file.Check(), "replaced", "the same content in another file")
	require.NoError(t, file.Close())
}

// Lines that follow a first line would be lost with a file that is not where it was.
func TestTheFirstLineOfAFileThatWasMovedFails(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be moved there")
	}
	path := filepath.Join(t.TempDir(), "journal")
	file, _, err := open(path)
	require.NoError(t, err)
	require.NoError(t, os.Rename(path, path+".old"))
	require.ErrorContains(t, file.Begin([]byte(header)), "moved")
	_, err = file.Append([]byte(`{"a":1}`))
	require.ErrorContains(t, err, "moved")
	require.NoError(t, file.Close())
}

func TestAFileIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes mean little there")
	}
	path, _ := written(t)
	mode := func() os.FileMode {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	assert.Equal(t, os.FileMode(0o600), mode())
	require.NoError(t, os.Chmod(path, 0o644))
	file, _, err := open(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), mode())
	require.NoError(t, file.Close())
	require.NoError(t, os.Chmod(path, 0o400|0o200))
	file, _, err = open(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), mode())
	require.NoError(t, file.Close())
}

func TestModifiedIsTheTimeBeforeItWasOpened(t *testing.T) {
	t.Parallel()
	path, _ := written(t)
	when := time.Date(2024, 3, 13, 6, 24, 20, 0, time.UTC)
	require.NoError(t, os.Chtimes(path, when, when))
	file, _, err := open(path)
	require.NoError(t, err)
	_, err = file.Append([]byte(`{"a":1}`))
	require.NoError(t, err)
	assert.True(t, file.Modified().Equal(when), file.Modified())
	require.NoError(t, file.Close())
}

func TestALineElsewhereIsDamaged(t *testing.T) {
	t.Parallel()
	path, at := written(t, `{"a":1}`, `{"a":2}`)
	file, _, err := open(path)
	require.NoError(t, err)
	for _, span := range []journalfile.Span{
		{Offset: at[0].Offset + 1, Length: at[0].Length}, {Offset: at[0].Offset, Length: at[0].Length - 1}, {Offset: at[0].Offset, Length: 3},
	} {
		_, err := file.Line(span)
		require.ErrorIs(t, err, journalfile.ErrDamaged)
	}
	_, err = file.Line(journalfile.Span{Offset: file.Size(), Length: 10})
	require.Error(t, err)
	require.NoError(t, file.Close())
}

func TestParallelAppendsAreAllKept(t *testing.T) {
	t.Parallel()
	path, _ := written(t)
	file, _, err := open(path)
	require.NoError(t, err)
	const writers, each = 8, 20
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				text := fmt.Sprintf(`{"line":"%d-%d"}`, w, i)
				at, err := file.Append([]byte(text))
				if !assert.NoError(t, err) || !assert.NoError(t, file.Sync(at.Offset+int64(at.Length))) {
					return
				}
				got, err := file.Line(at)
				assert.NoError(t, err)
				assert.Equal(t, text, string(got))
			}
		})
	}
	group.Wait()
	require.NoError(t, file.Close())
	file, lines, err := open(path)
	require.NoError(t, err)
	assert.Len(t, lines, 1+writers*each)
	slices.Sort(lines)
	assert.Len(t, slices.Compact(lines), 1+writers*each)
	require.NoError(t, file.Close())
}

// The name is made absolute: the working directory may change while the file is open.
func TestARelativeNameStaysTheSameFile(t *testing.T) {
	path, _ := written(t)
	t.Chdir(filepath.Dir(path))
	file, _, err := open(filepath.Base(path))
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.NoError(t, file.Check())
	require.NoError(t, file.Sync(file.Size()))
	require.NoError(t, file.Close())
}
