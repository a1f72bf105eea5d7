package antcrm

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// PointsService lists and adds loyalty points.
type PointsService struct{ core *core }

// RedeemService lists gifts that customers have redeemed points for, and gives new ones.
type RedeemService struct{ core *core }

// LoyaltyEntry is an accumulation or a redemption of points.
type LoyaltyEntry struct {
	Record `json:"-"`

	ID           ID              `json:"id,omitzero"`
	Type         NumericCode     `json:"type,omitzero"` // LoyaltyAccumulation or LoyaltyRedemption
	Score        Score           `json:"score"`
	Status       NumericCode     `json:"status,omitzero"`  // LoyaltySucceeded or LoyaltyFailed
	Product      *LoyaltyProduct `json:"product,omitzero"` // of an accumulation
	Gift         *LoyaltyGift    `json:"gift,omitzero"`    // of a redemption
	Contact      *Contact        `json:"contact,omitzero"`
	Org          ID              `json:"org,omitzero"`          // the organization's object id
	Code         ID              `json:"code,omitzero"`         // the cumulative code; a redemption has none of its own
	SerialNumber ID              `json:"serialNumber,omitzero"` // the serial number accumulated
	CreatedAt    Timestamp       `json:"createdAt,omitzero"`
}

// LoyaltyProduct is the product for which a customer got points.
type LoyaltyProduct struct {
	redacted

	Code ID     `json:"code,omitzero"`
	Name string `json:"name,omitzero"`
	ID   ID     `json:"id,omitzero"`
}

// LoyaltyGift is the gift for which a customer spent points.
type LoyaltyGift struct {
	redacted

	Code  ID     `json:"code,omitzero"`
	Name  string `json:"name,omitzero"`
	Score Score  `json:"score"` // its price in points
	ID    ID     `json:"id,omitzero"`
}

// LoyaltyListParams filters a history of points. Fields that are not set are not sent. The endpoint has no limit.
type LoyaltyListParams struct {
	redacted

	From  time.Time // wire name createdAtRangeFrom, milliseconds
	To    time.Time // wire name createdAtRangeTo, milliseconds
	Phone string
	Email string
	Page  int // from 1
}

func (p LoyaltyListParams) filters() *filters {
	f := newFilters()
	f.millis("createdAtRangeFrom", p.From)
	f.millis("createdAtRangeTo", p.To)
	f.text("phone", p.Phone)
	f.text("email", p.Email)
	f.paging(p.Page, 0)
	return f
}

// AccumulateParams adds points for a code, such as a product's serial code. Code is required, and so is a phone, an
// e-mail address or a name by which the CRM finds the customer.
type AccumulateParams struct {
	redacted

	Code string             `json:"code,omitzero"`
	Data AccumulateCustomer `json:"data,omitzero"`
}

// AccumulateCustomer is the customer who gets the points. Emails and Phones are lists of objects as in a contact; the
// vendor's page prints them so ("emails": [{"type": "Work", "value": "…"}]).
type AccumulateCustomer struct {
	redacted

	Emails []Email `json:"emails,omitzero"`
	Name   string  `json:"name,omitzero"`
	Phones []Phone `json:"phones,omitzero"`
}

func (p AccumulateParams) validate() error {
	if err := required("code", p.Code); err != nil {
		return err
	}
	if len(p.Data.Emails) == 0 && len(p.Data.Phones) == 0 && required("name", p.Data.Name) != nil {
		return invalid("data", "needs a phone, an e-mail address or a name")
	}
	return nil
}

// RedeemParams spends points on a gift. The gift's Code is required, and so is a phone or an e-mail address by which
// the CRM finds the customer.
type RedeemParams struct {
	redacted

	Code string         `json:"code,omitzero"`
	Data RedeemCustomer `json:"data,omitzero"`
}

// RedeemCustomer is the customer whose points are spent. Unlike AccumulateCustomer it has one e-mail address and one
// phone (the vendor's page).
type RedeemCustomer struct {
	redacted

	Email string `json:"email,omitzero"`
	Phone string `json:"phone,omitzero"`
}

func (p RedeemParams) validate() error {
	if err := required("code", p.Code); err != nil {
		return err
	}
	if required("email", p.Data.Email) != nil && required("phone", p.Data.Phone) != nil {
		return invalid("data", "needs a phone or an e-mail address")
	}
	return nil
}

// history is one of the two lists of /history-point. It drops records whose type is that of the other list: the vendor
// does not say whether the server separates them (our decision). A record without a type belongs to both.
func history(c *core, op string, other NumericCode) listEndpoint[LoyaltyEntry] {
	return listEndpoint[LoyaltyEntry]{
		core: c, op: op, path: "/history-point",
		id:      func(e *LoyaltyEntry) string { return identity("id", e.ID) },
		belongs: func(e *LoyaltyEntry) bool { return e.Type != other },
	}
}

func (s *PointsService) endpoint() listEndpoint[LoyaltyEntry] {
	return history(coreOf(s), "list points", LoyaltyRedemption)
}

func (p LoyaltyListParams) pointFilters() *filters {
	f := p.filters()
	f.text("type", "point")
	return f
}

// List returns one page of accumulations (GET /history-point?type=point).
func (s *PointsService) List(ctx context.Context, params LoyaltyListParams, opts ...CallOption) (*Page[LoyaltyEntry], error) {
	return s.endpoint().page(ctx, params.pointFilters(), opts)
}

// All iterates over the accumulations of every page, from params.Page on (GET /history-point?type=point). Break out of
// the loop to stop it.
func (s *PointsService) All(ctx context.Context, params LoyaltyListParams, opts ...CallOption) iter.Seq2[LoyaltyEntry, error] {
	return s.endpoint().all(ctx, params.pointFilters(), opts)
}

// Accumulate adds points to a customer (POST /accumulate). The client does not repeat it if it may have been carried
// out; the error then matches ErrOutcomeUnknown.
func (s *PointsService) Accumulate(ctx context.Context, params AccumulateParams, opts ...CallOption) error {
	_, err := coreOf(s).writeID(ctx, writeCall{
		op: "accumulate points", method: http.MethodPost, path: "/accumulate", body: params,
	}, opts)
	return err
}

func (s *RedeemService) endpoint() listEndpoint[LoyaltyEntry] {
	return history(coreOf(s), "list redemptions", LoyaltyAccumulation)
}

// List returns one page of redemptions (GET /history-point). It drops accumulations, so a page may have fewer records
// than the server sent.
func (s *RedeemService) List(ctx context.Context, params LoyaltyListParams, opts ...CallOption) (*Page[LoyaltyEntry], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the redemptions of every page, from params.Page on (GET /history-point). Break out of the loop to
// stop it.
func (s *RedeemService) All(ctx context.Context, params LoyaltyListParams, opts ...CallOption) iter.Seq2[LoyaltyEntry, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}

// Gift spends a customer's points on a gift (POST /redeem). The client does not repeat it if it may have been carried
// out; the error then matches ErrOutcomeUnknown.
func (s *RedeemService) Gift(ctx context.Context, params RedeemParams, opts ...CallOption) error {
	_, err := coreOf(s).writeID(ctx, writeCall{
		op: "redeem gift", method: http.MethodPost, path: "/redeem", body: params,
	}, opts)
	return err
}
