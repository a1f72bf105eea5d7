package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/antbuddy/antcrm-go"
)

// state is how far a chunk has come.
type state string

const (
	stateBegun    state = "begun"    // may have been sent, by Owner
	stateAsking   state = "asking"   // Owner asks a resolver about the records that are unknown
	stateReleased state = "released" // has records that were certainly not carried out, to be sent again
	stateDone     state = "done"     // every record has its outcome
	stateUnknown  state = "unknown"  // as done, and some outcomes are unknown
)

func (s state) settled() bool { return s == stateDone || s == stateUnknown }

// The letters of entry.Outcomes, one a record.
const (
	letterDone     = 'd'
	letterRejected = 'r'
	letterUnknown  = 'u'
	letterNotSent  = 'n' // in a chunk that is begun: being sent; unknown if its owner is dead
)

func outcomeOf(letter byte) antcrm.Outcome {
	switch letter {
	case letterDone:
		return antcrm.OutcomeDone
	case letterRejected:
		return antcrm.OutcomeRejected
	case letterNotSent:
		return antcrm.OutcomeNotSent
	}
	return antcrm.OutcomeUnknown
}

// entry is what the ledger knows of a chunk: places, the caller's own keys,
// references and errors, none of the records' other data.
type entry struct {
	State    state     `json:"state"`
	Digest   string    `json:"digest"`
	Kind     Kind      `json:"kind"`
	Group    string    `json:"group,omitempty"`
	Write    string    `json:"write"`           // a name for this version of the entry, by which its author knows it again
	Owner    string    `json:"owner,omitempty"` // the worker that began it
	Begin    string    `json:"begin,omitempty"` // Write of the entry that began the latest attempt
	Attempts int       `json:"attempts"`
	Begun    time.Time `json:"begun,omitzero"`     // when its latest request was about to leave, by the server's clock
	Resolves int       `json:"resolves,omitempty"` // how often a resolver was asked
	Time     time.Time `json:"time"`
	Told     bool      `json:"told,omitempty"` // what was not confirmed stands in the streams for that

	First    int64        `json:"first"`
	Indexes  []int64      `json:"indexes,omitempty"`
	Keys     []string     `json:"keys"`
	Outcomes string       `json:"outcomes"`
	Refs     []string     `json:"refs,omitempty"` // as long as Keys once there is one
	Errors   []entryError `json:"errors,omitempty"`
}

// entryError is the error that a run of records shares.
type entryError struct {
	At    int    `json:"at"`
	Count int    `json:"count"`
	Text  string `json:"text"`
}

// newEntry is the entry of a chunk that nobody has begun.
func newEntry(c *chunk, hash string) *entry {
	letters := make([]byte, len(c.Records))
	for i := range letters {
		letters[i] = letterNotSent
	}
	return &entry{Digest: hash, Kind: c.Kind, Group: c.Group, First: c.First, Indexes: c.Indexes, Keys: c.Keys, Outcomes: string(letters)}
}

// open returns the records that have no outcome yet.
func (e *entry) open() []int {
	var open []int
	for i := range len(e.Outcomes) {
		if e.Outcomes[i] == letterNotSent {
			open = append(open, i)
		}
	}
	return open
}

// set notes a record's outcome.
func (e *entry) set(i int, letter byte, ref, problem string) {
	letters := []byte(e.Outcomes)
	letters[i] = letter
	e.Outcomes = string(letters)
	if ref != "" {
		if e.Refs == nil {
			e.Refs = make([]string, len(e.Keys))
		}
		e.Refs[i] = ref
	}
	if last := len(e.Errors) - 1; problem == "" {
		return
	} else if last >= 0 && e.Errors[last].Text == problem && e.Errors[last].At+e.Errors[last].Count == i {
		e.Errors[last].Count++
		return
	}
	e.Errors = append(e.Errors, entryError{At: i, Count: 1, Text: problem})
}

// errorOf is the latest error of a record.
func (e *entry) errorOf(i int) string {
	for at := len(e.Errors) - 1; at >= 0; at-- {
		if run := e.Errors[at]; i >= run.At && i < run.At+run.Count {
			return run.Text
		}
	}
	return ""
}

// settle closes the entry: no record is open any longer, but for those that
// were given up.
func (e *entry) settle() {
	e.State = stateDone
	for i := range len(e.Outcomes) {
		if e.Outcomes[i] == letterUnknown {
			e.State = stateUnknown
		}
	}
}

// abandon makes the records unknown that a worker was sending when it ended.
func (e *entry) abandon() {
	if e.State != stateBegun {
		return
	}
	for _, i := range e.open() {
		e.set(i, letterUnknown, "", "the worker that was sending it ended before the answer was written down")
	}
}

// told reports whether nothing has to be told of a settled chunk any longer.
func (e *entry) told() bool {
	t := e.totals()
	return e.Told || t.All() == t.Done
}

// totals counts the outcomes.
func (e *entry) totals() Totals {
	var t Totals
	for i := range len(e.Outcomes) {
		switch e.Outcomes[i] {
		case letterDone:
			t.Done++
		case letterRejected:
			t.Rejected++
		case letterNotSent:
			t.NotSent++
		default:
			t.Unknown++
		}
	}
	return t
}

// conflict says that somebody else has written the key before.
func conflict(err error) bool {
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return true
	}
	answered, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (answered.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || answered.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// entry reads a chunk's entry; nil and revision 0 if there is none.
func (f *Fleet) entry(ctx context.Context, name string) (*entry, uint64, error) {
	kept, err := f.ledger.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	var e entry
	if err == nil {
		err = json.Unmarshal(kept.Value(), &e)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("fleet: read chunk %s in the ledger: %w", name, err)
	}
	return &e, kept.Revision(), nil
}

// put writes e as the successor of a revision, by compare-and-swap, and says
// whether it stands: false means that somebody else's entry does. It repeats
// what fails, and returns an error only when ctx ends before it knows.
func (f *Fleet) put(ctx context.Context, name string, e *entry, revision uint64) (uint64, bool, error) {
	e.Write, e.Time = nuid.Next(), time.Now().UTC()
	if e.State == stateBegun && e.Begin == "" {
		e.Begin, e.Begun = e.Write, f.clock.now().UTC()
	}
	text, err := encode(e)
	if err != nil {
		return 0, false, fmt.Errorf("fleet: encode chunk %s for the ledger: %w", name, err)
	}
	for attempt := 0; ; attempt++ {
		// Not through the bucket, whose writes have no headers.
		msg := &nats.Msg{Subject: "$KV." + f.bucket("ledger") + "." + name, Data: text, Header: nats.Header{headerCount: {e.count()}}}
		written, err := f.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(revision))
		if err == nil {
			return written.Sequence, true, nil
		}
		lost := conflict(err)
		// The write may have been made and its acknowledgement lost; a replica
		// that answers the read may be a moment behind.
		there, at, failure := f.entry(ctx, name)
		if failure == nil && at > revision {
			return at, there.Write == e.Write, nil
		}
		if failure == nil && there == nil && lost && attempt > 5 {
			return 0, false, nil // the job was purged
		}
		if failure != nil {
			err = failure
		}
		if !lost {
			f.warnOnce(attempt, "write into the ledger", err)
		}
		if !lost && permanent(err) || sleep(ctx, retryWait(attempt)) != nil {
			return 0, false, fmt.Errorf("fleet: write chunk %s into the ledger: %w", name, err)
		}
	}
}
