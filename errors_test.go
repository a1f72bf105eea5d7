package antcrm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// What a proxy or a transport quotes of the URL stays out of the text.
// The body of a refusal may quote a customer: no encoder of a log takes it along.
func TestAPIErrorsEncodeWithoutTheBody(t *testing.T) {
	t.Parallel()
	_, err := scripted(t, reply{status: http.StatusBadRequest, body: `{"message":"no","name":"0911222333"}`}).client().Tickets.Get(t.Context(), "1")
	refusal := requireError[*antcrm.APIError](t, err)
	require.Contains(t, string(refusal.Body), "0911222333")
	text, err := json.Marshal(refusal)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "Body")
	assert.Contains(t, string(text), `"Message":"no"`)
}

func TestTransportErrorsQuoteNoQuery(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`proxy refused "https://h.example/contacts?phone=0911222333&x=1" twice`: `proxy refused "https://h.example/contacts…" twice`,
		"is it up? no":                "is it up? no",
		"gone: /x?phone=0911222333":   "gone: /x…",
		"two\nlines\x00 " + secretKey: "two lines [redacted]",
	} {
		cause := errors.New(text)
		_, err := scripted(t, reply{err: cause}).client().Contacts.List(t.Context(), antcrm.ContactListParams{Phone: "0911222333"})
		require.ErrorIs(t, err, cause)
		assert.True(t, strings.HasSuffix(err.Error(), ": "+want), err.Error())
	}
}

// The end of the context is said once, and seen with its cause, also when it
// ends an attempt that would have been repeated.
func TestTheEndOfAContextIsSaidOnce(t *testing.T) {
	t.Parallel()
	cause := errors.New("shutting down")
	for _, shown := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		server := served(t, func(int, seen) reply {
			cancel(cause)
			if shown {
				return reply{err: fmt.Errorf("read: %w: %w", context.Canceled, cause)}
			}
			return reply{err: errors.New("connection reset")}
		})
		_, err := server.client(antcrm.WithMaxRetries(3)).Contacts.List(ctx, antcrm.ContactListParams{})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		assert.Equal(t, 1, strings.Count(err.Error(), "shutting down"), err)
		assert.Equal(t, 1, requireError[*antcrm.TransportError](t, err).Attempts)
		assert.Len(t, server.all(), 1)
	}
}

// Errors that callers make for their own tests read well too.
func TestErrorsOfCallersReadWell(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"antcrm: GET /x: reset":                         &antcrm.TransportError{Method: http.MethodGet, Path: "/x", Err: errors.New("reset")},
		"antcrm: POST /x: 409 Conflict: twice":          &antcrm.APIError{StatusCode: 409, Method: http.MethodPost, Path: "/x", Message: "twice"},
		"antcrm: record 3: name: is required":           &antcrm.ValidationError{Index: 3, Field: "name", Problem: "is required"},
		"antcrm: cut short at /0 (offset 7 of 9 bytes)": &antcrm.DecodeError{Problem: "cut short", Path: "/0", Offset: 7, Size: 9},
	} {
		assert.Equal(t, want, err.Error())
		assert.Equal(t, want, fmt.Sprintf("%s", err))
	}
}

func TestATransportsErrorIsSeenButNotItsSecrets(t *testing.T) {
	t.Parallel()
	mine := errors.New("circuit open")
	server := served(t, func(_ int, req seen) reply {
		return reply{err: errors.Join(mine, &url.Error{Op: "Post", URL: "https://idp.example/token?secret=" + secretKey + "&phone=" + req.Query.Get("phone"), Err: io.ErrUnexpectedEOF})}
	})
	_, err := server.client().Contacts.List(t.Context(), antcrm.ContactListParams{Phone: "0900000001"})
	require.ErrorIs(t, err, mine)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Contains(t, err.Error(), "circuit open")
	onOneLine(t, err, "0900000001")
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		assert.NotContains(t, cause.Error(), "0900000001")
		assert.NotContains(t, fmt.Sprintf("%+v %#v", cause, cause), secretKey)
	}
	_, foundNet := errors.AsType[net.Error](err) // which a url.Error is too
	assert.False(t, foundNet)
	_, found := errors.AsType[*url.Error](err)
	assert.False(t, found, "its text is the URL")
}
