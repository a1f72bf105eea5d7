package antcrmtest

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// resource is what create, update, delete and the packages of contacts, opportunities, products and tickets have in
// common.
type resource struct {
	cfg    *config
	kind   Kind
	rules  []rule
	keys   []string                   // a PUT or DELETE names its record by exactly one of these
	owned  []string                   // fields that only the service writes: ignored in a create, refused in an update
	fixed  []string                   // fields that an update may not change
	sent   []string                   // fields that the pages document for writes
	preset []field                    // what a new record shows where nothing was sent
	check  func(o object) *problem    // what no single field can tell, on create
	price  func(st *store, o *object) // computes the amount of a record that has none, nil for nothing
	id     func(o object) field       // the id that a create answers
	put    func(o object) field       // the id that an update answers, nil for the same
	soft   func(o *object)            // marks a deleted record that stays, nil where deleted records go
	stamp  bool                       // updatedAt moves with each change
}

// external is the field of the caller's own key.
func (res *resource) external(st *store) string { return st.kinds[res.kind].spec.external }

// draft is one record of a create on its way into the store, or the reason why it does not get there.
type draft struct {
	fields  object
	refusal *failure
}

// prepare checks one body of a create and brings its values into the shape that records show.
func (res *resource) prepare(c *call, o object) (object, *problem) {
	o.remove(res.owned...)
	if p := res.asSent(c, &o, true); p != nil {
		return o, p
	}
	if p := apply(res.rules, &o, true); p != nil {
		return o, p
	}
	if res.check != nil {
		if p := res.check(o); p != nil {
			return o, p
		}
	}
	return o, nil
}

// complete adds what a new record shows where nothing was sent.
func (res *resource) complete(o object) object {
	for _, f := range res.preset {
		if o.get(f.name) == nil {
			o = append(o, f)
		}
	}
	return o
}

// refuse turns a problem into the answer; prefix is the place in a package.
func refuse(p *problem, prefix string) *failure {
	if p == nil {
		return nil
	}
	if prefix != "" {
		p = p.within(prefix)
	}
	if p.path == "" {
		return badRequest("INVALID_BODY", "the body %s", p.rule)
	}
	f := badField(p.path, p.rule)
	if p.rule == "is required" {
		f.code = "FIELD_REQUIRED"
	}
	return f
}

func (res *resource) create(c *call) (answer, *failure) {
	o, f := c.object()
	if f != nil {
		return answer{}, f
	}
	fields, p := res.prepare(c, o)
	ids, f := res.commit(c, []draft{{fields, refuse(p, "")}})
	if f != nil {
		return answer{}, f
	}
	return c.created(ids[0])
}

// createPackage writes all records or, when one is wrong, what the server writes then.
func (res *resource) createPackage(c *call) (answer, *failure) {
	objects, f := c.objects()
	if f != nil {
		return answer{}, f
	}
	drafts := make([]draft, len(objects))
	for i, o := range objects {
		fields, p := res.prepare(c, o)
		drafts[i] = draft{fields, refuse(p, "["+strconv.Itoa(i)+"]")}
		if i > 0 && res.cfg.is(questions.PackageMixed, "refused") && res.id(fields).name != res.id(drafts[0].fields).name {
			return answer{}, badField("["+strconv.Itoa(i)+"].contactType", "differs from that of the first record")
		}
	}
	ids, f := res.commit(c, drafts)
	if f != nil {
		return answer{}, f
	}
	return c.packageAnswer(ids)
}

// packageAnswer groups ids by their field, in the order of the records: {"success":1,"leadId":[9457,9458]}.
func (c *call) packageAnswer(ids []field) (answer, *failure) {
	cfg := &c.srv.cfg
	c.shuffle(ids)
	o := cfg.success()
	for _, name := range []string{"leadId", "customerId", "number"} {
		var values [][]byte
		for _, id := range ids {
			key := id.name
			if cfg.is(questions.PackageMixed, "one-key") {
				key = ids[0].name
			}
			if key == name {
				values = append(values, id.value)
			}
		}
		if values != nil {
			o = append(o, field{name, array(values)})
		}
	}
	switch cfg.answers[questions.PackageAnswer] {
	case "lone-id":
		if len(ids) == 1 {
			o = append(cfg.success(), ids[0])
		}
	case "without-ids":
		o = cfg.success()
	case "objects":
		list := make([][]byte, len(ids))
		for i, id := range ids {
			list[i] = object{id}.encode()
		}
		return jsonAnswer(array(list)), nil
	case "bare-array":
		list := make([][]byte, len(ids))
		for i, id := range ids {
			list[i] = id.value
		}
		return jsonAnswer(array(list)), nil
	}
	return jsonAnswer(o.encode()), nil
}

