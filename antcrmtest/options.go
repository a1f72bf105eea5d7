package antcrmtest

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// Option changes how a server behaves. If the vendor's pages leave a rule open, the option's comment says which answer
// is the default.
type Option func(*config) error

// Duplicates says what happens to a create whose key of the caller's own (customerIdApiRing, opportunityIdApiRing,
// productIdApiRing, ticketIdApiRing) exists already. The vendor does not say.
type Duplicates int

// The answers to a create whose key exists already.
const (
	DuplicatesAccepted Duplicates = iota // a second record is made, with an id of its own
	DuplicatesRejected                   // 409, nothing is written
	DuplicatesUpdated                    // the oldest record with that key is updated, and its id answered
)

// DeleteKey says where the fake reads the key of a DELETE. The vendor does not say.
type DeleteKey int

// The places of a DELETE's key.
const (
	DeleteKeyAnywhere DeleteKey = iota // query or body; if both name a key they must agree
	DeleteKeyInQuery                   // the query only
	DeleteKeyInBody                    // the body only
)

type config struct {
	addr          string
	hosts         []string
	apiKey        string
	clock         func() time.Time
	location      *time.Location
	pageSize      int
	maxLimit      int
	pointsPerCode int64
	giftCost      int64
	maxBody       int64
	keepRequests  int
	keepBody      int
	latency       time.Duration
	logger        *slog.Logger
	control       bool
	seeds         []func(*Server) error
	answers       map[string]string // to open questions; never written after the start
	notPlayed     []string          // questions that a report answers in a way that was not foreseen
}

func defaults() config {
	return config{
		addr:          "127.0.0.1:0",
		clock:         time.Now,
		answers:       map[string]string{},
		location:      time.UTC,
		pageSize:      20,
		pointsPerCode: 100,
		giftCost:      10,
		maxBody:       10 << 20,
		keepRequests:  10_000,
		keepBody:      256 << 10,
	}
}

func (c *config) apply(opts []Option) error {
	var errs []error
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt(c); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func positive(name string, n int64) error {
	if n < 1 {
		return fmt.Errorf("%s: %d is not above 0", name, n)
	}
	return nil
}

// WithAPIKey sets the key that requests must have in the apikey header. The default contains the server's port, so that
// a client of another server of the same test is refused.
func WithAPIKey(key string) Option {
	return func(c *config) error {
		if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return errors.New("api key: is empty or holds control characters")
		}
		c.apiKey = key
		return nil
	}
}

// WithAddr sets the address to listen on, as host:port. Default: a free port of 127.0.0.1. The fake speaks plain http
// and is no place for real data: leave it on loopback unless a container needs otherwise.
func WithAddr(addr string) Option {
	return func(c *config) error {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("address: %w", err)
		}
		c.addr = addr
		return nil
	}
}

// WithClock sets the clock for the times of records. Default: time.Now. See also [Server.SetTime].
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("clock: is nil")
		}
		c.clock = now
		return nil
	}
}

// WithLocation sets the zone in which the days of the contact filters (createdAtf=2024-03-13) begin and end. Default:
// UTC; the vendor does not say.
func WithLocation(zone *time.Location) Option {
	return func(c *config) error {
		if zone == nil {
			return errors.New("location: is nil")
		}
		c.location = zone
		return nil
	}
}

// WithPageSize sets how many records a page holds when the request has no limit. Default: 20, as the vendor's page says
// ("at most 20 a page"); GET /znsmsg has 50 of its own.
func WithPageSize(n int) Option {
	return func(c *config) error { c.pageSize = n; return positive("page size", int64(n)) }
}

// WithMaxLimit reduces a larger limit to n. By default the lists that are bare arrays honour any limit, since the
// vendor does not say, and telesales, telecalls, campaigns and ratings at most 100, as its page says.
func WithMaxLimit(n int) Option {
	return func(c *config) error { c.maxLimit = n; return positive("max limit", int64(n)) }
}

// WithIgnoredLimit makes the server ignore limit and answer pages of its own size.
func WithIgnoredLimit() Option { return WithAnswer(questions.LimitMaximum, "ignored") }

// WithIgnoredPage makes the server ignore page and always answer the first page. An iterator without a guard never
// ends.
func WithIgnoredPage() Option { return WithAnswer(questions.PageParameter, "ignored") }

// WithNewestFirst lists the newest record first, so that inserts move records to the next page. Default: the oldest
// first; the vendor does not say.
func WithNewestFirst() Option { return WithAnswer(questions.ListOrder, "newest-first") }

