package app

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"

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
	typed   typed
	reading reading
	in      *input

	source            *records.Reader[P]
	rejected, unknown *reportFile
	stop              *stopper
	bar               importBar
	tally             tally
	held              map[int]bool // the lines of bad rows whose place an empty record keeps
	broken            error        // a report that cannot be written
}

// tally counts what became of the rows.
type tally struct {
	done, rejected, unknown, notSent, bad int
	lastLine                              int
	unmatched                             int   // rows that cannot be compared with what the journal says was sent from there, or differ from it
	changedFrom, changedTo                int   // the lines of those that differ
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
	if j.flags.fromLine > 0 {
		j.reading.options = append(j.reading.options, records.WithFromLine(j.flags.fromLine))
	}
	if j.flags.asNew {
		j.reading.options = append(j.reading.options, records.WithAsNew())
	}
	if j.in, err = j.app.openInput(j.path); err != nil {
		return err
	}
	defer j.in.close()
	if err := j.in.prepare(ctx, j.reading, j.merged); err != nil {
		return err
	}
	if j.flags.dryRun {
		return j.dryRun()
	}
	total, err := j.count()
	if err != nil {
		return err
	}
	client, err := j.app.client()
	if err != nil {
		return err
	}
	opts, end, err := j.withJournal(j.flags.options())
	if err != nil {
		return err
	}
	defer end()
	return j.send(ctx, client, total, opts)
}

// withJournal opens the journal, if there is to be one.
func (j *importJob[P, R]) withJournal(opts []antcrm.BatchOption) (with []antcrm.BatchOption, end func(), err error) {
	if j.flags.journal == "" {
		return opts, func() {}, nil
	}
	journal, err := antcrm.OpenJournal(j.flags.journal)
	if err != nil {
		return nil, nil, j.journalError(err)
	}
	opts = append(opts, antcrm.WithJournal(serverJournal{journal, j.app.server}))
	if j.flags.retryRejected {
		opts = append(opts, antcrm.WithRetryRejected())
	}
	if j.flags.replacedKey {
		opts = append(opts, antcrm.WithReplacedKey())
	}
	return opts, func() { _ = journal.Close() }, nil // the import has made it durable
}

// count reads a file once before it is sent: how many rows it has, and whether it can be read at all. What comes by a pipe is not counted.
func (j *importJob[P, R]) count() (int, error) {
	if j.in.sums == nil {
		return 0, nil // reading it will tell
	}
	rows := 0
	source, err := openRecords[P](j.reading, j.in, j.in.sums.record(), records.WithBadRows(func(*records.RowError) { rows++ }),
		records.WithWarnings(j.leftOut), records.WithRequired(j.required...))
	if err != nil {
		return 0, err
	}
	for _, err := range source.All() {
		if err != nil {
			return 0, j.fileError(err)
		}
		rows++
	}
	return rows, nil
}

// leftOut names a column whose values nobody will see again. Other warnings are the dry run's.
func (j *importJob[P, R]) leftOut(w *records.RowError) {
	if w.Err != nil { // of the header
		j.app.note("%s", plainError(w))
	}
}

// checked has the reader ask of each record what the SDK asks before it sends one, so that the dry run and the import refuse the same rows.
func (j *importJob[P, R]) checked(source *records.Reader[P]) error {
	client, err := antcrm.NewClient("dry-run", antcrm.WithBaseURL("http://127.0.0.1:1"))
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	source.Check(func(record *P) error {
		if invalid, ok := errors.AsType[*antcrm.ValidationError](j.check(ended, client, j.target, *record)); ok {
			return invalid
		}
		return nil
	})
	return nil
}

