package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// body is a request body.
type body = map[string]any

// experiment runs the experiments that write. Each notes what it creates before it sends it.
func (p *prober) experiment(ctx context.Context) {
	w := &writer{prober: p, run: randomText(), phone: "0000" + randomPhone()[8:14]}
	if !w.createContact(ctx) {
		return
	}
	defer func() { p.verify = w.found }()
	for _, step := range []func(context.Context){
		w.readContact, w.updateArrays, w.clearFields, w.oddValues, w.refusedCreate, w.updateOddly, w.duplicateKey, w.packageWithBadRecord, w.packageOrder, w.packageMixed, w.deletes, w.order, w.orderUpdates, w.product, w.ticket,
	} {
		if ctx.Err() != nil {
			return
		}
		step(ctx)
	}
}

// writer is the part of a run that writes.
type writer struct {
	*prober
	run    string // the beginning of every key
	phone  string // of every contact: no number begins with 0000
	id     string // the first contact's leadId
	number string // of the first order
	count  int
}

// contact returns a lead that is told apart by its name.
func (w *writer) contact() body {
	w.count++
	name := fmt.Sprintf("%s-%d", w.run, w.count)
	return body{
		"name": "antcrm-go probe " + name, "customerIdApiRing": name, "contactType": "lead", "type": "0", "gender": "2",
		"phones": []any{body{"type": "Work", "value": w.phone}}, "tags": []string{"probe-a", "probe-b"}, "bgInfo": "probe",
	}
}

func (w *writer) createContact(ctx context.Context) bool {
	contact := w.contact()
	got := w.create(ctx, "/contacts", contact)
	if !got.good() && got.status >= 400 && got.status < 500 {
		delete(contact, "tags")
		if again := w.create(ctx, "/contacts", contact); again.good() {
			w.differs(questions.TagsSent, "text-only", "A contact with an array of tags is refused, one without is taken.")
			got = again
		}
	}
	if !got.good() {
		return false
	}
	switch got.status {
	case http.StatusOK:
		w.asDecided(questions.SuccessStatus, "A create is answered 200.")
	case http.StatusCreated:
		w.differs(questions.SuccessStatus, "created", "A create is answered 201.")
	case http.StatusAccepted:
		w.differs(questions.SuccessStatus, "accepted", "A create is answered 202.")
	}
	w.successSpelling(got.member("success"))
	w.createdID(ctx, got)
	return w.id != ""
}

// refusedCreate sends a contact without a name.
func (w *writer) refusedCreate(ctx context.Context) {
	const id = questions.RefusalShape
	contact := w.contact()
	delete(contact, "name")
	got := w.create(ctx, "/contacts", contact)
	name, ok := map[string]string{"0": "success-zero", "false": "success-false", `"false"`: "success-false-text", `""`: "success-empty-text"}[string(got.member("success"))]
	switch {
	case got.err != nil:
		w.unclear(id, got.problem())
	case got.refused() && ok:
		w.differs(id, name, "A create without a name is answered 2xx with a falsy success.")
	case got.status >= 500:
		w.differs(id, "server-error", "A create without a name is answered with a 5xx.")
	case got.status >= 400:
		w.asDecided(id, "A create without a name is refused with a 4xx.")
		w.errorBody(got)
	case got.good():
		w.unclear(id, "A create without a name is taken.")
	case len(got.body) == 0:
		w.differs(id, "empty", "A create without a name is answered 2xx without a body.")
	case got.isHTML():
		w.differs(id, "html", "A create without a name is answered 2xx with an HTML page.")
	default:
		w.differs(id, "text", "A create without a name is answered 2xx with plain text.")
	}
}