// shuffle brings the ids of a package into the server's order: the same one in every run.
func (c *call) shuffle(ids []field) {
	n := len(ids)
	switch c.srv.cfg.answers[questions.PackageOrder] {
	case "reversed":
		for i := range n / 2 {
			ids[i], ids[n-1-i] = ids[n-1-i], ids[i]
		}
	case "shuffled":
		if n > 1 { // each moves by one place, so that no record keeps its own
			first := ids[0]
			copy(ids, ids[1:])
			ids[n-1] = first
		}
	}
}

// plan is what a server does with a package of which some records are refused.
type plan struct {
	writes func(i int) bool
	gap    []byte   // what stands among the ids for a refused record; nil for nothing
	answer *failure // nil to answer ids
}

// plan decides by the refusals of a package's records; a record without one is good.
func (c *call) plan(refusals []*failure) plan {
	first := -1
	for i, f := range refusals {
		if f != nil {
			first = i
			break
		}
	}
	if first < 0 {
		return plan{writes: func(int) bool { return true }}
	}
	before := func(i int) bool { return i < first }
	good := func(i int) bool { return refusals[i] == nil }
	f := refusals[first]
	alternative := c.srv.cfg.answers[questions.PackagePartial]
	if !c.end.batch {
		alternative = ""
	}
	switch alternative {
	case "written-then-refused":
		return plan{writes: before, answer: f}
	case "all-written-then-refused":
		return plan{writes: good, answer: f}
	case "written-then-success-false":
		f.shape = "success-false"
		return plan{writes: before, answer: f}
	case "stops-with-fewer-ids":
		return plan{writes: before}
	case "fewer-ids":
		return plan{writes: good}
	case "null-ids":
		return plan{writes: good, gap: []byte("null")}
	case "empty-ids":
		return plan{writes: good, gap: []byte(`""`)}
	case "zero-ids":
		return plan{writes: good, gap: []byte("0")}
	case "error-objects":
		return plan{writes: good, gap: object{{"error", quoted(f.message)}}.encode()}
	}
	return plan{writes: func(int) bool { return false }, answer: f}
}

// commit writes prepared records in one step and returns their ids. A partial failure that was injected leaves some of
// them out.
func (res *resource) commit(c *call, drafts []draft) ([]field, *failure) {
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	res.refuseDuplicates(st, drafts)
	refusals := make([]*failure, len(drafts))
	for i, d := range drafts {
		refusals[i] = d.refusal
	}
	p := c.plan(refusals)
	ids := make([]field, 0, len(drafts))
	for i, d := range drafts {
		switch {
		case c.fault.leavesOut(i):
			ids = c.fault.gap(ids, res.id(d.fields))
		case p.writes(i):
			ids = append(ids, res.write(c, i, d.fields))
		case p.gap != nil:
			ids = append(ids, field{res.id(d.fields).name, p.gap})
		}
	}
	return ids, p.answer
}

// refuseDuplicates refuses drafts whose own key is there already, or comes twice.
func (res *resource) refuseDuplicates(st *store, drafts []draft) {
	if !res.cfg.is(questions.DuplicateKey, "conflict", "refused") {
		return
	}
	external := res.external(st)
	seen := map[string]bool{}
	for i, d := range drafts {
		key := d.fields.text(external)
		if d.refusal != nil || key == "" {
			continue
		}
		if seen[key] || st.kinds[res.kind].lookup(external, key) != nil {
			path := external
			if len(drafts) > 1 {
				path = fmt.Sprintf("[%d].%s", i, path)
			}
			f := &failure{status: http.StatusConflict, code: "DUPLICATE", field: path, message: path + ": a record with this key is there already"}
			if res.cfg.is(questions.DuplicateKey, "refused") {
				f.shape = "success-zero"
			}
			drafts[i].refusal = f
		}
		seen[key] = true
	}
}

