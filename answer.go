package antcrm

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/antbuddy/antcrm-go/internal/redact"
	"github.com/antbuddy/antcrm-go/internal/retry"
)

// answer is a complete HTTP answer. Its body is valid until the call ends.
type answer struct {
	core     *core
	req      *request
	ctx      context.Context // the call's: decoding ends with it
	attempts int             // of the call so far
	unknown  bool            // an attempt of the call may have been carried out
	status   int
	header   http.Header
	body     []byte
	readErr  error // why the body could not be read, or not whole, although the status is there
}

func (a *answer) isGood() bool { return a.status >= 200 && a.status < 300 }

// isEmptySuccess reports whether an answer needs no body: a 204 to a DELETE or a PUT (our decision).
func (a *answer) isEmptySuccess() bool {
	method := a.req.method
	return a.status == http.StatusNoContent && (method == http.MethodDelete || method == http.MethodPut)
}

func (a *answer) requestID() string {
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id", "Request-Id", "X-Amzn-Requestid", "Cf-Ray"} {
		if id := a.header.Get(name); id != "" {
			return oneLine(a.core.redact(id), maxErrorMessage)
		}
	}
	return ""
}

// jsonBody returns the body without a byte order mark. It does not look at the Content-Type. An empty body and HTML are
// errors.
func (a *answer) jsonBody() ([]byte, error) {
	body := bytes.TrimPrefix(a.body, []byte("\ufeff"))
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return nil, a.problem("the body is empty")
	case trimmed[0] == '<' && a.unreadable() == "":
		return nil, a.problem("the body is HTML, not JSON")
	}
	return body, nil
}

// text returns the body without a byte order mark and surrounding white space.
func (a *answer) text() []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(a.body, []byte("\ufeff")))
}

// foreignText says why a body that cannot be read is not JSON in UTF-8, if the headers tell.
func (a *answer) foreignText() string {
	if coding := a.foreignCoding(); coding != "" {
		return "the body is compressed with " + a.shown(coding) + ", which was not asked for"
	}
	_, params, _ := mime.ParseMediaType(a.header.Get("Content-Type")) // without a type there is no charset
	switch charset := strings.ToLower(strings.Trim(params["charset"], `'" `)); charset {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return ""
	default:
		return "the body is in the charset " + a.shown(charset) + ", not in UTF-8"
	}
}

// foreignCoding is the Content-Encoding, unless it is one that is understood.
func (a *answer) foreignCoding() string {
	coding := strings.ToLower(strings.Join(a.header.Values("Content-Encoding"), ", "))
	if coding == "gzip" || coding == "identity" {
		return ""
	}
	return coding
}

// isText reports whether the first bytes of the body tell what it is. They do not if it is compressed, or has two bytes
// for a character.
func (a *answer) isText() bool {
	return bytes.IndexByte(a.body, 0) < 0 && (utf8.Valid(a.body) || a.foreignCoding() == "")
}

// unreadable says why the body is no text, if the headers tell.
func (a *answer) unreadable() string {
	if a.isText() {
		return ""
	}
	return a.foreignText()
}

// shown makes a word of the server's fit for an error text.
func (a *answer) shown(word string) string { return oneLine(a.core.redact(word), 40) }

func (a *answer) isHTML() bool {
	text := a.text()
	return len(text) > 0 && text[0] == '<'
}

// problem makes a DecodeError.
func (a *answer) problem(text string) *DecodeError {
	return a.located(&DecodeError{Problem: text})
}

// problemAt makes a DecodeError at a place in the body, a JSON pointer.
func (a *answer) problemAt(path, text string) *DecodeError {
	return a.located(&DecodeError{Problem: text, Path: path})
}

// decodeError makes a DecodeError from a decoder's error.
func (a *answer) decodeError(err error) error {
	if errors.Is(err, errEnded) {
		return errEnded
	}
	failure := describe(err)
	if problem := a.foreignText(); problem != "" && isSyntactic(err) {
		failure.Problem = problem
	}
	failure.Offset += int64(len(a.body) - len(bytes.TrimPrefix(a.body, []byte("\ufeff"))))
	return a.located(failure)
}

func (a *answer) located(failure *DecodeError) *DecodeError {
	failure.Method, failure.URLPath = a.req.method, a.req.path
	failure.ContentType = oneLine(a.core.redact(a.header.Get("Content-Type")), 100)
	failure.Size = len(a.body)
	failure.Path = a.core.redact(failure.Path)
	failure.Attempts = a.attempts
	// A write may have been carried out even if its 2xx cannot be used.
	failure.callInfo = callInfo{op: a.req.op, unknown: a.unknown || !retry.IsRead(a.req.method)}
	return failure
}

// apiError makes the error of an answer whose status is not a success. read has cut its body.
func (a *answer) apiError() *APIError {
	text := a.text()
	if len(text) > 0 && text[0] == '{' {
		if said, err := readEnvelope(context.Background(), text); err == nil || said.message != "" {
			return a.refusal(&said)
		}
	}
	failure := a.newAPIError()
	switch {
	case a.status >= 300 && a.status < 400:
		failure.Message = "redirects are not followed"
	case a.unreadable() != "":
		failure.Message = a.unreadable()
	case len(text) > 0 && text[0] == '"':
		unquoted, _ := scalarText(text)
		failure.Message = oneLine(a.core.redact(unquoted), maxErrorMessage)
	case !utf8.Valid(text) && a.foreignText() != "":
		failure.Message = a.foreignText()
	default:
		failure.Message = oneLine(string(failure.Body), maxErrorMessage)
	}
	return failure
}

// refusal makes the error of an answer whose envelope was read.
func (a *answer) refusal(said *envelope) *APIError {
	failure := a.newAPIError()
	message := a.core.redact(said.message)
	if strings.ContainsRune(message, utf8.RuneError) && a.foreignText() != "" {
		message = a.foreignText() + ": " + message // without the letters that could not be read
	}
	failure.Message = oneLine(message, maxErrorMessage)
	failure.Code = oneLine(a.core.redact(said.code), 100)
	return failure
}

func (a *answer) newAPIError() *APIError {
	failure := &APIError{
		StatusCode: a.status, Method: a.req.method, Path: a.req.path, RequestID: a.requestID(),
		Attempts: a.attempts, callInfo: callInfo{op: a.req.op, unknown: a.unknown},
	}
	failure.RetryAfter, _ = retry.After(a.header, time.Now())
	begin := a.body[:min(len(a.body), maxErrorBody)]
	isCut := len(begin) < len(a.body)
	failure.Body = []byte(cutBytes(redact.Key(string(begin), a.core.key(), isCut), maxErrorBody))
	return failure
}

// hasNoData reports whether the body is JSON without a record.
func (a *answer) hasNoData() bool {
	text := a.text()
	if len(text) == 0 {
		return false
	}
	switch text[0] {
	case '{':
		said, err := readEnvelope(context.Background(), text)
		return err == nil && (!said.hasData || said.emptyData)
	case '[', 'n':
		return isValidJSON(text) && isEmptyJSON(text)
	}
	return false
}

func cutBytes(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	text = text[:limit]
	for len(text) > 0 {
		if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size != 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text
}
