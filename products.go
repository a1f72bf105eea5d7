package antcrm

import (
	"context"
	"iter"
	"net/http"
)

// ProductsService reads and writes products. The API lists products by their code, and changes them by the caller's own
// key (productIdApiRing): Get takes the code, Update and Delete take the key.
type ProductsService struct{ core *core }

// The product types of the vendor's page.
const (
	ProductTypeCombo   = "combo"
	ProductTypeProduct = "product"
)

// Product is a product as the CRM lists it.
type Product struct {
	Record `json:"-"`

	ID         ID          `json:"_id,omitzero"`
	Name       string      `json:"name,omitzero"`
	Code       ID          `json:"code,omitzero"`             // SKU; what Get takes
	ExternalID string      `json:"productIdApiRing,omitzero"` // the caller's own key; what Update and Delete take
	Value      DecimalText `json:"value,omitzero"`            // the price
}

// ProductListParams filters a list of products. Fields that are not set are not sent.
type ProductListParams struct {
	redacted

	Code  string
	Type  string // combo or product; empty: all
	Page  int    // from 1
	Limit int    // records a page; the vendor says at most 20 and may not honour more
}

func (p ProductListParams) filters() *filters {
	f := newFilters()
	f.text("code", p.Code)
	f.text("type", p.Type)
	f.paging(p.Page, p.Limit)
	return f
}

// ProductCreateParams is a new product. Name, Code and ExternalID are required.
type ProductCreateParams struct {
	redacted

	Name       string      `json:"name,omitzero"`
	Code       string      `json:"code,omitzero"`             // SKU
	ExternalID string      `json:"productIdApiRing,omitzero"` // the caller's own key
	Value      DecimalText `json:"value,omitzero"`            // the price, sent as a string
	CanEdit    *bool       `json:"canEdit,omitzero"`          // whether the price may be changed in an order
}

func (p ProductCreateParams) validate() error {
	return firstError(required("name", p.Name), required("code", p.Code), required("productIdApiRing", p.ExternalID))
}

// ProductUpdateParams changes a product. Nil leaves a field alone. To clear a text or the price (which the vendor
// declares as a text), point to "". That this clears the field is our guess.
type ProductUpdateParams struct {
	redacted

	Name    *string      `json:"name,omitzero"`
	Code    *string      `json:"code,omitzero"`
	Value   *DecimalText `json:"value,omitzero"`
	CanEdit *bool        `json:"canEdit,omitzero"`
}

// productUpdate is the body of a PUT: the key and the changes, flat.
type productUpdate struct {
	ExternalID string `json:"productIdApiRing"`
	ProductUpdateParams
}

func (u productUpdate) validate() error { return required("productIdApiRing", u.ExternalID) }

const productID = "code"

func (s *ProductsService) endpoint() listEndpoint[Product] {
	return listEndpoint[Product]{
		core: coreOf(s), op: "list products", path: "/products",
		// Not the code: whether two products may have the same one is not documented.
		id: func(p *Product) string { return identity("id", p.ID) },
		fields: []filterField[Product]{
			{name: productID, value: func(p *Product) string { return string(p.Code) }, trust: trustLoosely},
		},
	}
}

// List returns one page of products (GET /products).
func (s *ProductsService) List(ctx context.Context, params ProductListParams, opts ...CallOption) (*Page[Product], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the products of every page, from params.Page on (GET /products). Break out of the loop to stop it.
func (s *ProductsService) All(ctx context.Context, params ProductListParams, opts ...CallOption) iter.Seq2[Product, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}

// Get returns the product with the code, or ErrNotFound. It lists with the code as a filter (GET /products). Update and
// Delete do not take the code but the product's ExternalID.
func (s *ProductsService) Get(ctx context.Context, code string, opts ...CallOption) (*Product, error) {
	return s.endpoint().get(ctx, "get product", productID, code, opts)
}

// Create creates a product and returns its code (POST /products). The client does not repeat it if it may have been
// carried out; the error then matches ErrOutcomeUnknown.
func (s *ProductsService) Create(ctx context.Context, params ProductCreateParams, opts ...CallOption) (ID, error) {
	return coreOf(s).writeID(ctx, writeCall{
		op: "create product", method: http.MethodPost, path: "/products", ids: []string{productID}, body: params,
	}, opts)
}

// Update changes the product that has the caller's own key (PUT /products). It returns the product's code, or
// externalID if the answer is a 204.
func (s *ProductsService) Update(ctx context.Context, externalID string, params ProductUpdateParams, opts ...CallOption) (ID, error) {
	return coreOf(s).writeID(ctx, writeCall{
		op: "update product", method: http.MethodPut, path: "/products", ids: []string{productID}, body: productUpdate{externalID, params}, key: writtenID{id: ID(externalID)},
	}, opts)
}

// Delete deletes the product that has the caller's own key (DELETE /products), or returns ErrNotFound: see
// ContactsService.Delete.
func (s *ProductsService) Delete(ctx context.Context, externalID string, opts ...CallOption) error {
	return coreOf(s).delete(ctx, "delete product", "/products", "productIdApiRing", externalID, opts)
}