// write keeps one prepared record, or updates the one with the same key where duplicates mean that.
func (res *resource) write(c *call, place int, o object) field {
	st := c.srv.store
	if res.cfg.is(questions.DuplicateKey, "updated", "ignored") {
		external := res.external(st)
		if r := st.kinds[res.kind].lookup(external, o.text(external)); r != nil {
			if res.cfg.is(questions.DuplicateKey, "ignored") {
				stored, _ := splitObject(r.raw)
				return res.id(stored)
			}
			o.remove(res.fixed...)
			return res.id(res.merge(c, place, r, o))
		}
	}
	o = res.complete(o)
	if res.price != nil {
		if res.cfg.is(questions.OrderWithoutSum, "zero") && isEmpty(o.get("value")) {
			o.set("value", []byte("0"))
		}
		if isZero(o.get("value")) && res.cfg.is(questions.ClearAmount, "reprices") {
			o.remove("value")
		}
		res.price(st, &o)
	}
	_, o = st.insert(res.kind, o)
	c.note(Change{Kind: res.kind, Action: Created, Place: place}, o)
	return res.id(o)
}

// isZero reports whether a value is the amount 0.
func isZero(v []byte) bool {
	text, ok := scalarText(v)
	if !ok {
		return false
	}
	amount := decimal(text)
	return amount != nil && amount.Sign() == 0
}

// merge writes the fields that were sent over a record and leaves all others alone.
func (res *resource) merge(c *call, place int, r *record, sent object) object {
	st := c.srv.store
	o, _ := splitObject(r.raw)
	o.setAll(res.joined(o, sent))
	if res.price != nil && res.reprices(sent) {
		o.remove("value")
		res.price(st, &o)
	}
	if res.stamp {
		o.set("updatedAt", strconv.AppendInt(nil, st.millis(), 10))
	}
	st.replace(res.kind, r, o)
	c.note(Change{Kind: res.kind, Action: Updated, Place: place}, o)
	return o
}

// reprices reports whether an update changes the amount although it names none.
func (res *resource) reprices(sent object) bool {
	value := sent.get("value")
	if value == nil {
		return res.cfg.is(questions.UpdateReprices, "always") || res.cfg.is(questions.UpdateReprices, "with-items") && sent.get("groupPackage") != nil
	}
	return isZero(value) && res.cfg.is(questions.ClearAmount, "reprices")
}

// joined is what an update writes: its own arrays, or what a server makes of the old ones and them.
func (res *resource) joined(old, sent object) object {
	alternative, ok := res.cfg.answers[questions.UpdateArray]
	if !ok {
		return sent
	}
	out := make(object, len(sent))
	for i, f := range sent {
		before, _ := splitArray(old.get(f.name))
		after, isList := splitArray(f.value)
		if isList {
			all := before[:len(before):len(before)]
			for _, element := range after {
				if alternative == "appended" || !includesElement(before, element) {
					all = append(all, element)
				}
			}
			f.value = array(all)
		}
		out[i] = f
	}
	return out
}

// includesElement finds an element with the same value, or the same text.
func includesElement(elements [][]byte, element []byte) bool {
	for _, e := range elements {
		a, isObject := splitObject(e)
		b, _ := splitObject(element)
		if bytes.Equal(e, element) || isObject && a.text("value") != "" && a.text("value") == b.text("value") {
			return true
		}
	}
	return false
}

// change is one checked update: which record, and what is written over it.
type change struct {
	key     posting
	fields  object
	refusal *failure
}

func (res *resource) prepareUpdate(c *call, o object) (change, *problem) {
	key, p := res.oneKey(o, false)
	if p != nil {
		return change{}, p
	}
	o.remove(key.index)
	for _, f := range o {
		if contains(res.owned, f.name) || contains(res.fixed, f.name) {
			return change{}, &problem{f.name, "cannot be changed by an update"}
		}
	}
	if len(o) == 0 && res.cfg.is(questions.UpdateEmpty, "refused") {
		return change{}, wrong("must hold a field besides " + key.index)
	}
	if p := res.clearing(&o); p != nil {
		return change{}, p
	}
	if p := res.asSent(c, &o, false); p != nil {
		return change{}, p
	}
	if p := apply(res.rules, &o, false); p != nil {
		return change{}, p
	}
	return change{key: key, fields: o}, nil
}

// clearing looks at the empty values of an update, where the server does not clear by them.
func (res *resource) clearing(o *object) *problem {
	for _, f := range *o {
		question := questions.ClearText
		switch {
		case isString(f.value) && len(f.value) == 2:
		case isArray(f.value) && isEmpty(f.value):
			question = questions.ClearList
		default:
			continue
		}
		switch res.cfg.answers[question] {
		case "refused":
			return &problem{f.name, "must not be empty"}
		case "ignored":
			o.remove(f.name)
			return res.clearing(o)
		}
	}
	return nil
}

