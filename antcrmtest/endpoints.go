package antcrmtest

import (
	"slices"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// Operation is one method and path of the API.
type Operation struct {
	Method string `json:"method"`
	Path   string `json:"path"`
}

// Operations lists what the fake answers, in the order of docs/wire.md.
func Operations() []Operation {
	ends := (&Server{}).endpoints()
	ops := make([]Operation, len(ends))
	for i, e := range ends {
		ops[i] = Operation{e.method, e.path}
	}
	return ops
}

// endpoints is the table of all operations: whoever adds one adds a line here.
func (s *Server) endpoints() []*endpoint {
	s.contacts = contacts(&s.cfg)
	orders, goods, desk := opportunities(&s.cfg), products(&s.cfg), tickets(&s.cfg)
	paged := func(names ...string) []string { return append(names, "page", "limit") }
	dated := func(names ...string) []string { return append(paged(names...), "dateStart", "dateEnd") }
	ends := slices.Concat(
		crud("/contacts", "docs/wire.md, Contacts", s.contacts, listContacts,
			paged("contactType", "type", "phone", "customerId", "leadId", "email", "customerIdApiRing", "updateAtf", "updateAtt", "createdAtf", "createdAtt")),
		crud("/opportunities", "docs/wire.md, Opportunities", orders, listOpportunities, paged("number", "phones", "customerId")),
		[]*endpoint{{method: "PUT", path: "/opportunities/package", body: true, batch: true, docs: "docs/wire.md, Opportunities", handle: orders.updatePackage}},
		crud("/products", "docs/wire.md, Products", goods, listProducts, paged("code", "type")),
		crud("/tickets", "docs/wire.md, Tickets", desk, listTickets, paged("TicketId", "typeTime", "isTicketDeleted", "startDate", "endDate")),
		[]*endpoint{
			{method: "GET", path: "/history-point", docs: "docs/wire.md, Loyalty", handle: history,
				query: []string{"type", "createdAtRangeFrom", "createdAtRangeTo", "phone", "email", "page"}},
			{method: "POST", path: "/accumulate", body: true, docs: "docs/wire.md, Loyalty", handle: accumulate},
			{method: "POST", path: "/redeem", body: true, docs: "docs/wire.md, Loyalty", handle: redeem},
			{method: "POST", path: "/segments/set-contact", body: true, batch: true, docs: "docs/wire.md, Segments", handle: setSegment},
			{method: "GET", path: "/telesales", docs: "docs/wire.md, Telesales", query: dated("campaignId", "survey"), handle: listTelesales},
			{method: "GET", path: "/telecalls", docs: "docs/wire.md, Telesales", query: dated("campaignId"), handle: listTelecalls},
			{method: "GET", path: "/campaigns", docs: "docs/wire.md, Telesales", query: dated(), handle: listCampaigns},
			{method: "GET", path: "/rating", docs: "docs/wire.md, Telesales", query: dated("type", "rating_score", "source"), handle: listRatings},
			{method: "GET", path: "/znsmsg", docs: "docs/wire.md, Newer endpoints", query: dated("campaign"), handle: listZNS},
			{method: "GET", path: "/messages", docs: "docs/wire.md, Newer endpoints", handle: listMessages,
				query: []string{"created_from", "created_to", "sessionId", "limit", "offset"}},
		},
	)
	return ends
}

// crud makes the operations that contacts, opportunities, products and tickets share. Only the first two take packages.
func crud(path, docs string, res *resource, list func(c *call) (answer, *failure), filters []string) []*endpoint {
	ends := []*endpoint{
		{method: "GET", path: path, docs: docs, query: filters, handle: list},
		{method: "POST", path: path, docs: docs, body: true, handle: res.create},
		{method: "PUT", path: path, docs: docs, body: true, handle: res.update},
		{method: "DELETE", path: path, docs: docs, query: res.keys, handle: res.remove},
	}
	if res.kind == Contacts || res.kind == Opportunities {
		ends = append(ends, &endpoint{method: "POST", path: path + "/package", docs: docs, body: true, batch: true, handle: res.createPackage})
	}
	return ends
}

func listContacts(c *call) (answer, *failure) {
	var s selection
	cfg := &c.srv.cfg
	if v, ok := c.query["contactType"]; ok && v != "lead" && v != "customer" && !cfg.is(questions.EnumeratedValues, "accepted") {
		return answer{}, badQuery("contactType", "must be lead or customer")
	}
	if f := c.byUnlisted(&s, questions.ContactFilterExternalID, "customerIdApiRing"); f != nil {
		return answer{}, f
	}
	c.byKey(&s, "leadId", "customerId")
	c.byPhone(&s, "phone")
	c.equal(&s, "email", "contactType", "type")
	if f := c.between(&s, "createdAtf", "createdAtt", cfg.days(), false); f != nil {
		return answer{}, f
	}
	if f := c.between(&s, "updateAtf", "updateAtt", cfg.days(), true); f != nil {
		return answer{}, f
	}
	return c.plainList(Contacts, s)
}

func listOpportunities(c *call) (answer, *failure) {
	var s selection
	c.byKey(&s, "number")
	c.byPhone(&s, "phones")
	c.equal(&s, "customerId")
	return c.plainList(Opportunities, s)
}

func listProducts(c *call) (answer, *failure) {
	var s selection
	if v, ok := c.query["type"]; ok && v != "combo" && v != "product" {
		return answer{}, badQuery("type", "must be combo or product")
	}
	c.byKey(&s, "code")
	c.equal(&s, "type")
	return c.plainList(Products, s)
}

func listTickets(c *call) (answer, *failure) {
	var s selection
	var f *failure
	byUpdated := false
	c.byKey(&s, "TicketId")
	if s.deleted, f = c.boolean("isTicketDeleted"); f != nil {
		return answer{}, f
	}
	switch c.srv.cfg.answers[questions.TicketDeletedListed] {
	case "listed", "listed-unmarked":
		s.deleted = true
	case "gone":
		s.deleted = false
	}
	switch c.query["typeTime"] {
	case "", "createdAt":
	case "updatedAt":
		byUpdated = true
	default:
		return answer{}, badQuery("typeTime", "must be updatedAt, or left out for the time of creation")
	}
	if f = c.between(&s, "startDate", "endDate", instants(), byUpdated); f != nil {
		return answer{}, f
	}
	return c.plainList(Tickets, s)
}

func (c *call) campaignReport(kind Kind, s selection) (answer, *failure) {
	if f := c.required("campaignId"); f != nil {
		return answer{}, f
	}
	c.equal(&s, "campaignId")
	return c.report(kind, s, true)
}

func listTelesales(c *call) (answer, *failure) {
	var s selection
	only, f := c.boolean("survey")
	if f != nil {
		return answer{}, f
	}
	if only {
		s.equal = append(s.equal, posting{"survey", "true"})
	}
	return c.campaignReport(Telesales, s)
}

func listTelecalls(c *call) (answer, *failure) { return c.campaignReport(Telecalls, selection{}) }

// listRatings prints no total, as the vendor's own sample.
func listRatings(c *call) (answer, *failure) {
	var s selection
	if f := c.byUnlisted(&s, questions.RatingFilterSource, "source"); f != nil {
		return answer{}, f
	}
	c.equal(&s, "type", "rating_score")
	return c.report(Ratings, s, false)
}
