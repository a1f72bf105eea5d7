package antcrm_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
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

// inBubble runs a test on a clock of its own.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// While a pause longer than a call may wait is on, calls are refused at once;
// when the longest wait has passed it is over, whatever the server has named.
func TestNoHeaderStopsAClientForGood(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"3600", "86400"} {
		inBubble(t, func(t *testing.T) {
			server := served(t, func(n int, _ seen) reply {
				if n == 0 {
					return reply{status: 503, header: map[string]string{"Retry-After": header}}
				}
				return ok(`{"success":1,"number":7}`)
			})
			client := server.client(antcrm.WithMaxRetries(3))
			begin := time.Now()
			create := func() error {
				_, err := client.Opportunities.Create(t.Context(), newOrder())
				return err
			}
			require.ErrorIs(t, create(), antcrm.ErrServer, "a wait too long")
			for range 5 {
				err := create()
				require.ErrorIs(t, err, antcrm.ErrRateLimited)
				require.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown)
				assert.Zero(t, requireError[*antcrm.APIError](t, err).Attempts, "nothing was sent")
				assert.Greater(t, requireError[*antcrm.APIError](t, err).RetryAfter, 50*time.Minute, "the end that the server has named")
				time.Sleep(20 * time.Second)
			}
			server.one()
			time.Sleep(20*time.Second - time.Nanosecond)
			require.ErrorIs(t, create(), antcrm.ErrRateLimited)
			time.Sleep(time.Nanosecond)
			assert.Equal(t, 2*time.Minute, time.Since(begin))
			require.NoError(t, create())
			assert.Len(t, server.all(), 2)
		})
	}
}

// What says nothing pauses nobody: calls go on by backoff.
func TestARetryAfterThatMeansNothingIsNone(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"1740830400", "1740830400000", "86401", "99999999999999999999", "soon", "-5", "30, 60", "2055-03-01T12:00:30Z", ""} {
		inBubble(t, func(t *testing.T) {
			server := served(t, func(n int, _ seen) reply {
				if n == 0 {
					return reply{status: 429, header: map[string]string{"Retry-After": header}}
				}
				return ok(`[]`)
			})
			begin := time.Now()
			_, err := server.client(antcrm.WithMaxRetries(3)).Products.List(t.Context(), antcrm.ProductListParams{})
			require.NoError(t, err)
			assert.LessOrEqual(t, time.Since(begin), 200*time.Millisecond, header)
		})
	}
}

// A wait of 0, or a date of the past, is a wait that nobody has named: backoff and budget keep four hundred calls
// from becoming sixteen hundred requests. So is a part of a second.
func TestARetryAfterOfNothingKeepsBackoffAndBudget(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"0", "Thu, 01 Jan 1970 00:00:00 GMT", "0.001", "0.9"} {
		inBubble(t, func(t *testing.T) {
			server := served(t, func(int, seen) reply {
				time.Sleep(200 * time.Millisecond) // all are under way before the first answer pauses the others
				return reply{status: 429, header: map[string]string{"Retry-After": header}}
			})
			client := server.client(antcrm.WithMaxRetries(3), antcrm.WithRetryBackoff(time.Second, time.Second))
			begin := time.Now()
			var calls sync.WaitGroup
			for range 400 {
				calls.Go(func() {
					_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
					assert.ErrorIs(t, err, antcrm.ErrRateLimited)
				})
			}
			calls.Wait()
			assert.Greater(t, time.Since(begin), time.Second/2, "the calls were spread by a backoff")
			assert.LessOrEqual(t, len(server.all()), 400+500+20, "and bounded by the budget: %s", header)
			assert.Greater(t, len(server.all()), 800)
		})
	}
}

// A part of a second is waited for nevertheless, though the backoff be shorter.
func TestAPartOfASecondIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503, 500} { // the last pauses nobody else
		inBubble(t, func(t *testing.T) {
			server := scripted(t, reply{status: status, header: map[string]string{"Retry-After": "0.5"}}, ok(`[]`))
			begin := time.Now()
			_, err := server.client(antcrm.WithMaxRetries(1), quick()).Products.List(t.Context(), antcrm.ProductListParams{})
			require.NoError(t, err)
			assert.GreaterOrEqual(t, time.Since(begin), time.Second/2)
			assert.Less(t, time.Since(begin), time.Second)
		})
	}
}

// The local clock may be wrong by minutes either way.
func TestADateIsMeasuredFromTheServersOwnClock(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		inBubble(t, func(t *testing.T) {
			server := served(t, func(n int, _ seen) reply {
				if n == 0 {
					now := time.Now().Add(skew).UTC()
					return reply{status: 429, header: map[string]string{
						"Date": now.Format(http.TimeFormat), "Retry-After": now.Add(30 * time.Second).Format(http.TimeFormat),
					}}
				}
				return ok(`[]`)
			})
			begin := time.Now()
			_, err := server.client(antcrm.WithMaxRetries(1)).Products.List(t.Context(), antcrm.ProductListParams{})
			require.NoError(t, err)
			assert.GreaterOrEqual(t, time.Since(begin), 30*time.Second)
			assert.LessOrEqual(t, time.Since(begin), 31*time.Second)
		})
	}
}

