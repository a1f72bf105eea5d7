package antcrm

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/antbuddy/antcrm-go/internal/bind"
	"github.com/antbuddy/antcrm-go/internal/redact"
	"github.com/antbuddy/antcrm-go/internal/retry"
	"github.com/antbuddy/antcrm-go/internal/wire"
)

// core is what all services share. It is read-only, except for the buffers, the pause, the budget, the slots and the
// plans, which are safe for concurrent use.
type core struct {
	cfg     *config
	base    string // scheme://host/prefix without a trailing slash
	rest    *resty.Client
	pool    *wire.Pool // nil: the transport is the caller's
	key     func() string
	buffers wire.Buffers
	pause   retry.Pause
	budget  retry.Budget
	slots   chan struct{} // nil: not limited
	plans   *bind.Plans
}

// redact removes the key from a text that came from outside.
func (c *core) redact(text string) string { return redact.Key(text, c.key(), false) }

// request is one call as a service names it.
type request struct {
	op     string // what the call does, for error texts: "create contact"
	method string
	path   string
	query  url.Values
	body   []byte // encoded; nil: none
	// emptyOn404 says that a 404 without data is an empty list.
	emptyOn404 bool
}

// call sends a request with the client's retries and limits, and passes a good answer to decode. All requests go
// through it. The answer's body is valid until decode returns.
func (c *core) call(ctx context.Context, req *request, cfg *callConfig, decode func(*answer) error) error {
	if ctx == nil {
		return invalid("ctx", "is nil")
	}
	if c == nil {
		return invalid("client", "was not made by NewClient")
	}
	r := &callRun{core: c, req: req, cfg: cfg, waitingSince: time.Now()}
	err := r.makeAttempts(ctx, decode)
	if cfg.response != nil {
		*cfg.response = r.response()
	}
	c.buffers.Put(r.buf)
	return err
}

// callRun is one call in progress.
type callRun struct {
	core *core
	req  *request
	cfg  *callConfig

	attempts     int
	unknown      bool          // one of the attempts may have been carried out
	last         attemptResult // the zero value before the first attempt
	buf          *bytes.Buffer // the body of the last answer
	waitingSince time.Time     // when the last attempt ended, or the call began
}

// attemptResult is the result of one attempt: a complete answer, or the reason why there is none.
type attemptResult struct {
	retry.Facts
	answer *answer
	cause  error         // why there is no answer
	waited time.Duration // before the attempt
	took   time.Duration
}

// makeAttempts sends the request until an attempt succeeds or must not be repeated.
func (r *callRun) makeAttempts(ctx context.Context, decode func(*answer) error) error {
	if err := r.acquireSlot(ctx); err != nil {
		return r.abortError(ctx, err)
	}
	defer r.releaseSlot()
	for {
		if err := r.admit(ctx); err != nil {
			return r.abortError(ctx, err)
		}
		r.attempt(ctx)
		verdict := retry.Decide(r.last.Facts, r.policy())
		err := r.conclude(ctx, verdict, decode)
		wait, again := r.nextWait(ctx, verdict)
		r.report(ctx, err, wait, again)
		switch {
		case err == nil:
			r.core.budget.Succeeded()
			return nil
		case verdict.Repeat && ctx.Err() != nil:
			return r.abortError(ctx, ctx.Err())
		case !again:
			return err
		}
		if err := retry.Sleep(ctx, wait); err != nil {
			return r.abortError(ctx, err)
		}
	}
}

func (r *callRun) policy() retry.Policy {
	policy := retry.Policy{MaxRetries: r.core.cfg.maxRetries, MaxWait: r.core.cfg.maxRetryWait, Unsafe: r.cfg.retryUnsafe}
	if r.cfg.withoutRetry {
		policy.MaxRetries = 0
	}
	return policy
}

