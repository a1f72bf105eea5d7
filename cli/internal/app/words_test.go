package app_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/cli/internal/app"
)

// goWords are names of the SDK's Go packages. TicketId and Retry-After are the wire's.
var goWords = regexp.MustCompile(`\b(With[A-Z]\w+|Err[A-Z]\w+|Client\.\w+|Decimal\.\w+|[A-Z][a-z]+[A-Z]\w*|Get|RawJSON|Decode|(that|repeat|Use) (Create|Update|Import)|(List|of|and) All)\b`)

// A person at a terminal has flags and commands, and no Go.
func TestTheContractIsToldInTheWordsOfTheCommand(t *testing.T) {
	t.Parallel()
	texts := 0
	check := func(text string) {
		texts++
		told := strings.ReplaceAll(app.InCommandWords(text), "TicketId", "")
		assert.Empty(t, goWords.FindAllString(told, -1), "%s\n(was: %s)", told, text)
	}
	for _, q := range antcrmtest.OpenQuestions() {
		for _, a := range q.Alternatives {
			check(a.Consequence)
		}
	}
	guide, err := os.ReadFile("../../../docs/going-live.md")
	require.NoError(t, err)
	for line := range strings.Lines(string(guide)) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 3 && strings.HasPrefix(line, "| `") {
			check(strings.TrimSuffix(cells[2], " |"))
		}
	}
	check("No contact on the first page shows a key of the caller's; WithWrites makes one.")
	require.Greater(t, texts, 150)
}
