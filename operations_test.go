package antcrm_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// operations are all methods of all services. Whoever adds a method adds it
// here, and has its request, its answers and its errors tested.
func operations(tb testing.TB) []operation {
	tb.Helper()
	var all []operation
	for _, group := range []func(testing.TB) []operation{
		contactOperations, opportunityOperations, productOperations, ticketOperations, loyaltyOperations, segmentOperations,
		telesalesOperations, ratingOperations, messageOperations,
	} {
		all = append(all, group(tb)...)
	}
	return all
}

// forEachOperation runs a test for every method.
func forEachOperation(t *testing.T, run func(t *testing.T, op operation)) {
	t.Helper()
	for _, op := range operations(t) {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			run(t, op)
		})
	}
}

func TestEveryMethodIsAnOperation(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, op := range operations(t) {
		tested[op.name] = true
	}
	client := reflect.TypeFor[antcrm.Client]()
	for i := range client.NumField() {
		field := client.Field(i)
		for m := 0; field.IsExported() && m < field.Type.NumMethod(); m++ {
			name := field.Name + "." + field.Type.Method(m).Name
			if strings.HasSuffix(name, ".Import") {
				continue // not one request; has tests of its own
			}
			assert.True(t, tested[name], name)
			delete(tested, name)
		}
	}
	assert.Empty(t, slices.Collect(maps.Keys(tested)), "no such methods")
}

func TestEveryMethodSendsWhatTheContractSays(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		server := scripted(t, op.replies()...)
		got, err := op.call(t.Context(), server.client(), antcrm.WithHeader("X-Test", "yes"))
		require.NoError(t, err)
		if op.want != "" {
			assert.JSONEq(t, op.want, toJSON(t, got))
		}
		requests := server.all()
		require.Len(t, requests, len(op.answers))
		first := requests[0]
		assert.Equal(t, op.method, first.Method)
		assert.Equal(t, op.path, first.Path)
		sameQuery(t, op.query, first.Query)
		sameJSON(t, op.body, first.Body)
		assert.Equal(t, []string{secretKey}, first.Header["Apikey"])
		assert.Equal(t, "yes", first.Header.Get("X-Test"))
		assert.True(t, strings.HasPrefix(first.Header.Get("User-Agent"), "antcrm-go/"))
		if op.body != "" {
			mediaType, _, err := mime.ParseMediaType(first.Header.Get("Content-Type"))
			require.NoError(t, err)
			assert.Equal(t, "application/json", mediaType)
		}
	})
}

// What a proxy or a careless server does around good JSON changes nothing.
func TestEveryMethodReadsJSONWhateverSurroundsIt(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		replies := op.replies()
		for i := range replies {
			replies[i].body = "\ufeff\r\n " + replies[i].body + "\n"
			replies[i].header = map[string]string{"Content-Type": "text/html; charset=utf-8"}
			replies[i].status = http.StatusCreated
		}
		got, err := op.call(t.Context(), scripted(t, replies...).client())
		require.NoError(t, err)
		if op.want != "" {
			assert.JSONEq(t, op.want, toJSON(t, got))
		}
	})
}

// failure is a way for the first answer to go wrong.
type failure struct {
	name    string
	reply   func(op operation) (r reply, applies bool)
	is      error // nil: none of the sentinels but those of the outcome
	outcome antcrm.Outcome
	api     bool // an *APIError with the server's message; else a *DecodeError or *TransportError
}

const (
	apiBody = `{"success":false,"message":"APPID_MISSING","code":"E-17","phone":"0911222333"}`
	// foreign is personal data in a body that no error may quote.
	foreign = "0911222333"
)

// status answers with an error status and the same body for all methods.
func status(code int) func(operation) (reply, bool) {
	return func(op operation) (reply, bool) {
		// The one list for which a 404 without data is no error.
		return reply{status: code, body: apiBody}, code != http.StatusNotFound || !op.emptyOn404
	}
}

// body answers 200 with a body made of the good answer.
func body(of func(good string) string) func(operation) (reply, bool) {
	return func(op operation) (reply, bool) { return ok(of(op.answers[0])), true }
}

