package antcrm

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// Outcome says what became of a record.
type Outcome int

// The outcomes. The zero value promises nothing.
const (
	// OutcomeUnknown: the record was sent, and no usable answer came. It may have been written.
	OutcomeUnknown Outcome = iota
	// OutcomeDone: the server has confirmed the record.
	OutcomeDone
	// OutcomeRejected: the server refused the record.
	OutcomeRejected
	// OutcomeNotSent: the record never left this process.
	OutcomeNotSent
)

// String returns unknown, done, rejected or not sent.
func (o Outcome) String() string {
	switch o {
	case OutcomeUnknown:
		return "unknown"
	case OutcomeDone:
		return "done"
	case OutcomeRejected:
		return "rejected"
	case OutcomeNotSent:
		return "not sent"
	}
	return "outcome " + strconv.Itoa(int(o))
}

// outcomeOf classifies the error of a write.
func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OutcomeDone
	case errors.Is(err, ErrOutcomeUnknown):
		return OutcomeUnknown
	case errors.Is(err, ErrValidation):
		return OutcomeNotSent
	}
	if answered, ok := errors.AsType[*APIError](err); ok && answered.Attempts > 0 {
		return OutcomeRejected
	}
	return OutcomeNotSent
}

// RecordFault reports whether the server refused a call because of what may be a bad record: 400, 409, 413, 422, or a
// falsy success. Any other refusal (a wrong key, a 404, a 429 after all retries) does not depend on the record.
// WithIsolation and journals use it.
//
// It does not say that a refused package wrote nothing: the vendor's page is silent. If you send its records again and
// some of them were written, those are doubled. Package probe, or "antcrm doctor --contract --write", asks your server:
// see its question package-partial.
func RecordFault(err error) bool {
	answered, ok := errors.AsType[*APIError](err)
	if !ok || outcomeOf(err) != OutcomeRejected {
		return false
	}
	switch answered.StatusCode {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return errors.Is(err, ErrRejected)
}

// isolable reports whether a refused chunk may be sent again in halves. A chunk whose refusal carries ids may have been
// written in part: sending it again would double that part.
func isolable(err error) bool {
	answered, _ := errors.AsType[*APIError](err)
	return RecordFault(err) && !answered.withIDs
}

// BatchResult is the result of a batch.
type BatchResult[R any] struct {
	Results  []R            // index i belongs to input i; the zero R if that input was not confirmed
	Failures []BatchFailure // runs of inputs that were not confirmed, in input order
}

// BatchFailure is a run of inputs that were not confirmed.
type BatchFailure struct {
	First, Count int     // the index of the run's first input, and how many inputs it has
	Outcome      Outcome // of each input of the run
	Err          error   // why they were not confirmed
}

// BatchError is the error of a batch in which not every record was confirmed. errors.Is and errors.As reach the cause
// of each failure.
type BatchError struct {
	Failures []BatchFailure // as in the BatchResult

	op    string
	total int
}

// errOthersInvalid is the cause of the valid records of a batch that has invalid ones.
var errOthersInvalid = errors.New("not sent because other records are invalid")

// Error is one line: how many records failed, and the first few causes. If the batch has invalid records, it names
// those, by index and field.
func (e *BatchError) Error() string {
	const shown = 3
	failed, causes, listed := 0, 0, ""
	for _, failure := range e.Failures {
		failed += failure.Count
		if errors.Is(failure.Err, errOthersInvalid) {
			continue
		}
		if causes++; causes <= shown {
			listed += "; " + failure.text()
		}
	}
	text := fmt.Sprintf("antcrm: %s: %d of %d records not confirmed%s", e.op, failed, e.total, listed)
	if causes > shown {
		text += fmt.Sprintf("; and %d more", causes-shown)
	}
	return oneLine(text, 8*maxErrorMessage)
}

func (f BatchFailure) text() string {
	if bad, isInvalid := errors.AsType[*ValidationError](f.Err); isInvalid && bad.Index >= 0 {
		return fmt.Sprintf("record %d not sent: %s: %s", bad.Index, bad.Field, bad.Problem)
	}
	records := "record " + strconv.Itoa(f.First)
	if f.Count != 1 {
		records = fmt.Sprintf("records %d to %d", f.First, f.First+f.Count-1)
	}
	return fmt.Sprintf("%s %s: %v", records, f.Outcome, f.Err)
}

// Unwrap returns the cause of each failure.
func (e *BatchError) Unwrap() []error {
	causes := make([]error, 0, len(e.Failures))
	for _, failure := range e.Failures {
		if failure.Err != nil {
			causes = append(causes, failure.Err)
		}
	}
	return causes
}

// BatchProgress counts the records of a batch or an import so far.
type BatchProgress struct {
	Total     int // records in the batch; 0 in an import, whose length is not known
	Confirmed int // records that are done
	Failed    int // records that are rejected, unknown or not sent
}

// ImportResult is the result of one record of an import's source.
type ImportResult[R any] struct {
	Index   int64 // of the record in the source, from 0
	Ref     R     // its key in the CRM; the zero R if it was not confirmed
	Outcome Outcome
	Err     error // why it was not confirmed; nil if it is done
}
