package probe

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// The table of docs/going-live.md says what the probe says. ANTCRM_WRITE_DOCS=1 renews it.
func TestTheDocumentSaysWhatToSetForEachDifference(t *testing.T) {
	t.Parallel()
	const name = "../docs/going-live.md"
	var table strings.Builder
	table.WriteString("\n\n| question | the server's answer | what to do |\n| --- | --- | --- |\n")
	listed := 0
	for _, q := range questions.All() {
		var texts []string
		alternatives := map[string][]string{}
		for _, a := range q.Alternatives {
			advice := adviceFor(q.ID, a.Name)
			assert.NotContains(t, advice, "Tell the maintainers, and check", "%s=%s is foreseen", q.ID, a.Name)
			if advice == NothingToSet {
				assert.False(t, a.Invisible, "%s=%s: nobody notices it without advice", q.ID, a.Name)
				continue
			}
			listed++
			if !slices.Contains(texts, advice) {
				texts = append(texts, advice)
			}
			alternatives[advice] = append(alternatives[advice], "`"+a.Name+"`")
		}
		for _, text := range texts {
			fmt.Fprintf(&table, "| `%s` | %s | %s |\n", q.ID, strings.Join(alternatives[text], ", "), text)
		}
	}
	table.WriteString("\n")
	t.Logf("%d answers need something of the caller", listed)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	mark := regexp.MustCompile(`(?s)(<!-- table: [^>]*-->)(.*)(<!-- end of table -->)`)
	found := mark.FindSubmatch(text)
	require.NotNil(t, found, "the document has the marks of the table")
	if os.Getenv("ANTCRM_WRITE_DOCS") != "" {
		text = mark.ReplaceAll(text, []byte("${1}"+strings.ReplaceAll(table.String(), "$", "$$")+"${3}"))
		require.NoError(t, os.WriteFile(name, text, 0o600))
		return
	}
	assert.Equal(t, table.String(), string(found[2]), "renew it: ANTCRM_WRITE_DOCS=1 go test ./probe")
}

// Advice for a question or an alternative that does not exist is advice that nobody gets.
func TestAdviceIsForQuestionsThatExist(t *testing.T) {
	t.Parallel()
	for key := range advice() {
		id, name, single := strings.Cut(key, "=")
		q, ok := questions.Find(id)
		require.True(t, ok, key)
		if single {
			_, ok = q.Alternative(name)
			assert.True(t, ok, key)
		}
	}
	for id := range neverAsked() {
		_, ok := questions.Find(id)
		assert.True(t, ok, id)
	}
}
