package antcrm

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// policy is the default one.
var policy = retryPolicy{maxRetries: 3, maxWait: 2 * time.Minute}

func TestDecideFollowsThePolicyTable(t *testing.T) {
	t.Parallel()
	const (
		stop         = "stop"
		repeat       = "repeat"
		wait         = "wait as asked"
		stopUnknown  = "stop, unknown"
		again        = "repeat, unknown so far"
		waitUnknown  = "wait as asked, unknown so far"
		all          = "GET HEAD OPTIONS PUT DELETE POST PATCH"
		reads, keyed = "GET HEAD OPTIONS", "PUT DELETE"
		others       = "POST PATCH"
	)
	type row struct {
		methods string
		ended   attempt
		want    string
	}
	rows := []row{
		// No answer.
		{all, attempt{failed: true, sent: false}, repeat},
		{reads, attempt{failed: true, sent: true}, repeat},
		{keyed, attempt{failed: true, sent: true}, again},
		{others, attempt{failed: true, sent: true}, stopUnknown},
		// The server says to slow down: nothing was done.
		{all, attempt{status: 429}, repeat},
		{all, attempt{status: 429, asked: true, retryAfter: time.Second}, wait},
		{all, attempt{status: 429, asked: true, retryAfter: 0}, wait},
		{all, attempt{status: 429, asked: true, retryAfter: 2 * time.Minute}, wait},
		{all, attempt{status: 429, asked: true, retryAfter: 2*time.Minute + 1}, stop + " after a wait too long"},
		{all, attempt{status: 503, asked: true, retryAfter: time.Second}, wait},
		{all, attempt{status: 503, asked: true, retryAfter: time.Hour}, stop + " after a wait too long"},
	}
	// The server is in trouble: a write may have been carried out.
	for _, status := range []int{500, 502, 503, 504} {
		rows = append(rows,
			row{reads, attempt{status: status}, repeat},
			row{keyed, attempt{status: status}, again},
			row{others, attempt{status: status}, stopUnknown})
		if status != 503 {
			rows = append(rows,
				row{reads, attempt{status: status, asked: true, retryAfter: time.Second}, wait},
				row{keyed, attempt{status: status, asked: true, retryAfter: time.Second}, waitUnknown},
				row{others, attempt{status: status, asked: true, retryAfter: time.Second}, stopUnknown})
		}
	}
	// Other 5xx are not worth a repetition, but as unclear.
	for _, status := range []int{501, 505, 507, 511, 520, 599} {
		rows = append(rows,
			row{reads, attempt{status: status}, stop},
			row{keyed, attempt{status: status}, stopUnknown},
			row{others, attempt{status: status}, stopUnknown})
	}
	// All else is final.
	for _, status := range []int{200, 201, 204, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 413, 422, 425, 451} {
		rows = append(rows,
			row{all, attempt{status: status}, stop},
			row{all, attempt{status: status, asked: true, retryAfter: time.Second}, stop})
	}

	verdicts := map[string]verdict{
		stop:                            {},
		stop + " after a wait too long": {exactWait: true},
		repeat:                          {repeat: true},
		wait:                            {repeat: true, exactWait: true},
		stopUnknown:                     {maybeDone: true},
		again:                           {repeat: true, maybeDone: true},
		waitUnknown:                     {repeat: true, exactWait: true, maybeDone: true},
	}
	for _, row := range rows {
		for _, method := range strings.Fields(row.methods) {
			ended := row.ended
			ended.method = method
			want, known := verdicts[row.want]
			require.True(t, known, row.want)
			for ended.number = 1; ended.number <= 3; ended.number++ {
				assert.Equal(t, want, decide(ended, policy), "%+v", ended)
			}
			got := decide(ended, policy) // the fourth: the retries are used up
			assert.False(t, got.repeat, "%+v", ended)
			assert.Equal(t, want.maybeDone, got.maybeDone, "%+v", ended)
			assert.False(t, decide(attemptNumber(ended, 1), retryPolicy{maxWait: time.Minute}).repeat, "without retries: %+v", ended)
		}
	}
}

func attemptNumber(a attempt, n int) attempt {
	a.number = n
	return a
}

func TestDecideNeverRepeatsAPostThatMayHaveBeenCarriedOut(t *testing.T) {
	t.Parallel()
	for _, ended := range everyAttempt(http.MethodPost) {
		got := decide(ended, policy)
		assert.False(t, got.repeat && got.maybeDone, "%+v", ended)
		mayHaveBeenDone := ended.failed && ended.sent ||
			ended.status >= 500 && (ended.status != 503 || !ended.asked)
		assert.Equal(t, mayHaveBeenDone, got.maybeDone, "%+v", ended)
	}
}

