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

// sendPackage sends contacts as a package. Each is noted by its own key.
func (w *writer) sendPackage(ctx context.Context, contacts ...body) reply {
	for _, contact := range contacts {
		if own, ok := contact["customerIdApiRing"].(string); ok {
			w.keep("/contacts", "customerIdApiRing", own)
		}
	}
	got := w.post(ctx, "/contacts/package", contacts, namesOf(contacts)...)
	if got.neverSent() || got.barred() {
		for _, contact := range contacts {
			if own, ok := contact["customerIdApiRing"].(string); ok {
				w.forget("/contacts", own)
			}
		}
	}
	return got
}

func namesOf(contacts []body) []string {
	var names []string
	for _, contact := range contacts {
		if name, ok := contact["name"].(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// packageWithBadRecord sends a contact without a name between two good ones, and looks for what was written.
func (w *writer) packageWithBadRecord(ctx context.Context) {
	const id = questions.PackagePartial
	before, bad, after := w.contact(), w.contact(), w.contact()
	delete(bad, "name")
	got := w.sendPackage(ctx, before, bad, after)
	found, ok := w.found(ctx)
	w.findable = len(found) > 0
	if !ok || len(found) == 0 {
		w.unclear(id, "The filter by phone finds no contact of the probe.")
		return
	}
	has := func(b body) bool {
		return slices.ContainsFunc(found, func(r record) bool { return r.text("name") == b["name"] })
	}
	refused := got.rejected()
	partly := has(before) || has(after)
	switch {
	case !refused && !got.done():
		w.unclear(id, "The package: "+got.problem()+".")
	case !partly && w.verdicts[questions.ReadAfter].answer != AsDecided:
		w.unclear(id, "New contacts are not listed right away.")
	case refused && !partly:
		w.refusedPackage = map[string]bool{}
		for _, b := range []body{before, bad, after} {
			own, _ := b["customerIdApiRing"].(string)
			w.refusedPackage[own] = true
		}
		w.asDecided(id, "The package is refused, and nothing of it is there.")
	case refused && has(after):
		w.differs(id, "all-written-then-refused", "The package is refused, and its good records are there.")
	case got.refused():
		w.differs(id, "written-then-success-false", "The package is refused with a falsy success, and the records before the bad one are there.")
	case refused:
		w.differs(id, "written-then-refused", "The package is refused, and the records before the bad one are there.")
	case !partly:
		w.unclear(id, "The package is answered with success, and nothing of it is found.")
	default:
		w.partialIDs(got, has(after))
	}
}

// partialIDs judges the ids of a package whose good records were written.
func (w *writer) partialIDs(got reply, afterWritten bool) {
	const id = questions.PackagePartial
	ids := packageIDs(got)
	said := fmt.Sprintf("The package is answered with %d ids for 3 records.", len(ids))
	strange := slices.IndexFunc(ids, func(raw json.RawMessage) bool {
		return slices.Contains([]string{"null", `""`, "0"}, string(raw)) || bytes.HasPrefix(raw, []byte("{"))
	})
	switch {
	case strange >= 0:
		raw := ids[strange]
		name, ok := map[string]string{"null": "null-ids", `""`: "empty-ids", "0": "zero-ids"}[string(raw)]
		if !ok {
			name = "error-objects"
		}
		w.differs(id, name, "The package is answered with success; in the bad record's place stands no id.")
	case len(ids) < 3 && afterWritten:
		w.differs(id, "fewer-ids", said)
	case len(ids) < 3:
		w.differs(id, "stops-with-fewer-ids", said)
	default:
		w.differs(id, "", said)
	}
}

func packageIDs(got reply) []json.RawMessage {
	var ids []json.RawMessage
	_ = json.Unmarshal(got.member("leadId"), &ids) // none is as good as no array
	return ids
}

// packageOrder sends three good contacts and compares the ids with the names.
func (w *writer) packageOrder(ctx context.Context) {
	const id = questions.PackageOrder
	contacts := []body{w.contact(), w.contact(), w.contact()}
	got := w.sendPackage(ctx, contacts...)
	if !w.packageAnswer(got) {
		w.unclear(id, "The package's answer has no array of three ids.")
		return
	}
	if one := w.sendPackage(ctx, w.contact()); one.good() && len(packageIDs(one)) == 0 && object(one.body).text("leadId") != "" {
		w.differs(questions.PackageAnswer, "lone-id", "A package of one answers its id without an array.")
	}
	byID := map[string]string{}
	list, _ := w.found(ctx)
	for _, r := range list {
		byID[r.text("leadId")] = r.text("name")
	}
	w.forgetAbsent(list, contacts)
	right, known := 0, 0
	for i, raw := range packageIDs(got) {
		name, ok := byID[record{"id": raw}.text("id")]
		if ok {
			known++
		}
		if name == contacts[i]["name"] {
			right++
		}
	}
	reversed := byID[record{"id": packageIDs(got)[2]}.text("id")] == contacts[0]["name"] && right == 1
	switch {
	case known < 3:
		w.unclear(id, "The filter by phone does not find the contacts of the package.")
	case right == 3:
		w.asDecided(id, "The ids are in the order of the records.")
	case reversed:
		w.differs(id, "reversed", "The ids are in the reverse order.")
	default:
		w.differs(id, "shuffled", "The ids are in another order than the records.")
	}
}

// forgetAbsent drops what was never written: a list that has a later package, and not these records, shows it.
func (w *writer) forgetAbsent(list []record, later []body) {
	names := map[string]bool{}
	for _, r := range list {
		names[r.text("name")] = true
	}
	for _, contact := range later {
		if name, _ := contact["name"].(string); !names[name] {
			return
		}
	}
	keys := map[string]bool{}
	for _, r := range list {
		keys[strings.TrimPrefix(r.text("name"), "antcrm-go probe ")] = true
		keys[r.text("customerIdApiRing")] = true
	}
	for n := range w.count {
		if own := fmt.Sprintf("%s-%d", w.run, n+1); !keys[own] && w.refusedPackage[own] {
			w.forget("/contacts", own)
		}
	}
}

// packageAnswer judges the shape of the answer; it reports whether that has three ids.
func (w *writer) packageAnswer(got reply) bool {
	const id = questions.PackageAnswer
	ids := packageIDs(got)
	switch {
	case got.err == nil && got.status < 300 && bytes.HasPrefix(got.body, []byte("[{")):
		w.differs(id, "objects", "Objects come instead of ids.")
	case got.err == nil && got.status < 300 && bytes.HasPrefix(got.body, []byte("[")):
		w.differs(id, "bare-array", "The ids come as a bare array.")
	case !got.good():
		w.unclear(id, "The package: "+got.problem()+".")
	case len(ids) == 3 && bytes.HasPrefix(ids[0], []byte("{")):
		w.differs(id, "objects", "Objects come instead of ids.")
	case len(ids) == 3:
		w.asDecided(id, "success and an array of ids come.")
		return true
	case len(ids) == 0:
		w.differs(id, "without-ids", "Only success comes.")
	default:
		w.differs(id, "", fmt.Sprintf("%d ids come for 3 records.", len(ids)))
	}
	return false
}

func (w *writer) packageMixed(ctx context.Context) {
	const id = questions.PackageMixed
	lead, customer := w.contact(), w.contact()
	customer["contactType"] = "customer"
	got := w.sendPackage(ctx, lead, customer)
	o := object(got.body)
	switch {
	case got.rejected():
		w.differs(id, "refused", "A package of a lead and a customer is refused.")
	case !got.good():
		w.unclear(id, "The package: "+got.problem()+".")
	case hasIDs(o["leadId"]) && hasIDs(o["customerId"]):
		w.asDecided(id, "Ids come under leadId and under customerId.")
	case w.verdicts[questions.PackageAnswer].answer == Differs && w.verdicts[questions.PackageAnswer].alternative != "lone-id":
		w.unclear(id, "A package's answer has no arrays of ids.")
	default:
		w.differs(id, "one-key", "All ids come under one key.")
	}
}

func hasIDs(raw json.RawMessage) bool {
	return len(raw) > 0 && string(raw) != "[]" && string(raw) != "null"
}

// deletes finds out where a DELETE reads its key and what it answers, with three contacts of this run.
func (w *writer) deletes(ctx context.Context) {
	var targets []leftover
	w.ownKeys = map[string]string{}
	for _, r := range w.listed {
		if id := r.text("leadId"); id != "" && id != w.id {
			targets = append(targets, leftover{"/contacts", "leadId", id})
			w.ownKeys[id] = strings.TrimPrefix(r.text("name"), "antcrm-go probe ")
		}
	}
	if len(targets) < 3 {
		w.unclear(questions.DeleteKey, "The filter by phone finds too few contacts of the probe.")
		return
	}
	both := w.take(ctx, targets[0], true, true)
	query := w.take(ctx, targets[1], true, false)
	inBody := w.take(ctx, targets[2], false, true)
	list, ok := w.found(ctx)
	if !ok || both.err != nil || query.err != nil || inBody.err != nil || both.busy() || query.busy() || inBody.busy() {
		w.unclear(questions.DeleteKey, "One of the requests had no answer.")
		return
	}
	there := map[string]bool{}
	for _, r := range list {
		there[r.text("leadId")] = true
	}
	for _, l := range targets[:3] {
		if !there[l.key] {
			w.forgetRecord(l)
		}
	}
	w.deleteKey(both, query, inBody, there[targets[0].key], there[targets[1].key], there[targets[2].key])
	answered := both
	if there[targets[0].key] {
		answered = query
	}
	w.deleteAnswer(answered)
	if !there[targets[0].key] {
		w.deleteMissing(w.take(ctx, targets[0], true, true))
	}
}

// take sends a DELETE that counts as an experiment.
func (w *writer) take(ctx context.Context, l leftover, inQuery, inBody bool) reply {
	for n := 0; ; n++ {
		if w.sent+w.reserve() >= MaxRequests {
			w.exhausted = true
			return reply{err: errEnough}
		}
		got := w.remove(ctx, l, inQuery, inBody)
		if n == attempts-1 || !w.repeatable(http.MethodDelete, got, n) || !w.pause(ctx, got) {
			return got
		}
	}
}

func (w *writer) deleteKey(both, query, inBody reply, bothLeft, queryLeft, bodyLeft bool) {
	const id = questions.DeleteKey
	ruled := func(left bool, got reply) bool {
		return !left || got.rejected() || got.done() || got.status == http.StatusNotFound
	}
	switch {
	case !ruled(bothLeft, both) || !ruled(queryLeft, query) || !ruled(bodyLeft, inBody):
		w.unclear(id, "A DELETE is neither carried out nor refused: "+both.problem()+".")
	case both.status == http.StatusBadRequest && bothLeft && !queryLeft && bodyLeft:
		w.differs(id, "body-refused", "A DELETE with a body is refused.")
	case bothLeft:
		w.unclear(id, "The contact is still listed after its DELETE: "+both.problem()+".")
	case queryLeft && bodyLeft:
		w.differs(id, "", "A DELETE needs its key in query and body.")
	case bodyLeft:
		w.differs(id, "query-only", "A DELETE reads its key in the query alone.")
	case queryLeft:
		w.differs(id, "body-only", "A DELETE reads its key in the body alone.")
	default:
		w.asDecided(id, "A DELETE reads its key in query and body.")
	}
}

func (w *writer) deleteAnswer(got reply) {
	const id = questions.DeleteAnswer
	switch {
	case got.err != nil || got.status >= 400 || got.refused():
		w.unclear(id, got.problem())
	case got.status == http.StatusNoContent:
		w.differs(id, "no-content", "A DELETE is answered 204.")
	case len(got.body) == 0:
		w.differs(id, "empty", "A DELETE is answered without a body.")
	case object(got.body).text("leadId") != "":
		w.differs(id, "with-id", "A DELETE answers the id.")
	case !got.good():
		w.differs(id, "text", "A DELETE is answered with text that is no JSON.")
	default:
		w.asDecided(id, "A DELETE answers success.")
	}
}

func (w *writer) deleteMissing(got reply) {
	const id = questions.DeleteMissing
	switch {
	case got.err != nil:
		w.unclear(id, got.problem())
	case got.status >= 400 && got.status != http.StatusNotFound && got.status != http.StatusGone && !got.rejected():
		w.unclear(id, "A second DELETE: "+got.problem()+".") // the key, the pace or a fault: it says nothing of the record
	case got.status == http.StatusNotFound && got.isHTML():
		w.differs(id, "html", "A second DELETE is 404 with an HTML page.")
	case got.status == http.StatusNotFound:
		w.asDecided(id, "A second DELETE is 404.")
	case got.status == http.StatusNoContent:
		w.differs(id, "no-content", "A second DELETE is answered 204.")
	case got.refused():
		w.differs(id, "refused", "A second DELETE is refused with a falsy success.")
	case got.status < 300:
		w.differs(id, "success", "A second DELETE is answered with success.")
	default:
		w.differs(id, "", "A second DELETE: "+strings.ToLower(got.problem())+".")
	}
}
