package antcrm_test

import (
	"context"
	"fmt"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// startFake starts the fake AntCRM that the examples talk to, and a client of
// it. Its clock stands still.
func startFake(opts ...antcrm.Option) (context.Context, *antcrmtest.Server, *antcrm.Client) {
	server, err := antcrmtest.Start()
	if err != nil {
		panic(err)
	}
	server.SetTime(moment())
	return context.Background(), server, server.Client(opts...)
}

// fill puts records into the fake, as if the CRM had had them all along.
func fill(server *antcrmtest.Server, kind antcrmtest.Kind, records ...any) {
	if err := server.Seed(kind, records...); err != nil {
		panic(err)
	}
}

// newCustomers are n new customers, C-1 to C-n.
func newCustomers(n int) []antcrm.ContactCreateParams {
	list := make([]antcrm.ContactCreateParams, n)
	for i := range list {
		list[i] = antcrm.ContactCreateParams{Name: fmt.Sprintf("Nguyễn Văn Mẫu %d", i+1), ExternalID: fmt.Sprintf("C-%d", i+1), ContactType: antcrm.ContactTypeCustomer,
			Phones: []antcrm.Phone{{Type: "Work", Value: fmt.Sprintf("090000000%d", i+1)}}}
	}
	return list
}

// One client, its services, and an error that says what became of a write.
func Example() {
	ctx, server, client := startFake() // else: antcrm.NewClient(os.Getenv("ANTCRM_API_KEY"))
	defer server.Close()

	customer, err := client.Contacts.Create(ctx, antcrm.ContactCreateParams{
		Name: "Nguyễn Văn Mẫu", ExternalID: "ERP-000475", ContactType: antcrm.ContactTypeCustomer,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	number, err := client.Opportunities.Create(ctx, antcrm.OpportunityCreateParams{
		Name: "Order 3609", ReceiverName: "Nguyễn Văn Mẫu",
		Customer:  &antcrm.OrderCustomer{CustomerID: customer.CustomerID},
		LineItems: []antcrm.LineItem{{Name: "Beef combo", Quantity: "2", Value: "125000"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("customer", customer.CustomerID, "has ordered:", number)
	// Output: customer 2000001 has ordered: 3000001
}
