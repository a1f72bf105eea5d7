package app

import (
	"slices"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// shownProblems is how many bad rows, and how many warnings, a dry run prints.
const shownProblems = 20

// dryReport gathers what a dry run finds. Rows of an order are read ahead, so that warnings can come before an earlier row's problems.
type dryReport struct {
	lines    []dryLine
	bad      int
	warnings int
}

type dryLine struct {
	line int
	text string
}

// refused is a row that would not be sent, with everything that is wrong with it.
func (d *dryReport) refused(bad *records.RowError) {
	if d.bad++; d.bad > shownProblems {
		return
	}
	for _, problem := range bad.Problems() {
		if problem.Line == 0 {
			problem.Line = bad.Line
		}
		d.lines = append(d.lines, dryLine{bad.Row.Line, withSeen(problem)})
	}
}

func (d *dryReport) warned(w *records.RowError) {
	if d.warnings++; d.warnings <= shownProblems {
		d.lines = append(d.lines, dryLine{w.Line, "warning: " + withSeen(w)})
	}
}

// withSeen is a problem with what stands in the cell. Only a dry run prints that, for the person who asked for it: reports and errors hold no customer's data.
func withSeen(problem *records.RowError) string {
	text := plainError(problem)
	if problem.Seen != "" {
		text += " (it is: " + problem.Seen + ")"
	}
	return text
}

// dryRun checks every row as an import does, and sends nothing.
func (j *importJob[P, R]) dryRun() error {
	found := &dryReport{}
	source, err := openRecords[P](j.reading, j.in, j.in.once(), records.WithBadRows(found.refused), records.WithWarnings(found.warned),
		records.WithRequired(j.required...), records.WithPhoneDuplicates())
	if err != nil {
		return err
	}
	if err := j.checked(source); err != nil {
		return err
	}
	good, leads := 0, 0
	for record, err := range source.All() {
		if err != nil {
			j.tellFound(found)
			return j.fileError(err)
		}
		good++
		if contact, ok := any(record).(antcrm.ContactCreateParams); ok && contact.ContactType == "" && !j.updates {
			leads++
		}
	}
	j.tellFound(found)
	if found.bad > 0 {
		return usage("correct the file; nothing was sent", "%s cannot be %s", plural(found.bad, "rows"), j.verb)
	}
	if leads > 0 {
		j.app.note("%s without a contactType: as leads; a column contactType with customer makes them customers", plural(leads, j.noun))
	}
	j.app.note("%s can be %s; nothing was sent", plural(good, j.noun), j.verb)
	return nil
}

func (j *importJob[P, R]) tellFound(found *dryReport) { found.tell(j.app, j.verb) }

// tell prints the problems and warnings by line.
func (d *dryReport) tell(a *app, verb string) {
	slices.SortStableFunc(d.lines, func(x, y dryLine) int { return x.line - y.line })
	for _, line := range d.lines {
		a.note("%s", line.text)
	}
	if more := d.bad - shownProblems; more > 0 {
		a.note("and %s more that cannot be %s", plural(more, "rows"), verb)
	}
	if more := d.warnings - shownProblems; more > 0 {
		a.note("and %s more", plural(more, "warnings"))
	}
}
