package antcrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"
)

// core is what every service shares. It is read-only but for the buffers, the
// pause, the budget and the slots, which are safe for concurrent use.
type core struct {
	cfg     *config
	base    string // scheme://host/prefix without a trailing slash
	rest    *resty.Client
	key     func() string
	buffers bufferPool
	pause   pause
	budget  retryBudget
	slots   chan struct{} // nil: not limited
}

// request is one call as a service names it.
type request struct {
	op     string // what is being done, for error texts: "create contact"
	method string
	path   string
	query  url.Values
	body   []byte // encoded; nil: none
	// emptyOn404 makes a 404 without data an empty list.
	emptyOn404 bool
}

// call sends a request with the client's retries and limits and hands the
// answer, if its status is good, to decode. It is the one way to the network.
func (c *core) call(ctx context.Context, req *request, cfg *callConfig, decode func(*answer) error) error {
	if ctx == nil {
		return invalid("ctx", "is nil")
	}
	if c == nil {
		return invalid("client", "was not made by NewClient")
	}
	r := &run{core: c, req: req, cfg: cfg}
	err := r.do(ctx, decode)
	if cfg.response != nil {
		*cfg.response = r.response()
	}
	c.buffers.put(r.buf)
	return err
}

// run is one call in progress.
type run struct {
	*core
	req *request
	cfg *callConfig

	attempts int
	unknown  bool // an attempt may have been carried out
	last     *answer
	buf      *bytes.Buffer // holds last's body
}

func (r *run) do(ctx context.Context, decode func(*answer) error) error {
	if err := r.acquire(ctx); err != nil {
		return r.transportError(ctx, err)
	}
	defer r.release()

	good, err := r.send(ctx)
	if err == nil && good.readErr != nil {
		err = good.decodeError(good.readErr)
	}
	if err == nil {
		err = decode(good)
	}
	if err == nil {
		r.budget.succeeded()
		return nil
	}
	if failure, ok := errors.AsType[callError](err); ok {
		// A write whose 2xx makes no sense may well have been carried out.
		if _, undecodable := failure.(*DecodeError); undecodable && !isRead(r.req.method) {
			r.unknown = true
		}
		failure.settle(r.req.op, r.attempts, r.unknown)
	}
	return err
}

// send makes attempts until one is good or must not be repeated.
func (r *run) send(ctx context.Context) (*answer, error) {
	for {
		if err := r.admit(ctx); err != nil {
			return nil, err
		}
		r.attempts++
		ended, cause := r.attempt(ctx)
		verdict := decide(ended, retryPolicy{maxRetries: r.core.cfg.maxRetries, maxWait: r.core.cfg.maxRetryWait, unsafe: r.cfg.retryUnsafe})
		if cause == nil && r.accepts(r.last) {
			return r.last, nil
		}
		r.unknown = r.unknown || verdict.maybeDone
		if cause == nil {
			refused := r.last.apiError()
			refused.settle(r.req.op, r.attempts, r.unknown)
			cause = refused
		}
		if asksForPause(ended) {
			r.pause.extend(ended.retryAfter)
		}
		wait, again := r.nextWait(ctx, ended, verdict)
		if !again {
			return nil, cause
		}
		r.logRepeat(ctx, ended, wait)
		if err := sleep(ctx, wait); err != nil {
			return nil, r.transportError(ctx, join(err, cause))
		}
	}
}

func asksForPause(a attempt) bool {
	return a.asked && (a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable)
}

// accepts reports whether an answer is a good one for this call.
func (r *run) accepts(a *answer) bool {
	switch {
	case a.status >= 200 && a.status < 300:
		return true
	case a.status != http.StatusNotFound:
		return false
	case r.req.method == http.MethodDelete && r.unknown:
		// The attempt whose answer was lost has deleted it.
		a.done = true
		return true
	case r.req.emptyOn404 && a.hasNoData():
		a.body = []byte("null")
		return true
	}
	return false
}

// nextWait says whether to try again, and after which wait.
func (r *run) nextWait(ctx context.Context, ended attempt, v verdict) (time.Duration, bool) {
	if !v.repeat || ctx.Err() != nil {
		return 0, false
	}
	wait := ended.retryAfter
	if !v.exactWait {
		wait = backoff(r.core.cfg.minBackoff, r.core.cfg.maxBackoff, ended.number-1)
	}
	if !mayWait(ctx, wait) {
		return 0, false
	}
	return wait, v.exactWait || r.budget.take()
}

