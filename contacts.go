package antcrm

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// ContactsService reads and writes contacts: leads, customers (the vendor also calls them contacts) and accounts. A
// lead has ContactTypeLead. A customer has ContactTypeCustomer and KindPerson, an account ContactTypeCustomer and
// KindAccount.
type ContactsService struct{ core *core }

// The contact types of the vendor's page.
const (
	ContactTypeLead     = "lead"
	ContactTypeCustomer = "customer"
)

// ContactRef names one contact by exactly one of its keys.
type ContactRef struct {
	LeadID     ID     `json:"leadId,omitzero"`
	CustomerID ID     `json:"customerId,omitzero"`
	ExternalID string `json:"customerIdApiRing,omitzero"` // the caller's own key
}

// LeadRef names a lead by the CRM's number.
func LeadRef(id ID) ContactRef { return ContactRef{LeadID: id} }

// CustomerRef names a customer by the CRM's number.
func CustomerRef(id ID) ContactRef { return ContactRef{CustomerID: id} }

// ExternalRef names a contact by the caller's own key (customerIdApiRing).
func ExternalRef(key string) ContactRef { return ContactRef{ExternalID: key} }

// key returns the wire name and the value of the one key that is set.
func (r ContactRef) key() (name, value string, err error) {
	set := 0
	for _, key := range [...][2]string{{"leadId", string(r.LeadID)}, {"customerId", string(r.CustomerID)}, {"customerIdApiRing", r.ExternalID}} {
		if key[1] != "" {
			name, value = key[0], key[1]
			set++
		}
	}
	if set != 1 {
		return "", "", invalid("ref", "needs exactly one of leadId, customerId, customerIdApiRing")
	}
	return name, value, required(name, value)
}

// contactType is the type of the contact as far as its key tells. The caller's own key may be a lead's or a customer's.
func (r ContactRef) contactType() string {
	if r.CustomerID != "" {
		return ContactTypeCustomer
	}
	return ContactTypeLead
}

// Contact is a lead, a customer or an account, as the CRM lists it.
type Contact struct {
	Record `json:"-"`

	Name             string          `json:"name,omitzero"`
	LastName         string          `json:"lastname,omitzero"`    // in contacts embedded elsewhere
	ContactType      string          `json:"contactType,omitzero"` // lead or customer
	Kind             ContactKind     `json:"type,omitzero"`
	LeadID           ID              `json:"leadId,omitzero"`
	CustomerID       ID              `json:"customerId,omitzero"`
	ExternalID       string          `json:"customerIdApiRing,omitzero"` // not on the vendor's page; read if it comes
	ID               ID              `json:"_id,omitzero"`               // in contacts embedded elsewhere
	AltID            ID              `json:"id,omitzero"`                // the same in history-point, which spells it id
	DateOfBirth      string          `json:"dateOfBirth,omitzero"`       // free text: the vendor documents no format
	DateOfBirth2     string          `json:"dateOfBirth2,omitzero"`
	Gender           Gender          `json:"gender,omitzero"`
	Addresses        []Address       `json:"addresses,omitzero"`
	Phones           []Phone         `json:"phones,omitzero"`
	Emails           []Email         `json:"emails,omitzero"`
	Industry         string          `json:"industry,omitzero"`
	SocialProfiles   []SocialProfile `json:"im,omitzero"`
	BackgroundInfo   string          `json:"bgInfo,omitzero"`
	Stage            string          `json:"stage,omitzero"`
	Tags             Tags            `json:"tags,omitzero"`
	Source           string          `json:"sourceContact,omitzero"`
	ResponsibleStaff string          `json:"responsibleStaff,omitzero"` // an e-mail address
	CustomFields     []CustomField   `json:"cusFields,omitzero"`
	ScoreAvailable   Decimal         `json:"scoreAvailable,omitzero"` // points to spend
	ScoreRank        Decimal         `json:"scoreRank,omitzero"`      // points that count for the rank
	RankName         string          `json:"rankName,omitzero"`
	CreatedAt        Timestamp       `json:"createdAt,omitzero"`
	UpdatedAt        Timestamp       `json:"updatedAt,omitzero"`
	CreatedBy        string          `json:"createdByBot,omitzero"`
	SourceLead       *SourceLead     `json:"sourceLead,omitzero"` // of a converted lead
	AdHistory        []AdTouch       `json:"historiesAds,omitzero"`
}

