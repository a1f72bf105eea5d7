package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// conclude tells the outcome in a few lines and returns the exit code.
func (j *importJob[P, R]) conclude(ended error) error {
	t := j.tally
	j.tell()
	fatal := errors.Is(ended, antcrm.ErrJournal) || errors.Is(ended, antcrm.ErrSourceChanged)
	stopped := !fatal && (errors.Is(ended, errStopped) || errors.Is(ended, context.Canceled) || t.gaveUp)
	begun := t.done+t.failed() > 0
	if stopped || !fatal && (t.notSent > 0 || begun && !t.readAll) {
		j.app.note("%s", j.howToGoOn())
	}
	switch {
	case j.broken != nil:
		return j.graver(j.broken)
	case ended != nil && !stopped:
		return j.graver(j.endError(ended))
	case t.failed() > 0 || stopped:
		return j.verdict(stopped)
	}
	return nil
}

// graver gives what ended an import the code of rows whose outcome is unknown, if there are any: they need somebody's attention first. Where this run has sent
// nothing, an earlier one has told of them.
func (j *importJob[P, R]) graver(err error) error {
	if f, ok := errors.AsType[*failure](err); ok && f.code != exitUsage && j.tally.unknown > 0 {
		f.code = exitUnknown
	}
	return err
}

