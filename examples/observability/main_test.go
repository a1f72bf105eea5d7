package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// observed is a client of the fake with everything that looks at it.
type observed struct {
	server   *antcrmtest.Server
	client   *antcrm.Client
	registry *prometheus.Registry
	recorder *tracetest.SpanRecorder
	spans    tracing
}

func observe(t *testing.T) *observed {
	t.Helper()
	o := &observed{server: antcrmtest.NewServer(t), registry: prometheus.NewRegistry(), recorder: tracetest.NewSpanRecorder()}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.recorder))
	o.spans = tracing{provider.Tracer("test")}
	client, err := newClient(o.server.APIKey, o.server.URL, o.registry, o.spans, provider)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	o.client = client
	return o
}

// named returns the spans of a name.
func (o *observed) named(name string) (found []sdktrace.ReadOnlySpan) {
	for _, span := range o.recorder.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	return found
}

func attributes(list []attribute.KeyValue) map[string]any {
	found := map[string]any{}
	for _, attr := range list {
		found[string(attr.Key)] = attr.Value.AsInterface()
	}
	return found
}

func TestMetricsCountAttemptsRetriesRefusalsAndWaits(t *testing.T) {
	t.Parallel()
	o := observe(t)
	o.server.Inject(antcrmtest.Fault{Method: http.MethodPost, Status: http.StatusTooManyRequests, RetryAfter: time.Second, Times: 1})
	o.server.Inject(antcrmtest.Fault{Method: http.MethodGet, Status: http.StatusBadGateway, Times: 1})
	require.NoError(t, welcome(t.Context(), o.client, o.spans))
	require.ErrorIs(t, o.client.Do(t.Context(), http.MethodGet, "/nothing/here", nil, nil, nil), antcrm.ErrNotFound)

	assert.NoError(t, testutil.GatherAndCompare(o.registry, strings.NewReader(`
# HELP antcrm_attempts_total Requests sent, by operation, HTTP status and kind of error.
# TYPE antcrm_attempts_total counter
antcrm_attempts_total{error="",op="create contact",status="200"} 1
antcrm_attempts_total{error="",op="list contacts",status="200"} 1
antcrm_attempts_total{error="not_found",op="do",status="404"} 1
antcrm_attempts_total{error="rate_limited",op="create contact",status="429"} 1
antcrm_attempts_total{error="server",op="list contacts",status="502"} 1
# HELP antcrm_rate_limited_total Answers 429.
# TYPE antcrm_rate_limited_total counter
antcrm_rate_limited_total{op="create contact"} 1
# HELP antcrm_retries_total Requests that were sent again.
# TYPE antcrm_retries_total counter
antcrm_retries_total{op="create contact"} 1
antcrm_retries_total{op="list contacts"} 1
`), "antcrm_attempts_total", "antcrm_retries_total", "antcrm_rate_limited_total"))
	waited, attempts := histogram(t, o.registry, "antcrm_wait_seconds", "create contact")
	assert.Equal(t, uint64(2), attempts)
	assert.GreaterOrEqual(t, waited, 1.0, "the wait that the server asked for")
	_, attempts = histogram(t, o.registry, "antcrm_attempt_seconds", "list contacts")
	assert.Equal(t, uint64(2), attempts)
}

func histogram(t *testing.T, registry *prometheus.Registry, name, op string) (sum float64, count uint64) {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && metric.GetLabel()[0].GetValue() == op {
				return metric.GetHistogram().GetSampleSum(), metric.GetHistogram().GetSampleCount()
			}
		}
	}
	t.Fatalf("no %s of %s", name, op)
	return 0, 0
}