// acquire takes one of the slots of WithMaxConcurrency.
func (r *run) acquire(ctx context.Context) error {
	if err := contextError(ctx); err != nil {
		return err
	}
	if r.slots == nil {
		return nil
	}
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

func (r *run) release() {
	if r.slots != nil {
		<-r.slots
	}
}

// admit waits for the limiters and for the end of a pause that the server has
// asked for.
func (r *run) admit(ctx context.Context) error {
	if err := r.holdBack(ctx); err != nil {
		return err
	}
	for _, limiter := range r.core.cfg.limiters {
		if err := limiter.Wait(ctx); err != nil {
			return r.transportError(ctx, limiterError(ctx, err))
		}
	}
	for {
		left := r.pause.left()
		if left == 0 {
			break
		}
		if err := r.holdBack(ctx); err != nil {
			return err
		}
		if err := sleep(ctx, left); err != nil {
			return r.transportError(ctx, err)
		}
	}
	if err := contextError(ctx); err != nil {
		return r.transportError(ctx, err)
	}
	return nil
}

// holdBack refuses at once what would have to wait longer than it may for the
// end of a pause.
func (r *run) holdBack(ctx context.Context) error {
	left := r.pause.left()
	if left == 0 || left <= r.core.cfg.maxRetryWait && mayWait(ctx, left) {
		return nil
	}
	return &APIError{
		StatusCode: http.StatusTooManyRequests, Method: r.req.method, Path: r.req.path, RetryAfter: left,
		Message: "held back: the server has asked this client to wait longer than the call may", Attempts: r.attempts,
	}
}

// limiterError makes the end of the context visible in a limiter's refusal:
// rate.Limiter refuses in advance, in words only, when the wait would pass
// the deadline.
func limiterError(ctx context.Context, err error) error {
	ended := contextError(ctx)
	if _, hasDeadline := ctx.Deadline(); ended == nil && hasDeadline && strings.Contains(err.Error(), "exceed context deadline") {
		ended = context.DeadlineExceeded
	}
	if ended != nil && errors.Is(err, ended) {
		return err
	}
	return join(ended, err)
}

// attempt sends the request once. Either last holds the complete answer, or
// the error says why there is none.
func (r *run) attempt(ctx context.Context) (attempt, error) {
	ended := attempt{method: r.req.method, number: r.attempts}
	began := time.Now()
	trace := new(sentTrace)
	attemptCtx := httptrace.WithClientTrace(ctx, trace.hooks())
	if limit := r.core.cfg.timeout; limit > 0 {
		var cancel context.CancelFunc
		attemptCtx, cancel = context.WithTimeout(attemptCtx, limit)
		defer cancel()
	}

	r.last = nil
	res, err := r.exchange(attemptCtx)
	if err == nil {
		r.last, err = r.read(res)
	}
	if err != nil {
		r.last = nil
		ended.failed, ended.sent = true, res != nil || trace.maybeSent(err)
		err = r.transportError(ctx, err)
	} else {
		ended.status = r.last.status
		ended.retryAfter, ended.asked = parseRetryAfter(r.last.header.Get("Retry-After"), time.Now())
	}
	r.logAttempt(ctx, ended, time.Since(began), err)
	return ended, err
}

// exchange hands the request to resty. The body gets a fresh reader for each
// attempt: resty sends an empty one the second time.
func (r *run) exchange(ctx context.Context) (*http.Response, error) {
	req := r.rest.R().SetContext(ctx).SetDoNotParseResponse(true)
	req.Header = http.Header{
		"Accept":     {"application/json"},
		"User-Agent": {r.core.cfg.userAgent},
	}
	if r.req.body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
		req.SetBody(bytes.NewReader(r.req.body))
	} else {
		req.SetContentLength(true) // a POST without a body goes out chunked otherwise
	}
	for name, values := range r.cfg.header {
		req.Header[name] = values
	}
	target := r.base + r.req.path
	if len(r.req.query) > 0 {
		target += "?" + r.req.query.Encode()
	}
	res, err := req.Execute(r.req.method, target)
	if err != nil {
		return nil, err
	}
	return res.RawResponse, nil
}

