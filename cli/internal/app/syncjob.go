package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/crmsync"
	"github.com/antbuddy/antcrm-go/records"
)

// syncJob is one sync under way.
type syncJob[P records.Params, R any] struct {
	syncing[P, R]
	app     *app
	flags   *syncFlags
	path    string
	typed   typed
	reading reading
	in      *input
	stop    *stopper
	opts    []crmsync.PushOption
	fields  map[string]bool // that the file speaks of; nil: all, since it is read once only
}

func (j *syncJob[P, R]) do(ctx context.Context) (err error) {
	if err := j.flags.check(j.app, j.typed.flags.Changed); err != nil {
		return err
	}
	j.flags.duplicates = true                            // the sync itself names both rows of a key
	j.flags.lookedUp = j.flags.lookedUp || j.flags.adopt // which looks every row up
	if j.reading, err = j.flags.reading(j.path); err != nil {
		return err
	}
	if j.flags.adopt { // the columns of an export that the CRM sets are left out
		j.reading.options = append(j.reading.options, records.WithAsNew())
	}
	if j.in, err = j.app.openInput(j.path); err != nil {
		return err
	}
	defer j.in.close()
	if err := j.in.prepare(ctx, j.reading, true); err != nil {
		return err
	}
	total, sum, err := j.readOnce()
	if err != nil {
		return err
	}
	syncer, end, err := j.app.openSyncer(ctx, j.flags.state)
	if err != nil {
		return err
	}
	defer end()
	j.opts = j.pushOptions()
	if j.flags.adopt {
		if err := j.takeOver(ctx, syncer); err != nil {
			return err
		}
	}
	switch {
	case j.flags.plan:
		return j.plan(ctx, syncer, sum)
	case j.flags.apply != "":
		if err := j.applied(ctx, syncer, sum); err != nil {
			return err
		}
	case j.flags.deletes:
		j.opts = append(j.opts, crmsync.WithDeletes(j.flags.maxDeletes))
	}
	return j.send(ctx, syncer, total)
}

func (j *syncJob[P, R]) pushOptions() []crmsync.PushOption {
	opts := []crmsync.PushOption{crmsync.WithConcurrency(j.flags.concurrency)}
	if j.flags.isolate {
		opts = append(opts, crmsync.WithIsolation())
	}
	if j.flags.first {
		opts = append(opts, crmsync.WithFirstPush())
	}
	if j.fields != nil { // what the file has no column for stays as it is in the CRM
		opts = append(opts, crmsync.WithFields(slices.Collect(maps.Keys(j.fields))...))
	}
	return opts
}

// readOnce reads a file before anything is sent: a row that cannot be read must not look like one that is gone. What comes by a pipe is read once only,
// and a bad row in it ends the sync where it stands, without deletions.
func (j *syncJob[P, R]) readOnce() (rows int, sum string, err error) {
	if j.in.sums == nil {
		if j.flags.plan || j.flags.apply != "" {
			return 0, "", usage("give a file", "a plan needs a file that can be read twice")
		}
		return 0, "", nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, j.in.sums.record()); err != nil {
		return 0, "", &failure{code: exitFailure, text: "read " + j.path, err: withoutPath(err)}
	}
	found := &dryReport{}
	j.fields = map[string]bool{}
	noteField := records.WithFields(func(field string) { j.fields[field] = true })
	for _, err := range j.rows(records.WithBadRows(found.refused), records.WithWarnings(found.warned), noteField) {
		if err != nil {
			found.tell(j.app, "read")
			return 0, "", j.fileError(err)
		}
		rows++
	}
	found.tell(j.app, "read")
	if found.bad > 0 {
		return 0, "", j.fileError(fmt.Errorf("%s cannot be read", plural(found.bad, "rows")))
	}
	return rows, hex.EncodeToString(hash.Sum(nil)), nil
}