// oddValues sends what the pages do not say whether it is kept.
func (w *writer) oddValues(ctx context.Context) {
	const text, id = "antcrm-go probe", "0123456789abcdef01234567"
	w.kept(ctx, questions.SystemNames, body{"stage": text}, func(r record) bool { return r.text("stage") == text })
	w.kept(ctx, questions.ExtraFields, body{"phones": []any{body{"type": "Work", "value": w.phone, "_id": id}}},
		func(r record) bool { return strings.Contains(string(r["phones"]), id) })
	w.put(ctx, body{"dateOfBirth": "March 15, 2000"})
	if got := w.put(ctx, body{"gender": "7"}); got.status >= 400 && got.status < 500 || got.refused() {
		w.asDecided(questions.EnumeratedValues, "A gender of 7 is refused.")
	}
	r := w.read(ctx)
	switch date := r.text("dateOfBirth"); {
	case date == "March 15, 2000":
		w.asDecided(questions.DateOfBirth, "A date of birth comes back as it was sent.")
	case strings.Contains(date, "T"):
		w.differs(questions.DateOfBirth, "iso", "Dates of birth are printed as RFC 3339.")
	}
	switch {
	case r == nil || w.verdicts[questions.EnumeratedValues].answer == AsDecided:
	case r.text("gender") == "7":
		w.differs(questions.EnumeratedValues, "accepted", "A gender of 7 is kept.")
	default:
		w.differs(questions.EnumeratedValues, "replaced", "A gender of 7 is answered with success and not kept.")
	}
}

// kept changes the contact and reports whether the value is there afterwards.
func (w *writer) kept(ctx context.Context, id string, changes body, there func(record) bool) {
	got := w.put(ctx, changes)
	switch {
	case got.status >= 400 && got.status < 500 || got.refused():
		w.differs(id, "refused", "The value is refused.")
		return
	case !got.good() && got.status != http.StatusNoContent:
		w.unclear(id, "The update: "+got.problem()+".")
		return
	}
	switch r := w.read(ctx); {
	case r == nil:
		w.unclear(id, "The contact was not found after the update.")
	case there(r):
		w.asDecided(id, "The value is kept.")
	default:
		w.differs(id, "dropped", "The value is answered with success and dropped.")
	}
}

func (w *writer) successSpelling(raw json.RawMessage) {
	const id = questions.SuccessSpelling
	names := map[string]string{"true": "true", `"1"`: "one-text", `"true"`: "true-text", `"ok"`: "ok", "2": "two", "200": "status", "null": "null", "": "absent"}
	if string(raw) == "1" {
		w.asDecided(id, "success is 1.")
		return
	}
	w.differs(id, names[string(raw)], "success is not 1: a "+kindOr(raw)+".")
}

func kindOr(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "member that is not there"
	}
	return kindOf(raw)
}

// createdID finds the id in the answer to a create, or else the record by its phone.
func (w *writer) createdID(ctx context.Context, got reply) {
	const id = questions.WriteAnswerID
	o := object(got.body)
	sibling, hasSibling := o["customerId"]
	w.id = o.text("leadId")
	switch {
	case w.id != "" && hasSibling && string(sibling) == `""`:
		w.differs(id, "with-empty-sibling", `The answer has leadId, and customerId "".`)
	case w.id != "":
		w.asDecided(id, "The id is beside success.")
	case string(o["leadId"]) == "null":
		w.differs(id, "null", "The id is null.")
	case o["id"] != nil:
		w.differs(id, "under-id", "The id is under id.")
	case bytes.HasPrefix(o["data"], []byte("{")):
		w.differs(id, "in-data", "The id is in an object under data.")
	default:
		w.differs(id, "absent", "The answer has no id.")
	}
	if w.id != "" {
		return
	}
	for _, r := range w.found(ctx) {
		w.id = r.text("leadId")
	}
}

// found lists the contacts of this run that a filter by their phone finds.
func (w *writer) found(ctx context.Context) []record {
	return w.own(w.get(ctx, "/contacts", "phone", w.phone))
}

func (w *writer) own(got reply) []record {
	return slices.DeleteFunc(got.records(), func(r record) bool { return !strings.HasPrefix(r.text("name"), "antcrm-go probe "+w.run) })
}

// read returns the first contact as the server has it now.
func (w *writer) read(ctx context.Context) record {
	for _, r := range w.get(ctx, "/contacts", "leadId", w.id).records() {
		if r.text("leadId") == w.id {
			return r
		}
	}
	return nil
}

