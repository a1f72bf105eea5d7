package crmsync

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// contactProbes are the filters by phone and by e-mail.
func contactProbes(client *antcrm.Client, p *antcrm.ContactCreateParams) []probe {
	var probes []probe
	for _, phone := range p.Phones {
		if phone.Value != "" {
			probes = append(probes, contactPhone(client, phone.Value))
		}
	}
	for _, email := range p.Emails {
		if email.Value != "" {
			probes = append(probes, contactEmail(client, email.Value))
		}
	}
	return probes
}

func contactPhone(client *antcrm.Client, value string) probe {
	return probe{
		name: "phone", field: "phones", value: value,
		list: func(ctx context.Context) ([]candidate, error) {
			return collectCandidates(ctx, client.Contacts.All(ctx, antcrm.ContactListParams{Phone: value}), contactCandidate)
		},
		of: func(c candidate) (probe, bool) {
			contact, _ := c.record.(*antcrm.Contact)
			if contact == nil || len(contact.Phones) == 0 || contact.Phones[0].Value == "" {
				return probe{}, false
			}
			return contactPhone(client, contact.Phones[0].Value), true
		},
	}
}

func contactEmail(client *antcrm.Client, value string) probe {
	return probe{
		name: "e-mail address", field: "emails", value: value,
		list: func(ctx context.Context) ([]candidate, error) {
			return collectCandidates(ctx, client.Contacts.All(ctx, antcrm.ContactListParams{Email: value}), contactCandidate)
		},
		of: func(c candidate) (probe, bool) {
			contact, _ := c.record.(*antcrm.Contact)
			if contact == nil || len(contact.Emails) == 0 || contact.Emails[0].Value == "" {
				return probe{}, false
			}
			return contactEmail(client, contact.Emails[0].Value), true
		},
	}
}

func contactCandidate(c *antcrm.Contact) candidate {
	return candidate{ref: RefText(c.Ref()), key: c.ExternalID, created: c.CreatedAt.Time, record: c}
}

// sameContact compares name, phones and e-mail addresses, and what else both
// sides have. A phone is often shared: another name may be another person, or a
// name that somebody has mended since.
func sameContact(p *antcrm.ContactCreateParams, found any) likeness {
	c, ok := found.(*antcrm.Contact)
	phone := func(p antcrm.Phone) string { return p.Value }
	email := func(e antcrm.Email) string { return e.Value }
	if ok && sameText(p.Name, c.Name) && optional(p.DateOfBirth, c.DateOfBirth) && optional(p.BackgroundInfo, c.BackgroundInfo) &&
		optional(p.Industry, c.Industry) && sameSet(p.Phones, c.Phones, phone) && sameSet(p.Emails, c.Emails, email) {
		return alike
	}
	return unclear
}

// optional compares what both sides have.
func optional(sent, found string) bool { return sent == "" || found == "" || sameText(sent, found) }

