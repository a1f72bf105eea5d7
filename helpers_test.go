package antcrm_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/antbuddy/antcrm-go"
)

// net/http logs what hostile peers send: a flood of frames is a flood of lines, and writing them outlasts the test.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	goleak.VerifyTestMain(m)
}

// secretKey is the key of every scripted client: no text may hold it.
const secretKey = "sk-0123456789-secret"

// reply is one answer of a scripted server.
type reply struct {
	status int    // 0: 200
	body   string // as it is
	header map[string]string
	err    error // instead of an answer
}

// ok is a 200 with a body.
func ok(body string) reply { return reply{body: body} }

// seen is one request as the server saw it.
type seen struct {
	Method, Path string
	Query        url.Values
	Header       http.Header
	Body         string
}

// script is a server without a network: it answers and remembers.
type script struct {
	tb     testing.TB
	answer func(n int, req seen) reply // n counts from 0

	mu       sync.Mutex
	requests []seen
}

// scripted gives its replies in turn; a request beyond them fails the test.
func scripted(tb testing.TB, replies ...reply) *script {
	tb.Helper()
	return served(tb, func(n int, req seen) reply {
		if n < len(replies) {
			return replies[n]
		}
		tb.Errorf("request %d was not expected: %s %s?%s", n, req.Method, req.Path, req.Query.Encode())
		return reply{status: http.StatusTeapot}
	})
}

// served answers by a function of the request.
func served(tb testing.TB, answer func(n int, req seen) reply) *script {
	tb.Helper()
	return &script{tb: tb, answer: answer}
}

// client talks to the script, without retries unless an option says so.
func (s *script) client(opts ...antcrm.Option) *antcrm.Client {
	s.tb.Helper()
	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(s.respond)
	own := []antcrm.Option{antcrm.WithHTTPClient(&http.Client{Transport: mock}), antcrm.WithMaxRetries(0)}
	client, err := antcrm.NewClient(secretKey, append(own, opts...)...)
	require.NoError(s.tb, err)
	return client
}

func (s *script) respond(req *http.Request) (*http.Response, error) {
	got := seen{Method: req.Method, Path: req.URL.EscapedPath(), Query: req.URL.Query(), Header: req.Header}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		got.Body = string(body)
	}
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, got)
	s.mu.Unlock()

	r := s.answer(n, got)
	if r.err != nil {
		return nil, r.err
	}
	res := httpmock.NewStringResponse(cmp.Or(r.status, http.StatusOK), r.body)
	res.Header.Set("Content-Type", "application/json")
	for name, value := range r.header {
		res.Header.Set(name, value)
	}
	return res, nil
}

// all returns the requests so far, in the order of their arrival.
func (s *script) all() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.requests...)
}

// one returns the only request.
func (s *script) one() seen {
	s.tb.Helper()
	requests := s.all()
	require.Len(s.tb, requests, 1)
	return requests[0]
}

// operation is one method of the SDK, called with every parameter it has, and
// what the wire contract says of it.
type operation struct {
	name string // Contacts.List
	call func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error)

	method  string
	path    string
	query   string   // key=value pairs joined by &, not escaped; "" for none
	body    string   // JSON; "" for none
	answers []string // good ones, one a request
	want    string   // what call returns for them, as JSON; "" for nothing

	promisesID bool // the answer must have an id
	isBatch    bool // failures come as a *BatchError
	emptyOn404 bool
}

func (o operation) isRead() bool { return o.method == http.MethodGet }

// replies are the good answers.
func (o operation) replies() []reply {
	replies := make([]reply, len(o.answers))
	for i, answer := range o.answers {
		replies[i] = ok(answer)
	}
	return replies
}

// listing describes a List and an All at once: they differ only in what they
// return.
type listing[T any] struct {
	name   string // Contacts
	path   string
	query  string // must have page
	answer string
	want   string // the items as JSON

	list func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[T], error)
	all  func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[T]

	emptyOn404 bool
}

func (l listing[T]) operations() []operation {
	list := operation{
		name: l.name + ".List", method: http.MethodGet, path: l.path, query: l.query, answers: []string{l.answer}, want: l.want, emptyOn404: l.emptyOn404,
		call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
			page, err := l.list(ctx, c, opts...)
			if err != nil {
				return page, err
			}
			return page.Items, nil
		},
	}
	all := list
	all.name, all.answers = l.name+".All", []string{l.answer, "[]"}
	all.call = func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
		// Without read-ahead the requests come in a known order.
		return antcrm.Collect(l.all(ctx, c, append(opts, antcrm.WithReadAhead(0))...))
	}
	return []operation{list, all}
}

// sameQuery compares a request's query with key=value pairs.
func sameQuery(tb testing.TB, want string, got url.Values) {
	tb.Helper()
	expected := url.Values{}
	for pair := range strings.SplitSeq(want, "&") {
		if name, value, found := strings.Cut(pair, "="); found {
			expected.Add(name, value)
		}
	}
	assert.Equal(tb, expected, got)
}

// sameJSON compares as JSON; "" is nothing at all.
func sameJSON(tb testing.TB, want, got string) {
	tb.Helper()
	if want == "" {
		assert.Empty(tb, got)
		return
	}
	assert.JSONEq(tb, want, got)
}

func toJSON(tb testing.TB, v any) string {
	tb.Helper()
	text, err := json.Marshal(v)
	require.NoError(tb, err)
	return string(text)
}

func fromJSON[T any](tb testing.TB, text string) T {
	tb.Helper()
	var v T
	require.NoError(tb, json.Unmarshal([]byte(text), &v))
	return v
}

// sample reads a file of testdata.
func sample(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(tb, err)
	return string(text)
}

// moment is the time that the vendor's page uses in its examples.
func moment() time.Time { return time.Date(2024, 3, 13, 6, 24, 20, 673_000_000, time.UTC) }

// onOneLine checks what every error text must keep to.
func onOneLine(tb testing.TB, err error, private ...string) {
	tb.Helper()
	for _, text := range []string{err.Error(), fmt.Sprintf("%v|%+v|%s|%#v", err, err, err, err)} {
		assert.NotContains(tb, text, "\n")
		assert.NotContains(tb, text, secretKey)
		assert.NotContains(tb, text, "?")
		for _, value := range private {
			assert.NotContains(tb, text, value)
		}
	}
	assert.True(tb, strings.HasPrefix(err.Error(), "antcrm: "), err.Error())
}

// requireError finds an error of a type in a chain.
func requireError[E error](tb testing.TB, err error) E {
	tb.Helper()
	found, is := errors.AsType[E](err)
	require.True(tb, is, "%T: %v", err, err)
	return found
}
