package antcrmtest

import (
	"bytes"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// This file is how the server words its answers: which status, which success, which shape of refusal. See
// internal/questions.

// success is the field that a good write answers, as the server spells it; none where it leaves it out.
func (c *config) success() object {
	spelling := map[string]string{"": "1", "true": "true", "one-text": `"1"`, "true-text": `"true"`, "ok": `"ok"`, "two": "2", "status": "200", "null": "null"}
	value, ok := spelling[c.answers[questions.SuccessSpelling]]
	if !ok {
		return object{}
	}
	return object{{"success", []byte(value)}}
}

// listSuccess is the field that an envelope begins with.
func (c *config) listSuccess() object {
	spelling := map[string]string{"": "true", "one": "1", "ok": `"ok"`, "null": "null"}
	value, ok := spelling[c.answers[questions.ListSuccess]]
	if !ok {
		return object{}
	}
	return object{{"success", []byte(value)}}
}

// goodStatus is the status of a good answer.
func (c *config) goodStatus(method string) int {
	switch {
	case c.is(questions.SuccessStatus, "created") && method == http.MethodPost:
		return http.StatusCreated
	case c.is(questions.SuccessStatus, "accepted") && method != http.MethodGet:
		return http.StatusAccepted
	}
	return http.StatusOK
}

// done is the answer to a write that promises no id.
func (c *call) done() (answer, *failure) { return jsonAnswer(c.srv.cfg.success().encode()), nil }

func noContent() (answer, *failure) { return answer{status: http.StatusNoContent}, nil }

func textAnswer(text string) answer {
	return answer{contentType: "text/plain; charset=utf-8", body: []byte(text)}
}

// created answers the create of one record.
func (c *call) created(id field) (answer, *failure) {
	o := c.srv.cfg.success()
	switch c.srv.cfg.answers[questions.WriteAnswerID] {
	case "absent":
		return jsonAnswer(o.encode()), nil
	case "under-id":
		id.name = "id"
	case "in-data":
		id = field{"data", object{id}.encode()}
	case "null":
		id.value = []byte("null")
	case "with-empty-sibling":
		switch id.name {
		case "leadId":
			o = append(o, field{"customerId", []byte(`""`)})
		case "customerId":
			o = append(o, field{"leadId", []byte(`""`)})
		}
	}
	return jsonAnswer(append(o, id).encode()), nil
}

// updated answers the update of one record.
func (c *call) updated(id field, record object) (answer, *failure) {
	o := c.srv.cfg.success()
	switch c.srv.cfg.answers[questions.UpdateAnswer] {
	case "no-content":
		return noContent()
	case "without-id":
		return jsonAnswer(o.encode()), nil
	case "record":
		if record != nil {
			return jsonAnswer(record.encode()), nil
		}
	}
	return jsonAnswer(append(o, id).encode()), nil
}

// deleted answers a delete.
func (c *call) deleted(id field) (answer, *failure) {
	switch c.srv.cfg.answers[questions.DeleteAnswer] {
	case "no-content":
		return noContent()
	case "empty":
		return jsonAnswer(nil), nil
	case "text":
		return textAnswer("Ok"), nil
	case "with-id":
		return jsonAnswer(append(c.srv.cfg.success(), id).encode()), nil
	}
	return c.done()
}

// refusalOf brings a refusal into the shape that the server has for it.
func (c *config) refusalOf(f *failure) reply {
	shape := f.shape
	switch f.status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		if shape == "" {
			shape = c.answers[questions.RefusalShape]
		}
	case http.StatusUnauthorized:
		switch c.answers[questions.BadKey] {
		case "forbidden":
			f.status = http.StatusForbidden
		case "success-false":
			shape = "success-false"
		}
	}
	return f.shaped(shape, c.answers[questions.ErrorBody])
}

const gatewayPage = "<!DOCTYPE html>\n<html><head><title>Sorry</title></head>\n<body><h1>Something went wrong</h1></body></html>\n"

// shaped prints the refusal. falsy spellings of success and odd bodies go out under 200.
func (f *failure) shaped(shape, errorBody string) reply {
	falsy := map[string]string{"success-zero": "0", "success-false": "false", "success-false-text": `"false"`, "success-empty-text": `""`}
	if value, ok := falsy[shape]; ok {
		o := object{{"success", []byte(value)}, {"message", quoted(f.message)}, {"code", quoted(f.code)}}
		return jsonReply(http.StatusOK, o.encode())
	}
	switch shape {
	case "html":
		return htmlReply(http.StatusOK)
	case "html-error":
		return htmlReply(f.status)
	case "text":
		return textReply(http.StatusOK, f.message)
	case "empty":
		return jsonReply(http.StatusOK, nil)
	case "server-error":
		return jsonReply(http.StatusInternalServerError, f.body())
	}
	return f.worded(errorBody)
}

