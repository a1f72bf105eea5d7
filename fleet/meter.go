package fleet

import "time"

// meter is a rate over the last seconds.
type meter struct {
	buckets [8]int64 // one a second
	second  int64    // of the newest
}

func (m *meter) add(now time.Time, n int64) {
	m.advance(now)
	m.buckets[m.second%int64(len(m.buckets))] += n
}

func (m *meter) advance(now time.Time) {
	for second := now.Unix(); m.second < second; {
		m.second = max(m.second+1, second-int64(len(m.buckets)))
		m.buckets[m.second%int64(len(m.buckets))] = 0
	}
}

// rate leaves out the second that has just begun.
func (m *meter) rate(now time.Time) float64 {
	m.advance(now)
	sum := int64(0)
	for i, n := range m.buckets {
		if int64(i) != m.second%int64(len(m.buckets)) {
			sum += n
		}
	}
	return float64(sum) / float64(len(m.buckets)-1)
}
