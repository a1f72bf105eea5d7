package crmsync

import (
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"

	"github.com/antbuddy/antcrm-go"
)

// The conditions a caller tells apart with errors.Is, beside those of the
// package antcrm.
var (
	// ErrOtherAccount: the state belongs to another base URL or key. Nothing was
	// sent: with the state of another account, every record would seem to be there.
	ErrOtherAccount = errors.New("crmsync: the state belongs to another account (base URL or key)")
	// ErrTooManyDeletes: a push found more records to delete than WithDeletes
	// allows. None was deleted.
	ErrTooManyDeletes = errors.New("crmsync: more records to delete than allowed")
	// ErrDuplicateKey: the source has a key twice. See DuplicateKeyError.
	ErrDuplicateKey = errors.New("crmsync: a key is twice in the source")
	// ErrBusy: another process writes this record at this moment. Nothing was
	// sent; the next push looks again.
	ErrBusy = errors.New("crmsync: another process writes this record at this moment")
	// ErrNotAdopted: the CRM has a record of the source that the state does not
	// know. See NotAdoptedError.
	ErrNotAdopted = errors.New("crmsync: the CRM has a record of the source that the state does not know")
	// ErrKeysNotListed: Adopt read a list in which no record has the caller's own
	// key. The server may not print it, or none of the records was created with one.
	ErrKeysNotListed = errors.New("crmsync: the CRM's list shows no key of the caller's")
	// ErrFixedField: a field changed that the API cannot change. See FixedFieldError.
	ErrFixedField = errors.New("crmsync: a field changed that the API cannot change")
	// ErrDamaged: the file is not a state, or is damaged. Restore a backup, or begin a
	// new state, and run Adopt before the next push: what was created since the backup
	// was made would be created a second time.
	ErrDamaged = errors.New("crmsync: the state is damaged, or not a state: restore a backup, then run Adopt before the next push")
	// ErrStateLost: the state could not be written for so long that other
	// processes may take this one for dead. Its requests were cancelled.
	ErrStateLost = errors.New("crmsync: the state cannot be reached, requests were cancelled")
)

// DuplicateKeyError is a key that the source has twice. The first record was
// handled; the second was not sent.
type DuplicateKeyError struct {
	Key           string // the caller's own key
	First, Second int64  // places in the source, from 0
}

// Error names both places, and not the key: it may be a customer's.
func (e *DuplicateKeyError) Error() string {
	return fmt.Sprintf("crmsync: record %d of the source has the key of record %d", e.Second, e.First)
}

// Is matches ErrDuplicateKey.
func (e *DuplicateKeyError) Is(target error) bool { return target == ErrDuplicateKey }

// NotAdoptedError is a record of the source that the CRM has already, found before
// the first creation of a push: the state is new, was lost, is a backup that was
// restored, or is not the only one of the account. The push has ended before it created
// the record a second time. It is ErrNotAdopted.
type NotAdoptedError struct {
	Kind  Kind
	Key   string // the caller's own key
	Index int64  // place in the source, from 0
	// Listed says that the CRM's list prints the key, so that Adopt can take the record
	// over. If not, the record was recognized by what it holds, and is likely to be the
	// source's: an earlier push has created it, and only a backup of its state knows it. If
	// it is there by chance, use WithFirstPush.
	Listed bool
}

// Error says what to do, and does not name the key: it may be a customer's.
func (e *NotAdoptedError) Error() string {
	next := "take over what the CRM has with Adopt, then push again"
	if !e.Listed {
		next = "the CRM's list does not print keys, so that Adopt cannot take it over"
	}
	return fmt.Sprintf("crmsync: record %d of the source is one of the CRM's %s already, and the state does not know it; %s", e.Index, e.Kind, next)
}

// Is matches ErrNotAdopted.
func (e *NotAdoptedError) Is(target error) bool { return target == ErrNotAdopted }

// FixedFieldError names fields that changed in the source and that no request
// of the API can change, such as an order's assignees, or clear, such as a contact's
// gender. The other fields of the record were sent. It is reported by each push until
// the source has the old value again.
type FixedFieldError struct {
	Fields []string // wire names of those that cannot be changed
	Kept   []string // wire names of those that the source no longer has, and that cannot be cleared
}

// Error is one line.
func (e *FixedFieldError) Error() string {
	var cannot []string
	if len(e.Fields) > 0 {
		cannot = append(cannot, "change "+strings.Join(e.Fields, ", "))
	}
	if len(e.Kept) > 0 {
		cannot = append(cannot, "clear "+strings.Join(e.Kept, ", "))
	}
	return "crmsync: the API cannot " + strings.Join(cannot, " or ") + " of a record that exists"
}

// Is matches ErrFixedField.
func (e *FixedFieldError) Is(target error) bool { return target == ErrFixedField }

// UnknownError says why it is not known what became of a record. It is
// antcrm.ErrOutcomeUnknown.
type UnknownError struct {
	Reason string
	Err    error // what a lookup met, nil if it met no error
}

// Error is one line.
func (e *UnknownError) Error() string {
	text := "crmsync: it is not known what became of an earlier request: " + e.Reason
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what the lookup met.
func (e *UnknownError) Unwrap() error { return e.Err }

// Is matches antcrm.ErrOutcomeUnknown.
func (e *UnknownError) Is(target error) bool { return target == antcrm.ErrOutcomeUnknown }

func invalid(field, problem string) error {
	return &antcrm.ValidationError{Index: -1, Field: field, Problem: problem}
}

// damaged reports whether a database error means that the file is no database,
// or a broken one.
func damaged(err error) bool {
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	const corrupt, notADatabase = 11, 26 // SQLITE_CORRUPT, SQLITE_NOTADB
	code := failure.Code() & 0xff
	return code == corrupt || code == notADatabase
}

// busy reports whether another process writes the SQLite file at this moment.
func busy(err error) bool {
	failure, ok := errors.AsType[*sqlite.Error](err)
	const code = 5 // SQLITE_BUSY
	return ok && failure.Code()&0xff == code
}

// stateErr is an error of the database.
type stateErr struct {
	doing string
	err   error
}

func (e *stateErr) Error() string { return "crmsync: " + e.doing + ": " + e.err.Error() }
func (e *stateErr) Unwrap() error { return e.err }

// stateError says what was being done; errors of this package pass as they are.
func stateError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*stateErr](err); done {
		return err
	}
	if damaged(err) {
		return &stateErr{doing, fmt.Errorf("%w: %w", ErrDamaged, err)}
	}
	return &stateErr{doing, err}
}
