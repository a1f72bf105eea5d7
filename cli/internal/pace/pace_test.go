package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go/cli/internal/pace"
)

func TestRate_ForgetsWhatCameAllAtOnce(t *testing.T) {
	t.Parallel()
	var m pace.Meter
	now := time.Date(2024, 3, 13, 6, 24, 20, 0, time.UTC)
	assert.Zero(t, m.Rate(now, 0), "nothing to compare with")
	m.Rate(now.Add(time.Second), 10_000) // a journal's
	count, rate := int64(10_000), 0.0
	for second := 2; second <= 12; second++ {
		count += 50
		rate = m.Rate(now.Add(time.Duration(second)*time.Second), count)
	}
	assert.InDelta(t, 50, rate, 0.001)
}

func TestRate_BetweenFarLooksIsTheirAverage(t *testing.T) {
	t.Parallel()
	var m pace.Meter
	now := time.Date(2024, 3, 13, 6, 24, 20, 0, time.UTC)
	m.Rate(now, 0)
	assert.InDelta(t, 10, m.Rate(now.Add(time.Minute), 600), 0.001)
	assert.InDelta(t, 5, m.Rate(now.Add(2*time.Minute), 900), 0.001, "the minute before is beyond what counts")
	assert.InDelta(t, 0, m.Rate(now.Add(3*time.Minute), 900), 0.001)
}

func TestLeft(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		left  int64
		rate  float64
		want  time.Duration
		known bool
	}{
		{100, 50, 2 * time.Second, true},
		{0, 50, 0, true},
		{100, 0, 0, false},
		{-1, 50, 0, false},
		{1 << 60, 0.001, 0, false},
	} {
		took, known := pace.Left(test.left, test.rate)
		assert.Equal(t, test.want, took, test)
		assert.Equal(t, test.known, known, test)
	}
}
