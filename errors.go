package antcrm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The sentinel errors. Use errors.Is to find out which of them an error is.
var (
	// ErrUnauthorized is a 401: the key is missing or wrong.
	ErrUnauthorized = errors.New("antcrm: unauthorized")
	// ErrForbidden is a 403: the key may not do this.
	ErrForbidden = errors.New("antcrm: forbidden")
	// ErrNotFound is a 404, or a Get that was answered with an empty list.
	ErrNotFound = errors.New("antcrm: not found")
	// ErrConflict is a 409.
	ErrConflict = errors.New("antcrm: conflict")
	// ErrRateLimited is a 429 after all retries. It is also a call that was not sent because the server has asked for a
	// longer pause than the call may wait.
	ErrRateLimited = errors.New("antcrm: rate limited")
	// ErrServer is a 5xx.
	ErrServer = errors.New("antcrm: server error")
	// ErrOutcomeUnknown means that a write was sent and no usable answer came: it may have been carried out. Look the
	// record up before you send it again.
	ErrOutcomeUnknown = errors.New("antcrm: outcome unknown")
	// ErrRejected is a 2xx whose success is falsy: 0, false, "0", "false" or "" (our decision).
	ErrRejected = errors.New("antcrm: rejected by the server")
	// ErrValidation is bad input, found before anything was sent.
	ErrValidation = errors.New("antcrm: invalid input")
	// ErrRepeatedPage ends an iteration whose server ignores the page number.
	ErrRepeatedPage = errors.New("antcrm: the server repeats a page")
	// ErrFilterIgnored means that the server returned other records than those asked for: it may not know the filter.
	// The record may or may not exist, so do not create it. An error never matches both ErrFilterIgnored and
	// ErrNotFound.
	ErrFilterIgnored = errors.New("antcrm: the server returned other records than asked for")
	// ErrResponseTooLarge is an answer over the limit of WithMaxResponseSize.
	ErrResponseTooLarge = errors.New("antcrm: response too large")
)

const (
	maxErrorBody    = 64 << 10 // bytes of an answer kept in APIError.Body
	maxErrorMessage = 300      // characters of a server's message
)

// APIError is an answer that is not a success: a status outside 2xx, or a 2xx whose success is falsy. It matches the
// sentinel error of its status.
type APIError struct {
	StatusCode int           // HTTP status; a business error has a 2xx here
	Method     string        // HTTP method
	Path       string        // path without the query
	Code       string        // the server's own code, if any (code, errorCode)
	Message    string        // the server's message, at most 300 characters on one line
	RequestID  string        // the answer's X-Request-Id, X-Correlation-Id, Request-Id, X-Amzn-Requestid or Cf-Ray
	RetryAfter time.Duration // the wait the server asked for, 0 if none
	Body       []byte        `json:"-"` // at most 64 KiB of the answer, without the key
	Attempts   int           // requests sent; 0 if the call was not sent because of a pause that the server asked for

	callInfo
	withIDs bool // the refusal carries ids nevertheless
}

// Error is one line: what was being done, method, path, status and the server's message.
func (e *APIError) Error() string { return e.line(e.Method, e.Path, e.Attempts, e.detail()) }

func (e *APIError) detail() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(e.StatusCode))
	if text := http.StatusText(e.StatusCode); text != "" {
		b.WriteString(" " + text)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Code != "" {
		b.WriteString(" (code " + e.Code + ")")
	}
	if e.RequestID != "" {
		b.WriteString(" (request id " + e.RequestID + ")")
	}
	if e.RetryAfter > 0 {
		b.WriteString(" (retry after " + e.RetryAfter.Round(time.Millisecond).String() + ")")
	}
	return b.String()
}

// Is matches the sentinel errors of this package.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrRejected:
		return e.StatusCode >= 200 && e.StatusCode < 300
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrServer:
		return e.StatusCode >= 500 && e.StatusCode < 600
	}
	return e.callInfo.Is(target)
}

// Format prints the error's text with every verb, and never Body, which may hold personal data.
func (e APIError) Format(s fmt.State, _ rune) { writeText(s, e.Error()) }

// TransportError is a call that ended without an answer: there was no connection, the connection broke, the context
// ended, or a limiter refused. errors.Is and errors.As reach its cause. If it matches ErrOutcomeUnknown, the request
// may have been carried out.
type TransportError struct {
	Method   string // HTTP method
	Path     string // path without the query
	Attempts int    // requests begun
	Err      error  // the cause, or the causes joined

	callInfo
}

// Error is one line without the query or the key.
func (e *TransportError) Error() string { return e.line(e.Method, e.Path, e.Attempts, e.detail()) }