func failures() []failure {
	const unknown, rejected = antcrm.OutcomeUnknown, antcrm.OutcomeRejected
	constant := func(text string) func(operation) (reply, bool) { return body(func(string) string { return text }) }
	readsOnly := func(text string, reads bool) func(operation) (reply, bool) {
		return func(op operation) (reply, bool) { return ok(text), op.isRead() == reads }
	}
	return []failure{
		{name: "302", reply: status(http.StatusFound), outcome: rejected, api: true},
		{name: "400", reply: status(http.StatusBadRequest), outcome: rejected, api: true},
		{name: "401", reply: status(http.StatusUnauthorized), is: antcrm.ErrUnauthorized, outcome: rejected, api: true},
		{name: "403", reply: status(http.StatusForbidden), is: antcrm.ErrForbidden, outcome: rejected, api: true},
		{name: "404", reply: status(http.StatusNotFound), is: antcrm.ErrNotFound, outcome: rejected, api: true},
		{name: "409", reply: status(http.StatusConflict), is: antcrm.ErrConflict, outcome: rejected, api: true},
		{name: "422", reply: status(http.StatusUnprocessableEntity), outcome: rejected, api: true},
		{name: "429", reply: status(http.StatusTooManyRequests), is: antcrm.ErrRateLimited, outcome: rejected, api: true},
		{name: "500", reply: status(http.StatusInternalServerError), is: antcrm.ErrServer, outcome: unknown, api: true},
		{name: "503", reply: status(http.StatusServiceUnavailable), is: antcrm.ErrServer, outcome: unknown, api: true},
		{name: "falsy success", reply: constant(apiBody), is: antcrm.ErrRejected, outcome: rejected, api: true},
		{name: "success 0", reply: constant(strings.Replace(apiBody, "false", "0", 1)), is: antcrm.ErrRejected, outcome: rejected, api: true},
		{name: "success of another kind, a list", reply: readsOnly(strings.Replace(apiBody, "false", `"ok"`, 1), true), is: antcrm.ErrRejected, outcome: rejected, api: true},
		{name: "success of another kind, a write", reply: readsOnly(strings.Replace(apiBody, "false", `"ok"`, 1), false), outcome: unknown},
		{name: "HTML", reply: constant("<!DOCTYPE html><p>" + foreign + "</p>"), outcome: unknown},
		{name: "empty", reply: constant(" \r\n"), outcome: unknown},
		{name: "cut short", reply: body(func(good string) string { return good[:len(good)-1] }), outcome: unknown},
		{name: "trailing bytes", reply: body(func(good string) string { return good + ` {"phone":"` + foreign + `"}` }), outcome: unknown},
		{name: "a number", reply: constant("911222333"), outcome: unknown},
		{name: "a text", reply: constant(`"` + foreign + `"`), outcome: unknown},
		{name: "wrong shape", outcome: unknown, reply: func(op operation) (reply, bool) {
			if op.isRead() {
				return ok(`{"success":true,"total":1,"phone":"` + foreign + `"}`), true
			}
			return ok(`[["` + foreign + `"]]`), true
		}},
		{name: "a record of the wrong kind", outcome: unknown, reply: func(op operation) (reply, bool) {
			return ok(`[{"_id":"a"},"` + foreign + `"]`), op.isRead()
		}},
		{name: "no id", outcome: unknown, reply: func(op operation) (reply, bool) { return ok(`{"success":1}`), op.promisesID }},
		{name: "null id", outcome: unknown, reply: func(op operation) (reply, bool) {
			return ok(`{"success":1,"leadId":null,"customerId":[null],"number":null,"code":"","TicketId":null}`), op.promisesID
		}},
		{name: "no success", outcome: unknown, reply: func(op operation) (reply, bool) { return ok(`{"phone":"` + foreign + `"}`), !op.isRead() }},
		{name: "connection lost", outcome: unknown, reply: func(operation) (reply, bool) { return reply{err: io.ErrUnexpectedEOF}, true }},
	}
}

func TestEveryErrorPathOfEveryMethod(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		for _, f := range failures() {
			answer, applies := f.reply(op)
			if !applies {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				server := scripted(t, answer)
				got, err := op.call(t.Context(), server.client())
				require.Error(t, err)
				checkFailure(t, op, f, err)
				checkNothingReturned(t, op, f, got)
				onOneLine(t, err, private(server.one())...)
			})
		}
	})
}

func checkFailure(t *testing.T, op operation, f failure, err error) {
	t.Helper()
	for _, sentinel := range []error{
		antcrm.ErrUnauthorized, antcrm.ErrForbidden, antcrm.ErrNotFound, antcrm.ErrConflict, antcrm.ErrRateLimited, antcrm.ErrServer, antcrm.ErrRejected,
		antcrm.ErrValidation, antcrm.ErrRepeatedPage, antcrm.ErrResponseTooLarge,
	} {
		assert.Equal(t, errors.Is(sentinel, f.is), errors.Is(err, sentinel), "%v: %v", sentinel, err)
	}
	unknown := f.outcome == antcrm.OutcomeUnknown && !op.isRead()
	assert.Equal(t, unknown, errors.Is(err, antcrm.ErrOutcomeUnknown), err)
	assert.Contains(t, err.Error(), op.method+" "+op.path)

	_, isAPI := errors.AsType[*antcrm.APIError](err)
	assert.Equal(t, f.api, isAPI, "%T %v", err, err)
	if !isAPI {
		return
	}
	answered := requireError[*antcrm.APIError](t, err)
	assert.Equal(t, op.method, answered.Method)
	assert.Equal(t, op.path, answered.Path)
	assert.Equal(t, "E-17", answered.Code)
	assert.Equal(t, 1, answered.Attempts)
	assert.Contains(t, string(answered.Body), foreign, "the body is kept for those who want it")
	if answered.StatusCode/100 != 3 {
		assert.Equal(t, "APPID_MISSING", answered.Message)
	}
}

