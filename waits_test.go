package antcrm_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// Waits that meet: each pair of what a call can wait for.

// clock remembers when requests arrive.
type clock struct {
	begin time.Time
	mu    sync.Mutex
	at    map[string][]time.Duration // by path
}

func startClock() *clock { return &clock{begin: time.Now(), at: map[string][]time.Duration{}} }

func (c *clock) note(path string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[path] = append(c.at[path], time.Since(c.begin))
	return len(c.at[path])
}

func TestABackoffThatMeetsAPauseWaitsForItsEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		arrived := startClock()
		server := served(t, func(_ int, req seen) reply {
			n := arrived.note(req.Path)
			switch {
			case req.Path == "/products" && n == 1:
				return reply{status: http.StatusBadGateway} // its backoff begins at once
			case req.Path == "/tickets" && n == 1:
				return reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "20"}}
			}
			return ok(`[]`)
		})
		client := server.client(antcrm.WithMaxRetries(1), antcrm.WithRetryBackoff(4*time.Second, 4*time.Second))
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
			assert.NoError(t, err)
		})
		synctest.Wait() // until the backoff has begun
		calls.Go(func() {
			_, err := client.Tickets.List(t.Context(), antcrm.TicketListParams{})
			assert.NoError(t, err)
		})
		calls.Wait()
		for _, path := range []string{"/products", "/tickets"} {
			require.Len(t, arrived.at[path], 2, path)
			assert.GreaterOrEqual(t, arrived.at[path][1], 20*time.Second, path)
			assert.LessOrEqual(t, arrived.at[path][1], 21*time.Second, path)
		}
	})
}

// A call that queues for a slot while a pause begins waits for the pause too, or is refused when it has the slot.
func TestASlotThatComesDuringAPauseIsUsedAfterIt(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"20", "600"} {
		inBubble(t, func(t *testing.T) {
			arrived := startClock()
			server := served(t, func(_ int, req seen) reply {
				if arrived.note(req.Path) == 1 && req.Path == "/tickets" {
					time.Sleep(2 * time.Second)
					return reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": header}}
				}
				return ok(`[]`)
			})
			client := server.client(antcrm.WithMaxConcurrency(1))
			var calls sync.WaitGroup
			calls.Go(func() {
				_, err := client.Tickets.List(t.Context(), antcrm.TicketListParams{})
				assert.ErrorIs(t, err, antcrm.ErrRateLimited)
			})
			time.Sleep(time.Second)
			_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
			calls.Wait()
			if header == "600" {
				require.ErrorIs(t, err, antcrm.ErrRateLimited)
				assert.Zero(t, requireError[*antcrm.APIError](t, err).Attempts)
				assert.Empty(t, arrived.at["/products"])
				assert.Equal(t, 2*time.Second, time.Since(arrived.begin), "at once")
				return
			}
			require.NoError(t, err)
			require.Len(t, arrived.at["/products"], 1)
			assert.GreaterOrEqual(t, arrived.at["/products"][0], 22*time.Second)
		})
	}
}

// Whoever queues for a slot can stop queueing, and the slot goes to the next.
func TestAWaitForASlotEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		server := served(t, func(int, seen) reply {
			time.Sleep(10 * time.Second)
			return ok(`{"success":1,"number":7}`)
		})
		client := server.client(antcrm.WithMaxConcurrency(1))
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := client.Opportunities.Create(t.Context(), newOrder())
			assert.NoError(t, err)
		})
		time.Sleep(time.Second)
		cause := errors.New("shutting down")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		begin := time.Now()
		_, err := client.Opportunities.Create(ctx, newOrder())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown, "nothing was sent")
		assert.Equal(t, time.Second, time.Since(begin))
		assert.Len(t, server.all(), 1)
		_, err = client.Opportunities.Create(t.Context(), newOrder())
		require.NoError(t, err)
		calls.Wait()
	})
}

// A retry asks the limiter again and waits for it after its backoff.
func TestABackoffAndALimiterAddUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		arrived := startClock()
		server := served(t, func(_ int, req seen) reply {
			if arrived.note(req.Path) == 1 {
				return reply{status: http.StatusServiceUnavailable}
			}
			return ok(`[]`)
		})
		limiter := &waiting{takes: 3 * time.Second, begin: arrived.begin}
		var waits []time.Duration
		client := server.client(antcrm.WithMaxRetries(1), antcrm.WithRateLimiter(limiter), antcrm.WithRetryBackoff(time.Second, time.Second),
			antcrm.WithObserver(func(_ context.Context, a antcrm.Attempt) { waits = append(waits, a.Wait) }))
		_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
		require.NoError(t, err)
		asked := limiter.calls()
		require.Len(t, asked, 2)
		assert.GreaterOrEqual(t, asked[1], 3*time.Second)
		assert.LessOrEqual(t, asked[1], 4*time.Second)
		require.Len(t, arrived.at["/products"], 2)
		assert.Equal(t, asked[1]+3*time.Second, arrived.at["/products"][1])
		assert.Equal(t, []time.Duration{3 * time.Second, arrived.at["/products"][1] - 3*time.Second}, waits, "the observer sees all of the wait")
	})
}

// Of two pauses the longer counts; a shorter one that comes later does not end it.
func TestALaterShorterPauseDoesNotEndALongerOne(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		arrived := startClock()
		server := served(t, func(_ int, req seen) reply {
			n := arrived.note(req.Path)
			switch {
			case req.Path == "/products" && n == 1:
				return reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "60"}}
			case req.Path == "/tickets" && n == 1:
				time.Sleep(time.Second)
				return reply{status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "5"}}
			}
			return ok(`[]`)
		})
		client := server.client(antcrm.WithMaxRetries(1))
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
			assert.NoError(t, err)
		})
		calls.Go(func() {
			_, err := client.Tickets.List(t.Context(), antcrm.TicketListParams{})
			assert.NoError(t, err)
		})
		calls.Wait()
		assert.GreaterOrEqual(t, arrived.at["/tickets"][1], 60*time.Second)
		assert.GreaterOrEqual(t, arrived.at["/products"][1], 60*time.Second)
	})
}

// A pause exactly as long as a call may wait is waited out; one a nanosecond longer is not.
func TestAPauseAsLongAsTheLongestWaitIsWaitedOut(t *testing.T) {
	t.Parallel()
	for longest, waits := range map[time.Duration]bool{10 * time.Second: true, 10*time.Second - time.Nanosecond: false} {
		inBubble(t, func(t *testing.T) {
			server := served(t, func(n int, _ seen) reply {
				if n == 0 {
					return reply{status: 429, header: map[string]string{"Retry-After": "10"}}
				}
				return ok(`{"success":1,"number":7}`)
			})
			client := server.client(antcrm.WithMaxRetries(0), antcrm.WithMaxRetryWait(longest))
			_, err := client.Opportunities.Create(t.Context(), newOrder())
			require.ErrorIs(t, err, antcrm.ErrRateLimited)
			begin := time.Now()
			_, err = client.Opportunities.Create(t.Context(), newOrder())
			if waits {
				require.NoError(t, err)
				assert.GreaterOrEqual(t, time.Since(begin), 10*time.Second)
			} else {
				require.ErrorIs(t, err, antcrm.ErrRateLimited)
				server.one()
			}
		})
	}
}
