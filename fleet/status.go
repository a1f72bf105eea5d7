package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antbuddy/antcrm-go"
)

// Status is how a fleet stands.
type Status struct {
	Time    time.Time      `json:"time"`
	Jobs    []JobStatus    `json:"jobs"`
	Workers []WorkerStatus `json:"workers"` // those that have reported lately
	Alive   int            `json:"alive"`   // of them
	Rate    float64        `json:"rate"`    // records a second, all workers together
	// Lag is how many chunks wait for a worker, Busy how many are in the hands
	// of one or wait to be delivered again.
	Lag  int64 `json:"lag"`
	Busy int64 `json:"busy"`
}

// JobStatus is how a job stands.
type JobStatus struct {
	Job     string    `json:"job"`
	Kind    Kind      `json:"kind"`
	Created time.Time `json:"created"`
	Fed     bool      `json:"fed"`     // the source has been read to its end
	Records int64     `json:"records"` // in the source; 0 while it is being fed
	Chunks  int64     `json:"chunks"`  // queued so far
	Settled int64     `json:"settled"` // of these, chunks whose outcomes are all there
	Totals  Totals    `json:"totals"`  // records of the settled chunks
	// Finished says that every chunk is settled and the payload is purged.
	Finished *time.Time `json:"finished,omitempty"`
	Purged   bool       `json:"purged,omitempty"`
}

