package retry

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAfterReadsSecondsAndDates(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, test := range []struct {
		value, date string
		want        time.Duration
		ok          bool
	}{
		{value: "0", ok: true},
		{value: "0.0", ok: true},
		{value: "7", want: 7 * time.Second, ok: true},
		{value: " 7 ", want: 7 * time.Second, ok: true},
		{value: "\t7\t", want: 7 * time.Second, ok: true},
		{value: "007", want: 7 * time.Second, ok: true},
		{value: "0.001", want: time.Millisecond, ok: true},
		{value: ".5", want: time.Second / 2, ok: true},
		{value: "5.", want: 5 * time.Second, ok: true},
		{value: "1.5", want: 1500 * time.Millisecond, ok: true},
		{value: "120", want: 2 * time.Minute, ok: true},
		{value: "86400", want: day, ok: true},
		{value: "Sat, 01 Mar 2025 12:00:30 GMT", want: 30 * time.Second, ok: true},
		{value: "Saturday, 01-Mar-25 12:00:30 GMT", want: 30 * time.Second, ok: true},
		{value: "Sat Mar  1 12:00:30 2025", want: 30 * time.Second, ok: true},
		{value: "Sun, 02 Mar 2025 12:00:00 GMT", want: day, ok: true},
		{value: "Sat, 01 Mar 2025 11:00:00 GMT", ok: true}, // past
		{value: "Thu, 01 Jan 1970 00:00:00 GMT", ok: true},

		// The server's own clock decides, whichever way the local one is wrong.
		{value: "Sat, 01 Mar 2025 12:10:30 GMT", date: "Sat, 01 Mar 2025 12:10:00 GMT", want: 30 * time.Second, ok: true},
		{value: "Sat, 01 Mar 2025 11:50:30 GMT", date: "Sat, 01 Mar 2025 11:50:00 GMT", want: 30 * time.Second, ok: true},
		{value: "Sat, 01 Mar 2025 12:10:00 GMT", date: "Sat, 01 Mar 2025 12:10:00 GMT", ok: true},
		{value: "Sun, 02 Mar 2025 13:00:00 GMT", date: "Sat, 01 Mar 2025 13:00:00 GMT", want: day, ok: true},
		{value: "Sat, 01 Mar 2025 12:00:30 GMT", date: "yesterday", want: 30 * time.Second, ok: true},
		{value: "9", date: "Sat, 01 Mar 2025 11:50:00 GMT", want: 9 * time.Second, ok: true},
		{value: "Thu, 01 Jan 1970 00:01:00 GMT", date: "Thu, 01 Jan 1970 00:00:30 GMT", want: 30 * time.Second, ok: true}, // no battery
		{value: "Sat, 01 Mar 2025 12:00:30 GMT", date: "Thu, 01 Jan 1970 00:00:00 GMT"},                                   // two clocks
		{value: "Sat, 01 Mar 2025 12:00:30 GMT", date: "Mon, 01 Mar 2055 12:00:00 GMT", ok: true},
		{value: "Saturday, 01-Mar-25 12:10:30 GMT", date: "Sat Mar  1 12:10:00 2025", want: 30 * time.Second, ok: true},

		// More than a day says nothing.
		{value: "86400.5"},
		{value: "86401"},
		{value: "1740830400"},
		{value: "99999999999999999999999999"},
		{value: "9223372036854775808"},
		{value: "18446744073709551617"},
		{value: "1740830400000"},
		{value: "1" + strings.Repeat("0", 400)},
		{value: "Sun, 02 Mar 2025 12:00:01 GMT"},
		{value: "Mon, 01 Mar 2055 12:00:00 GMT"},

		{value: ""},
		{value: "  "},
		{value: "-1"},
		{value: "-0"},
		{value: "+5"},
		{value: "soon"},
		{value: "5s"},
		{value: "5, 10"},
		{value: "1.2.3"},
		{value: "."},
		{value: "NaN"},
		{value: "Inf"},
		{value: "infinity"},
		{value: "0x10"},
		{value: "1e9"},
		{value: "1_000"},
		{value: "1,5"},
		{value: "7 seconds"},
		{value: "2025-03-01T12:00:30Z"},
		{value: "Sat, 01 Mar 2025 12:00:30 +0000"},
		{value: "٧"},
		{value: "Sat, 99 Mar 2025 12:00:30 GMT"},
	} {
		header := http.Header{"Retry-After": {test.value}}
		if test.date != "" {
			header.Set("Date", test.date)
		}
		got, ok := After(header, now)
		assert.Equal(t, test.want, got, "%+v", test)
		assert.Equal(t, test.ok, ok, "%+v", test)
	}
}

// A server and its gateway may both name a wait: the longest that means something counts.
func TestOfSeveralRetryAftersTheLongestCounts(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		values []string
		want   time.Duration
		ok     bool
	}{
		{values: []string{"5", "10"}, want: 10 * time.Second, ok: true},
		{values: []string{"10", "5"}, want: 10 * time.Second, ok: true},
		{values: []string{"0", "7"}, want: 7 * time.Second, ok: true},
		{values: []string{"", "7"}, want: 7 * time.Second, ok: true},
		{values: []string{"soon", "\t7 "}, want: 7 * time.Second, ok: true},
		{values: []string{"1740830400", "7"}, want: 7 * time.Second, ok: true},
		{values: []string{"7", "Sat, 01 Mar 2025 12:00:30 GMT"}, want: 30 * time.Second, ok: true},
		{values: []string{"Sat, 01 Mar 2025 11:00:00 GMT", "7"}, want: 7 * time.Second, ok: true},
		{values: []string{"soon", "later"}},
		{values: []string{"soon", "0"}, ok: true},
		{},
	} {
		got, ok := After(http.Header{"Retry-After": test.values}, now)
		assert.Equal(t, test.want, got, "%+v", test)
		assert.Equal(t, test.ok, ok, "%+v", test)
	}
}

