package antcrm

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// TicketsService reads and writes support tickets.
type TicketsService struct{ core *core }

// TicketTimeUpdated is the TicketListParams.TimeField that makes From and To filter by the time of the last update.
const TicketTimeUpdated = "updatedAt"

// Ticket is a ticket, as the CRM lists it. Fields whose shape the vendor does not document are raw JSON.
type Ticket struct {
	Record `json:"-"`

	TicketID     ID                `json:"TicketId,omitzero"`
	ExternalID   string            `json:"ticketIdApiRing,omitzero"`
	Title        string            `json:"title,omitzero"`
	Summary      string            `json:"summary,omitzero"` // HTML
	SLA          string            `json:"SLA,omitzero"`
	Priority     string            `json:"priority,omitzero"`
	Status       string            `json:"status,omitzero"`
	AssignedTo   string            `json:"assignedTo,omitzero"` // an e-mail address
	Group        string            `json:"group,omitzero"`
	Category     string            `json:"category,omitzero"`
	Resolution   string            `json:"resolutionTypeOb,omitzero"`
	Contact      *Contact          `json:"contact,omitzero"`
	Opportunity  json.RawMessage   `json:"deal,omitzero"`
	Files        []json.RawMessage `json:"files,omitzero"`
	CustomFields []CustomField     `json:"cusFields,omitzero"`
	CreatedAt    Timestamp         `json:"createdAt,omitzero"`
	UpdatedAt    Timestamp         `json:"updatedAt,omitzero"`
}

// TicketListParams filters a list of tickets. Fields that are not set are not sent.
type TicketListParams struct {
	redacted

	TicketID       ID
	TimeField      string    // wire name typeTime: TicketTimeUpdated, or empty for the time of creation
	From           time.Time // wire name startDate
	To             time.Time // wire name endDate
	IncludeDeleted bool      // wire name isTicketDeleted: deleted ones too
	Page           int       // from 1
	Limit          int       // records a page; the vendor says at most 20 and may not honour more
}

func (p TicketListParams) filters() *filters {
	f := newFilters()
	f.id("TicketId", p.TicketID)
	f.text("typeTime", p.TimeField)
	f.time("startDate", p.From)
	f.time("endDate", p.To)
	f.flag("isTicketDeleted", p.IncludeDeleted)
	f.paging(p.Page, p.Limit)
	return f
}

// TicketContact is the contact of a new ticket: an existing one by ID, or a name with e-mail addresses or phones (the
// vendor's page). The SDK only checks that there is an ID or a name.
//
// ID is the contact's object id, 24 hex digits: the _id or id of a record (Contact.ID, Contact.AltID), not its
// CustomerID. The vendor calls it "customer id code" and prints an object id.
type TicketContact struct {
	redacted

	ID     ID      `json:"id,omitzero"`
	Name   string  `json:"name,omitzero"`
	Emails []Email `json:"emails,omitzero"`
	Phones []Phone `json:"phones,omitzero"`
}

// TicketCreateParams is a new ticket. Title, SLA and Contact are required.
type TicketCreateParams struct {
	redacted

	Title        string            `json:"title,omitzero"`
	SLA          string            `json:"SLA,omitzero"`
	Contact      TicketContact     `json:"contact,omitzero"`
	ExternalID   string            `json:"ticketIdApiRing,omitzero"` // the caller's own key
	Summary      string            `json:"summary,omitzero"`         // HTML
	Priority     string            `json:"priority,omitzero"`        // default Medium
	Opportunity  json.RawMessage   `json:"deal,omitzero"`            // an object; the vendor documents no shape
	Group        string            `json:"group,omitzero"`
	Category     string            `json:"category,omitzero"`
	Status       string            `json:"status,omitzero"`
	Resolution   string            `json:"resolutionTypeOb,omitzero"`
	Files        []json.RawMessage `json:"files,omitzero"` // the vendor documents no shape
	CustomFields []CustomField     `json:"cusFields,omitzero"`
}

func (p TicketCreateParams) validate() error {
	err := firstError(required("title", p.Title), required("SLA", p.SLA), objectOrNothing("deal", p.Opportunity))
	if err == nil && p.Contact.ID == "" {
		if required("contact", p.Contact.Name) != nil {
			err = invalid("contact", "needs an id, or a name")
		}
	}
	return err
}

