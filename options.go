package antcrm

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/antbuddy/antcrm-go/internal/wire"
)

// The defaults of a Client.
const (
	defaultTimeout      = 30 * time.Second
	defaultMaxRetries   = 3
	defaultMinBackoff   = 200 * time.Millisecond
	defaultMaxBackoff   = 5 * time.Second
	defaultMaxRetryWait = 2 * time.Minute
	defaultMaxResponse  = 16 << 20
	defaultReadAhead    = 1
)

// Option configures a Client. For an option with a bad value NewClient returns a *ValidationError.
type Option func(*config) error

// RateLimiter limits how fast the client sends: every attempt calls Wait first. *rate.Limiter of golang.org/x/time/rate
// implements it; so can a limiter that many machines share. Wait must return when the context ends.
type RateLimiter interface {
	Wait(ctx context.Context) error
}

// config is what the options have set. It is read-only once NewClient returns.
type config struct {
	baseURL        string
	httpClient     *http.Client
	timeout        time.Duration
	maxRetries     int
	minBackoff     time.Duration
	maxBackoff     time.Duration
	maxRetryWait   time.Duration
	limiters       []RateLimiter
	maxConcurrency int
	logger         *slog.Logger
	observers      []func(context.Context, Attempt)
	userAgent      string
	maxResponse    int64
	insecureHTTP   bool
}

func newConfig() *config {
	return &config{
		baseURL:      DefaultBaseURL,
		timeout:      defaultTimeout,
		maxRetries:   defaultMaxRetries,
		minBackoff:   defaultMinBackoff,
		maxBackoff:   defaultMaxBackoff,
		maxRetryWait: defaultMaxRetryWait,
		logger:       slog.New(slog.DiscardHandler),
		userAgent:    defaultUserAgent(),
		maxResponse:  defaultMaxResponse,
	}
}

// applyOptions applies options in order. kind names them in the error of one that is nil.
func applyOptions[C any, O ~func(*C) error](cfg *C, kind string, opts []O) error {
	for i, opt := range opts {
		if opt == nil {
			return invalid("opts", fmt.Sprintf("%s %d is nil", kind, i))
		}
		if err := opt(cfg); err != nil {
			return err
		}
	}
	return nil
}

// WithBaseURL sets the address of the service, such as the URL of a test server. If it has a path, the path is a prefix
// of every request's path. The default is DefaultBaseURL.
func WithBaseURL(base string) Option {
	return func(cfg *config) error {
		cfg.baseURL = base
		return nil
	}
}

// WithHTTPClient sets the http.Client whose Transport, Jar and Timeout the SDK sends with, for example one with a
// proxy, a recorder or OpenTelemetry's transport. The SDK copies hc and does not change it. It follows no redirect, so
// it does not use CheckRedirect.
func WithHTTPClient(hc *http.Client) Option {
	return func(cfg *config) error {
		if hc == nil {
			return invalid("httpClient", "is nil")
		}
		cfg.httpClient = hc
		return nil
	}
}

// WithTimeout limits each attempt, from connecting to the last byte of the answer. The default is 30 seconds; 0 means
// that only the context limits it.
func WithTimeout(perAttempt time.Duration) Option {
	return func(cfg *config) error {
		if perAttempt < 0 {
			return invalid("timeout", "is negative")
		}
		cfg.timeout = perAttempt
		return nil
	}
}

// WithMaxRetries sets how many more attempts a call may make after its first. The default is 3; 0 turns retries off.
func WithMaxRetries(n int) Option {
	return func(cfg *config) error {
		if n < 0 {
			return invalid("maxRetries", "is negative")
		}
		cfg.maxRetries = n
		return nil
	}
}

// WithRetryBackoff sets the waits between attempts. They have full jitter: the wait before retry n (from 0) is uniform
// in [0, min(maximum, minimum·2ⁿ)]. The default is 200 ms to 5 s. A Retry-After header takes precedence.
func WithRetryBackoff(minimum, maximum time.Duration) Option {
	return func(cfg *config) error {
		if minimum < 0 || maximum < minimum {
			return invalid("retryBackoff", "needs 0 <= min <= max")
		}
		cfg.minBackoff, cfg.maxBackoff = minimum, maximum
		return nil
	}
}

// WithMaxRetryWait sets the longest Retry-After that a call waits for. A longer one ends the call at once. The default
// is two minutes.
func WithMaxRetryWait(longest time.Duration) Option {
	return func(cfg *config) error {
		if longest < 0 {
			return invalid("maxRetryWait", "is negative")
		}
		cfg.maxRetryWait = longest
		return nil
	}
}

