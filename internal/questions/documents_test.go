package questions_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

var update = flag.Bool("update", false, "write the lists of docs/wire.md and openapi.yaml anew")

// The documents' lists are written from the questions, and so are never stale.
func TestTheDocumentsListEveryQuestion(t *testing.T) { //nolint:paralleltest // the subtests write files
	const document, contract = "../../docs/wire.md", "../../openapi.yaml"
	hold(t, document, "<!-- begin: decisions (written by go test ./internal/questions -update) -->\n", "<!-- end: decisions -->", decisionTable())
	hold(t, document, "<!-- begin: invisible (written by go test ./internal/questions -update) -->\n", "<!-- end: invisible -->", invisibleTable())
	hold(t, contract, "# begin: decisions (written by go test ./internal/questions -update)\n", "# end: decisions", decisionYAML())
}

// hold compares what stands between two marks with what should, or writes it.
func hold(t *testing.T, file, begin, end, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "%s has no %q", file, begin)
	got, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no %q", file, end)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(before+begin+want+end+after), 0o644)) //nolint:gosec // a document
		return
	}
	assert.Equal(t, want, got, "%s: run go test ./internal/questions -update", file)
}

// decisionTable has a row for each answer that a server could have.
func decisionTable() string {
	var out strings.Builder
	for _, q := range questions.All() {
		fmt.Fprintf(&out, "\n%s\n\n| if the server does this instead | what happens | test |\n| --- | --- | --- |\n",
			wrapped(fmt.Sprintf("**`%s`** %s We decided: %s", q.ID, q.Text, q.Decision)))
		for _, a := range q.Alternatives {
			consequence := cell(a.Consequence)
			if a.Invisible {
				consequence = "**No client can see it.** " + consequence
			}
			fmt.Fprintf(&out, "| `%s` | %s | `TestEveryJobUnderEveryAnswer/%s=%s` |\n", a.Name, consequence, q.ID, a.Name)
		}
	}
	return out.String() + "\n"
}

// invisibleTable has a row for each answer that no client can see, with the experiment that finds it.
func invisibleTable() string {
	var out strings.Builder
	out.WriteString("\n| answer | what the caller is not told | found by |\n| --- | --- | --- |\n")
	for _, q := range questions.All() {
		for _, a := range q.Alternatives {
			if a.Invisible {
				fmt.Fprintf(&out, "| `%s=%s` | %s | `probe.Run`, finding `%s` |\n", q.ID, a.Name, cell(a.Consequence), q.ID)
			}
		}
	}
	return out.String() + "\n"
}

// wrapped breaks a line of prose into lines of at most 120 characters.
func wrapped(text string) string {
	var out strings.Builder
	length := 0
	for word := range strings.FieldsSeq(text) {
		size := utf8.RuneCountInString(word)
		switch {
		case length == 0:
		case length+1+size > 120:
			out.WriteByte('\n')
			length = 0
		default:
			out.WriteByte(' ')
			length++
		}
		out.WriteString(word)
		length += size
	}
	return out.String()
}

// cell makes text fit for a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func decisionYAML() string {
	var out strings.Builder
	out.WriteString("x-decisions:\n")
	for _, q := range questions.All() {
		fmt.Fprintf(&out, "  %s:\n    question: %q\n    decision: %q\n", q.ID, q.Text, q.Decision)
	}
	return out.String()
}

// A decision that stands beside the thing decided names its question, and one of docs/wire.md too.
func TestDecisionsNameTheirQuestions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../openapi.yaml")
	require.NoError(t, err)
	var known []string
	for _, q := range questions.All() {
		known = append(known, q.ID)
	}
	found := regexp.MustCompile(`x-decision: >-\n\s+([a-z0-9, -]+): `).FindAllStringSubmatch(string(text), -1)
	assert.Len(t, found, strings.Count(string(text), "x-decision: "), "each begins with the IDs of its questions")
	assert.Greater(t, len(found), 30)
	for _, match := range found {
		for id := range strings.SplitSeq(match[1], ", ") {
			assert.True(t, slices.Contains(known, id), "x-decision names %q, which is no question", id)
		}
	}
}

// Every row of "what happens" in docs/wire.md names a test. Its subtests are made from the questions, as the rows are.
func TestTheTestThatTheDocumentNamesExists(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/wire.md")
	require.NoError(t, err)
	matrix, err := os.ReadFile("../matrixtest/matrix_test.go")
	require.NoError(t, err)
	named := regexp.MustCompile("`(Test[A-Za-z]+)[/`]").FindAllStringSubmatch(string(document), -1)
	rows := 0
	for _, q := range questions.All() {
		rows += len(q.Alternatives)
	}
	assert.GreaterOrEqual(t, len(named), rows)
	for _, name := range named {
		require.Contains(t, string(matrix), "func "+name[1]+"(", "docs/wire.md names a test that is not there")
	}
}