// rows are the records of the file, from its beginning where it has one. What was read before must still stand there.
func (j *syncJob[P, R]) rows(more ...records.Option) iter.Seq2[P, error] {
	var file io.Reader = j.in.file
	if j.in.sums != nil {
		file = j.in.sums.verify()
	}
	if j.stop != nil {
		file = j.stop.reader(file)
	}
	return func(yield func(P, error) bool) {
		source, err := openRecords[P](j.reading, j.in, file, more...)
		if err != nil {
			yield(*new(P), err)
			return
		}
		source.All()(yield)
	}
}

func (j *syncJob[P, R]) fileError(err error) error {
	if errors.Is(err, errStopped) {
		return err
	}
	if errors.Is(err, records.ErrExported) || errors.Is(err, records.ErrUnknownRows) {
		return &failure{code: exitUsage, text: j.path, err: err, next: "nothing was sent; to see what a sync that takes over what is in the CRM would change, run: " + j.again("--adopt", "--plan") + "; leave --plan out if it is right"}
	}
	return &failure{code: exitUsage, text: j.path, err: err, next: "nothing was sent: correct the file; an unknown column can be named with --map COLUMN=FIELD or left out with --ignore-unknown"}
}

// syncTally counts the changes of a push.
type syncTally struct {
	done    map[crmsync.Action]int
	fields  map[string]int
	cleared map[string]int
	partly  int // changed, but for fields that the API cannot change
	unknown int
	refused int
	planned map[crmsync.Action]int
	reasons []string
	sum     [sha256.Size]byte // of the changes, in any order
}

func newSyncTally() *syncTally {
	return &syncTally{done: map[crmsync.Action]int{}, fields: map[string]int{}, cleared: map[string]int{}, planned: map[crmsync.Action]int{}}
}

const shownReasons = 5

func count[R any](t *syncTally, c crmsync.Change[R]) {
	one := sha256.Sum256([]byte(fmt.Sprint(c.Key, "\n", c.Action, "\n", c.Outcome, "\n", c.Fields, "\n", c.Cleared)))
	for i := range t.sum {
		t.sum[i] ^= one[i]
	}
	sent := len(c.Fields) > 0 && errors.Is(c.Err, crmsync.ErrFixedField) // but for a part
	switch {
	case c.Outcome == antcrm.OutcomeDone:
		t.done[c.Action]++
	case c.Outcome == antcrm.OutcomeUnknown:
		t.unknown++
	case c.Err == nil || sent:
		t.planned[c.Action]++
	default:
		t.refused++
	}
	if c.Err == nil || sent {
		for _, field := range c.Fields {
			t.fields[field]++
		}
		for _, field := range c.Cleared {
			t.cleared[field]++
		}
	}
	if c.Err != nil && c.Outcome != antcrm.OutcomeUnknown && (sent || c.Outcome == antcrm.OutcomeDone) {
		t.partly++
	}
	if c.Err != nil && len(t.reasons) < shownReasons {
		t.reasons = append(t.reasons, rowReason(c.Index, c.Err))
	}
}

// incomplete reports whether a record is not as the file says.
func (t *syncTally) incomplete() bool { return t.refused+t.partly > 0 }

// rowReason says which row it is, counted from 1 without the header.
func rowReason(index int64, err error) string {
	if double, ok := errors.AsType[*crmsync.DuplicateKeyError](err); ok {
		return fmt.Sprintf("row %d: its key is that of row %d too", double.Second+1, double.First+1)
	}
	text := strings.TrimPrefix(plainError(err), "crmsync: ")
	if index < 0 {
		return text
	}
	return fmt.Sprintf("row %d: %s", index+1, strings.TrimPrefix(text, fmt.Sprintf("record %d: ", index)))
}

// planFile is a plan that was kept.
type planFile struct {
	Version    int    `json:"version"`
	Kind       string `json:"kind"`
	FileSHA256 string `json:"fileSha256"`
	Changes    string `json:"changes"` // a hash of all changes
	Create     int    `json:"create"`
	Update     int    `json:"update"`
	Delete     int    `json:"delete"`
	Deletes    bool   `json:"deletes"`
}

