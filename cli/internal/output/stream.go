package output

import (
	"bufio"
	"sync"
	"time"
)

// flushEvery is how long a record may wait in memory while the next page is on its way: the next program of a pipe gets what there is, and one that has
// left is noticed.
const flushEvery = 100 * time.Millisecond

// stream is a buffer that empties itself now and then.
type stream struct {
	mu      sync.Mutex
	buffer  *bufio.Writer
	pending bool // a flush is planned
}

// Write buffers p. A flush that has failed meanwhile fails it.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.pending {
		s.pending = true
		time.AfterFunc(flushEvery, func() { _ = s.flush() })
	}
	return s.buffer.Write(p)
}

func (s *stream) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = false
	return s.buffer.Flush()
}
