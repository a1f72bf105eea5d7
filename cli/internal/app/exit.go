package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/creds"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
)

// The exit codes. docs/cli.md and the help text promise them.
const (
	exitDone     = 0
	exitFailure  = 1 // anything else
	exitUsage    = 2 // the command line or the input is wrong; nothing was sent
	exitKey      = 3 // no key, a key that cannot be read, a key that the server refuses
	exitNotFound = 4
	exitPartial  = 5 // a bulk command: some records were not carried out
	exitUnknown  = 6 // sent, and no usable answer: it may have been carried out
	exitOutage   = 7 // the server cannot be reached, is down, or asks to slow down
	exitDiffers  = 8 // doctor --contract: the server differs in something to care about
)

const exitCodeHelp = `Exit codes:
  0  done
  1  failure
  2  wrong usage or wrong input, nothing was sent
  3  the API key is missing or refused
  4  not found
  5  partial failure: some records were refused or not sent
  6  outcome unknown: sent, but no usable answer came; look before repeating
  7  outage: the server cannot be reached, fails, or asks to slow down
  8  the server differs from what the SDK assumes (doctor --contract)`

// failure is an error with an exit code and what to do next.
type failure struct {
	code int
	text string
	next string
	err  error
}

// Error is the text and its cause, without what to do next.
func (f *failure) Error() string {
	if f.err == nil {
		return f.text
	}
	return f.text + ": " + plainError(f.err)
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// usage is a wrong command line or wrong input.
func usage(next, format string, args ...any) error {
	return &failure{code: exitUsage, text: fmt.Sprintf(format, args...), next: next}
}

// reported is an outcome that the command has told already.
type reported struct{ code int }

func (reported) Error() string { return "reported" }

// explain turns an error of a command into an exit code and one line for a person. An empty line means there is nothing more to say.
func explain(cmd *cobra.Command, err error) (code int, line string) {
	if err == nil || closedPipe(err) {
		return exitDone, ""
	}
	if told, ok := errors.AsType[reported](err); ok {
		return told.code, ""
	}
	code, next := classify(err)
	if next == "" && code == exitUsage {
		next = "see: " + cmd.CommandPath() + " --help"
		if flag := flagFor(cmd, err); flag != "" {
			next = "set it with --" + flag
		}
	}
	line = plainError(err)
	if next != "" {
		line += "; " + next
	}
	return code, output.Clean(line)
}

// fieldNote is where a flag keeps the name of the field that it sets, for errors that name the field.
const fieldNote = "field"

// notesField ties a flag of the set to a field. Only a flag that is not there is an error.
func notesField(flags *pflag.FlagSet, flag, field string) {
	_ = flags.SetAnnotation(flag, fieldNote, []string{field})
}

// flagFor is the flag that sets the field which the SDK does not take, or "".
func flagFor(cmd *cobra.Command, err error) (name string) {
	if invalid, ok := errors.AsType[*antcrm.ValidationError](err); ok {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if slices.Contains(f.Annotations[fieldNote], invalid.Field) {
				name = f.Name
			}
		})
	}
	return name
}

// closedPipe reports that the reader of our output has left, as head does: that is how a user says "enough".
func closedPipe(err error) bool { return errors.Is(err, syscall.EPIPE) && !isCall(err) }

// isCall tells a pipe to the server from one to the reader.
func isCall(err error) bool {
	_, ok := errors.AsType[*antcrm.TransportError](err)
	return ok
}

func classify(err error) (code int, next string) {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code, f.next
	}
	if f, ok := errors.AsType[*creds.Error](err); ok {
		return exitKey, f.Hint
	}
	if _, ok := errors.AsType[*output.ColumnError](err); ok {
		return exitUsage, ""
	}
	code = codeOf(err)
	return code, nextStep(code, err)
}

// codeOf is the exit code of a call's error.
func codeOf(err error) int {
	switch {
	case errors.Is(err, antcrm.ErrOutcomeUnknown):
		return exitUnknown
	case errors.Is(err, antcrm.ErrValidation):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitFailure
	case errors.Is(err, antcrm.ErrUnauthorized), errors.Is(err, antcrm.ErrForbidden):
		return exitKey
	case errors.Is(err, antcrm.ErrNotFound):
		return exitNotFound
	case errors.Is(err, antcrm.ErrServer), errors.Is(err, antcrm.ErrRateLimited), isCall(err):
		return exitOutage
	}
	return exitFailure
}

func nextStep(code int, err error) string {
	switch code {
	case exitUnknown:
		return "look whether it was carried out before you send it again"
	case exitKey:
		if errors.Is(err, antcrm.ErrForbidden) {
			return "ask for a key that may do this"
		}
		return "check the key with: antcrm doctor"
	case exitOutage:
		if errors.Is(err, antcrm.ErrRateLimited) {
			return "wait, then try again, more slowly with --rate"
		}
		return "try again later, or see what is wrong with: antcrm doctor"
	}
	switch {
	case errors.Is(err, antcrm.ErrRepeatedPage):
		return "the server ignores the page number: the records so far are all it gives"
	case errors.Is(err, antcrm.ErrResponseTooLarge):
		return "ask for less with --page-size"
	}
	return ""
}

// plainError is an error's text as the command prints it: one line, without the SDK's prefix. Of a file error the system's words.
func plainError(err error) string {
	if errors.Is(err, context.Canceled) && !errors.Is(err, antcrm.ErrOutcomeUnknown) {
		return "stopped before the end"
	}
	if f, ok := err.(*fs.PathError); ok { //nolint:errorlint // a wrapped one has been given words already
		return f.Path + ": " + f.Err.Error()
	}
	return flagWords.Replace(strings.NewReplacer("antcrm: ", "", "records: ", "", "crmsync: ", "", "probe: ", "").Replace(err.Error()))
}
