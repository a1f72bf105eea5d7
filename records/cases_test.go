package records_test

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// update writes what happens into the cases, for somebody to read.
func update() bool { return os.Getenv("ANTCRM_UPDATE_CASES") != "" }

// sheetCase is one file of testdata/cases: a file as people have it, and what becomes of it. The command's tests read the same cases.
type sheetCase struct {
	path     string
	head     string   // as it stands
	flags    []string // of the command
	kind     string
	only     string // records or command, if the two differ
	file     string
	sections map[string][]string // found, fails, sends
}

func readCase(t *testing.T, path string) sheetCase {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	parts := regexp.MustCompile(`(?m)^-- (\w+) --\n`).Split(string(text), -1)
	names := regexp.MustCompile(`(?m)^-- (\w+) --\n`).FindAllStringSubmatch(string(text), -1)
	c := sheetCase{path: path, head: parts[0], sections: map[string][]string{}}
	for line := range strings.Lines(c.head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "kind":
			c.kind = value
		case "only":
			c.only = value
		case "flags":
			for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(value, -1) {
				c.flags = append(c.flags, strings.Trim(word, `"`))
			}
		}
	}
	for i, name := range names {
		if name[1] == "file" {
			c.file = parts[i+1]
			continue
		}
		c.sections[name[1]] = strings.Split(strings.TrimSuffix(parts[i+1], "\n"), "\n")
	}
	return c
}

var escape = regexp.MustCompile(`\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.|\n)`)

// bytes are those of the file: escapes stand for bytes and characters, one before the end of a line joins it with the next.
func (c sheetCase) bytes() string {
	return escape.ReplaceAllStringFunc(c.file, func(code string) string {
		switch code[1] {
		case 'x':
			n, _ := strconv.ParseUint(code[2:], 16, 8)
			return string([]byte{byte(n)})
		case 'u':
			n, _ := strconv.ParseUint(code[2:], 16, 32)
			return string(rune(n))
		case 'r':
			return "\r"
		case 't':
			return "\t"
		case '\n':
			return ""
		}
		return code[1:]
	})
}

// options are what the command makes of its flags.
func (c sheetCase) options(t *testing.T) (opts []records.Option) {
	t.Helper()
	columns := map[string]string{}
	for i := 0; i < len(c.flags); i++ {
		value := func() string { i++; return c.flags[i] }
		switch flag := c.flags[i]; flag {
		case "--decimal":
			opts = append(opts, records.WithDecimal(rune(value()[0])))
		case "--list-separator":
			opts = append(opts, records.WithListSeparators(value()))
		case "--delimiter":
			opts = append(opts, records.WithDelimiter(rune(value()[0])))
		case "--skip-lines":
			n, err := strconv.Atoi(value())
			require.NoError(t, err)
			opts = append(opts, records.WithSkipLines(n))
		case "--date-format":
			opts = append(opts, records.WithDateFormat(map[string]string{"serial": records.SerialDates, "DD/MM/YYYY": "02/01/2006"}[value()]))
		case "--map":
			from, to, _ := strings.Cut(value(), "=")
			columns[from] = to
		case "--ignore-unknown":
			opts = append(opts, records.WithUnknownColumns())
		case "--as-new":
			opts = append(opts, records.WithAsNew())
		default:
			require.Fail(t, "no option for "+flag)
		}
	}
	if len(columns) > 0 {
		opts = append(opts, records.WithColumns(columns))
	}
	return opts
}

// TestFilesAsPeopleHaveThem reads each case and compares what is found wrong, what is reported and what would be sent.
func TestFilesAsPeopleHaveThem(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/cases/*.txt")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 80)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			c := readCase(t, path)
			if c.only == "command" {
				return
			}
			got := c.run(t)
			if update() {
				c.write(t, got)
				return
			}
			assert.Equal(t, c.sections, got)
		})
	}
}

func (c sheetCase) run(t *testing.T) map[string][]string {
	t.Helper()
	switch c.kind {
	case "contacts":
		return readSheet(t, c, []string{"name", "customerIdApiRing"}, records.CSV[contact], records.JSONLines[contact])
	case "orders":
		return readSheet(t, c, []string{"name", "receiverName"}, records.CSV[order], records.JSONLines[order])
	}
	require.Equal(t, "products", c.kind)
	return readSheet(t, c, []string{"name", "code", "productIdApiRing"}, records.CSV[antcrm.ProductCreateParams], records.JSONLines[antcrm.ProductCreateParams])
}

type opener[P records.Params] func(io.Reader, ...records.Option) *records.Reader[P]

// readSheet reads a case. Whatever the file holds, each of its rows must be a record, a problem or a warning, and none twice.
func readSheet[P records.Params](t *testing.T, c sheetCase, required []string, open, jsonLines opener[P]) map[string][]string {
	t.Helper()
	if strings.Contains(c.head, "ending: jsonl") {
		open = jsonLines
	}
	got := map[string][]string{}
	type finding struct {
		line int
		text string
	}
	var found []finding
	add := func(line int, prefix string, e *records.RowError) {
		text := prefix + strings.TrimPrefix(e.Error(), "records: ")
		if e.Seen != "" {
			text += " (it is: " + e.Seen + ")"
		}
		found = append(found, finding{line, text})
	}
	source := open(strings.NewReader(c.bytes()), append(c.options(t), records.WithRequired(required...), records.WithPhoneDuplicates(), records.WithLocation(time.UTC),
		records.WithWarnings(func(w *records.RowError) { add(w.Line, "warning: ", w) }),
		records.WithBadRows(func(bad *records.RowError) {
			for _, problem := range bad.Problems() {
				if problem.Line == 0 {
					problem.Line = bad.Line
				}
				add(bad.Row.Line, "", problem)
			}
		}))...)
	for record, err := range source.All() {
		if err != nil {
			got["fails"] = []string{strings.TrimPrefix(err.Error(), "records: ")}
			break
		}
		got["sends"] = append(got["sends"], toJSON(t, record))
	}
	slices.SortStableFunc(found, func(a, b finding) int { return a.line - b.line })
	for _, f := range found {
		got["found"] = append(got["found"], f.text)
	}
	return got
}

func (c sheetCase) write(t *testing.T, got map[string][]string) {
	t.Helper()
	text := c.head + "-- file --\n" + c.file
	for _, name := range []string{"found", "fails", "sends"} {
		if len(got[name]) > 0 {
			text += "-- " + name + " --\n" + strings.Join(got[name], "\n") + "\n"
		}
	}
	require.NoError(t, os.WriteFile(c.path, []byte(text), 0o600))
}
