package antcrm_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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
