package antcrmtest_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestOpenQuestionsAreComplete(t *testing.T) {
	t.Parallel()
	kebab := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[string]bool{}
	open := antcrmtest.OpenQuestions()
	assert.Greater(t, len(open), 50)
	for _, q := range open {
		assert.Regexp(t, kebab, q.ID)
		assert.False(t, seen[q.ID], "%s is there twice", q.ID)
		seen[q.ID] = true
		assert.Regexp(t, `\?$`, q.Question, q.ID)
		assert.NotEmpty(t, q.Decision, q.ID)
		require.NotEmpty(t, q.Alternatives, q.ID)
		names := map[string]bool{"default": true}
		for _, a := range q.Alternatives {
			assert.Regexp(t, kebab, a.Name, q.ID)
			assert.False(t, names[a.Name], "%s=%s is there twice, or is a reserved name", q.ID, a.Name)
			names[a.Name] = true
			assert.Regexp(t, `\.$`, a.Consequence, "%s=%s", q.ID, a.Name)
			require.NotNil(t, a.Option, "%s=%s", q.ID, a.Name)
			srv, err := antcrmtest.Start(a.Option)
			require.NoError(t, err, "%s=%s", q.ID, a.Name)
			srv.Close()
		}
	}
}

func TestAnUnknownAnswerIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	_, err := antcrmtest.Start(antcrmtest.WithAnswer("no-such-question", "yes"))
	assert.ErrorContains(t, err, `there is no open question "no-such-question"`)
	_, err = antcrmtest.Start(antcrmtest.WithAnswer("package-order", "sideways"))
	assert.ErrorContains(t, err, `package-order has no alternative "sideways", only reversed, shuffled`)
	srv, err := antcrmtest.Start(antcrmtest.WithAnswer("package-order", "reversed"), antcrmtest.WithAnswer("package-order", "default"))
	require.NoError(t, err)
	srv.Close()
}