// WithDuplicates says what happens to a create whose key of the caller's own exists already. Default:
// DuplicatesAccepted, because a fake that hides doubled writes proves nothing. Count them with
// [Server.CountByExternalID] or [Server.Duplicates].
func WithDuplicates(d Duplicates) Option {
	return func(c *config) error {
		if d < DuplicatesAccepted || d > DuplicatesUpdated {
			return fmt.Errorf("duplicates: %d is no choice", d)
		}
		return WithAnswer(questions.DuplicateKey, []string{"default", "conflict", "updated"}[d])(c)
	}
}

// WithDeleteKey says where the key of a DELETE is read. Default: [DeleteKeyAnywhere].
func WithDeleteKey(k DeleteKey) Option {
	return func(c *config) error {
		if k < DeleteKeyAnywhere || k > DeleteKeyInBody {
			return fmt.Errorf("delete key: %d is no choice", k)
		}
		return WithAnswer(questions.DeleteKey, []string{"default", "query-only", "body-only"}[k])(c)
	}
}

// WithMixedHistory makes GET /history-point without a type answer accumulations and redemptions. Default: redemptions
// only, because the vendor prints the request for redemptions without a type.
func WithMixedHistory() Option { return WithAnswer(questions.RedemptionList, "mixed") }

// WithoutTotals leaves `total` out of the answers of telesales, telecalls and campaigns. The vendor's own sample of
// ratings has none, so GET /rating never prints it.
func WithoutTotals() Option { return WithAnswer(questions.ListTotal, "absent") }

// WithLenientQuery ignores undocumented query parameters. By default the server answers 400 and names them: a
// misspelled filter must not silently match every record.
func WithLenientQuery() Option { return WithAnswer(questions.UnknownFilter, "ignored") }

// WithScores sets how many points an accumulated code is worth and a gift costs, if no PointCodes or Gifts are seeded.
// Default: 100 and 10.
func WithScores(pointsPerCode, giftCost int64) Option {
	return func(c *config) error {
		if pointsPerCode < 0 || giftCost < 0 {
			return errors.New("scores: one is below 0")
		}
		c.pointsPerCode, c.giftCost = pointsPerCode, giftCost
		return nil
	}
}

// WithMaxBodySize sets how many bytes a body may have. The answer to a larger one is 413. Default: 10 MiB.
func WithMaxBodySize(bytes int64) Option {
	return func(c *config) error { c.maxBody = bytes; return positive("max body size", bytes) }
}

// WithRequestLog sets how many requests [Server.Requests] keeps, and how many bytes of each body. Default: the last
// 10,000, and 256 KiB. All kept bodies together are held below 64 MiB: the oldest lose theirs first.
func WithRequestLog(requests, bodyBytes int) Option {
	return func(c *config) error {
		if requests < 0 || bodyBytes < 0 {
			return errors.New("request log: a size is below 0")
		}
		c.keepRequests, c.keepBody = requests, bodyBytes
		return nil
	}
}

// WithLatency delays every answer. Default: no delay. For single requests see [Fault].
func WithLatency(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return errors.New("latency: is below 0")
		}
		c.latency = d
		return nil
	}
}

// WithLogger writes one line for each request: method, path, status, duration, fault; never a query, a body or the key.
// Default: none.
func WithLogger(l *slog.Logger) Option { return func(c *config) error { c.logger = l; return nil } }

// WithControl switches on /_mock/, a page for a person who debugs a test, and /_mock/requests, /_mock/state,
// /_mock/faults and /_mock/reset for programs in other languages. They need no key. Default: off; /_mock/ is then an
// unknown path.
func WithControl() Option { return func(c *config) error { c.control = true; return nil } }

// WithSeed loads records from files at the start and again at each [Server.Reset]. Patterns as for fs.Glob, "*.json" if
// there are none; the files are described at [Server.SeedFS].
func WithSeed(fsys fs.FS, patterns ...string) Option {
	return func(c *config) error {
		if fsys == nil {
			return errors.New("seed: the file system is nil")
		}
		c.seeds = append(c.seeds, func(s *Server) error { return s.SeedFS(fsys, patterns...) })
		return nil
	}
}

// WithSeedFile is [WithSeed] for one file, or for all *.json files of a folder; see [Server.SeedFile].
func WithSeedFile(path string) Option {
	return func(c *config) error {
		c.seeds = append(c.seeds, func(s *Server) error { return s.SeedFile(path) })
		return nil
	}
}