// SourceLead is the source of a converted lead.
type SourceLead struct {
	redacted

	ID   ID     `json:"_id,omitzero"`
	Code ID     `json:"code,omitzero"`
	Name string `json:"name,omitzero"`
}

// AdTouch is an advertisement through which a contact came.
type AdTouch struct {
	redacted

	ID             ID        `json:"_id,omitzero"`
	FacebookAdID   ID        `json:"fb_ads_id,omitzero"`
	FacebookPostID ID        `json:"fb_post_id,omitzero"`
	CreatedAt      Timestamp `json:"createdAt,omitzero"`
}

// Ref returns the key with which to update or delete the contact. If the contact has both ids, its contactType decides;
// if it has one, Ref returns it; if it has none, Ref returns the caller's own key.
func (c Contact) Ref() ContactRef { return c.ref() }

// ref is Ref without the copy of a large record.
func (c *Contact) ref() ContactRef {
	switch {
	case c.LeadID != "" && (c.ContactType == ContactTypeLead || c.CustomerID == ""):
		return LeadRef(c.LeadID)
	case c.CustomerID != "":
		return CustomerRef(c.CustomerID)
	}
	return ExternalRef(c.ExternalID)
}

// ContactListParams filters a list of contacts. Fields that are not set are not sent.
type ContactListParams struct {
	redacted

	ContactType string      // lead or customer; passed as given
	Kind        ContactKind // wire name type
	Phone       string
	Email       string
	LeadID      ID
	CustomerID  ID
	ExternalID  string    // wire name customerIdApiRing; our decision, not on the vendor's page
	UpdatedFrom time.Time // wire name updateAtf: a day, in the zone the time carries
	UpdatedTo   time.Time // wire name updateAtt: likewise; whether the day is included is not documented
	CreatedFrom time.Time // wire name createdAtf
	CreatedTo   time.Time // wire name createdAtt
	Page        int       // from 1
	Limit       int       // records a page; the vendor says at most 20 and may not honour more
}

func (p ContactListParams) filters() *filters {
	f := newFilters()
	f.text("contactType", p.ContactType)
	f.text("type", string(p.Kind))
	f.text("phone", p.Phone)
	f.text("email", p.Email)
	f.id("leadId", p.LeadID)
	f.id("customerId", p.CustomerID)
	f.text("customerIdApiRing", p.ExternalID)
	f.date("updateAtf", p.UpdatedFrom)
	f.date("updateAtt", p.UpdatedTo)
	f.date("createdAtf", p.CreatedFrom)
	f.date("createdAtt", p.CreatedTo)
	f.paging(p.Page, p.Limit)
	return f
}

// ContactCreateParams is a new contact. Name and ExternalID are required (the vendor's page).
type ContactCreateParams struct {
	redacted

	Name             string          `json:"name,omitzero"`
	ExternalID       string          `json:"customerIdApiRing,omitzero"` // the caller's own key, such as the ERP's customer code
	Kind             ContactKind     `json:"type,omitzero"`              // default KindPerson
	ContactType      string          `json:"contactType,omitzero"`       // default lead
	DateOfBirth      string          `json:"dateOfBirth,omitzero"`       // free text, passed through
	Gender           Gender          `json:"gender,omitzero"`            // default GenderOther
	Addresses        []Address       `json:"addresses,omitzero"`
	Phones           []Phone         `json:"phones,omitzero"`
	Emails           []Email         `json:"emails,omitzero"`
	Industry         string          `json:"industry,omitzero"`
	SocialProfiles   []SocialProfile `json:"im,omitzero"`
	BackgroundInfo   string          `json:"bgInfo,omitzero"`
	Stage            string          `json:"stage,omitzero"` // by name
	Tags             Tags            `json:"tags,omitzero"`
	Source           string          `json:"sourceContact,omitzero"`
	ResponsibleStaff string          `json:"responsibleStaff,omitzero"` // an e-mail address
	CustomFields     []CustomField   `json:"cusFields,omitzero"`
}