func (w *writer) readContact(ctx context.Context) {
	r := w.read(ctx)
	if r == nil {
		w.differs(questions.ReadAfter, "delayed", "The contact is not listed right after its create was answered.")
		return
	}
	w.asDecided(questions.ReadAfter, "The contact is listed right after its create was answered.")
	w.idForm(r.text("leadId"), string(r["leadId"]))
	w.timeForm(r["createdAt"])
	w.tagsForm(r["tags"])
	if tags := tagsOf(r); len(tags) == 0 {
		w.differs(questions.TagsSent, "text-or-nothing", "The tags that were sent are not there.")
	} else {
		w.asDecided(questions.TagsSent, "An array of tags is kept.")
	}
	w.storedPhone(ctx, r)
	shown := r.text("customerIdApiRing") != ""
	if shown {
		w.asDecided(questions.ContactExternalIDShown, "The contact prints its customerIdApiRing.")
	} else {
		w.differs(questions.ContactExternalIDShown, "hidden", "The contact does not print its customerIdApiRing.")
	}
	if got := w.get(ctx, "/contacts", "customerIdApiRing", w.run+"-1"); got.good() && len(got.records()) == 0 {
		w.differs(questions.ContactFilterExternalID, "matches-nothing", "The contact's customerIdApiRing selects nothing.")
	} else if len(w.own(got)) == 1 {
		w.asDecided(questions.ContactFilterExternalID, "The contact's customerIdApiRing selects it, a key that nobody has selects nothing.")
	}
}

func (w *writer) storedPhone(ctx context.Context, r record) {
	const id = questions.PhoneStored
	switch stored := firstPhone(r); {
	case stored == w.phone:
		w.asDecided(id, "The number is kept as it was sent.")
	case len(w.found(ctx)) > 0:
		w.differs(id, "international", "The number is kept in another spelling, and found by the one that was sent.")
	case stored != "":
		w.differs(id, "international-only", "The number is kept in another spelling, and not found by the one that was sent.")
	}
}

func tagsOf(r record) []string {
	var tags []string
	if json.Unmarshal(r["tags"], &tags) != nil {
		if text := r.text("tags"); text != "" {
			return strings.Split(text, ",")
		}
	}
	return tags
}

// put changes the first contact.
func (w *writer) put(ctx context.Context, changes body) reply {
	changes["leadId"] = w.id
	return w.send(ctx, http.MethodPut, "/contacts", nil, changes)
}

func (w *writer) updateArrays(ctx context.Context) {
	const id = questions.UpdateArray
	got := w.put(ctx, body{"tags": []string{"probe-b", "probe-c"}})
	w.idsSent(ctx, got)
	w.updateAnswer(got)
	if !got.good() && got.status != http.StatusNoContent {
		w.unclear(id, "The update: "+got.problem()+".")
		return
	}
	tags := tagsOf(w.read(ctx))
	slices.Sort(tags)
	switch strings.Join(tags, " ") {
	case "probe-b probe-c":
		w.asDecided(id, "An array replaces the old one.")
	case "probe-a probe-b probe-c":
		w.differs(id, "merged", "New elements are added to the old ones.")
	case "probe-a probe-b probe-b probe-c":
		w.differs(id, "appended", "All elements are added to the old ones.")
	default:
		w.unclear(id, "The tags are neither the old nor the new ones.")
	}
}

// idsSent repeats a refused update with the id as a number.
func (w *writer) idsSent(ctx context.Context, got reply) {
	switch {
	case got.status < 300 && got.status > 0:
		w.asDecided(questions.IDsSent, "An id as text is taken.")
	case got.status == http.StatusBadRequest && digits.MatchString(w.id):
		again := w.send(ctx, http.MethodPut, "/contacts", nil, body{"leadId": json.Number(w.id), "bgInfo": "probe"})
		if again.good() {
			w.differs(questions.IDsSent, "numbers-only", "An id as text is refused, as a number it is taken.")
		}
	}
}

