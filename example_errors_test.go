package antcrm_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// Which error it is decides what to do next.
func Example_errors() {
	ctx, server, client := startFake()
	defer server.Close()
	server.Inject(antcrmtest.Fault{Path: "/products", Status: http.StatusUnauthorized})

	for _, try := range []func() error{
		func() error {
			_, err := client.Contacts.Create(ctx, antcrm.ContactCreateParams{Name: "Mai"})
			return err
		},
		func() error { _, err := client.Tickets.Get(ctx, "17464"); return err },
		func() error { _, err := client.Products.Get(ctx, "SKU-77"); return err },
	} {
		err := try()
		switch {
		case errors.Is(err, antcrm.ErrValidation):
			fmt.Println("mend the record:", err)
		case errors.Is(err, antcrm.ErrNotFound):
			fmt.Println("there is none")
		case errors.Is(err, antcrm.ErrUnauthorized):
			fmt.Println("look at the key")
		}
	}
	// Output:
	// mend the record: antcrm: customerIdApiRing: is required
	// there is none
	// look at the key
}

// The answer to a write is lost, so its outcome is unknown. The SDK does not send it again; the program searches by a
// filter that the vendor documents. If it finds nothing, the lost request may still be under way: look again later.
func Example_outcomeUnknown() {
	ctx, server, client := startFake()
	defer server.Close()
	server.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/contacts", Do: antcrmtest.CloseAfter, Times: 1})

	customer := newCustomers(1)[0]
	ref, err := client.Contacts.Create(ctx, customer)
	if errors.Is(err, antcrm.ErrOutcomeUnknown) {
		fmt.Println("unknown: looking")
		for found, err := range client.Contacts.All(ctx, antcrm.ContactListParams{Phone: customer.Phones[0].Value}) {
			if err != nil {
				fmt.Println(err)
				return
			}
			if found.Name == customer.Name {
				ref = found.Ref() // it was carried out
			}
		}
	}
	fmt.Println(ref.CustomerID, "of", server.Count(antcrmtest.Contacts))
	// Output:
	// unknown: looking
	// 2000001 of 1
}

// What the server said is in the *APIError: status, message, code, body.
func ExampleAPIError() {
	ctx, server, client := startFake()
	defer server.Close()
	server.Inject(antcrmtest.Fault{Status: http.StatusConflict, Body: `{"success": false, "message": "the phone is taken", "code": "DUPLICATE"}`})

	_, err := client.Contacts.Create(ctx, newCustomers(1)[0])
	if refused, ok := errors.AsType[*antcrm.APIError](err); ok {
		fmt.Println(refused.StatusCode, refused.Code, refused.Message)
	}
	fmt.Println(err)
	// Output:
	// 409 DUPLICATE the phone is taken
	// antcrm: create contact: POST /contacts: 409 Conflict: the phone is taken (code DUPLICATE)
}

// Input that no server would take is refused before it is sent.
func ExampleValidationError() {
	ctx, server, client := startFake()
	defer server.Close()

	_, err := client.Tickets.Create(ctx, antcrm.TicketCreateParams{Title: "Where is my order?"})
	if invalid, ok := errors.AsType[*antcrm.ValidationError](err); ok {
		fmt.Printf("%s %s; %d requests sent\n", invalid.Field, invalid.Problem, server.RequestCount())
	}
	// Output: SLA is required; 0 requests sent
}
