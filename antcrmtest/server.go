package antcrmtest

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// Server is one fake AntCRM, with records of its own. It is safe for parallel use, and any number of servers may run at
// once.
type Server struct {
	// URL is where it listens, without a slash at the end.
	URL string
	// APIKey is what the apikey header must hold.
	APIKey string

	cfg      config
	tb       testing.TB // nil outside of tests
	contacts *resource
	routes   map[string]map[string]*endpoint // by path, then method
	store    *store
	clock    clock
	faults   faults
	log      requestLog
	ledger   ledger
	gateway  gateway
	complain atomic.Int64 // refusals written to tb so far
	control  *control     // nil unless switched on

	http     *http.Server
	stopping chan struct{} // closed when the server closes: nothing waits any longer
	stop     sync.Once
	mu       sync.Mutex
	closed   bool
	running  sync.WaitGroup
}

// NewServer starts a server for one test and closes it when the test ends. A bad option fails the test. Requests that
// the fake refuses (4xx) are written to the test's log, with field and rule.
func NewServer(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	s, err := start(opts)
	if err != nil {
		tb.Fatalf("antcrmtest: %v", err)
	}
	s.mu.Lock() // which every request takes as well
	s.tb = tb
	s.mu.Unlock()
	tb.Cleanup(s.Close)
	return s
}

// Start starts a server for a program, which must close it. Errors: a bad option, a seed that cannot be read, an
// address that is taken.
func Start(opts ...Option) (*Server, error) {
	return start(opts)
}

func start(opts []Option) (*Server, error) {
	s := &Server{cfg: defaults(), stopping: make(chan struct{})}
	if err := s.cfg.apply(opts); err != nil {
		return nil, fmt.Errorf("starting the fake server: %w", err)
	}
	s.clock.base = s.cfg.clock
	s.store = newStore(s.clock.now, s.cfg.is(questions.ListOrder, "newest-first"), s.cfg.answers[questions.IDType])
	s.log.keep, s.log.keepBody = s.cfg.keepRequests, s.cfg.keepBody
	s.route()
	if s.cfg.control {
		var err error
		if s.control, err = newControl(s); err != nil {
			return nil, fmt.Errorf("starting the fake server: %w", err)
		}
	}
	if err := s.seedFromOptions(); err != nil {
		return nil, fmt.Errorf("starting the fake server: %w", err)
	}
	listener, err := net.Listen("tcp", s.cfg.addr)
	if err != nil {
		return nil, fmt.Errorf("starting the fake server: %w", err)
	}
	s.URL, s.APIKey = baseURL(listener.Addr()), s.cfg.apiKey
	if s.APIKey == "" {
		_, port, _ := net.SplitHostPort(listener.Addr().String()) // a listener's address has a port
		s.APIKey = "test-key-" + port
	}
	s.http = &http.Server{
		Handler:           s.guarded(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// Without this net/http answers OPTIONS * itself, with 200.
		DisableGeneralOptionsHandler: true,
	}
	s.running.Go(func() { _ = s.http.Serve(listener) }) // always ends with ErrServerClosed
	return s, nil
}

// baseURL names an address that a client of this machine can dial.
func baseURL(addr net.Addr) string {
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return "http://" + host
}

func (s *Server) route() {
	s.routes = map[string]map[string]*endpoint{}
	for _, e := range s.endpoints() {
		if s.routes[e.path] == nil {
			s.routes[e.path] = map[string]*endpoint{}
		}
		s.routes[e.path][e.method] = e
	}
}

// Close cuts all connections, ends all waits and returns when nothing of the server runs any longer. It may be called
// twice.
func (s *Server) Close() {
	s.halt()
	_ = s.http.Close()
	s.running.Wait()
}

// Shutdown takes no new requests and lets those under way finish, until ctx ends; then it closes as [Server.Close]
// does. The error is the context's.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.Close()
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stopping the fake server: %w", err)
	}
	return nil
}

