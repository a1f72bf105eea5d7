package antcrm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/examples/bulk-import/lookup"
	"github.com/antbuddy/antcrm-go/records"
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

// journalFile is the path of a new file, and what removes it again.
func journalFile() (path string, remove func()) {
	folder, err := os.MkdirTemp("", "antcrm-example-")
	if err != nil {
		panic(err)
	}
	return filepath.Join(folder, "import.journal"), func() { _ = os.RemoveAll(folder) }
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

// sourceOf gives a slice as the source of an import; a file would be read here.
func sourceOf[T any](records []T) func(yield func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
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

// A client is made once and shared. Nothing is sent yet.
func ExampleNewClient() {
	client, err := antcrm.NewClient(os.Getenv("MY_VAULT_KEY"), antcrm.WithTimeout(10*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = client
	// Output: antcrm: apiKey: is empty
}

// The key comes from ANTCRM_API_KEY, the address from ANTCRM_BASE_URL if it is
// set, else it is the vendor's.
func ExampleNewClientFromEnv() {
	client, err := antcrm.NewClientFromEnv(antcrm.WithRateLimit(10, 20))
	if err != nil {
		fmt.Println(err)
		return
	}
	contact, err := client.Contacts.Get(context.Background(), antcrm.ExternalRef("ERP-000475"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(contact.Name)
}

// Do reaches what has no method yet, with the same key, retries and errors.
func ExampleClient_Do() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Products, antcrm.Product{Code: "SKU-77", Name: "Beef combo", Value: "125000"})

	var products []struct{ Name, Value string }
	err := client.Do(ctx, http.MethodGet, "/products", url.Values{"code": {"SKU-77"}}, nil, &products)
	fmt.Println(products, err)
	// Output: [{Beef combo 125000}] <nil>
}

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

// The answer to a write is lost: nobody can know from here whether it was
// carried out. The SDK says so and sends nothing twice; the program looks.
func Example_outcomeUnknown() {
	ctx, server, client := startFake()
	defer server.Close()
	server.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/contacts", Do: antcrmtest.CloseAfter, Times: 1})

	customer := newCustomers(1)[0]
	ref, err := client.Contacts.Create(ctx, customer)
	if errors.Is(err, antcrm.ErrOutcomeUnknown) {
		fmt.Println("unknown: looking")
		found, err := client.Contacts.Get(ctx, antcrm.ExternalRef(customer.ExternalID))
		switch {
		case err == nil:
			ref = found.Ref() // it was carried out
		case errors.Is(err, antcrm.ErrNotFound):
			ref, _ = client.Contacts.Create(ctx, customer) // it was not
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

// Nil leaves a field alone, a pointer changes it, a pointer to nothing or an
// empty list clears it. Go 1.26's new makes the pointers.
func ExampleContactUpdateParams() {
	body, err := json.Marshal(antcrm.ContactUpdateParams{
		Name:     nil,            // stays
		Stage:    new("Regular"), // changes
		Industry: new(""),        // is cleared
		Tags:     antcrm.Tags{},  // is cleared
	})
	fmt.Println(string(body), err)
	// Output: {"industry":"","stage":"Regular","tags":[]} <nil>
}

// A contact is named by exactly one of its keys.
func ExampleContactRef() {
	for _, ref := range []antcrm.ContactRef{antcrm.LeadRef("2964"), antcrm.CustomerRef("475"), antcrm.ExternalRef("ERP-000475")} {
		body, _ := json.Marshal(ref)
		fmt.Println(string(body))
	}
	// Output:
	// {"leadId":"2964"}
	// {"customerId":"475"}
	// {"customerIdApiRing":"ERP-000475"}
}

func ExampleContactsService_Create() {
	ctx, server, client := startFake()
	defer server.Close()

	ref, err := client.Contacts.Create(ctx, antcrm.ContactCreateParams{
		Name:         "Nguyễn Văn Mẫu",
		ExternalID:   "ERP-000475", // your own key, required
		ContactType:  antcrm.ContactTypeCustomer,
		Phones:       []antcrm.Phone{{Type: "Work", Value: "0900000001"}},
		Addresses:    []antcrm.Address{{HouseNumber: "319", StreetName: "Nguyễn Kiệm", City: "Hồ Chí Minh"}},
		Tags:         antcrm.Tags{"vip"},
		CustomFields: []antcrm.CustomField{antcrm.TextField("Shipping unit", "Fast delivery")},
	})
	fmt.Println("customer", ref.CustomerID, err)
	// Output: customer 2000001 <nil>
}

// A filter that is not set is not sent.
func ExampleContactsService_List() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, newCustomers(30))

	page, err := client.Contacts.List(ctx, antcrm.ContactListParams{ContactType: antcrm.ContactTypeCustomer, Page: 2, Limit: 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("page", page.Page, "has", len(page.Items), "contacts; the first is", page.Items[0].Name)
	// Output: page 2 has 10 contacts; the first is Nguyễn Văn Mẫu 21
}

func ExampleContactsService_Get() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, newCustomers(3))

	contact, err := client.Contacts.Get(ctx, antcrm.ExternalRef("C-2"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(contact.CustomerID, contact.Name)

	_, err = client.Contacts.Get(ctx, antcrm.CustomerRef("9"))
	fmt.Println(errors.Is(err, antcrm.ErrNotFound))
	// Output:
	// 2000002 Nguyễn Văn Mẫu 2
	// true
}

func ExampleContactsService_Update() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, antcrm.Contact{CustomerID: "475", ContactType: antcrm.ContactTypeCustomer, Name: "Mai", Stage: "New", Tags: antcrm.Tags{"vip"}})

	ref := antcrm.CustomerRef("475")
	if _, err := client.Contacts.Update(ctx, ref, antcrm.ContactUpdateParams{Stage: new("Regular"), Tags: antcrm.Tags{}}); err != nil {
		fmt.Println(err)
		return
	}
	contact, err := client.Contacts.Get(ctx, ref)
	fmt.Println(contact.Name, contact.Stage, contact.Tags, err)
	// Output: Mai Regular [] <nil>
}

func ExampleContactsService_Delete() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, newCustomers(1))

	fmt.Println(client.Contacts.Delete(ctx, antcrm.ExternalRef("C-1")))
	fmt.Println(server.Count(antcrmtest.Contacts), "left")
	// Output:
	// <nil>
	// 0 left
}

// All fetches page after page while the loop runs, and stops when it is left.
func ExampleContactsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, newCustomers(45))

	count := 0
	for contact, err := range client.Contacts.All(ctx, antcrm.ContactListParams{CreatedFrom: moment().AddDate(0, 0, -7)}) {
		if err != nil {
			fmt.Println(err) // a break of the network, say: what came before was good
			return
		}
		count++
		if contact.ExternalID == "C-42" {
			break
		}
	}
	fmt.Println(count, "contacts read")
	// Output: 42 contacts read
}

// Result i answers input i. A chunk that is refused says why, and of whom.
func ExampleContactsService_CreateBatch() {
	ctx, server, client := startFake()
	defer server.Close()
	server.Inject(antcrmtest.Fault{Path: "/contacts/package", BodyContains: `"C-150"`, Status: http.StatusBadRequest, Body: `{"message": "a bad phone"}`})

	result, err := client.Contacts.CreateBatch(ctx, newCustomers(250), antcrm.WithConcurrency(1))
	for _, failure := range result.Failures {
		fmt.Printf("%d records from %d on: %s\n", failure.Count, failure.First, failure.Outcome)
	}
	fmt.Println("the first is", result.Results[0].CustomerID)
	fmt.Println(err)
	// Output:
	// 100 records from 100 on: rejected
	// the first is 2000001
	// antcrm: create contacts: 100 of 250 records not confirmed; records 100 to 199 rejected: antcrm: create contacts: POST /contacts/package: 400 Bad Request: a bad phone
}

// With isolation a refused chunk is halved until the bad record stands alone.
func ExampleWithIsolation() {
	ctx, server, client := startFake()
	defer server.Close()
	server.Inject(antcrmtest.Fault{Path: "/contacts/package", BodyContains: `"C-150"`, Status: http.StatusBadRequest, Body: `{"message": "a bad phone"}`})

	result, _ := client.Contacts.CreateBatch(ctx, newCustomers(250), antcrm.WithIsolation())
	for _, failure := range result.Failures {
		fmt.Printf("%d record, %d: %s\n", failure.Count, failure.First, failure.Outcome)
	}
	fmt.Println(server.Count(antcrmtest.Contacts), "created")
	// Output:
	// 1 record, 149: rejected
	// 249 created
}

// WithProgress tells how far a batch has come.
func ExampleWithProgress() {
	ctx, server, client := startFake()
	defer server.Close()

	_, err := client.Contacts.CreateBatch(ctx, newCustomers(250), antcrm.WithConcurrency(1), antcrm.WithProgress(func(p antcrm.BatchProgress) {
		fmt.Printf("%d of %d\n", p.Confirmed, p.Total)
	}))
	fmt.Println(err)
	// Output:
	// 100 of 250
	// 200 of 250
	// 250 of 250
	// <nil>
}

// One result a record, in constant memory, however long the source is.
func ExampleContactsService_Import() {
	ctx, server, client := startFake()
	defer server.Close()

	outcomes := map[antcrm.Outcome]int{}
	for result, err := range client.Contacts.Import(ctx, sourceOf(newCustomers(250)), antcrm.WithIsolation()) {
		if err != nil {
			fmt.Println(err) // the source's, the journal's, the context's
			return
		}
		outcomes[result.Outcome]++
	}
	fmt.Println(outcomes[antcrm.OutcomeDone], "done")
	// Output: 250 done
}

// Package records reads the file, and says line and column of what it refuses.
func ExampleContactsService_Import_csv() {
	ctx, server, client := startFake()
	defer server.Close()
	file := strings.NewReader("Mã KH;name;phones\nKH-1;Mai;0900000001\nKH-1;Lan;0900000002\nKH-3;;0900000003\n")

	source := records.CSV[antcrm.ContactCreateParams](file,
		records.WithColumns(map[string]string{"Mã KH": "customerIdApiRing"}),
		records.WithBadRows(func(bad *records.RowError) { fmt.Println(bad) }))
	for result, err := range client.Contacts.Import(ctx, source.All()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(result.Index, result.Outcome, result.Err)
	}
	// Output:
	// records: line 3, column 1 (Mã KH): the same customerIdApiRing as on line 2
	// 1 not sent antcrm: record 1: name: is required
	// 0 done <nil>
}

// An import with a journal can be run again after any crash: what was answered
// is given from the journal, what was not begun is sent.
func ExampleWithJournal() {
	ctx, server, client := startFake()
	defer server.Close()
	path, remove := journalFile()
	defer remove()

	for _, far := range []int{100, 250} { // the first run ends early
		journal, err := antcrm.OpenJournal(path)
		if err != nil {
			fmt.Println(err)
			return
		}
		done := 0
		for result, err := range client.Contacts.Import(ctx, sourceOf(newCustomers(far)), antcrm.WithJournal(journal)) {
			if err != nil || result.Err != nil {
				fmt.Println(errors.Join(err, result.Err))
				break
			}
			done++
		}
		fmt.Println(done, "done,", server.RequestCount(), "requests so far,", server.Count(antcrmtest.Contacts), "contacts")
		_ = journal.Close()
	}
	// Output:
	// 100 done, 1 requests so far, 100 contacts
	// 250 done, 3 requests so far, 250 contacts
}

// The answer to a chunk was lost, and the run has ended. The next one asks whether the records are there, instead of
// sending them again or giving up. The resolver is a package of the bulk-import example: it looks by phone and e-mail, as
// the vendor documents, and takes nobody else for the record.
func ExampleWithUnknownResolver() {
	ctx, server, client := startFake()
	defer server.Close()
	path, remove := journalFile()
	defer remove()
	server.Inject(antcrmtest.Fault{Path: "/contacts/package", Do: antcrmtest.CloseAfter, Times: 1})

	for range 2 {
		journal, err := antcrm.OpenJournal(path)
		if err != nil {
			fmt.Println(err)
			return
		}
		for result, err := range client.Contacts.Import(ctx, sourceOf(newCustomers(2)), antcrm.WithJournal(journal),
			antcrm.WithUnknownResolver(lookup.Contacts(client)), antcrm.WithSettle(0)) { // leave WithSettle out: only here is it known that nothing is under way
			fmt.Println(result.Index, result.Outcome, result.Ref.CustomerID, err)
		}
		_ = journal.Close()
	}
	fmt.Println(server.Count(antcrmtest.Contacts), "contacts")
	// Output:
	// 0 unknown  <nil>
	// 1 unknown  <nil>
	// 0 done 2000001 <nil>
	// 1 done 2000002 <nil>
	// 2 contacts
}

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

func ExampleOpportunitiesService_CreateBatch() {
	ctx, server, client := startFake()
	defer server.Close()

	result, err := client.Opportunities.CreateBatch(ctx, []antcrm.OpportunityCreateParams{
		{Name: "Order 1", ReceiverName: "Mai"},
		{Name: "Order 2", ReceiverName: "Lan"},
	})
	fmt.Println(result.Results, err)
	// Output: [3000001 3000002] <nil>
}

// A change is the order's number and what to change.
func ExampleOpportunitiesService_UpdateBatch() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Opportunities, antcrm.Opportunity{Number: "3609"}, antcrm.Opportunity{Number: "3610"})

	delivered := antcrm.OpportunityUpdateParams{Stage: new("Delivered")}
	result, err := client.Opportunities.UpdateBatch(ctx, []antcrm.OpportunityUpdate{
		{Number: "3609", OpportunityUpdateParams: delivered},
		{Number: "3610", OpportunityUpdateParams: delivered},
	})
	fmt.Println(result.Results, err)
	// Output: [3609 3610] <nil>
}

