package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/internal/questions"
)

// verdict is what one experiment came to.
type verdict struct {
	answer      Answer
	alternative string
	observed    string
}

// prober is one run.
type prober struct {
	client   *antcrm.Client
	cfg      config
	sent     int
	verdicts map[string]verdict
	fields   fieldCounts
	made     []leftover // what is still to be deleted

	numericIDs bool            // an id as text is refused
	reported   map[string]bool // by WithProgress
	exhausted  bool            // the budget did not suffice
	flaky      bool            // a read was answered 5xx, and well when it was repeated
	stopped    bool            // the context has ended
	noContact  string          // why there is no contact to experiment with
	lastGood   bool
	unanswered int                                        // requests in a row, up to the last one
	keyRefused error                                      // the server took the key at the beginning, and does not any more
	keyChecks  int                                        // how often that was looked into
	begun      bool                                       // the key was taken
	patience   time.Duration                              // how long a request may take; 0: as long as the client lets it
	deletedIDs map[leftover]bool                          // whose DELETE at the end was answered with success
	findable   bool                                       // the filter by phone has found contacts of this run
	verify     func(ctx context.Context) ([]record, bool) // lists them again
}

func newProber(client *antcrm.Client, cfg config) *prober {
	return &prober{client: client, cfg: cfg, verdicts: map[string]verdict{}, reported: map[string]bool{}, fields: fieldCounts{}}
}

// asDecided, differs and unclear keep the first clear verdict on a question: a later experiment only adds to what could
// not be told.
func (p *prober) asDecided(id, observed string) { p.note(id, verdict{AsDecided, "", observed}) }

func (p *prober) differs(id, alternative, observed string) {
	p.note(id, verdict{Differs, alternative, observed})
}

func (p *prober) unclear(id, why string) { p.note(id, verdict{CannotTell, "", why}) }

func (p *prober) note(id string, v verdict) {
	before, known := p.verdicts[id]
	if !known || before.answer == CannotTell && v.answer != CannotTell || before.answer == AsDecided && v.answer == Differs {
		p.verdicts[id] = v
	}
}

// report tells WithProgress what an experiment has found to differ: no later experiment changes that. final reports the
// rest.
func (p *prober) report(final bool) {
	if p.cfg.progress == nil {
		return
	}
	for _, q := range questions.All() {
		early := p.verdicts[q.ID].answer == Differs && q.ID != questions.TagsFormat && q.ID != questions.RefusalShape
		if !p.reported[q.ID] && (final || early) {
			p.reported[q.ID] = true
			p.cfg.progress(p.finding(q))
		}
	}
}

// finding puts the verdict on a question into words.
func (p *prober) finding(q questions.Question) Finding {
	f := Finding{ID: q.ID, Question: q.Text}
	v, known := p.verdicts[q.ID]
	if !known {
		f.Observed = p.whyNot(q.ID)
		return f
	}
	if q.ID == questions.RefusalShape && v.alternative == "server-error" && p.flaky {
		v = verdict{CannotTell, "", "The server answers 5xx to other requests as well."}
	}
	f.Answer, f.Observed = v.answer, v.observed
	if v.answer != Differs {
		return f
	}
	f.Consequence = "This answer is not among those that were foreseen. " + q.Decision
	if a, ok := q.Alternative(v.alternative); ok {
		f.Alternative, f.Consequence = a.Name, a.Consequence
	}
	f.Advice = adviceFor(q.ID, v.alternative)
	return f
}

// whyNot says why a question has no verdict.
func (p *prober) whyNot(id string) string {
	if why, ok := neverAsked()[id]; ok {
		return why
	}
	switch {
	case !p.cfg.writes && needsWrites()[id]:
		return "Only an experiment that writes can tell."
	case p.stopped:
		return "The run was stopped before that."
	case p.keyRefused != nil:
		return "The server refused the key before that."
	case p.unanswered >= fewUnanswered:
		return "The server stopped answering."
	case p.exhausted:
		return "The run had sent as many requests as it may."
	case needsWrites()[id] && p.noContact != "":
		return "No contact of the probe could be used: " + p.noContact + "."
	}
	return "Too few records show it."
}

// reply is one answer. Its body is nil where none came.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // why there is no answer
}

var errEnough = errors.New("the probe has sent as many requests as it may")

// send sends one request. A read that meets a fault or a rate limit is repeated; a write is not, unless the server says
// that it was not carried out. What the SDK makes of the answer does not matter here, only what came.
func (p *prober) send(ctx context.Context, method, path string, query url.Values, body any) reply {
	return p.sendThrough(ctx, p.client, method, path, query, body)
}