// read reads the answer into the run's buffer.
func (r *run) read(res *http.Response) (*answer, error) {
	if r.buf == nil {
		r.buf = r.buffers.get()
	}
	r.buf.Reset()
	a := &answer{run: r, status: res.StatusCode, header: res.Header}
	if a.status < 200 || a.status >= 300 {
		// An error page is kept up to a size, together with as much more as
		// the key may need to be recognized at its end.
		limit := min(maxErrorBody+int64(len(r.key())), r.core.cfg.maxResponse)
		if errors.Is(readBody(r.buf, res, limit), ErrResponseTooLarge) {
			drain(res)
		}
		_ = res.Body.Close()
		a.body = r.buf.Bytes()
		return a, nil
	}
	err := readBody(r.buf, res, r.core.cfg.maxResponse)
	_ = res.Body.Close()
	if errors.Is(err, ErrResponseTooLarge) || errors.Is(err, errNotGzip) {
		a.readErr, err = err, nil
	}
	a.body = r.buf.Bytes()
	return a, err
}

// response is what WithResponse reports.
func (r *run) response() Response {
	if r.last == nil {
		return Response{Attempts: r.attempts}
	}
	body := r.buf.Bytes()
	if r.last.status < 200 || r.last.status >= 300 {
		body = body[:min(len(body), maxErrorBody)]
	}
	return Response{StatusCode: r.last.status, Header: r.last.header, Body: bytes.Clone(body), Attempts: r.attempts}
}

// transportError wraps the cause of a call without an answer. Its text is
// cleaned of the query and the key; its chain shows the context's end.
func (r *run) transportError(ctx context.Context, err error) *TransportError {
	err = withoutURL(err)
	if ended := contextError(ctx); ended != nil && !errors.Is(err, ended) {
		err = join(ended, err)
	}
	text := err.Error()
	if len(r.req.query) > 0 {
		text = strings.ReplaceAll(text, r.req.query.Encode(), "…")
	}
	failure := &TransportError{Method: r.req.method, Path: r.req.path, Err: err, text: oneLine(r.redact(text), 4*maxErrorMessage)}
	failure.settle(r.req.op, r.attempts, r.unknown)
	return failure
}

// redact takes the key out of a text that came from outside, also where it
// was escaped for a URL or a JSON string.
func (c *core) redact(text string) string {
	const cut = "[redacted]"
	key := c.key()
	text = strings.ReplaceAll(text, key, cut)
	if escaped := url.QueryEscape(key); escaped != key {
		text = strings.ReplaceAll(text, escaped, cut)
	}
	if quoted, err := json.Marshal(key); err == nil && string(quoted[1:len(quoted)-1]) != key {
		text = strings.ReplaceAll(text, string(quoted[1:len(quoted)-1]), cut)
	}
	return text
}

func (r *run) logAttempt(ctx context.Context, ended attempt, took time.Duration, err error) {
	log := r.core.cfg.logger
	if !log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := r.logAttrs(ended)
	attrs = append(attrs, slog.Duration("duration", took))
	if r.last != nil {
		attrs = append(attrs, slog.Int("size", len(r.last.body)), slog.String("request_id", r.last.requestID()))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	log.LogAttrs(ctx, slog.LevelDebug, "antcrm: request", attrs...)
}

func (r *run) logRepeat(ctx context.Context, ended attempt, wait time.Duration) {
	log := r.core.cfg.logger
	if !log.Enabled(ctx, slog.LevelWarn) {
		return
	}
	log.LogAttrs(ctx, slog.LevelWarn, "antcrm: repeating request", append(r.logAttrs(ended), slog.Duration("wait", wait))...)
}

func (r *run) logAttrs(ended attempt) []slog.Attr {
	return []slog.Attr{
		slog.String("method", r.req.method), slog.String("path", r.req.path),
		slog.Int("status", ended.status), slog.Int("attempt", ended.number),
	}
}

// encodeBody encodes a request body once, for all its attempts. Parameters
// are checked before, so that only a body given to Do can fail here.
func encodeBody(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	if _, isReader := body.(io.Reader); isReader {
		return nil, invalid("body", "a reader cannot be sent again: pass a value to encode, or json.RawMessage")
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		// The encoder's text may quote a value.
		return nil, invalid("body", "cannot be encoded as JSON")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
