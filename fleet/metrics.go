package fleet

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what a process's workers do. It is a prometheus.Collector:
// register it where the process registers others.
type Metrics struct {
	records     *prometheus.CounterVec
	chunks      *prometheus.CounterVec
	redelivered prometheus.Counter
	conflicts   prometheus.Counter
	acksLost    prometheus.Counter
	foreign     prometheus.Counter
	overtaken   prometheus.Counter
	inFlight    prometheus.Gauge
	seconds     prometheus.Histogram
}

// NewMetrics returns metrics that start from zero.
func NewMetrics() *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "antcrm", Subsystem: "fleet", Name: name, Help: help})
	}
	return &Metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "antcrm", Subsystem: "fleet", Name: "records_total", Help: "Records settled by this process, by outcome.",
		}, []string{"kind", "outcome"}),
		chunks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "antcrm", Subsystem: "fleet", Name: "chunks_total", Help: "Chunks settled by this process.",
		}, []string{"kind"}),
		redelivered: counter("redeliveries_total", "Chunks that were delivered more than once."),
		conflicts:   counter("ledger_conflicts_total", "Writes into the ledger that another worker was faster with."),
		acksLost:    counter("acks_lost_total", "Acknowledgements that were not confirmed in time; the chunk comes once more and is skipped."),
		foreign:     counter("foreign_chunks_total", "Chunks whose content is not what was sent under their name."),
		overtaken:   counter("overtaken_chunks_total", "Chunks that a resolver had sent again while their first sender was still at it: look for doubles."),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "antcrm", Subsystem: "fleet", Name: "chunks_in_flight", Help: "Chunks in this process's hands.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "antcrm", Subsystem: "fleet", Name: "send_seconds", Help: "Time to send a chunk, waits for the rate limit and repetitions included.",
			Buckets: []float64{0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60},
		}),
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.records, m.chunks, m.redelivered, m.conflicts, m.acksLost, m.foreign, m.overtaken, m.inFlight, m.seconds}
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
