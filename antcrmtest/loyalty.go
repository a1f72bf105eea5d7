package antcrmtest

import (
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// credit is one accumulation or redemption on its way into the history.
type credit struct {
	kind    Kind   // what the code is looked up in
	code    string // as sent
	phones  []string
	emails  []string
	worth   int64  // while nothing of the kind is seeded
	subject string // the field of the history that tells what the code stands for
	name    string // of the person
}

// accumulate adds the points of a code to the contact with one of the phones or e-mails sent.
func accumulate(c *call) (answer, *failure) {
	o, f := c.object()
	if f != nil {
		return answer{}, f
	}
	data, f := loyaltyData(o, rule{name: "emails", check: contactPoints(), empty: "[]"}, rule{name: "phones", check: contactPoints(), empty: "[]"},
		rule{name: "name", check: anyText, empty: `""`})
	if f != nil {
		return answer{}, f
	}
	cr := credit{kind: PointCodes, code: o.text("code"), worth: c.srv.cfg.pointsPerCode, subject: "product", name: data.text("name")}
	eachValue(data.get("phones"), func(v string) { cr.phones = append(cr.phones, v) })
	eachValue(data.get("emails"), func(v string) { cr.emails = append(cr.emails, v) })
	return c.book(cr, 1)
}

// redeem takes the price of a gift from the contact with the phone or e-mail sent.
func redeem(c *call) (answer, *failure) {
	o, f := c.object()
	if f != nil {
		return answer{}, f
	}
	data, f := loyaltyData(o, rule{name: "email", check: anyText, empty: `""`}, rule{name: "phone", check: anyText, empty: `""`})
	if f != nil {
		return answer{}, f
	}
	cr := credit{kind: Gifts, code: o.text("code"), worth: c.srv.cfg.giftCost, subject: "gift",
		phones: []string{data.text("phone")}, emails: []string{data.text("email")}}
	return c.book(cr, -1)
}

// loyaltyData checks {code, data} and returns data.
func loyaltyData(o object, rules ...rule) (object, *failure) {
	body := []rule{{name: "code", required: true, check: code}, {name: "data", required: true, check: objectOf(rules...)}}
	if p := apply(body, &o, true); p != nil {
		return nil, refuse(p, "")
	}
	data, _ := splitObject(o.get("data"))
	return data, nil
}

// book finds the contact and the code, moves the contact's points and writes the history. A redemption that the points
// do not cover is refused, and stands in the history as failed (status 0).
func (c *call) book(cr credit, sign int64) (answer, *failure) {
	if strings.Join(cr.phones, "")+strings.Join(cr.emails, "") == "" {
		return answer{}, refuse(&problem{"data", "must hold a phone or an e-mail"}, "")
	}
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	holder := st.contactOf(&c.srv.cfg, cr.phones, cr.emails)
	if holder == nil {
		holder = c.unknownPerson(cr, sign)
	}
	switch {
	case holder == nil && sign > 0 && c.srv.cfg.is(questions.AccumulateUnknown, "ignored"):
		return c.done()
	case holder == nil:
		return answer{}, notFound("data: no contact has one of these phones or e-mails")
	case sign > 0 && c.srv.cfg.is(questions.AccumulateRepeat, "refused") && st.accumulated(cr.code):
		return answer{}, badRequest("CODE_USED", "code: was accumulated before")
	case sign > 0 && c.srv.cfg.is(questions.AccumulateRepeat, "ignored") && st.accumulated(cr.code):
		return c.done()
	}
	subject, score, known := st.loyaltyCode(cr)
	if !known {
		return answer{}, badRequest("UNKNOWN_CODE", "code: is not among the seeded %s", cr.kind)
	}
	contact, _ := splitObject(holder.raw)
	available := decimal(contact.text("scoreAvailable"))
	covered := sign > 0 || available != nil && available.Cmp(score) >= 0
	_, entry := st.insert(History, st.historyEntry(cr, sign, score, covered, subject, contact))
	c.note(Change{Kind: History, Action: Created}, entry)
	if !covered {
		return answer{}, &failure{status: http.StatusBadRequest, code: "NOT_ENOUGH_POINTS", field: "code",
			message: "code: the contact's points do not cover this gift"}
	}
	c.movePoints(holder, contact, score, sign)
	return c.done()
}

// movePoints adds points to a contact, or takes them off. Points that were spent still count for the rank.
func (c *call) movePoints(holder *record, contact object, score *big.Rat, sign int64) {
	points := new(big.Rat).Mul(score, big.NewRat(sign, 1))
	addTo(&contact, "scoreAvailable", points)
	if sign > 0 {
		addTo(&contact, "scoreRank", score)
	}
	st := c.srv.store
	contact.set("updatedAt", strconv.AppendInt(nil, st.millis(), 10))
	st.replace(Contacts, holder, contact)
	c.note(Change{Kind: Contacts, Action: Updated, Points: decimalText(points)}, contact)
}

// unknownPerson makes a contact for points of a person whom nobody knows, where the server does that.
func (c *call) unknownPerson(cr credit, sign int64) *record {
	if sign < 0 || !c.srv.cfg.is(questions.AccumulateUnknown, "created") {
		return nil
	}
	fields := object{{"name", quoted(cr.name)}}
	for name, values := range map[string][]string{"phones": cr.phones, "emails": cr.emails} {
		var points [][]byte
		for _, v := range values {
			points = append(points, object{{"type", []byte(`"Work"`)}, {"value", quoted(v)}}.encode())
		}
		fields.set(name, array(points))
	}
	r, o := c.srv.store.insert(Contacts, c.srv.contacts.complete(fields))
	c.note(Change{Kind: Contacts, Action: Created}, o)
	return r
}

// accumulated reports whether points were booked under that code before.
func (st *store) accumulated(code string) bool {
	l := st.kinds[History].index[posting{"code", code}]
	return l != nil && slices.ContainsFunc(l.live(), func(r *record) bool { return r.has(posting{"type", "1"}) })
}

// contactOf finds the oldest contact with one of the phones, else with one of the e-mails.
func (st *store) contactOf(cfg *config, phones, emails []string) *record {
	for _, by := range []struct {
		index  string
		values []string
	}{{"phone", phones}, {"email", emails}} {
		for _, v := range by.values {
			if by.index == "phone" {
				v = cfg.phoneSought(v)
			}
			if r := st.kinds[Contacts].lookup(by.index, v); r != nil {
				return r
			}
		}
	}
	return nil
}

// loyaltyCode tells what a code stands for. While nothing is seeded every code is good.
func (st *store) loyaltyCode(cr credit) (subject object, score *big.Rat, known bool) {
	codes := st.kinds[cr.kind]
	r := codes.lookup("code", cr.code)
	if r == nil {
		return object{{"code", quoted(cr.code)}, {"name", []byte(`""`)}}, big.NewRat(cr.worth, 1), len(codes.all.live()) == 0
	}
	o, _ := splitObject(r.raw)
	if score = decimal(o.text("score")); score == nil {
		score = big.NewRat(cr.worth, 1)
	}
	if inner, ok := splitObject(o.get(cr.subject)); ok {
		return inner, score, true
	}
	id := o.get("_id")
	o.remove("_id")
	o.set("id", id)
	return o, score, true
}

func (st *store) historyEntry(cr credit, sign int64, score *big.Rat, covered bool, subject, contact object) object {
	kind, status := "1", "1"
	if sign < 0 {
		kind = "2"
	}
	if !covered {
		status = "0"
	}
	if subject.get("score") == nil && sign < 0 {
		subject.set("score", []byte(decimalText(score)))
	}
	holder := object{}
	for _, name := range []string{"phones", "emails", "name", "lastname", "leadId", "customerId"} {
		if v := contact.get(name); v != nil {
			holder.set(name, v)
		}
	}
	holder.set("id", contact.get("_id"))
	return object{
		{"type", []byte(kind)}, {"score", []byte(decimalText(score))}, {"status", []byte(status)},
		{cr.subject, subject.encode()}, {"contact", holder.encode()}, {"code", quoted(cr.code)},
		{"createdAt", strconv.AppendInt(nil, st.millis(), 10)},
	}
}

// history lists accumulations (type=point) or, without a type, redemptions.
func history(c *call) (answer, *failure) {
	var s selection
	cfg := &c.srv.cfg
	switch {
	case c.query["type"] != "" && c.query["type"] != "point":
		return answer{}, badQuery("type", "must be point, or left out for redemptions")
	case c.query["type"] == "point":
		if !cfg.is(questions.AccumulationList, "mixed") {
			s.equal = []posting{{"type", "1"}}
		}
	case !cfg.is(questions.RedemptionList, "mixed"):
		s.equal = []posting{{"type", "2"}}
	}
	c.byPhone(&s, "phone")
	c.equal(&s, "email")
	if f := c.between(&s, "createdAtRangeFrom", "createdAtRangeTo", epochs(), false); f != nil {
		return answer{}, f
	}
	return c.plainList(History, s)
}

// setSegment puts contacts into a segment. A contact is recognised by customerIdApiRing, else by a phone, else by an
// e-mail, and then updated; one that is not recognised is created. The same contact is in a segment once.
func setSegment(c *call) (answer, *failure) {
	o, f := c.object()
	if f != nil {
		return answer{}, f
	}
	id := o.text("segmentId")
	if id == "" {
		return answer{}, missingField("segmentId")
	}
	elements, ok := splitArray(o.get("contacts"))
	if !ok {
		return answer{}, badField("contacts", "must be an array of contacts")
	}
	members, f := batch(elements, "contacts")
	if f != nil {
		return answer{}, f
	}
	res := c.srv.contacts
	refusals := make([]*failure, len(members))
	for i := range members {
		p := segmentContact(&c.srv.cfg, &members[i])
		if p == nil {
			members[i], p = res.prepareMember(c, members[i])
		}
		refusals[i] = refuse(p, "contacts["+strconv.Itoa(i)+"]")
	}
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	plan := c.plan(refusals)
	for i, m := range members {
		if !c.fault.leavesOut(i) && plan.writes(i) {
			c.join(res, i, id, m)
		}
	}
	if plan.answer != nil {
		return answer{}, plan.answer
	}
	return c.segmentAnswer()
}

// segmentAnswer is the text Ok, or what another server says.
func (c *call) segmentAnswer() (answer, *failure) {
	switch c.srv.cfg.answers[questions.SetContactAnswer] {
	case "json-string":
		return jsonAnswer([]byte(`"Ok"`)), nil
	case "write-answer":
		return c.done()
	case "lower-case":
		return textAnswer("ok"), nil
	case "no-content":
		return noContent()
	case "object":
		return jsonAnswer([]byte(`{"message":"Ok"}`)), nil
	}
	return textAnswer("Ok"), nil
}

// segmentContact takes `phone`, which this endpoint's table prints, for `phones`, which every other page says. Sent
// both, they must agree.
func segmentContact(cfg *config, o *object) *problem {
	phone, phones := o.get("phone"), o.get("phones")
	switch cfg.answers[questions.SetContactPhones] {
	case "phone-only":
		o.remove("phones")
		phones = nil
	case "phones-only":
		o.remove("phone")
		return nil
	case "phone-refused":
		if phone != nil {
			return &problem{"phone", "is not known"}
		}
	}
	if phone == nil {
		return nil
	}
	if phones != nil && string(phones) != string(phone) {
		return &problem{"phone", "differs from phones"}
	}
	o.remove("phone")
	o.set("phones", phone)
	return nil
}

// prepareMember is prepare without a key of the caller's: only the name is required here.
func (res *resource) prepareMember(c *call, o object) (object, *problem) {
	o.remove(res.owned...)
	if isEmpty(o.get("name")) {
		return o, &problem{"name", "is required"}
	}
	if p := res.asSent(c, &o, true); p != nil {
		return o, p
	}
	p := apply(res.rules, &o, false)
	return o, p
}

// join puts one contact into a segment; a contact that nobody knows is created.
func (c *call) join(res *resource, place int, segment string, sent object) {
	st := c.srv.store
	var stored object
	if r := c.member(sent); r != nil {
		sent.remove(res.fixed...)
		stored = res.merge(c, place, r, sent)
	} else {
		_, stored = st.insert(Contacts, res.complete(sent))
		c.note(Change{Kind: Contacts, Action: Created, Place: place}, stored)
	}
	member := segment + " " + stored.text("_id")
	if st.kinds[Segments].lookup("member", member) == nil {
		_, o := st.insert(Segments, object{{"segmentId", quoted(segment)}, {"member", quoted(member)},
			{"contact", stored.encode()}, {"createdAt", strconv.AppendInt(nil, st.millis(), 10)}})
		c.note(Change{Kind: Segments, Action: Created, Place: place}, o)
	}
}

// member finds the contact that is there already.
func (c *call) member(sent object) *record {
	st, how := c.srv.store, c.srv.cfg.answers[questions.SetContactMatch]
	if how == "always-new" {
		return nil
	}
	key := sent.text("customerIdApiRing")
	if r := st.kinds[Contacts].lookup("customerIdApiRing", key); r != nil || key != "" || how == "key-only" {
		return r
	}
	var phones, emails []string
	eachValue(sent.get("phones"), func(v string) { phones = append(phones, v) })
	eachValue(sent.get("emails"), func(v string) { emails = append(emails, v) })
	return st.contactOf(&c.srv.cfg, phones, emails)
}