// Status reads how the fleet stands. A job that is under way costs one pass
// over its part of the ledger.
func (f *Fleet) Status(ctx context.Context) (*Status, error) {
	s := &Status{Time: time.Now().UTC(), Jobs: []JobStatus{}}
	jobs, err := f.listJobs(ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		job, err := f.jobStatus(ctx, j.name, &j.record)
		if err != nil {
			return nil, err
		}
		s.Jobs = append(s.Jobs, *job)
	}
	if s.Workers, err = f.workersAlive(ctx); err != nil {
		return nil, fmt.Errorf("fleet: list the workers: %w", err)
	}
	for _, w := range s.Workers {
		if w.Alive {
			s.Alive++
			s.Rate += w.Rate
		}
	}
	if s.Lag, s.Busy, err = f.backlog(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// JobStatus reads how one job stands; ErrNoJob if nobody has fed it.
func (f *Fleet) JobStatus(ctx context.Context, name string) (*JobStatus, error) {
	record, _, err := f.job(ctx, name)
	if err != nil {
		return nil, err
	}
	return f.jobStatus(ctx, name, record)
}

func (f *Fleet) jobStatus(ctx context.Context, name string, record *jobRecord) (*JobStatus, error) {
	s := &JobStatus{
		Job: name, Kind: record.Kind, Created: record.Created, Fed: record.Complete, Records: record.Records, Chunks: record.Published,
		Finished: record.Finished, Purged: record.Purged,
	}
	if record.Totals != nil {
		s.Settled, s.Totals = record.Published, *record.Totals
		return s, nil
	}
	counted, err := f.tally(ctx, name)
	s.Settled, s.Totals = counted.settled, counted.totals
	s.Chunks = max(s.Chunks, s.Settled) // the job's record lags behind while it is fed
	return s, err
}

// namedJob is an entry of the jobs bucket.
type namedJob struct {
	name   string
	record jobRecord
}

// listJobs lists the jobs, the oldest first.
func (f *Fleet) listJobs(ctx context.Context) ([]namedJob, error) {
	var jobs []namedJob
	err := f.each(ctx, f.jobs, ">", func(kept jetstream.KeyValueEntry) {
		var record jobRecord
		if json.Unmarshal(kept.Value(), &record) == nil {
			jobs = append(jobs, namedJob{kept.Key(), record})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("fleet: list the jobs: %w", err)
	}
	slices.SortFunc(jobs, func(a, b namedJob) int {
		return cmp.Or(a.record.Created.Compare(b.record.Created), strings.Compare(a.name, b.name))
	})
	return jobs, nil
}

// each reads what a bucket holds under a pattern.
func (f *Fleet) each(ctx context.Context, bucket jetstream.KeyValue, pattern string, do func(jetstream.KeyValueEntry)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := bucket.Watch(ctx, pattern, jetstream.IgnoreDeletes())
	if err != nil {
		return err
	}
	defer func() { _ = watch.Stop() }()
	for {
		select {
		case kept, ok := <-watch.Updates():
			if !ok {
				return errors.New("the watch ended early")
			}
			if kept == nil {
				return nil
			}
			do(kept)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tally is what the ledger holds of a job.
type tally struct {
	settled int64
	untold  int64 // of these, chunks whose rejected or unknown records are in no stream yet
	totals  Totals
	open    []string // names of the chunks that are not settled
}

// tally counts a job's chunks.
func (f *Fleet) tally(ctx context.Context, job string) (t tally, err error) {
	err = f.each(ctx, f.ledger, job+".>", func(kept jetstream.KeyValueEntry) {
		var e entry
		if json.Unmarshal(kept.Value(), &e) != nil {
			return
		}
		if !e.State.settled() {
			t.open = append(t.open, kept.Key())
			return
		}
		t.settled++
		t.totals.add(e.totals())
		if !e.told() {
			t.untold++
		}
	})
	if err != nil {
		err = fmt.Errorf("fleet: count the chunks of job %s: %w", job, err)
	}
	return t, err
}

// backlog asks the server how many chunks wait.
func (f *Fleet) backlog(ctx context.Context) (waiting, busy int64, err error) {
	info, err := f.chunks.Consumer(ctx, "workers")
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		about, err := f.chunks.Info(ctx)
		if err != nil {
			return 0, 0, fmt.Errorf("fleet: ask how many chunks wait: %w", err)
		}
		return int64(about.State.Msgs), 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("fleet: ask how many chunks wait: %w", err)
	}
	state := info.CachedInfo()
	return int64(state.NumPending), int64(state.NumAckPending), nil
}

// lookForEnd wakes the tidier: the stream has no more chunks to deliver.
func (w *worker) lookForEnd() {
	select {
	case w.tidy <- struct{}{}:
	default:
	}
}

const (
	tidyEvery  = 2 * time.Second
	tidyAnyway = time.Minute
)

// tidyUp finishes jobs: when nothing waits any longer, and once a minute.
func (w *worker) tidyUp(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.tidy:
		case <-tick.C:
		}
		waiting, busy, err := w.f.backlog(ctx)
		if err != nil || waiting+busy > 0 && time.Since(last) < tidyAnyway {
			continue
		}
		last = time.Now()
		all, left, err := w.finishJobs(ctx)
		if err != nil && ctx.Err() == nil {
			w.f.cfg.Logger.Warn("fleet: finish jobs", "error", err)
		}
		if err == nil && all > 0 && left == 0 && w.cfg.UntilDone {
			w.stop(errAllDone)
		}
	}
}

// finishJobs closes the jobs whose chunks are all settled, and removes their
// payload. It returns how many jobs there are, and how many are not finished.
func (w *worker) finishJobs(ctx context.Context) (all, left int, err error) {
	jobs, err := w.f.listJobs(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, j := range jobs {
		finished, err := w.finishJob(ctx, j.name, &j.record)
		if err != nil {
			return 0, 0, err
		}
		if !finished {
			left++
		}
	}
	return len(jobs), left, nil
}

func (w *worker) finishJob(ctx context.Context, name string, record *jobRecord) (bool, error) {
	f := w.f
	if record.Finished != nil || !record.Complete {
		return record.Finished != nil, nil
	}
	counted, err := f.tally(ctx, name)
	if err != nil {
		return false, err
	}
	totals := counted.totals
	if counted.settled < record.Published || counted.untold > 0 {
		expired, err := f.expired(ctx, name)
		if err != nil || !expired {
			return false, err
		}
		if len(counted.open) > 0 {
			return false, w.closeExpired(ctx, counted.open) // and count again
		}
		missing := record.Records - totals.All()
		if f.outcomesKept(record) {
			totals.NotSent += missing
		} else {
			totals.Unknown += missing
		}
	}
	// The payload goes first: a job that is called finished has none.
	if err := f.purgePayload(ctx, name); err != nil {
		return false, err
	}
	err = f.changeJob(ctx, name, func(record *jobRecord) bool {
		if record.Finished != nil {
			return false
		}
		record.Finished, record.Totals = new(time.Now().UTC()), &totals
		return true
	})
	return err == nil, err
}

// outcomesKept reports whether the ledger has still all that was ever written
// of the job: only then is a chunk that is missing there one that was never sent.
func (f *Fleet) outcomesKept(record *jobRecord) bool {
	return time.Since(record.Created) < f.cfg.LedgerAge
}

// closeExpired settles chunks that were begun or refused and whose payload has
// expired since: nobody will be given them again.
func (w *worker) closeExpired(ctx context.Context, names []string) error {
	for _, name := range names {
		if !w.claim(name) {
			continue // this worker has it in its hands
		}
		err := w.closeChunk(ctx, name)
		w.unclaim(name)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) closeChunk(ctx context.Context, name string) error {
	e, rev, err := w.f.entry(ctx, name)
	if err != nil || e == nil || e.State.settled() {
		return err
	}
	if e.State != stateReleased {
		if ownerless, err := w.ownerless(ctx, e); err != nil || !ownerless {
			return err
		}
	}
	e.abandon()
	e.settle()
	_, _, err = w.f.put(ctx, name, e, rev) // if somebody else was faster, so be it
	return err
}

// expired reports whether no chunk of the job is left in the stream.
func (f *Fleet) expired(ctx context.Context, job string) (bool, error) {
	info, err := f.chunks.Info(ctx, jetstream.WithSubjectFilter(f.subject("chunks")+"."+job+".>"))
	if err != nil {
		return false, fmt.Errorf("fleet: look for chunks of job %s: %w", job, err)
	}
	return len(info.State.Subjects) == 0, nil
}

func (f *Fleet) purgePayload(ctx context.Context, job string) error {
	if err := f.chunks.Purge(ctx, jetstream.WithPurgeSubject(f.subject("chunks")+"."+job+".>")); err != nil {
		return fmt.Errorf("fleet: purge the payload of job %s: %w", job, err)
	}
	return nil
}

// purgeEntry removes what a worker has written of a chunk whose job was purged.
func (f *Fleet) purgeEntry(ctx context.Context, name string) error {
	if err := f.ledger.Delete(ctx, name); err != nil {
		return fmt.Errorf("fleet: remove chunk %s from the ledger: %w", name, err)
	}
	return nil
}

// Wait returns when the job is finished: every record has its outcome. It costs
// the server next to nothing; the job need not have been fed yet.
func (f *Fleet) Wait(ctx context.Context, job string) error {
	if !goodName.MatchString(job) {
		return invalid("%q is no name of a job", job)
	}
	watch, err := f.jobs.Watch(ctx, job, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("fleet: wait for job %s: %w", job, err)
	}
	defer func() { _ = watch.Stop() }()
	for {
		select {
		case kept, ok := <-watch.Updates():
			if !ok {
				return fmt.Errorf("fleet: wait for job %s: the watch ended early", job)
			}
			var record jobRecord
			switch {
			case kept == nil || json.Unmarshal(kept.Value(), &record) != nil:
			case record.Purged:
				return fmt.Errorf("fleet: wait for job %s: %w", job, ErrPurged)
			case record.Finished != nil:
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("fleet: wait for job %s: %w", job, ctx.Err())
		}
	}
}

// Purge removes everything that is kept of a job: payload, outcomes, rejected
// and unknown records. Only its name and its totals stay, so that it cannot be
// fed again by mistake (ErrPurged). A job that is not finished is refused unless force is
// set; its chunks that were not sent are then never sent.
func (f *Fleet) Purge(ctx context.Context, job string, force bool) error {
	status, err := f.JobStatus(ctx, job)
	if err != nil {
		return err
	}
	if status.Finished == nil && !force {
		return invalid("job %s is not finished", job)
	}
	err = f.changeJob(ctx, job, func(record *jobRecord) bool {
		record.Complete, record.Purged = true, true
		if record.Finished == nil {
			record.Finished, record.Totals = new(time.Now().UTC()), &status.Totals
		}
		return true
	})
	if err != nil {
		return err
	}
	ledger, err := f.js.Stream(ctx, "KV_"+f.bucket("ledger"))
	if err != nil {
		return fmt.Errorf("fleet: purge job %s: %w", job, err)
	}
	for subject, stream := range map[string]jetstream.Stream{
		f.subject("chunks"): f.chunks, f.subject("rejected"): f.rejected, f.subject("unknown"): f.unknown, "$KV." + f.bucket("ledger"): ledger,
	} {
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject+"."+job+".>")); err != nil {
			return fmt.Errorf("fleet: purge job %s: %w", job, err)
		}
	}
	return nil
}

// Result is the outcome of one record.
type Result struct {
	Index   int64  // place in the source, from 0; -1 for a chunk that expired unsent
	Key     string // the caller's own key
	Group   string // contact type; empty for orders
	Outcome antcrm.Outcome
	// Pending says that the outcome may still change: the record waits to be
	// sent (OutcomeNotSent), or is being sent (OutcomeUnknown).
	Pending bool
	Ref     antcrm.ID // lead id, customer id or order number
	Error   string
}

// readAhead is how many entries of the ledger are asked for at a time.
const readAhead = 16

// Results gives the outcome of each record that was queued, chunk by chunk, in
// constant memory. Leads and customers of a mixed source come in the order of
// their chunks.
func (f *Fleet) Results(ctx context.Context, job string) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		record, _, err := f.job(ctx, job)
		if err == nil && record.Purged {
			err = fmt.Errorf("fleet: results of job %s: %w", job, ErrPurged)
		}
		if err != nil {
			yield(Result{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		type reply struct {
			results []Result
			err     error
		}
		ahead := make([]chan reply, readAhead)
		ask := func(position int64) {
			if record.Complete && position >= record.Published {
				return
			}
			to := make(chan reply, 1)
			ahead[position%readAhead] = to
			go func() {
				results, err := f.chunkResults(ctx, job, record, position)
				to <- reply{results, err}
			}()
		}
		for position := range int64(readAhead) {
			ask(position)
		}
		// The job's record lags behind what is queued while the job is fed.
		for position := int64(0); !record.Complete || position < record.Published; position++ {
			r := <-ahead[position%readAhead]
			if r.err == nil && r.results == nil {
				return
			}
			ask(position + readAhead)
			if r.err != nil {
				yield(Result{}, r.err)
				return
			}
			for _, result := range r.results {
				if !yield(result, nil) {
					return
				}
			}
		}
	}
}

// Notes gives the records of a job that were not confirmed, as they were fed:
// those that were rejected or given up, then the unknown ones. They stay until
// PayloadAge or Purge.
func (f *Fleet) Notes(ctx context.Context, job string) iter.Seq2[Note, error] {
	return func(yield func(Note, error) bool) {
		if _, _, err := f.job(ctx, job); err != nil {
			yield(Note{}, err)
			return
		}
		if f.notesOf(ctx, f.rejected, f.subject("rejected")+"."+job+".>", yield) {
			f.notesOf(ctx, f.unknown, f.subject("unknown")+"."+job+".>", yield)
		}
	}
}

// notesOf reads what a stream holds under a subject; false if that is all that
// is wanted. It asks for one after the other: a consumer would wait for those
// that expire while it reads.
func (f *Fleet) notesOf(ctx context.Context, stream jetstream.Stream, subject string, yield func(Note, error) bool) bool {
	fail := func(err error) bool {
		yield(Note{}, fmt.Errorf("fleet: read the records that were not confirmed: %w", err))
		return false
	}
	for next := uint64(1); ; {
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return true
		}
		var note Note
		if err == nil {
			err = json.Unmarshal(msg.Data, &note)
		}
		if err != nil {
			return fail(err)
		}
		if !yield(note, nil) {
			return false
		}
		next = msg.Sequence + 1
	}
}

// chunkResults gives the outcomes of a chunk; nil if nobody has queued it.
func (f *Fleet) chunkResults(ctx context.Context, job string, record *jobRecord, position int64) ([]Result, error) {
	name := chunkName(job, position)
	e, _, err := f.entry(ctx, name)
	if err != nil {
		return nil, err
	}
	if e == nil {
		if e, err = f.waiting(ctx, name); err != nil {
			return nil, err
		}
	}
	if e == nil && position >= record.Published {
		return nil, nil
	}
	if e == nil && !f.outcomesKept(record) {
		return nil, fmt.Errorf("fleet: job %s: the outcomes of chunk %d are not kept any longer (LedgerAge is %s); its records may have been sent", job, position, f.cfg.LedgerAge)
	}
	if e == nil {
		return []Result{{Index: -1, Outcome: antcrm.OutcomeNotSent, Error: fmt.Sprintf("chunk %d has expired before it was sent", position)}}, nil
	}
	results := make([]Result, 0, len(e.Keys))
	for i, key := range e.Keys {
		r := Result{Index: indexOf(e.First, e.Indexes, i), Key: key, Group: e.Group, Outcome: outcomeOf(e.Outcomes[i]), Error: e.errorOf(i)}
		if e.Refs != nil {
			r.Ref = antcrm.ID(e.Refs[i])
		}
		switch {
		case r.Outcome == antcrm.OutcomeDone:
			r.Error = "" // of an earlier attempt
		case e.State == stateBegun && r.Outcome == antcrm.OutcomeNotSent:
			r.Outcome, r.Pending = antcrm.OutcomeUnknown, true
		case e.State == stateAsking, e.State == stateReleased && r.Outcome == antcrm.OutcomeNotSent:
			r.Pending = true
		}
		results = append(results, r)
	}
	return results, nil
}

// waiting is the entry of a chunk that nobody has begun; nil if it is gone.
func (f *Fleet) waiting(ctx context.Context, name string) (*entry, error) {
	msg, err := f.chunks.GetLastMsgForSubject(ctx, f.subject("chunks")+"."+name)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	var c chunk
	if err == nil {
		err = json.Unmarshal(msg.Data, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: read chunk %s: %w", name, err)
	}
	e := newEntry(&c, digest(msg.Data))
	e.State = stateReleased
	return e, nil
}
