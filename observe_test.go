package antcrm_test

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestLogsTellEveryAttemptAndNothingPrivate(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := scripted(t, reply{status: 500, body: `{"message":"Nguyen 0900000001"}`}, reply{err: errReset}, ok(`[]`))
	client := server.client(quick(), antcrm.WithMaxRetries(3), antcrm.WithLogger(logger), antcrm.WithUserAgent("shop/1"))
	_, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{Phone: "0900000001", Email: "mai@example.com"})
	require.NoError(t, err)
	text := out.String()
	assert.Equal(t, 3, strings.Count(text, "level=DEBUG"))
	assert.Equal(t, 2, strings.Count(text, "level=WARN"))
	for _, part := range []string{"method=GET", "path=/contacts", "status=500", "attempt=2"} {
		assert.Contains(t, text, part)
	}
	for line := range strings.Lines(text) {
		for _, name := range []string{"method", "path", "status", "attempt", "wait", "duration", "size", "request_id"} {
			assert.Contains(t, line, " "+name+"=")
		}
	}
	for _, private := range []string{secretKey, "0900000001", "mai", "Nguyen"} {
		assert.NotContains(t, text, private)
	}
	assert.Equal(t, "shop/1", server.all()[0].Header.Get("User-Agent"))
}

func TestLogsTellTheWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		server := scripted(t, reply{status: 429, header: map[string]string{"Retry-After": "7"}}, ok(`[]`))
		_, err := server.client(antcrm.WithMaxRetries(1), antcrm.WithLogger(logger)).Contacts.List(t.Context(), antcrm.ContactListParams{})
		require.NoError(t, err)
		var levels []string
		var waits []time.Duration
		for _, found := range regexp.MustCompile(`level=(\w+) .* wait=(\S+)`).FindAllStringSubmatch(out.String(), -1) {
			wait, err := time.ParseDuration(found[2])
			require.NoError(t, err)
			levels, waits = append(levels, found[1]), append(waits, wait)
		}
		assert.Equal(t, []string{"DEBUG", "WARN", "DEBUG"}, levels)
		assert.Zero(t, waits[0], "before the attempt")
		assert.GreaterOrEqual(t, waits[1], 7*time.Second, "at warn, after it")
		assert.Equal(t, waits[1], waits[2])
	})
}

func TestObserversSeeEveryAttempt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		type key struct{}
		var got []antcrm.Attempt
		second := 0
		server := served(t, func(n int, _ seen) reply {
			time.Sleep(2 * time.Second)
			return []reply{{status: 503, body: "busy", header: map[string]string{"Retry-After": "7"}}, {err: errReset}, ok(`[]`)}[n]
		})
		client := server.client(antcrm.WithMaxRetries(3), antcrm.WithRetryBackoff(0, 0),
			antcrm.WithObserver(func(ctx context.Context, a antcrm.Attempt) {
				assert.Equal(t, "caller", ctx.Value(key{}))
				got = append(got, a)
			}),
			antcrm.WithObserver(func(context.Context, antcrm.Attempt) { second++ }))
		_, err := client.Contacts.List(context.WithValue(t.Context(), key{}, "caller"), antcrm.ContactListParams{Phone: "0911222333"})
		require.NoError(t, err)
		require.Len(t, got, 3)
		assert.Equal(t, 3, second)

		require.ErrorIs(t, got[0].Err, antcrm.ErrServer)
		require.ErrorIs(t, got[1].Err, errReset)
		for i := range got {
			if got[i].Err != nil {
				onOneLine(t, got[i].Err, "0911222333")
			}
			got[i].Err = nil
		}
		assert.GreaterOrEqual(t, got[1].Wait, 7*time.Second)
		assert.LessOrEqual(t, got[1].Wait, 7700*time.Millisecond)
		got[1].Wait = 7 * time.Second
		common := antcrm.Attempt{Op: "list contacts", Method: "GET", Path: "/contacts", Duration: 2 * time.Second}
		first, lost, last := common, common, common
		first.Number, first.Status, first.Bytes, first.WillRetry = 1, 503, 4, true
		lost.Number, lost.Wait, lost.WillRetry = 2, 7*time.Second, true
		last.Number, last.Status, last.Bytes = 3, 200, 2
		assert.Equal(t, []antcrm.Attempt{first, lost, last}, got)
	})
}

// Err is nil for a good answer only: a 2xx that makes no sense, or says no, is
// none.
func TestObserversSeeWhatTheCallerSees(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reply reply
		want  error
	}{
		{ok(`{"success":1,"number":7}`), nil},
		{ok(`<html></html>`), antcrm.ErrOutcomeUnknown},
		{ok(`{"success":0}`), antcrm.ErrRejected},
		{reply{status: 429}, antcrm.ErrRateLimited},
		{reply{err: errReset}, antcrm.ErrOutcomeUnknown},
	} {
		var got []antcrm.Attempt
		client := scripted(t, tt.reply).client(antcrm.WithObserver(func(_ context.Context, a antcrm.Attempt) { got = append(got, a) }))
		_, err := client.Opportunities.Create(t.Context(), newOrder())
		require.Len(t, got, 1)
		assert.Equal(t, err, got[0].Err)
		assert.False(t, got[0].WillRetry)
		if tt.want == nil {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, tt.want)
	}
	// The end of the retries, of the budget, of the context: nothing follows.
	ctx, cancel := context.WithCancel(t.Context())
	var last antcrm.Attempt
	client := served(t, func(int, seen) reply { cancel(); return reply{status: 500} }).
		client(antcrm.WithMaxRetries(3), antcrm.WithObserver(func(_ context.Context, a antcrm.Attempt) { last = a }))
	_, err := client.Contacts.List(ctx, antcrm.ContactListParams{})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, antcrm.ErrServer)
	assert.False(t, last.WillRetry)
	assert.Equal(t, 1, last.Number)

	_, err = antcrm.NewClient(secretKey, antcrm.WithObserver(nil))
	require.ErrorIs(t, err, antcrm.ErrValidation)
}

// A panic of an observer is its caller's. The client is as good as before: the slot is free.
func TestAnObserverThatPanicsLeavesTheClientWhole(t *testing.T) {
	t.Parallel()
	calls := 0
	client := scripted(t, ok(`[]`), ok(`[]`)).client(antcrm.WithMaxConcurrency(1), antcrm.WithObserver(func(context.Context, antcrm.Attempt) {
		if calls++; calls == 1 {
			panic("observer")
		}
	}))
	list := func() error {
		_, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
		return err
	}
	assert.PanicsWithValue(t, "observer", func() { _ = list() })
	require.NoError(t, list())
}
