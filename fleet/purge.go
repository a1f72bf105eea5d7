package fleet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrUnfinished is a Purge, without force, of a job that is not finished.
var ErrUnfinished = errors.New("the job is not finished: with force, what was not sent is never sent")

// Purge removes everything that is kept of a job: payload, outcomes, rejected
// and unknown records. Only its name and its totals stay, so that it cannot be
// fed again by mistake (ErrPurged). A job that is not finished is refused
// (ErrUnfinished) unless force is set; its chunks that were not sent are then never sent, and count as not sent.
// Records that are being sent in that moment count as unknown: JobStatus says how many.
func (f *Fleet) Purge(ctx context.Context, job string, force bool) error {
	status, err := f.JobStatus(ctx, job)
	if err != nil {
		return err
	}
	if status.Finished == nil && !force {
		return fmt.Errorf("fleet: purge job %s: %w", job, ErrUnfinished)
	}
	// The mark comes first: from here on no chunk of the job is begun, or its worker
	// finds the mark and sends nothing (delivery.purged). Then who is under way is counted.
	finished := false
	err = f.ask(ctx, "mark job "+job+" as purged", func(ctx context.Context) error {
		return f.changeJob(ctx, job, func(record *jobRecord) bool {
			finished = record.Totals != nil
			record.Complete, record.Purged = true, true
			if record.Finished == nil {
				record.Finished = new(time.Now().UTC())
			}
			return true
		})
	})
	if err == nil && !finished {
		err = f.untilDone(ctx, "count what is left of job "+job, func(ctx context.Context) error { return f.countPurged(ctx, job) })
	}
	if err != nil {
		return err
	}
	for subject, stream := range map[string]jetstream.Stream{
		f.subject("chunks"): f.chunks, f.subject("rejected"): f.rejected, f.subject("unknown"): f.unknown,
		"$KV." + f.bucket("ledger"): f.ledgerStream, "$KV." + f.bucket("progress"): f.progressStream,
	} {
		err := f.ask(ctx, "purge job "+job, func(ctx context.Context) error {
			return stream.Purge(ctx, jetstream.WithPurgeSubject(subject+"."+job+".>"))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// countPurged writes down the totals of a job that was purged before its end.
func (f *Fleet) countPurged(ctx context.Context, job string) error {
	t, err := f.loadTally(ctx, job)
	if err != nil {
		return err
	}
	counted := t.counts()
	totals := counted.totals
	totals.add(counted.waiting)
	// What has no outcome yet of a chunk under way is the records that are being sent.
	totals.add(Totals{
		Done: counted.flight.Done, Rejected: counted.flight.Rejected, Unknown: counted.flight.Unknown + counted.flight.NotSent,
	})
	prefix := f.subject("chunks") + "." + job + "."
	_, err = eachHeader(ctx, f.chunks, prefix+">", 1, func(msg jetstream.Msg) error {
		position, err := strconv.ParseInt(strings.TrimPrefix(msg.Subject(), prefix), 10, 64)
		if err != nil || mark(t.at(position)[0]) != markNone {
			return nil //nolint:nilerr // not a chunk of this program, or one that is counted
		}
		n, err := strconv.ParseInt(msg.Headers().Get(headerRecords), 10, 64)
		if err == nil {
			totals.NotSent += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fleet: count the chunks of job %s that were not sent: %w", job, err)
	}
	return f.changeJob(ctx, job, func(record *jobRecord) bool {
		if record.Totals != nil {
			return false
		}
		record.Totals = &totals
		return true
	})
}
