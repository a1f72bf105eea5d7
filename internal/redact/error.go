package redact

import (
	"errors"
	"fmt"
	"io"
	"net/url"
)

// Error returns an error whose text, and those of its causes, show nothing private: clean is what a text must be to be
// shown. errors.Is sees every cause. errors.As does too, but for a url.Error, whose text is the URL with its query, and
// for what wraps one.
func Error(err error, clean func(string) string) error {
	shown, hidden := withoutURLs(err, clean)
	if text := clean(err.Error()); hidden || text != err.Error() {
		return &cleanError{text: text, err: err, shown: shown}
	}
	return err
}

// withoutURLs returns err itself, or, if it is or wraps a url.Error, the causes that remain of it.
func withoutURLs(err error, clean func(string) string) (shown []error, hidden bool) {
	if _, found := errors.AsType[*url.Error](err); !found {
		return []error{err}, false
	}
	for _, cause := range causes(err) {
		shown = append(shown, Error(cause, clean))
	}
	return shown, true
}

func causes(err error) []error {
	switch err := err.(type) { //nolint:errorlint // one layer, not the chain
	case interface{ Unwrap() error }:
		if cause := err.Unwrap(); cause != nil {
			return []error{cause}
		}
	case interface{ Unwrap() []error }:
		return err.Unwrap()
	}
	return nil
}

// cleanError is an error whose own text is not shown.
type cleanError struct {
	text  string
	err   error
	shown []error // what errors.As may find
}

func (e *cleanError) Error() string { return e.text }

// Format prints the text with every verb.
func (e *cleanError) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, e.text) }

func (e *cleanError) Is(target error) bool { return errors.Is(e.err, target) }

func (e *cleanError) As(target any) bool {
	for _, err := range e.shown {
		if errors.As(err, target) {
			return true
		}
	}
	return false
}
