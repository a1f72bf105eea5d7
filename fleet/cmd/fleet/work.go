package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/fleet"
)

// work sends chunks until ctx ends.
func work(ctx context.Context, c *command, args []string) error {
	var cfg fleet.WorkerConfig
	c.flags.IntVar(&cfg.Concurrency, "concurrency", 0, "chunks under way at a time (default 4)")
	c.flags.IntVar(&cfg.MaxAttempts, "attempts", 0, "how often a chunk is sent that the server refuses for reasons of its own (default 20)")
	c.flags.DurationVar(&cfg.AckWait, "ack-wait", 0, "when a silent worker's chunk is given to another; the same for all (default 30s)")
	c.flags.DurationVar(&cfg.DrainTimeout, "drain", 0, "how long chunks under way may take after SIGTERM (default 30s)")
	c.flags.BoolVar(&cfg.UntilDone, "until-done", false, "end when every job is finished")
	rate := c.flags.Float64("rate", 0, "requests a second, all workers of the fleet together; give all the same (default: no limit)")
	timeout := c.flags.Duration("timeout", 30*time.Second, "limit of one request")
	metrics := c.flags.String("metrics", "", "`address` to serve Prometheus metrics at, such as 127.0.0.1:9464")
	if err := c.parseBare(args); err != nil {
		return err
	}
	endTraces, err := traces(ctx)
	if err != nil {
		return err
	}
	defer endTraces()
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	if cfg.Client, err = client(ctx, c, f, *rate, *timeout); err != nil {
		return err
	}
	cfg.Metrics = fleet.NewMetrics()
	endMetrics, err := serveMetrics(ctx, c, *metrics, cfg.Metrics)
	if err != nil {
		return err
	}
	defer endMetrics()
	cfg.Settle = *timeout + 30*time.Second
	return accountHint(f.Work(ctx, cfg))
}

// accountHint says what to do when a key was replaced.
func accountHint(err error) error {
	if !errors.Is(err, fleet.ErrOtherAccount) {
		return err
	}
	return fmt.Errorf("%w (only if the key was replaced by a new one for the same CRM: end all workers, then fleet rebind)", err)
}

// client is the API client of the environment, behind the fleet's limit, with
// a span for each request.
func client(ctx context.Context, c *command, f *fleet.Fleet, rate float64, timeout time.Duration) (*antcrm.Client, error) {
	options := []antcrm.Option{
		antcrm.WithTimeout(timeout),
		antcrm.WithLogger(c.cfg.Logger),
		antcrm.WithUserAgent("antcrm-fleet/" + antcrm.Version),
		antcrm.WithHTTPClient(&http.Client{Transport: otelhttp.NewTransport(transport())}),
	}
	if rate != 0 {
		limiter, err := f.Limiter(ctx, rate)
		if err != nil {
			return nil, err
		}
		options = append(options, antcrm.WithRateLimiter(limiter))
	}
	return antcrm.NewClientFromEnv(options...)
}

// transport keeps a connection for each chunk that can be under way.
func transport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 1000, 1000
	return t
}

// traces sends spans to the collector of OTEL_EXPORTER_OTLP_ENDPOINT, if one
// is named.
func traces(ctx context.Context) (end func(), err error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return func() {}, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure traces: %w", err)
	}
	// Without OTEL_SERVICE_NAME the SDK would call it unknown_service.
	about, err := resource.Merge(resource.NewSchemaless(attribute.String("service.name", "antcrm-fleet")), resource.Environment())
	if err != nil {
		return nil, fmt.Errorf("configure traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = provider.Shutdown(last)
	}, nil
}

// serveMetrics answers GET /metrics, if there is an address.
func serveMetrics(ctx context.Context, c *command, address string, metrics *fleet.Metrics) (end func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	_, _ = fmt.Fprintf(c.stderr, "metrics at http://%s/metrics\n", listener.Addr())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	return func() {
		if err := server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return
		}
		<-ended
	}, nil
}
