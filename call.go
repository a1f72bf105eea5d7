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
// pause, the budget, the slots and the plans, which are safe for concurrent use.
type core struct {
	cfg     *config
	base    string // scheme://host/prefix without a trailing slash
	rest    *resty.Client
	key     func() string
	buffers bufferPool
	pause   pause
	budget  retryBudget
	slots   chan struct{} // nil: not limited
	plans   bindPlans
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
	r := &run{core: c, req: req, cfg: cfg, waits: time.Now()}
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
	took     time.Duration // the last attempt

	waits  time.Time     // since when the call has been waiting
	waited time.Duration // before the last attempt
}

func (r *run) do(ctx context.Context, decode func(*answer) error) error {
	if err := r.acquire(ctx); err != nil {
		return r.settled(r.stopped(ctx, err, nil))
	}
	defer r.release()

	good, err := r.send(ctx)
	if err == nil && good.readErr != nil {
		err = good.decodeError(good.readErr)
	}
	if err == nil && !good.done {
		err = decode(good)
	}
	if err != nil {
		return r.settled(err)
	}
	r.budget.succeeded()
	return nil
}

// settled tells the error of a call how the whole call went.
func (r *run) settled(err error) error {
	failure, ok := errors.AsType[callError](err)
	if !ok {
		return err
	}
	if undecodable, ok := failure.(*DecodeError); ok {
		undecodable.Path = r.redact(undecodable.Path)
		// A write whose 2xx makes no sense may well have been carried out.
		r.unknown = r.unknown || !isRead(r.req.method)
	}
	failure.settle(r.req.op, r.attempts, r.unknown)
	return err
}