func (p ContactCreateParams) validate() error {
	return firstError(required("name", p.Name), required("customerIdApiRing", p.ExternalID))
}

// group is the contactType that the contact will have in the CRM.
func (p *ContactCreateParams) group() string {
	if p.ContactType == "" {
		return ContactTypeLead
	}
	return p.ContactType
}

// ContactUpdateParams changes a contact. Nil leaves a field alone: Name: new("Mai") changes the name and nothing else.
// The contact type and kind cannot be changed.
//
// To clear a text, point to "" (Industry: new("")). To clear a list, set an empty slice that is not nil (Tags:
// antcrm.Tags{}). That this clears the field is our guess: the vendor does not say how to clear one. A gender cannot be
// cleared: set GenderOther. An empty one is ErrValidation.
//
// The vendor does not say either whether the server replaces a list or merges the new elements into it. If it matters,
// read the contact after you have changed a list. An element of a list is a new value and not a change: its empty texts
// are not sent.
type ContactUpdateParams struct {
	redacted

	Name             *string         `json:"name,omitzero"`
	DateOfBirth      *string         `json:"dateOfBirth,omitzero"`
	Gender           *Gender         `json:"gender,omitzero"` // cannot be cleared: GenderOther is the vendor's default
	Addresses        []Address       `json:"addresses,omitzero"`
	Phones           []Phone         `json:"phones,omitzero"`
	Emails           []Email         `json:"emails,omitzero"`
	Industry         *string         `json:"industry,omitzero"`
	SocialProfiles   []SocialProfile `json:"im,omitzero"`
	BackgroundInfo   *string         `json:"bgInfo,omitzero"`
	Stage            *string         `json:"stage,omitzero"` // by name
	Tags             Tags            `json:"tags,omitzero"`
	Source           *string         `json:"sourceContact,omitzero"`
	ResponsibleStaff *string         `json:"responsibleStaff,omitzero"` // an e-mail address
	CustomFields     []CustomField   `json:"cusFields,omitzero"`
}

// contactUpdate is the body of a PUT: the key and the changes, flat.
type contactUpdate struct {
	ContactRef
	ContactUpdateParams
}

func (u contactUpdate) validate() error {
	if u.Gender != nil && *u.Gender == "" {
		return invalid("gender", "cannot be cleared: an empty text is not one of the vendor's values; GenderOther is")
	}
	return nil
}

func (s *ContactsService) endpoint() listEndpoint[Contact] {
	return listEndpoint[Contact]{
		core: coreOf(s), op: "list contacts", path: "/contacts",
		id: func(c *Contact) string {
			ref := c.ref()
			if id := identity("lead", ref.LeadID) + identity("customer", ref.CustomerID); id != "" {
				return id
			}
			return identity("id", c.ID)
		},
		fields: []filterField[Contact]{
			{name: "leadId", value: func(c *Contact) string { return string(c.LeadID) }, trust: trustUnique},
			{name: "customerId", value: func(c *Contact) string { return string(c.CustomerID) }, trust: trustUnique},
			{name: "customerIdApiRing", value: func(c *Contact) string { return c.ExternalID }, trust: trustNothing},
		},
	}
}

