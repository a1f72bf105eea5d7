package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// lookForEnd wakes the tidier: the stream has no more chunks to deliver.
func (w *worker) lookForEnd() {
	select {
	case w.tidy <- struct{}{}:
	default:
	}
}

const (
	tidyEvery = 2 * time.Second
	// countEvery is how often unfinished jobs are counted while chunks wait: status
	// reads on from there.
	countEvery = 10 * time.Second
)

// tidyUp counts and finishes jobs: when nothing waits any longer, and now and
// then while something does.
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
		if err == nil {
			w.cfg.Metrics.lag.Set(float64(waiting))
			w.cfg.Metrics.busy.Set(float64(busy))
		}
		if err != nil || waiting+busy > 0 && time.Since(last) < countEvery {
			continue
		}
		last = time.Now()
		w.countWorkers(ctx)
		all, left, err := w.finishJobs(ctx)
		if err != nil && ctx.Err() == nil {
			w.f.cfg.Logger.Warn("fleet: finish jobs", "error", err)
		}
		if err == nil && all > 0 && left == 0 && w.cfg.UntilDone {
			w.stop(errAllDone)
		}
	}
}

// countWorkers brings the metrics of the whole fleet up to date.
func (w *worker) countWorkers(ctx context.Context) {
	workers, err := w.f.listWorkers(ctx)
	if err != nil {
		return
	}
	alive, busy := 0, 0
	for _, other := range workers {
		if other.Alive {
			alive++
			if other.InFlight > 0 {
				busy++
			}
		}
	}
	w.cfg.Metrics.workers.WithLabelValues("alive").Set(float64(alive))
	w.cfg.Metrics.workers.WithLabelValues("busy").Set(float64(busy))
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
	if record.Finished != nil {
		return true, nil
	}
	t, err := f.loadTally(ctx, name)
	if err != nil {
		return false, err
	}
	if t.news > 0 {
		_ = t.save(ctx) // somebody else may have saved more
	}
	if !record.Complete {
		return false, nil
	}
	counted := t.counts()
	if counted.settled < record.Published || counted.untold > 0 {
		expired, err := f.expired(ctx, name)
		if err != nil || !expired {
			return false, err
		}
		if len(counted.open) > 0 {
			return false, w.closeExpired(ctx, name, counted.open) // and count again
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
		record.Finished, record.Totals = new(time.Now().UTC()), new(f.jobTotals(record, counted))
		return true
	})
	if err != nil {
		return false, err
	}
	// Whoever has corrected an outcome since it was counted may have found the job
	// unfinished and left it alone.
	return true, f.recount(ctx, name)
}

// jobTotals are the totals of a job of which nothing is left in the stream.
func (f *Fleet) jobTotals(record *jobRecord, counted counts) Totals {
	totals := counted.totals
	missing := max(0, record.Records-totals.All())
	if f.outcomesKept(record) {
		totals.NotSent += missing
	} else {
		totals.Unknown += missing
	}
	return totals
}

// recount brings the totals of a finished job up to date after a correction.
func (f *Fleet) recount(ctx context.Context, name string) error {
	for {
		record, revision, err := f.job(ctx, name)
		if err != nil {
			return err
		}
		if record.Finished == nil || record.Purged {
			return nil
		}
		t, err := f.loadTally(ctx, name) // after the record: who is slower counts again
		if err != nil {
			return err
		}
		if t.news > 0 {
			_ = t.save(ctx)
		}
		totals := f.jobTotals(record, t.counts())
		if record.Totals != nil && *record.Totals == totals {
			return nil
		}
		record.Totals = &totals
		if written, err := f.writeJob(ctx, name, record, revision); err != nil || written {
			return err
		}
	}
}

// outcomesKept reports whether the ledger has still all that was ever written
// of the job: only then is a chunk that is missing there one that was never sent.
func (f *Fleet) outcomesKept(record *jobRecord) bool {
	return time.Since(record.Created) < f.cfg.LedgerAge
}

// closeExpired settles chunks that were begun or refused and whose payload has
// expired since: they are delivered to nobody again.
func (w *worker) closeExpired(ctx context.Context, job string, positions []int64) error {
	for _, position := range positions {
		name := chunkName(job, position)
		if !w.claim(name) {
			continue // this worker is at it
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
	e.Told = true                          // there is no payload that could be told
	_, _, err = w.f.put(ctx, name, e, rev) // if somebody else was faster, so be it
	return err
}

// expired reports whether no chunk of the job is left in the stream.
func (f *Fleet) expired(ctx context.Context, job string) (bool, error) {
	// Not by listing subjects: a job of ten million records has a hundred thousand.
	_, err := f.chunks.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(f.subject("chunks")+"."+job+".>"))
	if isMissing(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("fleet: look for chunks of job %s: %w", job, err)
	}
	return false, nil
}

func (f *Fleet) purgePayload(ctx context.Context, job string) error {
	if err := f.chunks.Purge(ctx, jetstream.WithPurgeSubject(f.subject("chunks")+"."+job+".>")); err != nil {
		return fmt.Errorf("fleet: purge the payload of job %s: %w", job, err)
	}
	return nil
}

// purgeEntry removes what a worker has written of a chunk whose job was purged.
func (f *Fleet) purgeEntry(ctx context.Context, name string) error {
	if err := f.ledgerStream.Purge(ctx, jetstream.WithPurgeSubject("$KV."+f.bucket("ledger")+"."+name)); err != nil {
		return fmt.Errorf("fleet: remove chunk %s from the ledger: %w", name, err)
	}
	return nil
}