// WithRateLimit lets the client send at most perSecond requests a second, with bursts of up to burst. Every attempt
// waits for its turn. If you set several limits or limiters, all of them hold. The vendor does not document its limit:
// set the one you were promised.
func WithRateLimit(perSecond float64, burst int) Option {
	return func(cfg *config) error {
		if !(perSecond > 0) || burst < 1 {
			return invalid("rateLimit", "needs perSecond > 0 and burst >= 1")
		}
		cfg.limiters = append(cfg.limiters, rate.NewLimiter(rate.Limit(perSecond), burst))
		return nil
	}
}

// WithRateLimiter adds a limiter of your own, such as one that several machines share. Every attempt waits for it.
func WithRateLimiter(limiter RateLimiter) Option {
	return func(cfg *config) error {
		if v := reflect.ValueOf(limiter); limiter == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			return invalid("rateLimiter", "is nil")
		}
		cfg.limiters = append(cfg.limiters, limiter)
		return nil
	}
}

// WithMaxConcurrency lets at most n calls run at a time; the others wait. A call counts until it returns, its waits and
// retries included.
func WithMaxConcurrency(n int) Option {
	return func(cfg *config) error {
		if n < 1 {
			return invalid("maxConcurrency", "must be at least 1")
		}
		cfg.maxConcurrency = n
		return nil
	}
}

// WithLogger logs every attempt at level debug, and every attempt that is repeated also at level warn, with method,
// path, status, attempt, duration, size, request id and wait: at debug the wait before the attempt, at warn the wait
// before the next one. The key, query values and bodies are never logged. By default, and with nil, nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(cfg *config) error {
		if logger == nil {
			logger = slog.New(slog.DiscardHandler)
		}
		cfg.logger = logger
		return nil
	}
}

// WithObserver calls observe after each attempt, whether it succeeded or failed, for metrics and traces. The call waits
// for observe, so observe must not block. A panic in it is not caught. Many goroutines may call it at once. Several
// observers are called in the order of the options.
func WithObserver(observe func(context.Context, Attempt)) Option {
	return func(cfg *config) error {
		if observe == nil {
			return invalid("observer", "is nil")
		}
		cfg.observers = append(cfg.observers, observe)
		return nil
	}
}

// WithUserAgent sets the User-Agent header. The default is "antcrm-go/<version> (go…)".
func WithUserAgent(userAgent string) Option {
	return func(cfg *config) error {
		if userAgent == "" || !wire.IsHeaderValue(userAgent) {
			return invalid("userAgent", "must be non-empty printable ASCII on one line")
		}
		cfg.userAgent = userAgent
		return nil
	}
}

// WithMaxResponseSize limits the size of an answer in bytes, decompressed. A larger answer is ErrResponseTooLarge. The
// default is 16 MiB.
func WithMaxResponseSize(bytes int64) Option {
	return func(cfg *config) error {
		if bytes < 1 {
			return invalid("maxResponseSize", "must be at least 1 byte")
		}
		cfg.maxResponse = min(bytes, math.MaxInt64-1) // one more byte is read than allowed
		return nil
	}
}

// WithInsecureHTTP allows a base URL with plain http to a host other than this machine. The key and customers' data
// then travel unencrypted.
func WithInsecureHTTP() Option {
	return func(cfg *config) error {
		cfg.insecureHTTP = true
		return nil
	}
}

// parseBaseURL checks the base URL. Its errors do not quote the URL, which may contain a password.
func parseBaseURL(base string, insecureHTTP bool) (*url.URL, error) {
	const field = "baseURL"
	u, err := url.Parse(base)
	switch {
	case base == "":
		return nil, invalid(field, "is empty")
	case err != nil || !isPort(u.Port()):
		return nil, invalid(field, "is not a valid URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, invalid(field, "needs the scheme https (or http on this machine)")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, invalid(field, "has no host")
	case u.User != nil:
		return nil, invalid(field, "must not carry a user or password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(base, "#"):
		return nil, invalid(field, "must not carry a query or fragment")
	case hasDotSegment(u.Path):
		return nil, invalid(field, "must not contain dot segments")
	case u.Scheme == "http" && !insecureHTTP && !wire.IsLoopback(u.Hostname()):
		return nil, invalid(field, "plain http would send the key unencrypted: use https, or WithInsecureHTTP")
	}
	return u, nil
}

// hasDotSegment reports whether a path, not percent-encoded, has a segment that stands for another place.
func hasDotSegment(path string) bool {
	segments := strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' })
	return slices.Contains(segments, ".") || slices.Contains(segments, "..")
}

func isPort(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil
}

// checkKey checks the key. Its errors do not quote it.
func checkKey(key string) error {
	const field = "apiKey"
	switch {
	case strings.TrimSpace(key) == "":
		return invalid(field, "is empty")
	case strings.ContainsAny(key, "\r\n"):
		return invalid(field, "contains a line break: trim it if it was read from a file")
	case key != strings.TrimSpace(key):
		return invalid(field, "begins or ends with white space")
	case !wire.IsHeaderValue(key):
		return invalid(field, "contains characters that a header cannot carry")
	}
	return nil
}
