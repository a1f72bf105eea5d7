package antcrmtest

import "cmp"

// specs says how each kind is kept. Every equality filter of the API is a posting here, so that a filtered list reads
// an index.
func specs() []spec {
	none := func(object) string { return "" }
	always := func(name string) func(object) string { return func(object) string { return name } }
	from := func(first int64) func(string) int64 { return func(string) int64 { return first } }
	created := []string{"createdAt"}
	return []spec{
		// The ids of the kinds begin a million apart, so that an id used in the wrong place is found nowhere.
		{kind: Contacts, code: 1, external: "customerIdApiRing", ids: contactIDField, firstID: firstContactID, find: findContact, created: created, stamped: true},
		{kind: Opportunities, code: 2, external: "opportunityIdApiRing", ids: always("number"), firstID: from(3000001), find: findOpportunity, created: created, stamped: true},
		{kind: Products, code: 3, external: "productIdApiRing", ids: none, find: findProduct},
		{kind: Tickets, code: 4, external: "ticketIdApiRing", ids: always("TicketId"), firstID: from(4000001), find: fields("TicketId", "ticketIdApiRing"), created: created, stamped: true},
		{kind: History, code: 5, ids: none, find: findHistory, created: created, stamped: false},
		{kind: PointCodes, code: 6, external: "code", ids: none, find: fields("code")},
		{kind: Gifts, code: 7, external: "code", ids: none, find: fields("code")},
		{kind: Segments, code: 8, external: "segmentId", ids: none, find: fields("segmentId", "member"), created: created},
		{kind: Telesales, code: 9, ids: none, find: findCampaignCall, created: created, stamped: true},
		{kind: Telecalls, code: 10, ids: none, find: findCampaignCall, created: []string{"callTime", "startTime", "createdAt"}, stamped: true},
		{kind: Campaigns, code: 11, ids: none, find: fields("_id"), created: created, stamped: true},
		{kind: Ratings, code: 12, ids: none, find: fields("type", "rating_score", "source"), created: []string{"rating_time", "createdAt"}},
		{kind: ZNSMessages, code: 13, ids: none, find: findZNS, created: created, stamped: true},
		{kind: Messages, code: 14, external: "sessionId", ids: none, find: fields("sessionId"), created: created, stamped: true},
	}
}

type finder = func(st *store, o object, add func(index, value string))

// fields finds a record by the text of some of its fields.
func fields(names ...string) finder {
	return func(_ *store, o object, add func(index, value string)) {
		for _, name := range names {
			add(name, o.text(name))
		}
	}
}

// findProduct takes a product without a type for a plain one, since records do not print it.
func findProduct(_ *store, o object, add func(index, value string)) {
	add("productIdApiRing", o.text("productIdApiRing"))
	add("code", o.text("code"))
	if kind := o.text("type"); kind != "" {
		add("type", kind)
		return
	}
	add("type", "product")
}

func contactIDField(o object) string {
	if o.text("contactType") == "customer" {
		return "customerId"
	}
	return "leadId"
}

func firstContactID(idField string) int64 {
	if idField == "customerId" {
		return 2000001
	}
	return 1000001
}

func findContact(_ *store, o object, add func(index, value string)) {
	for _, name := range []string{"leadId", "customerId", "customerIdApiRing", "contactType"} {
		add(name, o.text(name))
	}
	add("type", cmp.Or(o.text("type"), "0")) // a seeded contact may lack it
	eachValue(o.get("phones"), func(v string) { add("phone", v) })
	eachValue(o.get("emails"), func(v string) { add("email", v) })
}

// eachValue gives the texts of an array of {value} objects or of plain strings.
func eachValue(array []byte, yield func(string)) {
	elements, _ := splitArray(array)
	for _, e := range elements {
		if o, ok := splitObject(e); ok {
			yield(o.text("value"))
		} else if text, ok := scalarText(e); ok {
			yield(text)
		}
	}
}

// findOpportunity also finds an order by its customer's id when only the caller's own key of the customer was sent.
func findOpportunity(st *store, o object, add func(index, value string)) {
	add("number", o.text("number"))
	add("opportunityIdApiRing", o.text("opportunityIdApiRing"))
	add("phones", o.text("receiverPhone"))
	people, _ := splitArray(o.get("contacts"))
	if with := o.get("dealWith"); with != nil {
		people = append(people, with)
	}
	for _, p := range people {
		person, _ := splitObject(p)
		add("customerId", person.text("customerId"))
		eachValue(person.get("phones"), func(v string) { add("phones", v) })
		if key := person.text("customerIdApiRing"); key != "" {
			if r := st.kinds[Contacts].lookup("customerIdApiRing", key); r != nil {
				contact, _ := splitObject(r.raw)
				add("customerId", contact.text("customerId"))
			}
		}
	}
}

func findHistory(_ *store, o object, add func(index, value string)) {
	add("type", o.text("type"))
	add("code", o.text("code"))
	contact, _ := splitObject(o.get("contact"))
	eachValue(contact.get("phones"), func(v string) { add("phone", v) })
	eachValue(contact.get("emails"), func(v string) { add("email", v) })
}

// findCampaignCall finds telesales and telecalls. No page shows such a record; a campaign is named by its id, or
// embedded with one.
func findCampaignCall(_ *store, o object, add func(index, value string)) {
	add("campaignId", o.text("campaignId"))
	add("campaignId", o.text("campaign"))
	campaign, _ := splitObject(o.get("campaign"))
	add("campaignId", campaign.text("_id"))
	for _, name := range []string{"survey", "surveys", "surveyValues"} {
		if v := o.get(name); !isEmpty(v) && !(isBool(v) && v[0] == 'f') {
			add("survey", "true")
		}
	}
}

func findZNS(_ *store, o object, add func(index, value string)) {
	for _, name := range []string{"campaign", "campaignName", "campaignCode"} {
		add("campaign", o.text(name))
	}
	campaign, _ := splitObject(o.get("campaign"))
	add("campaign", campaign.text("name"))
	add("campaign", campaign.text("code"))
}