func TestBackoffIsFullJitterFromTheFirstGapOn(t *testing.T) {
	t.Parallel()
	const least, most = 100 * time.Millisecond, time.Second
	ceilings := []time.Duration{100, 200, 400, 800, 1000, 1000, 1000}
	for n, ceiling := range ceilings {
		ceiling *= time.Millisecond
		low, high := most, time.Duration(0)
		for range 3000 {
			gap := Backoff(least, most, n)
			low, high = min(low, gap), max(high, gap)
		}
		assert.GreaterOrEqual(t, low, time.Duration(0), "gap %d", n)
		assert.LessOrEqual(t, high, ceiling, "gap %d", n)
		// 3000 draws miss a twentieth at either end once in 10⁶⁶ runs.
		assert.Less(t, low, ceiling/20, "gap %d does not begin at 0", n)
		assert.Greater(t, high, ceiling-ceiling/20, "gap %d does not reach its ceiling", n)
	}
}

func TestBackoffTakesAllBoundsThatAnOptionAllows(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 62, 63, 64, 1 << 20} {
		assert.Zero(t, Backoff(0, 0, n))
		assert.Zero(t, Backoff(0, time.Second, n))
		assert.LessOrEqual(t, Backoff(time.Second, time.Second, n), time.Second)
		assert.GreaterOrEqual(t, Backoff(math.MaxInt64, math.MaxInt64, n), time.Duration(0))
		assert.GreaterOrEqual(t, Backoff(1, math.MaxInt64, n), time.Duration(0))
	}
}

func TestRetryBudgetIsRefilledByTimeAndByGoodAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var budget Budget
		for i := range budgetSize {
			require.True(t, budget.Acquire(), "token %d", i)
		}
		assert.False(t, budget.Acquire(), "empty")

		time.Sleep(time.Second)
		for i := range budgetPerSecond {
			assert.True(t, budget.Acquire(), "token %d of a second", i)
		}
		assert.False(t, budget.Acquire(), "empty again")

		for range 11 { // a tenth each, and a little for the rounding
			budget.Succeeded()
		}
		assert.True(t, budget.Acquire(), "a token for ten good answers")
		assert.False(t, budget.Acquire())

		time.Sleep(time.Hour)
		for i := range budgetSize {
			require.True(t, budget.Acquire(), "token %d: never more than full", i)
		}
		assert.False(t, budget.Acquire())
	})
}

func TestSpreadIsATenthAndASecondAtMost(t *testing.T) {
	t.Parallel()
	for wait, most := range map[time.Duration]time.Duration{
		-1: 0, 0: 0, 9: 0, 100 * time.Millisecond: 10 * time.Millisecond, 5 * time.Second: 500 * time.Millisecond,
		10 * time.Second: time.Second, time.Hour: time.Second, math.MaxInt64: time.Second,
	} {
		low, high := time.Duration(math.MaxInt64), time.Duration(0)
		for range 3000 {
			extra := Spread(wait)
			low, high = min(low, extra), max(high, extra)
		}
		assert.GreaterOrEqual(t, low, time.Duration(0), wait)
		assert.LessOrEqual(t, high, most, wait)
		assert.LessOrEqual(t, low, most/20, wait)
		assert.GreaterOrEqual(t, high, most-most/20, wait)
	}
}

func TestAPauseIsOnlyEverMadeLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Pause
		left := func(wantNamed, wantActual time.Duration) {
			t.Helper()
			named, actual := p.Left()
			assert.Equal(t, wantNamed, named)
			assert.Equal(t, wantActual, actual)
		}
		left(0, 0)
		p.Extend(10*time.Second, time.Minute)
		p.Extend(time.Second, time.Minute)
		left(10*time.Second, 10*time.Second)
		time.Sleep(4 * time.Second)
		left(6*time.Second, 6*time.Second)
		p.Extend(20*time.Second, time.Minute)
		left(20*time.Second, 20*time.Second)
		time.Sleep(time.Minute)
		left(0, 0)
		p.Extend(time.Second, time.Minute)
		left(time.Second, time.Second)
	})
}

// No header stops a client for good, and a new pause counts though the end
// that an old one named is later.
func TestAPauseIsOverWhenTheLongestWaitHasPassed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Pause
		p.Extend(time.Hour, time.Minute)
		time.Sleep(59 * time.Second)
		named, actual := p.Left()
		assert.Equal(t, time.Hour-59*time.Second, named)
		assert.Equal(t, time.Second, actual)
		time.Sleep(time.Second)
		named, actual = p.Left()
		assert.Zero(t, named)
		assert.Zero(t, actual)

		p.Extend(5*time.Second, time.Minute)
		named, actual = p.Left()
		assert.Equal(t, 5*time.Second, named)
		assert.Equal(t, 5*time.Second, actual)

		p.Extend(time.Hour, 0)
		named, actual = p.Left()
		assert.Zero(t, actual, "nothing is ever waited for")
		assert.Zero(t, named)
	})
}

func TestSleepEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		require.NoError(t, Sleep(t.Context(), 0))
		require.NoError(t, Sleep(t.Context(), -1))
		require.NoError(t, Sleep(t.Context(), time.Second))
		assert.Equal(t, time.Second, time.Since(begin))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.True(t, MayWait(ctx, time.Second-1))
		assert.False(t, MayWait(ctx, time.Second))
		assert.True(t, MayWait(t.Context(), math.MaxInt64))
		require.ErrorIs(t, Sleep(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(begin))
		require.ErrorIs(t, Sleep(ctx, 0), context.DeadlineExceeded)
	})
}
