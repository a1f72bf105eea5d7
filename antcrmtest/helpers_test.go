package antcrmtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// wire speaks plain HTTP to the fake, so that the fake is checked without the SDK.
type wire struct {
	t   *testing.T
	srv *antcrmtest.Server
	hc  *http.Client
}

func start(t *testing.T, opts ...antcrmtest.Option) *wire {
	t.Helper()
	srv := antcrmtest.NewServer(t, opts...)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	hc := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &wire{t, srv, hc}
}

func (w *wire) request(method, path, body string) *http.Request {
	w.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.srv.URL+path, reader)
	require.NoError(w.t, err)
	req.Header.Set("apikey", w.srv.APIKey)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// send returns status, body and header, or the transport's error.
func (w *wire) send(req *http.Request) (int, string, http.Header, error) {
	resp, err := w.hc.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), resp.Header, err
}

func (w *wire) do(method, path, body string) (int, string) {
	w.t.Helper()
	status, answer, _, err := w.send(w.request(method, path, body))
	require.NoError(w.t, err)
	return status, answer
}

// ok wants 200 and returns the body.
func (w *wire) ok(method, path, body string) string {
	w.t.Helper()
	status, answer := w.do(method, path, body)
	require.Equal(w.t, http.StatusOK, status, answer)
	return answer
}

// refused wants a refusal that names the field.
func (w *wire) refused(status int, method, path, body, field string) {
	w.t.Helper()
	got, answer := w.do(method, path, body)
	require.Equal(w.t, status, got, answer)
	var refusal struct {
		Success *bool
		Message string
		Code    string
		Field   string
	}
	require.NoError(w.t, json.Unmarshal([]byte(answer), &refusal))
	require.NotNil(w.t, refusal.Success)
	require.False(w.t, *refusal.Success)
	require.NotEmpty(w.t, refusal.Code)
	require.NotContains(w.t, refusal.Message, "\n")
	if field != "" {
		require.Equal(w.t, field, refusal.Field, refusal.Message)
		require.Contains(w.t, refusal.Message, field)
	}
}

// list decodes a bare array.
func (w *wire) list(path string) []map[string]any {
	w.t.Helper()
	return decodeList(w.t, w.ok(http.MethodGet, path, ""))
}

func decodeList(t *testing.T, body string) []map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	var records []map[string]any
	require.NoError(t, dec.Decode(&records), body)
	require.NotNil(t, records, "a list without records is [] and never null")
	return records
}

func column(records []map[string]any, name string) []any {
	values := make([]any, len(records))
	for i, r := range records {
		values[i] = r[name]
	}
	return values
}