func (w *writer) updateAnswer(got reply) {
	const id = questions.UpdateAnswer
	o := object(got.body)
	switch {
	case got.status == http.StatusNoContent:
		w.differs(id, "no-content", "An update is answered 204.")
	case !got.good():
		w.unclear(id, "The update: "+got.problem()+".")
	case o["name"] != nil:
		w.differs(id, "record", "An update answers the whole record.")
	case o.text("leadId") == "":
		w.differs(id, "without-id", "An update answers no id.")
	default:
		w.asDecided(id, "An update answers success and the id.")
	}
}

func (w *writer) clearFields(ctx context.Context) {
	w.clear(ctx, questions.ClearText, "bgInfo", "", func(r record) bool { return r.text("bgInfo") == "" })
	w.clear(ctx, questions.ClearList, "tags", []string{}, func(r record) bool { return len(tagsOf(r)) == 0 })
}

func (w *writer) clear(ctx context.Context, id, field string, empty any, cleared func(record) bool) {
	got := w.put(ctx, body{field: empty})
	switch {
	case got.status >= 400 && got.status < 500 || got.refused():
		w.differs(id, "refused", "An empty "+field+" is refused.")
		return
	case !got.good() && got.status != http.StatusNoContent:
		w.unclear(id, "The update: "+got.problem()+".")
		return
	}
	switch r := w.read(ctx); {
	case r == nil:
		w.unclear(id, "The contact was not found after the update.")
	case cleared(r):
		w.asDecided(id, "An empty "+field+" clears it.")
	default:
		w.differs(id, "ignored", "An empty "+field+" is answered with success and changes nothing.")
	}
}

// updateOddly sends an update without fields, and one of a key that no record has.
func (w *writer) updateOddly(ctx context.Context) {
	switch got := w.put(ctx, body{}); {
	case got.good() || got.status == http.StatusNoContent:
		w.asDecided(questions.UpdateEmpty, "An update with the key alone is taken.")
	case got.status >= 400 && got.status < 500 || got.refused():
		w.differs(questions.UpdateEmpty, "refused", "An update with the key alone is refused.")
	}
	const id = questions.UpdateMissing
	unknown := w.run + "-missing"
	w.keep("/contacts", "customerIdApiRing", unknown)
	got := w.send(ctx, http.MethodPut, "/contacts", nil, body{"customerIdApiRing": unknown, "name": "antcrm-go probe " + unknown})
	o := object(got.body)
	switch {
	case got.err != nil:
		w.unclear(id, got.problem())
	case got.status == http.StatusNotFound:
		w.asDecided(id, "An update of a key that no record has is 404.")
		w.forget("/contacts", unknown)
		w.errorBody(got)
	case got.refused():
		w.differs(id, "refused", "An update of a key that no record has is refused with a falsy success.")
		w.forget("/contacts", unknown)
	case !got.good():
		w.unclear(id, got.problem())
	case o.text("leadId") != "" || o.text("customerId") != "":
		w.differs(id, "created", "An update of a key that no record has makes one.")
	case o.text("customerIdApiRing") != "":
		w.differs(id, "success-with-key", "An update of a key that no record has is answered with success and the key.")
	default:
		w.differs(id, "success-without-id", "An update of a key that no record has is answered with success.")
	}
}

func (w *writer) duplicateKey(ctx context.Context) {
	const id = questions.DuplicateKey
	contact := w.contact()
	contact["customerIdApiRing"] = w.run + "-1"
	got := w.create(ctx, "/contacts", contact)
	switch answered := object(got.body).text("leadId"); {
	case got.status == http.StatusConflict:
		w.differs(id, "conflict", "A second create with the same key is 409.")
	case got.refused():
		w.differs(id, "refused", "A second create with the same key is refused with a falsy success.")
	case !got.good() || answered == "":
		w.unclear(id, "The second create: "+got.problem()+".")
	case answered != w.id:
		w.asDecided(id, "A second create with the same key makes a second record.")
	default:
		r := w.read(ctx)
		if r.text("name") == contact["name"] {
			w.differs(id, "updated", "A second create with the same key changes the record.")
		} else {
			w.differs(id, "ignored", "A second create with the same key answers the record's id and writes nothing.")
		}
	}
}
