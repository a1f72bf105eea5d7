package antcrm

import (
	"context"
	"iter"
	"time"
)

// TelesalesService lists the telesales records of a campaign.
type TelesalesService struct{ core *core }

// TelecallsService lists the calls of a campaign.
type TelecallsService struct{ core *core }

// CampaignsService lists the telesales campaigns.
type CampaignsService struct{ core *core }

// Telesale is a telesales record. The vendor documents none of its fields: use RawJSON and Decode for the others.
type Telesale struct {
	Record `json:"-"`

	ID        ID        `json:"_id,omitzero"`
	CreatedAt Timestamp `json:"createdAt,omitzero"`
}

// Telecall is a call of a campaign. The vendor documents none of its fields: use RawJSON and Decode for the others.
type Telecall struct {
	Record `json:"-"`

	ID        ID        `json:"_id,omitzero"`
	CreatedAt Timestamp `json:"createdAt,omitzero"`
}

// Campaign is a telesales campaign. The vendor documents none of its fields: use RawJSON and Decode for the others.
type Campaign struct {
	Record `json:"-"`

	ID        ID        `json:"_id,omitzero"`
	CreatedAt Timestamp `json:"createdAt,omitzero"`
}

// TelesaleListParams filters the telesales records of a campaign. CampaignID is required.
type TelesaleListParams struct {
	redacted

	CampaignID ID
	SurveyOnly bool      // wire name survey: only records with survey values
	From       time.Time // wire name dateStart: creation
	To         time.Time // wire name dateEnd
	Page       int       // from 1
	Limit      int       // records a page, 100 at most by the vendor's page; passed as given
}

func (p TelesaleListParams) filters() *filters {
	f := newFilters()
	f.required("campaignId", string(p.CampaignID))
	f.flag("survey", p.SurveyOnly)
	f.time("dateStart", p.From)
	f.time("dateEnd", p.To)
	f.paging(p.Page, p.Limit)
	return f
}

// TelecallListParams filters the calls of a campaign. CampaignID is required.
type TelecallListParams struct {
	redacted

	CampaignID ID
	From       time.Time // wire name dateStart: time of the call
	To         time.Time // wire name dateEnd
	Page       int       // from 1
	Limit      int       // records a page, 100 at most by the vendor's page; passed as given
}

func (p TelecallListParams) filters() *filters {
	f := newFilters()
	f.required("campaignId", string(p.CampaignID))
	f.time("dateStart", p.From)
	f.time("dateEnd", p.To)
	f.paging(p.Page, p.Limit)
	return f
}

// CampaignListParams filters a list of campaigns. Fields that are not set are not sent.
type CampaignListParams struct {
	redacted

	From  time.Time // wire name dateStart
	To    time.Time // wire name dateEnd
	Page  int       // from 1
	Limit int       // records a page, 100 at most by the vendor's page; passed as given
}

func (p CampaignListParams) filters() *filters {
	f := newFilters()
	f.time("dateStart", p.From)
	f.time("dateEnd", p.To)
	f.paging(p.Page, p.Limit)
	return f
}

func (s *TelesalesService) endpoint() listEndpoint[Telesale] {
	return listEndpoint[Telesale]{core: coreOf(s), op: "list telesales", path: "/telesales", id: func(t *Telesale) string { return identity("id", t.ID) }}
}

// List returns one page of telesales records (GET /telesales).
func (s *TelesalesService) List(ctx context.Context, params TelesaleListParams, opts ...CallOption) (*Page[Telesale], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the telesales records of every page, from params.Page on (GET /telesales). Break out of the loop to
// stop it.
func (s *TelesalesService) All(ctx context.Context, params TelesaleListParams, opts ...CallOption) iter.Seq2[Telesale, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}

func (s *TelecallsService) endpoint() listEndpoint[Telecall] {
	return listEndpoint[Telecall]{core: coreOf(s), op: "list telecalls", path: "/telecalls", id: func(t *Telecall) string { return identity("id", t.ID) }}
}

// List returns one page of calls (GET /telecalls).
func (s *TelecallsService) List(ctx context.Context, params TelecallListParams, opts ...CallOption) (*Page[Telecall], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the calls of every page, from params.Page on (GET /telecalls). Break out of the loop to stop it.
func (s *TelecallsService) All(ctx context.Context, params TelecallListParams, opts ...CallOption) iter.Seq2[Telecall, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}

func (s *CampaignsService) endpoint() listEndpoint[Campaign] {
	return listEndpoint[Campaign]{core: coreOf(s), op: "list campaigns", path: "/campaigns", id: func(c *Campaign) string { return identity("id", c.ID) }}
}

// List returns one page of campaigns (GET /campaigns). The heading on the vendor's page says /telecalls, its example
// /campaigns.
func (s *CampaignsService) List(ctx context.Context, params CampaignListParams, opts ...CallOption) (*Page[Campaign], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the campaigns of every page, from params.Page on (GET /campaigns). Break out of the loop to stop
// it.
func (s *CampaignsService) All(ctx context.Context, params CampaignListParams, opts ...CallOption) iter.Seq2[Campaign, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}
