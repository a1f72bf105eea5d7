package antcrmtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// OpenQuestion is one thing that the vendor's pages leave open. Its ID is the same in docs/wire.md, in the x-decisions
// of openapi.yaml and in the findings of package probe.
type OpenQuestion struct {
	ID           string
	Question     string
	Decision     string // what the SDK assumes, and what the fake does by default
	Alternatives []Alternative
}

// Alternative is another answer that a server could have to an open question.
type Alternative struct {
	Name        string // unique within its question
	Consequence string // what happens to a caller of the SDK whose server answers so
	Option      Option // makes the fake answer so
}

// OpenQuestions lists what the vendor's pages leave open, with an option for every answer that a server could have. A
// test that runs under each of them shows that the code under test does not rely on a guess:
//
//	for _, question := range antcrmtest.OpenQuestions() {
//		for _, alternative := range question.Alternatives {
//			srv := antcrmtest.NewServer(t, alternative.Option)
//			…
//		}
//	}
//
// Options of several questions may be combined. Of two answers to the same question, the last one counts. The slice is
// the caller's.
func OpenQuestions() []OpenQuestion {
	all := questions.All()
	open := make([]OpenQuestion, len(all))
	for i, q := range all {
		open[i] = OpenQuestion{ID: q.ID, Question: q.Text, Decision: q.Decision, Alternatives: make([]Alternative, len(q.Alternatives))}
		for j, a := range q.Alternatives {
			open[i].Alternatives[j] = Alternative{Name: a.Name, Consequence: a.Consequence, Option: WithAnswer(q.ID, a.Name)}
		}
	}
	return open
}

// WithAnswer makes the server answer an open question with one of its alternatives, both named as in [OpenQuestions].
// The alternative "default" restores the default.
func WithAnswer(questionID, alternative string) Option {
	return func(c *config) error {
		q, ok := questions.Find(questionID)
		if !ok {
			return fmt.Errorf("answer: there is no open question %q", printable(questionID))
		}
		if alternative == "default" {
			delete(c.answers, questionID)
			return nil
		}
		if _, ok := q.Alternative(alternative); !ok {
			return fmt.Errorf("answer: %s has no alternative %q, only %s", questionID, printable(alternative), strings.Join(names(q), ", "))
		}
		c.answers[questionID] = alternative
		return nil
	}
}

// names lists a question's alternatives.
func names(q questions.Question) []string {
	list := make([]string, len(q.Alternatives))
	for i, a := range q.Alternatives {
		list[i] = a.Name
	}
	return list
}

// is reports whether the server answers a question by one of these alternatives.
func (c *config) is(questionID string, alternatives ...string) bool {
	answer, ok := c.answers[questionID]
	return ok && slices.Contains(alternatives, answer)
}