func TestOneSpanACallWithAnEventAnAttemptBesideOneSpanAnAttempt(t *testing.T) {
	t.Parallel()
	o := observe(t)
	o.server.Inject(antcrmtest.Fault{Method: http.MethodGet, Status: http.StatusBadGateway, Times: 1})
	require.NoError(t, welcome(t.Context(), o.client, o.spans))

	calls := o.named("look up a customer")
	require.Len(t, calls, 1)
	call := calls[0]
	require.Len(t, call.Events(), 2)
	first, second := attributes(call.Events()[0].Attributes), attributes(call.Events()[1].Attributes)
	assert.Equal(t, "antcrm.attempt", call.Events()[0].Name)
	assert.Equal(t, []any{int64(1), int64(502), true, "server"}, []any{first["antcrm.attempt"], first["http.response.status_code"], first["antcrm.will_retry"], first["error.type"]})
	assert.Equal(t, []any{int64(2), int64(200), false, ""}, []any{second["antcrm.attempt"], second["http.response.status_code"], second["antcrm.will_retry"], second["error.type"]})
	assert.Equal(t, "list contacts", second["antcrm.op"])

	// otelhttp's spans stand below it, one an attempt.
	var statuses []any
	for _, span := range o.named("HTTP GET") {
		assert.Equal(t, call.SpanContext().SpanID(), span.Parent().SpanID())
		assert.Equal(t, trace.SpanKindClient, span.SpanKind())
		statuses = append(statuses, attributes(span.Attributes())["http.response.status_code"])
	}
	assert.Equal(t, []any{int64(502), int64(200)}, statuses)
	assert.Len(t, o.named("HTTP POST"), 1)
}

// A trace has no customer, no key, and no text of the server's; the server has the query all the same.
func TestSpansHoldNothingPrivate(t *testing.T) {
	t.Parallel()
	o := observe(t)
	o.server.Inject(antcrmtest.Fault{Method: http.MethodPost, Status: http.StatusConflict, Body: `{"message":"0900000001 is known"}`, Times: 1})
	require.ErrorIs(t, welcome(t.Context(), o.client, o.spans), antcrm.ErrConflict)

	requests := o.server.Requests()
	require.Len(t, requests, 2)
	assert.Contains(t, requests[0].Query.Encode(), "0900000001")
	require.Len(t, o.recorder.Ended(), 4)
	for _, span := range o.recorder.Ended() {
		text := span.Name() + span.Status().Description
		for _, attr := range span.Attributes() {
			text += " " + attr.Value.String()
		}
		for _, event := range span.Events() {
			for _, attr := range event.Attributes {
				text += " " + attr.Value.String()
			}
		}
		assert.NotContains(t, text, "0900000001")
		assert.NotContains(t, text, o.server.APIKey)
	}
	assert.Equal(t, "conflict", o.named("create a customer")[0].Status().Description)
}

// The SDK still knows whether a request was sent: what it traces passes through otelhttp.
func TestWhatWasNotSentIsStillKnown(t *testing.T) {
	t.Parallel()
	o := observe(t)
	o.server.Close()
	_, err := o.client.Contacts.Create(t.Context(), antcrm.ContactCreateParams{ExternalID: "C-1", Name: "x", Phones: []antcrm.Phone{{Value: "0900000001"}}}, antcrm.WithoutRetry())
	var lost *antcrm.TransportError
	require.ErrorAs(t, err, &lost)
	assert.NotErrorIs(t, err, antcrm.ErrOutcomeUnknown)
}

func TestTheProgramPrintsMetricsAndSpans(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	for _, line := range []string{
		`antcrm_attempts_total{error="rate_limited",op="create contact",status="429"} 1`,
		`antcrm_retries_total{op="list contacts"} 1`,
		`antcrm_rate_limited_total{op="create contact"} 1`,
		`span "create a customer", child of 0000000000000000`,
		`antcrm.attempt antcrm.op=create contact antcrm.attempt=1 http.response.status_code=429`,
	} {
		assert.Contains(t, out.String(), line)
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	assert.Empty(t, errorKind(nil))
	assert.Equal(t, "timeout", errorKind(context.DeadlineExceeded))
	assert.Equal(t, "other", errorKind(http.ErrAbortHandler))
}
