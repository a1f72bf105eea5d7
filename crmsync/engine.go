package crmsync

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/antbuddy/antcrm-go"
)

// engine pushes and ensures the records of one kind.
type engine[P, U, R any] struct {
	core  *core
	spec  spec[P, U, R]
	trust *trust
}

func newEngine[P, U, R any](c *core, s spec[P, U, R]) *engine[P, U, R] {
	return &engine[P, U, R]{core: c, spec: s, trust: newTrust()}
}

// item is a record of the source on its way.
type item[P any] struct {
	index  int64
	record P
	key    string
	body   []byte // its JSON
	digest []byte
	only   *named // the fields that the source speaks of; nil: all
	err    error
}

// named are the fields that WithFields has named.
type named struct {
	names map[string]bool
	mark  []byte // of the digests of records: another choice of fields is another record
}

// speaksOf reports whether the source speaks of a field: of all, if none was named.
func (n *named) speaksOf(field string) bool { return n == nil || n.names[field] }

// suffix is what a record's digest has besides its text.
func (n *named) suffix() []byte {
	if n == nil {
		return nil
	}
	return n.mark
}

// prepare reads the key and digests the record.
func (e *engine[P, U, R]) prepare(d *digester, it *item[P]) {
	it.key = e.spec.key(&it.record)
	if it.err = checkKey(e.spec.field, it.key, it.index); it.err != nil {
		return
	}
	if it.body, it.err = json.Marshal(&it.record); it.err != nil {
		it.err = &antcrm.ValidationError{Index: int(it.index), Field: "record", Problem: "cannot be written as JSON"}
		return
	}
	it.digest = d.digest(digestSize, []byte(it.key), []byte{0}, it.body, it.only.suffix())
}

const maxKey = 1000

// checkKey refuses what a database cannot hold as text.
func checkKey(field, key string, index int64) error {
	var problem string
	switch {
	case strings.TrimSpace(key) == "":
		problem = "is empty: it is the key that the record is recognized by"
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		problem = "is not valid UTF-8 text"
	case len(key) > maxKey:
		problem = "is longer than 1000 bytes"
	default:
		return nil
	}
	return &antcrm.ValidationError{Index: int(index), Field: field, Problem: problem}
}

// fieldsOf splits an item's JSON.
func fieldsOf(body []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	err := json.Unmarshal(body, &fields)
	return fields, err
}

// claimOf is the intent of an item that is created.
func (e *engine[P, U, R]) claimOf(d *digester, it *item[P]) (claim, error) {
	body, err := fieldsOf(it.body)
	if err != nil {
		return claim{}, err
	}
	fields := e.spec.withDefaults(d, it.key, e.spec.fieldDigests(d, it.key, body))
	return claim{key: it.key, detail: e.spec.detail(&it.record), want: it.digest, fields: fields}, nil
}

// valid checks a record as the core does before sending.
func (e *engine[P, U, R]) valid(ctx context.Context, it *item[P]) error {
	err := e.spec.validate(ctx, it.record)
	failure, ok := errors.AsType[*antcrm.ValidationError](err)
	if !ok {
		return nil
	}
	placed := *failure
	placed.Index = int(it.index)
	return &placed
}

const (
	createTries  = 4
	firstBackoff = 200 * time.Millisecond
)

// createAll sends records that are new. It is the one place that repeats a
// creation: only what never left this process. A server that says it is busy (429,
// 503) is taken to have done the work or not: to send it again on its word may
// create it twice, to look it up does not.
func (e *engine[P, U, R]) createAll(ctx context.Context, records []P, isolate bool) []reply[R] {
	backoff := firstBackoff
	for try := 1; ; try++ {
		replies := e.spec.create(ctx, records, isolate)
		again := true
		for i := range replies {
			replies[i].outcome, replies[i].err = unlessBusy(replies[i].outcome, replies[i].err)
			again = again && replies[i].outcome == antcrm.OutcomeNotSent && !errors.Is(replies[i].err, antcrm.ErrValidation)
		}
		if !again || try == createTries || sleep(ctx, rand.N(backoff)) != nil {
			return replies
		}
		backoff *= 2
	}
}

// unlessBusy makes an unknown outcome of a refusal that says nothing but that
// the server is busy.
func unlessBusy(outcome antcrm.Outcome, err error) (antcrm.Outcome, error) {
	answered, ok := errors.AsType[*antcrm.APIError](err)
	if !ok || outcome != antcrm.OutcomeRejected {
		return outcome, err
	}
	if answered.StatusCode != http.StatusTooManyRequests && answered.StatusCode != http.StatusServiceUnavailable {
		return outcome, err
	}
	return antcrm.OutcomeUnknown, &UnknownError{Reason: "the server was busy, which does not say that it has done nothing", Err: err}
}

// outcomeOf classifies the error of a write.
func outcomeOf(err error) antcrm.Outcome {
	switch {
	case err == nil:
		return antcrm.OutcomeDone
	case errors.Is(err, antcrm.ErrOutcomeUnknown):
		return antcrm.OutcomeUnknown
	case errors.Is(err, antcrm.ErrValidation):
		return antcrm.OutcomeNotSent
	}
	if answered, ok := errors.AsType[*antcrm.APIError](err); ok && answered.Attempts > 0 {
		return antcrm.OutcomeRejected
	}
	return antcrm.OutcomeNotSent
}

// endingOf is what the state keeps of an outcome.
func endingOf(outcome antcrm.Outcome) endingKind {
	switch outcome {
	case antcrm.OutcomeDone:
		return confirmed
	case antcrm.OutcomeUnknown:
		return lost
	}
	return refused
}

// notFound reports whether the server says that the record is not there. A
// gateway's page says nothing of a record.
func notFound(err error) bool {
	answered, ok := errors.AsType[*antcrm.APIError](err)
	if !ok || !errors.Is(err, antcrm.ErrNotFound) || errors.Is(err, antcrm.ErrOutcomeUnknown) {
		return false
	}
	return !strings.HasPrefix(strings.TrimSpace(string(answered.Body)), "<")
}

// hopeless reports whether a refusal would meet any record, so that a push need
// not go on.
func hopeless(err error) bool {
	answered, ok := errors.AsType[*antcrm.APIError](err)
	if !ok || errors.Is(err, antcrm.ErrOutcomeUnknown) {
		return false
	}
	switch answered.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed:
		return true
	}
	return false
}
