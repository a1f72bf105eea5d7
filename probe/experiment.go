package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// body is a request body.
type body = map[string]any

// experimentAndCleanUp runs the experiments that write, and deletes what they made, whatever happens in between.
func (p *prober) experimentAndCleanUp(ctx context.Context) (left []string) {
	defer func() { left = p.cleanUp(ctx) }()
	p.experiment(ctx)
	return nil
}

// experiment runs the experiments that write. Each notes what it creates before it sends it.
func (p *prober) experiment(ctx context.Context) {
	w := &writer{prober: p, run: randomText(), phone: "0000" + randomPhone()[8:14]}
	p.verify = w.found
	if !w.createContact(ctx) {
		return
	}
	for _, step := range []func(context.Context){
		w.readContact, w.firstUpdate, w.updateArrays, w.oddValues, w.clearFields, w.refusedCreate, w.updateOddly, w.duplicateKey, w.packageWithBadRecord,
		w.packageOrder, w.packageMixed, w.deletes, w.order, w.orderUpdates, w.ticket, w.product,
	} {
		if ctx.Err() != nil || p.keyRefused != nil {
			return
		}
		step(ctx)
		p.report(false)
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

	ownKeys        map[string]string // by leadId, of the contacts to delete
	refusedPackage map[string]bool   // keys of a package that was refused, and of which nothing was listed
	withoutTags    bool              // a contact with tags is refused
	listed         []record          // the contacts of this run, when they were last listed
}

// post sends a create. Where the server is busy it looks first whether the create was carried out all the same, by the
// names of its contacts, and sends it again only if not.
func (w *writer) post(ctx context.Context, path string, content any, names ...string) reply {
	for n := 0; ; n++ {
		got := w.send(ctx, http.MethodPost, path, nil, content)
		limited := got.refused() && n == 0 && w.verdicts[questions.RateLimit].alternative == "every-fifth-success-false"
		if n == attempts-1 || !limited && (!got.busy() || !w.notCarriedOut(ctx, path, got, names)) || !w.pause(ctx, got) {
			return got
		}
	}
}

// notCarriedOut says that a create that was answered busy is certainly not there.
func (w *writer) notCarriedOut(ctx context.Context, path string, got reply, names []string) bool {
	const id = questions.BusyAfterWrite
	if !strings.HasPrefix(path, "/contacts") {
		return w.verdicts[id].answer == AsDecided
	}
	list, ok := w.found(ctx)
	switch there := slices.ContainsFunc(list, func(r record) bool { return slices.Contains(names, r.text("name")) }); {
	case !ok || w.verdicts[questions.PhoneStored].alternative == "international-only":
		return false
	case there && got.status == http.StatusTooManyRequests:
		w.differs(id, "too-many-requests", "A create that was answered 429 was carried out.")
	case there:
		w.differs(id, "service-unavailable", "A create that was answered 503 was carried out.")
	default:
		w.rateLimit(got)
		w.asDecided(id, fmt.Sprintf("A create that was answered %d was not carried out.", got.status))
		return true
	}
	return false
}

// contact returns a lead that is told apart by its name.
func (w *writer) contact() body {
	w.count++
	name := fmt.Sprintf("%s-%d", w.run, w.count)
	b := body{
		"name": "antcrm-go probe " + name, "customerIdApiRing": name, "contactType": "lead", "type": "0", "gender": "2",
		"phones": []any{body{"type": "Work", "value": w.phone}}, "tags": []string{"probe-a", "probe-b"}, "bgInfo": "probe",
	}
	if w.withoutTags {
		delete(b, "tags")
	}
	return b
}

func (w *writer) createContact(ctx context.Context) bool {
	contact := w.contact()
	got := w.create(ctx, "/contacts", contact)
	if got.rejected() {
		delete(contact, "tags")
		if again := w.create(ctx, "/contacts", contact); again.good() {
			w.withoutTags = true
			w.differs(questions.TagsSent, "text-only", "A contact with an array of tags is refused, one without is taken.")
			got = again
		}
	}
	if !got.good() {
		w.noContact = got.problem()
		if w.verdicts[questions.BusyAfterWrite].answer == Differs {
			w.noContact = "creates are carried out and answered busy"
		}
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
	if w.id == "" {
		w.noContact = "its id is neither in the answer nor in a list"
	}
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
	case got.status >= 400 && !got.rejected():
		w.unclear(id, "A create without a name: "+got.problem()+".")
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

// oddValue is something of which the pages do not say whether it is kept.
type oddValue struct {
	question string
	changes  body
	kept     func(record) bool
}

func oddValuesSent() []oddValue {
	const text, id, birth = "antcrm-go probe", "0123456789abcdef01234567", "March 15, 2000"
	email := body{"type": "Work", "value": "probe@example.com", "_id": id}
	return []oddValue{
		{questions.SystemNames, body{"stage": text}, func(r record) bool { return r.text("stage") == text }},
		{questions.ExtraFields, body{"emails": []any{email}}, func(r record) bool { return strings.Contains(string(r["emails"]), id) }},
		{questions.DateOfBirth, body{"dateOfBirth": birth}, func(r record) bool { return r.text("dateOfBirth") == birth }},
	}
}

// oddValues sends the odd values: at once, and one by one where that is refused.
func (w *writer) oddValues(ctx context.Context) {
	odd := oddValuesSent()
	all := body{}
	for _, o := range odd {
		maps.Copy(all, o.changes)
	}
	accepted := map[string]bool{}
	together := w.put(ctx, all)
	for _, o := range odd {
		got := together
		if together.rejected() {
			got = w.put(ctx, o.changes)
		}
		accepted[o.question] = got.done()
		switch {
		case got.rejected() && o.question != questions.DateOfBirth:
			w.differs(o.question, "refused", "The value is refused.")
		case !got.done():
			w.unclear(o.question, "The update: "+got.problem()+".")
		}
	}
	gender := w.put(ctx, body{"gender": "7"})
	r, _ := w.read(ctx)
	for _, o := range odd {
		switch {
		case !accepted[o.question]:
		case r == nil:
			w.unclear(o.question, "The contact was not found after the update.")
		case o.kept(r):
			w.asDecided(o.question, "The value is kept as it was sent.")
		case o.question != questions.DateOfBirth:
			w.differs(o.question, "dropped", "The value is answered with success and dropped.")
		case strings.Contains(r.text("dateOfBirth"), "T"):
			w.differs(o.question, "iso", "Dates of birth are printed as RFC 3339.")
		default:
			w.differs(o.question, "", "A date of birth comes back in another form.")
		}
	}
	w.oddGender(gender, r)
}

func (w *writer) oddGender(got reply, r record) {
	const id = questions.EnumeratedValues
	switch {
	case got.rejected():
		w.asDecided(id, "A gender of 7 is refused.")
	case !got.done():
		w.unclear(id, "The update: "+got.problem()+".")
	case r == nil:
		w.unclear(id, "The contact was not found after the update.")
	case r.text("gender") == "7":
		w.differs(id, "accepted", "A gender of 7 is kept.")
	default:
		w.differs(id, "replaced", "A gender of 7 is answered with success and not kept.")
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
	list, _ := w.found(ctx)
	for _, r := range list {
		w.id = r.text("leadId")
	}
}

// found lists the contacts of this run that a filter by their phone finds; false where no list came.
func (w *writer) found(ctx context.Context) ([]record, bool) {
	pairs := []string{"phone", w.phone}
	if w.verdicts[questions.LimitDefault].alternative == "ten" && w.verdicts[questions.LimitMaximum].alternative != "refused" {
		pairs = append(pairs, "limit", "20")
	}
	got := w.get(ctx, "/contacts", pairs...)
	w.listed = w.own(got)
	return w.listed, w.answered(got)
}

// answered says that a list came, if an empty one.
func (p *prober) answered(got reply) bool {
	return got.good() || got.err == nil && got.status == http.StatusNotFound && !got.isHTML() ||
		got.refused() && p.verdicts[questions.EmptyList].alternative == "refused"
}

func (w *writer) own(got reply) []record {
	return slices.DeleteFunc(got.records(), func(r record) bool { return !strings.HasPrefix(r.text("name"), "antcrm-go probe "+w.run) })
}

// read returns the first contact as the server has it now; false where no list came.
func (w *writer) read(ctx context.Context) (record, bool) {
	mine := func(r record) bool { return r.text("leadId") == w.id }
	if w.verdicts[questions.KeyFilter].alternative != "ignored" {
		got := w.get(ctx, "/contacts", "leadId", w.id)
		list := got.records()
		if i := slices.IndexFunc(list, mine); i >= 0 {
			return list[i], true
		}
		if !w.answered(got) || w.verdicts[questions.ReadAfter].answer == Differs {
			return nil, w.answered(got)
		}
	}
	list, ok := w.found(ctx)
	if i := slices.IndexFunc(list, mine); i >= 0 {
		return list[i], true
	}
	return nil, ok
}

func (w *writer) readContact(ctx context.Context) {
	r, ok := w.read(ctx)
	switch {
	case !ok:
		w.unclear(questions.ReadAfter, "No list of contacts came.")
		return
	case r == nil && w.verdicts[questions.KeyFilter].answer != AsDecided && w.verdicts[questions.PhoneFilter].alternative == "ignored":
		w.unclear(questions.ReadAfter, "No filter finds the contact.")
		return
	case r == nil:
		w.differs(questions.ReadAfter, "delayed", "The contact is not listed right after its create was answered.")
		return
	}
	w.asDecided(questions.ReadAfter, "The contact is listed right after its create was answered.")
	w.idForm(r.text("leadId"), string(r["leadId"]))
	w.timeForm(r["createdAt"])
	w.tagsForm(r["tags"])
	switch tags := tagsOf(r); {
	case w.withoutTags:
	case len(tags) == 0:
		w.differs(questions.TagsSent, "text-or-nothing", "The tags that were sent are not there.")
	default:
		w.asDecided(questions.TagsSent, "An array of tags is kept.")
	}
	w.storedPhone(ctx, r)
	w.ownKey(ctx, r)
}

// ownKey judges whether the contact prints its customerIdApiRing and is found by it.
func (w *writer) ownKey(ctx context.Context, r record) {
	if r.text("customerIdApiRing") != "" {
		w.asDecided(questions.ContactExternalIDShown, "The contact prints its customerIdApiRing.")
	} else {
		w.differs(questions.ContactExternalIDShown, "hidden", "The contact does not print its customerIdApiRing.")
	}
	if w.verdicts[questions.ContactFilterExternalID].answer == Differs {
		return
	}
	switch got := w.get(ctx, "/contacts", "customerIdApiRing", w.run+"-1"); {
	case !w.answered(got):
	case len(got.records()) == 0:
		w.differs(questions.ContactFilterExternalID, "matches-nothing", "The contact's customerIdApiRing selects nothing.")
	case len(w.own(got)) == 1 && len(got.records()) == 1:
		w.asDecided(questions.ContactFilterExternalID, "The contact's customerIdApiRing selects it, a key that nobody has selects nothing.")
	}
}

func (w *writer) storedPhone(ctx context.Context, r record) {
	const id = questions.PhoneStored
	stored := firstPhone(r)
	switch {
	case stored == "":
		return
	case stored == w.phone:
		w.asDecided(id, "The number is kept as it was sent.")
		return
	}
	switch list, ok := w.found(ctx); {
	case len(list) > 0:
		w.differs(id, "international", "The number is kept in another spelling, and found by the one that was sent.")
	case ok:
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
	changes = maps.Clone(changes)
	changes["leadId"] = w.sentID(w.id)
	return w.send(ctx, http.MethodPut, "/contacts", nil, changes)
}

// sentID is an id in the form that the server takes.
func (w *writer) sentID(id string) any {
	if w.numericIDs && digits.MatchString(id) {
		return json.Number(id)
	}
	return id
}

// firstUpdate changes a plain text: it shows whether an id is taken as text, and what an update answers.
func (w *writer) firstUpdate(ctx context.Context) {
	got := w.put(ctx, body{"bgInfo": "probe 2"})
	switch {
	case got.done():
		w.asDecided(questions.IDsSent, "An id as text is taken.")
	case got.rejected() && digits.MatchString(w.id):
		w.numericIDs = true
		again := w.put(ctx, body{"bgInfo": "probe 2"})
		if again.done() {
			w.differs(questions.IDsSent, "numbers-only", "An id as text is refused, as a number it is taken.")
			got = again
		} else {
			w.numericIDs = false
		}
	}
	w.updateAnswer(got)
}

func (w *writer) updateArrays(ctx context.Context) {
	const id = questions.UpdateArray
	if w.withoutTags {
		w.unclear(id, "A contact with an array of tags is refused.")
		return
	}
	got := w.put(ctx, body{"tags": []string{"probe-b", "probe-c"}})
	if !got.done() {
		w.unclear(id, "The update: "+got.problem()+".")
		return
	}
	r, _ := w.read(ctx)
	tags := tagsOf(r)
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

func (w *writer) updateAnswer(got reply) {
	const id = questions.UpdateAnswer
	o := object(got.body)
	switch {
	case got.status == http.StatusNoContent:
		w.differs(id, "no-content", "An update is answered 204.")
	case !got.done():
		w.unclear(id, "The update: "+got.problem()+".")
	case o["name"] != nil:
		w.differs(id, "record", "An update answers the whole record.")
	case o.text("leadId") == "":
		w.differs(id, "without-id", "An update answers no id.")
	default:
		w.asDecided(id, "An update answers success and the id.")
	}
}

// clearFields sends an empty text and an empty list: at once, and one by one where that is refused.
func (w *writer) clearFields(ctx context.Context) {
	fields := []struct {
		question, field string
		empty           any
		cleared         func(record) bool
	}{
		{questions.ClearText, "bgInfo", "", func(r record) bool { return r.text("bgInfo") == "" }},
		{questions.ClearList, "tags", []string{}, func(r record) bool { return len(tagsOf(r)) == 0 }},
	}
	if w.withoutTags || w.verdicts[questions.TagsSent].answer == Differs {
		fields = fields[:1]
		w.unclear(questions.ClearList, "An array of tags is not taken.")
	}
	all := body{}
	for _, f := range fields {
		all[f.field] = f.empty
	}
	together := w.put(ctx, all)
	accepted := map[string]bool{}
	for _, f := range fields {
		got := together
		if together.rejected() {
			got = w.put(ctx, body{f.field: f.empty})
		}
		switch accepted[f.field] = got.done(); {
		case got.rejected():
			w.differs(f.question, "refused", "An empty "+f.field+" is refused.")
		case !got.done():
			w.unclear(f.question, "The update: "+got.problem()+".")
		}
	}
	r, _ := w.read(ctx)
	for _, f := range fields {
		switch {
		case !accepted[f.field]:
		case r == nil:
			w.unclear(f.question, "The contact was not found after the update.")
		case f.cleared(r):
			w.asDecided(f.question, "An empty "+f.field+" clears it.")
		default:
			w.differs(f.question, "ignored", "An empty "+f.field+" is answered with success and changes nothing.")
		}
	}
}

// updateOddly sends an update without fields, and one of a key that no record has.
func (w *writer) updateOddly(ctx context.Context) {
	switch got := w.put(ctx, body{}); {
	case got.done():
		w.asDecided(questions.UpdateEmpty, "An update with the key alone is taken.")
	case got.rejected():
		w.differs(questions.UpdateEmpty, "refused", "An update with the key alone is refused.")
	}
	const id = questions.UpdateMissing
	unknown := w.run + "-missing"
	w.keep("/contacts", "customerIdApiRing", unknown)
	got := w.send(ctx, http.MethodPut, "/contacts", nil, body{"customerIdApiRing": unknown, "name": "antcrm-go probe " + unknown})
	o := object(got.body)
	switch {
	case got.err != nil, got.status == http.StatusUnauthorized:
		w.unclear(id, got.problem())
		if got.neverSent() || got.barred() {
			w.forget("/contacts", unknown)
		}
	case got.status == http.StatusNotFound && got.isHTML() && w.verdicts[questions.ErrorBody].alternative != "html":
		w.unclear(id, "The update: "+got.problem()+", with an HTML page.")
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
		switch r, _ := w.read(ctx); {
		case r == nil:
			w.unclear(id, "The contact was not found after the second create.")
		case r.text("name") == contact["name"]:
			w.differs(id, "updated", "A second create with the same key changes the record.")
		default:
			w.differs(id, "ignored", "A second create with the same key answers the record's id and writes nothing.")
		}
	}
}