// attempts is how often a request is sent at most.
const attempts = 3

// fewUnanswered is after how many requests in a row without an answer the server counts as gone.
const fewUnanswered = 6

var (
	errGone = errors.New("the server has stopped answering")
	errKey  = errors.New("the server has refused the key")
)

func (p *prober) sendThrough(ctx context.Context, client *antcrm.Client, method, path string, query url.Values, body any) reply {
	var got reply
	switch {
	case p.unanswered >= fewUnanswered:
		return reply{err: errGone}
	case p.keyRefused != nil:
		return reply{err: errKey}
	}
	for n := range attempts {
		if p.sent+p.reserve() >= MaxRequests {
			p.exhausted = true
			if n == 0 {
				got = reply{err: errEnough}
			}
			return got
		}
		before := got
		got = p.transmit(ctx, client, method, path, query, body)
		if client == p.client && p.hasLostKey(ctx, got) {
			return reply{err: errKey}
		}
		if before.status >= 500 && got.good() {
			p.flaky = true
		}
		if before.refused() && got.good() {
			p.differs(questions.RateLimit, "every-fifth-success-false", "A request is refused with a falsy success, and the same one is answered well right after.")
		}
		if n == attempts-1 || !p.repeatable(method, got, n) || !p.pause(ctx, got) {
			return got
		}
	}
	return got
}

// maxKeyChecks bounds the requests that hasLostKey costs.
const maxKeyChecks = 3

// hasLostKey says that the server took the key at the beginning and does not any more: it was withdrawn, say. A 401 or 403 alone may be about what was asked,
// so the list of contacts is asked for again, which this key could read.
func (p *prober) hasLostKey(ctx context.Context, got reply) bool {
	if got.err != nil || got.status != http.StatusUnauthorized && got.status != http.StatusForbidden || !p.begun || p.keyChecks >= maxKeyChecks {
		return false
	}
	if p.sent+p.reserve() >= MaxRequests {
		return false
	}
	p.keyChecks++
	again := p.transmit(ctx, p.client, http.MethodGet, "/contacts", url.Values{"page": {"1"}}, nil)
	p.keyRefused = refusedKey(again, "the server refused the key in the middle of the run", "the key may not read contacts any more, in the middle of the run")
	return p.keyRefused != nil
}

// repeatable says whether a request may be sent again: creates only by who looks first whether the first one was
// carried out.
func (p *prober) repeatable(method string, got reply, n int) bool {
	read := method == http.MethodGet
	switch {
	case got.busy() && method == http.MethodPost:
		return false // writer.post looks first
	case got.busy():
		p.rateLimit(got)
		return true
	case got.err != nil:
		return read
	case got.status >= 500:
		return read
	case got.refused():
		// A limit that is worded as a refusal shows itself by one repetition.
		limited := p.verdicts[questions.RateLimit].alternative == "every-fifth-success-false"
		return n == 0 && (read || limited && method != http.MethodPost)
	}
	return false
}

// rateLimit notes how the server says that requests come too fast.
func (p *prober) rateLimit(got reply) {
	const id = questions.RateLimit
	switch waits := got.header.Get("Retry-After") != ""; {
	case got.status == http.StatusTooManyRequests && waits:
		p.asDecided(id, "Requests that come too fast are answered 429 with Retry-After.")
	case got.status == http.StatusTooManyRequests:
		p.differs(id, "every-fifth-429", "Requests that come too fast are answered 429 without Retry-After.")
	case waits:
		p.differs(id, "every-fifth-503", "Requests that come too fast are answered 503 with Retry-After.")
	default:
		p.differs(id, "every-fifth-503-bare", "Some requests are answered 503 without Retry-After.")
	}
}

// longestPause is how long the probe waits at most where a server asks for it.
const longestPause = 30 * time.Second

// pause waits as the server asks, else for a few requests' time.
func (p *prober) pause(ctx context.Context, got reply) bool {
	if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); err == nil && seconds > 0 {
		timer := time.NewTimer(min(time.Duration(min(seconds, 3600))*time.Second, longestPause))
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for range 2 {
		if p.cfg.limiter.Wait(ctx) != nil {
			return false
		}
	}
	return ctx.Err() == nil
}

