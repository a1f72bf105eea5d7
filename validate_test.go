package antcrm_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// failed is the error of a call, whatever else it returns.
func failed[T any](_ T, err error) error { return err }

// Bad input is named by the wire's field and found before anything is sent.
func TestTextFieldsThatAreNotUTF8AreRefused(t *testing.T) {
	t.Parallel()
	params := contact(1)
	params.CustomFields = []antcrm.CustomField{antcrm.TextField("note", "x\xffy")}
	_, err := scripted(t).client().Contacts.Create(t.Context(), params)
	assert.Equal(t, "cusFields[0].value", requireError[*antcrm.ValidationError](t, err).Field)
}

func TestBadInputIsNamedByItsField(t *testing.T) {
	t.Parallel()
	server := scripted(t)
	c, ctx := server.client(), t.Context()
	create := func(change func(*antcrm.ContactCreateParams)) error {
		params := contact(1)
		change(&params)
		return failed(c.Contacts.Create(ctx, params))
	}
	order := func(change func(*antcrm.OpportunityCreateParams)) error {
		params := newOrder()
		change(&params)
		return failed(c.Opportunities.Create(ctx, params))
	}
	product := func(params antcrm.ProductCreateParams) error { return failed(c.Products.Create(ctx, params)) }
	ticket := func(params antcrm.TicketCreateParams) error { return failed(c.Tickets.Create(ctx, params)) }
	list := func(params antcrm.ContactListParams) error { return failed(c.Contacts.List(ctx, params)) }
	redeem := func(params antcrm.RedeemParams) error { return c.Redeem.Gift(ctx, params) }
	accumulate := func(params antcrm.AccumulateParams) error { return c.Points.Accumulate(ctx, params) }
	far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

	for _, tt := range []struct {
		field string
		err   error
	}{
		{"name", create(func(p *antcrm.ContactCreateParams) { p.Name = "" })},
		{"name", create(func(p *antcrm.ContactCreateParams) { p.Name = "a\xffb" })},
		{"customerIdApiRing", create(func(p *antcrm.ContactCreateParams) { p.ExternalID = " \t" })},
		{"addresses[1].country.name", create(func(p *antcrm.ContactCreateParams) {
			p.Addresses = []antcrm.Address{{}, {Country: &antcrm.Country{Name: "\xff"}}}
		})},
		{"tags[0]", create(func(p *antcrm.ContactCreateParams) { p.Tags = antcrm.Tags{"\xc0"} })},
		{"cusFields[0].value", create(func(p *antcrm.ContactCreateParams) {
			p.CustomFields = []antcrm.CustomField{{Name: "f", Value: json.RawMessage(`{"a":}`)}}
		})},
		{"cusFields[0].value", create(func(p *antcrm.ContactCreateParams) {
			p.CustomFields = []antcrm.CustomField{{Name: "f", Value: json.RawMessage("\"\xff\"")}}
		})},
		{"cusFields[0].value", create(func(p *antcrm.ContactCreateParams) {
			p.CustomFields = []antcrm.CustomField{{Name: "f", Value: json.RawMessage{}}}
		})},
		{"receiverName", order(func(p *antcrm.OpportunityCreateParams) { p.ReceiverName = "" })},
		{"value", order(func(p *antcrm.OpportunityCreateParams) { p.Value = "1,000" })},
		{"shipping_cost", order(func(p *antcrm.OpportunityCreateParams) { p.ShippingCost = "NaN" })},
		{"groupPackage[0].quantity", order(func(p *antcrm.OpportunityCreateParams) { p.LineItems = []antcrm.LineItem{{Quantity: "two"}} })},
		{"dealWith.phones[0].value", order(func(p *antcrm.OpportunityCreateParams) {
			p.Customer = &antcrm.OrderCustomer{Phones: []antcrm.Phone{{Value: "\xff"}}}
		})},
		{"code", product(antcrm.ProductCreateParams{Name: "n", ExternalID: "x"})},
		{"productIdApiRing", product(antcrm.ProductCreateParams{Name: "n", Code: "c"})},
		{"value", product(antcrm.ProductCreateParams{Name: "n", Code: "c", ExternalID: "x", Value: "free"})},
		{"title", ticket(antcrm.TicketCreateParams{SLA: "s", Contact: antcrm.TicketContact{ID: "1"}})},
		{"SLA", ticket(antcrm.TicketCreateParams{Title: "t", Contact: antcrm.TicketContact{ID: "1"}})},
		{"contact", ticket(antcrm.TicketCreateParams{Title: "t", SLA: "s"})},
		{"deal", ticket(antcrm.TicketCreateParams{Title: "t", SLA: "s", Contact: antcrm.TicketContact{ID: "1"}, Opportunity: json.RawMessage("{")})},
		{"files[1]", ticket(antcrm.TicketCreateParams{Title: "t", SLA: "s", Contact: antcrm.TicketContact{ID: "1"}, Files: []json.RawMessage{nil, json.RawMessage("x")}})},
		{"code", redeem(antcrm.RedeemParams{Data: antcrm.RedeemCustomer{Phone: "1"}})},
		{"data", redeem(antcrm.RedeemParams{Code: "c"})},
		{"data.phone", redeem(antcrm.RedeemParams{Code: "c", Data: antcrm.RedeemCustomer{Phone: "\xff"}})},
		{"code", accumulate(antcrm.AccumulateParams{Data: antcrm.AccumulateCustomer{Phones: []antcrm.Phone{{Value: "1"}}}})},
		{"data", accumulate(antcrm.AccumulateParams{Code: "c"})},
		{"data.phones[1].value", accumulate(antcrm.AccumulateParams{Code: "c", Data: antcrm.AccumulateCustomer{Phones: []antcrm.Phone{{Value: "1"}, {Value: "\xff"}}}})},
		{"page", list(antcrm.ContactListParams{Page: -1})},
		{"limit", list(antcrm.ContactListParams{Limit: -1})},
		{"phone", list(antcrm.ContactListParams{Phone: "\xff"})},
		{"createdAtf", list(antcrm.ContactListParams{CreatedFrom: far})},
		{"page", failed(antcrm.Collect(c.Contacts.All(ctx, antcrm.ContactListParams{Page: -1})))},
		{"rating_score", failed(c.Ratings.List(ctx, antcrm.RatingListParams{Score: "three"}))},
		{"dateStart", failed(c.Campaigns.List(ctx, antcrm.CampaignListParams{From: far}))},
		{"createdAtRangeFrom", failed(c.Points.List(ctx, antcrm.LoyaltyListParams{From: far}))},
		{"number", failed(c.Opportunities.Get(ctx, ""))},
		{"number", c.Opportunities.Delete(ctx, " ")},
		{"number", failed(c.Opportunities.Update(ctx, "", antcrm.OpportunityUpdateParams{}))},
		{"code", failed(c.Products.Get(ctx, ""))},
		{"productIdApiRing", failed(c.Products.Update(ctx, "", antcrm.ProductUpdateParams{}))},
		{"productIdApiRing", c.Products.Delete(ctx, "\xff")},
		{"TicketId", failed(c.Tickets.Update(ctx, "", antcrm.TicketUpdateParams{}))},
		{"TicketId", c.Tickets.Delete(ctx, "")},
		{"bgInfo", failed(c.Contacts.Update(ctx, antcrm.LeadRef("1"), antcrm.ContactUpdateParams{BackgroundInfo: new("\xff")}))},
	} {
		invalid := requireError[*antcrm.ValidationError](t, tt.err)
		assert.Equal(t, tt.field, invalid.Field, tt.err)
		assert.Equal(t, -1, invalid.Index)
		require.ErrorIs(t, tt.err, antcrm.ErrValidation)
		onOneLine(t, tt.err)
		assert.True(t, strings.HasPrefix(tt.err.Error(), "antcrm: "+tt.field+": "), tt.err)
	}
	assert.Empty(t, server.all())
}

