package contract

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// Exchange is one request that went through a [Transport], and what became of it.
type Exchange struct {
	Operation Operation // zero if the contract has none for it
	Method    string
	Path      string
	Query     url.Values
	Body      []byte
	Status    int     // 0 if no complete answer came
	Broken    []error // the rules that the request breaks
	BadAnswer []error // the rules that the answer breaks
}

// Violations returns the rules that were broken in either direction.
func (x Exchange) Violations() []error { return slices.Concat(x.Broken, x.BadAnswer) }

// Transport is an http.RoundTripper that holds every exchange to the contract and records it. It changes nothing on the way: a violation is
// recorded, not answered.
type Transport struct {
	contract *Contract
	next     http.RoundTripper

	mu   sync.Mutex
	seen []Exchange
}

// Transport returns a transport that sends through next; nil is http.DefaultTransport.
func (c *Contract) Transport(next http.RoundTripper) *Transport {
	if next == nil {
		next = http.DefaultTransport
	}
	return &Transport{contract: c, next: next}
}

// Exchanges returns what went through so far, in the order of the answers.
func (t *Transport) Exchanges() []Exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.seen)
}

// RoundTrip sends the request and checks both directions.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := readAll(req.Body)
	if err != nil {
		return nil, err
	}
	ex := Exchange{Method: req.Method, Path: req.URL.Path, Query: req.URL.Query(), Body: body}
	checked := req.Clone(req.Context())
	checked.Body, checked.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	found, err := t.contract.find(checked)
	if err != nil {
		ex.Broken = []error{err}
	} else {
		ex.Operation = found.operation()
		ex.Broken = found.checkRequest(req.Context())
	}
	res, err := t.send(req, body, found, &ex)
	t.mu.Lock()
	t.seen = append(t.seen, ex)
	t.mu.Unlock()
	return res, err
}

// send passes the request on as it came and checks the answer, if a complete one comes.
func (t *Transport) send(req *http.Request, body []byte, found *exchange, ex *Exchange) (*http.Response, error) {
	sent := req.Clone(req.Context()) // a RoundTripper must not change the request it is given
	if sent.Body = http.NoBody; len(body) > 0 {
		sent.Body = io.NopCloser(bytes.NewReader(body))
	}
	sent.ContentLength, sent.TransferEncoding = int64(len(body)), nil
	res, err := t.next.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	answer, err := readAll(res.Body)
	if err != nil {
		return nil, err
	}
	ex.Status = res.StatusCode
	res.Body = io.NopCloser(bytes.NewReader(answer))
	if found != nil {
		ex.BadAnswer = found.checkResponse(req.Context(), res.StatusCode, res.Header, answer)
	}
	return res, nil
}

func readAll(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	data, err := io.ReadAll(body)
	_ = body.Close()
	return data, err
}
