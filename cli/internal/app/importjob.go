package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// importJob is one import under way.
type importJob[P records.Params, R any] struct {
	importing[P, R]
	app     *app
	flags   *bulkFlags
	target  string // of toTarget
	path    string // of the file
	reading reading

	source            *records.Reader[P]
	rejected, unknown *reportFile
	stop              *stopper
	bar               importBar
	tally             tally
	broken            error // a report that cannot be written
}

// tally counts what became of the rows.
type tally struct {
	done, rejected, unknown, notSent, bad int
	lastLine                              int
	reason                                error // the first failure
	lost                                  error // the first of a row that is unknown
	trouble                               error // the last failure that was no row's fault, or the one for which it gave up; nil once a row was good
	inRow                                 int   // rows that have failed so, without a good one between them
	gaveUp                                bool  // for the trouble
	readAll                               bool  // the file was read to its end
}

func (t *tally) failed() int { return t.rejected + t.unknown + t.notSent + t.bad }

// patience is how many full requests may fail in a row, for no row's fault, before an import gives up.
const patience = 5

func (j *importJob[P, R]) do(ctx context.Context) (err error) {
	if err := j.flags.check(j.app.flags.mock); err != nil {
		return err
	}
	if j.reading, err = j.flags.reading(j.path); err != nil {
		return err
	}
	file, err := j.app.openInput(j.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if j.flags.dryRun {
		return j.dryRun(ctx, file)
	}
	total, err := j.count(file)
	if err != nil {
		return err
	}
	client, err := j.app.client()
	if err != nil {
		return err
	}
	opts := j.flags.options()
	if j.flags.journal != "" {
		journal, err := antcrm.OpenJournal(j.flags.journal)
		if err != nil {
			return j.journalError(err)
		}
		defer func() { _ = journal.Close() }() // the import has made it durable
		opts = append(opts, antcrm.WithJournal(serverJournal{journal, j.app.server}))
		if j.flags.retryRejected {
			opts = append(opts, antcrm.WithRetryRejected())
		}
	}
	return j.send(ctx, client, file, total, opts)
}

// count reads a file once before it is sent: how many rows it has, and whether it can be read at all. What comes by a pipe is not counted.
func (j *importJob[P, R]) count(file *os.File) (int, error) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, nil // reading it will tell
	}
	rows := 0
	source := openRecords[P](j.reading, file, records.WithoutDuplicateCheck(), records.WithBadRows(func(*records.RowError) { rows++ }), records.WithWarnings(j.leftOut))
	for _, err := range source.All() {
		if err != nil {
			return 0, j.fileError(err)
		}
		rows++
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, &failure{code: exitFailure, text: "read " + j.path, err: withoutPath(err)}
	}
	return rows, nil
}

// leftOut names a column whose values nobody will see again. Other warnings are the dry run's.
func (j *importJob[P, R]) leftOut(w *records.RowError) {
	if w.Err != nil { // of the header
		j.app.note("%s", plainError(w))
	}
}

// fileError names the file in an error of its reader.
func (j *importJob[P, R]) fileError(err error) error {
	text := j.path
	if text == "-" {
		text = "stdin"
	}
	bad := &records.RowError{}
	if !errors.As(err, &bad) {
		return &failure{code: exitFailure, text: text, err: err}
	}
	next := "correct the file and import it again"
	if t := j.tally; t.done+t.unknown+t.rejected+t.notSent+t.bad > 0 { // it came by a pipe, and rows before this one are sent
		next = "correct what follows, not what came before; " + j.howToGoOn()
	}
	if errors.Is(bad, records.ErrExported) {
		next = "an import only creates; to change records that are there see: antcrm sync --help, antcrm " + j.noun + " update --help"
		return &failure{code: exitUsage, text: text, err: bad, next: next}
	}
	if bad.Column > 0 && bad.Row.Line == 0 && j.reading.format == formatCSV { // a column of the header
		next = "there are: " + strings.Join(records.Columns[P](), ", ") + "; name others with --map COLUMN=FIELD or leave them out with --ignore-unknown"
	}
	return &failure{code: exitUsage, text: text, err: bad, next: next}
}

// send imports the file and tells what became of it.
func (j *importJob[P, R]) send(ctx context.Context, client *antcrm.Client, file *os.File, total int, opts []antcrm.BatchOption) error {
	if err := j.openReports(); err != nil {
		return err
	}
	j.bar = j.app.importBar(j.noun, total)
	ctx, j.stop = gentleStop(ctx, j.bar.say)
	j.source = openRecords[P](j.reading, j.stop.reader(file), records.WithRows(), records.WithBadRows(j.badRow))
	j.rejected.report, j.unknown.report = j.source.NewReport(j.rejected), j.source.NewReport(j.unknown)
	ended := j.results(j.run(client, j.target)(ctx, j.stoppable(j.source.All()), opts...))
	j.stop.end()
	j.bar.end()
	if err := j.closeReports(); err != nil && j.broken == nil {
		j.broken = err
	}
	return j.conclude(ended)
}