func ExampleOpportunitiesService_Import() {
	ctx, server, client := startFake()
	defer server.Close()

	orders := []antcrm.OpportunityCreateParams{{Name: "Order 1", ReceiverName: "Mai"}, {Name: "Order 2"}}
	for result, err := range client.Opportunities.Import(ctx, sourceOf(orders)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(result.Index, result.Outcome, result.Ref, result.Err)
	}
	// Output:
	// 1 not sent  antcrm: record 1: receiverName: is required
	// 0 done 3000001 <nil>
}

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

// The API answers with no ids: what failed is in the *BatchError.
func ExampleSegmentsService_SetContacts() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, newCustomers(2))

	err := client.Segments.SetContacts(ctx, "65f145d4a1b2c3d4e5f60718", newCustomers(2))
	fmt.Println(err, server.Count(antcrmtest.Segments), "in the segment")
	// Output: <nil> 2 in the segment
}

// The vendor documents no field of these records: Decode reads them into a
// type of your own.
func ExampleTelesalesService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Telesales, `{"_id": "65f145d4a1b2c3d4e5f60718", "campaignId": "65f1", "status": "called", "survey": {"q1": "yes"}}`)

	for record, err := range client.Telesales.All(ctx, antcrm.TelesaleListParams{CampaignID: "65f1", SurveyOnly: true}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		var mine struct {
			Status string
			Survey map[string]string
		}
		err = record.Decode(&mine)
		fmt.Println(record.ID, mine.Status, mine.Survey["q1"], err)
	}
	// Output: 65f145d4a1b2c3d4e5f60718 called yes <nil>
}

func ExampleTelecallsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Telecalls, `{"_id": "65f145d4a1b2c3d4e5f60720", "campaignId": "65f1", "seconds": 42}`)

	day := antcrm.TelecallListParams{CampaignID: "65f1", From: moment().Add(-24 * time.Hour), To: moment().Add(time.Hour)}
	for call, err := range client.Telecalls.All(ctx, day) {
		if err != nil {
			fmt.Println(err)
			return
		}
		var mine struct{ Seconds int }
		err = call.Decode(&mine)
		fmt.Println(mine.Seconds, err)
	}
	// Output: 42 <nil>
}

func ExampleCampaignsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Campaigns, `{"_id": "65f145d4a1b2c3d4e5f60718", "name": "Tết 2024"}`)

	for campaign, err := range client.Campaigns.All(ctx, antcrm.CampaignListParams{}) {
		fmt.Println(campaign.ID, string(campaign.RawJSON()), err)
	}
	// Output: 65f145d4a1b2c3d4e5f60718 {"_id":"65f145d4a1b2c3d4e5f60718","name":"Tết 2024","createdAt":1710311060673,"updatedAt":1710311060673} <nil>
}

func ExampleRatingsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Ratings,
		`{"_id": "6613a508dc31dd206d0239b5", "rating_score": 3, "type": "omni", "source": "ZALO", "rating_time": 1710311060673}`,
		`{"_id": "6613a508dc31dd206d0239b6", "rating_score": "5", "type": "call", "source": "CALL", "rating_time": 1710311060673}`)

	for rating, err := range client.Ratings.All(ctx, antcrm.RatingListParams{Type: antcrm.RatingTypeCall}) {
		fmt.Println(rating.Score, rating.Source, rating.RatedAt.Format(time.DateOnly), err)
	}
	// Output: 5 CALL 2024-03-13 <nil>
}