// plan says what a sync would do.
func (j *syncJob[P, R]) plan(ctx context.Context, syncer *crmsync.Syncer, sum string) error {
	if j.flags.deletes {
		j.opts = append(j.opts, crmsync.WithDeletes(j.flags.maxDeletes))
	}
	t, err := j.dryRun(ctx, syncer)
	if err != nil {
		return j.ended(err)
	}
	if err := write(j.app.stdout, j.planText(t)); err != nil {
		return err
	}
	if j.flags.out != "" {
		kept, err := json.MarshalIndent(j.planOf(t, sum, j.flags.deletes), "", "  ")
		if err == nil {
			err = os.WriteFile(j.flags.out, append(kept, '\n'), 0o600)
		}
		if err != nil {
			return &failure{code: exitUsage, text: "write " + j.flags.out, err: withoutPath(err)}
		}
		j.app.note("the plan is in %s; carry it out with: %s", j.flags.out, j.again("--apply", j.flags.out))
	}
	if t.incomplete() {
		return reported{exitPartial}
	}
	return nil
}

func (j *syncJob[P, R]) planOf(t *syncTally, sum string, deletes bool) planFile {
	return planFile{
		Version: 1, Kind: j.noun, FileSHA256: sum, Changes: hex.EncodeToString(t.sum[:]), Create: t.planned[crmsync.Create],
		Update: t.planned[crmsync.Update], Delete: t.planned[crmsync.Delete], Deletes: deletes,
	}
}

func (j *syncJob[P, R]) dryRun(ctx context.Context, syncer *crmsync.Syncer) (*syncTally, error) {
	t := newSyncTally()
	for change, err := range j.push(syncer, ctx, j.rows(), append(slices.Clone(j.opts), crmsync.WithDryRun())...) {
		if err != nil {
			return t, err
		}
		count(t, change)
	}
	return t, nil
}

func (j *syncJob[P, R]) planText(t *syncTally) string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan: %s as %s says\n", j.noun, j.path)
	line := func(n int, text string) {
		if n > 0 {
			fmt.Fprintf(&b, "%8d %s\n", n, text)
		}
	}
	line(t.planned[crmsync.Create], "to create")
	line(t.planned[crmsync.Update], "to change")
	names := slices.SortedFunc(maps.Keys(t.fields), func(x, y string) int { return cmp.Or(t.fields[y]-t.fields[x], strings.Compare(x, y)) })
	for _, name := range names {
		fmt.Fprintf(&b, "%16d %s%s\n", t.fields[name], name, clearedNote(t.cleared[name], t.fields[name]))
	}
	line(t.partly, "of them only in part")
	line(t.planned[crmsync.Delete], "to delete")
	line(t.done[crmsync.Unchanged], "unchanged")
	line(t.unknown, "to look up: an earlier request was not answered")
	line(t.refused, "that cannot be sent")
	for _, reason := range t.reasons {
		fmt.Fprintf(&b, "%9s%s\n", "", reason)
	}
	if t.planned[crmsync.Create]+t.planned[crmsync.Update]+t.planned[crmsync.Delete]+t.unknown+t.refused == 0 {
		b.WriteString("nothing to do\n")
	}
	return b.String()
}

// clearedNote says how many of the changes of a field clear it.
func clearedNote(cleared, changed int) string {
	switch {
	case cleared == 0:
		return ""
	case cleared == changed:
		return " (cleared)"
	}
	return fmt.Sprintf(" (%d cleared)", cleared)
}

// applied holds a kept plan to what a plan would be now.
func (j *syncJob[P, R]) applied(ctx context.Context, syncer *crmsync.Syncer, sum string) error {
	text, err := os.ReadFile(j.flags.apply)
	var kept planFile
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil || kept.Version != 1 || kept.Kind != j.noun {
		return &failure{code: exitUsage, text: j.flags.apply + " is no plan for " + j.noun, err: withoutPath(err), next: "make one with --plan --out"}
	}
	if kept.Deletes {
		j.opts = append(j.opts, crmsync.WithDeletes(kept.Delete))
	}
	t, err := j.dryRun(ctx, syncer)
	if err == nil && j.planOf(t, sum, kept.Deletes) == kept {
		return nil
	}
	if err != nil && !errors.Is(err, crmsync.ErrTooManyDeletes) {
		return j.ended(err)
	}
	return usage("plan again; nothing was sent", "the plan no longer holds: %s or the state has changed since", j.path)
}

