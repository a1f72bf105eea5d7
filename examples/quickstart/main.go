// Quickstart walks through the main job of the SDK: a customer, an order with
// line items, a ticket, points, and how an error is told apart.
//
// Without ANTCRM_API_KEY it talks to an embedded fake of the service; with it,
// to the real one, where it creates records under names of its own and, if all
// goes well, deletes them again.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	client, closeServer, err := connect()
	if err != nil {
		return err
	}
	defer closeServer()

	customer, err := createCustomer(ctx, client)
	if err != nil {
		return err
	}
	order, err := createOrder(ctx, client, customer)
	if err != nil {
		return err
	}
	ticket, err := createTicket(ctx, client)
	if err != nil {
		return err
	}
	if err := list(ctx, client, customer); err != nil {
		return err
	}
	if err := changeAndDelete(ctx, client, customer, order, ticket); err != nil {
		return err
	}
	return tellErrorsApart(ctx, client, customer)
}

// connect uses the real service if there is a key, else the fake.
func connect() (client *antcrm.Client, closeServer func(), err error) {
	if os.Getenv("ANTCRM_API_KEY") != "" {
		fmt.Println("talking to the service of ANTCRM_BASE_URL (default " + antcrm.DefaultBaseURL + ")")
		client, err = antcrm.NewClientFromEnv()
		return client, func() {}, err
	}
	server, err := antcrmtest.Start()
	if err != nil {
		return nil, nil, err
	}
	fmt.Println("ANTCRM_API_KEY is not set: talking to an embedded fake AntCRM at", server.URL)
	return server.Client(), server.Close, nil
}

// runID keeps the records of two runs apart.
var runID = strconv.FormatInt(time.Now().UnixMilli(), 36)

const phone = "0900000001"

func createCustomer(ctx context.Context, client *antcrm.Client) (antcrm.ContactRef, error) {
	ref, err := client.Contacts.Create(ctx, antcrm.ContactCreateParams{
		Name:        "Nguyễn Văn Mẫu",
		ExternalID:  "QUICKSTART-" + runID,
		ContactType: antcrm.ContactTypeCustomer,
		Kind:        antcrm.KindPerson,
		Phones:      []antcrm.Phone{{Type: "Work", Value: phone}},
		Emails:      []antcrm.Email{{Type: "Work", Value: "sample@example.com"}},
		Addresses:   []antcrm.Address{{HouseNumber: "319", StreetName: "Nguyễn Kiệm", City: "Hồ Chí Minh", Country: &antcrm.Country{Code: "VN", Name: "Vietnam"}}},
		Tags:        antcrm.Tags{"quickstart"},
		CustomFields: []antcrm.CustomField{
			antcrm.TextField("Shipping unit", "Fast delivery"),
		},
	})
	if err != nil {
		return ref, fmt.Errorf("create a customer: %w", err)
	}
	fmt.Println("created customer", ref.CustomerID)
	return ref, nil
}

func createOrder(ctx context.Context, client *antcrm.Client, customer antcrm.ContactRef) (antcrm.ID, error) {
	number, err := client.Opportunities.Create(ctx, antcrm.OpportunityCreateParams{
		Name:          "Order " + runID,
		ReceiverName:  "Nguyễn Văn Mẫu",
		ReceiverPhone: phone,
		ExternalID:    "SO-" + runID,
		Customer:      &antcrm.OrderCustomer{CustomerID: customer.CustomerID},
		LineItems: []antcrm.LineItem{
			{Name: "Beef combo", Quantity: "2", Value: "125000", DiscountType: antcrm.DiscountPercent, Discount: "10"},
			{Name: "Iced tea", Quantity: "2", Value: "15000"},
		},
		Value:        "255000", // VND; leave it empty and the CRM prices the order
		ShippingCost: "30000",
	})
	if err != nil {
		return "", fmt.Errorf("create an order: %w", err)
	}
	fmt.Println("created order", number, "with 2 line items")
	return number, nil
}

func createTicket(ctx context.Context, client *antcrm.Client) (antcrm.ID, error) {
	id, err := client.Tickets.Create(ctx, antcrm.TicketCreateParams{
		Title:    "Where is my order?",
		SLA:      "Standard",
		Priority: "High",
		Contact:  antcrm.TicketContact{Name: "Nguyễn Văn Mẫu", Phones: []antcrm.Phone{{Value: phone}}},
	})
	if err != nil {
		return "", fmt.Errorf("create a ticket: %w", err)
	}
	fmt.Println("created ticket", id)
	return id, nil
}

