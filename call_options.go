package antcrm

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"

	"github.com/antbuddy/antcrm-go/internal/wire"
)

// CallOption changes one call.
type CallOption func(*callConfig) error

type callConfig struct {
	response     *Response
	header       http.Header
	retryUnsafe  bool
	withoutRetry bool
	readAhead    int
	// beforeAttempt, if set, is called before each attempt is sent, once the limiters and any pause have let it
	// through. Its error ends the call.
	beforeAttempt func(context.Context) error
}

func newCallConfig(opts []CallOption) (*callConfig, error) {
	cfg := &callConfig{readAhead: defaultReadAhead}
	for i, opt := range opts {
		if opt == nil {
			return nil, invalid("opts", fmt.Sprintf("call option %d is nil", i))
		}
		if err := opt(cfg); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

// Response is what WithResponse reports of a call: its last attempt's answer.
type Response struct {
	StatusCode int         // 0 if no answer came
	Header     http.Header // nil if no answer came
	Body       []byte      // as received, decompressed; at most 64 KiB of it for a status outside 2xx
	Attempts   int         // requests begun
}

// Format keeps headers and body out of logs.
func (r Response) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "{StatusCode:%d Attempts:%d Body:%d bytes}", r.StatusCode, r.Attempts, len(r.Body))
}

// LogValue keeps headers and body out of slog records.
func (r Response) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("status", r.StatusCode), slog.Int("attempts", r.Attempts), slog.Int("size", len(r.Body)))
}

// WithResponse fills response when the call ends, also when it fails. In an iteration (All) it holds the answer whose
// records are being given. A batch has no single answer and refuses it.
func WithResponse(response *Response) CallOption {
	return func(cfg *callConfig) error {
		if response == nil {
			return invalid("response", "is nil")
		}
		cfg.response = response
		return nil
	}
}

// WithHeader adds a request header. The key's own header cannot be replaced, and headers that the transport depends on
// are refused; so is Idempotency-Key, because net/http repeats a POST that carries one by itself.
func WithHeader(key, value string) CallOption {
	return func(cfg *callConfig) error {
		if !wire.IsToken(key) {
			return invalid("header", "its name is not a valid header name")
		}
		if !wire.IsHeaderValue(value) {
			return invalid("header", "its value must be printable ASCII on one line")
		}
		switch name := textproto.CanonicalMIMEHeaderKey(key); name {
		case "Idempotency-Key", "X-Idempotency-Key":
			return invalid("header", name+" makes net/http repeat a POST by itself; use WithRetryUnsafe for a POST that may be repeated")
		case "Accept-Encoding", "Connection", "Content-Length", "Host", "Transfer-Encoding", "Trailer", "Upgrade", "Expect":
			return invalid("header", name+" is set by the transport")
		}
		if cfg.header == nil {
			cfg.header = http.Header{}
		}
		cfg.header.Set(key, value)
		return nil
	}
}

// WithRetryUnsafe lets a POST (or another method without a key) be repeated like a PUT, also when an earlier attempt
// may have been carried out: for a caller who knows that repeating it does no harm.
func WithRetryUnsafe() CallOption {
	return func(cfg *callConfig) error {
		cfg.retryUnsafe = true
		return nil
	}
}

// WithoutRetry makes one attempt and no other, whatever comes of it. It takes precedence over WithMaxRetries and
// WithRetryUnsafe.
func WithoutRetry() CallOption {
	return func(cfg *callConfig) error {
		cfg.withoutRetry = true
		return nil
	}
}

// WithReadAhead sets how many pages an iteration (All) may fetch before the consumer asks for them. The default is 1; 0
// fetches a page when the one before is used up. Above 1, the number grows step by step, and only while the consumer is
// the one who waits. At most 64. Other calls ignore it.
func WithReadAhead(pages int) CallOption {
	return func(cfg *callConfig) error {
		if pages < 0 || pages > maxReadAhead {
			return invalid("readAhead", fmt.Sprintf("must be between 0 and %d", maxReadAhead))
		}
		cfg.readAhead = pages
		return nil
	}
}

// maxReadAhead bounds what a typo can ask of the server.
const maxReadAhead = 64