// send pushes the file and says what became of it.
func (j *syncJob[P, R]) send(ctx context.Context, syncer *crmsync.Syncer, total int) error {
	bar := j.app.importBar(j.noun, total)
	ctx, j.stop = gentleStop(ctx, bar.say)
	t := newSyncTally()
	var ended error
	done := 0
	for change, err := range j.push(syncer, ctx, j.rows(), j.opts...) {
		if err != nil {
			ended = err
			break
		}
		count(t, change)
		if change.Index >= 0 && change.Outcome == antcrm.OutcomeDone {
			done++
		}
		bar.update(done, t.unknown+t.refused)
	}
	j.stop.end()
	bar.end()
	j.summary(t)
	switch {
	case ended != nil:
		return j.ended(ended)
	case t.unknown > 0:
		j.app.note("what is unknown was sent and not answered: run the same command again in a minute, it looks them up; then see: antcrm sync unknown")
		return reported{exitUnknown}
	case t.incomplete():
		return reported{exitPartial}
	}
	return nil
}

func (j *syncJob[P, R]) summary(t *syncTally) {
	parts := []string{fmt.Sprintf("%d created", t.done[crmsync.Create]), fmt.Sprintf("%d changed", t.done[crmsync.Update])}
	if n := t.done[crmsync.Delete]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d deleted", n))
	}
	parts = append(parts, fmt.Sprintf("%d unchanged", t.done[crmsync.Unchanged]))
	if t.partly > 0 {
		parts[1] += fmt.Sprintf(" (%d only in part)", t.partly)
	}
	if t.unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d unknown", t.unknown))
	}
	if t.refused > 0 {
		parts = append(parts, fmt.Sprintf("%d refused or not sent", t.refused))
	}
	j.app.note("%s: %s", j.noun, strings.Join(parts, ", "))
	for _, reason := range t.reasons {
		j.app.note("  %s", reason)
	}
}

// tooManyNext is the way on from more deletions than allowed. Only a plan may be tried with a larger number.
func (j *syncJob[P, R]) tooManyNext() string {
	if j.flags.plan {
		return "nothing was sent; raise --max-deletes of the plan to see which they are"
	}
	return "none was deleted: see which they are with --plan and a larger --max-deletes, then repeat without --plan if they are right"
}

// ended explains what ended a push.
func (j *syncJob[P, R]) ended(err error) error {
	bad := &records.RowError{}
	there := &crmsync.NotAdoptedError{}
	switch {
	case errors.Is(err, errStopped):
		return &failure{code: exitPartial, text: "stopped before the end", next: "run the same command again to go on"}
	case errors.Is(err, crmsync.ErrTooManyDeletes):
		return &failure{code: exitPartial, text: plainError(err), next: j.tooManyNext()}
	case errors.As(err, &there):
		return j.notAdopted(there)
	case errors.As(err, &bad):
		return &failure{code: exitPartial, text: j.path, err: bad, next: "what stands before it was sent; correct it and run the same command again"}
	}
	return stateFailure(err)
}

// stateFailure explains what is wrong with a state.
func stateFailure(err error) error {
	switch {
	case errors.Is(err, crmsync.ErrOtherAccount):
		return &failure{code: exitUsage, text: "the state belongs to another address or key", next: "use a state of its own for each account"}
	case errors.Is(err, crmsync.ErrDamaged):
		return &failure{code: exitFailure, text: "the state is damaged, or is no state", next: "restore a backup, and add --adopt to the next sync: what was created since the backup is not in it"}
	}
	return err
}