func ExampleZNSMessagesService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.ZNSMessages, `{"_id": "65f145d4a1b2c3d4e5f60730", "campaign": "TET", "phone": "0900000001"}`)

	for message, err := range client.ZNSMessages.All(ctx, antcrm.ZNSMessageListParams{Campaign: "TET"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		var mine struct{ Phone string }
		err = message.Decode(&mine)
		fmt.Println(mine.Phone, err)
	}
	// Output: 0900000001 <nil>
}

// Messages come by session; the period is required.
func ExampleMessagesService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Messages, `{"sessionId": "66139e5904bf311bf963a979", "leadId": 2964, "messages": [{"channel": "ZALO", "isOutboundMessage": true}, {"channel": "ZALO"}]}`)

	day := antcrm.MessageListParams{CreatedFrom: moment().Add(-24 * time.Hour), CreatedTo: moment().Add(time.Hour)}
	for session, err := range client.Messages.All(ctx, day) {
		if err != nil {
			fmt.Println(err)
			return
		}
		outbound := slices.ContainsFunc(session.Messages, func(m antcrm.Message) bool { return m.Outbound.Bool() })
		fmt.Println("lead", session.LeadID, "has", len(session.Messages), "messages; answered:", outbound)
	}
	// Output: lead 2964 has 2 messages; answered: true
}

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