// conclude returns the error that the call ends with if this attempt is its last, or nil if the call is done.
func (r *callRun) conclude(ctx context.Context, verdict retry.Verdict, decode func(*answer) error) error {
	a := r.last.answer
	if a != nil && a.status == http.StatusNotFound && r.isDoneBy(a) {
		return nil
	}
	r.unknown = r.unknown || verdict.MaybeDone
	if a == nil {
		return r.transportError(ctx, r.last.cause)
	}
	a.unknown = r.unknown
	switch {
	case !a.isGood():
		return a.apiError()
	case a.readErr != nil:
		return a.decodeError(a.readErr)
	}
	err := decode(a)
	if errors.Is(err, errEnded) {
		r.unknown = r.unknown || !retry.IsRead(r.req.method)
		return r.transportError(ctx, contextError(ctx))
	}
	return err
}

// isDoneBy reports whether a 404 is a good answer to this call.
func (r *callRun) isDoneBy(a *answer) bool {
	if r.req.method == http.MethodDelete {
		// An attempt whose answer was lost has deleted the record. A gateway's HTML page says nothing about the record,
		// and a page that cannot be read may be one.
		return r.unknown && a.readErr == nil && a.isText() && !a.isHTML()
	}
	return r.req.emptyOn404 && a.hasNoData()
}

// nextWait decides whether to make another attempt, and after which wait.
func (r *callRun) nextWait(ctx context.Context, verdict retry.Verdict) (wait time.Duration, again bool) {
	switch {
	case !verdict.Repeat || ctx.Err() != nil:
		return 0, false
	case verdict.AsAsked:
		wait = r.last.After
		return wait + r.spread(ctx, wait), retry.MayWait(ctx, wait)
	}
	wait = max(retry.Backoff(r.core.cfg.minBackoff, r.core.cfg.maxBackoff, r.attempts-1), r.last.After)
	return wait, retry.MayWait(ctx, wait) && r.core.budget.Acquire()
}

// attempt sends the request once. It leaves the result in r.last.
func (r *callRun) attempt(ctx context.Context) {
	began := time.Now()
	r.attempts++
	r.last = attemptResult{Facts: retry.Facts{Method: r.req.method, Number: r.attempts}, waited: began.Sub(r.waitingSince)}
	attemptCtx, cancel := r.attemptContext(ctx)
	defer cancel()
	trace := new(wire.Trace)
	res, err := r.newRequest(trace.With(attemptCtx, cancel)).Send()
	answered := err == nil
	if answered {
		r.last.answer, err = r.read(ctx, res.RawResponse)
	}
	if err = trace.Explain(withoutURL(err)); err == nil {
		r.last.Status = r.last.answer.status
		r.last.After, r.last.Asked = retry.After(r.last.answer.header, time.Now())
	} else {
		r.last.answer, r.last.cause = nil, r.cleanError(err)
		r.last.Sent, r.last.Permanent = answered || trace.MaybeSent(err), trace.IsPermanent(err)
	}
	if r.core.pool != nil {
		r.core.pool.Done(trace, err != nil && (errors.Is(attemptCtx.Err(), context.DeadlineExceeded) || wire.IsTimeout(err)))
	}
	if r.last.Pauses() {
		r.core.pause.Extend(r.last.After, r.core.cfg.maxRetryWait)
	}
	r.waitingSince = time.Now()
	r.last.took = r.waitingSince.Sub(began)
}

// attemptContext is ctx with the limit of one attempt.
func (r *callRun) attemptContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if limit := r.core.cfg.timeout; limit > 0 {
		return context.WithTimeout(ctx, limit)
	}
	return context.WithCancel(ctx)
}

// newRequest makes the request of one attempt. It makes a new reader of the body each time: resty would send an empty
// body the second time.
func (r *callRun) newRequest(ctx context.Context) *resty.Request {
	req := r.core.rest.R().SetContext(ctx).SetDoNotParseResponse(true)
	req.Method = r.req.method
	req.URL = r.core.base + r.req.path
	if len(r.req.query) > 0 {
		req.URL += "?" + r.req.query.Encode()
	}
	req.Header = http.Header{
		"Accept":     {"application/json"},
		"User-Agent": {r.core.cfg.userAgent},
	}
	if r.req.body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
		req.SetBody(bytes.NewReader(r.req.body))
	} else if !retry.IsRead(r.req.method) {
		// A POST without a body goes out chunked otherwise. A GET with a length gets a body that net/http has to look
		// into.
		req.SetContentLength(true)
	}
	for name, values := range r.cfg.header {
		req.Header[name] = values
	}
	return req
}