func (e *TransportError) detail() string {
	if e.Err == nil {
		return ""
	}
	return detailOf(e.Err)
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// Format prints the error's text with every verb.
func (e TransportError) Format(s fmt.State, _ rune) { writeText(s, e.Error()) }

// DecodeError is an answer with a good status and a body that cannot be used: it is empty, HTML, cut short, of another
// shape, or without the id that the endpoint promises.
type DecodeError struct {
	Method  string // HTTP method; empty for Record.Decode
	URLPath string // path of the request without the query
	Path    string // JSON pointer to the place in the body, such as /data/3/leadId: names that the server gave
	Offset  int64  // byte offset in the body
	Problem string // what is wrong and what came, without any of its values

	ContentType string // of the answer
	Size        int    // bytes of the answer
	Attempts    int    // requests sent

	callInfo
	err error
}

// Error is one line: what is wrong with the body, and where.
func (e *DecodeError) Error() string { return e.line(e.Method, e.URLPath, e.Attempts, e.detail()) }

func (e *DecodeError) detail() string {
	var b strings.Builder
	b.WriteString(e.Problem)
	if e.Path != "" {
		b.WriteString(" at " + oneLine(e.Path, maxErrorMessage))
	}
	if e.Method != "" || e.Offset > 0 {
		fmt.Fprintf(&b, " (offset %d of %d bytes", e.Offset, e.Size)
		if e.ContentType != "" {
			b.WriteString(", " + e.ContentType)
		}
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap returns the cause if there is one, such as ErrResponseTooLarge.
func (e *DecodeError) Unwrap() error { return e.err }

// Format prints the error's text with every verb.
func (e DecodeError) Format(s fmt.State, _ rune) { writeText(s, e.Error()) }

// ValidationError is bad input, found before anything was sent.
type ValidationError struct {
	Index   int    // of the record in a batch; -1 outside batches
	Field   string // wire name, such as customerIdApiRing or phones[1].value
	Problem string // what is wrong, never the value
}

// Error is one line.
func (e *ValidationError) Error() string {
	if e.Index >= 0 {
		return fmt.Sprintf("antcrm: record %d: %s: %s", e.Index, e.Field, e.Problem)
	}
	return "antcrm: " + e.Field + ": " + e.Problem
}

// Is matches ErrValidation.
func (e *ValidationError) Is(target error) bool { return target == ErrValidation }

func invalid(field, problem string) *ValidationError {
	return &ValidationError{Index: -1, Field: field, Problem: problem}
}

// callInfo is what an error knows about the whole call.
type callInfo struct {
	op      string // what was being done: "create contact"
	unknown bool   // an attempt may have been carried out
}

// Is matches ErrOutcomeUnknown.
func (c callInfo) Is(target error) bool { return target == ErrOutcomeUnknown && c.unknown }

// line is the text of an error: the call, what happened, and how many attempts it took.
func (c callInfo) line(method, path string, attempts int, detail string) string {
	text := callText(c.op, method, path) + ": " + detail
	if attempts > 1 {
		text += " after " + strconv.Itoa(attempts) + " attempts"
	}
	if c.unknown {
		text += ": outcome unknown, it may have been carried out"
	}
	return oneLine(text, 8*maxErrorMessage)
}

// callText names a call. method is empty if there was no request.
func callText(op, method, path string) string {
	text := "antcrm"
	if op != "" {
		text += ": " + op
	}
	if method != "" {
		text += ": " + method + " " + path
	}
	return text
}

// detailOf is the text of an error without the name of its call, which the error around it has already.
func detailOf(err error) string {
	if failure, ok := err.(interface{ detail() string }); ok {
		return failure.detail()
	}
	return oneLine(err.Error(), 4*maxErrorMessage)
}

func writeText(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

// oneLine makes a text from outside fit for an error or a log line: no control characters, valid UTF-8, at most limit
// characters.
func oneLine(text string, limit int) string {
	// Do not walk a megabyte to keep 300 characters.
	if len(text) > 8*limit {
		text = text[:8*limit]
	}
	var line []rune
	space := false
	for _, r := range text {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			space = len(line) > 0
			continue
		}
		if unicode.In(r, unicode.Cf) || r == utf8.RuneError {
			continue // invisible formatting can disguise a line
		}
		if space {
			line, space = append(line, ' '), false
		}
		line = append(line, r)
		if len(line) > limit {
			return strings.TrimRight(string(line[:limit-1]), " ") + "…"
		}
	}
	return string(line)
}

// joined is several errors on one line.
type joined []error

func (j joined) Error() string {
	texts := make([]string, 0, len(j))
	for _, err := range j {
		texts = append(texts, detailOf(err))
	}
	return strings.Join(texts, "; ")
}

func (j joined) Unwrap() []error { return j }

// join joins the errors that are not nil. A single one is returned as it is.
func join(errs ...error) error {
	var list joined
	for _, err := range errs {
		if err != nil {
			list = append(list, err)
		}
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return list
}

// contextError is the error of a context that has ended: errors.Is finds ctx.Err in it, and the cause if the context
// has one.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return join(err, cause)
}
