package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/cli/internal/app"
)

// sheetCase is one file of records/testdata/cases: a file as people have it, and what becomes of it. Package records reads the same ones.
type sheetCase struct {
	head     string
	values   map[string]string // kind, flags, only, ending
	file     string
	sections map[string][]string // found, fails, sends
}

var (
	sectionLine = regexp.MustCompile(`(?m)^-- (\w+) --\n`)
	escape      = regexp.MustCompile(`\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.|\n)`)
	words       = regexp.MustCompile(`"[^"]*"|\S+`)
)

func readCase(t *testing.T, path string) sheetCase {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	parts := sectionLine.Split(string(text), -1)
	c := sheetCase{head: parts[0], values: map[string]string{"ending": "csv"}, sections: map[string][]string{}}
	for line := range strings.Lines(c.head) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			c.values[name] = value
		}
	}
	for i, name := range sectionLine.FindAllStringSubmatch(string(text), -1) {
		if name[1] == "file" {
			c.file = parts[i+1]
			continue
		}
		c.sections[name[1]] = strings.Split(strings.TrimSuffix(parts[i+1], "\n"), "\n")
	}
	return c
}

// bytes are those of the file: escapes stand for bytes and characters, one before the end of a line joins it with the next.
func (c sheetCase) bytes() []byte {
	return escape.ReplaceAllFunc([]byte(c.file), func(code []byte) []byte {
		switch code[1] {
		case 'x':
			n, _ := strconv.ParseUint(string(code[2:]), 16, 8)
			return []byte{byte(n)}
		case 'u':
			n, _ := strconv.ParseUint(string(code[2:]), 16, 32)
			return []byte(string(rune(n)))
		case 'r':
			return []byte{'\r'}
		case 't':
			return []byte{'\t'}
		case '\n':
			return nil
		}
		return code[1:]
	})
}

// TestFilesAsPeopleHaveThem imports each case with the command, first as a dry run, and compares what is said with what arrives at the server.
func TestFilesAsPeopleHaveThem(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../../records/testdata/cases/*.txt")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 80)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			c := readCase(t, path)
			if c.values["only"] == "records" {
				return
			}
			got := c.run(t)
			if os.Getenv("ANTCRM_UPDATE_CASES") != "" && c.values["only"] == "command" {
				c.write(t, path, got)
				return
			}
			if c.sections["fails"] != nil { // the package finds it on the way, the command before anything is sent
				c.sections["sends"], c.sections["found"] = nil, nil
				assert.Nil(t, got["sends"])
				delete(got, "found")
			}
			for _, section := range []string{"found", "fails", "sends"} {
				assert.Equal(t, c.sections[section], got[section], section)
			}
		})
	}
}

func (c sheetCase) write(t *testing.T, path string, got map[string][]string) {
	t.Helper()
	text := c.head + "-- file --\n" + c.file
	for _, name := range []string{"found", "fails", "sends"} {
		if len(got[name]) > 0 {
			text += "-- " + name + " --\n" + strings.Join(got[name], "\n") + "\n"
		}
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// run imports the case. What the dry run refuses the import must refuse too, and nothing else.
func (c sheetCase) run(t *testing.T) map[string][]string {
	t.Helper()
	srv := antcrmtest.NewServer(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "file."+c.values["ending"])
	require.NoError(t, os.WriteFile(file, c.bytes(), 0o600))
	args := []string{c.values["kind"], "import", file, "--concurrency", "1"}
	for _, word := range words.FindAllString(c.values["flags"], -1) {
		args = append(args, strings.Trim(word, `"`))
	}
	_, dry := runCommand(t, srv, append(args, "--dry-run"))
	require.Empty(t, srv.Requests(), "a dry run has sent something")
	got := map[string][]string{}
	refused := map[string]bool{}
	for line := range strings.Lines(dry) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "antcrm: "+file+": "):
			problem, _, _ := strings.Cut(strings.TrimPrefix(line, "antcrm: "+file+": "), "; the fields are ")
			problem, _, _ = strings.Cut(problem, "; correct the file")
			problem, _, _ = strings.Cut(problem, "; run: ")
			problem, _, _ = strings.Cut(problem, "; an import only creates")
			got["fails"] = append(got["fails"], problem)
		case strings.HasPrefix(line, "line ") || strings.HasPrefix(line, "warning: "):
			got["found"] = append(got["found"], line)
			if place := regexp.MustCompile(`^line (\d+)`).FindString(line); place != "" {
				refused[place] = true
			}
		}
	}
	code, said := runCommand(t, srv, args)
	for _, request := range srv.Requests() {
		assert.Contains(t, []string{"/contacts/package", "/opportunities/package", "/products"}, request.Path)
		got["sends"] = append(got["sends"], records(t, request.Body)...)
	}
	rejected, err := os.ReadFile(filepath.Join(folder, "file.rejected.csv"))
	if err != nil {
		rejected, _ = os.ReadFile(filepath.Join(folder, "file.rejected.jsonl"))
	}
	for place := range refused {
		assert.Contains(t, string(rejected), place, "the dry run refuses a row that the import does not: %s", said)
	}
	assert.Equal(t, len(refused) == 0 && got["fails"] == nil, code == 0, "code %d: %s", code, said)
	return got
}

// records are those of a request's body as JSON without blanks.
func records(t *testing.T, body []byte) (list []string) {
	t.Helper()
	var all []json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		all = []json.RawMessage{body}
	}
	for _, one := range all {
		list = append(list, string(one))
	}
	return list
}

// runCommand runs the command in this process and returns its exit code and what it said on stderr.
func runCommand(t *testing.T, srv *antcrmtest.Server, args []string) (code int, said string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	require.NoError(t, err)
	defer func() { _ = out.Close() }()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer func() { _ = null.Close() }()
	env := map[string]string{"ANTCRM_BASE_URL": srv.URL, "ANTCRM_API_KEY": srv.APIKey, "ANTCRM_CONFIG": os.DevNull}
	code = app.RunInProcess(t.Context(), args, env, null, out, out)
	text, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	return code, string(text)
}