// list goes through every page of each list; breaking out would stop it.
func list(ctx context.Context, client *antcrm.Client, customer antcrm.ContactRef) error {
	for contact, err := range client.Contacts.All(ctx, antcrm.ContactListParams{Phone: phone}) {
		if err != nil {
			return fmt.Errorf("list contacts: %w", err)
		}
		fmt.Printf("  contact %s: %s, tags %v, created %s\n", contact.CustomerID, contact.Name, contact.Tags, contact.CreatedAt.Format(time.RFC3339))
	}
	for order, err := range client.Opportunities.All(ctx, antcrm.OpportunityListParams{CustomerID: customer.CustomerID}) {
		if err != nil {
			return fmt.Errorf("list orders: %w", err)
		}
		fmt.Printf("  order %s: %s, %s VND, %d line items\n", order.Number, order.Name, order.Value, len(order.LineItems))
	}
	for ticket, err := range client.Tickets.All(ctx, antcrm.TicketListParams{From: time.Now().Add(-time.Hour)}) {
		if err != nil {
			return fmt.Errorf("list tickets: %w", err)
		}
		fmt.Printf("  ticket %s: %s (%s)\n", ticket.TicketID, ticket.Title, ticket.Priority)
	}
	return nil
}

func changeAndDelete(ctx context.Context, client *antcrm.Client, customer antcrm.ContactRef, order, ticket antcrm.ID) error {
	err := client.Points.Accumulate(ctx, antcrm.AccumulateParams{
		Code: "TIVI-" + runID,
		Data: antcrm.AccumulateCustomer{Name: "Nguyễn Văn Mẫu", Phones: []antcrm.Phone{{Type: "Work", Value: phone}}},
	})
	if err != nil {
		return fmt.Errorf("accumulate points: %w", err)
	}
	contact, err := client.Contacts.Get(ctx, customer)
	if err != nil {
		return fmt.Errorf("look the customer up: %w", err)
	}
	fmt.Println("accumulated points: the customer has", contact.ScoreAvailable)

	// Nil leaves a field alone, a pointer changes it, an empty slice clears it.
	if _, err = client.Contacts.Update(ctx, customer, antcrm.ContactUpdateParams{Stage: new("Regular"), Tags: antcrm.Tags{}}); err != nil {
		return fmt.Errorf("update the customer: %w", err)
	}
	if contact, err = client.Contacts.Get(ctx, customer); err != nil {
		return fmt.Errorf("look the customer up: %w", err)
	}
	fmt.Printf("updated the customer: stage %q, tags %v\n", contact.Stage, contact.Tags)

	if err := client.Tickets.Delete(ctx, ticket); err != nil {
		return fmt.Errorf("delete the ticket: %w", err)
	}
	if err := client.Opportunities.Delete(ctx, order); err != nil {
		return fmt.Errorf("delete the order: %w", err)
	}
	if err := client.Contacts.Delete(ctx, customer); err != nil {
		return fmt.Errorf("delete the customer: %w", err)
	}
	fmt.Println("deleted ticket, order and customer")
	return nil
}

// tellErrorsApart provokes two errors and shows how a program knows them.
func tellErrorsApart(ctx context.Context, client *antcrm.Client, gone antcrm.ContactRef) error {
	_, err := client.Contacts.Get(ctx, gone)
	switch {
	case err == nil:
		return errors.New("a deleted customer was found")
	case errors.Is(err, antcrm.ErrNotFound):
		fmt.Println("as expected, not found:", err)
	default:
		return err
	}

	_, err = client.Contacts.Create(ctx, antcrm.ContactCreateParams{Name: "Without a code"})
	invalid, ok := errors.AsType[*antcrm.ValidationError](err)
	if !ok {
		return fmt.Errorf("an invalid customer was not refused: %w", err)
	}
	fmt.Printf("as expected, refused before it was sent: field %s %s\n", invalid.Field, invalid.Problem)

	fmt.Println("and a write whose answer was lost would be errors.Is(err, antcrm.ErrOutcomeUnknown): look before you repeat it")
	return nil
}
