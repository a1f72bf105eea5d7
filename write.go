package antcrm

import (
	"context"
	"net/http"
	"net/url"
)

// write is a call that changes something: all that a resource file says of it.
type write struct {
	op     string // "create contact"
	method string
	path   string
	query  url.Values
	body   any
	ids    []string // the names under which the answer may give the id
}

// write checks nothing: its callers have. It returns the ids of the answer.
func (c *core) write(ctx context.Context, w write, opts []CallOption) (writeAnswer, error) {
	cfg, err := newCallConfig(opts)
	if err != nil {
		return nil, err
	}
	body, err := encodeBody(w.body)
	if err != nil {
		return nil, err
	}
	var ids writeAnswer
	req := &request{op: w.op, method: w.method, path: w.path, query: w.query, body: body}
	err = c.call(ctx, req, cfg, func(a *answer) (err error) {
		if w.method == http.MethodDelete && a.status == http.StatusNoContent {
			return nil
		}
		ids, err = a.decodeWrite(w.ids...)
		if err == nil && len(w.ids) > 0 && ids.single(w.ids...) == "" {
			failure := a.problem("the answer has no id")
			failure.Path = "/" + w.ids[0]
			return failure
		}
		return err
	})
	return ids, err
}

// writeID is write for a body that is checked here, and for an endpoint that
// answers with an ID.
func (c *core) writeID(ctx context.Context, w write, body params, opts []CallOption) (ID, error) {
	if err := checkParams(body); err != nil {
		return "", err
	}
	w.body = body
	ids, err := c.write(ctx, w, opts)
	if err != nil {
		return "", err
	}
	return ids.single(w.ids...), nil
}

// delete sends a DELETE whose key goes in the query and in the body, the same
// value: the vendor does not say which of them it reads (our decision).
func (c *core) delete(ctx context.Context, op, path, name, key string, opts []CallOption) error {
	f := newFilters()
	f.required(name, key)
	if f.err != nil {
		return f.err
	}
	_, err := c.write(ctx, write{op: op, method: http.MethodDelete, path: path, query: f.values, body: map[string]string{name: key}}, opts)
	return err
}
