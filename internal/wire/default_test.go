package wire

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A dead connection is noticed before the attempt's limit: the wait before a ping and the wait for its answer are below
// it together. Limits of less than three seconds have no room for that: servers take more frequent pings for an attack.
func TestPingsFitIntoTheLimitOfAnAttempt(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{3 * time.Second, 4 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, time.Hour, math.MaxInt64} {
		config := pings(limit)
		assert.Less(t, config.SendPingTimeout+config.PingTimeout, limit, limit)
		assert.LessOrEqual(t, config.SendPingTimeout+config.PingTimeout, 30*time.Second, limit)
		assert.GreaterOrEqual(t, config.SendPingTimeout, time.Second, limit)
		assert.GreaterOrEqual(t, config.PingTimeout, time.Second, limit)
	}
	for _, limit := range []time.Duration{1, 300 * time.Millisecond, 2 * time.Second} {
		assert.Equal(t, time.Second, pings(limit).SendPingTimeout, limit)
	}
	assert.Equal(t, 30*time.Second, pings(0).SendPingTimeout+pings(0).PingTimeout, "without a limit")
	assert.Equal(t, pings(5*time.Second), NewPool(1, 5*time.Second).current.HTTP2)
}
