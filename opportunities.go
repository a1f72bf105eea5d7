package antcrm

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"slices"
)

// OpportunitiesService reads and writes opportunities, which are orders with line items and a receiver.
type OpportunitiesService struct{ core *core }

// LineItem is a product in an order (wire name groupPackage). Its name must be the product's name in the CRM (the
// vendor's page).
type LineItem struct {
	redacted

	Name              string      `json:"name,omitzero"`
	Quantity          Decimal     `json:"quantity,omitzero"`
	DiscountType      NumericCode `json:"typeDiscount,omitzero"`     // DiscountCash or DiscountPercent
	Discount          Decimal     `json:"discount,omitzero"`         // an amount, or a percentage
	Value             Decimal     `json:"value,omitzero"`            // the price of one
	ProductExternalID string      `json:"productIdApiRing,omitzero"` // the caller's own key of the product
	Note              string      `json:"note,omitzero"`
	Code              ID          `json:"code,omitzero"` // SKU
}

// OrderCustomer is the customer of a new order (wire name dealWith).
type OrderCustomer struct {
	redacted

	CustomerID ID      `json:"customerId,omitzero"`
	Name       string  `json:"name,omitzero"`
	Phones     []Phone `json:"phones,omitzero"`
	ExternalID string  `json:"customerIdApiRing,omitzero"`
}

// OrderStaff is the staff who work on an order (wire name dealBy).
type OrderStaff struct {
	redacted

	Users  []json.RawMessage `json:"users,omitzero"`
	Groups []json.RawMessage `json:"groups,omitzero"`
}

// Opportunity is an order, as the CRM lists it. Amounts are in Currency. Fields whose shape the vendor does not
// document are raw JSON.
type Opportunity struct {
	Record `json:"-"`

	ID                      ID                `json:"_id,omitzero"`
	Number                  ID                `json:"number,omitzero"`
	Name                    string            `json:"name,omitzero"`
	ExternalID              string            `json:"opportunityIdApiRing,omitzero"`
	Description             string            `json:"description,omitzero"`
	Stage                   string            `json:"stage,omitzero"` // a name, or the object id of one
	Status                  string            `json:"status,omitzero"`
	Branch                  string            `json:"branch,omitzero"`
	LineItems               []LineItem        `json:"groupPackage,omitzero"`
	Value                   Decimal           `json:"value,omitzero"`
	Discount                Decimal           `json:"discount,omitzero"`
	DiscountType            NumericCode       `json:"typeDiscount,omitzero"`
	ShippingCost            Decimal           `json:"shipping_cost,omitzero"`
	TotalPayment            Decimal           `json:"totalPayment,omitzero"`
	Quantity                Decimal           `json:"quantity,omitzero"`
	Currency                string            `json:"currency,omitzero"`
	ReceiverName            string            `json:"receiverName,omitzero"`
	ReceiverPhone           string            `json:"receiverPhone,omitzero"`
	ReceiverAddress         *Address          `json:"receiverAddressObj,omitzero"`
	ReceiverNote            string            `json:"receiverNote,omitzero"`
	Staff                   *OrderStaff       `json:"dealBy,omitzero"`
	Customer                json.RawMessage   `json:"dealWith,omitzero"`
	Contacts                []json.RawMessage `json:"contacts,omitzero"`
	Package                 []json.RawMessage `json:"package,omitzero"`
	Coupons                 []json.RawMessage `json:"coupons,omitzero"`
	Files                   []json.RawMessage `json:"files,omitzero"`
	Tags                    json.RawMessage   `json:"tags,omitzero"`
	CustomFields            []CustomField     `json:"cusFields,omitzero"`
	Permit                  json.RawMessage   `json:"permit,omitzero"`
	Normalized              string            `json:"normalize,omitzero"`
	DealID                  ID                `json:"dealId,omitzero"`
	CanEdit                 Flag              `json:"canEdit,omitzero"`
	Inactive                Flag              `json:"inActive,omitzero"`
	CreatedByLeadConversion Flag              `json:"isCreatedByConvertLead,omitzero"`
	SampleData              Flag              `json:"isSampleData,omitzero"`
	DeferredDate            Timestamp         `json:"deferredDate,omitzero"`
	DeliveryTime            Timestamp         `json:"timeDelivery,omitzero"`
	CreatedAt               Timestamp         `json:"createdAt,omitzero"`
	UpdatedAt               Timestamp         `json:"updatedAt,omitzero"`
}

// OpportunityListParams filters a list of orders. Fields that are not set are not sent.
type OpportunityListParams struct {
	redacted

	Number     ID
	Phone      string // wire name phones: one number
	CustomerID ID
	Page       int // from 1
	Limit      int // records a page; the vendor says at most 20 and may not honour more
}