func TestWhoWaitsForOnePauseDoesNotSetOutTogether(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		const callers = 200
		begin := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		server := served(t, func(n int, _ seen) reply {
			if n == 0 {
				return reply{status: 429, header: map[string]string{"Retry-After": "5"}}
			}
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begin))
			return ok(`[]`)
		})
		client := server.client(antcrm.WithMaxRetries(1))
		_, err := client.Products.List(t.Context(), antcrm.ProductListParams{}, antcrm.WithoutRetry())
		require.ErrorIs(t, err, antcrm.ErrRateLimited)
		var calls sync.WaitGroup
		for range callers {
			calls.Go(func() {
				_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		require.Len(t, at, callers)
		assert.GreaterOrEqual(t, at[0], 5*time.Second)
		assert.LessOrEqual(t, at[callers-1], 5500*time.Millisecond, "a tenth of the wait at most")
		assert.Greater(t, at[callers-1]-at[0], 250*time.Millisecond)
		distinct := map[time.Duration]bool{}
		for _, d := range at {
			distinct[d] = true
		}
		assert.Greater(t, len(distinct), callers/2)
	})
}

// The random part on top never makes a call miss its deadline.
func TestTheSpreadStaysWithinTheDeadline(t *testing.T) {
	t.Parallel()
	for range 50 {
		inBubble(t, func(t *testing.T) {
			server := scripted(t, reply{status: 429, header: map[string]string{"Retry-After": "30"}}, ok(`[]`))
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second+50*time.Millisecond)
			defer cancel()
			_, err := server.client(antcrm.WithMaxRetries(1)).Products.List(ctx, antcrm.ProductListParams{})
			require.NoError(t, err)
		})
	}
}

// waiting is a limiter that takes its time and remembers when it was asked.
type waiting struct {
	takes time.Duration
	begin time.Time

	mu    sync.Mutex
	asked []time.Duration
}

// calls returns when the limiter was asked.
func (l *waiting) calls() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

func (l *waiting) Wait(ctx context.Context) error {
	l.mu.Lock()
	l.asked = append(l.asked, time.Since(l.begin))
	l.mu.Unlock()
	select {
	case <-time.After(l.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A pause that begins while a call waits for its limiter is waited out, and
// the limiter is asked again: a turn saved up during a pause does not count.
func TestAPauseThatBeginsDuringALimitersWaitIsWaitedOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		limiter := &waiting{takes: 3 * time.Second, begin: time.Now()}
		var at []time.Duration
		server := served(t, func(n int, _ seen) reply {
			at = append(at, time.Since(limiter.begin))
			if n == 0 {
				time.Sleep(2 * time.Second)
				return reply{status: 429, header: map[string]string{"Retry-After": "10"}}
			}
			return ok(`[]`)
		})
		client := server.client(antcrm.WithMaxRetries(0), antcrm.WithRateLimiter(limiter))
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = client.Products.List(t.Context(), antcrm.ProductListParams{}) }) // sends at 3 s, is refused at 5 s until 15 s
		time.Sleep(4 * time.Second)
		calls.Go(func() { // waits for the limiter from 4 s to 7 s
			_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
			assert.NoError(t, err)
		})
		calls.Wait()
		require.Len(t, at, 2)
		assert.GreaterOrEqual(t, at[1], 18*time.Second)
		assert.LessOrEqual(t, at[1], 19*time.Second)
		require.Len(t, limiter.calls(), 3)
		assert.GreaterOrEqual(t, limiter.calls()[2], 15*time.Second)

		// A call that cannot wait for the end is refused before it queues for a
		// slot or a turn.
		before := len(limiter.calls())
		paused := served(t, func(int, seen) reply { return reply{status: 429, header: map[string]string{"Retry-After": "60"}} })
		client = paused.client(antcrm.WithMaxRetries(0), antcrm.WithRateLimiter(limiter), antcrm.WithMaxConcurrency(1))
		_, err := client.Products.List(t.Context(), antcrm.ProductListParams{})
		require.ErrorIs(t, err, antcrm.ErrRateLimited)
		go func() { _, _ = client.Products.List(t.Context(), antcrm.ProductListParams{}) }() // holds the slot through the pause
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		now := time.Now()
		_, err = client.Products.List(ctx, antcrm.ProductListParams{})
		require.ErrorIs(t, err, antcrm.ErrRateLimited)
		assert.Zero(t, time.Since(now))
		assert.Len(t, limiter.calls(), before+1)
		time.Sleep(2 * time.Minute)
	})
}
