package matrixtest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// direct brings requests to the fake without a network, so that nothing depends on time. A request whose caller has
// left is carried out all the same, as one is that is already on the wire.
type direct struct {
	srv     *antcrmtest.Server
	running sync.WaitGroup
}

func (d *direct) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	arrived := req.Clone(context.WithoutCancel(req.Context()))
	arrived.Body, arrived.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answered := make(chan *http.Response, 1)
	d.running.Go(func() {
		defer close(answered)
		defer func() { _ = recover() }() // the fake cuts the connection
		rec := httptest.NewRecorder()
		d.srv.ServeHTTP(rec, arrived)
		answered <- rec.Result()
	})
	select {
	case resp, ok := <-answered:
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
		resp.Request = req
		return resp, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}
