package probe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/internal/questions"
)

// leftover is a record that is to be deleted: the path and the key that name it.
type leftover struct{ path, name, key string }

// keep notes a record before or right after it is made, so that it is deleted whatever happens next.
func (p *prober) keep(path, name, key string) { p.made = append(p.made, leftover{path, name, key}) }

// forget takes back what was noted of a record that is certainly not there.
func (p *prober) forget(path, key string) {
	p.made = slices.DeleteFunc(p.made, func(l leftover) bool { return l.path == path && l.key == key })
}

// forgetRecord takes back what was noted of a contact that is gone: its id, and its key of this run.
func (w *writer) forgetRecord(l leftover) {
	w.forget(l.path, l.key)
	w.forget(l.path, w.ownKeys[l.key])
}

// create sends a create whose record carries a key of this run. Where it was not certainly refused, the record is
// deleted at the end by that key.
func (w *writer) create(ctx context.Context, path string, b body) reply {
	name := map[string]string{
		"/contacts": "customerIdApiRing", "/opportunities": "opportunityIdApiRing", "/products": "productIdApiRing", "/tickets": "ticketIdApiRing",
	}[path]
	own, _ := b[name].(string)
	w.keep(path, name, own)
	recordName, _ := b["name"].(string)
	got := w.post(ctx, path, b, recordName)
	idName := map[string]string{"/contacts": "leadId", "/opportunities": "number", "/tickets": "TicketId"}[path]
	id := object(got.body).text(idName)
	switch {
	case got.neverSent(), got.turnedAway():
		w.forget(path, own)
	case got.good() && id != "":
		w.forget(path, own)
		w.keep(path, idName, id)
	}
	return got
}

// neverSent says that a write has not left: there was no connection, or no turn, or the run was over.
func (r reply) neverSent() bool { return r.err != nil && !errors.Is(r.err, antcrm.ErrOutcomeUnknown) }

// barred says that the key may not do this, or that there is no such endpoint: nothing was looked at.
func (r reply) barred() bool {
	switch r.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return true
	}
	return false
}

// turnedAway says that a create was certainly not carried out.
func (r reply) turnedAway() bool {
	return r.barred() || r.rejected() || r.status >= 300 && r.status < 400
}

// stoppedPatience is how long a DELETE may wait for its answer in a run that was stopped: somebody waits for its end.
const stoppedPatience = 5 * time.Second

// fewDeletes is after how many DELETEs in a row without an answer the others are not sent.
const fewDeletes = 3

// cleanUp deletes what the run has made, also where its context has ended. It returns the keys of what may still be
// there.
func (p *prober) cleanUp(ctx context.Context) []string {
	stopped := ctx.Err() != nil
	base := context.WithoutCancel(ctx)
	if p.cfg.cleanup != nil {
		base = p.cfg.cleanup
	}
	ctx, cancel := context.WithTimeout(base, cleanupTime)
	defer cancel()
	if stopped {
		p.patience = stoppedPatience
	}
	made := p.made
	p.made = nil // no request is kept back any more
	// Ids first: a key of the caller's may name two records, one of which has an id here as well.
	slices.SortStableFunc(made, func(a, b leftover) int { return cmp.Compare(a.byOwnKey(), b.byOwnKey()) })
	left, mute := p.deleteAll(ctx, made)
	again := !stopped || !mute
	if len(left) > 0 && again {
		left, _ = p.deleteAll(ctx, left)
	}
	if len(made) > 0 && again && ctx.Err() == nil {
		left = p.verified(ctx, made, left)
	}
	var keys []string
	for _, l := range left {
		keys = append(keys, l.path+" "+l.name+"="+l.key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// deleteAll returns what may still be there. mute says that the server did not answer, and that the rest was not tried.
func (p *prober) deleteAll(ctx context.Context, made []leftover) (left []leftover, mute bool) {
	silence := 0
	for i, l := range made {
		if silence >= fewDeletes || ctx.Err() != nil {
			return append(left, made[i:]...), true
		}
		before := p.unanswered
		if !p.deleted(ctx, l) {
			left = append(left, l)
		}
		if silence++; p.unanswered <= before {
			silence = 0
		}
	}
	return left, false
}

func (l leftover) byOwnKey() int {
	if strings.HasSuffix(l.name, "IdApiRing") {
		return 1
	}
	return 0
}

// verified compares what was deleted with a list of this run's contacts. Some servers do not say clearly that a record
// is gone, and one that still lists contacts which it says it has deleted is not believed about the other records
// either.
func (p *prober) verified(ctx context.Context, made, left []leftover) []leftover {
	listed, ok := p.verify(ctx)
	if !ok || !p.findable && len(listed) == 0 {
		return left
	}
	isContact := func(l leftover) bool { return l.path == "/contacts" }
	left = slices.DeleteFunc(left, isContact)
	for _, r := range listed {
		name := "leadId"
		if r.text(name) == "" {
			name = "customerId"
		}
		left = append(left, leftover{"/contacts", name, r.text(name)})
	}
	if p.disbelieved(listed, made) {
		left = append(left, slices.DeleteFunc(slices.Clone(made), isContact)...)
	}
	return left
}

// disbelieved says that a contact is listed whose DELETE was answered with success.
func (p *prober) disbelieved(listed []record, made []leftover) bool {
	return p.deletedIDs != nil && slices.ContainsFunc(listed, func(r record) bool {
		return slices.ContainsFunc(made, func(l leftover) bool { return l.key == r.text(l.name) && p.deletedIDs[l] })
	})
}

// deleted deletes a record; it reports whether the record is certainly gone.
func (p *prober) deleted(ctx context.Context, l leftover) bool {
	if l.name == "opportunityIdApiRing" || l.name == "ticketIdApiRing" {
		return false // no DELETE takes these keys
	}
	withBody := p.verdicts[questions.DeleteKey].alternative != "body-refused"
	got := p.remove(ctx, l, true, withBody)
	for n := 1; n < attempts && got.busy() && p.pause(ctx, got); n++ {
		got = p.remove(ctx, l, true, withBody)
	}
	if got.status == http.StatusBadRequest && withBody {
		got = p.remove(ctx, l, true, false)
	}
	if gone(got) && got.status < 300 {
		if p.deletedIDs == nil {
			p.deletedIDs = map[leftover]bool{}
		}
		p.deletedIDs[l] = true
	}
	return gone(got)
}

// gone says that a DELETE's answer shows that the record is not there.
func gone(got reply) bool {
	return got.err == nil && (got.status < 300 && !got.refused() || got.status == http.StatusNotFound && !got.isHTML())
}

func (p *prober) remove(ctx context.Context, l leftover, inQuery, inBody bool) reply {
	var query url.Values
	var content any
	if inQuery {
		query = url.Values{l.name: {l.key}}
	}
	if inBody {
		content = body{l.name: l.key}
		if p.numericIDs && digits.MatchString(l.key) {
			content = body{l.name: json.Number(l.key)}
		}
	}
	return p.transmit(ctx, p.client, http.MethodDelete, l.path, query, content)
}
