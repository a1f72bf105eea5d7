// Observability shows what the client does on the wire: Prometheus counters of attempts, retries, 429s and waits, and
// one OpenTelemetry span a call with an event an attempt, beside otelhttp's span an attempt.
//
// It talks to an embedded fake of the service that is busy at first, and prints the metrics and the spans.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	server, err := antcrmtest.Start()
	if err != nil {
		return err
	}
	defer server.Close()
	server.Inject(antcrmtest.Fault{Method: http.MethodPost, Status: http.StatusTooManyRequests, RetryAfter: time.Second, Times: 1})
	server.Inject(antcrmtest.Fault{Method: http.MethodGet, Status: http.StatusBadGateway, Times: 1})

	registry := prometheus.NewRegistry()
	// A service exports to a collector, with sdktrace.WithBatcher(exporter).
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(printer{out}))
	spans := tracing{provider.Tracer("shop")}
	client, err := newClient(server.APIKey, server.URL, registry, spans, provider)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()

	if err := welcome(ctx, client, spans); err != nil {
		return err
	}
	return scrape(out, registry)
}

// newClient is the client of a service that is looked after.
func newClient(key, base string, registry prometheus.Registerer, spans tracing, provider trace.TracerProvider) (*antcrm.Client, error) {
	below := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http says so
	// A transport of the caller's has to look for dead HTTP/2 connections itself: see docs/errors-and-retries.md.
	below.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second}
	return antcrm.NewClient(key, antcrm.WithBaseURL(base),
		antcrm.WithHTTPClient(&http.Client{Transport: newTransport(below, provider)}),
		antcrm.WithObserver(newMetrics(registry).observe),
		antcrm.WithObserver(spans.observe))
}

// welcome is a job of two calls: a customer is looked up by phone, and created.
func welcome(ctx context.Context, client *antcrm.Client, spans tracing) error {
	const phone = "0900000001"
	err := spans.call(ctx, "look up a customer", func(ctx context.Context) error {
		_, err := client.Contacts.List(ctx, antcrm.ContactListParams{Phone: phone})
		return err
	})
	if err != nil {
		return err
	}
	return spans.call(ctx, "create a customer", func(ctx context.Context) error {
		_, err := client.Contacts.Create(ctx, antcrm.ContactCreateParams{
			Name: "Nguyễn Văn Mẫu", ExternalID: "C-1", Phones: []antcrm.Phone{{Type: "Work", Value: phone}},
		})
		return err
	})
}

// printer writes spans as lines.
type printer struct{ out io.Writer }

// ExportSpans is called when a span ends: those of the attempts come before their call's.
func (p printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	var text strings.Builder
	for _, span := range spans {
		fmt.Fprintf(&text, "span %q, child of %s\n", span.Name(), span.Parent().SpanID())
		for _, event := range span.Events() {
			text.WriteString("  " + event.Name)
			for _, attr := range event.Attributes {
				text.WriteString(" " + string(attr.Key) + "=" + attr.Value.String())
			}
			text.WriteString("\n")
		}
	}
	_, err := io.WriteString(p.out, text.String())
	return err
}

// Shutdown has nothing to close.
func (printer) Shutdown(context.Context) error { return nil }

// scrape writes what Prometheus would read.
func scrape(out io.Writer, registry *prometheus.Registry) error {
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(out, family); err != nil {
			return err
		}
	}
	return nil
}