func sameSet[T any](a, b []T, text func(T) string) bool {
	texts := func(list []T) []string {
		var all []string
		for _, item := range list {
			if value := text(item); value != "" {
				all = append(all, value)
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return slices.Equal(texts(a), texts(b))
}

// orderProbes are the filters by the customer and by the receiver's phone.
func orderProbes(client *antcrm.Client, p *antcrm.OpportunityCreateParams) []probe {
	var probes []probe
	if p.Customer != nil && p.Customer.CustomerID != "" {
		probes = append(probes, orderCustomer(client, p.Customer.CustomerID))
	}
	if p.ReceiverPhone != "" {
		probes = append(probes, orderPhone(client, p.ReceiverPhone))
	}
	return probes
}

func orderCustomer(client *antcrm.Client, id antcrm.ID) probe {
	return probe{
		name: "customer", field: "dealWith", value: string(id),
		list: func(ctx context.Context) ([]candidate, error) {
			return collectCandidates(ctx, client.Opportunities.All(ctx, antcrm.OpportunityListParams{CustomerID: id}), orderCandidate)
		},
		of: func(c candidate) (probe, bool) {
			order, _ := c.record.(*antcrm.Opportunity)
			if order == nil {
				return probe{}, false
			}
			id := customerOf(order)
			return orderCustomer(client, id), id != ""
		},
	}
}

func orderPhone(client *antcrm.Client, value string) probe {
	return probe{
		name: "receiver's phone", field: "receiverPhone", value: value,
		list: func(ctx context.Context) ([]candidate, error) {
			return collectCandidates(ctx, client.Opportunities.All(ctx, antcrm.OpportunityListParams{Phone: value}), orderCandidate)
		},
		of: func(c candidate) (probe, bool) {
			order, _ := c.record.(*antcrm.Opportunity)
			if order == nil || order.ReceiverPhone == "" {
				return probe{}, false
			}
			return orderPhone(client, order.ReceiverPhone), true
		},
	}
}

// customerOf reads the customer's id out of dealWith, whose shape the vendor
// does not document.
func customerOf(order *antcrm.Opportunity) antcrm.ID {
	var customer struct {
		CustomerID antcrm.ID `json:"customerId"`
	}
	if json.Unmarshal(order.Customer, &customer) != nil {
		return ""
	}
	return customer.CustomerID
}

func orderCandidate(o *antcrm.Opportunity) candidate {
	return candidate{ref: string(o.Number), key: o.ExternalID, created: o.CreatedAt.Time, record: o}
}

// sameOrder compares name, receiver, value and description. A customer's orders
// are told apart by their names.
func sameOrder(p *antcrm.OpportunityCreateParams, found any) likeness {
	o, ok := found.(*antcrm.Opportunity)
	switch {
	case !ok || o.Number == "":
		return unclear
	case !sameText(p.Name, o.Name):
		return unlessContained(p.Name, o.Name)
	case optional(p.ReceiverName, o.ReceiverName) && optional(p.ReceiverPhone, o.ReceiverPhone) && sameAmount(p.Value, o.Value) &&
		optional(p.Description, o.Description):
		return alike
	}
	return unclear
}

// unlessContained is different, unless the server may have added to the text.
func unlessContained(sent, found string) likeness {
	if strings.Contains(strings.ToLower(found), strings.ToLower(strings.TrimSpace(sent))) {
		return unclear
	}
	return different
}

// sameAmount compares amounts that both sides have.
func sameAmount(sent, found antcrm.Decimal) bool {
	a, okA := sent.Rat()
	b, okB := found.Rat()
	return !okA || !okB || a.Cmp(b) == 0
}

// productProbes is the filter by code.
func productProbes(client *antcrm.Client, p *antcrm.ProductCreateParams) []probe {
	return []probe{productCode(client, p.Code)}
}

func productCode(client *antcrm.Client, code string) probe {
	return probe{
		name: "code", field: "code", value: code,
		list: func(ctx context.Context) ([]candidate, error) {
			return collectCandidates(ctx, client.Products.All(ctx, antcrm.ProductListParams{Code: code}), productCandidate)
		},
		of: func(c candidate) (probe, bool) {
			product, _ := c.record.(*antcrm.Product)
			if product == nil || product.Code == "" {
				return probe{}, false
			}
			return productCode(client, string(product.Code)), true
		},
	}
}

func productCandidate(p *antcrm.Product) candidate {
	return candidate{ref: string(p.Code), key: p.ExternalID, record: p}
}

func sameProduct(p *antcrm.ProductCreateParams, found any) likeness {
	product, ok := found.(*antcrm.Product)
	if ok && sameText(p.Name, product.Name) && p.Code == string(product.Code) && sameAmount(p.Value.Decimal(), product.Value.Decimal()) {
		return alike
	}
	return unclear
}

// ticketProbes is the filter by the time of creation: there is none for a
// ticket's contents.
func ticketProbes(client *antcrm.Client, in *intent) []probe {
	return []probe{ticketTime(client, in.begun.Add(-zoneSkew), in.begun.Add(zoneSkew))}
}

func ticketTime(client *antcrm.Client, from, to time.Time) probe {
	return probe{
		name: "time of creation", value: "time",
		list: func(ctx context.Context) ([]candidate, error) {
			return collectUpTo(ctx, maxOfTime, client.Tickets.All(ctx, antcrm.TicketListParams{From: from, To: to, Limit: antcrm.MaxBatchSize}), ticketCandidate)
		},
		of: func(c candidate) (probe, bool) {
			if c.created.IsZero() {
				return probe{}, false
			}
			return ticketTime(client, c.created.Add(-time.Second), c.created.Add(time.Second)), true
		},
	}
}

func ticketCandidate(t *antcrm.Ticket) candidate {
	return candidate{ref: string(t.TicketID), key: t.ExternalID, created: t.CreatedAt.Time, record: t}
}

// sameTicket compares title, summary and the contact. Tickets of one hour are of
// many people: another title is another ticket.
func sameTicket(p *antcrm.TicketCreateParams, found any) likeness {
	t, ok := found.(*antcrm.Ticket)
	switch {
	case !ok:
		return unclear
	case !sameText(p.Title, t.Title):
		return unlessContained(p.Title, t.Title)
	case optional(p.Summary, t.Summary) && (t.Contact == nil || optional(p.Contact.Name, t.Contact.Name)):
		return alike
	}
	return unclear
}
