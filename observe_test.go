package antcrm_test

import (
	"bytes"
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