func (j *importJob[P, R]) openReports() (err error) {
	stem, ext := stemOf(j.path, j.noun), "."+j.reading.format
	others := map[string]string{j.path: "the file to import"}
	if j.flags.journal != "" {
		others[j.flags.journal] = "the journal"
	}
	if j.rejected, err = openReport(j.flags.rejected, stem, "rejected", ext, others); err != nil {
		return err
	}
	others[j.rejected.Name()] = "the file for refused rows"
	if j.unknown, err = openReport(j.flags.unknown, stem, "unknown", ext, others); err != nil {
		return errors.Join(err, j.rejected.close())
	}
	return nil
}

func (j *importJob[P, R]) closeReports() error {
	return errors.Join(j.rejected.close(), j.unknown.close())
}

// badRow is a row that cannot be read as a record.
func (j *importJob[P, R]) badRow(bad *records.RowError) {
	j.tally.bad++
	j.tally.lastLine = max(j.tally.lastLine, bad.Row.LastLine())
	j.failedFor(bad)
	j.add(j.rejected, bad.Row, antcrm.OutcomeNotSent, bad)
	j.bar.update(j.tally.done, j.tally.failed())
}

// stoppable ends the source once somebody wants to stop.
func (j *importJob[P, R]) stoppable(source iter.Seq2[P, error]) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		for record, err := range source {
			if err == nil && (j.stop.asked.Err() != nil || j.tally.gaveUp || j.broken != nil) {
				yield(record, errStopped)
				return
			}
			if !yield(record, err) {
				return
			}
		}
		j.tally.readAll = true
	}
}

// results takes the outcomes and returns what ended the import.
func (j *importJob[P, R]) results(results iter.Seq2[antcrm.ImportResult[R], error]) error {
	for result, err := range results {
		if err != nil {
			return err
		}
		row, _ := j.source.Row(result.Index)
		j.take(row, result.Outcome, result.Err)
	}
	return nil
}

// take counts an outcome and keeps the row of a bad one.
func (j *importJob[P, R]) take(row records.Row, outcome antcrm.Outcome, reason error) {
	t := &j.tally
	t.lastLine = max(t.lastLine, row.LastLine())
	if invalid, ok := errors.AsType[*antcrm.ValidationError](reason); ok {
		reason = &records.RowError{Line: row.Line, Problem: invalid.Field + ": " + invalid.Problem}
	}
	if outcome == antcrm.OutcomeRejected && !antcrm.RecordFault(reason) {
		outcome = antcrm.OutcomeNotSent // as a journal takes it
	}
	switch outcome {
	case antcrm.OutcomeDone:
		t.done++
		if !t.gaveUp { // else it was in flight then
			t.inRow, t.trouble = 0, nil
		}
	case antcrm.OutcomeUnknown:
		t.unknown++
		if t.lost == nil {
			t.lost = reason
		}
		j.failedFor(reason)
		j.add(j.unknown, row, outcome, reason)
	case antcrm.OutcomeRejected:
		t.rejected++
		j.failedFor(reason)
		j.add(j.rejected, row, outcome, reason)
	default:
		invalid := errors.Is(reason, antcrm.ErrValidation)
		if invalid {
			t.bad++
		} else {
			t.notSent++
		}
		j.failedFor(reason)
		// What a journal will have sent by the next run must not be fed again from a file as well.
		if j.flags.journal == "" || invalid {
			j.add(j.rejected, row, outcome, reason)
		}
	}
	j.bar.update(t.done, t.failed())
}

// failedFor notes why a record failed, and gives up where going on makes no sense: a key that is refused, a server that is down.
func (j *importJob[P, R]) failedFor(reason error) {
	t := &j.tally
	if t.reason == nil {
		t.reason = reason
	}
	if !t.gaveUp && noRowsFault(reason) {
		t.inRow++
		t.trouble = reason
		t.gaveUp = codeOf(reason) == exitKey || t.inRow >= patience*j.flags.chunk
	}
}

// noRowsFault reports that any other row would have met the failure too: a wrong key or address, a server that is down.
func noRowsFault(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, answered := errors.AsType[*antcrm.APIError](err); answered {
		return !antcrm.RecordFault(err)
	}
	_, unreadable := errors.AsType[*antcrm.DecodeError](err)
	return unreadable || isCall(err)
}

func (j *importJob[P, R]) add(to *reportFile, row records.Row, outcome antcrm.Outcome, reason error) {
	if j.broken != nil {
		return
	}
	if err := to.report.Add(row, outcome, errors.New(plainError(reason))); err != nil {
		j.broken = to.named(err)
	}
}

