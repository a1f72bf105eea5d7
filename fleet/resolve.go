package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/antbuddy/antcrm-go"
)

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
// says, or they stay unknown. A wait says that it is too early to know.
func (d *delivery) resolve(ctx context.Context) (time.Duration, error) {
	e := d.entry
	if e.State == stateBegun && d.isUnsent(d.name, e.Begin) {
		e.State = stateReleased
		e.Attempts--
		written, err := d.write(ctx, e)
		if written {
			d.forgetUnsent(d.name)
		}
		return 0, err
	}
	e.abandon()
	if d.cfg.Resolver == nil || e.Resolves >= maxResolves {
		e.conclude(d.cfg.MaxAttempts)
		_, err := d.write(ctx, e)
		return 0, err
	}
	e.State, e.Owner = stateAsking, d.id
	e.Resolves++
	if won, err := d.write(ctx, e); err != nil || !won {
		return 0, err
	}
	early, failure := d.ask(ctx)
	switch {
	case failure != nil:
		e.Owner = "" // whoever gets the chunk next asks again
	case early > 0:
		e.Owner = ""
		e.Resolves--
	default:
		e.conclude(d.cfg.MaxAttempts)
	}
	late, cancel := lateContext(ctx, recordGrace)
	defer cancel()
	if _, err := d.write(late, e); err != nil {
		return 0, err
	}
	return early, failure
}

// ask calls the resolver. Early is how long it takes until the resolver can be
// believed that a record was not sent: a request that was lost may still be
// under way, and the record appears a moment after the look.
func (d *delivery) ask(ctx context.Context) (early time.Duration, err error) {
	e := d.entry
	wait := d.cfg.Settle - d.f.clock.now().Sub(e.Begun) // before the question, not after the answer
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
		return 0, fmt.Errorf("fleet: resolve chunk %s: %w", d.name, err)
	}
	for at, i := range places {
		r := resolutions[at]
		switch r.Outcome {
		case antcrm.OutcomeDone:
			e.set(i, letterDone, string(r.Ref), "")
		case antcrm.OutcomeNotSent:
			if early = max(early, wait); wait <= 0 {
				e.set(i, letterNotSent, "", "")
			}
		case antcrm.OutcomeRejected:
			e.set(i, letterRejected, "", "the resolver gave it up")
		case antcrm.OutcomeUnknown:
		}
	}
	return early, nil
}
