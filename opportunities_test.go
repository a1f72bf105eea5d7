package antcrm_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func opportunityOperations(tb testing.TB) []operation {
	params := antcrm.OpportunityListParams{Number: "360900001", Phone: "0900000001", CustomerID: "4750001", Page: 2, Limit: 50}
	list := listing[antcrm.Opportunity]{
		name: "Opportunities", path: "/opportunities", query: "number=360900001&phones=0900000001&customerId=4750001&page=2&limit=50",
		answer: `[{"number":3609,"value":"4520000","shipping_cost":"","quantity":null}]`,
		want:   `[{"number":"3609","value":4520000}]`,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.Opportunity], error) {
			return c.Opportunities.List(ctx, params, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.Opportunity] {
			return c.Opportunities.All(ctx, params, opts...)
		},
	}
	create := sample(tb, "opportunity-create.json")
	update := sample(tb, "opportunity-update.json")
	return append(list.operations(),
		operation{
			name: "Opportunities.Get", method: http.MethodGet, path: "/opportunities", query: "number=360900001",
			answers: []string{`[{"number":360900001}]`}, want: `{"number":"360900001"}`,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Opportunities.Get(ctx, "360900001", opts...)
			},
		},
		operation{
			name: "Opportunities.Create", method: http.MethodPost, path: "/opportunities", body: create,
			answers: []string{`{"success":1,"number":9457}`}, want: `"9457"`, promisesID: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Opportunities.Create(ctx, fromJSON[antcrm.OpportunityCreateParams](tb, create), opts...)
			},
		},
		operation{
			name: "Opportunities.Update", method: http.MethodPut, path: "/opportunities", body: update,
			answers: []string{`{"success":1,"number":"9457"}`}, want: `"9457"`, promisesID: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Opportunities.Update(ctx, "360900001", fromJSON[antcrm.OpportunityUpdateParams](tb, update), opts...)
			},
		},
		operation{
			name: "Opportunities.Delete", method: http.MethodDelete, path: "/opportunities",
			query: "number=360900001", body: `{"number":"360900001"}`, answers: []string{`{"success":1}`},
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return nil, c.Opportunities.Delete(ctx, "360900001", opts...)
			},
		},
		operation{
			name: "Opportunities.CreateBatch", method: http.MethodPost, path: "/opportunities/package", body: "[" + create + "," + create + "]",
			answers: []string{`{"success":1,"number":[9457,"9458"]}`}, want: `{"Results":["9457","9458"],"Failures":null}`, promisesID: true, isBatch: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				order := fromJSON[antcrm.OpportunityCreateParams](tb, create)
				return c.Opportunities.CreateBatch(ctx, []antcrm.OpportunityCreateParams{order, order}, antcrm.WithCallOptions(opts...))
			},
		},
		operation{
			name: "Opportunities.UpdateBatch", method: http.MethodPut, path: "/opportunities/package", body: "[" + update + "]",
			answers: []string{`{"success":1,"number":9457}`}, want: `{"Results":["9457"],"Failures":null}`, promisesID: true, isBatch: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Opportunities.UpdateBatch(ctx, []antcrm.OpportunityUpdate{fromJSON[antcrm.OpportunityUpdate](tb, update)}, antcrm.WithCallOptions(opts...))
			},
		},
	)
}

func TestOpportunitySampleIsDecodedFieldByField(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(sample(t, "opportunities.json"))).client().Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	o := page.Items[0]
	require.Len(t, o.CustomFields, 1)
	assert.Equal(t, "Fast delivery", o.CustomFields[0].Text())
	assert.Equal(t, []antcrm.LineItem{{
		Name: "Beef combo", Quantity: "1", DiscountType: antcrm.DiscountPercent, Discount: "10", Value: "1000", ProductExternalID: "1", Note: "Grilled beef", Code: "Sku",
	}}, o.LineItems)
	assert.Equal(t, "test", o.Name)
	assert.Equal(t, antcrm.ID("3609"), o.Number)
	assert.Equal(t, &antcrm.Address{}, o.ReceiverAddress)
	assert.Equal(t, "Sample Receiver", o.ReceiverName)
	assert.Equal(t, "0900000001", o.ReceiverPhone)
	assert.Equal(t, antcrm.Decimal("4520000"), o.Value)
	assert.Empty(t, o.Description+o.Stage+o.Branch)
	assert.True(t, o.CreatedAt.IsZero())
	assert.True(t, o.UpdatedAt.IsZero())
}