// oneKey finds the one field that names a record.
func (res *resource) oneKey(o object, fromQuery bool) (posting, *problem) {
	var found posting
	for _, name := range res.keys {
		value := o.get(name)
		if value == nil {
			continue
		}
		text, ok := scalarText(value)
		switch {
		case !ok || strings.TrimSpace(text) == "":
			return posting{}, &problem{name, "must be a string or a number that is not empty"}
		case found.index != "":
			return posting{}, &problem{name, "is given besides " + found.index + ": exactly one key may be"}
		case !fromQuery && isString(value) && digits(text) && res.cfg.is(questions.IDsSent, "numbers-only") && !strings.HasSuffix(name, "ApiRing"):
			return posting{}, &problem{name, "must be a number"}
		}
		found = posting{name, text}
	}
	if found.index == "" {
		if len(res.keys) == 1 {
			return posting{}, &problem{res.keys[0], "is required"}
		}
		return posting{}, wrong("must hold exactly one of " + strings.Join(res.keys, ", "))
	}
	return found, nil
}

// written is one update that was carried out.
type written struct {
	id     field
	record object // nil where there is none
}

func (res *resource) update(c *call) (answer, *failure) {
	o, f := c.object()
	if f != nil {
		return answer{}, f
	}
	ch, p := res.prepareUpdate(c, o)
	ch.refusal = refuse(p, "")
	done, f := res.commitUpdates(c, []change{ch})
	if f != nil {
		return answer{}, f
	}
	if len(done) == 0 { // success without an id
		return c.done()
	}
	return c.updated(done[0].id, done[0].record)
}

// updatePackage writes all changes or, when one is wrong, what the server writes then.
func (res *resource) updatePackage(c *call) (answer, *failure) {
	objects, f := c.objects()
	if f != nil {
		return answer{}, f
	}
	changes := make([]change, len(objects))
	for i, o := range objects {
		ch, p := res.prepareUpdate(c, o)
		ch.refusal = refuse(p, "["+strconv.Itoa(i)+"]")
		changes[i] = ch
	}
	done, f := res.commitUpdates(c, changes)
	if f != nil {
		return answer{}, f
	}
	ids := make([]field, len(done))
	for i, w := range done {
		ids[i] = w.id
	}
	return c.packageAnswer(ids)
}

func (res *resource) commitUpdates(c *call, changes []change) ([]written, *failure) {
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	found := make([]*record, len(changes))
	refusals := make([]*failure, len(changes))
	for i, ch := range changes {
		found[i] = st.kinds[res.kind].lookup(ch.key.index, ch.key.value)
		if refusals[i] = ch.refusal; ch.refusal == nil && found[i] == nil {
			refusals[i] = res.missing(ch.key, i, len(changes))
		}
	}
	p := c.plan(refusals)
	done := make([]written, 0, len(changes))
	for i, ch := range changes {
		switch {
		case c.fault.leavesOut(i):
			for _, gap := range c.fault.gap(nil, res.id(ch.fields)) {
				done = append(done, written{id: gap})
			}
		case p.writes(i):
			done = append(done, res.carryOut(c, i, ch, found[i])...)
		case p.gap != nil:
			done = append(done, written{id: field{res.id(ch.fields).name, p.gap}})
		}
	}
	return done, p.answer
}

// missing refuses an update of what is not there; nil where the server does something else.
func (res *resource) missing(key posting, place, of int) *failure {
	prefix := ""
	if of > 1 {
		prefix = fmt.Sprintf("[%d].", place)
	}
	switch res.cfg.answers[questions.UpdateMissing] {
	case "":
		return notFound("%s%s: no such record among the %s", prefix, key.index, res.kind)
	case "refused":
		f := badRequest("NOT_FOUND", "%s%s: no such record among the %s", prefix, key.index, res.kind)
		f.shape = "success-zero"
		return f
	}
	return nil
}

// carryOut writes one update. Without a record the server does what it does with a key that it does not know.
func (res *resource) carryOut(c *call, place int, ch change, r *record) []written {
	if r != nil {
		o := res.merge(c, place, r, ch.fields)
		id := res.id(o)
		if res.put != nil {
			id = res.put(o)
		}
		return []written{{id, res.cfg.print(res.kind, o)}}
	}
	switch res.cfg.answers[questions.UpdateMissing] {
	case "created":
		if ch.key.index == res.external(c.srv.store) {
			ch.fields.set(ch.key.index, quoted(ch.key.value))
		}
		return []written{{id: res.write(c, place, ch.fields)}}
	case "success-with-key":
		return []written{{id: field{ch.key.index, numberOrString(ch.key.value)}}}
	}
	return nil
}