func TestDecideTreatsAnUnsafePostLikeAPut(t *testing.T) {
	t.Parallel()
	unsafe := policy
	unsafe.unsafe = true
	for _, ended := range everyAttempt(http.MethodPost) {
		put := ended
		put.method = http.MethodPut
		assert.Equal(t, decide(put, policy), decide(ended, unsafe), "%+v", ended)
		assert.Equal(t, decide(put, policy), decide(put, unsafe), "%+v", put)
	}
}

func TestDecideNeverCallsAReadUnknown(t *testing.T) {
	t.Parallel()
	for _, ended := range everyAttempt(http.MethodGet) {
		assert.False(t, decide(ended, policy).maybeDone, "%+v", ended)
	}
}

func everyAttempt(method string) (all []attempt) {
	for number := 1; number <= 4; number++ {
		all = append(all, attempt{method: method, failed: true, number: number}, attempt{method: method, failed: true, sent: true, number: number})
		for status := 200; status < 600; status++ {
			for _, wait := range []time.Duration{-1, 0, time.Second, time.Hour} {
				all = append(all, attempt{method: method, status: status, asked: wait >= 0, retryAfter: max(wait, 0), number: number})
			}
		}
	}
	return all
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		header string
		want   time.Duration
		ok     bool
	}{
		{"0", 0, true},
		{"7", 7 * time.Second, true},
		{" 7 ", 7 * time.Second, true},
		{"1.5", 1500 * time.Millisecond, true},
		{"120", 2 * time.Minute, true},
		{"86401", longestRetryAfter, true},
		{"99999999999999999999999999", longestRetryAfter, true},
		{"1" + fmt.Sprintf("%0400d", 0), longestRetryAfter, true},
		{"Sat, 01 Mar 2025 12:00:30 GMT", 30 * time.Second, true},
		{"Saturday, 01-Mar-25 12:00:30 GMT", 30 * time.Second, true},
		{"Sat Mar  1 12:00:30 2025", 30 * time.Second, true},
		{"Sat, 01 Mar 2025 11:00:00 GMT", 0, true}, // past
		{"Mon, 01 Mar 2055 12:00:00 GMT", longestRetryAfter, true},

		{"", 0, false},
		{"  ", 0, false},
		{"-1", 0, false},
		{"-0", 0, false},
		{"+5", 0, false},
		{"soon", 0, false},
		{"5s", 0, false},
		{"5, 10", 0, false},
		{"1.2.3", 0, false},
		{".", 0, false},
		{"NaN", 0, false},
		{"Inf", 0, false},
		{"infinity", 0, false},
		{"0x10", 0, false},
		{"1e9", 0, false},
		{"1_000", 0, false},
		{"Sat, 99 Mar 2025 12:00:30 GMT", 0, false},
	}
	for _, test := range tests {
		got, ok := parseRetryAfter(test.header, now)
		assert.Equal(t, test.want, got, "%q", test.header)
		assert.Equal(t, test.ok, ok, "%q", test.header)
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
			gap := backoff(least, most, n)
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
		assert.Zero(t, backoff(0, 0, n))
		assert.Zero(t, backoff(0, time.Second, n))
		assert.LessOrEqual(t, backoff(time.Second, time.Second, n), time.Second)
		assert.GreaterOrEqual(t, backoff(math.MaxInt64, math.MaxInt64, n), time.Duration(0))
		assert.GreaterOrEqual(t, backoff(1, math.MaxInt64, n), time.Duration(0))
	}
}

func TestRetryBudgetIsRefilledByTimeAndByGoodAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var budget retryBudget
		for i := range budgetSize {
			require.True(t, budget.take(), "token %d", i)
		}
		assert.False(t, budget.take(), "empty")

		time.Sleep(time.Second)
		for i := range budgetPerSecond {
			assert.True(t, budget.take(), "token %d of a second", i)
		}
		assert.False(t, budget.take(), "empty again")

		for range 11 { // a tenth each, and a little for the rounding
			budget.succeeded()
		}
		assert.True(t, budget.take(), "a token for ten good answers")
		assert.False(t, budget.take())

		time.Sleep(time.Hour)
		for i := range budgetSize {
			require.True(t, budget.take(), "token %d: never more than full", i)
		}
		assert.False(t, budget.take())
	})
}

func TestPauseIsOnlyEverExtended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pause
		assert.Zero(t, p.left())
		p.extend(0)
		assert.Zero(t, p.left())
		p.extend(10 * time.Second)
		p.extend(time.Second)
		assert.Equal(t, 10*time.Second, p.left())
		time.Sleep(4 * time.Second)
		assert.Equal(t, 6*time.Second, p.left())
		p.extend(20 * time.Second)
		assert.Equal(t, 20*time.Second, p.left())
		time.Sleep(time.Minute)
		assert.Zero(t, p.left())
	})
}
