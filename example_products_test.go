package antcrm_test

import (
	"fmt"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// The API looks products up by their code, and changes them by your own key.
func ExampleProductsService() {
	ctx, server, client := startFake()
	defer server.Close()

	_, err := client.Products.Create(ctx, antcrm.ProductCreateParams{Name: "Beef combo", Code: "SKU-77", ExternalID: "ERP-P-77", Value: "125000"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.Products.Update(ctx, "ERP-P-77", antcrm.ProductUpdateParams{Value: new(antcrm.DecimalText("130000"))}); err != nil {
		fmt.Println(err)
		return
	}
	product, err := client.Products.Get(ctx, "SKU-77")
	fmt.Println(product.Name, product.Value, err)
	fmt.Println(client.Products.Delete(ctx, "ERP-P-77"))
	// Output:
	// Beef combo 130000 <nil>
	// <nil>
}

func ExampleProductsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Products, `[{"code": 3609, "name": "Iced tea", "value": "15000"}, {"code": "SKU-77", "name": "Beef combo", "type": "combo", "value": "125000"}]`)

	for product, err := range client.Products.All(ctx, antcrm.ProductListParams{Type: antcrm.ProductTypeProduct}) {
		fmt.Println(product.Code, product.Name, err)
	}
	// Output: 3609 Iced tea <nil>
}
