package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
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
	// Paused says that workers take no chunks until Resume.
	Paused bool `json:"paused,omitempty"`
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
	// InFlight is how many chunks are begun and not settled.
	InFlight int64 `json:"inFlight"`
	// Finished says that every chunk is settled and the payload is purged.
	Finished *time.Time `json:"finished,omitempty"`
	Purged   bool       `json:"purged,omitempty"`
}

// Status reads how the fleet stands. It waits while a cluster chooses a leader,
// half a minute at most.
func (f *Fleet) Status(ctx context.Context) (s *Status, err error) {
	err = f.untilDone(ctx, "read how the fleet stands", func(ctx context.Context) error {
		s, err = f.status(ctx)
		return err
	})
	return s, err
}

func (f *Fleet) status(ctx context.Context) (*Status, error) {
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
	if s.Workers, err = f.listWorkers(ctx); err != nil {
		return nil, fmt.Errorf("fleet: list the workers: %w", err)
	}
	for _, w := range s.Workers {
		if w.Alive {
			s.Alive++
			s.Rate += w.Rate
		}
	}
	if s.Paused, err = f.Paused(ctx); err != nil {
		return nil, err
	}
	if s.Lag, s.Busy, err = f.backlog(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// JobStatus reads how one job stands; ErrNoJob if nobody has fed it.
func (f *Fleet) JobStatus(ctx context.Context, name string) (s *JobStatus, err error) {
	err = f.untilDone(ctx, "read how job "+name+" stands", func(ctx context.Context) error {
		record, _, err := f.job(ctx, name)
		if err == nil {
			s, err = f.jobStatus(ctx, name, record)
		}
		return err
	})
	return s, err
}

// jobStatus adds up the running totals, and what the ledger has had since they
// were kept.
func (f *Fleet) jobStatus(ctx context.Context, name string, record *jobRecord) (*JobStatus, error) {
	s := &JobStatus{
		Job: name, Kind: record.Kind, Created: record.Created, Fed: record.Complete, Records: record.Records, Chunks: record.Published,
		Finished: record.Finished, Purged: record.Purged,
	}
	if record.Totals != nil {
		s.Settled, s.Totals = record.Published, *record.Totals
		return s, nil
	}
	t, err := f.loadTally(ctx, name)
	if err != nil {
		return nil, err
	}
	counted := t.counts()
	s.Settled, s.Totals = counted.settled, counted.totals
	s.InFlight = int64(len(counted.open)) - counted.refused
	s.Chunks = max(s.Chunks, s.Settled) // the job's record lags behind while it is fed
	return s, nil
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
	// A server that goes down meanwhile leaves the watch silent.
	silence := time.AfterFunc(requestTimeout, cancel)
	defer silence.Stop()
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
			silence.Reset(requestTimeout)
			if kept == nil {
				return nil
			}
			do(kept)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// backlog asks the server how many chunks wait.
func (f *Fleet) backlog(ctx context.Context) (waiting, busy int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
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

// Wait returns when the job is finished: every record has its outcome. It costs
// the server next to nothing; the job need not have been fed yet.
func (f *Fleet) Wait(ctx context.Context, job string) error {
	if !goodName.MatchString(job) {
		return invalid("%q is no name of a job", job)
	}
	for attempt := 0; ; attempt++ {
		finished, err := f.waitOnce(ctx, job)
		switch {
		case finished:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("fleet: wait for job %s: %w", job, ctx.Err())
		case err != nil && permanent(err):
			return fmt.Errorf("fleet: wait for job %s: %w", job, err)
		case err != nil:
			f.warnOnce(attempt, "wait for job "+job, err)
		}
		_ = sleep(ctx, retryWait(attempt))
	}
}

// rewatch is how long a watch is believed: one whose server has gone is silent.
const rewatch = 15 * time.Second

// waitOnce watches the job's record for a while.
func (f *Fleet) waitOnce(ctx context.Context, job string) (finished bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, rewatch)
	defer cancel()
	watch, err := f.jobs.Watch(ctx, job, jetstream.IgnoreDeletes())
	if err != nil {
		return false, err
	}
	defer func() { _ = watch.Stop() }()
	for {
		select {
		case kept, ok := <-watch.Updates():
			if !ok {
				return false, errors.New("the watch ended early")
			}
			var record jobRecord
			switch {
			case kept == nil || json.Unmarshal(kept.Value(), &record) != nil:
			case record.Purged:
				return false, ErrPurged
			case record.Finished != nil:
				return true, nil
			}
		case <-ctx.Done():
			return false, nil
		}
	}
}
