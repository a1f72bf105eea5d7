package antcrm_test

import (
	"fmt"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// Collect gathers a whole list; for long ones a loop over All needs less memory.
func ExampleCollect() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, newCustomers(45))

	contacts, err := antcrm.Collect(client.Contacts.All(ctx, antcrm.ContactListParams{}))
	fmt.Println(len(contacts), err)
	// Output: 45 <nil>
}

// More pages ahead where the network is what is waited for; 0 for none.
func ExampleWithReadAhead() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, newCustomers(45))

	contacts, err := antcrm.Collect(client.Contacts.All(ctx, antcrm.ContactListParams{}, antcrm.WithReadAhead(0)))
	fmt.Println(len(contacts), "contacts in", server.RequestCount(), "requests:", err) // 20, 20, 5, and an empty page
	// Output: 45 contacts in 4 requests: <nil>
}