// List returns one page of contacts (GET /contacts).
func (s *ContactsService) List(ctx context.Context, params ContactListParams, opts ...CallOption) (*Page[Contact], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the contacts of every page, from params.Page on (GET /contacts). Break out of the loop to stop it.
func (s *ContactsService) All(ctx context.Context, params ContactListParams, opts ...CallOption) iter.Seq2[Contact, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}

// Get returns the contact that ref names, or ErrNotFound. It lists with the key as a filter (GET /contacts), because
// the API has no endpoint for one contact.
//
// The vendor's page does not list the filter by ExternalID (our decision). If the server ignores it and returns other
// contacts, the error is ErrFilterIgnored.
func (s *ContactsService) Get(ctx context.Context, ref ContactRef, opts ...CallOption) (*Contact, error) {
	name, key, err := ref.key()
	if err != nil {
		return nil, err
	}
	return s.endpoint().get(ctx, "get contact", name, key, opts)
}

// Create creates a contact and returns its key in the CRM (POST /contacts). The client does not repeat it if it may
// have been carried out; the error then matches ErrOutcomeUnknown.
func (s *ContactsService) Create(ctx context.Context, params ContactCreateParams, opts ...CallOption) (ContactRef, error) {
	result, err := coreOf(s).write(ctx, writeCall{
		op: "create contact", method: http.MethodPost, path: "/contacts", body: params, ids: contactIDs(params.group()),
	}, opts)
	return contactRef(result.name, result.id), err
}

// Update changes the contact that ref names (PUT /contacts). It returns the key in the answer, or ref if the answer is
// a 204. Like any PUT it is repeated. If the last attempt ends in a lost answer or a 5xx, the error matches
// ErrOutcomeUnknown.
func (s *ContactsService) Update(ctx context.Context, ref ContactRef, params ContactUpdateParams, opts ...CallOption) (ContactRef, error) {
	name, key, err := ref.key()
	if err != nil {
		return ContactRef{}, err
	}
	result, err := coreOf(s).write(ctx, writeCall{
		op: "update contact", method: http.MethodPut, path: "/contacts", body: contactUpdate{ref, params},
		ids: contactIDs(ref.contactType()), key: writtenID{name, ID(key)},
	}, opts)
	return contactRef(result.name, result.id), err
}

// contactIDs are the names that a contact's id may have in an answer, the expected one first.
func contactIDs(contactType string) []string {
	if contactType == ContactTypeLead {
		return []string{"leadId", "customerId"}
	}
	return []string{"customerId", "leadId"}
}

func contactRef(name string, id ID) ContactRef {
	switch name {
	case "leadId":
		return LeadRef(id)
	case "customerId":
		return CustomerRef(id)
	}
	return ExternalRef(string(id))
}

// Delete deletes the contact that ref names (DELETE /contacts), or returns ErrNotFound. If an earlier attempt of the
// same call may have been carried out, a 404 means that it was: Delete then returns nil. The key is sent in the query
// and in the body (our decision: the vendor does not say which).
func (s *ContactsService) Delete(ctx context.Context, ref ContactRef, opts ...CallOption) error {
	name, key, err := ref.key()
	if err != nil {
		return err
	}
	return coreOf(s).delete(ctx, "delete contact", "/contacts", name, key, opts)
}

// CreateBatch creates contacts, up to 100 a request (POST /contacts/package). The result is never nil and in input
// order. If any record was not confirmed, the error is a *BatchError. If any record is invalid, nothing is sent.
//
// Leads and customers are sent in separate requests (our decision): their ids have different names in the answers.
func (s *ContactsService) CreateBatch(ctx context.Context, contacts []ContactCreateParams, opts ...BatchOption) (*BatchResult[ContactRef], error) {
	return s.bulk().runBatch(ctx, contacts, opts)
}

// Import creates contacts from a source of any length, up to 100 a request (POST /contacts/package), in constant
// memory. It reads the source in the caller's goroutine, no faster than the requests go. It yields one result for each
// record that it has read, as requests end, in no order. An invalid record is OutcomeNotSent, and the import goes on.
//
// An error of the sequence itself comes last, with the zero result: it is the source's, the journal's or the context's.
// Break out of the loop to cancel the requests under way; their outcome is then unknown. The sequence can be ranged
// over once.
//
// With WithJournal you can run an import again after a crash without doubling a record.
func (s *ContactsService) Import(ctx context.Context, source iter.Seq2[ContactCreateParams, error], opts ...BatchOption) iter.Seq2[ImportResult[ContactRef], error] {
	return s.bulk().importAll(ctx, source, opts)
}

func (s *ContactsService) bulk() bulk[ContactCreateParams, ContactRef] {
	return bulk[ContactCreateParams, ContactRef]{
		core: coreOf(s), op: "create contacts", method: http.MethodPost, path: "/contacts/package",
		group: (*ContactCreateParams).group,
		refs: func(a *answer, sent []ContactCreateParams) ([]ContactRef, error) {
			ids, name, err := idRefs(a, len(sent), contactIDs(sent[0].group())...)
			if err != nil {
				return nil, err
			}
			refs := make([]ContactRef, len(ids))
			for i, id := range ids {
				refs[i] = contactRef(name, id)
			}
			return refs, nil
		},
	}
}
