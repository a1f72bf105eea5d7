package questions_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// A line of the file that is not understood would be a question, or an answer, that nobody asks or plays.
func TestEveryLineOfTheFileIsRead(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("questions.txt")
	require.NoError(t, err)
	lines := regexp.MustCompile(`(?m)^[^#\n].*$`).FindAllString(string(file), -1)
	read := 0
	for _, q := range questions.All() {
		read += 2 + len(q.Alternatives)
		assert.NotEmpty(t, q.Text, q.ID)
		assert.NotEmpty(t, q.Decision, q.ID)
		assert.NotEmpty(t, q.Alternatives, q.ID)
		for _, a := range q.Alternatives {
			assert.NotEmpty(t, a.Consequence, "%s=%s", q.ID, a.Name)
		}
	}
	assert.Equal(t, len(lines), read)
}

// The IDs are constants, so that a misspelt one does not compile.
func TestEveryQuestionHasItsConstant(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("ids.go")
	require.NoError(t, err)
	var constants, ids []string
	for _, match := range regexp.MustCompile(`(?m)^\t\w+ += "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		constants = append(constants, match[1])
	}
	for _, q := range questions.All() {
		ids = append(ids, q.ID)
	}
	assert.Equal(t, constants, ids, "in the same order")
}

func TestAQuestionAndItsAnswersAreFoundByName(t *testing.T) {
	t.Parallel()
	q, found := questions.Find(questions.DuplicateKey)
	require.True(t, found)
	a, found := q.Alternative("conflict")
	require.True(t, found)
	assert.Equal(t, questions.Alternative{Name: "conflict", Consequence: "409: ErrConflict. A package is refused whole."}, a)
	a, found = q.Alternative("ignored")
	assert.True(t, found)
	assert.True(t, a.Invisible)
	_, found = q.Alternative("nothing of the kind")
	assert.False(t, found)
	_, found = questions.Find("nothing of the kind")
	assert.False(t, found)
}
