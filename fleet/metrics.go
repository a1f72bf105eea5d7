package fleet

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/antbuddy/antcrm-go"
)

// Metrics counts what a process's workers and feeders do. It is a
// prometheus.Collector: register it where the process registers others.
type Metrics struct {
	// Workers.
	records        *prometheus.CounterVec
	chunks         *prometheus.CounterVec
	redelivered    prometheus.Counter
	conflicts      prometheus.Counter
	acksLost       prometheus.Counter
	foreign        prometheus.Counter
	overtaken      prometheus.Counter
	stopped        prometheus.Counter
	refusals       *prometheus.CounterVec
	inFlight       prometheus.Gauge
	waiting        *prometheus.GaugeVec
	seconds        prometheus.Histogram
	requestSeconds prometheus.Histogram
	limiterWait    prometheus.Histogram

	// The whole fleet, as this process's worker last saw it.
	lag     prometheus.Gauge
	busy    prometheus.Gauge
	workers *prometheus.GaugeVec

	// Feeders.
	fedRecords prometheus.Counter
	fedChunks  *prometheus.CounterVec
	feedWaits  prometheus.Counter
}

// secondsBuckets reach from a fast answer to a wait under a low rate.
var secondsBuckets = []float64{0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60}

// NewMetrics returns metrics that start from zero.
func NewMetrics() *Metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "antcrm", Subsystem: "fleet", Name: name, Help: help}
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts(opts(name, help)))
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts(opts(name, help)))
	}
	gauges := func(name, help, label string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), []string{label})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "antcrm", Subsystem: "fleet", Name: name, Help: help, Buckets: secondsBuckets})
	}
	return &Metrics{
		records:     counters("records_total", "Records settled by this process, by outcome.", "kind", "outcome"),
		chunks:      counters("chunks_total", "Chunks settled by this process.", "kind"),
		redelivered: counter("redeliveries_total", "Chunks that were delivered more than once."),
		conflicts:   counter("ledger_conflicts_total", "Writes into the ledger that another worker was faster with."),
		acksLost:    counter("acks_lost_total", "Acknowledgements that were not confirmed in time; the chunk comes once more and is skipped."),
		foreign:     counter("foreign_chunks_total", "Chunks whose content is not what was sent under their name."),
		overtaken:   counter("overtaken_chunks_total", "Chunks that a resolver had sent again while their first sender was still at it: look for doubles."),
		stopped:     counter("requests_stopped_total", "Requests that the worker stopped before they left: it had been suspended, or had lost the chunk."),
		refusals:    counters("refusals_total", "Requests that the service refused after all retries, by status: 401, 403, 429 and the like.", "status"),
		inFlight:    gauge("chunks_in_flight", "Chunks that this process is at."),
		waiting:     gauges("waiting", "1 while this process's worker takes no chunks, by reason: key (401 or 403), paused.", "reason"),

		seconds:        histogram("send_seconds", "Time to send a chunk from its turn on, repetitions included."),
		requestSeconds: histogram("request_seconds", "Time of the service: from the moment a request leaves to its answer."),
		limiterWait:    histogram("limiter_wait_seconds", "Time that a request waited for its turn under the shared rate limit."),

		lag:     gauge("lag_chunks", "Chunks of the whole fleet that wait for a worker."),
		busy:    gauge("busy_chunks", "Chunks of the whole fleet that a worker is at, or that wait to be delivered again."),
		workers: gauges("workers", "Workers of the whole fleet, by state: alive, busy.", "state"),

		fedRecords: counter("fed_records_total", "Records read from sources."),
		fedChunks:  counters("fed_chunks_total", "Chunks of sources, by what was done: queued, known from an earlier run.", "state"),
		feedWaits:  counter("feed_waits_total", "Attempts at queuing a chunk that failed and were repeated."),
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.records, m.chunks, m.redelivered, m.conflicts, m.acksLost, m.foreign, m.overtaken, m.stopped, m.refusals, m.inFlight, m.waiting,
		m.seconds, m.requestSeconds, m.limiterWait, m.lag, m.busy, m.workers, m.fedRecords, m.fedChunks, m.feedWaits,
	}
}

// Describe is for prometheus.Register.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(to)
	}
}

// Collect is for prometheus.Gatherer.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(to)
	}
}

// settled counts the records of a chunk.
func (m *Metrics) settled(kind Kind, t Totals) {
	m.chunks.WithLabelValues(string(kind)).Inc()
	for outcome, n := range map[string]int64{"done": t.Done, "rejected": t.Rejected, "unknown": t.Unknown, "not_sent": t.NotSent} {
		m.records.WithLabelValues(string(kind), outcome).Add(float64(n))
	}
}

// refused counts the status that a request was refused with.
func (m *Metrics) refused(err error) {
	if answered, ok := errors.AsType[*antcrm.APIError](err); ok && answered.StatusCode >= http.StatusBadRequest {
		m.refusals.WithLabelValues(strconv.Itoa(answered.StatusCode)).Inc()
	}
}
