package antcrm

import (
	"context"
	"log/slog"
	"time"
)

// Attempt describes one request to an observer (WithObserver). It has nothing of the request's or the answer's content.
type Attempt struct {
	Op       string        // what the call does, such as "create contact"; empty for Client.Do
	Method   string        // HTTP method
	Path     string        // path without the query, such as /contacts
	Number   int           // of the attempt, from 1
	Status   int           // HTTP status; 0 if no answer came
	Wait     time.Duration // before this attempt, for a slot, limits, a pause, or the backoff
	Duration time.Duration // of this attempt, from connecting to the last byte of the answer
	Bytes    int           // size of the answer's body, decompressed
	// WillRetry says that another attempt follows, unless the context ends during the wait before it.
	WillRetry bool
	// Err is the error that the call returns if this attempt is its last. It is nil for a good answer.
	Err error
}

// report reports the attempt that has just ended to the observers and to the log: at debug every attempt with the wait
// before it, at warn every repeated one with the wait after it.
func (r *callRun) report(ctx context.Context, err error, wait time.Duration, again bool) {
	for _, observe := range r.core.cfg.observers {
		observe(ctx, r.describe(err, again))
	}
	r.log(ctx, slog.LevelDebug, "antcrm: request", r.last.waited)
	if again {
		r.log(ctx, slog.LevelWarn, "antcrm: repeating request", wait)
	}
}

func (r *callRun) describe(err error, again bool) Attempt {
	return Attempt{
		Op: r.req.op, Method: r.req.method, Path: r.req.path, Number: r.last.Number, Status: r.last.Status,
		Wait: r.last.waited, Duration: r.last.took, Bytes: r.size(), WillRetry: again, Err: err,
	}
}

func (r *callRun) size() int {
	if r.last.answer == nil {
		return 0
	}
	return r.buf.Len()
}

// log writes one record. It logs the error's text only if no answer came: a server's message may quote a customer's
// data.
func (r *callRun) log(ctx context.Context, level slog.Level, message string, wait time.Duration) {
	log := r.core.cfg.logger
	if !log.Enabled(ctx, level) {
		return
	}
	requestID := ""
	if r.last.answer != nil {
		requestID = r.last.answer.requestID()
	}
	attrs := []slog.Attr{
		slog.String("method", r.req.method), slog.String("path", r.req.path),
		slog.Int("status", r.last.Status), slog.Int("attempt", r.last.Number), slog.Duration("wait", wait), slog.Duration("duration", r.last.took),
		slog.Int("size", r.size()), slog.String("request_id", requestID),
	}
	if r.last.answer == nil {
		attrs = append(attrs, slog.String("error", r.last.cause.Error()))
	}
	log.LogAttrs(ctx, level, message, attrs...)
}