// withoutURL removes the layer that http.Client puts around a transport's error: its text has the URL with the query.
func withoutURL(err error) error {
	if outer, ok := err.(*url.Error); ok && outer.Err != nil { //nolint:errorlint // this layer, no other
		return outer.Err
	}
	return err
}

// read reads the answer into the call's buffer.
func (r *callRun) read(ctx context.Context, res *http.Response) (*answer, error) {
	if r.buf == nil {
		r.buf = r.core.buffers.Get()
	}
	r.buf.Reset()
	a := &answer{core: r.core, req: r.req, ctx: ctx, attempts: r.attempts, status: res.StatusCode, header: res.Header}
	defer func() { _ = res.Body.Close() }()
	if a.status < 200 {
		return a, nil // the body is of another protocol
	}
	if !a.isGood() {
		err := wire.ReadBody(r.buf, res, min(maxErrorBody, r.core.cfg.maxResponse))
		isCut := err != nil
		if isCut && !errors.Is(err, wire.ErrTooLarge) {
			a.readErr = err
		}
		if isCut {
			wire.Drain(res)
		}
		a.body = []byte(cutBytes(redact.Key(r.buf.String(), r.core.key(), isCut), maxErrorBody))
		return a, nil
	}
	err := wire.ReadBody(r.buf, res, r.core.cfg.maxResponse)
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		a.readErr, err = ErrResponseTooLarge, nil
	case errors.Is(err, wire.ErrNotGzip):
		a.readErr, err = err, nil
	}
	a.body = r.buf.Bytes()
	return a, err
}

// response is what WithResponse reports.
func (r *callRun) response() Response {
	if r.last.answer == nil {
		return Response{Attempts: r.attempts}
	}
	return Response{StatusCode: r.last.Status, Header: r.last.answer.header, Body: bytes.Clone(r.buf.Bytes()), Attempts: r.attempts}
}

// abortError is the error of a call that ends between attempts: the result of the attempt before, if there was one, and
// why no other follows.
func (r *callRun) abortError(ctx context.Context, why error) error {
	switch {
	case r.last.answer != nil:
		r.last.answer.unknown = r.unknown
		return r.transportError(ctx, join(r.last.answer.apiError(), why))
	case r.last.cause != nil:
		if ctx.Err() != nil && errors.Is(r.last.cause, ctx.Err()) {
			why = nil
		}
		return r.transportError(ctx, join(r.last.cause, why))
	}
	if held, ok := errors.AsType[*APIError](why); ok {
		return held
	}
	return r.transportError(ctx, why)
}

// transportError is the error of a call without an answer. If the context has ended, errors.Is finds that in it.
func (r *callRun) transportError(ctx context.Context, cause error) *TransportError {
	return &TransportError{
		Method: r.req.method, Path: r.req.path, Attempts: r.attempts, Err: r.withContextError(ctx, cause),
		callInfo: callInfo{op: r.req.op, unknown: r.unknown},
	}
}

// withContextError adds the end of ctx and its cause to err, unless errors.Is finds them in it already.
func (r *callRun) withContextError(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(err, cause):
	case errors.Is(cause, err):
		err = r.cleanError(cause)
	default:
		err = join(r.cleanError(cause), err)
	}
	if !errors.Is(err, ctx.Err()) {
		err = join(ctx.Err(), err)
	}
	return err
}

// cleanError makes an error from outside fit to be shown: one line, without the key, the query or a part of an answer.
func (r *callRun) cleanError(err error) error {
	query := ""
	if len(r.req.query) > 0 {
		query = r.req.query.Encode()
	}
	return redact.Error(err, func(text string) string {
		if query != "" {
			text = strings.ReplaceAll(text, query, "…")
		}
		return oneLine(r.core.redact(redact.Transport(text)), 4*maxErrorMessage)
	})
}
