package scan

import "encoding/binary"

// Interner gives texts that a page repeats (Work, Vietnam, the names of stages)
// one string instead of one each. The nil Interner copies every text.
type Interner [256]string

// mostInterned is the length beyond which a text is hardly ever repeated.
const mostInterned = 48

// String returns text as a string.
func (in *Interner) String(text []byte) string {
	if in == nil || len(text) < 2 || len(text) > mostInterned {
		return string(text)
	}
	slot := &in[hash(text)%uint64(len(in))]
	if *slot != string(text) {
		*slot = string(text)
	}
	return *slot
}

// hash is quick, and good enough for a cache whose misses cost a copy.
func hash(text []byte) uint64 {
	const prime = 0x9e3779b97f4a7c15
	sum := uint64(len(text)) * prime
	for len(text) >= 8 {
		sum = (sum ^ binary.LittleEndian.Uint64(text)) * prime
		sum ^= sum >> 29
		text = text[8:]
	}
	for _, b := range text {
		sum = (sum ^ uint64(b)) * prime
	}
	return sum >> 32
}