// TicketUpdateParams changes a ticket. Nil leaves a field alone.
//
// To clear a text, point to "". To clear a list, set an empty slice that is not nil. To clear the opportunity, send the
// empty object {}. That this clears the field is our guess. An opportunity that is not a JSON object, such as null, is
// ErrValidation. The vendor does not say whether the server replaces or merges lists.
type TicketUpdateParams struct {
	redacted

	Title        *string           `json:"title,omitzero"`
	Summary      *string           `json:"summary,omitzero"` // HTML
	Priority     *string           `json:"priority,omitzero"`
	SLA          *string           `json:"SLA,omitzero"`
	Opportunity  json.RawMessage   `json:"deal,omitzero"`
	Category     *string           `json:"category,omitzero"`
	Status       *string           `json:"status,omitzero"`
	Resolution   *string           `json:"resolutionTypeOb,omitzero"`
	Files        []json.RawMessage `json:"files,omitzero"`
	CustomFields []CustomField     `json:"cusFields,omitzero"`
}

// ticketUpdate is the body of a PUT: the key and the changes, flat.
type ticketUpdate struct {
	TicketID ID `json:"TicketId"`
	TicketUpdateParams
}

func (u ticketUpdate) validate() error {
	return firstError(required("TicketId", string(u.TicketID)), objectOrNothing("deal", u.Opportunity))
}

// objectOrNothing refuses JSON other than an object, such as null: the vendor's type is an object.
func objectOrNothing(field string, raw json.RawMessage) error {
	if raw != nil && !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return invalid(field, "must be a JSON object")
	}
	return nil
}

const ticketID = "TicketId"

func (s *TicketsService) endpoint() listEndpoint[Ticket] {
	return listEndpoint[Ticket]{
		core: coreOf(s), op: "list tickets", path: "/tickets",
		id: func(t *Ticket) string { return identity("ticket", t.TicketID) },
		fields: []filterField[Ticket]{
			{name: ticketID, value: func(t *Ticket) string { return string(t.TicketID) }, trust: trustUnique},
		},
	}
}

// List returns one page of tickets (GET /tickets).
func (s *TicketsService) List(ctx context.Context, params TicketListParams, opts ...CallOption) (*Page[Ticket], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the tickets of every page, from params.Page on (GET /tickets). Break out of the loop to stop it.
func (s *TicketsService) All(ctx context.Context, params TicketListParams, opts ...CallOption) iter.Seq2[Ticket, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}

// Get returns the ticket with the id, or ErrNotFound. It lists with the id as a filter (GET /tickets).
func (s *TicketsService) Get(ctx context.Context, id ID, opts ...CallOption) (*Ticket, error) {
	return s.endpoint().get(ctx, "get ticket", ticketID, string(id), opts)
}

// Create creates a ticket and returns its id (POST /tickets). The client does not repeat it if it may have been carried
// out; the error then matches ErrOutcomeUnknown.
func (s *TicketsService) Create(ctx context.Context, params TicketCreateParams, opts ...CallOption) (ID, error) {
	return coreOf(s).writeID(ctx, writeCall{
		op: "create ticket", method: http.MethodPost, path: "/tickets", ids: []string{ticketID, "number"}, body: params,
	}, opts)
}

// Update changes the ticket with the id (PUT /tickets) and returns the id. The vendor's answer to an update has number
// where that to a creation has TicketId: both are read.
func (s *TicketsService) Update(ctx context.Context, id ID, params TicketUpdateParams, opts ...CallOption) (ID, error) {
	return coreOf(s).writeID(ctx, writeCall{
		op: "update ticket", method: http.MethodPut, path: "/tickets", ids: []string{ticketID, "number"}, body: ticketUpdate{id, params}, key: writtenID{id: id},
	}, opts)
}

// Delete deletes the ticket with the id (DELETE /tickets), or returns ErrNotFound: see ContactsService.Delete. The CRM
// keeps deleted tickets: TicketListParams.IncludeDeleted lists them.
func (s *TicketsService) Delete(ctx context.Context, id ID, opts ...CallOption) error {
	return coreOf(s).delete(ctx, "delete ticket", "/tickets", ticketID, string(id), opts)
}
