package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	looked bool // at the ledger
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
			wait, err = d.resolve(ctx)
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

// errStopping ends a delivery of which nothing was begun: the worker is to stop
// or to wait, and others should get the chunk at once.
var errStopping = errors.New("fleet: the worker takes no chunks any longer")

// send begins the chunk, sends what is open and writes down what came of it.
// A wait says that it was refused, and when to try again.
func (d *delivery) send(ctx context.Context) (time.Duration, error) {
	myTurn, err := d.waitForTurn()
	if err != nil {
		return 0, err
	}
	alive, end, err := d.pulse.sending(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	e := d.entry
	if e == nil {
		e = newEntry(d.chunk, d.digest)
	}
	if begun, err := d.begin(ctx, alive, e); err != nil || !begun {
		return 0, err
	}
	if gone, err := d.purged(ctx, alive); err != nil || gone {
		return 0, err
	}
	open := e.open()
	answers, overtaken := d.request(alive, myTurn, open)
	if overtaken {
		return 0, nil // the ledger says what has become of it
	}
	return d.writeDown(ctx, e, open, answers)
}

// writeDown brings the answers into the ledger. A wait says when the chunk should
// be tried again.
func (d *delivery) writeDown(ctx context.Context, e *entry, open []int, answers []answer) (time.Duration, error) {
	lost, refused := e.apply(open, answers)
	barred := refused != nil && fatal(refused.err)
	switch {
	case barred || refused != nil && refused.stopped:
		e.Attempts-- // no chunk is given up for a wrong key, or for a worker that was suspended
	case refused == nil && !lost:
		d.admitted()
	}
	if reached := mayHold(answers); reached || barred {
		d.trust(ctx, reached)
	}
	if lost && d.cfg.Resolver != nil {
		e.State = stateAsking
	} else {
		e.conclude(d.cfg.MaxAttempts)
	}
	if err := d.record(ctx, e); err != nil {
		return 0, err
	}
	if barred {
		return 0, refused.err
	}
	if refused == nil || d.entry.State != stateReleased {
		return 0, nil
	}
	return max(backoff(e.Attempts), refused.retryAfter()), nil
}

// waitForTurn waits for a turn under the shared limit before the chunk is begun:
// what a worker that dies was waiting with is then known not to have left.
func (d *delivery) waitForTurn() (turn, error) {
	limiter := d.f.limiter.Load()
	if limiter == nil {
		return turn{}, nil
	}
	began := time.Now()
	slot, err := limiter.wait(d.taking())
	if err != nil && d.taking().Err() != nil {
		return turn{}, errStopping
	}
	d.cfg.Metrics.limiterWait.Observe(time.Since(began).Seconds())
	return turn{limiter: limiter, slot: slot}, err
}

// begin writes "begun"; false if somebody else was faster. When it cannot be
// known whether it is written, it is taken back: nothing has left.
func (d *delivery) begin(ctx, alive context.Context, e *entry) (bool, error) {
	if d.taking().Err() != nil {
		return false, errStopping
	}
	e.State, e.Owner, e.Begin = stateBegun, d.id, ""
	e.Attempts++
	begun, err := d.write(alive, e)
	if err != nil {
		err = errors.Join(err, d.unbegin(ctx, e, e.Attempts-1))
	} else if !begun {
		// A cluster without a quorum may refuse this write for the sake of an earlier
		// attempt at it, and store that one when the quorum is back.
		d.rememberUnsent(d.name, e.Begin)
	}
	return begun, err
}

// unbegin makes "begun" of which nothing has left "released". Should the server
// not be reached, this worker remembers it: others leave the chunk to it.
func (d *delivery) unbegin(ctx context.Context, e *entry, attempts int) error {
	d.rememberUnsent(d.name, e.Begin)
	ctx, cancel := lateContext(ctx, recordGrace)
	defer cancel()
	begin := e.Begin
	e.State, e.Attempts = stateReleased, attempts
	for {
		written, err := d.write(ctx, e)
		if written {
			d.forgetUnsent(d.name)
		}
		if err != nil || written {
			return err
		}
		there, rev, err := d.f.entry(ctx, d.name)
		if err != nil || there == nil || there.Begin != begin || there.State != stateBegun {
			return err // somebody else has it
		}
		d.rev = rev
	}
}

// request sends the open records in requests that take a last look.
// Overtaken says that somebody else has taken the chunk before anything left.
func (d *delivery) request(alive context.Context, myTurn turn, open []int) (answers []answer, overtaken bool) {
	ctx, span := startSpan(alive, d, len(open))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e := d.entry
	r := &requests{pulse: d.pulse, metrics: d.cfg.Metrics, cancel: cancel, turn: myTurn, begun: time.Now()}
	r.renew = func(ctx context.Context) error {
		e.Begun = d.f.clock.now()
		renewed, err := d.write(ctx, e)
		if err == nil && !renewed {
			err = errTaken
		}
		return err
	}
	began := time.Now()
	answers = d.post(r.with(ctx), r, open)
	d.cfg.Metrics.seconds.Observe(time.Since(began).Seconds())
	span.end(answers)
	return answers, r.overtaken()
}

var errTaken = errors.New("fleet: somebody else has taken the chunk meanwhile")

// purged reports whether the job was purged; then a chunk that was pulled
// before must not be sent, and its entry goes. It is asked when "begun" is in
// the ledger: a purge first marks the job and then empties the ledger, so that
// whoever finds no entry where another worker's was finds the mark.
func (d *delivery) purged(ctx, alive context.Context) (bool, error) {
	record, _, err := d.f.job(alive, d.chunk.Job)
	if err == nil && !record.Purged {
		return false, nil
	}
	if err == nil {
		d.gone = true
		return true, d.f.purgeEntry(ctx, d.name)
	}
	return false, errors.Join(err, d.unbegin(ctx, d.entry, d.entry.Attempts-1))
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

// conclude brings the entry into the state that its outcomes make.
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
		switch {
		case err != nil:
			return err
		case written && overruled:
			return d.correct(ctx)
		case written:
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
		if there.State.settled() {
			// The job may be finished and the payload gone: nobody would send what is
			// put back. What was certainly not carried out is named as not sent.
			overruled = true
			e.settle()
			e.Told = false
		}
		d.rev = rev
	}
}

// correct replaces what others have told of a settled chunk, and only then
// removes theirs: the records always stand in one stream. They look into the
// ledger once more after telling (note): what comes later takes itself back.
func (d *delivery) correct(ctx context.Context) error {
	for kind, letters := range map[string]string{"rejected": notConfirmed, "unknown": string(letterUnknown)} {
		sequence, err := d.publishNote(ctx, kind, letters)
		if err != nil {
			return err
		}
		options := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(d.f.subject(kind) + "." + d.name)}
		if sequence > 0 {
			options = append(options, jetstream.WithPurgeSequence(sequence))
		}
		if err := d.f.notes(kind).Purge(ctx, options...); err != nil {
			return fmt.Errorf("fleet: take back what was told of chunk %s: %w", d.name, err)
		}
	}
	d.entry.Told = true
	if _, _, err := d.f.put(ctx, d.name, d.entry, d.rev); err != nil {
		return err
	}
	return d.f.recount(ctx, d.chunk.Job)
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
