package matrixtest_test

import (
	"context"
	"errors"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

const objectID = "64db290a7796fe24bfe876a7"

func person(key string) antcrm.ContactCreateParams {
	return antcrm.ContactCreateParams{
		Name: "Người " + key, ExternalID: key, ContactType: antcrm.ContactTypeCustomer, Tags: antcrm.Tags{"VIP", "mới"}, Stage: "Khách quen",
		Phones:    []antcrm.Phone{{Type: "Work", Value: "+84900" + key}},
		Addresses: []antcrm.Address{{City: "Đà Lạt"}},
	}
}

func createContact(ctx context.Context, w *world) {
	ref, err := w.crm.Contacts.Create(ctx, person("101"))
	w.created("create contact", antcrmtest.Contacts, "101", idOf(ref), conclude(err))
	if err == nil {
		record := w.stored(antcrmtest.Contacts, "customerIdApiRing", "101")
		w.holds("create contact", record, "tags", []string{"VIP", "mới"})
		w.holds("create contact", record, "stage", "Khách quen")
		if list, _ := record["addresses"].([]any); len(list) != 1 {
			w.silently("create contact: told done, and its address is not there")
		}
	}
	again := person("101")
	again.Name = "Second"
	made := len(w.changes(antcrmtest.Contacts, antcrmtest.Created, "101"))
	if ref, err = w.crm.Contacts.Create(ctx, again); err != nil {
		return
	}
	record := w.stored(antcrmtest.Contacts, "customerId", idOf(ref))
	w.holds("create contact with a key that is there", record, "name", "Second")
	if n := len(w.changes(antcrmtest.Contacts, antcrmtest.Created, "101")); n > made+1 {
		w.silently("create contact with a key that is there: told done, made %d times", n-made)
	}
}

// createOddContact sends what no page lists for writes, as a record that was read and is sent on may hold it.
func createOddContact(ctx context.Context, w *world) {
	odd := antcrm.ContactCreateParams{Name: "Odd", ExternalID: "102", Phones: []antcrm.Phone{{Type: "Work", Value: "+84911", ID: objectID}}}
	ref, err := w.crm.Contacts.Create(ctx, odd)
	w.created("create contact with a read-only field", antcrmtest.Contacts, "102", idOf(ref), conclude(err))
	if err == nil {
		record := w.stored(antcrmtest.Contacts, "customerIdApiRing", "102")
		w.holds("create contact with a read-only field", record, "phones", []map[string]string{{"type": "Work", "value": "+84911", "_id": objectID}})
	}
	odd = antcrm.ContactCreateParams{Name: "Odd", ExternalID: "103", Gender: "7"}
	ref, err = w.crm.Contacts.Create(ctx, odd)
	w.created("create contact with an undocumented gender", antcrmtest.Contacts, "103", idOf(ref), conclude(err))
	if err == nil {
		record := w.stored(antcrmtest.Contacts, "customerIdApiRing", "103")
		w.holds("create contact with an undocumented gender", record, "gender", "7")
	}
}

func order(key string) antcrm.OpportunityCreateParams {
	return antcrm.OpportunityCreateParams{
		Name: "Order " + key, ReceiverName: "R", ExternalID: key, Value: "100", ReceiverPhone: "+84900",
		LineItems: []antcrm.LineItem{{Name: "Bò", Quantity: "2", Value: "5"}},
	}
}

func createOrder(ctx context.Context, w *world) {
	for _, tc := range []struct {
		key   string
		value antcrm.Decimal
		want  int
	}{{"201", "100", 100}, {"202", "", 10}, {"203", "0", 0}} {
		params := order(tc.key)
		params.Value = tc.value
		id, err := w.crm.Opportunities.Create(ctx, params)
		w.created("create order", antcrmtest.Opportunities, tc.key, string(id), conclude(err))
		if err == nil {
			record := w.stored(antcrmtest.Opportunities, "opportunityIdApiRing", tc.key)
			w.holds("create order of value "+string(tc.value), record, "value", tc.want)
			if items, _ := record["groupPackage"].([]any); len(items) != 1 {
				w.silently("create order: told done, and its line item is not there")
			}
		}
	}
}

func createProduct(ctx context.Context, w *world) {
	id, err := w.crm.Products.Create(ctx, antcrm.ProductCreateParams{Name: "P", Code: "SKU-1", ExternalID: "301", Value: "5000"})
	w.created("create product", antcrmtest.Products, "301", string(id), conclude(err))
}

func createTicket(ctx context.Context, w *world) {
	for key, contact := range map[string]antcrm.ID{"401": objectID, "402": "475"} {
		w.seed(antcrmtest.Contacts, map[string]any{"_id": objectID, "customerId": "475", "name": "K"})
		id, err := w.crm.Tickets.Create(ctx, antcrm.TicketCreateParams{Title: "T", SLA: "S", ExternalID: key, Contact: antcrm.TicketContact{ID: contact}})
		w.created("create ticket", antcrmtest.Tickets, key, string(id), conclude(err))
		if err == nil && (contact == "475") != w.takesCustomerIDs() {
			w.silently("create ticket with the id %s: told done, and it belongs to nobody", contact)
		}
	}
}

// takesCustomerIDs asks the server whether it knows a ticket's contact by customerId.
func (w *world) takesCustomerIDs() bool {
	_, err := w.crm.Tickets.Create(w.t.Context(), antcrm.TicketCreateParams{Title: "T", SLA: "S", Contact: antcrm.TicketContact{ID: objectID}})
	_, both := w.crm.Tickets.Create(w.t.Context(), antcrm.TicketCreateParams{Title: "T", SLA: "S", Contact: antcrm.TicketContact{ID: "475"}})
	return err != nil && both == nil
}

func (w *world) seedForUpdates() {
	w.seed(antcrmtest.Contacts,
		`{"name":"Old","customerIdApiRing":"501","contactType":"customer","type":0,"customerId":"2000900","stage":"New","industry":"IT","tags":["a","b"],"phones":[{"type":"Work","value":"+84501"}],"emails":[],"addresses":[]}`,
		`{"name":"Bystander","customerIdApiRing":"502","contactType":"customer","type":0,"customerId":"2000901","stage":"New","tags":["a"],"phones":[{"type":"Work","value":"+84502"}]}`)
	w.seed(antcrmtest.Opportunities,
		`{"name":"O","opportunityIdApiRing":"511","number":"3000900","value":100,"receiverPhone":"+84501","groupPackage":[{"name":"Bò","quantity":2,"value":5}]}`,
		`{"name":"Bystander","opportunityIdApiRing":"512","number":"3000901","value":100,"groupPackage":[]}`)
	w.seed(antcrmtest.Products, `{"name":"P","code":"SKU-5","productIdApiRing":"521","value":"5"}`, `{"name":"B","code":"SKU-6","productIdApiRing":"522","value":"5"}`)
	w.seed(antcrmtest.Tickets, `{"TicketId":"4000900","title":"T","contact":{}}`, `{"TicketId":"4000901","title":"B","contact":{}}`)
}

// updated holds what the caller was told of an update against the ledger.
func (w *world) updated(what string, kind antcrmtest.Kind, id string, outcome told) bool {
	w.others(what, kind, id)
	wrote := false
	for _, c := range w.srv.Changes()[w.looked:] {
		wrote = wrote || c.Kind == kind && c.Action == antcrmtest.Updated && c.ID == id
	}
	w.looked = len(w.srv.Changes())
	if outcome == refused && wrote {
		w.silently("%s: told that nothing was done, and it was changed", what)
	}
	if outcome == done && !wrote {
		w.silently("%s: told done, and it was not changed", what)
	}
	return outcome == done && wrote
}

func updateContact(ctx context.Context, w *world) {
	w.seedForUpdates()
	ref := antcrm.CustomerRef("2000900")
	got, err := w.crm.Contacts.Update(ctx, ref, antcrm.ContactUpdateParams{Name: new("New"), Tags: antcrm.Tags{"b", "c"}, Industry: new("")})
	if w.updated("update contact", antcrmtest.Contacts, "2000900", conclude(err)) {
		record := w.stored(antcrmtest.Contacts, "customerId", "2000900")
		w.holds("update contact", record, "name", "New")
		w.holds("update contact", record, "tags", []string{"b", "c"})
		w.holds("update contact", record, "industry", "")
		if idOf(got) != "2000900" && got != ref {
			w.silently("update contact: told the id of another record")
		}
	}
	_, err = w.crm.Contacts.Update(ctx, ref, antcrm.ContactUpdateParams{Tags: antcrm.Tags{}, Name: new("Newer")})
	if w.updated("clear a list", antcrmtest.Contacts, "2000900", conclude(err)) {
		w.holds("clear a list", w.stored(antcrmtest.Contacts, "customerId", "2000900"), "tags", []string{})
	}
	_, _ = w.crm.Contacts.Update(ctx, ref, antcrm.ContactUpdateParams{}) // changes nothing, whatever it is told
	w.looked = len(w.srv.Changes())
	got, err = w.crm.Contacts.Update(ctx, antcrm.ExternalRef("501"), antcrm.ContactUpdateParams{Stage: new("New")})
	if w.updated("update contact by the own key", antcrmtest.Contacts, "2000900", conclude(err)) && got.ExternalID != "501" && idOf(got) != "2000900" {
		w.silently("update contact by the own key: told the id of another record")
	}
}

func updateMissing(ctx context.Context, w *world) {
	w.seedForUpdates()
	for what, ref := range map[string]antcrm.ContactRef{"a lead": antcrm.LeadRef("77"), "a customer": antcrm.CustomerRef("77"), "an own key": antcrm.ExternalRef("nobody")} {
		before := len(w.srv.Changes())
		got, err := w.crm.Contacts.Update(ctx, ref, antcrm.ContactUpdateParams{Name: new("X")})
		if conclude(err) == done && ref.ExternalID == "" && got == ref {
			w.silently("update %s that is not there: told done", what)
		}
		if conclude(err) == done && ref.ExternalID != "" && len(w.srv.Changes()) == before {
			w.silently("update %s that is not there: told done, and nothing was written", what)
		}
		if conclude(err) == refused && len(w.srv.Changes()) != before {
			w.silently("update %s that is not there: told that nothing was done, and it was", what)
		}
	}
	number, err := w.crm.Opportunities.Update(ctx, "77", antcrm.OpportunityUpdateParams{Name: new("X"), Value: new(antcrm.Decimal("1"))})
	if conclude(err) == done && number == "77" {
		w.silently("update an order that is not there: told done")
	}
	number, err = w.crm.Tickets.Update(ctx, "77", antcrm.TicketUpdateParams{Title: new("X")})
	if conclude(err) == done && number == "77" {
		w.silently("update a ticket that is not there: told done")
	}
}

func updateOrder(ctx context.Context, w *world) {
	w.seedForUpdates()
	_, err := w.crm.Opportunities.Update(ctx, "3000900", antcrm.OpportunityUpdateParams{Description: new("later")})
	if w.updated("update order", antcrmtest.Opportunities, "3000900", conclude(err)) {
		record := w.stored(antcrmtest.Opportunities, "number", "3000900")
		w.holds("update order", record, "description", "later")
		w.holds("update order without value", record, "value", 100)
	}
	_, err = w.crm.Opportunities.Update(ctx, "3000900", antcrm.OpportunityUpdateParams{LineItems: []antcrm.LineItem{{Name: "Gà", Quantity: "1", Value: "7"}}})
	if w.updated("update line items", antcrmtest.Opportunities, "3000900", conclude(err)) {
		record := w.stored(antcrmtest.Opportunities, "number", "3000900")
		w.holds("update line items without value", record, "value", 100)
		if items, _ := record["groupPackage"].([]any); len(items) != 1 {
			w.silently("update line items: told done, and there are %d", len(items))
		}
	}
	_, err = w.crm.Products.Update(ctx, "521", antcrm.ProductUpdateParams{Name: new("Q")})
	w.updated("update product", antcrmtest.Products, "SKU-5", conclude(err))
	_, err = w.crm.Tickets.Update(ctx, "4000900", antcrm.TicketUpdateParams{Title: new("U")})
	w.updated("update ticket", antcrmtest.Tickets, "4000900", conclude(err))
}

func deleteRecords(ctx context.Context, w *world) {
	w.seedForUpdates()
	for what, tc := range map[string]struct {
		kind antcrmtest.Kind
		id   string
		do   func() error
	}{
		"contact":        {antcrmtest.Contacts, "2000900", func() error { return w.crm.Contacts.Delete(ctx, antcrm.CustomerRef("2000900")) }},
		"order":          {antcrmtest.Opportunities, "3000900", func() error { return w.crm.Opportunities.Delete(ctx, "3000900") }},
		"product":        {antcrmtest.Products, "SKU-5", func() error { return w.crm.Products.Delete(ctx, "521") }},
		"ticket":         {antcrmtest.Tickets, "4000900", func() error { return w.crm.Tickets.Delete(ctx, "4000900") }},
		"missing lead":   {antcrmtest.Contacts, "77", func() error { return w.crm.Contacts.Delete(ctx, antcrm.LeadRef("77")) }},
		"missing ticket": {antcrmtest.Tickets, "77", func() error { return w.crm.Tickets.Delete(ctx, "77") }},
	} {
		err := tc.do()
		gone := false
		for _, c := range w.srv.Changes() {
			gone = gone || c.Kind == tc.kind && c.Action == antcrmtest.Deleted && c.ID == tc.id
		}
		switch outcome := conclude(err); {
		case outcome == done && !gone && !w.repeated(): // after a lost answer, "not there" is the state that was asked for
			w.silently("delete %s: told done, and nothing was deleted", what)
		case outcome == refused && gone:
			w.silently("delete %s: told that nothing was done, and it is gone", what)
		}
	}
	for _, c := range w.srv.Changes() {
		if c.ID == "2000901" || c.ID == "3000901" || c.ID == "SKU-6" || c.ID == "4000901" {
			w.silently("delete: a bystander was %s", c.Action)
		}
	}
}

// points holds what the caller was told of points against what moved.
func movePoints(ctx context.Context, w *world) {
	w.seed(antcrmtest.Contacts, `{"name":"K","customerId":"2000700","contactType":"customer","scoreAvailable":500,"phones":[{"type":"Work","value":"+84700"}],"emails":[{"type":"Work","value":"k@example.com"}]}`,
		`{"name":"L","customerId":"2000701","contactType":"customer","scoreAvailable":500,"phones":[{"type":"Work","value":"+84701"}]}`)
	moved := func() (holder, other int) {
		for _, c := range w.srv.Changes() {
			switch {
			case c.Points == "":
			case c.ID == "2000700":
				holder++
			default:
				other++
			}
		}
		return holder, other
	}
	for what, do := range map[string]func() error{
		"accumulate": func() error {
			return w.crm.Points.Accumulate(ctx, antcrm.AccumulateParams{Code: "C1", Data: antcrm.AccumulateCustomer{Name: "K", Phones: []antcrm.Phone{{Type: "Work", Value: "+84700"}}}})
		},
		"redeem": func() error {
			return w.crm.Redeem.Gift(ctx, antcrm.RedeemParams{Code: "G1", Data: antcrm.RedeemCustomer{Phone: "+84700"}})
		},
	} {
		before, _ := moved()
		err := do()
		after, other := moved()
		switch n, outcome := after-before, conclude(err); {
		case n > 1:
			w.silently("%s: told %v, booked %d times", what, outcome, n)
		case outcome == done && n == 0:
			w.silently("%s: told done, and nothing was booked", what)
		case outcome == refused && n > 0:
			w.silently("%s: told that nothing was done, and it was booked", what)
		case other > 0:
			w.silently("%s: points of another contact moved", what)
		}
	}
	err := w.crm.Points.Accumulate(ctx, antcrm.AccumulateParams{Code: "C2", Data: antcrm.AccumulateCustomer{Phones: []antcrm.Phone{{Type: "Work", Value: "+84799"}}}})
	if err == nil {
		w.silently("accumulate for a stranger: told done, and no customer of ours has the points")
	}
}

func setSegment(ctx context.Context, w *world) {
	w.seed(antcrmtest.Contacts, `{"name":"Known","customerId":"2000600","contactType":"customer","phones":[{"type":"Work","value":"+84600"}]}`)
	err := w.crm.Segments.SetContacts(ctx, objectID, []antcrm.ContactCreateParams{
		{Name: "Known", Phones: []antcrm.Phone{{Type: "Work", Value: "+84600"}}},
		{Name: "Fresh", ExternalID: "601", Phones: []antcrm.Phone{{Type: "Work", Value: "+84601"}}},
	})
	fresh := len(w.changes(antcrmtest.Contacts, antcrmtest.Created, "601"))
	doubled := len(w.changes(antcrmtest.Contacts, antcrmtest.Created, ""))
	members := w.srv.Count(antcrmtest.Segments)
	var batch *antcrm.BatchError
	outcome := conclude(err)
	if errors.As(err, &batch) && len(batch.Failures) > 0 {
		outcome = ofOutcome(batch.Failures[0].Outcome)
	}
	switch {
	case doubled > 0:
		w.silently("set segment: a contact that was there is there twice")
	case fresh > 1:
		w.silently("set segment: told %v, a contact was made %d times", outcome, fresh)
	case outcome == done && members != 2:
		w.silently("set segment: told done, and %d of 2 are members", members)
	case outcome == refused && members > 0:
		w.silently("set segment: told that nothing was done, and %d are members", members)
	}
	if r := w.stored(antcrmtest.Contacts, "customerIdApiRing", "601"); outcome == done && r != nil {
		if phones, _ := r["phones"].([]any); len(phones) != 1 {
			w.silently("set segment: told done, and the phone is not there")
		}
	}
}

func ofOutcome(o antcrm.Outcome) told {
	switch o {
	case antcrm.OutcomeDone:
		return done
	case antcrm.OutcomeUnknown:
		return unknown
	default:
		return refused
	}
}
