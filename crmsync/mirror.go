package crmsync

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// mirror is all that is said of one mirrored kind.
type mirror[T any] struct {
	kind    Kind
	table   string
	columns []string
	overlap time.Duration // 0: the API has no filter by time
	// read returns a record's id, its JSON, and its values in the order of columns: text, an
	// antcrm.Decimal or a time.
	read func(*T) (id string, raw []byte, values []any)
	all  func(ctx context.Context, since time.Time, page int, opts ...antcrm.CallOption) iter.Seq2[T, error]
	// first is the page that a list answers when none is named: a server may call its first page 0.
	first func(ctx context.Context, since time.Time) (*antcrm.Page[T], error)
	// lookBy is the column that find takes, beside created_at where find needs it.
	lookBy string
	// find returns the record, or antcrm.ErrNotFound if it is certainly gone.
	find func(ctx context.Context, key string, created time.Time) (*T, error)
}

const pullLimit = 100 // a server may answer fewer

func contactMirror(client *antcrm.Client) mirror[antcrm.Contact] {
	return mirror[antcrm.Contact]{
		kind: KindContacts, table: "crm_contacts", overlap: 48 * time.Hour, lookBy: "id",
		columns: strings.Fields(`contact_type type lead_id customer_id external_id name phone email gender date_of_birth industry stage tags source
			responsible_staff score_available score_rank rank_name created_at updated_at`),
		read: func(c *antcrm.Contact) (string, []byte, []any) {
			var phone, email string
			if len(c.Phones) > 0 {
				phone = c.Phones[0].Value
			}
			if len(c.Emails) > 0 {
				email = c.Emails[0].Value
			}
			return RefText(c.Ref()), c.RawJSON(), []any{
				c.ContactType, string(c.Kind), string(c.LeadID), string(c.CustomerID), c.ExternalID, c.Name, phone, email, string(c.Gender), c.DateOfBirth,
				c.Industry, c.Stage, strings.Join(c.Tags, ", "), c.Source, c.ResponsibleStaff, c.ScoreAvailable, c.ScoreRank, c.RankName,
				c.CreatedAt.Time, c.UpdatedAt.Time,
			}
		},
		all: func(ctx context.Context, since time.Time, page int, opts ...antcrm.CallOption) iter.Seq2[antcrm.Contact, error] {
			return client.Contacts.All(ctx, antcrm.ContactListParams{UpdatedFrom: since, Page: page, Limit: pullLimit}, opts...)
		},
		first: func(ctx context.Context, since time.Time) (*antcrm.Page[antcrm.Contact], error) {
			return client.Contacts.List(ctx, antcrm.ContactListParams{UpdatedFrom: since, Limit: pullLimit})
		},
		find: func(ctx context.Context, id string, _ time.Time) (*antcrm.Contact, error) {
			ref, err := readContactRef(id, "")
			if err != nil {
				return nil, err
			}
			return client.Contacts.Get(ctx, ref)
		},
	}
}

func orderMirror(client *antcrm.Client) mirror[antcrm.Opportunity] {
	return mirror[antcrm.Opportunity]{
		kind: KindOrders, table: "crm_orders", lookBy: "number",
		columns: strings.Fields(`number external_id name stage status branch value discount shipping_cost total_payment quantity currency customer_id
			receiver_name receiver_phone description created_at updated_at`),
		read: func(o *antcrm.Opportunity) (string, []byte, []any) {
			id := string(o.Number)
			if id == "" {
				id = "id:" + string(o.ID)
			}
			return id, o.RawJSON(), []any{
				string(o.Number), o.ExternalID, o.Name, o.Stage, o.Status, o.Branch, o.Value, o.Discount, o.ShippingCost, o.TotalPayment, o.Quantity,
				o.Currency, string(customerOf(o)), o.ReceiverName, o.ReceiverPhone, o.Description, o.CreatedAt.Time, o.UpdatedAt.Time,
			}
		},
		all: func(ctx context.Context, _ time.Time, page int, opts ...antcrm.CallOption) iter.Seq2[antcrm.Opportunity, error] {
			return client.Opportunities.All(ctx, antcrm.OpportunityListParams{Page: page, Limit: pullLimit}, opts...)
		},
		first: func(ctx context.Context, _ time.Time) (*antcrm.Page[antcrm.Opportunity], error) {
			return client.Opportunities.List(ctx, antcrm.OpportunityListParams{Limit: pullLimit})
		},
		find: func(ctx context.Context, number string, _ time.Time) (*antcrm.Opportunity, error) {
			return client.Opportunities.Get(ctx, antcrm.ID(number))
		},
	}
}

