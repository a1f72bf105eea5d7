package antcrm

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
)

// writeCall describes a call that changes something: a resource file fills it in.
type writeCall struct {
	op     string // "create contact"
	method string
	path   string
	query  url.Values
	body   validator
	ids    []string  // the names that the id may have in the answer
	key    writtenID // the key that a PUT sends: the result if the answer is a 204
}

// writtenID is an id and its wire name.
type writtenID struct {
	name string
	id   ID
}

// write checks a body and sends it. It returns the id in the answer, or the zero writtenID if the endpoint promises
// none.
func (c *core) write(ctx context.Context, w writeCall, opts []CallOption) (writtenID, error) {
	cfg, err := newCallConfig(opts)
	if err := firstError(err, checkParams(w.body)); err != nil {
		return writtenID{}, err
	}
	body, err := encodeBody(w.body)
	if err != nil {
		return writtenID{}, err
	}
	var result writtenID
	req := &request{op: w.op, method: w.method, path: w.path, query: w.query, body: body}
	err = c.call(ctx, req, cfg, func(a *answer) (err error) {
		result, err = w.read(a)
		return err
	})
	return result, err
}

// writeID is write for an endpoint whose answers have one kind of id.
func (c *core) writeID(ctx context.Context, w writeCall, opts []CallOption) (ID, error) {
	result, err := c.write(ctx, w, opts)
	return result.id, err
}

func (w *writeCall) read(a *answer) (writtenID, error) {
	if a.isEmptySuccess() {
		return w.key, nil
	}
	said, err := a.decodeWrite(w.ids...)
	if err != nil || len(w.ids) == 0 {
		return writtenID{}, err
	}
	result := said.single()
	if result.id == "" {
		return writtenID{}, a.problemAt("/"+w.ids[0], "the answer has no id")
	}
	return result, nil
}

// encodeBody encodes a request body, once for all attempts. Parameters were checked before, so only a body of Do can
// fail here.
func encodeBody(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	if _, isReader := body.(io.Reader); isReader {
		return nil, invalid("body", "a reader cannot be sent again: pass a value to encode, or json.RawMessage")
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		// The encoder's text may quote a value.
		return nil, invalid("body", "cannot be encoded as JSON")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// keyBody is the body of a DELETE.
type keyBody map[string]string

func (keyBody) validate() error { return nil }

// delete sends a DELETE with the key in the query and in the body: the vendor does not say which of them it reads (our
// decision).
func (c *core) delete(ctx context.Context, op, path, name, key string, opts []CallOption) error {
	f := newFilters()
	f.required(name, key)
	if f.err != nil {
		return f.err
	}
	_, err := c.write(ctx, writeCall{op: op, method: http.MethodDelete, path: path, query: f.values, body: keyBody{name: key}}, opts)
	return err
}
