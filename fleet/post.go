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
	letter byte
	ref    string
	err    error
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
func (d *delivery) post(ctx context.Context, places []int) []answer {
	records := make([]json.RawMessage, len(places))
	for at, i := range places {
		records[at] = d.chunk.Records[i]
	}
	if d.chunk.Kind == Opportunities {
		return post(ctx, records, d.cfg.Client.Opportunities.CreateBatch, func(number antcrm.ID) string { return string(number) })
	}
	return post(ctx, records, d.cfg.Client.Contacts.CreateBatch, func(ref antcrm.ContactRef) string {
		return string(ref.LeadID) + string(ref.CustomerID)
	})
}

func post[P, R any](ctx context.Context, records []json.RawMessage, create func(context.Context, []P, ...antcrm.BatchOption) (*antcrm.BatchResult[R], error), ref func(R) string) []answer {
	answers := make([]answer, len(records))
	var params []P
	var places []int
	for i, record := range records {
		var p P
		if err := json.Unmarshal(record, &p); err != nil {
			answers[i] = answer{letter: letterRejected, err: err}
			continue
		}
		params, places = append(params, p), append(places, i)
	}
	// A chunk holds one group, so that it is one request, unless it has to be
	// halved. A batch with an invalid record is not sent at all: it is named,
	// and the others go.
	for len(params) > 0 {
		result, _ := create(ctx, params, antcrm.WithIsolation(), antcrm.WithConcurrency(1))
		for i, r := range result.Results {
			answers[places[i]] = answer{letter: letterDone, ref: ref(r)}
		}
		valid := false
		for _, failure := range result.Failures {
			for i := failure.First; i < failure.First+failure.Count; i++ {
				answers[places[i]] = answerOf(failure)
			}
			valid = valid || !errors.Is(failure.Err, antcrm.ErrValidation)
		}
		rest, restPlaces := params[:0], places[:0]
		for i, at := range places {
			if errors.Is(answers[at].err, antcrm.ErrValidation) {
				continue
			}
			rest, restPlaces = append(rest, params[i]), append(restPlaces, at)
		}
		if !valid || len(rest) == len(params) {
			break
		}
		params, places = rest, restPlaces
	}
	return answers
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