// send imports the file and tells what became of it.
func (j *importJob[P, R]) send(ctx context.Context, client *antcrm.Client, total int, opts []antcrm.BatchOption) error {
	if err := j.openReports(); err != nil {
		return err
	}
	j.bar = j.app.importBar(j.noun, total)
	j.app.lines.printTo(j.bar.say)
	ctx, j.stop = gentleStop(ctx, j.bar.say)
	err := j.openSource()
	var ended error
	if err == nil {
		ended = j.results(j.run(client, j.target, j.flags)(ctx, j.stoppable(j.source.All()), opts...))
	}
	j.stop.end()
	j.app.lines.printTo(nil)
	j.bar.end()
	if err != nil {
		return err
	}
	if errors.Is(ended, antcrm.ErrSourceChanged) { // of rows that are not those of the journal; the next run repeats what is true
		j.rejected.discard()
		j.unknown.discard()
	}
	if err := errors.Join(j.rejected.close(), j.unknown.close()); err != nil && j.broken == nil {
		j.broken = err
	}
	return j.conclude(ended)
}

// openSource begins to read the file that is sent.
func (j *importJob[P, R]) openSource() (err error) {
	var file io.Reader = j.in.file
	if j.in.sums != nil {
		file = j.in.sums.verify()
	}
	more := []records.Option{records.WithRows(), records.WithBadRows(j.badRow), records.WithRequired(j.required...)}
	if j.flags.journal != "" {
		j.held = map[int]bool{}
		more = append(more, records.WithPlaceholders())
	}
	if j.source, err = openRecords[P](j.reading, j.in, j.stop.reader(file), more...); err != nil {
		return err
	}
	j.rejected.report, j.unknown.report = j.source.NewReport(j.rejected), j.source.NewReport(j.unknown)
	return j.checked(j.source)
}

func (j *importJob[P, R]) openReports() (err error) {
	ext := "." + j.reading.format
	if j.reading.format == formatXLSX {
		ext = "." + formatCSV
	}
	others := map[string]string{}
	if j.in.sums != nil && j.path != "-" {
		others[j.path] = "the file to import"
	}
	if j.flags.journal != "" {
		others[j.flags.journal] = "the journal"
	}
	if j.rejected, err = newReport(j.flags.rejected, j.in.stem(j.noun), "rejected", ext, others); err != nil {
		return err
	}
	others[j.rejected.name] = "the file for refused rows"
	j.unknown, err = newReport(j.flags.unknown, j.in.stem(j.noun), "unknown", ext, others)
	return err
}

// badRow is a row that cannot be read as a record.
func (j *importJob[P, R]) badRow(bad *records.RowError) {
	j.tally.bad++
	j.tally.lastLine = max(j.tally.lastLine, bad.Row.LastLine())
	if j.held != nil {
		j.held[bad.Row.Line] = true
	}
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
		if j.held[row.Line] { // badRow has counted it
			delete(j.held, row.Line)
			continue
		}
		j.take(row, result.Outcome, result.Err)
	}
	return nil
}

// take counts an outcome and keeps the row of a bad one.
func (j *importJob[P, R]) take(row records.Row, outcome antcrm.Outcome, reason error) {
	t := &j.tally
	t.lastLine = max(t.lastLine, row.LastLine())
	if outcome == antcrm.OutcomeRejected && !antcrm.RecordFault(reason) {
		outcome = antcrm.OutcomeNotSent // as a journal takes it
	}
	if j.flags.journal != "" && t.takeUnmatched(row, reason) {
		return
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

// takeUnmatched counts a row that the journal says nothing of, though it was sent from this place: the file has changed, or the run ended before the request
// was complete that it belongs to. What became of what was sent is in the journal: the row is not unknown.
func (t *tally) takeUnmatched(row records.Row, reason error) bool {
	switch {
	case errors.Is(reason, antcrm.ErrSourceChanged):
		if t.changedFrom == 0 {
			t.changedFrom = row.Line
		}
		t.changedFrom, t.changedTo = min(t.changedFrom, row.Line), max(t.changedTo, row.LastLine())
	case reason == nil || !strings.Contains(reason.Error(), "together with records that have not come"):
		return false
	}
	t.unmatched++
	return true
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
	j.broken = to.add(row, outcome, errors.New(plainError(reason)))
}
