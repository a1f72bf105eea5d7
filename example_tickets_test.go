package antcrm_test

import (
	"fmt"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// The contact of a ticket is one that is there, by ID, or a name with a phone
// or an e-mail address.
func ExampleTicketsService_Create() {
	ctx, server, client := startFake()
	defer server.Close()

	id, err := client.Tickets.Create(ctx, antcrm.TicketCreateParams{
		Title:    "Where is my order?",
		SLA:      "Standard",
		Priority: "High",
		Contact:  antcrm.TicketContact{Name: "Mai", Phones: []antcrm.Phone{{Value: "0900000001"}}},
	})
	fmt.Println("ticket", id, err)
	// Output: ticket 4000001 <nil>
}

func ExampleTicketsService_Update() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Tickets, antcrm.Ticket{TicketID: "17464", Title: "Where is my order?", Status: "Open"})

	if _, err := client.Tickets.Update(ctx, "17464", antcrm.TicketUpdateParams{Status: new("Closed")}); err != nil {
		fmt.Println(err)
		return
	}
	ticket, err := client.Tickets.Get(ctx, "17464")
	fmt.Println(ticket.Title, ticket.Status, err)
	// Output: Where is my order? Closed <nil>
}

// A deleted ticket is kept by the CRM, and listed if it is asked for.
func ExampleTicketsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Tickets, antcrm.Ticket{TicketID: "1", Title: "one"}, antcrm.Ticket{TicketID: "2", Title: "two"})
	if err := client.Tickets.Delete(ctx, "1"); err != nil {
		fmt.Println(err)
		return
	}

	count := func(params antcrm.TicketListParams) int {
		tickets, err := antcrm.Collect(client.Tickets.All(ctx, params))
		if err != nil {
			fmt.Println(err)
		}
		return len(tickets)
	}
	changedSince := antcrm.TicketListParams{TimeField: antcrm.TicketTimeUpdated, From: moment().Add(-time.Hour)}
	fmt.Println(count(changedSince))
	changedSince.IncludeDeleted = true
	fmt.Println(count(changedSince))
	// Output:
	// 1
	// 2
}
