// Package questions lists what the vendor's pages leave open about AntCRM's HTTP API: each question, what this SDK
// decided, every other answer that a server could have, and what happens to a caller where the server has that other
// answer. The texts are in questions.txt.
//
// The fake server (antcrmtest) plays every answer, package probe asks a real server, docs/wire.md and the x-decisions
// of openapi.yaml name the same IDs. A test holds the four together.
package questions

import (
	_ "embed"
	"slices"
	"strings"
)

// ReportFormat is the format of a report's file: package probe writes it, the fake server reads it. It grows when a
// reader of the old format would misread a new file.
const ReportFormat = 1

// Question is one thing that the vendor's pages do not say.
type Question struct {
	ID           string // short and stable, in kebab case
	Text         string // the question itself
	Decision     string // what the SDK assumes and the fake does unless told otherwise
	Alternatives []Alternative
}

// Alternative is another answer that a server could have.
type Alternative struct {
	Name        string // short and stable, in kebab case; unique within its question
	Consequence string // what happens to a caller of this SDK whose server answers so
	// Invisible says that no client can see the difference in the answers it gets: the caller is told something that is
	// not so. Only an experiment that writes and reads back (package probe) finds it out.
	Invisible bool
}

//go:embed questions.txt
var text string

// All returns every question, in the order of docs/wire.md. The slice is the caller's.
func All() []Question {
	var all []Question
	for line := range strings.Lines(text) {
		mark, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, said, _ := strings.Cut(rest, ": ")
		last := len(all) - 1
		switch mark {
		case "?":
			all = append(all, Question{ID: name, Text: said})
		case "=":
			all[last].Decision = rest
		case "-", "!":
			all[last].Alternatives = append(all[last].Alternatives, Alternative{Name: name, Consequence: said, Invisible: mark == "!"})
		}
	}
	return all
}

// Find returns the question with that ID.
func Find(id string) (Question, bool) {
	all := All()
	if i := slices.IndexFunc(all, func(q Question) bool { return q.ID == id }); i >= 0 {
		return all[i], true
	}
	return Question{}, false
}

// Alternative returns the alternative with that name.
func (q Question) Alternative(name string) (Alternative, bool) {
	if i := slices.IndexFunc(q.Alternatives, func(a Alternative) bool { return a.Name == name }); i >= 0 {
		return q.Alternatives[i], true
	}
	return Alternative{}, false
}