func productMirror(client *antcrm.Client) mirror[antcrm.Product] {
	return mirror[antcrm.Product]{
		kind: KindProducts, table: "crm_products", lookBy: "code", columns: strings.Fields("code external_id name value"),
		read: func(p *antcrm.Product) (string, []byte, []any) {
			id := string(p.ID)
			if id == "" {
				id = "code:" + string(p.Code)
			}
			return id, p.RawJSON(), []any{string(p.Code), p.ExternalID, p.Name, p.Value.Decimal()}
		},
		all: func(ctx context.Context, _ time.Time, page int, opts ...antcrm.CallOption) iter.Seq2[antcrm.Product, error] {
			return client.Products.All(ctx, antcrm.ProductListParams{Page: page, Limit: pullLimit}, opts...)
		},
		first: func(ctx context.Context, _ time.Time) (*antcrm.Page[antcrm.Product], error) {
			return client.Products.List(ctx, antcrm.ProductListParams{Limit: pullLimit})
		},
		find: func(ctx context.Context, code string, _ time.Time) (*antcrm.Product, error) {
			return client.Products.Get(ctx, code)
		},
	}
}

func ticketMirror(client *antcrm.Client) mirror[antcrm.Ticket] {
	return mirror[antcrm.Ticket]{
		kind: KindTickets, table: "crm_tickets", overlap: time.Hour, lookBy: "id",
		columns: strings.Fields("external_id title status priority sla category ticket_group assigned_to contact_name created_at updated_at"),
		read: func(t *antcrm.Ticket) (string, []byte, []any) {
			contact := ""
			if t.Contact != nil {
				contact = t.Contact.Name
			}
			return string(t.TicketID), t.RawJSON(), []any{
				t.ExternalID, t.Title, t.Status, t.Priority, t.SLA, t.Category, t.Group, t.AssignedTo, contact, t.CreatedAt.Time, t.UpdatedAt.Time,
			}
		},
		all: func(ctx context.Context, since time.Time, page int, opts ...antcrm.CallOption) iter.Seq2[antcrm.Ticket, error] {
			return client.Tickets.All(ctx, ticketsSince(since, page), opts...)
		},
		first: func(ctx context.Context, since time.Time) (*antcrm.Page[antcrm.Ticket], error) {
			return client.Tickets.List(ctx, ticketsSince(since, 0))
		},
		find: func(ctx context.Context, id string, _ time.Time) (*antcrm.Ticket, error) {
			return client.Tickets.Get(ctx, antcrm.ID(id))
		},
	}
}

func ticketsSince(since time.Time, page int) antcrm.TicketListParams {
	params := antcrm.TicketListParams{Page: page, Limit: pullLimit}
	if !since.IsZero() {
		params.TimeField, params.From = antcrm.TicketTimeUpdated, since
	}
	return params
}

type historyPage func(ctx context.Context, params antcrm.LoyaltyListParams, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.LoyaltyEntry], error)

func historyMirror(kind Kind, all historyList, list historyPage) mirror[antcrm.LoyaltyEntry] {
	m := mirror[antcrm.LoyaltyEntry]{
		kind: kind, table: "crm_points", overlap: time.Hour, lookBy: "id",
		columns: strings.Fields("code serial_number score status product_code customer_id contact_name created_at"),
		read: func(e *antcrm.LoyaltyEntry) (string, []byte, []any) {
			customer, name := holderOf(e)
			product := ""
			if e.Product != nil {
				product = string(e.Product.Code)
			}
			return entryID(e), e.RawJSON(), []any{string(e.Code), string(e.SerialNumber), float64(e.Score), string(e.Status), product, customer, name, e.CreatedAt.Time}
		},
		all: func(ctx context.Context, since time.Time, page int, opts ...antcrm.CallOption) iter.Seq2[antcrm.LoyaltyEntry, error] {
			return all(ctx, antcrm.LoyaltyListParams{From: since, Page: page}, opts...)
		},
		first: func(ctx context.Context, since time.Time) (*antcrm.Page[antcrm.LoyaltyEntry], error) {
			return list(ctx, antcrm.LoyaltyListParams{From: since})
		},
		find: func(ctx context.Context, id string, created time.Time) (*antcrm.LoyaltyEntry, error) {
			around := antcrm.LoyaltyListParams{From: created.Add(-time.Second), To: created.Add(time.Second)}
			page, err := list(ctx, around)
			return findListed(page, err, all(ctx, around), created, func(e *antcrm.LoyaltyEntry) bool { return entryID(e) == id })
		},
	}
	if kind == KindRedemptions {
		m.table, m.columns = "crm_redemptions", strings.Fields("gift_code gift_name score status customer_id contact_name created_at")
		m.read = func(e *antcrm.LoyaltyEntry) (string, []byte, []any) {
			customer, name := holderOf(e)
			var code, gift string
			if e.Gift != nil {
				code, gift = string(e.Gift.Code), e.Gift.Name
			}
			return entryID(e), e.RawJSON(), []any{code, gift, float64(e.Score), string(e.Status), customer, name, e.CreatedAt.Time}
		}
	}
	return m
}

