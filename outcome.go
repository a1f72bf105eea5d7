package antcrm

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// Outcome says what became of a record.
type Outcome int

// The outcomes. The zero value is the one that promises nothing.
const (
	// OutcomeUnknown: sent, no usable answer; it may have been carried out.
	OutcomeUnknown Outcome = iota
	// OutcomeDone: the server has confirmed it.
	OutcomeDone
	// OutcomeRejected: the server said no.
	OutcomeRejected
	// OutcomeNotSent: it never left this process.
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

// RecordFault reports whether a call was refused for what can be the fault of a record in it; that a refused package wrote
// nothing is a guess all the same (our decision: the vendor does not say), and whoever sends its records again may double
// those that were written. A record's fault can be a 400, 409, 413, 422, or a falsy success. Any other refusal (a wrong
// key, a 404, a 429 after all retries) does not depend on the record. WithIsolation and journals decide by it.
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

// isolable reports whether a refused chunk may be sent again in halves. One whose refusal carries ids may have been
// carried out in part: sending it again would double what was.
func isolable(err error) bool {
	answered, _ := errors.AsType[*APIError](err)
	return RecordFault(err) && !answered.withIDs
}

// BatchResult is what became of a batch.
type BatchResult[R any] struct {
	Results  []R            // index i answers input i; the zero R where it was not confirmed
	Failures []BatchFailure // runs of inputs that were not confirmed, in input order
}

// BatchFailure is a run of inputs that were not confirmed.
type BatchFailure struct {
	First, Count int     // the run of inputs
	Outcome      Outcome // what is known of them
	Err          error   // why
}

// BatchError is returned by a batch method when not every record was
// confirmed. errors.Is and errors.As reach the cause of each failure.
type BatchError struct {
	Failures []BatchFailure // as in the BatchResult

	op    string
	total int
}

// errOthersInvalid is why the valid records of a batch with invalid ones were not sent.
var errOthersInvalid = errors.New("not sent because other records are invalid")

// Error is one line: how many records failed, and the first few causes. Of a batch with invalid records these are the
// invalid ones, by index and field.
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

// Unwrap returns the causes.
func (e *BatchError) Unwrap() []error {
	causes := make([]error, 0, len(e.Failures))
	for _, failure := range e.Failures {
		if failure.Err != nil {
			causes = append(causes, failure.Err)
		}
	}
	return causes
}

// BatchProgress is how far a batch has come, in records.
type BatchProgress struct {
	Total     int // records in the batch; 0 in an import, whose length is not known
	Confirmed int // done
	Failed    int // rejected, unknown or not sent
}

// ImportResult is what became of one record of an import's source.
type ImportResult[R any] struct {
	Index   int64   // of the record in the source, from 0
	Ref     R       // the CRM's key of it; the zero R where it was not confirmed
	Outcome Outcome // as in a batch
	Err     error   // why it was not confirmed; nil if it is done
}
