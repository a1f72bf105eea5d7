package antcrm_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func productOperations(tb testing.TB) []operation {
	params := antcrm.ProductListParams{Code: "SKU-770001", Type: antcrm.ProductTypeCombo, Page: 2, Limit: 50}
	list := listing[antcrm.Product]{
		name: "Products", path: "/products", query: "code=SKU-770001&type=combo&page=2&limit=50",
		answer: `[{"code":3609,"value":125000.50}]`, want: `[{"code":"3609","value":"125000.50"}]`,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.Product], error) {
			return c.Products.List(ctx, params, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.Product] {
			return c.Products.All(ctx, params, opts...)
		},
	}
	create := `{"name":"Beef combo","code":"SKU-770001","productIdApiRing":"P-770001","value":"125000","canEdit":false}`
	update := `{"productIdApiRing":"P-770001","name":"Beef combo","code":"SKU-770002","value":"0","canEdit":true}`
	return append(list.operations(),
		operation{
			name: "Products.Get", method: http.MethodGet, path: "/products", query: "code=SKU-770001",
			answers: []string{`[{"code":"SKU-770001"}]`}, want: `{"code":"SKU-770001"}`,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Products.Get(ctx, "SKU-770001", opts...)
			},
		},
		operation{
			name: "Products.Create", method: http.MethodPost, path: "/products", body: create,
			answers: []string{`{"success":1,"code":9457}`}, want: `"9457"`, promisesID: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Products.Create(ctx, fromJSON[antcrm.ProductCreateParams](tb, create), opts...)
			},
		},
		operation{
			name: "Products.Update", method: http.MethodPut, path: "/products", body: update,
			answers: []string{`{"success":1,"code":"SKU-770002"}`}, want: `"SKU-770002"`, promisesID: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Products.Update(ctx, "P-770001", fromJSON[antcrm.ProductUpdateParams](tb, update), opts...)
			},
		},
		operation{
			name: "Products.Delete", method: http.MethodDelete, path: "/products",
			query: "productIdApiRing=P-770001", body: `{"productIdApiRing":"P-770001"}`, answers: []string{`{"success":1}`},
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return nil, c.Products.Delete(ctx, "P-770001", opts...)
			},
		},
	)
}

func TestProductSampleIsDecodedFieldByField(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(sample(t, "products.json"))).client().Products.List(t.Context(), antcrm.ProductListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	first, second := page.Items[0], page.Items[1]
	assert.Equal(t, "test", first.Name)
	assert.Equal(t, antcrm.ID("3609"), first.Code)
	assert.Empty(t, string(first.Value)+first.ExternalID)
	assert.Equal(t, antcrm.ID("64d9f28b2b3ba308b322c710"), first.ID)
	assert.Equal(t, antcrm.DecimalText("125000"), second.Value)
	assert.Equal(t, antcrm.Decimal("125000"), second.Value.Decimal())
	assert.Equal(t, "P-77", second.ExternalID)
	assert.Equal(t, antcrm.ID("SKU-77"), second.Code)
}
