package fleet

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestLeadsAndCustomersTravelApartAndEachRecordGetsItsReference(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	report := feedContacts(t, f, "mixed", contacts(350, true))
	assert.Equal(t, FeedReport{Records: 350, Chunks: 5}, report)
	metrics := NewMetrics()
	workUntilDone(t, f, srv, WorkerConfig{Metrics: metrics})

	for _, r := range srv.Requests() {
		var bodies []antcrm.ContactCreateParams
		require.NoError(t, json.Unmarshal(r.Body, &bodies))
		assert.LessOrEqual(t, len(bodies), antcrm.MaxBatchSize)
		for _, p := range bodies {
			assert.Equal(t, bodies[0].ContactType, p.ContactType)
		}
	}
	results := resultsOf(t, f, "mixed")
	require.Len(t, results, 350)
	for i := range 350 {
		r := results[key(i)]
		assert.Equal(t, int64(i), r.Index)
		assert.Equal(t, antcrm.OutcomeDone, r.Outcome)
		field := "customerId"
		if i%3 == 0 {
			field = "leadId"
		}
		record, ok := srv.Record(antcrmtest.Contacts, field, r.Ref.String())
		require.True(t, ok)
		assert.Contains(t, string(record), `"`+key(i)+`"`)
	}
	assert.InDelta(t, 350, testutil.ToFloat64(metrics.records.WithLabelValues("contacts", "done")), 0)
	assert.InDelta(t, 5, testutil.ToFloat64(metrics.chunks.WithLabelValues("contacts")), 0)
}

func TestOrdersAreImported(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	orders := []antcrm.OpportunityCreateParams{{Name: "Order 1", ReceiverName: "Mai", ExternalID: "SO-1", Value: "0"}, {Name: "Order 2", ReceiverName: "Lan", ExternalID: "SO-2"}}
	_, err := f.FeedOpportunities(t.Context(), Job{Name: "orders"}, source(orders, nil))
	require.NoError(t, err)
	workUntilDone(t, f, srv, WorkerConfig{})
	results := resultsOf(t, f, "orders")
	record, ok := srv.Record(antcrmtest.Opportunities, "number", results["SO-1"].Ref.String())
	require.True(t, ok)
	assert.Contains(t, string(record), `"SO-1"`)
	assert.Equal(t, 2, srv.Count(antcrmtest.Opportunities))
}

func TestAWorkerEndsWhenItsConsumerIsDeleted(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t)
	worked := make(chan error, 1)
	go func() { worked <- f.Work(t.Context(), WorkerConfig{Client: srv.Client()}) }()
	require.Eventually(t, func() bool {
		s, err := f.Status(t.Context())
		return err == nil && s.Alive == 1 && f.chunks.DeleteConsumer(t.Context(), "workers") == nil
	}, 10*time.Second, 20*time.Millisecond)
	select {
	case err := <-worked:
		require.ErrorContains(t, err, "take chunks")
	case <-time.After(20 * time.Second):
		require.Fail(t, "it neither works nor ends")
	}
}

func TestAWorkerThatIsStoppedFinishesWhatItHasBegun(t *testing.T) {
	t.Parallel()
	f, srv := newFleet(t), antcrmtest.NewServer(t, antcrmtest.WithLatency(300*time.Millisecond))
	feedContacts(t, f, "job", contacts(1000, false))
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- f.Work(ctx, WorkerConfig{Client: srv.Client(), Concurrency: 2}) }()
	require.Eventually(t, func() bool { return srv.RequestCount() == 2 }, 10*time.Second, 5*time.Millisecond)
	stop()
	require.NoError(t, <-worked)
	totals := map[antcrm.Outcome]int{}
	for _, r := range resultsOf(t, f, "job") {
		totals[r.Outcome]++
	}
	assert.Equal(t, map[antcrm.Outcome]int{antcrm.OutcomeDone: srv.Count(antcrmtest.Contacts), antcrm.OutcomeNotSent: 1000 - srv.Count(antcrmtest.Contacts)}, totals)
	assert.GreaterOrEqual(t, srv.Count(antcrmtest.Contacts), 200)
	status, err := f.Status(t.Context())
	require.NoError(t, err)
	assert.Zero(t, status.Alive)
}
