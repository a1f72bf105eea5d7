package fleet

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// refuseKey makes the service refuse the key until it is told to stop.
func refuseKey(srv *antcrmtest.Server, status int) (stop func()) {
	var over atomic.Bool
	srv.Inject(antcrmtest.Fault{Status: status, Body: `{"message":"bad key"}`, Match: func(*antcrmtest.Request) bool { return !over.Load() }})
	return func() { over.Store(true) }
}

func TestAWorkerWhoseKeyIsRefusedWaitsAndSaysSoAndCostsNoRecord(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			f, srv := newFleet(t), antcrmtest.NewServer(t)
			stop := refuseKey(srv, status)
			feedContacts(t, f, "job", contacts(250, false))
			metrics := NewMetrics()
			worked := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				worked <- f.Work(ctx, WorkerConfig{Client: srv.Client(), AckWait: time.Second, MaxAttempts: 1, UntilDone: true, Metrics: metrics})
			}()
			require.Eventually(t, func() bool {
				s, err := f.Status(t.Context())
				return err == nil && len(s.Workers) == 1 && strings.Contains(s.Workers[0].Waiting, "refuses the key")
			}, 20*time.Second, 20*time.Millisecond)
			require.Eventually(t, func() bool { return srv.RequestCount() > 4 }, 30*time.Second, 20*time.Millisecond, "it tries again")
			for _, r := range resultsOf(t, f, "job") {
				assert.Contains(t, []antcrm.Outcome{antcrm.OutcomeNotSent, antcrm.OutcomeUnknown}, r.Outcome)
				assert.True(t, r.Pending)
			}
			assert.InDelta(t, 1, testutil.ToFloat64(metrics.waiting.WithLabelValues("key")), 0)
			stop()
			require.NoError(t, <-worked)
			require.NoError(t, ctx.Err())
			assert.Equal(t, 250, srv.Count(antcrmtest.Contacts), "a refused key does not use up attempts")
			assert.Greater(t, testutil.ToFloat64(metrics.refusals.WithLabelValues(strconv.Itoa(status))), 4.0)
			assert.Zero(t, testutil.ToFloat64(metrics.waiting.WithLabelValues("key")))
		})
	}
}
