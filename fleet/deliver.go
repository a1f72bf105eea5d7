package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antbuddy/antcrm-go"
)

// delivery is one delivery of a chunk to a worker.
type delivery struct {
	*worker
	name   string
	msg    jetstream.Msg
	number uint64 // 1 for the first

	chunk  *chunk
	digest string
	looked bool // into the ledger
	gone   bool // the job was purged
	entry  *entry
	rev    uint64
}

// step is what follows from the ledger.
type step int

const (
	stepSend    step = iota // begin it, and send what is open
	stepGiveUp              // it was tried often enough
	stepFinish              // all is known: tell, acknowledge
	stepWait                // somebody else has it
	stepResolve             // some outcomes are unknown, and nobody is looking after them
	stepForeign             // another content under this name: the source has changed
)

// nextStep is the rule against doubles, a function of its arguments alone.
func nextStep(e *entry, hash string, deliveries uint64, maxAttempts int, ownerDead bool) step {
	switch {
	case e == nil && deliveries > uint64(4*maxAttempts): // it ends workers before they can say so
		return stepGiveUp
	case e == nil:
		return stepSend
	case e.Digest != hash:
		return stepForeign
	case e.State.settled():
		return stepFinish
	case e.State == stateReleased && e.Attempts >= maxAttempts:
		return stepGiveUp
	case e.State == stateReleased:
		return stepSend
	case !ownerDead:
		return stepWait
	}
	return stepResolve
}

// settle brings the chunk as far as it can. A wait says when the chunk should
// come again; 0 that it need not. After an error it should come again.
func (d *delivery) settle(ctx context.Context) (wait time.Duration, err error) {
	payload := d.msg.Data()
	d.digest = digest(payload)
	if err := d.decode(payload); err != nil {
		d.f.cfg.Logger.Error("fleet: chunk cannot be read and is dropped", "chunk", d.name, "error", err)
		return 0, nil
	}
	// What is delivered for the first time is seldom in the ledger, and the
	// first write finds out.
	for next := stepSend; ; {
		if d.number > 1 || d.looked {
			if next, err = d.look(ctx); err != nil {
				return 0, err
			}
		}
		d.looked = true
		switch next {
		case stepSend:
			wait, err = d.send(ctx)
		case stepGiveUp:
			err = d.giveUp(ctx)
		case stepResolve:
			err = d.resolve(ctx)
		case stepFinish:
			if told, err := d.tell(ctx); err != nil || told {
				return 0, err
			}
		case stepWait:
			return d.f.cfg.DeadAfter / 4, nil
		case stepForeign:
			d.cfg.Metrics.foreign.Inc()
			d.f.cfg.Logger.Error("fleet: chunk is not the one that was sent under this name; it is dropped", "chunk", d.name)
			return 0, nil
		}
		if err != nil || wait > 0 || d.gone {
			return wait, err
		}
	}
}

func (d *delivery) decode(payload []byte) error {
	var c chunk
	if err := json.Unmarshal(payload, &c); err != nil {
		return err
	}
	if c.name() != d.name || len(c.Records) == 0 || len(c.Records) > antcrm.MaxBatchSize || len(c.Keys) != len(c.Records) ||
		c.Indexes != nil && len(c.Indexes) != len(c.Records) || c.Kind != Contacts && c.Kind != Opportunities {
		return errors.New("its fields do not fit together")
	}
	d.chunk = &c
	return nil
}

// look reads the ledger and says what is to be done.
func (d *delivery) look(ctx context.Context) (next step, err error) {
	if d.entry, d.rev, err = d.f.entry(ctx, d.name); err != nil {
		return 0, err
	}
	dead, err := d.ownerless(ctx, d.entry)
	if err != nil {
		return 0, err
	}
	return nextStep(d.entry, d.digest, d.number, d.cfg.MaxAttempts, dead), nil
}