func (p OpportunityListParams) filters() *filters {
	f := newFilters()
	f.id("number", p.Number)
	f.text("phones", p.Phone)
	f.id("customerId", p.CustomerID)
	f.paging(p.Page, p.Limit)
	return f
}

// OpportunityCreateParams is a new order. Name and ReceiverName are required.
type OpportunityCreateParams struct {
	redacted

	Name            string         `json:"name,omitzero"`
	ReceiverName    string         `json:"receiverName,omitzero"`
	ExternalID      string         `json:"opportunityIdApiRing,omitzero"` // the caller's own key
	Assignees       []string       `json:"dealByUsers,omitzero"`          // e-mail addresses
	Customer        *OrderCustomer `json:"dealWith,omitzero"`
	ReceiverPhone   string         `json:"receiverPhone,omitzero"`
	ReceiverAddress *Address       `json:"receiverAddressObj,omitzero"`
	LineItems       []LineItem     `json:"groupPackage,omitzero"`
	Value           Decimal        `json:"value,omitzero"` // "" lets the system price the order; "0" is a price
	ReceiverNote    string         `json:"receiverNote,omitzero"`
	Description     string         `json:"description,omitzero"`
	Stage           string         `json:"stage,omitzero"` // by name
	Branch          string         `json:"branch,omitzero"`
	CustomFields    []CustomField  `json:"cusFields,omitzero"`
	CreatedAt       Timestamp      `json:"createdAt,omitzero"` // when the order was placed
	ShippingCost    Decimal        `json:"shipping_cost,omitzero"`
}

func (p OpportunityCreateParams) validate() error {
	return firstError(required("name", p.Name), required("receiverName", p.ReceiverName))
}

// OpportunityUpdateParams changes an order. Nil leaves a field alone, but for Value: see there.
//
// To clear a text, point to "", in the address too. To clear a list, set an empty slice that is not nil. To clear the
// address, point to an empty AddressUpdate, or send each of its texts empty: Address{}.Update(). That this clears the
// field is our guess. The vendor does not say either whether the server replaces or merges lists and the address: send
// them whole. An element of a list is a new value and not a change: its empty texts are not sent.
type OpportunityUpdateParams struct {
	redacted

	Name            *string        `json:"name,omitzero"`
	ReceiverName    *string        `json:"receiverName,omitzero"`
	ReceiverPhone   *string        `json:"receiverPhone,omitzero"`
	ReceiverAddress *AddressUpdate `json:"receiverAddressObj,omitzero"`
	LineItems       []LineItem     `json:"groupPackage,omitzero"`
	// Value is the price of the order. Send it with every change: the vendor says that the system computes the price of
	// an order that is sent without one, so an update without Value may change the amount. "0" is a price. The empty
	// Decimal is ErrValidation.
	Value        *Decimal      `json:"value,omitzero"`
	ReceiverNote *string       `json:"receiverNote,omitzero"`
	Description  *string       `json:"description,omitzero"`
	Stage        *string       `json:"stage,omitzero"` // by name
	Branch       *string       `json:"branch,omitzero"`
	CustomFields []CustomField `json:"cusFields,omitzero"`
	ShippingCost *Decimal      `json:"shipping_cost,omitzero"` // "0" is no cost; the empty Decimal is ErrValidation
}

// OpportunityUpdate is one change of UpdateBatch: the order's number and what to change. In JSON it is one flat object.
type OpportunityUpdate struct {
	Number ID `json:"number,omitzero"`
	OpportunityUpdateParams
}

func (u OpportunityUpdate) validate() error {
	return firstError(required("number", string(u.Number)), clearedAmount("value", u.Value), clearedAmount("shipping_cost", u.ShippingCost))
}

// clearedAmount refuses the empty amount: the vendor's type is a number, and an empty text is none.
func clearedAmount(field string, amount *Decimal) error {
	if amount != nil && *amount == "" {
		return invalid(field, "cannot be cleared: an empty text is not a number; \"0\" is")
	}
	return nil
}

const opportunityID = "number"

func (s *OpportunitiesService) endpoint() listEndpoint[Opportunity] {
	return listEndpoint[Opportunity]{
		core: coreOf(s), op: "list opportunities", path: "/opportunities",
		id: func(o *Opportunity) string {
			if o.Number != "" {
				return identity("number", o.Number)
			}
			return identity("id", o.ID)
		},
		fields: []filterField[Opportunity]{
			{name: opportunityID, value: func(o *Opportunity) string { return string(o.Number) }, trust: trustUnique},
		},
	}
}

