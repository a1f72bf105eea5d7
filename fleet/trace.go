package fleet

import (
	"context"
	"net/http"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const tracerName = "github.com/antbuddy/antcrm-go/fleet"

// inject passes the feeder's trace on to the worker.
func inject(ctx context.Context, header nats.Header) {
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(http.Header(header)))
}

// chunkSpan is the trace of one attempt at a chunk; the client's requests are
// its children.
type chunkSpan struct{ trace.Span }

func startSpan(ctx context.Context, d *delivery, records int) (context.Context, chunkSpan) {
	ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.HeaderCarrier(http.Header(d.msg.Headers())))
	ctx, span := otel.Tracer(tracerName).Start(ctx, "fleet chunk", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("antcrm.fleet.job", d.chunk.Job),
		attribute.Int64("antcrm.fleet.chunk", d.chunk.Position),
		attribute.Int("antcrm.fleet.records", records),
		attribute.Int("antcrm.fleet.attempt", d.entry.Attempts),
	))
	return ctx, chunkSpan{span}
}

// end closes the span; errors hold no records.
func (s chunkSpan) end(answers []answer) {
	for _, a := range answers {
		switch a.letter {
		case letterUnknown:
			s.SetStatus(codes.Error, "outcome unknown")
		case letterNotSent:
			s.SetStatus(codes.Error, "not carried out")
		}
	}
	s.End()
}