// ownerless reports whether nobody looks after what is begun, of a chunk that
// this worker has just claimed.
func (w *worker) ownerless(ctx context.Context, e *entry) (bool, error) {
	if e == nil || e.State != stateBegun && e.State != stateAsking {
		return false, nil
	}
	// What this worker owns and did not hold any longer it has dropped: the
	// ledger could not be reached until it had to stop.
	if e.Owner == w.id || e.Owner == "" {
		return true, nil
	}
	return w.observer.dead(ctx, e.Owner)
}

// write puts e into the ledger; false if somebody else was faster, and then
// the ledger has to be looked at again.
func (d *delivery) write(ctx context.Context, e *entry) (bool, error) {
	rev, won, err := d.f.put(ctx, d.name, e, d.rev)
	if err != nil {
		return false, err
	}
	if !won {
		d.cfg.Metrics.conflicts.Inc()
		return false, nil
	}
	d.entry, d.rev = e, rev
	if e.State.settled() {
		d.count()
	}
	return true, nil
}

// count adds a chunk that has just been settled to the worker's totals.
func (d *delivery) count() {
	totals := d.entry.totals()
	d.account(totals)
	d.cfg.Metrics.settled(d.chunk.Kind, totals)
}

// send begins the chunk, sends what is open and writes down what came of it.
// A wait says that it was refused, and when to try again.
func (d *delivery) send(ctx context.Context) (time.Duration, error) {
	sending, end, err := d.pulse.sending(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	e := d.entry
	if e == nil {
		e = newEntry(d.chunk, d.digest)
	}
	e.State, e.Owner, e.Begin = stateBegun, d.id, ""
	e.Attempts++
	if begun, err := d.write(sending, e); err != nil || !begun {
		return 0, err
	}

	if gone, err := d.purged(sending); err != nil || gone {
		return 0, err
	}

	open := e.open()
	spanCtx, span := startSpan(sending, d, len(open))
	began := time.Now()
	answers := d.post(spanCtx, open)
	d.cfg.Metrics.seconds.Observe(time.Since(began).Seconds())

	lost, refused := e.apply(open, answers)
	span.end(lost, refused)
	stop := refused != nil && fatal(refused.err)
	if stop {
		e.Attempts-- // no chunk is given up for a wrong key
	}
	if lost && d.cfg.Resolver != nil {
		e.State = stateAsking
	} else {
		e.conclude(d.cfg.MaxAttempts)
	}
	if err := d.record(ctx, e); err != nil {
		return 0, err
	}
	if stop {
		return 0, refused.err
	}
	if refused == nil || d.entry.State != stateReleased {
		return 0, nil
	}
	return max(backoff(e.Attempts), refused.retryAfter()), nil
}

// purged reports whether the job was purged; then a chunk that was pulled
// before must not be sent, and its entry goes. It is asked when "begun" is in
// the ledger: a purge first marks the job and then empties the ledger, so that
// whoever finds no entry where another worker's was finds the mark.
func (d *delivery) purged(ctx context.Context) (bool, error) {
	record, _, err := d.f.job(ctx, d.chunk.Job)
	if err == nil && !record.Purged {
		return false, nil
	}
	if err == nil {
		d.gone = true
		return true, d.f.purgeEntry(ctx, d.name)
	}
	// Nothing has left: the chunk can be begun again.
	e := d.entry
	e.Attempts--
	e.State = stateReleased
	late, cancel := lateContext(ctx, recordGrace)
	defer cancel()
	_, failure := d.write(late, e)
	return false, errors.Join(err, failure)
}

// apply notes the answers about records. It says whether outcomes are unknown,
// and returns a refusal that was no record's fault.
func (e *entry) apply(open []int, answers []answer) (lost bool, refused *answer) {
	for at, i := range open {
		a := answers[at]
		switch a.letter {
		case letterUnknown:
			lost = true
		case letterNotSent:
			refused = &answers[at]
		}
		e.set(i, a.letter, a.ref, a.text())
	}
	return lost, refused
}

// conclude gives the entry the state that its outcomes make.
func (e *entry) conclude(maxAttempts int) {
	if len(e.open()) > 0 && e.Attempts < maxAttempts {
		e.State = stateReleased
		return
	}
	e.settle()
}

// recordGrace is how long an outcome is still tried to be written down when
// the worker has to end.
const recordGrace = 5 * time.Second

// record writes the outcome of what was sent. Nobody else knows it: it insists.
// Should others have taken this worker for dead meanwhile, what it knows is
// better than their "unknown", unless they have sent the chunk again.
func (d *delivery) record(ctx context.Context, e *entry) error {
	ctx, cancel := lateContext(ctx, recordGrace)
	defer cancel()
	begin, overruled := e.Begin, false
	for {
		written, err := d.write(ctx, e)
		if err != nil {
			return err
		}
		if written && overruled {
			return d.retract(ctx)
		}
		if written {
			return nil
		}
		there, rev, err := d.f.entry(ctx, d.name)
		if err != nil {
			return err
		}
		if there == nil {
			return nil // the job was purged
		}
		if there.Begin != begin {
			d.cfg.Metrics.overtaken.Inc()
			d.f.cfg.Logger.Error("fleet: chunk was sent again while its first sender was still at it", "chunk", d.name)
			return nil
		}
		d.rev, overruled = rev, true
	}
}

// retract takes back what others have told of the chunk. They look into the
// ledger once more after telling (note): what comes later takes itself back.
func (d *delivery) retract(ctx context.Context) error {
	for kind, stream := range map[string]jetstream.Stream{"unknown": d.f.unknown, "rejected": d.f.rejected} {
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(d.f.subject(kind)+"."+d.name)); err != nil {
			return fmt.Errorf("fleet: take back what was told of chunk %s: %w", d.name, err)
		}
	}
	return nil
}

