package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antbuddy/antcrm-go"
)

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

// Results yields the outcome of each record that was queued, chunk by chunk, in
// constant memory. It waits while a cluster chooses a leader, half a minute at
// most each time. Leads and customers of a mixed source come in the order of
// their chunks.
func (f *Fleet) Results(ctx context.Context, job string) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		record, err := f.readJob(ctx, job)
		if err == nil && record.Purged {
			err = fmt.Errorf("fleet: results of job %s: %w", job, ErrPurged)
		}
		if err != nil {
			yield(Result{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r := resultReader{f: f, ctx: ctx, job: job, record: record}
		for position := range int64(readAhead) {
			r.ask(position)
		}
		// The job's record lags behind what is queued while the job is fed.
		for position := int64(0); !record.Complete || position < record.Published; position++ {
			results, err := r.next(position)
			if err != nil {
				yield(Result{}, err)
				return
			}
			if results == nil {
				return
			}
			for _, result := range results {
				if !yield(result, nil) {
					return
				}
			}
		}
	}
}

// resultReader asks for the entries of some chunks at a time.
type resultReader struct {
	f      *Fleet
	ctx    context.Context //nolint:containedctx // of one iteration
	job    string
	record *jobRecord
	ahead  [readAhead]chan chunkReply
}

// chunkReply is what became of a chunk's records.
type chunkReply struct {
	results []Result
	err     error
}

// ask asks for a chunk, if the job has one there.
func (r *resultReader) ask(position int64) {
	if r.record.Complete && position >= r.record.Published {
		return
	}
	to := make(chan chunkReply, 1)
	r.ahead[position%readAhead] = to
	go func() {
		var reply chunkReply
		reply.err = r.f.ask(r.ctx, "read the results of chunk "+chunkName(r.job, position), func(ctx context.Context) (err error) {
			reply.results, err = r.f.chunkResults(ctx, r.job, r.record, position)
			return err
		})
		to <- reply
	}()
}

// next returns what was asked for, and asks for the chunk that takes its place.
func (r *resultReader) next(position int64) ([]Result, error) {
	reply := <-r.ahead[position%readAhead]
	if reply.err == nil && reply.results != nil {
		r.ask(position + readAhead)
	}
	return reply.results, reply.err
}

// readJob is job for callers that are not tried again.
func (f *Fleet) readJob(ctx context.Context, name string) (record *jobRecord, err error) {
	err = f.ask(ctx, "read job "+name, func(ctx context.Context) error {
		record, _, err = f.job(ctx, name)
		return err
	})
	return record, err
}

// Notes yields the records of a job that were not confirmed, as they were fed:
// those that were rejected or given up, then the unknown ones. They stay until
// PayloadAge or Purge.
func (f *Fleet) Notes(ctx context.Context, job string) iter.Seq2[Note, error] {
	return func(yield func(Note, error) bool) {
		if _, err := f.readJob(ctx, job); err != nil {
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
		var msg *jetstream.RawStreamMsg
		err := f.ask(ctx, "read the records that were not confirmed", func(ctx context.Context) (err error) {
			msg, err = stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
			return err
		})
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

// errBehind is an answer that contradicts what is known: a server that lags
// behind, or has just come back, gave it.
var errBehind = errors.New("the ledger calls a chunk of a finished job unsettled: the server that answers lags behind")

// errForgotten is an outcome that is older than LedgerAge.
var errForgotten = errors.New("outcomes that are not kept any longer")

// chunkResults returns the outcomes of a chunk; nil if nobody has queued it.
func (f *Fleet) chunkResults(ctx context.Context, job string, record *jobRecord, position int64) ([]Result, error) {
	name := chunkName(job, position)
	e, _, err := f.entry(ctx, name)
	if err != nil {
		return nil, err
	}
	if e != nil && record.Finished != nil && !e.State.settled() {
		return nil, errBehind
	}
	if e == nil && record.Finished == nil {
		if e, err = f.waiting(ctx, name); err != nil {
			return nil, err
		}
	}
	if e == nil && position >= record.Published {
		return nil, nil
	}
	if e == nil && !f.outcomesKept(record) {
		return nil, fmt.Errorf("%w: those of chunk %d of job %s (LedgerAge is %s); its records may have been sent", errForgotten, position, job, f.cfg.LedgerAge)
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
	if isMissing(err) {
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

// isMissing reports whether there is no such message.
func isMissing(err error) bool { return errors.Is(err, jetstream.ErrMsgNotFound) }