// tell says how many rows there are of each outcome, and where those are that need work.
func (j *importJob[P, R]) tell() {
	t := j.tally
	text := fmt.Sprintf("%s %s", plural(t.done, j.noun), j.verb)
	for _, part := range []struct {
		n    int
		what string
	}{{t.rejected + t.bad, "refused"}, {t.unknown, "unknown"}, {t.notSent, "not sent"}, {t.unmatched, "not matched to the journal"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	j.app.note("%s", text)
	if j.in.replaced() {
		j.app.note("%s was replaced by another file meanwhile: the rows above are those of the old one", j.in.name)
	} else if j.in.changed() {
		j.app.note("%s has changed meanwhile: the rows above are those that it had at the beginning", j.in.name)
	}
	if j.broken != nil {
		return // the files are not complete
	}
	j.tellReports()
	j.tellOlder()
}

// tellOlder names reports of earlier runs: nobody must take them for this one's.
func (j *importJob[P, R]) tellOlder() {
	t := j.tally
	older := strings.Join(slices.Concat(j.rejected.older(), j.unknown.older()), ", ")
	switch {
	case older == "" || t.unmatched > 0:
	case j.flags.journal != "" && t.readAll && t.failed() == 0:
		j.app.note("left from an earlier run: %s: do not import what is in there, this run has covered every row of %s", older, j.in.name)
	default:
		j.app.note("left from an earlier run, and not of this one: %s", older)
	}
}

// tellReports says where the rows are that need work, and what to do with them. What it says is safe to follow to the letter.
func (j *importJob[P, R]) tellReports() {
	t := j.tally
	if j.rejected.count() > 0 {
		what, next := "refused", "correct them there, then "+j.sendReport(j.rejected)
		switch {
		case j.flags.journal != "": // the next run repeats them: whoever imports the report too has them twice
			next = fmt.Sprintf("correct them in %s itself, leaving every row in its place, then run: %s", j.in.name, j.again("--retry-rejected"))
		case t.notSent > 0 && t.rejected+t.bad == 0:
			what, next = "unsent", j.sendReport(j.rejected)
		case t.notSent > 0:
			what, next = "refused and unsent", "correct the refused ones there, then "+j.sendReport(j.rejected)
		}
		j.app.note("%s rows are in %s: %s", what, j.rejected.name, next)
	}
	if j.unknown.count() > 0 && j.updates {
		j.app.note("unknown rows are in %s: a change may be sent again without harm; %s", j.unknown.name, j.sendReport(j.unknown))
	} else if j.unknown.count() > 0 {
		j.app.note("unknown rows are in %s: look each one up in the CRM, delete from that file those that are there, then %s", j.unknown.name, j.sendReport(j.unknown, "--looked-up"))
	}
}

// verdict is the exit code of an import that was not done to the end, and its line on stderr.
func (j *importJob[P, R]) verdict(stopped bool) error {
	t := j.tally
	f := &failure{code: exitPartial, text: fmt.Sprintf("%s not %s; the first", plural(t.failed(), "rows"), j.verb), err: t.reason}
	switch {
	case t.gaveUp:
		f = j.troubled("gave up")
	case stopped:
		f = &failure{code: exitPartial, text: "stopped before the end"}
	case t.unknown > 0:
		f.text, f.err = plural(t.unknown, "rows")+" unknown; the first", t.lost
	case t.trouble != nil && t.done == 0:
		f = j.troubled(fmt.Sprintf("%s not %s", plural(t.failed(), "rows"), j.verb))
	}
	if t.unknown > 0 {
		f.code = exitUnknown
	}
	return f
}

// troubled is the end of an import for the trouble it met.
func (j *importJob[P, R]) troubled(text string) *failure {
	trouble := j.tally.trouble
	code := codeOf(trouble)
	next := nextStep(code, trouble)
	if j.tally.done+j.tally.unknown > 0 && code == exitOutage {
		next = "find out why with: antcrm doctor; then go on as said above"
		if j.flags.journal != "" {
			next = "try again later with: " + j.again("")
		}
	}
	switch {
	case next == "" && j.toTarget:
		next = "check SEGMENT, and the address with: antcrm doctor"
	case next == "":
		next = "check the address with: antcrm doctor"
	}
	return &failure{code: code, text: text, err: trouble, next: next}
}

// howToGoOn is said where rows are left that nobody has refused.
func (j *importJob[P, R]) howToGoOn() string {
	switch {
	case j.flags.journal != "":
		return "the journal is saved; to go on, run: " + j.again("")
	case j.tally.readAll:
		return "all rows were read"
	case j.in.replaced():
		return fmt.Sprintf("the rows after line %d of the old file were not read: put it back before you go on with --from-line %d", j.tally.lastLine, j.tally.lastLine+1)
	}
	next := max(j.tally.lastLine+1, j.flags.fromLine)
	return fmt.Sprintf("the rows from line %d on were not read; to import them, run: %s", next, j.again("--from-line", strconv.Itoa(next)))
}

// again is the command to type again, with a flag set.
func (j *importJob[P, R]) again(flag string, value ...string) string {
	if flag == "" {
		return j.typed.with(change{})
	}
	return j.typed.with(change{without: []string{strings.TrimPrefix(flag, "--")}, with: append([]string{flag}, value...)})
}

// sendReport is the command that sends the rows of a report. It has the header and the values of the file, but is no workbook, has no lines before the header,
// and no journal knows it.
func (j *importJob[P, R]) sendReport(report *reportFile, more ...string) string {
	c := change{
		file: report.name, with: more,
		without: []string{"skip-lines", "sheet", "format", "from-line", "rejected", "unknown", "journal", "retry-rejected", "replaced-key", "looked-up"},
	}
	format := j.reading.format
	if format == formatXLSX {
		format = formatCSV
		c.without = append(c.without, "delimiter")
	}
	if found, err := importFormat("", report.name); err != nil || found != format {
		c.with = append(c.with, "--format", format)
	}
	return "run: " + j.typed.with(c)
}

// fileError explains what is wrong with the file as a whole.
func (j *importJob[P, R]) fileError(err error) error {
	bad, later := &records.RowError{}, &records.LaterHeaderError{}
	if !errors.As(err, &bad) {
		return &failure{code: exitFailure, text: j.in.name, err: err}
	}
	f := &failure{code: exitUsage, text: j.in.name, err: bad, next: "correct the file and import it again"}
	t := j.tally
	switch {
	case errors.Is(bad, errFileChanged) && j.flags.journal == "":
		f.next = fmt.Sprintf("what was sent is what stood there before; if lines 1 to %d are still the same, go on as said above", t.lastLine)
	case errors.Is(bad, errFileChanged):
		f.next = "put it back as it was, then run: " + j.again("")
	case errors.Is(bad, records.ErrExported):
		f.next = j.exported()
	case errors.Is(bad, records.ErrUnknownRows):
		f.next = "look each such row up in the CRM, delete from the file those that are there, then run: " + j.again("--looked-up")
	case t.done+t.unknown+t.rejected+t.notSent+t.bad > 0 && j.flags.journal == "": // it came by a pipe, and rows before this one are sent
		f.next = "correct what follows, not what came before, and go on as said above"
	case errors.As(bad, &later):
		f.next = "run: " + j.again("--skip-lines", strconv.Itoa(later.Line-1))
	case strings.Contains(bad.Problem, "not UTF-8") && j.reading.encoding == "" && j.reading.format != formatXLSX:
		f.next = "save it as CSV UTF-8, or name its encoding, such as --encoding windows-1258"
	case bad.Header != "" && bad.Row.Line == 0 && j.reading.format != formatJSONL: // a column of the header
		f.next = "the fields are " + strings.Join(records.Columns[P](), ", ") + " and cf:NAME; assign a column with --map COLUMN=FIELD, or leave it out with --map COLUMN="
	}
	return f
}

// exported says what to do with an export.
func (j *importJob[P, R]) exported() string {
	if len(j.changes) == 0 {
		return "the service takes these contacts by their own fields, and whether it recognizes one that it has is not documented: --as-new sends them without the CRM's keys"
	}
	return "an import only creates; to change records that exist, see: " + strings.Join(j.changes, ", ")
}

// endError explains what ended an import that nobody wanted to end.
func (j *importJob[P, R]) endError(err error) error {
	t := j.tally
	bad := &records.RowError{}
	switch {
	case errors.As(err, &bad):
		explained := j.fileError(err)
		if f, ok := errors.AsType[*failure](explained); ok && t.done+t.unknown > 0 {
			f.code = exitPartial
		}
		return explained
	case errors.Is(err, antcrm.ErrSourceChanged):
		return j.sourceChanged()
	case errors.Is(err, antcrm.ErrJournal):
		if _, ofSystem := errors.AsType[syscall.Errno](err); !ofSystem {
			return j.journalError(err)
		}
		return &failure{code: exitFailure, text: "the journal cannot be written", err: err, next: "free space, then run: " + j.again("")}
	}
	return err
}

// sourceChanged explains a file that has other rows than the journal says were sent.
func (j *importJob[P, R]) sourceChanged() error {
	text := "the file is not the one that the journal belongs to: "
	if t := j.tally; t.changedFrom > 0 {
		text += fmt.Sprintf("lines %d to %d are not the rows that were sent from there", t.changedFrom, t.changedTo)
	} else {
		text += "rows that were sent are no longer in it"
	}
	next := "put the file back as it was: of the rows that were sent, only refused ones may be corrected, with --retry-rejected"
	if len(j.changes) > 0 {
		next += " (to change what is in the CRM, see: " + j.changes[0] + ")"
	}
	return &failure{code: exitUsage, text: text, next: next + "; then run: " + j.again("")}
}

// serverJournal binds a journal to a server: what was sent to one was not sent to another.
type serverJournal struct {
	antcrm.Journal
	server string
}

// Resume implements antcrm.Journal.
func (s serverJournal) Resume(ctx context.Context, operation string) (*antcrm.JournalHistory, error) {
	return s.Journal.Resume(ctx, operation+" at "+s.server)
}

// journalError is a journal that cannot be opened, or is another import's.
func (j *importJob[P, R]) journalError(err error) error {
	next := "a new journal would send every row again: restore this one, or look which rows are in the CRM"
	switch text := err.Error(); {
	case errors.Is(err, antcrm.ErrJournalLocked):
		next = "wait until the other import has ended"
	case strings.Contains(text, "another account"):
		next = "use the key and the address that it was begun with; if that account has a new key now, add --replaced-key"
	case strings.Contains(text, "is not a journal"), strings.Contains(text, "is not a regular file"), strings.Contains(text, "it is one of"):
		next = "it belongs to something else: name this import's own journal with --journal"
	}
	return &failure{code: exitFailure, text: "the journal cannot be used", err: err, next: next}
}