// reserve is how many requests the end of the run needs: a delete for each record, and a look at what is left.
func (p *prober) reserve() int {
	if len(p.made) == 0 {
		return 0
	}
	if p.verdicts[questions.RateLimit].answer == Differs {
		return len(p.made)*3/2 + 2
	}
	return len(p.made) + 1
}

func (p *prober) transmit(ctx context.Context, client *antcrm.Client, method, path string, query url.Values, body any) reply {
	if p.sent >= MaxRequests {
		return reply{err: errEnough}
	}
	if err := p.cfg.limiter.Wait(ctx); err != nil {
		return reply{err: err}
	}
	p.sent++
	if p.cfg.requests != nil {
		defer func() { p.cfg.requests(p.sent) }()
	}
	if p.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.patience)
		defer cancel()
	}
	var got antcrm.Response
	err := client.Do(ctx, method, path, query, body, nil, antcrm.WithoutRetry(), antcrm.WithResponse(&got))
	p.unanswered++
	if got.StatusCode == 0 {
		if err == nil {
			err = errors.New("no answer")
		}
		return reply{err: err}
	}
	p.unanswered = 0
	if got.StatusCode >= 300 && got.StatusCode < 400 {
		p.differs(questions.Redirects, "trailing-slash", "A request is redirected.")
	} else {
		p.asDecided(questions.Redirects, "No request of the probe is redirected.")
	}
	r := reply{status: got.StatusCode, header: got.Header, body: bytes.TrimSpace(got.Body)}
	p.lastGood = r.good() || r.status == http.StatusNotFound
	return r
}

func (p *prober) get(ctx context.Context, path string, pairs ...string) reply {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return p.send(ctx, http.MethodGet, path, query, nil)
}

// good says that the status is a 2xx and the body JSON whose success is not falsy.
func (r reply) good() bool {
	return r.err == nil && r.status >= 200 && r.status < 300 && json.Valid(r.body) && !r.refused()
}

// refused says that a 2xx carries a falsy success.
func (r reply) refused() bool {
	if r.err != nil || r.status < 200 || r.status > 299 {
		return false
	}
	switch strings.TrimSpace(string(r.member("success"))) {
	case "0", "false", `"0"`, `"false"`, `""`:
		return true
	}
	return false
}

// busy says that the server asks to slow down.
func (r reply) busy() bool {
	return r.err == nil && (r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable)
}

// done says that a write was carried out.
func (r reply) done() bool { return r.good() || r.err == nil && r.status == http.StatusNoContent }

// rejected says that the server refuses what was sent: not the key, not the pace, not the path.
func (r reply) rejected() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return r.err == nil
	}
	return r.refused()
}

func (r reply) isHTML() bool {
	return strings.Contains(strings.ToLower(r.header.Get("Content-Type")), "html") || bytes.HasPrefix(r.body, []byte("<"))
}

// member returns a member of the body, if that is an object.
func (r reply) member(name string) json.RawMessage { return object(r.body)[name] }

// record is one record of a list.
type record map[string]json.RawMessage

func object(body []byte) record {
	var o record
	if json.Unmarshal(body, &o) != nil {
		return nil
	}
	return o
}

// records returns the records of a list of either kind.
func (r reply) records() []record {
	if r.err != nil || r.status < 200 || r.status > 299 {
		return nil
	}
	body := r.body
	if o := object(body); o != nil {
		data, ok := o["data"]
		if !ok {
			if len(o) == 0 || o["success"] != nil || o["message"] != nil {
				return nil
			}
			return []record{o}
		}
		body = data
	}
	var list []record
	if json.Unmarshal(body, &list) != nil {
		return nil
	}
	return list
}

// text returns a scalar of a record as text.
func (o record) text(name string) string {
	raw := strings.TrimSpace(string(o[name]))
	var s string
	if json.Unmarshal([]byte(raw), &s) == nil {
		return s
	}
	if raw == "null" {
		return ""
	}
	return raw
}

// problem says in a few words why an answer is no good one, without anything of it.
func (r reply) problem() string {
	switch {
	case errors.Is(r.err, errEnough):
		return "the run had sent as many requests as it may"
	case errors.Is(r.err, errKey):
		return "the server had refused the key"
	case r.err != nil:
		return "no answer came"
	case r.refused():
		return "refused: success is falsy"
	case r.status >= 300:
		return strings.TrimSpace("status " + strconv.Itoa(r.status) + " " + http.StatusText(r.status))
	case r.isHTML():
		return "an HTML page came"
	}
	return "the answer is not JSON"
}
