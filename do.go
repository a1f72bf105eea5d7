package antcrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/antbuddy/antcrm-go/internal/retry"
	"github.com/antbuddy/antcrm-go/internal/wire"
)

// Do sends any request, for an endpoint that has no method yet. It uses the client's key, retries, limits and errors.
//
// path begins with a slash and is relative to the base URL. Percent-encode it where needed, and put parameters into
// query. body is encoded as JSON, unless it is nil; a json.RawMessage or []byte is sent as it is. GET, HEAD and OPTIONS
// have no body. The answer's JSON is decoded into out, a pointer, by the rules of encoding/json. If out is nil, any
// body is a success, except HTML, JSON that is cut short, and what the headers call compressed or UTF-16.
//
// Retries follow the method: see WithRetryUnsafe for a POST that may be repeated. A 2xx whose success is falsy is
// ErrRejected.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body, out any, opts ...CallOption) error {
	cfg, err := newCallConfig(opts)
	if err := firstError(err, checkMethod(method, body), checkPath(path), checkQuery(query), checkOut(out)); err != nil {
		return err
	}
	encoded, err := encodeAny(body)
	if err != nil {
		return err
	}
	req := &request{method: strings.ToUpper(method), path: path, query: query, body: encoded}
	return c.made().call(ctx, req, cfg, func(a *answer) error { return a.decodeAny(out) })
}

func checkOut(out any) error {
	if out == nil {
		return nil
	}
	if v := reflect.ValueOf(out); v.Kind() != reflect.Pointer || v.IsNil() {
		return invalid("out", "must be a non-nil pointer, or nil")
	}
	return nil
}

func checkMethod(method string, body any) error {
	if !wire.IsToken(method) {
		return invalid("method", "is not an HTTP method")
	}
	if body != nil && retry.IsRead(strings.ToUpper(method)) {
		return invalid("body", "a "+strings.ToUpper(method)+" has no body")
	}
	if strings.EqualFold(method, http.MethodConnect) || strings.EqualFold(method, http.MethodTrace) {
		return invalid("method", "is not supported")
	}
	return nil
}

// checkPath refuses a path that could leave the base URL.
func checkPath(path string) error {
	const field = "path"
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return invalid(field, "must begin with one slash")
	}
	if strings.ContainsAny(path, "?#\\") {
		return invalid(field, "must not contain ?, # or a backslash: parameters go in query")
	}
	for i := range len(path) {
		if path[i] <= ' ' || path[i] == 0x7f {
			return invalid(field, "must not contain white space or control characters")
		}
	}
	decoded, err := url.PathUnescape(path)
	if err != nil || !utf8.ValidString(decoded) {
		return invalid(field, "is not a valid percent-encoded path")
	}
	if hasDotSegment(decoded) {
		return invalid(field, "must not contain dot segments")
	}
	return nil
}

func checkQuery(query url.Values) error {
	for name, values := range query {
		for _, value := range append([]string{name}, values...) {
			if !utf8.ValidString(value) {
				return invalid("query", "is not valid UTF-8")
			}
		}
	}
	return nil
}

// encodeAny encodes a body of the caller's own type.
func encodeAny(body any) ([]byte, error) {
	raw, isBytes := body.([]byte)
	if message, ok := body.(json.RawMessage); ok {
		raw, isBytes = message, true
	}
	if !isBytes {
		return encodeBody(body)
	}
	if !json.Valid(raw) {
		return nil, invalid("body", "is not valid JSON")
	}
	return bytes.Clone(raw), nil // a transport may read it after the call has returned
}

// decodeAny decodes an answer into a type of the caller's own.
func (a *answer) decodeAny(out any) error {
	if a.isHTML() && a.unreadable() == "" {
		return a.problem("the body is HTML, not JSON")
	}
	text := a.text()
	said, err := readEnvelope(a.ctx, text)
	switch {
	case errors.Is(err, errEnded):
		return err
	case err == nil && said.success.meaning == saysNo:
		return a.refusal(&said)
	case a.isEmptySuccess():
		return nil
	case out == nil:
		return a.checkComplete()
	}
	body, err := a.jsonBody()
	if err != nil {
		return err
	}
	if !utf8.Valid(body) && a.foreignText() != "" {
		return a.problem(a.foreignText())
	}
	if err := decodeInto(a.ctx, body, out, a.core.cfg.maxResponse); err != nil {
		return a.decodeError(err)
	}
	return nil
}

// checkComplete reports a body that begins as JSON and is cut short or broken, and one that nobody can read, which may
// be a refusal. Any other text, such as Ok, is good.
func (a *answer) checkComplete() error {
	if problem := a.unreadable(); problem != "" {
		return a.problem(problem)
	}
	body, err := a.jsonBody()
	if err != nil || !strings.ContainsRune(`{["`, rune(a.text()[0])) {
		return nil //nolint:nilerr // what is no JSON is no broken JSON either
	}
	if err := readJSON(a.ctx, body, lenient, func(r *reader) error { return r.SkipValue() }); err != nil {
		return a.decodeError(err)
	}
	return nil
}
