package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

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

	lastGood bool
	findable bool                               // the filter by phone has found contacts of this run
	verify   func(ctx context.Context) []record // lists them again
}

func newProber(client *antcrm.Client, cfg config) *prober {
	return &prober{client: client, cfg: cfg, verdicts: map[string]verdict{}, fields: fieldCounts{}}
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

// finding puts the verdict on a question into words.
func (p *prober) finding(q questions.Question) Finding {
	f := Finding{ID: q.ID, Question: q.Text}
	v, known := p.verdicts[q.ID]
	if !known {
		f.Observed = p.whyNot(q.ID)
		return f
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
	if !p.cfg.writes {
		return "Only an experiment that writes, or more records than there are, can tell."
	}
	return "The experiments did not get that far."
}

// reply is one answer. Its body is nil where none came.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // why there is no answer
}

var errEnough = errors.New("the probe has sent as many requests as it may")

// send sends one request, once. What the SDK makes of the answer does not matter here, only what came.
func (p *prober) send(ctx context.Context, method, path string, query url.Values, body any) reply {
	return p.sendThrough(ctx, p.client, method, path, query, body)
}

func (p *prober) sendThrough(ctx context.Context, client *antcrm.Client, method, path string, query url.Values, body any) reply {
	if p.sent >= MaxRequests {
		return reply{err: errEnough}
	}
	p.sent++
	return p.transmit(ctx, client, method, path, query, body)
}

func (p *prober) transmit(ctx context.Context, client *antcrm.Client, method, path string, query url.Values, body any) reply {
	if err := p.cfg.limiter.Wait(ctx); err != nil {
		return reply{err: err}
	}
	if p.cfg.requests != nil {
		defer func() { p.cfg.requests(p.sent) }()
	}
	var got antcrm.Response
	err := client.Do(ctx, method, path, query, body, nil, antcrm.WithoutRetry(), antcrm.WithResponse(&got))
	if got.StatusCode == 0 {
		if err == nil {
			err = errors.New("no answer")
		}
		return reply{err: err}
	}
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
	case r.err != nil:
		return "no answer came"
	case r.refused():
		return "refused: success is falsy"
	case r.status >= 300:
		return "status " + http.StatusText(r.status)
	case r.isHTML():
		return "an HTML page came"
	}
	return "the answer is not JSON"
}
