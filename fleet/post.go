package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// answer is what came of one record.
type answer struct {
	letter  byte
	ref     string
	err     error
	stopped bool // by the worker itself, before anything left
}

func (a *answer) text() string {
	if a.err == nil {
		return ""
	}
	if bad, ok := errors.AsType[*antcrm.ValidationError](a.err); ok {
		return bad.Field + ": " + bad.Problem // its index counts in the request
	}
	return a.err.Error()
}

// retryAfter is the wait that the server asked for.
func (a *answer) retryAfter() time.Duration {
	if answered, ok := errors.AsType[*antcrm.APIError](a.err); ok {
		return answered.RetryAfter
	}
	return 0
}

// fatal is a refusal that every chunk would meet.
func fatal(err error) bool {
	return errors.Is(err, antcrm.ErrUnauthorized) || errors.Is(err, antcrm.ErrForbidden)
}

// post sends records of the chunk and returns an answer for each.
func (d *delivery) post(ctx context.Context, r *requests, places []int) []answer {
	records := make([]json.RawMessage, len(places))
	for at, i := range places {
		records[at] = d.chunk.Records[i]
	}
	if d.chunk.Kind == Opportunities {
		return post(ctx, r, records, d.cfg.Client.Opportunities.CreateBatch, func(number antcrm.ID) string { return string(number) })
	}
	return post(ctx, r, records, d.cfg.Client.Contacts.CreateBatch, func(ref antcrm.ContactRef) string {
		return string(ref.LeadID) + string(ref.CustomerID)
	})
}

// poster sends the records of one chunk, a request at a time, so that it is
// known of each request whether it left.
type poster[P, R any] struct {
	requests *requests
	create   func(context.Context, []P, ...antcrm.BatchOption) (*antcrm.BatchResult[R], error)
	ref      func(R) string
	params   []P // by place
	answers  []answer
}

func post[P, R any](ctx context.Context, r *requests, records []json.RawMessage, create func(context.Context, []P, ...antcrm.BatchOption) (*antcrm.BatchResult[R], error), ref func(R) string) []answer {
	p := poster[P, R]{requests: r, create: create, ref: ref, params: make([]P, len(records)), answers: make([]answer, len(records))}
	var places []int
	for i, record := range records {
		if err := json.Unmarshal(record, &p.params[i]); err != nil {
			p.answers[i] = answer{letter: letterRejected, err: err}
			continue
		}
		places = append(places, i)
	}
	p.send(ctx, places)
	return p.answers
}

// send makes one request of the records, and halves it when a bad record can
// be what it was refused for.
func (p *poster[P, R]) send(ctx context.Context, places []int) {
	if len(places) == 0 {
		return
	}
	params := make([]P, len(places))
	for at, i := range places {
		params[at] = p.params[i]
	}
	result, _ := p.create(ctx, params, antcrm.WithConcurrency(1))
	took, refused := p.requests.refusal()
	if took > 0 {
		p.requests.metrics.requestSeconds.Observe(took.Seconds())
	}
	if refused != nil {
		for _, i := range places {
			p.answers[i] = answer{letter: letterNotSent, err: refused, stopped: true}
		}
		return
	}
	for at, r := range result.Results {
		p.answers[places[at]] = answer{letter: letterDone, ref: p.ref(r)}
	}
	for _, failure := range result.Failures {
		p.requests.metrics.refused(failure.Err)
		for at := failure.First; at < failure.First+failure.Count; at++ {
			p.answers[places[at]] = answerOf(failure)
		}
	}
	p.again(ctx, places, result.Failures)
}

// again sends what was not sent because of an invalid record beside it, and
// the halves of a run that was rejected.
func (p *poster[P, R]) again(ctx context.Context, places []int, failures []antcrm.BatchFailure) {
	var valid []int
	invalid := false
	for _, failure := range failures {
		run := places[failure.First : failure.First+failure.Count]
		switch {
		case errors.Is(failure.Err, antcrm.ErrValidation):
			invalid = true
		case failure.Outcome == antcrm.OutcomeNotSent:
			valid = append(valid, run...)
		case failure.Outcome == antcrm.OutcomeRejected && antcrm.RecordFault(failure.Err) && failure.Count > 1:
			half := len(run) / 2
			p.send(ctx, run[:half])
			p.send(ctx, run[half:])
		}
	}
	if invalid {
		p.send(ctx, valid)
	}
}

// answerOf tells what may be a record's fault from what is not.
func answerOf(failure antcrm.BatchFailure) answer {
	a := answer{letter: letterUnknown, err: failure.Err}
	switch {
	case failure.Outcome == antcrm.OutcomeUnknown:
	case errors.Is(failure.Err, antcrm.ErrValidation), failure.Outcome == antcrm.OutcomeRejected && antcrm.RecordFault(failure.Err):
		a.letter = letterRejected
	default:
		a.letter = letterNotSent
	}
	return a
}
