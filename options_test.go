package antcrm_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// turns is a limiter of the caller's that gives so many turns.
type turns struct{ left int }

var errNoTurns = errors.New("quota of phone?id=0911222333 used up")

func (l *turns) Wait(context.Context) error {
	if l.left == 0 {
		return errNoTurns
	}
	l.left--
	return nil
}

func TestALimiterIsAskedBeforeEveryAttempt(t *testing.T) {
	t.Parallel()
	server := served(t, func(int, seen) reply { return reply{status: http.StatusBadGateway} })
	client := server.client(antcrm.WithRateLimiter(&turns{left: 2}), antcrm.WithMaxRetries(5), antcrm.WithRetryBackoff(0, 0))
	_, err := client.Contacts.Get(t.Context(), antcrm.LeadRef("1"))
	require.ErrorIs(t, err, errNoTurns, "the limiter's own error is reachable")
	require.ErrorIs(t, err, antcrm.ErrServer, "and what the last attempt came to")
	assert.Len(t, server.all(), 2)
	onOneLine(t, err, "0911222333")

	err = client.Contacts.Delete(t.Context(), antcrm.LeadRef("1"))
	require.ErrorIs(t, err, errNoTurns)
	require.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown, "nothing was sent")
	assert.Len(t, server.all(), 2)
}

func TestPortsAreChecked(t *testing.T) {
	t.Parallel()
	for port, good := range map[string]bool{"": true, ":": true, ":1": true, ":65535": true, ":65536": false, ":99999999999999999999": false, ":x": false} {
		_, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL("https://h.example"+port+"/prefix"))
		if good {
			require.NoError(t, err, port)
			continue
		}
		assert.Equal(t, "baseURL", requireError[*antcrm.ValidationError](t, err).Field, port)
	}
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
