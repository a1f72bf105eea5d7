package antcrm_test

import (
	"fmt"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// The API answers with no ids: what failed is in the *BatchError.
func ExampleSegmentsService_SetContacts() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, newCustomers(2))

	err := client.Segments.SetContacts(ctx, "65f145d4a1b2c3d4e5f60718", newCustomers(2))
	fmt.Println(err, server.Count(antcrmtest.Segments), "in the segment")
	// Output: <nil> 2 in the segment
}
