package antcrmtest

import (
	"math/big"
	"net/http"
	"strconv"
	"strings"
)

// credit is one accumulation or redemption on its way into the history.
type credit struct {
	kind    Kind   // what the code is looked up in
	code    string // as sent
	phones  []string
	emails  []string
	worth   int64  // while nothing of the kind is seeded
	subject string // the field of the history that tells what the code stands for
}

// accumulate adds the points of a code to the contact with one of the phones or e-mails sent.
func accumulate(c *call) (answer, *failure) {
	o, f := c.object()
	if f != nil {
		return answer{}, f
	}
	person := listOf(func(v []byte) ([]byte, *problem) {
		if isObject(v) {
			return objectOf(rule{name: "value", required: true, check: anyText})(v)
		}
		return anyText(v)
	})
	data, f := loyaltyData(o, rule{name: "emails", check: person, empty: "[]"}, rule{name: "phones", check: person, empty: "[]"},
		rule{name: "name", check: anyText, empty: `""`})
	if f != nil {
		return answer{}, f
	}
	cr := credit{kind: PointCodes, code: o.text("code"), worth: c.srv.cfg.pointsPerCode, subject: "product"}
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

// book finds the contact and the code, moves the contact's points and writes the history. A redemption that the points do not cover is
// refused, and stands in the history as failed (status 0).
func (c *call) book(cr credit, sign int64) (answer, *failure) {
	if strings.Join(cr.phones, "")+strings.Join(cr.emails, "") == "" {
		return answer{}, refuse(&problem{"data", "must hold a phone or an e-mail"}, "")
	}
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	holder := st.contactOf(cr.phones, cr.emails)
	if holder == nil {
		return answer{}, notFound("data: no contact has one of these phones or e-mails")
	}
	subject, score, known := st.loyaltyCode(cr)
	if !known {
		return answer{}, badRequest("UNKNOWN_CODE", "code: is not among the seeded %s", cr.kind)
	}
	contact, _ := splitObject(holder.raw)
	available := decimal(contact.text("scoreAvailable"))
	covered := sign > 0 || available != nil && available.Cmp(score) >= 0
	c.wrote = true
	st.insert(History, st.historyEntry(cr, sign, score, covered, subject, contact))
	if !covered {
		return answer{}, &failure{status: http.StatusBadRequest, code: "NOT_ENOUGH_POINTS", field: "code",
			message: "code: the contact's points do not cover this gift"}
	}
	addTo(&contact, "scoreAvailable", new(big.Rat).Mul(score, big.NewRat(sign, 1)))
	if sign > 0 {
		addTo(&contact, "scoreRank", score)
	}
	contact.set("updatedAt", strconv.AppendInt(nil, st.millis(), 10))
	st.replace(Contacts, holder, contact)
	return done()
}

// contactOf finds the oldest contact with one of the phones, else with one of the e-mails.
func (st *store) contactOf(phones, emails []string) *record {
	for _, by := range []struct {
		index  string
		values []string
	}{{"phone", phones}, {"email", emails}} {
		for _, v := range by.values {
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
	switch {
	case c.query["type"] == "point":
		s.equal = []posting{{"type", "1"}}
	case c.query["type"] != "":
		return answer{}, badQuery("type", "must be point, or left out for redemptions")
	case !c.srv.cfg.mixedHistory:
		s.equal = []posting{{"type", "2"}}
	}
	c.equal(&s, "phone", "email")
	if f := c.between(&s, "createdAtRangeFrom", "createdAtRangeTo", epochs(), false); f != nil {
		return answer{}, f
	}
	if f := c.paging(&s, c.srv.cfg.pageSize, 0); f != nil {
		return answer{}, f
	}
	raws, _ := c.srv.store.page(History, s)
	return jsonAnswer(array(raws)), nil
}

// setSegment puts contacts into a segment. A contact is recognised by customerIdApiRing, else by a phone, else by an e-mail, and then
// updated; one that is not recognised is created. The same contact is in a segment once.
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
	for i := range members {
		p := segmentContact(&members[i])
		if p == nil {
			members[i], p = res.prepareMember(members[i])
		}
		if p != nil {
			return answer{}, refuse(p, "contacts["+strconv.Itoa(i)+"]")
		}
	}
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	for i, m := range members {
		if c.fault.leavesOut(i) {
			continue
		}
		c.wrote = true
		st.join(res, id, m)
	}
	return answer{contentType: "text/plain; charset=utf-8", body: []byte("Ok")}, nil
}

// segmentContact takes `phone`, which this endpoint's table prints, for `phones`, which every other page says. Sent both, they must agree.
func segmentContact(o *object) *problem {
	phone, phones := o.get("phone"), o.get("phones")
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
func (res *resource) prepareMember(o object) (object, *problem) {
	o.remove(res.owned...)
	if isEmpty(o.get("name")) {
		return nil, &problem{"name", "is required"}
	}
	p := apply(res.rules, &o, false)
	return o, p
}

func (st *store) join(res *resource, segment string, sent object) {
	var phones, emails []string
	eachValue(sent.get("phones"), func(v string) { phones = append(phones, v) })
	eachValue(sent.get("emails"), func(v string) { emails = append(emails, v) })
	r := st.kinds[Contacts].lookup("customerIdApiRing", sent.text("customerIdApiRing"))
	if r == nil && sent.text("customerIdApiRing") == "" {
		r = st.contactOf(phones, emails)
	}
	var stored object
	if r != nil {
		sent.remove(res.fixed...)
		stored = res.merge(st, r, sent)
	} else {
		_, stored = st.insert(Contacts, res.complete(sent))
	}
	member := segment + " " + stored.text("_id")
	if st.kinds[Segments].lookup("member", member) == nil {
		st.insert(Segments, object{{"segmentId", quoted(segment)}, {"member", quoted(member)},
			{"contact", stored.encode()}, {"createdAt", strconv.AppendInt(nil, st.millis(), 10)}})
	}
}
