package antcrm_test

import (
	"fmt"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// Amounts are exact texts. Without Value the CRM prices the order.
func ExampleOpportunitiesService_Create() {
	ctx, server, client := startFake()
	defer server.Close()

	number, err := client.Opportunities.Create(ctx, antcrm.OpportunityCreateParams{
		Name:         "Order 3609",
		ReceiverName: "Nguyễn Văn Mẫu",
		ExternalID:   "SO-3609",
		LineItems:    []antcrm.LineItem{{Name: "Beef combo", Quantity: "2", Value: "125000", DiscountType: antcrm.DiscountPercent, Discount: "10"}},
		ShippingCost: antcrm.NewDecimal(30_000),
	})
	fmt.Println("order", number, err)
	// Output: order 3000001 <nil>
}

func ExampleOpportunitiesService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Opportunities,
		`{"number": 3609, "value": "255000", "contacts": [{"customerId": 475}]}`,
		`{"number": 3610, "value": 90000.5, "contacts": [{"customerId": 475}]}`)

	for order, err := range client.Opportunities.All(ctx, antcrm.OpportunityListParams{CustomerID: "475"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(order.Number, order.Value)
	}
	// Output:
	// 3609 255000
	// 3610 90000.5
}

func ExampleOpportunitiesService_Get() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Opportunities, antcrm.Opportunity{Number: "3609", Name: "Order 3609", Stage: "New"})

	order, err := client.Opportunities.Get(ctx, "3609")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(order.Name, order.Stage)
	// Output: Order 3609 New
}

func ExampleOpportunitiesService_Update() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Opportunities, antcrm.Opportunity{Number: "3609"})

	number, err := client.Opportunities.Update(ctx, "3609", antcrm.OpportunityUpdateParams{
		Stage: new("Delivered"),
		Value: new(antcrm.NewDecimal(255_000)),
	})
	fmt.Println(number, err)
	// Output: 3609 <nil>
}