// Values that the vendor may add to are passed as given, and so are limits.
func TestEnumerationsAreNotPoliced(t *testing.T) {
	t.Parallel()
	server := served(t, func(int, seen) reply { return ok(`{"success":1,"TicketId":1,"leadId":1}`) })
	params := contact(1)
	params.ContactType, params.Kind, params.Gender = "partner", "7", "x"
	_, err := server.client().Contacts.Create(t.Context(), params)
	require.NoError(t, err)
	_, err = server.client().Tickets.Create(t.Context(), antcrm.TicketCreateParams{Title: "t", SLA: "s", Contact: antcrm.TicketContact{Name: "n"}, Priority: "Galactic"})
	require.NoError(t, err)
	assert.Contains(t, server.all()[0].Body, `"type":"7","contactType":"partner","gender":"x"`)
	assert.Contains(t, server.all()[1].Body, `"priority":"Galactic"`)
}

func TestAFiveMegabyteNameIsSentWhole(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok(`{"success":1,"leadId":1}`))
	params := contact(1)
	params.Name = strings.Repeat("ă", 5<<19)
	_, err := server.client().Contacts.Create(t.Context(), params)
	require.NoError(t, err)
	assert.Equal(t, params.Name, fromJSON[antcrm.ContactCreateParams](t, server.one().Body).Name)
}