// checkNothingReturned: a result beside an error is the zero one, or a batch's
// that says what is known of each record.
func checkNothingReturned(t *testing.T, op operation, f failure, got any) {
	t.Helper()
	if !op.isBatch || got == nil {
		if v := reflect.ValueOf(got); v.IsValid() {
			assert.True(t, v.IsZero(), "%v", got)
		}
		return
	}
	failures := reflect.ValueOf(got).Elem().FieldByName("Failures").Interface().([]antcrm.BatchFailure)
	require.Len(t, failures, 1)
	assert.Equal(t, f.outcome, failures[0].Outcome)
	assert.Equal(t, 0, failures[0].First)
}

// private is what of a request no error may tell.
func private(req seen) []string {
	values := []string{foreign, "Nguyễn", "0900000001", "example.com"}
	for _, list := range req.Query {
		for _, value := range list {
			if len(value) > 5 {
				values = append(values, value)
			}
		}
	}
	return values
}

func TestEveryMethodRefusesANilContextAndBadOptions(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		server := scripted(t)
		client := server.client()
		var none context.Context
		_, err := op.call(none, client)
		require.ErrorIs(t, err, antcrm.ErrValidation)
		for name, option := range map[string]antcrm.CallOption{
			"nil": nil, "no response": antcrm.WithResponse(nil), "bad header": antcrm.WithHeader("a b", "c"),
			"header with a line break": antcrm.WithHeader("a", "b\r\nc"), "negative read-ahead": antcrm.WithReadAhead(-1),
		} {
			_, err := op.call(t.Context(), client, option)
			require.ErrorIs(t, err, antcrm.ErrValidation, name)
			onOneLine(t, err)
		}
		assert.Empty(t, server.all(), "nothing may be sent")
	})
}

func TestEveryMethodStopsWithItsContext(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		server := scripted(t)
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := op.call(ctx, server.client())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown, "nothing was sent")
		assert.Empty(t, server.all())
		onOneLine(t, err)
	})
}

func TestEveryMethodReportsItsResponse(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		if op.isBatch {
			var response antcrm.Response
			_, err := op.call(t.Context(), scripted(t).client(), antcrm.WithResponse(&response))
			require.ErrorIs(t, err, antcrm.ErrValidation, "a batch has no single response")
			return
		}
		var response antcrm.Response
		replies := op.replies()
		last := &replies[len(replies)-1]
		last.header, last.status = map[string]string{"X-Request-Id": "r-1"}, http.StatusAccepted
		_, err := op.call(t.Context(), scripted(t, replies...).client(), antcrm.WithResponse(&response))
		require.NoError(t, err)
		assert.Equal(t, http.StatusAccepted, response.StatusCode)
		assert.Equal(t, last.body, string(response.Body))
		assert.Equal(t, "r-1", response.Header.Get("X-Request-Id"))
		assert.Equal(t, 1, response.Attempts)

		response = antcrm.Response{}
		_, err = op.call(t.Context(), scripted(t, reply{status: http.StatusConflict, body: apiBody}).client(), antcrm.WithResponse(&response))
		require.ErrorIs(t, err, antcrm.ErrConflict)
		assert.Equal(t, http.StatusConflict, response.StatusCode)
		assert.Equal(t, apiBody, string(response.Body))
	})
}

// 204 is a good answer to a DELETE, and to a PUT, whose result is then the key that
// was sent.
func TestNoContentIsAnAnswerToADeleteAndAPut(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		server := scripted(t, reply{status: http.StatusNoContent})
		got, err := op.call(t.Context(), server.client())
		switch {
		case op.method == http.MethodDelete:
			require.NoError(t, err)
			return
		case op.method == http.MethodPut:
			require.NoError(t, err)
			key := strings.Trim(toJSON(t, got), "{}")
			if op.isBatch {
				key = `"number":` + toJSON(t, got.(*antcrm.BatchResult[antcrm.ID]).Results[0])
			}
			assert.Greater(t, len(key), len(`""`))
			assert.Contains(t, server.one().Body, key)
			return
		}
		requireError[*antcrm.DecodeError](t, err)
	})
}
