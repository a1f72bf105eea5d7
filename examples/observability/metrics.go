package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/antbuddy/antcrm-go"
)

// metrics counts what the client does on the wire. Its labels have few values: an operation of the SDK, a status, a
// kind of error. A path may hold the key of a record, and an error's text may name a customer: neither is a label.
type metrics struct {
	attempts    *prometheus.CounterVec
	retries     *prometheus.CounterVec
	rateLimited *prometheus.CounterVec
	waits       *prometheus.HistogramVec
	durations   *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "antcrm", Name: name, Help: help}, labels)
	}
	seconds := func(name, help string) *prometheus.HistogramVec {
		buckets := []float64{0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120}
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "antcrm", Name: name, Help: help, Buckets: buckets}, []string{"op"})
	}
	m := &metrics{
		attempts:    counter("attempts_total", "Requests sent, by operation, HTTP status and kind of error.", "op", "status", "error"),
		retries:     counter("retries_total", "Requests that were sent again.", "op"),
		rateLimited: counter("rate_limited_total", "Answers 429.", "op"),
		waits:       seconds("wait_seconds", "Wait before a request: for a slot, limits, a pause, the backoff."),
		durations:   seconds("attempt_seconds", "From connecting to the last byte of the answer."),
	}
	registry.MustRegister(m.attempts, m.retries, m.rateLimited, m.waits, m.durations)
	return m
}

// observe is an observer of antcrm.WithObserver.
func (m *metrics) observe(_ context.Context, a antcrm.Attempt) {
	op := operation(a)
	m.attempts.WithLabelValues(op, strconv.Itoa(a.Status), errorKind(a.Err)).Inc()
	if a.Number > 1 {
		m.retries.WithLabelValues(op).Inc()
	}
	if a.Status == http.StatusTooManyRequests {
		m.rateLimited.WithLabelValues(op).Inc()
	}
	m.waits.WithLabelValues(op).Observe(a.Wait.Seconds())
	m.durations.WithLabelValues(op).Observe(a.Duration.Seconds())
}

// operation names what was done. Client.Do has no name of its own.
func operation(a antcrm.Attempt) string {
	if a.Op == "" {
		return "do"
	}
	return a.Op
}

// errorKind is one of a few words for an error, and empty for none. What a write has become is said first: it is what
// somebody must look at.
func errorKind(err error) string {
	kinds := []struct {
		is   error
		kind string
	}{
		{antcrm.ErrOutcomeUnknown, "outcome_unknown"},
		{antcrm.ErrRateLimited, "rate_limited"},
		{antcrm.ErrServer, "server"},
		{antcrm.ErrUnauthorized, "unauthorized"},
		{antcrm.ErrForbidden, "forbidden"},
		{antcrm.ErrNotFound, "not_found"},
		{antcrm.ErrConflict, "conflict"},
		{antcrm.ErrRejected, "rejected"},
		{antcrm.ErrResponseTooLarge, "too_large"},
		{context.Canceled, "canceled"},
		{context.DeadlineExceeded, "timeout"},
	}
	if err == nil {
		return ""
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return k.kind
		}
	}
	return "other"
}