// List returns one page of orders (GET /opportunities).
func (s *OpportunitiesService) List(ctx context.Context, params OpportunityListParams, opts ...CallOption) (*Page[Opportunity], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the orders of every page, from params.Page on (GET /opportunities). Break out of the loop to stop
// it.
func (s *OpportunitiesService) All(ctx context.Context, params OpportunityListParams, opts ...CallOption) iter.Seq2[Opportunity, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}

// Get returns the order with the number, or ErrNotFound. It lists with the number as a filter (GET /opportunities).
func (s *OpportunitiesService) Get(ctx context.Context, number ID, opts ...CallOption) (*Opportunity, error) {
	return s.endpoint().get(ctx, "get opportunity", opportunityID, string(number), opts)
}

// Create creates an order and returns its number (POST /opportunities). The client does not repeat it if it may have
// been carried out; the error then matches ErrOutcomeUnknown.
func (s *OpportunitiesService) Create(ctx context.Context, params OpportunityCreateParams, opts ...CallOption) (ID, error) {
	return coreOf(s).writeID(ctx, writeCall{
		op: "create opportunity", method: http.MethodPost, path: "/opportunities", ids: []string{opportunityID}, body: params,
	}, opts)
}

// Update changes the order with the number (PUT /opportunities) and returns the number. Like any PUT it is repeated. If
// the last attempt ends in a lost answer or a 5xx, the error matches ErrOutcomeUnknown.
func (s *OpportunitiesService) Update(ctx context.Context, number ID, params OpportunityUpdateParams, opts ...CallOption) (ID, error) {
	return coreOf(s).writeID(ctx, writeCall{
		op: "update opportunity", method: http.MethodPut, path: "/opportunities", ids: []string{opportunityID}, body: OpportunityUpdate{number, params}, key: writtenID{id: number},
	}, opts)
}

// Delete deletes the order with the number (DELETE /opportunities), or returns ErrNotFound: see ContactsService.Delete.
func (s *OpportunitiesService) Delete(ctx context.Context, number ID, opts ...CallOption) error {
	return coreOf(s).delete(ctx, "delete opportunity", "/opportunities", opportunityID, string(number), opts)
}

// CreateBatch creates orders, up to 100 a request (POST /opportunities/package). The result is never nil and in input
// order. If any record was not confirmed, the error is a *BatchError. If any record is invalid, nothing is sent.
func (s *OpportunitiesService) CreateBatch(ctx context.Context, orders []OpportunityCreateParams, opts ...BatchOption) (*BatchResult[ID], error) {
	return s.bulkCreate().runBatch(ctx, orders, opts)
}

// UpdateBatch changes orders, up to 100 a request (PUT /opportunities/package). The result is never nil and in input
// order; it has the orders' numbers. If the answer is a 204, or has the same numbers in another order, they are the
// numbers that were sent (our decision). If any change was not confirmed, the error is a *BatchError.
//
// Name each order only once: requests run at the same time, in no order. Making the same change again does no harm.
func (s *OpportunitiesService) UpdateBatch(ctx context.Context, changes []OpportunityUpdate, opts ...BatchOption) (*BatchResult[ID], error) {
	update := bulk[OpportunityUpdate, ID]{core: coreOf(s), op: "update opportunities", method: http.MethodPut, path: "/opportunities/package", refs: updatedNumbers}
	return update.runBatch(ctx, changes, opts)
}

// updatedNumbers reads the answer to a package of changes, whose numbers are known.
func updatedNumbers(a *answer, sent []OpportunityUpdate) ([]ID, error) {
	known := make([]ID, len(sent))
	for i := range sent {
		known[i] = sent[i].Number
	}
	if a.isEmptySuccess() {
		return known, nil
	}
	ids, _, err := idRefs(a, len(sent), opportunityID)
	if err == nil && slices.Equal(slices.Sorted(slices.Values(ids)), slices.Sorted(slices.Values(known))) {
		return known, nil
	}
	return ids, err
}

// Import creates orders from a source of any length, up to 100 a request (POST /opportunities/package), in constant
// memory: see ContactsService.Import.
func (s *OpportunitiesService) Import(ctx context.Context, source iter.Seq2[OpportunityCreateParams, error], opts ...BatchOption) iter.Seq2[ImportResult[ID], error] {
	return s.bulkCreate().importAll(ctx, source, opts)
}

func (s *OpportunitiesService) bulkCreate() bulk[OpportunityCreateParams, ID] {
	return bulk[OpportunityCreateParams, ID]{core: coreOf(s), op: "create opportunities", method: http.MethodPost, path: "/opportunities/package", refs: createdNumbers}
}

func createdNumbers(a *answer, sent []OpportunityCreateParams) ([]ID, error) {
	ids, _, err := idRefs(a, len(sent), opportunityID)
	return ids, err
}
