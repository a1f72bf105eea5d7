package antcrmtest

import (
	"bytes"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// resource is what create, update, delete and the packages of contacts, opportunities, products and tickets have in common.
type resource struct {
	kind   Kind
	rules  []rule
	keys   []string                   // a PUT or DELETE names its record by exactly one of these
	owned  []string                   // fields that only the service writes: ignored in a create, refused in an update
	fixed  []string                   // fields that an update may not change
	preset []field                    // what a new record shows where nothing was sent
	check  func(o object) *problem    // what no single field can tell, on create
	price  func(st *store, o *object) // what the service adds to a new record, nil for nothing
	id     func(o object) field       // the id that a create answers
	put    func(o object) field       // the id that an update answers, nil for the same
	soft   func(o *object)            // marks a deleted record that stays, nil where deleted records go
	stamp  bool                       // updatedAt moves with each change
}

// prepare checks one body of a create and brings its values into the shape that records show.
func (res *resource) prepare(o object) (object, *problem) {
	o.remove(res.owned...)
	if p := apply(res.rules, &o, true); p != nil {
		return nil, p
	}
	if res.check != nil {
		if p := res.check(o); p != nil {
			return nil, p
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
	draft, p := res.prepare(o)
	if p != nil {
		return answer{}, refuse(p, "")
	}
	ids, f := res.commit(c, []object{draft})
	if f != nil {
		return answer{}, f
	}
	return jsonAnswer(object{{"success", []byte("1")}, ids[0]}.encode()), nil
}

// createPackage writes all records or, when one is wrong, none.
func (res *resource) createPackage(c *call) (answer, *failure) {
	objects, f := c.objects()
	if f != nil {
		return answer{}, f
	}
	for i, o := range objects {
		draft, p := res.prepare(o)
		if p != nil {
			return answer{}, refuse(p, "["+strconv.Itoa(i)+"]")
		}
		objects[i] = draft
	}
	ids, f := res.commit(c, objects)
	if f != nil {
		return answer{}, f
	}
	return packageAnswer(ids), nil
}

// packageAnswer groups ids by their field, in the order of the records: {"success":1,"leadId":[9457,9458]}.
func packageAnswer(ids []field) answer {
	o := object{{"success", []byte("1")}}
	for _, name := range []string{"leadId", "customerId", "number"} {
		var values [][]byte
		for _, id := range ids {
			if id.name == name {
				values = append(values, id.value)
			}
		}
		if values != nil {
			o = append(o, field{name, array(values)})
		}
	}
	return jsonAnswer(o.encode())
}

// commit writes prepared records in one step and returns their ids. A partial failure that was injected leaves some of them out.
func (res *resource) commit(c *call, drafts []object) ([]field, *failure) {
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if f := res.rejectDuplicates(c, drafts); f != nil {
		return nil, f
	}
	ids := make([]field, 0, len(drafts))
	for i, o := range drafts {
		if c.fault.leavesOut(i) {
			ids = c.fault.gap(ids, res.id(o))
			continue
		}
		c.wrote = true
		ids = append(ids, res.write(c, o))
	}
	return ids, nil
}

func (res *resource) rejectDuplicates(c *call, drafts []object) *failure {
	if c.srv.cfg.duplicates != DuplicatesRejected {
		return nil
	}
	kind := c.srv.store.kinds[res.kind]
	seen := map[string]bool{}
	for i, o := range drafts {
		key := o.text(kind.spec.external)
		if key == "" {
			continue
		}
		if seen[key] || kind.lookup(kind.spec.external, key) != nil {
			path := kind.spec.external
			if len(drafts) > 1 {
				path = fmt.Sprintf("[%d].%s", i, path)
			}
			return &failure{status: http.StatusConflict, code: "DUPLICATE", field: path, message: path + ": a record with this key is there already"}
		}
		seen[key] = true
	}
	return nil
}

// write keeps one prepared record, or updates the one with the same key where duplicates mean that.
func (res *resource) write(c *call, o object) field {
	st := c.srv.store
	if c.srv.cfg.duplicates == DuplicatesUpdated {
		external := st.kinds[res.kind].spec.external
		if r := st.kinds[res.kind].lookup(external, o.text(external)); r != nil {
			o.remove(res.fixed...)
			return res.id(res.merge(st, r, o))
		}
	}
	o = res.complete(o)
	if res.price != nil {
		res.price(st, &o)
	}
	_, o = st.insert(res.kind, o)
	return res.id(o)
}

// merge writes the fields that were sent over a record and leaves all others alone.
func (res *resource) merge(st *store, r *record, sent object) object {
	o, _ := splitObject(r.raw)
	o.setAll(sent)
	if res.stamp {
		o.set("updatedAt", strconv.AppendInt(nil, st.millis(), 10))
	}
	st.replace(res.kind, r, o)
	return o
}

// change is one checked update: which record, and what is written over it.
type change struct {
	key    posting
	fields object
}

func (res *resource) prepareUpdate(o object) (change, *problem) {
	key, p := res.oneKey(o)
	if p != nil {
		return change{}, p
	}
	o.remove(key.index)
	for _, f := range o {
		if contains(res.owned, f.name) || contains(res.fixed, f.name) {
			return change{}, &problem{f.name, "cannot be changed by an update"}
		}
	}
	if p := apply(res.rules, &o, false); p != nil {
		return change{}, p
	}
	return change{key, o}, nil
}

// oneKey finds the one field that names a record.
func (res *resource) oneKey(o object) (posting, *problem) {
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

func (res *resource) update(c *call) (answer, *failure) {
	o, f := c.object()
	if f != nil {
		return answer{}, f
	}
	ch, p := res.prepareUpdate(o)
	if p != nil {
		return answer{}, refuse(p, "")
	}
	ids, f := res.commitUpdates(c, []change{ch})
	if f != nil {
		return answer{}, f
	}
	return jsonAnswer(object{{"success", []byte("1")}, ids[0]}.encode()), nil
}

// updatePackage writes all changes or, when one is wrong, none.
func (res *resource) updatePackage(c *call) (answer, *failure) {
	objects, f := c.objects()
	if f != nil {
		return answer{}, f
	}
	changes := make([]change, len(objects))
	for i, o := range objects {
		ch, p := res.prepareUpdate(o)
		if p != nil {
			return answer{}, refuse(p, "["+strconv.Itoa(i)+"]")
		}
		changes[i] = ch
	}
	ids, f := res.commitUpdates(c, changes)
	if f != nil {
		return answer{}, f
	}
	return packageAnswer(ids), nil
}

func (res *resource) commitUpdates(c *call, changes []change) ([]field, *failure) {
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	found := make([]*record, len(changes))
	for i, ch := range changes {
		if found[i] = st.kinds[res.kind].lookup(ch.key.index, ch.key.value); found[i] == nil {
			prefix := ""
			if len(changes) > 1 {
				prefix = fmt.Sprintf("[%d].", i)
			}
			return nil, notFound("%s%s: no such record among the %s", prefix, ch.key.index, res.kind)
		}
	}
	ids := make([]field, 0, len(changes))
	for i, ch := range changes {
		if c.fault.leavesOut(i) {
			ids = c.fault.gap(ids, res.id(ch.fields))
			continue
		}
		c.wrote = true
		o := res.merge(st, found[i], ch.fields)
		id := res.id(o)
		if res.put != nil {
			id = res.put(o)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// remove deletes by the one key of the query, the body, or both.
func (res *resource) remove(c *call) (answer, *failure) {
	key, f := res.deleteKey(c)
	if f != nil {
		return answer{}, f
	}
	st := c.srv.store
	st.mu.Lock()
	defer st.mu.Unlock()
	r := st.kinds[res.kind].lookup(key.index, key.value)
	if r == nil {
		return answer{}, notFound("%s: no such record among the %s", key.index, res.kind)
	}
	c.wrote = true
	if res.soft == nil {
		st.remove(res.kind, r)
		return done()
	}
	o, _ := splitObject(r.raw)
	res.soft(&o)
	o.set("updatedAt", strconv.AppendInt(nil, st.millis(), 10))
	st.replace(res.kind, r, o)
	st.hide(res.kind, r)
	return done()
}

func (res *resource) deleteKey(c *call) (posting, *failure) {
	fromQuery, fromBody := object{}, object{}
	if c.srv.cfg.deleteKey != DeleteKeyInBody {
		for _, name := range res.keys {
			if value, ok := c.query[name]; ok {
				fromQuery.set(name, quoted(value))
			}
		}
	}
	if c.srv.cfg.deleteKey != DeleteKeyInQuery && len(bytes.TrimSpace(c.body)) > 0 {
		o, f := c.object()
		if f != nil {
			return posting{}, f
		}
		fromBody = o
	}
	var keys []posting
	for _, o := range []object{fromQuery, fromBody} {
		if len(o) == 0 {
			continue
		}
		key, p := res.oneKey(o)
		if p != nil {
			return posting{}, refuse(p, "")
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return posting{}, badRequest("FIELD_REQUIRED", "the query or the body must hold exactly one of %s", strings.Join(res.keys, ", "))
	case len(keys) == 2 && keys[0] != keys[1]:
		return posting{}, badRequest("KEYS_DISAGREE", "the query and the body name different records")
	}
	return keys[0], nil
}

// idField answers with one field of the record.
func idField(name string) func(o object) field {
	return func(o object) field {
		return field{name, numberOrString(o.text(name))}
	}
}

func preset(names string, value string) []field {
	var fields []field
	for name := range strings.FieldsSeq(names) {
		fields = append(fields, field{name, []byte(value)})
	}
	return fields
}

func join(parts ...[]field) []field {
	var all []field
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// texts makes a rule of each name: an optional string.
func texts(names string) []rule {
	var rules []rule
	for name := range strings.FieldsSeq(names) {
		rules = append(rules, rule{name: name, check: anyText, empty: `""`})
	}
	return rules
}

// identifiers makes a rule of each name: an optional string or number.
func identifiers(names string) []rule {
	var rules []rule
	for name := range strings.FieldsSeq(names) {
		rules = append(rules, rule{name: name, check: identifier, empty: `""`})
	}
	return rules
}

func contactRules() []rule {
	return append(texts("industry bgInfo stage sourceContact responsibleStaff lastname dateOfBirth2 createdByBot"),
		rule{name: "name", required: true, check: anyText, empty: `""`},
		rule{name: "customerIdApiRing", required: true, check: code, empty: `""`},
		rule{name: "type", check: choice("0", "1"), empty: "0"},
		rule{name: "contactType", check: oneOf("lead", "customer"), empty: `"lead"`},
		rule{name: "gender", check: choice("2", "0", "1"), empty: "2"},
		rule{name: "dateOfBirth", check: anyText, empty: "null"},
		rule{name: "addresses", check: listOf(address()), empty: "[]"},
		rule{name: "phones", check: contactPoints(), empty: "[]"},
		rule{name: "emails", check: contactPoints(), empty: "[]"},
		rule{name: "im", check: listOf(objectOf(rule{name: "protocol", check: anyText}, rule{name: "value", check: anyText})), empty: "[]"},
		rule{name: "tags", check: tagList, empty: "[]"},
		rule{name: "cusFields", check: customFields(), empty: "[]"},
		// What records show and no write documents is kept as well, if a list can still show it.
		rule{name: "id", check: identifier, empty: `""`},
		rule{name: "sourceLead", check: objectOf(append(identifiers("_id code"), rule{name: "name", check: anyText})...), empty: "null"},
		rule{name: "historiesAds", check: listOf(objectOf(identifiers("_id fb_ads_id fb_post_id createdAt")...)), empty: "[]"},
	)
}

func contacts() *resource {
	return &resource{
		kind:  Contacts,
		rules: contactRules(),
		keys:  []string{"leadId", "customerId", "customerIdApiRing"},
		owned: []string{"_id", "leadId", "customerId", "scoreAvailable", "scoreRank", "rankName", "createdAt", "updatedAt"},
		fixed: []string{"type", "contactType"},
		preset: join(preset("contactType", `"lead"`), preset("type scoreAvailable scoreRank", "0"), preset("gender", "2"), preset("dateOfBirth", "null"),
			preset("addresses phones emails im tags cusFields", "[]"),
			preset("industry bgInfo stage sourceContact responsibleStaff rankName", `""`)),
		id: func(o object) field {
			name := contactIDField(o)
			return field{name, numberOrString(o.text(name))}
		},
		stamp: true,
	}
}

func lineItems() check {
	return listOf(objectOf(
		rule{name: "name", check: anyText}, rule{name: "quantity", check: amount}, rule{name: "typeDiscount", check: choice("0", "1")},
		rule{name: "discount", check: amount}, rule{name: "value", check: amount}, rule{name: "productIdApiRing", check: identifier},
		rule{name: "note", check: anyText}, rule{name: "code", check: identifier},
	))
}

func opportunityRules() []rule {
	return append(append(texts("receiverPhone receiverNote description stage branch"), orderExtras()...),
		rule{name: "name", required: true, check: anyText, empty: `""`},
		rule{name: "receiverName", required: true, check: anyText, empty: `""`},
		rule{name: "opportunityIdApiRing", check: code, empty: `""`},
		rule{name: "dealByUsers", check: listOf(anyText), empty: "[]"},
		rule{name: "dealWith", check: objectOf(rule{name: "customerId", check: identifier}, rule{name: "name", check: anyText},
			rule{name: "phones", check: contactPoints()}, rule{name: "customerIdApiRing", check: identifier}), empty: "{}"},
		rule{name: "receiverAddressObj", check: address(), empty: "{}"},
		rule{name: "groupPackage", check: lineItems(), empty: "[]"},
		rule{name: "value", check: number, empty: "0"},
		rule{name: "cusFields", check: customFields(), empty: "[]"},
		rule{name: "createdAt", check: milliseconds, empty: `""`},
		rule{name: "shipping_cost", check: number, empty: "0"},
	)
}

// orderExtras are what the newer page shows of an order and no write documents: kept as well, if a list can still show it.
func orderExtras() []rule {
	rules := slices.Concat(texts("normalize status currency"), identifiers("dealId typeDiscount deferredDate timeDelivery"))
	for _, name := range []string{"contacts", "coupons", "package", "files"} {
		rules = append(rules, rule{name: name, check: listOf(anyValue), empty: "[]"})
	}
	for _, name := range []string{"discount", "quantity", "totalPayment"} {
		rules = append(rules, rule{name: name, check: amount, empty: "0"})
	}
	for _, name := range []string{"canEdit", "inActive", "isCreatedByConvertLead", "isSampleData"} {
		rules = append(rules, rule{name: name, check: anyBool, empty: "false"})
	}
	people := objectOf(rule{name: "users", check: listOf(anyValue)}, rule{name: "groups", check: listOf(anyValue)})
	return append(rules, rule{name: "dealBy", check: people, empty: "null"})
}

func opportunities() *resource {
	return &resource{
		kind:  Opportunities,
		rules: opportunityRules(),
		keys:  []string{"number"},
		owned: []string{"_id", "number", "updatedAt"},
		fixed: []string{"createdAt"},
		preset: join(preset("description receiverPhone stage branch", `""`), preset("cusFields groupPackage", "[]"),
			preset("receiverAddressObj", "{}")),
		price: priceOrder,
		id:    idField("number"),
		stamp: true,
	}
}

// priceOrder sets the value of an order that came without one, as the vendor's page says the system does: the sum of its line items, less
// their discounts. An item without a price takes the product's.
func priceOrder(st *store, o *object) {
	if o.text("createdAt") == "" {
		o.remove("createdAt")
	}
	if !isEmpty(o.get("value")) {
		return
	}
	sum := new(big.Rat)
	items, _ := splitArray(o.get("groupPackage"))
	for _, raw := range items {
		item, _ := splitObject(raw)
		price := decimal(item.text("value"))
		if price == nil {
			price = productPrice(st, item)
		}
		quantity := decimal(item.text("quantity"))
		if quantity == nil {
			quantity = big.NewRat(1, 1)
		}
		total := new(big.Rat).Mul(price, quantity)
		if discount := decimal(item.text("discount")); discount != nil {
			if item.text("typeDiscount") == "1" {
				discount = discount.Mul(total, discount).Quo(discount, big.NewRat(100, 1))
			}
			total.Sub(total, discount)
		}
		sum.Add(sum, total)
	}
	o.set("value", []byte(decimalText(sum)))
}

func productPrice(st *store, item object) *big.Rat {
	for _, key := range []string{"productIdApiRing", "code"} {
		if r := st.kinds[Products].lookup(key, item.text(key)); r != nil {
			product, _ := splitObject(r.raw)
			if price := decimal(product.text("value")); price != nil {
				return price
			}
		}
	}
	return new(big.Rat)
}

func products() *resource {
	return &resource{
		kind: Products,
		rules: []rule{
			{name: "name", required: true, check: anyText, empty: `""`},
			{name: "code", required: true, check: code, empty: `""`},
			{name: "productIdApiRing", required: true, check: code, empty: `""`},
			{name: "value", check: numericText, empty: `""`},
			{name: "canEdit", check: anyBool, empty: "false"},
		},
		keys:   []string{"productIdApiRing"},
		owned:  []string{"_id"},
		preset: preset("value", `""`),
		id:     idField("code"),
	}
}

func ticketRules() []rule {
	return append(texts("summary priority group category status resolutionTypeOb assignedTo"),
		rule{name: "title", required: true, check: anyText, empty: `""`},
		rule{name: "SLA", required: true, check: anyText, empty: `""`},
		rule{name: "contact", required: true, check: objectOf(rule{name: "id", check: identifier}, rule{name: "name", check: anyText},
			rule{name: "emails", check: contactPoints()}, rule{name: "phones", check: contactPoints()}), empty: "{}"},
		rule{name: "ticketIdApiRing", check: code, empty: `""`},
		rule{name: "deal", check: anyObject, empty: "{}"},
		rule{name: "files", check: listOf(anyValue), empty: "[]"},
		rule{name: "cusFields", check: customFields(), empty: "[]"},
	)
}

func tickets() *resource {
	return &resource{
		kind:  Tickets,
		rules: ticketRules(),
		keys:  []string{"TicketId"},
		owned: []string{"_id", "TicketId", "isTicketDeleted", "createdAt", "updatedAt"},
		preset: join(preset("assignedTo group category resolutionTypeOb summary", `""`), preset("cusFields files", "[]"),
			preset("deal", "{}"), preset("priority", `"Medium"`), preset("status", `"New"`)),
		check: func(o object) *problem {
			contact, _ := splitObject(o.get("contact"))
			if isEmpty(contact.get("id")) && isEmpty(contact.get("name")) {
				return &problem{"contact", "must hold an id, or a name with e-mails or phones"}
			}
			return nil
		},
		id:    idField("TicketId"),
		put:   func(o object) field { return field{"number", numberOrString(o.text("TicketId"))} },
		soft:  func(o *object) { o.set("isTicketDeleted", []byte("true")) },
		stamp: true,
	}
}
