package fleet

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// timeLine is a lease store that workers of one process share; each has its
// own clock.
type timeLine struct {
	mu       sync.Mutex
	until    time.Time
	revision uint64
	swaps    int
	lost     int
}

type timeLineOf struct {
	*timeLine
	offset time.Duration
}

func (s timeLineOf) now() time.Time { return time.Now().Add(s.offset) }

func (s timeLineOf) end(context.Context) (time.Time, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until, s.revision, nil
}

func (s timeLineOf) swap(ctx context.Context, end time.Time, revision uint64) (uint64, bool, error) {
	if err := sleep(ctx, time.Millisecond); err != nil { // the way to the server
		return 0, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swaps++
	if s.revision != revision {
		s.lost++
		return 0, false, nil
	}
	s.until = end
	s.revision++
	return s.revision, true, nil
}

// calls lets workers take as many permits as they get, for a while.
func calls(t *testing.T, line *timeLine, workers, callers int, rate float64, span, work time.Duration) []time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var mu sync.Mutex
	var at []time.Time
	var group sync.WaitGroup
	for range workers {
		limiter, err := newLimiter(rate, timeLineOf{line, 0}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		for range callers {
			group.Go(func() {
				for limiter.Wait(ctx) == nil {
					mu.Lock()
					at = append(at, time.Now())
					mu.Unlock()
					_ = sleep(ctx, work)
				}
			})
		}
	}
	group.Wait()
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// busiest is how many calls fell into any stretch of that length.
func busiest(at []time.Time, span time.Duration) (most int) {
	for i := range at {
		n := 0
		for _, other := range at[i:] {
			if other.Sub(at[i]) < span {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func TestWorkersTogetherKeepTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := &timeLine{}
		at := calls(t, line, 4, 8, 100, 4*time.Second, 0)
		assert.InDelta(t, 400, len(at), 20)
		assert.LessOrEqual(t, busiest(at, time.Second), 101)
		t.Logf("%d calls in 4 s, %d leases, %d conflicts", len(at), line.swaps, line.lost)
		assert.Less(t, line.swaps, 100, "leases are larger than one permit")
	})
}

func TestSlowWorkersDoNotHoardTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Four workers that make 20 calls a second each fit under 100 a second.
		at := calls(t, &timeLine{}, 4, 1, 100, 4*time.Second, 50*time.Millisecond)
		assert.Greater(t, len(at), 200)
		assert.LessOrEqual(t, busiest(at, time.Second), 101)
	})
}

func TestTheLeaseOfADeadWorkerExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := &timeLine{}
		dying, err := newLimiter(100, timeLineOf{line, 0}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		for range 16 { // its leases have grown
			require.NoError(t, dying.Wait(t.Context()))
		}
		at := calls(t, line, 3, 8, 100, time.Second, 0)
		assert.GreaterOrEqual(t, len(at), 85, "the rest of the others' second")
	})
}

func TestPermitsThatWereNotUsedAreNotMadeUpFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter, err := newLimiter(100, timeLineOf{&timeLine{}, 0}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		for range 25 {
			require.NoError(t, limiter.Wait(t.Context()))
		}
		require.NoError(t, sleep(t.Context(), time.Minute))
		began, n := time.Now(), 0
		for ; time.Since(began) < time.Second; n++ {
			require.NoError(t, limiter.Wait(t.Context()))
		}
		assert.LessOrEqual(t, n, 101)
	})
}

func TestClocksThatDifferKeepTheLimitOnceCompared(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	require.NoError(t, f.clock.compare(t.Context()))
	assert.Zero(t, f.clock.offset, "the server runs on this machine")
	f.clock.offset = time.Hour // this machine's clock is wrong
	require.NoError(t, f.clock.compare(t.Context()))
	assert.WithinDuration(t, time.Now(), f.clock.now(), 5*time.Second)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter, err := newLimiter(1, timeLineOf{&timeLine{}, 0}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.NoError(t, limiter.Wait(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, limiter.Wait(ctx), context.DeadlineExceeded)
		assert.Less(t, time.Since(began), 100*time.Millisecond, "it does not wait for what it cannot get")
		require.NoError(t, limiter.Wait(t.Context()), "the turn is not lost")
	})
}

func TestTheBucketKeepsTheLimitToo(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	var mu sync.Mutex
	var group sync.WaitGroup
	n := 0
	for range 4 {
		limiter, err := f.Limiter(t.Context(), 50)
		require.NoError(t, err)
		for range 4 {
			group.Go(func() {
				for limiter.Wait(ctx) == nil {
					mu.Lock()
					n++
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	// The clocks of the limiters differ by what their comparison is off; four
	// limits that are not shared would allow four times as much.
	allowed := 1.1*50*time.Since(began).Seconds() + 5
	assert.LessOrEqual(t, float64(n), allowed)
	assert.Positive(t, n)
	t.Logf("%d calls, %.0f allowed", n, allowed)
}

func TestATurnThatIsFarAwayIsToldInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := &timeLine{}
		var log strings.Builder
		mistaken, err := newLimiter(0.01, timeLineOf{line, 0}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.NoError(t, mistaken.Wait(t.Context()))
		limiter, err := newLimiter(100, timeLineOf{line, 0}, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		require.NoError(t, limiter.Wait(t.Context()))
		assert.Contains(t, log.String(), "lower rate")
		assert.Contains(t, log.String(), "wait=1m40s")
		told := len(log.String())
		require.NoError(t, limiter.Wait(t.Context()))
		assert.Len(t, log.String(), told, "and only when it is")
	})
}

// TestARequestThatIsLateTakesAnotherTurn lets connections take up to half a second
// to be made, between a request's turn and the moment it leaves.
func TestARequestThatIsLateTakesAnotherTurn(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{5, 19, 20, 100} {
		synctest.Test(t, func(t *testing.T) {
			line := &timeLine{}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var mu sync.Mutex
			var left []time.Time
			renewed := 0
			var group sync.WaitGroup
			for range 4 {
				limiter, err := newLimiter(rate, timeLineOf{line, 0}, slog.New(slog.DiscardHandler))
				require.NoError(t, err)
				for range 8 {
					group.Go(func() {
						for ctx.Err() == nil {
							slot, err := limiter.wait(ctx)
							if err != nil {
								return
							}
							r := &requests{pulse: alwaysFresh(), metrics: NewMetrics(), turn: turn{limiter: limiter, slot: slot}, begun: time.Now()}
							r.renew = func(ctx context.Context) error {
								mu.Lock()
								renewed++
								mu.Unlock()
								return sleep(ctx, 40*time.Millisecond) // the way to a slow ledger
							}
							if r.waitForTurn(ctx, limiter) != nil || sleep(ctx, rand.N(500*time.Millisecond)) != nil || r.check(ctx) != nil {
								return
							}
							mu.Lock()
							left = append(left, time.Now())
							mu.Unlock()
						}
					})
				}
			}
			group.Wait()
			slices.SortFunc(left, time.Time.Compare)
			promised := int(max(1.1*rate, rate+1))
			assert.LessOrEqual(t, busiest(left, time.Second), promised, "%g a second", rate)
			assert.Greater(t, float64(len(left)), rate, "and it goes on")
			t.Logf("%g a second: %d requests in 20 s, at most %d in one second, %d promised; begun again %d times", rate, len(left), busiest(left, time.Second), promised, renewed)
		})
	}
}

// alwaysFresh is the pulse of a worker that is alive.
func alwaysFresh() *pulse {
	return &pulse{f: &Fleet{cfg: Config{DeadAfter: time.Hour}}, last: time.Now()}
}