func TestFullOpportunitySampleIsDecodedFieldByField(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(sample(t, "opportunity-full.json"))).client().Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	o := page.Items[0]
	assert.Equal(t, antcrm.ID("672aeafb392be6610aa6ecc0"), o.ID)
	assert.Equal(t, &antcrm.Address{Country: &antcrm.Country{Code: "VN", Name: "Vietnam"}}, o.ReceiverAddress)
	assert.Equal(t, "LOST", o.Status)
	assert.Equal(t, "Test", o.Name)
	assert.Equal(t, "672aeae1176c0a60e758996c", o.Stage)
	require.NotNil(t, o.Staff)
	assert.Empty(t, o.Staff.Users)
	assert.Empty(t, o.Staff.Groups)
	for name, got := range map[string]antcrm.Decimal{"shipping_cost": o.ShippingCost, "discount": o.Discount, "totalPayment": o.TotalPayment} {
		assert.Equal(t, antcrm.Decimal("0"), got, name)
	}
	assert.Equal(t, antcrm.Decimal("3000000"), o.Value)
	assert.Equal(t, antcrm.Decimal("1"), o.Quantity)
	assert.Equal(t, antcrm.DiscountCash, o.DiscountType)
	assert.Equal(t, "VND", o.Currency)
	assert.Equal(t, []antcrm.Flag{antcrm.No, antcrm.No, antcrm.No, antcrm.No}, []antcrm.Flag{o.CanEdit, o.Inactive, o.CreatedByLeadConversion, o.SampleData})
	assert.Empty(t, o.DealID)
	assert.JSONEq(t, `[]`, string(o.Tags))
	assert.JSONEq(t, `{"status":1,"groups":[]}`, string(o.Permit))
	assert.True(t, o.DeferredDate.IsZero() && o.DeliveryTime.IsZero())
	for name, list := range map[string]int{"contacts": len(o.Contacts), "package": len(o.Package), "coupons": len(o.Coupons), "files": len(o.Files), "cusFields": len(o.CustomFields)} {
		assert.Zero(t, list, name)
	}
}

// A price of 0 is not "let the system price it".
func TestOrderAmountsOfZeroAreSent(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok(`{"success":1,"number":1}`), ok(`{"success":1,"number":1}`))
	orders := server.client().Opportunities
	_, err := orders.Create(t.Context(), antcrm.OpportunityCreateParams{
		Name: "n", ReceiverName: "r", Value: "0", ShippingCost: "0", LineItems: []antcrm.LineItem{}, CustomFields: []antcrm.CustomField{},
		Assignees: []string{}, CreatedAt: antcrm.NewTimestamp(moment()),
	})
	require.NoError(t, err)
	_, err = orders.Create(t.Context(), antcrm.OpportunityCreateParams{
		Name: "n", ReceiverName: "r", LineItems: []antcrm.LineItem{{Name: "i", Quantity: "0", Value: "0", Discount: "0", DiscountType: antcrm.DiscountCash}},
	})
	require.NoError(t, err)
	requests := server.all()
	assert.JSONEq(t, `{"name":"n","receiverName":"r","value":0,"shipping_cost":0,"groupPackage":[],"cusFields":[],"dealByUsers":[],"createdAt":1710311060673}`, requests[0].Body)
	assert.JSONEq(t, `{"name":"n","receiverName":"r","groupPackage":[{"name":"i","quantity":0,"value":0,"discount":0,"typeDiscount":0}]}`, requests[1].Body)
}

// The numbers of a package of changes are known: an answer without a body confirms them, and one that has them in
// another order does not give an order the number of its neighbour.
func TestChangesOfOrdersKeepTheirOwnNumbers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answer  reply
		results []antcrm.ID
	}{
		{"204", reply{status: http.StatusNoContent}, []antcrm.ID{"3609", "3610", "3611"}},
		{"the same numbers in another order", ok(`{"success":1,"number":[3611,"3609",3610]}`), []antcrm.ID{"3609", "3610", "3611"}},
		{"other numbers", ok(`{"success":1,"number":[9457,9458,9459]}`), []antcrm.ID{"9457", "9458", "9459"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			changes := fromJSON[[]antcrm.OpportunityUpdate](t, `[{"number":"3609","stage":"a"},{"number":"3610","stage":"b"},{"number":"3611","stage":"c"}]`)
			result, err := scripted(t, tt.answer).client().Opportunities.UpdateBatch(t.Context(), changes)
			require.NoError(t, err)
			assert.Equal(t, tt.results, result.Results)
			assert.Empty(t, result.Failures)
		})
	}
	created, err := scripted(t, reply{status: http.StatusNoContent}).client().Opportunities.CreateBatch(t.Context(),
		fromJSON[[]antcrm.OpportunityCreateParams](t, `[{"name":"o","receiverName":"r","opportunityIdApiRing":"o-1"}]`))
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, "a new order's number is not known")
	assert.Equal(t, []antcrm.ID{""}, created.Results)
}