// What a browser would misread is data here.
func TestBodiesAreNotEscapedForHTML(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok(`{"success":1,"TicketId":1}`))
	_, err := server.client().Tickets.Update(t.Context(), "1", antcrm.TicketUpdateParams{Summary: new("<p>a & b</p>")})
	require.NoError(t, err)
	assert.Equal(t, `{"TicketId":"1","summary":"<p>a & b</p>"}`, server.one().Body)
}

// An update clears by what the vendor's types allow: an empty text is no number, no gender and no object.
func TestAnUpdateSendsNothingThatIsNotOfTheVendorsType(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	order := func(params antcrm.OpportunityUpdateParams) func(*antcrm.Client) error {
		return func(c *antcrm.Client) error { _, err := c.Opportunities.Update(ctx, "1", params); return err }
	}
	ticket := func(deal string) func(*antcrm.Client) error {
		return func(c *antcrm.Client) error {
			_, err := c.Tickets.Update(ctx, "1", antcrm.TicketUpdateParams{Opportunity: json.RawMessage(deal)})
			return err
		}
	}
	created := func(deal string) func(*antcrm.Client) error {
		return func(c *antcrm.Client) error {
			params := antcrm.TicketCreateParams{Title: "t", SLA: "s", Contact: antcrm.TicketContact{Name: "n"}, Opportunity: json.RawMessage(deal)}
			_, err := c.Tickets.Create(ctx, params)
			return err
		}
	}
	for _, tt := range []struct {
		field string
		send  func(*antcrm.Client) error
	}{
		{"gender", func(c *antcrm.Client) error {
			_, err := c.Contacts.Update(ctx, antcrm.LeadRef("1"), antcrm.ContactUpdateParams{Gender: new(antcrm.Gender(""))})
			return err
		}},
		{"value", order(antcrm.OpportunityUpdateParams{Value: new(antcrm.Decimal(""))})},
		{"shipping_cost", order(antcrm.OpportunityUpdateParams{ShippingCost: new(antcrm.Decimal(""))})},
		{"value", func(c *antcrm.Client) error {
			changes := []antcrm.OpportunityUpdate{{Number: "1", OpportunityUpdateParams: antcrm.OpportunityUpdateParams{Value: new(antcrm.Decimal(""))}}}
			_, err := c.Opportunities.UpdateBatch(ctx, changes)
			return err
		}},
		{"deal", ticket(`null`)}, {"deal", ticket(` []`)}, {"deal", ticket(`"x"`)}, {"deal", created(`null`)}, {"deal", created(`5`)},
	} {
		err := tt.send(scripted(t).client())
		assert.Equal(t, tt.field, requireError[*antcrm.ValidationError](t, err).Field)
		require.ErrorIs(t, err, antcrm.ErrValidation)
	}
	for _, tt := range []struct {
		want string
		send func(*antcrm.Client) error
	}{
		{`{"number":"1","value":0,"shipping_cost":0}`, order(antcrm.OpportunityUpdateParams{Value: new(antcrm.Decimal("0")), ShippingCost: new(antcrm.Decimal("0"))})},
		{`{"TicketId":"1","deal":{}}`, ticket(`{}`)},
		{`{"TicketId":"1","deal":{"id":"x"}}`, ticket("\n\t {\"id\":\"x\"}")},
		{`{"productIdApiRing":"p","name":"","value":""}`, func(c *antcrm.Client) error {
			_, err := c.Products.Update(ctx, "p", antcrm.ProductUpdateParams{Name: new(""), Value: new(antcrm.DecimalText(""))})
			return err
		}},
	} {
		server := scripted(t, ok(`{"success":1,"number":1,"TicketId":1,"code":1}`))
		require.NoError(t, tt.send(server.client()))
		assert.JSONEq(t, tt.want, server.one().Body)
	}
}
