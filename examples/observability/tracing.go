package main

import (
	"context"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/antbuddy/antcrm-go"
)

// tracing makes one span of a call. Each attempt is an event of it, and has a span of otelhttp's below it.
type tracing struct{ tracer trace.Tracer }

// call runs one call of the SDK, or several that belong together, in a span.
func (t tracing) call(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindInternal))
	defer span.End()
	err := do(ctx)
	if err != nil {
		// The error's text quotes the server, who may name a customer: its kind is enough for a trace.
		span.SetStatus(codes.Error, errorKind(err))
	}
	return err
}

// observe is an observer of antcrm.WithObserver. The context is the call's, and so is the span in it.
func (tracing) observe(ctx context.Context, a antcrm.Attempt) {
	trace.SpanFromContext(ctx).AddEvent("antcrm.attempt", trace.WithAttributes(
		attribute.String("antcrm.op", operation(a)),
		attribute.Int("antcrm.attempt", a.Number),
		attribute.Int("http.response.status_code", a.Status),
		attribute.Int64("antcrm.wait_ms", a.Wait.Milliseconds()),
		attribute.Int64("antcrm.duration_ms", a.Duration.Milliseconds()),
		attribute.Int("antcrm.bytes", a.Bytes),
		attribute.Bool("antcrm.will_retry", a.WillRetry),
		attribute.String("error.type", errorKind(a.Err)),
	))
}

// transport makes a span of each attempt. otelhttp writes the URL into its spans, and the query of a list has
// customers' phone numbers: it sees the request without the query.
type transport struct {
	traced http.RoundTripper // otelhttp's, above base
	base   *http.Transport
}

func newTransport(base *http.Transport, provider trace.TracerProvider) *transport {
	return &transport{traced: otelhttp.NewTransport(restoreQuery{base}, otelhttp.WithTracerProvider(provider)), base: base}
}

type queryKey struct{}

// RoundTrip moves the query from the URL to the context.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := context.WithValue(req.Context(), queryKey{}, req.URL.RawQuery)
	return t.traced.RoundTrip(withQuery(ctx, req, ""))
}

// CloseIdleConnections is what antcrm.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// restoreQuery moves it back.
type restoreQuery struct{ next http.RoundTripper }

func (t restoreQuery) RoundTrip(req *http.Request) (*http.Response, error) {
	query, _ := req.Context().Value(queryKey{}).(string)
	return t.next.RoundTrip(withQuery(req.Context(), req, query))
}

// withQuery is a copy of a request: a RoundTripper may not change the one it has.
func withQuery(ctx context.Context, req *http.Request, query string) *http.Request {
	bound, target := req.WithContext(ctx), *req.URL
	target.RawQuery = query
	bound.URL = &target
	return bound
}
