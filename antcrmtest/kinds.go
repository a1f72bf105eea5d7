package antcrmtest

import (
	"math/big"
	"slices"
	"strings"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// idField answers with one field of the record.
func (c *config) idField(name string) func(o object) field {
	return func(o object) field { return c.printID(name, o) }
}

func (c *config) printID(name string, o object) field {
	text := o.text(name)
	if c.is(questions.IDType, "text") {
		return field{name, quoted(text)}
	}
	return field{name, numberOrString(text)}
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

func contactRules(cfg *config) []rule {
	return append(texts("industry bgInfo stage sourceContact responsibleStaff lastname dateOfBirth2 createdByBot"),
		rule{name: "name", required: true, check: anyText, empty: `""`},
		rule{name: "customerIdApiRing", required: true, check: code, empty: `""`},
		rule{name: "type", check: cfg.choice("0", "1"), empty: "0"},
		rule{name: "contactType", check: cfg.oneOf("lead", "customer"), empty: `"lead"`},
		rule{name: "gender", check: cfg.choice("2", "0", "1"), empty: "2"},
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

func contacts(cfg *config) *resource {
	return &resource{
		cfg:   cfg,
		kind:  Contacts,
		rules: contactRules(cfg),
		sent: strings.Fields("name customerIdApiRing type contactType dateOfBirth gender addresses phones emails industry im bgInfo stage tags " +
			"sourceContact responsibleStaff cusFields"),
		keys:  []string{"leadId", "customerId", "customerIdApiRing"},
		owned: []string{"_id", "leadId", "customerId", "scoreAvailable", "scoreRank", "rankName", "createdAt", "updatedAt"},
		fixed: []string{"type", "contactType"},
		preset: join(preset("contactType", `"lead"`), preset("type scoreAvailable scoreRank", "0"), preset("gender", "2"), preset("dateOfBirth", "null"),
			preset("addresses phones emails im tags cusFields", "[]"),
			preset("industry bgInfo stage sourceContact responsibleStaff rankName", `""`)),
		id:    func(o object) field { return cfg.printID(contactIDField(o), o) },
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

// orderExtras are what the newer page shows of an order and no write documents: kept as well, if a list can still show
// it.
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

func opportunities(cfg *config) *resource {
	return &resource{
		cfg:  cfg,
		kind: Opportunities,
		sent: strings.Fields("name receiverName opportunityIdApiRing dealByUsers dealWith receiverPhone receiverAddressObj groupPackage value " +
			"receiverNote description stage branch cusFields createdAt shipping_cost"),
		rules: opportunityRules(),
		keys:  []string{"number"},
		owned: []string{"_id", "number", "updatedAt"},
		fixed: []string{"createdAt"},
		preset: join(preset("description receiverPhone stage branch", `""`), preset("cusFields groupPackage", "[]"),
			preset("receiverAddressObj", "{}")),
		price: priceOrder,
		id:    cfg.idField("number"),
		stamp: true,
	}
}

// priceOrder sets the value of an order that came without one, as the vendor's page says the system does: the sum of
// its line items, less their discounts. An item without a price takes the product's.
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

func products(cfg *config) *resource {
	return &resource{
		cfg:  cfg,
		kind: Products,
		sent: strings.Fields("name code productIdApiRing value canEdit"),
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
		id:     cfg.idField("code"),
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

func tickets(cfg *config) *resource {
	return &resource{
		cfg:   cfg,
		kind:  Tickets,
		sent:  strings.Fields("title SLA contact ticketIdApiRing summary priority deal group category status resolutionTypeOb files cusFields"),
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
			return cfg.ticketContact(contact)
		},
		id: cfg.idField("TicketId"),
		put: func(o object) field {
			id := cfg.printID("TicketId", o)
			if !cfg.is(questions.TicketUpdateAnswer, "ticket-id") {
				id.name = "number"
			}
			return id
		},
		soft:  func(o *object) { o.set("isTicketDeleted", []byte("true")) },
		stamp: true,
	}
}

// ticketContact holds the id of a ticket's contact to the kind of id that the server wants.
func (c *config) ticketContact(contact object) *problem {
	id := contact.text("id")
	switch {
	case isEmpty(contact.get("id")), c.is(questions.TicketContactID, "unchecked"):
		return nil
	case c.is(questions.TicketContactID, "customer-id"):
		if !digits(id) {
			return &problem{"contact.id", "must be a customerId"}
		}
	case !objectID(id):
		return &problem{"contact.id", "must be the contact's object id, 24 hex digits"}
	}
	return nil
}

// objectID reports whether an id is 24 hex digits.
func objectID(id string) bool {
	return len(id) == 24 && strings.Trim(id, "0123456789abcdefABCDEF") == ""
}

// choice and oneOf hold a field to the documented values, unless the server takes others too or replaces them by the
// first.
func (c *config) choice(numbers ...string) check {
	return c.enumerated(choice(numbers...), []byte(numbers[0]))
}

func (c *config) oneOf(words ...string) check { return c.enumerated(oneOf(words...), quoted(words[0])) }

func (c *config) enumerated(documented check, fallback []byte) check {
	return func(v []byte) ([]byte, *problem) {
		kept, p := documented(v)
		_, scalar := scalarText(v)
		switch {
		case p == nil || !scalar:
		case c.is(questions.EnumeratedValues, "accepted"):
			return v, nil
		case c.is(questions.EnumeratedValues, "replaced"):
			return fallback, nil
		}
		return kept, p
	}
}
