package contract

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watchpoints are the two lines that everything goes through: where the SDK sends a request, and where the fake sends an answer that no fault
// has touched.
var watchpoints = []struct{ file, line, watched, added string }{
	{"internal/wire/transport.go", "t.next.RoundTrip(&bound)", "(notingTransport{t.next}).RoundTrip(&bound)", "antcrm.go.txt"},
	{"antcrmtest/serve.go", "x.send(x.handle(nil), nil)", "x.send(watched(x, x.handle(nil)), nil)", "antcrmtest.go.txt"},
}

// transcriptLine is a request of the SDK, or, with a status, an answer of the fake.
type transcriptLine struct {
	Method      string
	URL         string
	Header      http.Header
	Body        []byte
	Status      int
	ContentType string
}

// TestTheWholeSuiteKeepsTheContract runs the tests of the SDK's module, the fake's and the examples' among them, with both ends watched, and
// holds every request that the SDK has sent in any of them, and every answer that the fake has given, to the contract. The watching code is
// laid over the sources for this run and is in no build. Some tests are left out: one limits the size of files, hostile answers are held to
// nothing, the probe asks on purpose what no page documents, and the matrix, the chaos and the kills send the same requests thousands of times.
func TestTheWholeSuiteKeepsTheContract(t *testing.T) {
	t.Parallel()
	c := load(t)
	transcript := filepath.Join(t.TempDir(), "transcript")
	args := []string{"test", "-count=1", "-vet=off", "-overlay=" + overlay(t), "-skip=DiskIsFull|TestHostile|TestChaos|TenThousand|AByteThatIsChanged|HTTP2"}
	run := exec.CommandContext(t.Context(), "go", append(args, watchedPackages(t)...)...)
	run.Dir, run.Env = "..", append(os.Environ(), "CONTRACT_TRANSCRIPT="+transcript)
	if output, err := run.CombinedOutput(); err != nil { // whether the tests pass is their own run's business; what does not build leaves no transcript
		t.Logf("%v\n%s", err, output)
	}

	seen, broken := c.readTranscript(t, transcript)
	assert.Empty(t, broken, "rules that were broken, and how often")
	for _, op := range c.Operations() {
		assert.NotZero(t, seen["requests of "+op.ID], "no test of the SDK calls it")
		assert.NotZero(t, seen["answers of "+op.ID], "the fake answers it in no test")
	}
	t.Logf("%d requests and %d answers; to other paths %d and %d", seen["requests"], seen["answers"],
		seen["requests to paths that are none"], seen["answers to paths that are none"])
}

// watchedPackages lists the packages whose requests are held to the contract.
func watchedPackages(t *testing.T) (packages []string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "./...")
	list.Dir = ".."
	output, err := list.Output()
	require.NoError(t, err)
	for name := range strings.FieldsSeq(string(output)) {
		switch _, name, _ := strings.Cut(name, "/antcrm-go/"); name {
		case "probe", "internal/matrixtest", "internal/crashtest", "internal/wire": // the last one's tests send what no client sends
		default:
			packages = append(packages, "./"+name)
		}
	}
	return packages
}

// readTranscript counts what stands in a transcript, and the rules that were broken.
func (c *Contract) readTranscript(t *testing.T, transcript string) (seen, broken map[string]int) {
	t.Helper()
	seen, broken = map[string]int{}, map[string]int{}
	eachLine(t, transcript, func(line transcriptLine) {
		what := "requests"
		if line.Status != 0 {
			what = "answers"
		}
		op, rules := c.judge(t, line)
		if op.ID == "" {
			what += " to paths that are none"
		}
		seen[what]++
		if op.ID != "" {
			seen[what+" of "+op.ID]++
		}
		for _, rule := range rules {
			broken[fmt.Sprintf("%s %s: %s", line.Method, op.Path, rule)]++
		}
	})
	return seen, broken
}

// judge returns the operation of a line and the rules that it breaks. Client.Do may go anywhere: a path that is none breaks no rule. Enumerated
// values and a ticket's contact id are passed on as given, which tests prove with values that nobody documents.
func (c *Contract) judge(t *testing.T, line transcriptLine) (Operation, []error) {
	t.Helper()
	var body io.Reader = http.NoBody
	if line.Status == 0 && len(line.Body) > 0 {
		body = bytes.NewReader(line.Body)
	}
	req, err := http.NewRequestWithContext(t.Context(), line.Method, line.URL, body)
	require.NoError(t, err)
	if line.Header != nil {
		req.Header = line.Header
	}
	x, err := c.find(req)
	switch {
	case err != nil && line.Status != 0 && (line.Status < 400 || line.Status > 499):
		return Operation{}, []error{fmt.Errorf("answered %d: %w", line.Status, err)}
	case err != nil:
		return Operation{}, nil
	case line.Status != 0:
		header := http.Header{"Content-Type": {line.ContentType}}
		return x.operation(), x.checkResponse(t.Context(), line.Status, header, line.Body)
	}
	var rules []error
	for _, rule := range x.checkRequest(t.Context()) {
		if !strings.Contains(rule.Error(), "value is not one of the allowed values") && !strings.Contains(rule.Error(), ": /contact/id: ") {
			rules = append(rules, rule)
		}
	}
	return x.operation(), rules
}

// overlay writes what the go command lays over the sources, and returns its file.
func overlay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	replace := map[string]string{}
	for i, point := range watchpoints {
		name := filepath.Join(root, filepath.FromSlash(point.file))
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), point.line), "%s: everything must go through the one line %s", point.file, point.line)
		changed := filepath.Join(dir, fmt.Sprint(i, ".go"))
		require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), point.line, point.watched, 1)), 0o600))
		replace[name] = changed
		replace[filepath.Join(filepath.Dir(name), "watched.go")], err = filepath.Abs(filepath.Join("testdata", "watch", point.added))
		require.NoError(t, err)
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, list, 0o600))
	return file
}

func eachLine(t *testing.T, name string, look func(transcriptLine)) {
	t.Helper()
	file, err := os.Open(name)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	for dec := json.NewDecoder(bufio.NewReaderSize(file, 1<<20)); ; {
		var line transcriptLine
		err := dec.Decode(&line)
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		look(line)
	}
}