// WithResponse shows what came back: status, headers, body, attempts.
func ExampleWithResponse() {
	ctx, server, client := startFake(antcrm.WithRetryBackoff(0, 0))
	defer server.Close()
	server.Inject(antcrmtest.Fault{Status: http.StatusBadGateway, Times: 2})

	var response antcrm.Response
	_, err := client.Contacts.List(ctx, antcrm.ContactListParams{}, antcrm.WithResponse(&response))
	fmt.Println(response.StatusCode, "after", response.Attempts, "attempts", err)
	// Output: 200 after 3 attempts <nil>
}

// A debug record for each attempt, a warning for each that is repeated. No
// key, no query, no body.
func ExampleWithLogger() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if slices.Contains([]string{"time", "wait", "duration", "size", "request_id"}, a.Key) {
				return slog.Attr{} // not the same each time
			}
			return a
		},
	}))
	ctx, server, client := startFake(antcrm.WithLogger(logger), antcrm.WithRetryBackoff(0, 0))
	defer server.Close()
	server.Inject(antcrmtest.Fault{Status: http.StatusServiceUnavailable, Times: 1})

	_, err := client.Contacts.List(ctx, antcrm.ContactListParams{Phone: "0900000001"})
	fmt.Println(err)
	// Output:
	// level=DEBUG msg="antcrm: request" method=GET path=/contacts status=503 attempt=1
	// level=WARN msg="antcrm: repeating request" method=GET path=/contacts status=503 attempt=1
	// level=DEBUG msg="antcrm: request" method=GET path=/contacts status=200 attempt=2
	// <nil>
}

