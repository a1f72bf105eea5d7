package antcrm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestDoRefusesWhatCouldLeaveTheAPI(t *testing.T) {
	t.Parallel()
	client := scripted(t).client()
	for _, path := range []string{"", "contacts", "//evil.example/x", "/a?b=1", "/a#b", "/a/../b", "/a/%2e%2e/b", "/a b", "/%zz", "/%ff", `/a\b`, "https://evil.example/"} {
		require.ErrorIs(t, client.Do(t.Context(), "GET", path, nil, nil, nil), antcrm.ErrValidation, path)
	}
	type query = map[string][]string
	require.ErrorIs(t, client.Do(t.Context(), "GET", "/x", query{"a": {"\xff"}}, nil, nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "GET", "/x", nil, 1, nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "CONNECT", "/x", nil, nil, nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "G T", "/x", nil, nil, nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "POST", "/x", nil, strings.NewReader("{}"), nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "POST", "/x", nil, []byte("{"), nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "POST", "/x", nil, make(chan int), nil), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(t.Context(), "GET", "/x", nil, nil, 1), antcrm.ErrValidation)
	require.ErrorIs(t, client.Do(nil, "GET", "/x", nil, nil, nil), antcrm.ErrValidation) //nolint:staticcheck // nil is the test
	for _, opt := range []antcrm.CallOption{nil, antcrm.WithResponse(nil), antcrm.WithHeader("Idempotency-Key", "1"), antcrm.WithHeader("a b", "1"), antcrm.WithHeader("A", "1\n"), antcrm.WithHeader("Host", "x"), antcrm.WithReadAhead(-1)} {
		require.ErrorIs(t, client.Do(t.Context(), "GET", "/x", nil, nil, nil, opt), antcrm.ErrValidation)
	}
}

func TestDoSendsAndDecodesAnything(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok("\ufeff"+`{"Success":true,"data":{"n":12345678901234567890}}`), ok("Ok"), ok(`{"success":false,"error":{"code":"E1","message":"no"}}`))
	client := server.client()
	var out struct {
		Data struct{ N uint64 }
	}
	var res antcrm.Response
	require.NoError(t, client.Do(t.Context(), "post", "/new/thing", nil, map[string]string{"a": "<b>"}, &out, antcrm.WithResponse(&res)))
	assert.Equal(t, uint64(12345678901234567890), out.Data.N)
	assert.Equal(t, `{"a":"<b>"}`, server.all()[0].Body)
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, 1, res.Attempts)
	assert.NotContains(t, fmt.Sprintf("%+v", res), "12345")
	require.NoError(t, client.Do(t.Context(), "POST", "/ok", nil, []byte(`{}`), nil))
	err := client.Do(t.Context(), "POST", "/no", nil, nil, nil)
	require.ErrorIs(t, err, antcrm.ErrRejected)
	assert.Equal(t, "E1", requireError[*antcrm.APIError](t, err).Code)
}

// A body that is JSON already is sent byte by byte, and refused if it is not.
func TestDoSendsRawJSONAsItIs(t *testing.T) {
	t.Parallel()
	const text = `{ "a": 1.0, "a": "<&>" }`
	for _, body := range []any{json.RawMessage(text), []byte(text)} {
		server := scripted(t, ok(`{}`))
		require.NoError(t, server.client().Do(t.Context(), http.MethodPost, "/x", nil, body, nil))
		assert.Equal(t, text, server.one().Body)
	}
	for _, body := range []any{json.RawMessage("{"), []byte{}, json.RawMessage(nil), []byte("\xff"), func() {}, make(chan int)} {
		err := scripted(t).client().Do(t.Context(), http.MethodPost, "/x", nil, body, nil)
		assert.Equal(t, "body", requireError[*antcrm.ValidationError](t, err).Field, "%T", body)
	}
}

// Without an out any text is as good as another, but not a part of a JSON value.
func TestDoWithoutAnOutTakesNoCutJSON(t *testing.T) {
	t.Parallel()
	for body, isGood := range map[string]bool{
		``: true, `Ok`: true, `"Ok"`: true, `{}`: true, `[]`: true, `{"success":1}`: true, ` {"success":1,"data":[1]} `: true, "\ufeff{}": true, `1`: true, `null`: true, "\ufeff{}\n": true,
		`{"success":1`: false, `{`: false, `[1,`: false, `"O`: false, `{}x`: false, `{} {}`: false, `<p>`: false, `{"a":[1,2`: false, `{"a":1}}`: false,
	} {
		err := scripted(t, ok(body)).client().Do(t.Context(), http.MethodPost, "/x", nil, nil, nil)
		if isGood {
			require.NoError(t, err, body)
			continue
		}
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, body)
		requireError[*antcrm.DecodeError](t, err)
	}
}