// lateContext ends some time after its parent.
func lateContext(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		_ = sleep(ctx, grace)
		cancel()
	})
	return ctx, func() { stop(); cancel() }
}

// giveUp settles a chunk that was refused too often: what is open was not sent.
func (d *delivery) giveUp(ctx context.Context) error {
	e := d.entry
	if e == nil {
		e = newEntry(d.chunk, d.digest)
		for i := range e.Keys {
			e.set(i, letterNotSent, "", "delivered too often without a worker that lived to begin it")
		}
	}
	e.settle()
	_, err := d.write(ctx, e)
	return err
}

// maxResolves is how often a resolver may fail at a chunk.
const maxResolves = 5

// resolve finds out about records that may have been carried out: the resolver
// says, or they stay unknown.
func (d *delivery) resolve(ctx context.Context) error {
	e := d.entry
	e.abandon()
	if d.cfg.Resolver == nil || e.Resolves >= maxResolves {
		e.conclude(d.cfg.MaxAttempts)
		_, err := d.write(ctx, e)
		return err
	}
	e.State, e.Owner = stateAsking, d.id
	e.Resolves++
	if won, err := d.write(ctx, e); err != nil || !won {
		return err
	}
	failure := d.ask(ctx)
	if failure != nil {
		e.Owner = "" // whoever gets the chunk next asks again
	} else {
		e.conclude(d.cfg.MaxAttempts)
	}
	late, cancel := lateContext(ctx, recordGrace)
	defer cancel()
	if _, err := d.write(late, e); err != nil {
		return err
	}
	return failure
}