// conclude tells the outcome in a few lines and returns the exit code.
func (j *importJob[P, R]) conclude(ended error) error {
	t := j.tally
	j.tell()
	fatal := errors.Is(ended, antcrm.ErrJournal) || errors.Is(ended, antcrm.ErrSourceChanged)
	stopped := !fatal && (errors.Is(ended, errStopped) || errors.Is(ended, context.Canceled) || t.gaveUp)
	if stopped || !fatal && (t.notSent > 0 || ended == nil && !t.readAll) {
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
	}{{t.rejected + t.bad, "refused"}, {t.unknown, "unknown"}, {t.notSent, "not sent"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	j.app.note("%s", text)
	if j.broken != nil {
		return // the files are not complete
	}
	if j.rejected.report.Count() > 0 {
		what, next := "refused", "correct them there and import that file"
		if t.notSent > 0 && j.flags.journal == "" {
			what, next = "refused and unsent", "correct the refused ones there and import that file"
			if t.rejected+t.bad == 0 {
				what, next = "unsent", "import that file"
			}
		}
		j.app.note("%s rows are in %s: %s", what, j.rejected.Name(), next)
	}
	if j.unknown.report.Count() > 0 {
		j.app.note("unknown rows are in %s: look them up before you send them again", j.unknown.Name())
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
		next = "see what is wrong with: antcrm doctor; do not run the same command again without a journal, but go on as said above"
		if j.flags.journal != "" {
			next = "try again later with: " + j.again()
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
	if j.flags.journal != "" {
		return "the journal is saved; go on with: " + j.again()
	}
	if !j.tally.readAll {
		return fmt.Sprintf("the rows after line %d were not read; go on with them with: %s", j.tally.lastLine, j.again("--from-line", strconv.Itoa(j.tally.lastLine+1)))
	}
	return "all rows were read"
}

// again is the command to type again. No flag holds the key.
func (j *importJob[P, R]) again(more ...string) string {
	words := []string{"antcrm"}
	skip := false
	for _, arg := range j.app.args {
		switch {
		case skip:
			skip = false
		case len(more) > 0 && arg == more[0]:
			skip = true
		case len(more) > 0 && strings.HasPrefix(arg, more[0]+"="):
		default:
			words = append(words, quoted(arg))
		}
	}
	for _, arg := range more {
		words = append(words, quoted(arg))
	}
	return strings.Join(words, " ")
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-+:@%=,") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// endError explains what ended an import that nobody wanted to end.
func (j *importJob[P, R]) endError(err error) error {
	t := j.tally
	bad := &records.RowError{}
	switch {
	case errors.As(err, &bad):
		explained := j.fileError(bad)
		if f, ok := errors.AsType[*failure](explained); ok && t.done+t.unknown > 0 {
			f.code = exitPartial
		}
		return explained
	case errors.Is(err, antcrm.ErrSourceChanged):
		return &failure{code: exitUsage, text: "the file is not the one that the journal belongs to", err: err, next: "put the file back as it was, then run the same command again"}
	case errors.Is(err, antcrm.ErrJournal):
		if _, ofSystem := errors.AsType[syscall.Errno](err); !ofSystem {
			return j.journalError(err)
		}
		return &failure{code: exitFailure, text: "the journal cannot be written", err: err, next: "free space, then go on with: " + j.again()}
	}
	return err
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
	case strings.Contains(text, "is not a journal"), strings.Contains(text, "is not a regular file"), strings.Contains(text, "it is one of"):
		next = "it belongs to something else: name this import's own journal with --journal"
	}
	return &failure{code: exitFailure, text: "the journal cannot be used", err: err, next: next}
}

// dryWindow is how many records are checked at a time.
const dryWindow = 1000

// dryRun checks every row, and sends nothing.
func (j *importJob[P, R]) dryRun(ctx context.Context, file *os.File) error {
	client, err := antcrm.NewClient("dry-run", antcrm.WithBaseURL("http://127.0.0.1:1"))
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	bad, good := 0, 0
	report := func(problem string) {
		if bad++; bad <= 20 {
			j.app.note("%s", problem)
		}
	}
	source := openRecords[P](j.reading, file, records.WithRows(), records.WithBadRows(func(e *records.RowError) { report(plainError(e)) }), records.WithWarnings(j.leftOut))
	var list []P
	check := func() {
		first := int64(good)
		good += len(list)
		problems := validationErrors(j.check(ended, client, j.target, list))
		for i := range list {
			row, _ := source.Row(first + int64(i))
			if problem := problems[i]; problem != nil {
				report(fmt.Sprintf("line %d: %s: %s", row.Line, problem.Field, problem.Problem))
			}
		}
		list = list[:0]
	}
	for record, err := range source.All() {
		if err != nil {
			return j.fileError(err)
		}
		if list = append(list, record); len(list) == dryWindow {
			check()
		}
	}
	check()
	return j.dryResult(good, bad)
}

func (j *importJob[P, R]) dryResult(good, bad int) error {
	if bad > 20 {
		j.app.note("and %d more", bad-20)
	}
	if bad > 0 {
		return usage("correct the file; nothing was sent", "%s cannot be %s", plural(bad, "rows"), j.verb)
	}
	j.app.note("%s can be %s; nothing was sent", plural(good, j.noun), j.verb)
	return nil
}

// validationErrors are the problems of a batch by the place of the record.
func validationErrors(err error) map[int]*antcrm.ValidationError {
	problems := map[int]*antcrm.ValidationError{}
	batch := &antcrm.BatchError{}
	if !errors.As(err, &batch) {
		return problems
	}
	for _, failure := range batch.Failures {
		if problem, ok := errors.AsType[*antcrm.ValidationError](failure.Err); ok {
			problems[failure.First] = problem
		}
	}
	return problems
}