func holderOf(e *antcrm.LoyaltyEntry) (customer, name string) {
	if e.Contact == nil {
		return "", ""
	}
	return string(e.Contact.CustomerID), e.Contact.Name
}

var errCannotLook = errors.New("the record cannot be looked up")

// findListed looks for a record among those of its moment: on the page that a list answers when none is named, and on all.
func findListed[T any](page *antcrm.Page[T], err error, all iter.Seq2[T, error], created time.Time, is func(*T) bool) (*T, error) {
	switch {
	case created.IsZero():
		return nil, errCannotLook
	case err != nil:
		return nil, err
	}
	if at := slices.IndexFunc(page.Items, func(record T) bool { return is(&record) }); at >= 0 {
		return &page.Items[at], nil
	}
	for record, err := range all {
		if err != nil {
			return nil, err
		}
		if is(&record) {
			return &record, nil
		}
	}
	return nil, antcrm.ErrNotFound
}

func telesaleMirror(client *antcrm.Client, campaign antcrm.ID) mirror[antcrm.Telesale] {
	return mirror[antcrm.Telesale]{
		kind: KindTelesales, table: "crm_telesales", lookBy: "id", columns: []string{"campaign_id", "created_at"},
		read: func(t *antcrm.Telesale) (string, []byte, []any) {
			return string(t.ID), t.RawJSON(), []any{string(campaign), t.CreatedAt.Time}
		},
		all: func(ctx context.Context, _ time.Time, page int, opts ...antcrm.CallOption) iter.Seq2[antcrm.Telesale, error] {
			return client.Telesales.All(ctx, antcrm.TelesaleListParams{CampaignID: campaign, Page: page, Limit: pullLimit}, opts...)
		},
		first: func(ctx context.Context, _ time.Time) (*antcrm.Page[antcrm.Telesale], error) {
			return client.Telesales.List(ctx, antcrm.TelesaleListParams{CampaignID: campaign, Limit: pullLimit})
		},
		find: func(ctx context.Context, id string, created time.Time) (*antcrm.Telesale, error) {
			around := antcrm.TelesaleListParams{CampaignID: campaign, From: created.Add(-time.Second), To: created.Add(time.Second)}
			page, err := client.Telesales.List(ctx, around)
			return findListed(page, err, client.Telesales.All(ctx, around), created, func(t *antcrm.Telesale) bool { return string(t.ID) == id })
		},
	}
}

func telecallMirror(client *antcrm.Client, campaign antcrm.ID) mirror[antcrm.Telecall] {
	return mirror[antcrm.Telecall]{
		kind: KindTelecalls, table: "crm_telecalls", lookBy: "id", columns: []string{"campaign_id", "created_at"},
		read: func(t *antcrm.Telecall) (string, []byte, []any) {
			return string(t.ID), t.RawJSON(), []any{string(campaign), t.CreatedAt.Time}
		},
		all: func(ctx context.Context, _ time.Time, page int, opts ...antcrm.CallOption) iter.Seq2[antcrm.Telecall, error] {
			return client.Telecalls.All(ctx, antcrm.TelecallListParams{CampaignID: campaign, Page: page, Limit: pullLimit}, opts...)
		},
		first: func(ctx context.Context, _ time.Time) (*antcrm.Page[antcrm.Telecall], error) {
			return client.Telecalls.List(ctx, antcrm.TelecallListParams{CampaignID: campaign, Limit: pullLimit})
		},
		find: func(context.Context, string, time.Time) (*antcrm.Telecall, error) {
			return nil, errCannotLook // its filter is by the time of the call, which has no documented field
		},
	}
}