// worded prints the body of an error as the server words it.
func (f *failure) worded(errorBody string) reply {
	message := field{"message", quoted(f.message)}
	code := field{"code", quoted(f.code)}
	var o object
	switch errorBody {
	case "error-text":
		o = object{{"error", message.value}}
	case "error-object":
		o = object{{"error", object{message, code}.encode()}}
	case "errors-list":
		o = object{{"errors", array([][]byte{object{message}.encode()})}}
	case "msg":
		o = object{{"msg", message.value}, {"errorCode", []byte("7")}}
	case "html":
		return htmlReply(f.status)
	case "text":
		return textReply(f.status, f.message)
	case "empty":
		return jsonReply(f.status, nil)
	default:
		return jsonReply(f.status, f.body())
	}
	return jsonReply(f.status, o.encode())
}

func jsonReply(status int, body []byte) reply {
	return reply{status, map[string]string{"Content-Type": "application/json; charset=utf-8"}, body}
}

func htmlReply(status int) reply {
	return reply{status, map[string]string{"Content-Type": "text/html; charset=utf-8"}, []byte(gatewayPage)}
}

func textReply(status int, text string) reply {
	return reply{status, map[string]string{"Content-Type": "text/plain; charset=utf-8"}, []byte(text)}
}

// gateway is what stands in front of the endpoints: rate limits, redirects, a gateway that says busy after the work was
// done.
type gateway struct {
	mu       sync.Mutex
	requests int
	seed     maphash.Seed
	busy     map[uint64]bool // writes that were carried out and answered busy
}

// everyFifth counts requests.
func (g *gateway) everyFifth() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests++
	return g.requests%5 == 0
}

// firstTime reports whether this write has not been answered busy yet. It is asked once for each attempt, so that the
// repetition of a write is answered as usual, and a later write with the same body meets the gateway again.
func (g *gateway) firstTime(path string, body []byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy == nil {
		g.busy, g.seed = map[uint64]bool{}, maphash.MakeSeed()
	}
	sum := maphash.Bytes(g.seed, bytes.Join([][]byte{[]byte(path), body}, []byte{0}))
	if g.busy[sum] {
		delete(g.busy, sum)
		return false
	}
	g.busy[sum] = true
	return true
}

// turnedAway is the gateway's answer before anything is done; false where the request may pass.
func (x *exchange) turnedAway() (reply, bool) {
	cfg := &x.srv.cfg
	if cfg.is(questions.Redirects, "trailing-slash") && !strings.HasSuffix(x.r.URL.Path, "/") {
		r := jsonReply(http.StatusPermanentRedirect, nil)
		target := *x.r.URL
		target.Path += "/"
		r.header["Location"] = target.RequestURI()
		return r, true
	}
	limit, limited := cfg.answers[questions.RateLimit]
	if !limited || !x.srv.gateway.everyFifth() {
		return reply{}, false
	}
	busy := failure{status: http.StatusTooManyRequests, code: "RATE_LIMIT", message: "request limit exceeded"}
	switch limit {
	case "every-fifth-success-false":
		return busy.shaped("success-false", ""), true
	case "every-fifth-503", "every-fifth-503-bare":
		busy.status = http.StatusServiceUnavailable
	}
	r := jsonReply(busy.status, busy.body())
	if limit == "every-fifth-503" {
		r.header["Retry-After"] = "0"
	}
	return r, true
}

// busyAfterWrite replaces the answer to a write that was carried out, once for each write.
func (x *exchange) busyAfterWrite(r reply) reply {
	alternative, ok := x.srv.cfg.answers[questions.BusyAfterWrite]
	if !ok || x.r.Method != http.MethodPost || !x.wrote || !x.srv.gateway.firstTime(x.r.URL.Path, x.body) {
		return r
	}
	busy := failure{status: http.StatusServiceUnavailable, code: "RATE_LIMIT", message: "request limit exceeded"}
	if alternative == "too-many-requests" {
		busy.status = http.StatusTooManyRequests
	}
	r = jsonReply(busy.status, busy.body())
	r.header["Retry-After"] = "0"
	return r
}
