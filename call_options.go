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
	// beforeAttempt, if not nil, is called before each attempt, after the waits for limiters and pauses. Its error ends
	// the call.
	beforeAttempt func(context.Context) error
}

func newCallConfig(opts []CallOption) (*callConfig, error) {
	cfg := &callConfig{readAhead: defaultReadAhead}
	if err := applyOptions(cfg, "call option", opts); err != nil {
		return nil, err
	}
	return cfg, nil
}

// Response is the answer to the last attempt of a call: see WithResponse.
type Response struct {
	StatusCode int         // 0 if no answer came
	Header     http.Header // nil if no answer came
	Body       []byte      // as received, decompressed; at most 64 KiB of it for a status outside 2xx
	Attempts   int         // requests begun
}

// Format prints neither headers nor body, with any verb.
func (r Response) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "{StatusCode:%d Attempts:%d Body:%d bytes}", r.StatusCode, r.Attempts, len(r.Body))
}

// LogValue keeps headers and body out of slog's records.
func (r Response) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("status", r.StatusCode), slog.Int("attempts", r.Attempts), slog.Int("size", len(r.Body)))
}

// WithResponse fills response when the call ends, whether it succeeded or failed. In an iteration (All) response is the
// page whose records are being yielded. Batches and imports have no single answer and refuse this option.
func WithResponse(response *Response) CallOption {
	return func(cfg *callConfig) error {
		if response == nil {
			return invalid("response", "is nil")
		}
		cfg.response = response
		return nil
	}
}

// WithHeader sets a request header. It cannot replace the header of the API key. Headers that the transport sets are
// refused, and so is Idempotency-Key, because net/http repeats a POST that carries one by itself.
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

// WithRetryUnsafe lets the client repeat a POST or PATCH like a PUT, even if an earlier attempt may have been carried
// out. Use it only if you know that doing the request twice does no harm.
func WithRetryUnsafe() CallOption {
	return func(cfg *callConfig) error {
		cfg.retryUnsafe = true
		return nil
	}
}

// WithoutRetry limits the call to one attempt. It takes precedence over WithMaxRetries and WithRetryUnsafe.
func WithoutRetry() CallOption {
	return func(cfg *callConfig) error {
		cfg.withoutRetry = true
		return nil
	}
}

// WithReadAhead sets how many pages an iteration (All) may fetch before your loop needs them, 0 to 64. The default is
// 1. With 0 the next page is fetched when all records of the page before have been yielded. A number above 1 is reached
// step by step, and only while your loop waits for pages. Other calls ignore this option.
func WithReadAhead(pages int) CallOption {
	return func(cfg *callConfig) error {
		if pages < 0 || pages > maxReadAhead {
			return invalid("readAhead", fmt.Sprintf("must be between 0 and %d", maxReadAhead))
		}
		cfg.readAhead = pages
		return nil
	}
}

// maxReadAhead bounds how much a typo can request from the server.
const maxReadAhead = 64