func (s *Server) halt() {
	s.stop.Do(func() { close(s.stopping) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// enter counts a request in, so that Close can wait for it.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// Requests returns what arrived, in the order of arrival: the last 10,000 unless [WithRequestLog] says otherwise.
// Requests to /_mock/ are not among them.
func (s *Server) Requests() []Request { return s.log.last(-1) }

// RequestCount returns how many requests have arrived since the start or the last [Server.Reset], including those that
// Requests no longer has.
func (s *Server) RequestCount() int { return int(s.log.arrived()) }

// Inject arms a fault. A request meets the first fault that matches it, in the order in which they were armed; faults
// that only delay do not count. A bad fault fails the test; on a server without a test [Injected.Err] says why.
func (s *Server) Inject(f Fault) *Injected {
	i := s.faults.arm(f)
	if i.err != nil && s.tb != nil {
		s.tb.Helper()
		s.tb.Fatalf("antcrmtest: %v", i.err)
	}
	return i
}

// Faults returns the armed faults, in order, those that are used up included.
func (s *Server) Faults() []*Injected { return slices.Clone(s.faults.list()) }

// ClearFaults disarms all faults.
func (s *Server) ClearFaults() { s.faults.clear() }

// Reset restores the server's initial state: only the records of WithSeed, no requests, no faults, and ids from the
// beginning. It does not change the clock.
func (s *Server) Reset() error {
	s.faults.clear()
	s.log.clear()
	s.ledger.clear()
	s.store.mu.Lock()
	s.store.clear()
	s.store.mu.Unlock()
	return s.seedFromOptions()
}

// SetTime stops the server's clock at t. The zero time lets it run again.
func (s *Server) SetTime(t time.Time) { s.clock.set(t) }

// Advance moves the server's clock forward by d, whether it runs or was stopped.
func (s *Server) Advance(d time.Duration) { s.clock.advance(d) }

// Now returns the server's time. Records get their createdAt and updatedAt from it.
func (s *Server) Now() time.Time { return s.clock.now() }

type clock struct {
	base   func() time.Time
	mu     sync.Mutex
	fixed  time.Time
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fixed.IsZero() {
		return c.fixed
	}
	return c.base().Add(c.offset)
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fixed = t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fixed.IsZero() {
		c.fixed = c.fixed.Add(d)
		return
	}
	c.offset += d
}

// Records returns all records of a kind as JSON text, in the order of their creation; soft-deleted tickets included,
// with isTicketDeleted true. The copies are the caller's.
func (s *Server) Records(kind Kind) []json.RawMessage { return s.store.snapshot(kind) }

// Record returns the oldest record of a kind whose field has that value: a field that the kind can be found by (leadId,
// customerId, customerIdApiRing, phone, email; number, opportunityIdApiRing; productIdApiRing, code; TicketId,
// ticketIdApiRing; …). It costs the same whatever the number of records.
func (s *Server) Record(kind Kind, field, value string) (json.RawMessage, bool) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	c := s.store.kinds[kind]
	if c == nil {
		return nil, false
	}
	r := c.lookup(field, value)
	if r == nil {
		return nil, false
	}
	return slices.Clone(json.RawMessage(r.raw)), true
}

// Count returns how many records of a kind there are, without deleted tickets.
func (s *Server) Count(kind Kind) int {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	c := s.store.kinds[kind]
	if c == nil {
		return 0
	}
	return len(c.all.recs) - c.all.dead - c.hidden
}

// CountByExternalID returns how many records of a kind have this key of the caller's own (customerIdApiRing,
// opportunityIdApiRing, productIdApiRing, ticketIdApiRing). 2 means that a write was done twice.
func (s *Server) CountByExternalID(kind Kind, externalID string) int {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	c := s.store.kinds[kind]
	if c == nil || c.spec.external == "" {
		return 0
	}
	return c.count(c.spec.external, externalID)
}

// Duplicates returns the caller's own keys that more than one record of a kind has, with the number of records.
func (s *Server) Duplicates(kind Kind) map[string]int {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	doubled := map[string]int{}
	c := s.store.kinds[kind]
	if c == nil || c.spec.external == "" {
		return doubled
	}
	for p := range c.index {
		if p.index != c.spec.external {
			continue
		}
		if n := c.count(p.index, p.value); n > 1 {
			doubled[p.value] = n
		}
	}
	return doubled
}

// authorize wants the key, once.
func (s *Server) authorize(h http.Header) *failure {
	keys := h.Values("apikey")
	switch {
	case len(keys) == 0:
		return &failure{status: http.StatusUnauthorized, code: "APIKEY_MISSING", message: "header apikey: is missing", docs: "docs/wire.md, Common rules"}
	case len(keys) > 1 || subtle.ConstantTimeCompare([]byte(keys[0]), []byte(s.APIKey)) != 1:
		return &failure{status: http.StatusUnauthorized, code: "APIKEY_INVALID", message: "header apikey: is not the key of this server", docs: "docs/wire.md, Common rules"}
	}
	return nil
}