// 10 requests a second, 20 at once after a rest. Calls wait for their turn; one
// that cannot have it before its context's end is refused at once.
func ExampleWithRateLimit() {
	ctx, server, client := startFake(antcrm.WithRateLimit(10, 20))
	defer server.Close()

	_, err := client.Contacts.CreateBatch(ctx, newCustomers(500))
	fmt.Println(server.RequestCount(), "requests", err)
	// Output: 5 requests <nil>
}

// Record fields that the vendor does not document are not lost.
func ExampleRecord_Decode() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Contacts, `{"customerId": 475, "contactType": "customer", "name": "Mai", "loyaltyCard": {"level": "gold"}}`)

	contact, err := client.Contacts.Get(ctx, antcrm.CustomerRef("475"))
	if err != nil {
		fmt.Println(err)
		return
	}
	var mine struct {
		LoyaltyCard struct{ Level string }
	}
	err = contact.Decode(&mine)
	fmt.Println(contact.Name, mine.LoyaltyCard.Level, err)
	// Output: Mai gold <nil>
}

// Numbers and texts decode into one type, and lose no digit.
func ExampleID() {
	var record struct{ LeadID, CustomerID antcrm.ID }
	err := json.Unmarshal([]byte(`{"leadId": 1234567890123456789, "customerId": "475"}`), &record)
	fmt.Println(record.LeadID, record.CustomerID, err)
	// Output: 1234567890123456789 475 <nil>
}

// Money is exact text. The empty Decimal is "not given", "0" is a value.
func ExampleDecimal() {
	var prices []antcrm.Decimal
	err := json.Unmarshal([]byte(`[125000, "0.10", "", null]`), &prices)
	for _, price := range prices {
		amount, isSet := price.Rat()
		fmt.Printf("%q %v %t\n", price, amount, isSet)
	}
	fmt.Println(err)
	// Output:
	// "125000" 125000/1 true
	// "0.10" 1/10 true
	// "" <nil> false
	// "" <nil> false
	// <nil>
}

func ExampleTextField() {
	fields := []antcrm.CustomField{
		antcrm.TextField("Shipping unit", "Fast delivery"),
		{Name: "Floors", Value: json.RawMessage(`[1, 2]`)}, // any JSON
	}
	for _, field := range fields {
		fmt.Println(field.Name+":", field.Text())
	}
	// Output:
	// Shipping unit: Fast delivery
	// Floors: [1, 2]
}

// What holds a customer prints as nothing, with every verb.
func ExampleRecord_Format() {
	customer := newCustomers(1)[0]
	text := fmt.Sprintf("%v %+v", customer, antcrm.Contact{Name: "Mai"})
	fmt.Println(text, strings.Contains(text, "Mai"))
	// Output: {redacted} {redacted} false
}