// send makes attempts until one is good or must not be repeated.
func (r *run) send(ctx context.Context) (*answer, error) {
	var before error // what the attempt before came to
	for {
		err := r.admit(ctx)
		if err == nil && r.cfg.beforeAttempt != nil {
			err = r.cfg.beforeAttempt(ctx)
		}
		if err != nil {
			return nil, r.stopped(ctx, err, before)
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
		if verdict.repeat && ctx.Err() != nil {
			return nil, r.stopped(ctx, contextError(ctx), cause)
		}
		wait, again := r.nextWait(ctx, ended, verdict)
		if !again {
			return nil, cause
		}
		r.logRepeat(ctx, ended, wait, cause)
		if err := sleep(ctx, wait); err != nil {
			return nil, r.stopped(ctx, err, cause)
		}
		before = cause
	}
}

// stopped is the error of a call that ends between attempts: the reason,
// together with what the attempt before came to, if there was one.
func (r *run) stopped(ctx context.Context, why, before error) error {
	if before == nil {
		if held, ok := errors.AsType[*APIError](why); ok {
			return held
		}
		return r.transportError(ctx, why)
	}
	if refused, ok := errors.AsType[*APIError](before); ok {
		// failure's own text says once what call it was and how it went.
		refused.settle("", 0, false)
		failure := r.transportError(ctx, join(refused, why))
		refused.settle(r.req.op, r.attempts, r.unknown)
		return failure
	}
	if lost, ok := errors.AsType[*TransportError](before); ok {
		before = lost.Err
	}
	if ctx.Err() != nil && showsEnd(ctx, before) {
		why = nil
	}
	return r.transportError(ctx, join(before, why))
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
	if !v.repeat {
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
	// Those who wait out a pause keep their slots: do not queue behind them
	// for what will be refused.
	if err := r.holdBack(ctx); err != nil {
		return err
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

// admit waits for the end of a pause that the server has asked for and for the
// limiters. A turn that a limiter gave during a pause is lost: turns saved up
// and used at once at its end would pass the limit.
func (r *run) admit(ctx context.Context) error {
	for {
		if err := r.waitOutPause(ctx); err != nil {
			return err
		}
		for _, limiter := range r.core.cfg.limiters {
			if err := limiter.Wait(ctx); err != nil {
				return limiterError(ctx, err)
			}
		}
		if r.pause.left() == 0 {
			return contextError(ctx)
		}
	}
}

func (r *run) waitOutPause(ctx context.Context) error {
	for left := r.pause.left(); left > 0; left = r.pause.left() {
		if err := r.holdBack(ctx); err != nil {
			return err
		}
		if err := sleep(ctx, left); err != nil {
			return err
		}
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
		Message: "held back: the server has asked this client to wait longer than the call may",
	}
}

// limiterError makes the end of the context visible in a limiter's refusal:
// rate.Limiter refuses in advance, in words only, when the wait would pass
// the deadline.
func limiterError(ctx context.Context, err error) error {
	_, hasDeadline := ctx.Deadline()
	if ctx.Err() == nil && hasDeadline && !errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "exceed context deadline") {
		return join(context.DeadlineExceeded, err)
	}
	return withEnd(ctx, err)
}

// attempt sends the request once. Either last holds the complete answer, or
// the error says why there is none.
func (r *run) attempt(ctx context.Context) (attempt, error) {
	ended := attempt{method: r.req.method, number: r.attempts}
	began := time.Now()
	r.waited = began.Sub(r.waits)
	trace := new(sentTrace)
	attemptCtx := ctx
	if limit := r.core.cfg.timeout; limit > 0 {
		var cancel context.CancelFunc
		attemptCtx, cancel = context.WithTimeout(attemptCtx, limit)
		defer cancel()
	}
	attemptCtx = httptrace.WithClientTrace(attemptCtx, trace.hooks())

	r.last = nil
	res, err := r.exchange(attemptCtx) //nolint:bodyclose // read closes it
	if err == nil {
		r.last, err = r.read(res)
	}
	if err != nil {
		r.last = nil
		ended.failed, ended.sent = true, res != nil || trace.maybeSent(err)
		err = r.transportError(ctx, r.veil(err))
	} else {
		ended.status = r.last.status
		ended.retryAfter, ended.asked = parseRetryAfter(r.last.header.Get("Retry-After"), time.Now())
	}
	r.waits = time.Now()
	r.took = r.waits.Sub(began)
	r.logAttempt(ctx, ended, err)
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
	a := &answer{core: r.core, req: r.req, status: res.StatusCode, header: res.Header}
	defer func() { _ = res.Body.Close() }()
	if a.status < 200 {
		return a, nil // what follows is another protocol
	}
	if a.status >= 300 {
		err := readBody(r.buf, res, min(maxErrorBody, r.core.cfg.maxResponse))
		if err != nil {
			drain(res)
		}
		a.body = r.redactCut(r.buf.String(), err != nil)
		return a, nil
	}
	err := readBody(r.buf, res, r.core.cfg.maxResponse)
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
	return Response{StatusCode: r.last.status, Header: r.last.header, Body: bytes.Clone(r.buf.Bytes()), Attempts: r.attempts}
}

// transportError wraps the cause of a call without an answer. Its text is
// cleaned of the query and the key; its chain shows the context's end.
func (r *run) transportError(ctx context.Context, err error) *TransportError {
	err = withEnd(ctx, err)
	// The attempt before is named by the same method and path.
	text := strings.ReplaceAll(r.clean(err.Error()), callText("", r.req.method, r.req.path)+": ", "")
	return &TransportError{Method: r.req.method, Path: r.req.path, Err: err, text: oneLine(text, 4*maxErrorMessage)}
}

func (r *run) logAttempt(ctx context.Context, ended attempt, err error) {
	r.log(ctx, slog.LevelDebug, "antcrm: request", ended, r.waited, err)
}

func (r *run) logRepeat(ctx context.Context, ended attempt, wait time.Duration, err error) {
	r.log(ctx, slog.LevelWarn, "antcrm: repeating request", ended, wait, err)
}

// log describes an attempt, with the wait before it or, at warn, after it. The
// error's text is logged only when no answer came: a server's message may
// quote a customer's data.
func (r *run) log(ctx context.Context, level slog.Level, message string, ended attempt, wait time.Duration, err error) {
	log := r.core.cfg.logger
	if !log.Enabled(ctx, level) {
		return
	}
	size, requestID := 0, ""
	if r.last != nil {
		size, requestID = r.buf.Len(), r.last.requestID()
	}
	attrs := []slog.Attr{
		slog.String("method", r.req.method), slog.String("path", r.req.path),
		slog.Int("status", ended.status), slog.Int("attempt", ended.number), slog.Duration("wait", wait), slog.Duration("duration", r.took),
		slog.Int("size", size), slog.String("request_id", requestID),
	}
	if r.last == nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	log.LogAttrs(ctx, level, message, attrs...)
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
