package probe

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// leftover is a record that is to be deleted: the path and the key that name it.
type leftover struct{ path, name, key string }

// keep notes a record before or right after it is made, so that it is deleted whatever happens next.
func (p *prober) keep(path, name, key string) { p.made = append(p.made, leftover{path, name, key}) }

// forget takes back what was noted of a record that is certainly not there.
func (p *prober) forget(path, key string) {
	p.made = slices.DeleteFunc(p.made, func(l leftover) bool { return l.path == path && l.key == key })
}

// create sends a create whose record carries a key of this run. Where it was not certainly refused, the record is
// deleted at the end by that key.
func (w *writer) create(ctx context.Context, path string, b body) reply {
	name := map[string]string{
		"/contacts": "customerIdApiRing", "/opportunities": "opportunityIdApiRing", "/products": "productIdApiRing", "/tickets": "ticketIdApiRing",
	}[path]
	own, _ := b[name].(string)
	w.keep(path, name, own)
	got := w.send(ctx, http.MethodPost, path, nil, b)
	idName := map[string]string{"/contacts": "leadId", "/opportunities": "number", "/tickets": "TicketId"}[path]
	id := object(got.body).text(idName)
	switch {
	case got.status >= 300 && got.status < 500 || got.refused():
		w.forget(path, own)
	case got.good() && id != "":
		w.forget(path, own)
		w.keep(path, idName, id)
	}
	return got
}

// cleanUp deletes what the run has made, the newest first, also where its context has ended. It returns the keys of
// what may still be there.
func (p *prober) cleanUp(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	var left []string
	for _, l := range slices.Backward(p.made) {
		if !p.deleted(ctx, l) {
			left = append(left, l.path+" "+l.name+"="+l.key)
		}
	}
	p.made = nil
	return p.stillThere(ctx, left)
}

// stillThere drops the contacts whose absence a list shows: some servers do not say clearly that a record is gone.
func (p *prober) stillThere(ctx context.Context, left []string) []string {
	if len(left) == 0 || !p.findable || p.verify == nil {
		return left
	}
	p.sent = 0 // the deletes at the end come on top
	listed := p.verify(ctx)
	answered := p.sent > 0 && ctx.Err() == nil && p.lastGood
	return slices.DeleteFunc(left, func(key string) bool {
		return answered && strings.HasPrefix(key, "/contacts ") && !slices.ContainsFunc(listed, func(r record) bool {
			return strings.HasSuffix(key, "="+r.text("leadId")) || strings.HasSuffix(r.text("name"), key[strings.IndexByte(key, '=')+1:])
		})
	})
}

// deleted deletes a record, and asks a second time where no answer came.
func (p *prober) deleted(ctx context.Context, l leftover) bool {
	if l.name == "opportunityIdApiRing" || l.name == "ticketIdApiRing" {
		return false // no DELETE takes these keys
	}
	for range 2 {
		got := p.remove(ctx, l, true, true)
		switch {
		case gone(got):
			return true
		case got.status == http.StatusBadRequest && gone(p.remove(ctx, l, true, false)):
			return true
		}
	}
	return false
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
	}
	return p.transmit(ctx, p.client, http.MethodDelete, l.path, query, content)
}
