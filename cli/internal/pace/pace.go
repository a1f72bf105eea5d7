// Package pace tells how fast something goes and how long it will take.
package pace

import "time"

// span is what a rate looks back on. What a journal remembers comes all at once, and a server may pause: an average since the beginning would mislead to the
// end.
const span = 10 * time.Second

// Meter measures by looks that are taken now and then. The zero value begins at its first look.
type Meter struct{ looks []look }

type look struct {
	at    time.Time
	count int64
}

// Rate is how many a second there were lately, given how many there are by now. It is 0 at the first look.
func (m *Meter) Rate(now time.Time, count int64) float64 {
	m.looks = append(m.looks, look{now, count})
	for len(m.looks) > 2 && now.Sub(m.looks[1].at) >= span {
		m.looks = m.looks[1:]
	}
	first := m.looks[0]
	took := now.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(count-first.count) / took
}

// Left is how long left records will take at a rate. It is unknown where nothing moves.
func Left(left int64, rate float64) (took time.Duration, known bool) {
	if rate <= 0 || left < 0 || float64(left)/rate > (100*24*time.Hour).Seconds() {
		return 0, false
	}
	return time.Duration(float64(left) / rate * float64(time.Second)).Round(time.Second), true
}
