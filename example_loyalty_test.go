package antcrm_test

import (
	"fmt"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// Points are given for a code, to the customer with one of the phones or
// e-mail addresses.
func ExamplePointsService_Accumulate() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, antcrm.Contact{CustomerID: "475", ContactType: antcrm.ContactTypeCustomer, Phones: []antcrm.Phone{{Value: "0900000001"}}})

	err := client.Points.Accumulate(ctx, antcrm.AccumulateParams{Code: "TIVI-8841", Data: antcrm.AccumulateCustomer{Phones: []antcrm.Phone{{Type: "Work", Value: "0900000001"}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for entry, err := range client.Points.All(ctx, antcrm.LoyaltyListParams{Phone: "0900000001"}) {
		fmt.Println(entry.Score, "points for", entry.Product.Code, err)
	}
	// Output: 100 points for TIVI-8841 <nil>
}

// Gift spends points; what was refused stands in the history as failed.
func ExampleRedeemService_Gift() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, antcrm.Contact{CustomerID: "475", ContactType: antcrm.ContactTypeCustomer, ScoreAvailable: "15", Phones: []antcrm.Phone{{Value: "0900000001"}}})
	fill(server, antcrmtest.Gifts, map[string]any{"code": "MUG", "name": "Mug", "score": 10})

	mug := antcrm.RedeemParams{Code: "MUG", Data: antcrm.RedeemCustomer{Phone: "0900000001"}}
	fmt.Println(client.Redeem.Gift(ctx, mug))
	fmt.Println(client.Redeem.Gift(ctx, mug) != nil)
	for entry, err := range client.Redeem.All(ctx, antcrm.LoyaltyListParams{}) {
		fmt.Println(entry.Gift.Name, entry.Score, entry.Status == antcrm.LoyaltySucceeded, err)
	}
	// Output:
	// <nil>
	// true
	// Mug 10 true <nil>
	// Mug 10 false <nil>
}