// ask calls the resolver.
func (d *delivery) ask(ctx context.Context) error {
	e := d.entry
	question := UnknownChunk{Job: d.chunk.Job, Kind: d.chunk.Kind, Group: d.chunk.Group, Begun: e.Begun}
	var places []int
	for i := range len(e.Outcomes) {
		if e.Outcomes[i] == letterUnknown {
			places = append(places, i)
			question.Records = append(question.Records, UnknownRecord{Index: d.chunk.index(i), Key: e.Keys[i], JSON: d.chunk.Records[i]})
		}
	}
	resolutions, err := d.cfg.Resolver(ctx, question)
	if err == nil && len(resolutions) != len(places) {
		err = invalid("%d resolutions for %d records", len(resolutions), len(places))
	}
	if err != nil {
		return fmt.Errorf("fleet: resolve chunk %s: %w", d.name, err)
	}
	for at, i := range places {
		r := resolutions[at]
		switch r.Outcome {
		case antcrm.OutcomeDone:
			e.set(i, letterDone, string(r.Ref), "")
		case antcrm.OutcomeNotSent:
			e.set(i, letterNotSent, "", "")
		case antcrm.OutcomeRejected:
			e.set(i, letterRejected, "", "the resolver gave it up")
		case antcrm.OutcomeUnknown:
		}
	}
	return nil
}

// Note is a message of the streams of rejected and of unknown records.
type Note struct {
	Job     string       `json:"job"`
	Chunk   int64        `json:"chunk"` // its position in the job
	Kind    Kind         `json:"kind"`
	Group   string       `json:"group,omitempty"`
	Records []NoteRecord `json:"records"`
}

// NoteRecord is a record that was not confirmed.
type NoteRecord struct {
	Index   int64           `json:"index"`
	Key     string          `json:"key,omitempty"`
	Outcome string          `json:"outcome"` // rejected, not sent, unknown
	Error   string          `json:"error,omitempty"`
	Record  json.RawMessage `json:"record"` // as it was fed: it can be corrected and fed again
}

// tell publishes what was not confirmed to the stream where it belongs, once,
// and notes that: until then the payload is kept. False says that the ledger
// has changed meanwhile.
func (d *delivery) tell(ctx context.Context) (bool, error) {
	if d.entry.told() {
		return true, nil
	}
	if err := d.note(ctx, d.f.rejected, "rejected", letterRejected, letterNotSent); err != nil {
		return false, err
	}
	if err := d.note(ctx, d.f.unknown, "unknown", letterUnknown); err != nil {
		return false, err
	}
	d.entry.Told = true
	_, noted, err := d.f.put(ctx, d.name, d.entry, d.rev)
	return noted, err
}

func (d *delivery) note(ctx context.Context, stream jetstream.Stream, kind string, letters ...byte) error {
	note := Note{Job: d.chunk.Job, Chunk: d.chunk.Position, Kind: d.chunk.Kind, Group: d.chunk.Group}
	for i := range len(d.entry.Outcomes) {
		if letter := d.entry.Outcomes[i]; slices.Contains(letters, letter) {
			note.Records = append(note.Records, NoteRecord{
				Index: d.chunk.index(i), Key: d.entry.Keys[i], Outcome: outcomeOf(letter).String(),
				Error: d.entry.errorOf(i), Record: d.chunk.Records[i],
			})
		}
	}
	if len(note.Records) == 0 {
		return nil
	}
	text, err := encode(note)
	if err != nil {
		return fmt.Errorf("fleet: encode the %s records of chunk %s: %w", kind, d.name, err)
	}
	msg := &nats.Msg{Subject: d.f.subject(kind) + "." + d.name, Data: text}
	told, err := d.f.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(0))
	if err != nil && conflict(err) {
		return nil // it has been told
	}
	if err == nil && d.entry.Owner != d.id {
		err = d.confirm(ctx, stream, told.Sequence)
	}
	if err != nil {
		return fmt.Errorf("fleet: publish the %s records of chunk %s: %w", kind, d.name, err)
	}
	return nil
}

// confirm takes a message back if its chunk's owner has corrected the ledger
// since it was read.
func (d *delivery) confirm(ctx context.Context, stream jetstream.Stream, sequence uint64) error {
	there, _, err := d.f.entry(ctx, d.name)
	if err != nil || there != nil && there.Outcomes == d.entry.Outcomes {
		return err
	}
	return stream.DeleteMsg(ctx, sequence)
}
