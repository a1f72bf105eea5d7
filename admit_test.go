package antcrm_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// turns is a limiter of the caller's that gives so many turns.
type turns struct{ left int }

func (l *turns) Wait(context.Context) error {
	if l.left == 0 {
		return errNoTurns
	}
	l.left--
	return nil
}

var errNoTurns = errors.New("quota of phone?id=0911222333 used up")

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

func TestARetryAfterPausesTheWholeClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration
		begin := time.Now()
		server := served(t, func(n int, _ seen) reply {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begin))
			if n == 0 {
				return reply{status: 429, header: map[string]string{"Retry-After": "30"}}
			}
			return ok(`[]`)
		})
		client := server.client(antcrm.WithMaxRetries(3))
		var calls sync.WaitGroup
		for i := range 3 {
			calls.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
				assert.NoError(t, err)
			})
		}
		time.Sleep(5 * time.Second)
		short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := client.Products.List(short, antcrm.ProductListParams{})
		require.ErrorIs(t, err, antcrm.ErrRateLimited, "a call that may not wait so long is refused")
		assert.Equal(t, 5*time.Second, time.Since(begin), "at once")
		calls.Wait()
		require.Len(t, at, 4)
		assert.Zero(t, at[0])
		for _, set := range at[1:] {
			assert.GreaterOrEqual(t, set, 30*time.Second)
			assert.LessOrEqual(t, set, 31*time.Second, "a second later at most")
		}
		assert.NotEqual(t, at[1], at[2], "nobody sets out together")
		assert.NotEqual(t, at[2], at[3])
	})
}

func TestWaitsEndWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel(cause)
		}()
		server := served(t, func(int, seen) reply { return reply{status: 429, header: map[string]string{"Retry-After": "60"}} })
		begin := time.Now()
		_, err := server.client(antcrm.WithMaxRetries(3)).Products.List(ctx, antcrm.ProductListParams{})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, err, antcrm.ErrRateLimited, "what the last attempt came to is told too")
		assert.Equal(t, time.Second, time.Since(begin))
	})
}

func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		server := served(t, func(int, seen) reply {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(10 * time.Millisecond)
			now.Add(-1)
			return ok(`[]`)
		})
		client := server.client(antcrm.WithRateLimit(10, 1), antcrm.WithMaxConcurrency(2))
		begin := time.Now()
		var calls sync.WaitGroup
		for range 11 {
			calls.Go(func() {
				_, err := client.Tickets.List(t.Context(), antcrm.TicketListParams{})
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		assert.LessOrEqual(t, most.Load(), int64(2))
		assert.GreaterOrEqual(t, time.Since(begin), time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := client.Tickets.Create(ctx, antcrm.TicketCreateParams{Title: "t", SLA: "s", Contact: antcrm.TicketContact{ID: "1"}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown)
		assert.Len(t, server.all(), 11)
	})
}
