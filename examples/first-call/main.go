// First-call is the program of the README.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func main() {
	ctx := context.Background()
	fake, err := antcrmtest.Start() // an AntCRM in memory: no key, no account
	if err != nil {
		log.Fatal(err)
	}
	client := fake.Client() // for the real one: antcrm.NewClient(os.Getenv("ANTCRM_API_KEY"))

	ref, err := client.Contacts.Create(ctx, antcrm.ContactCreateParams{
		Name:        "Nguyễn Văn Mẫu",
		ExternalID:  "ERP-000475", // your own key of the customer (customerIdApiRing on the wire)
		ContactType: antcrm.ContactTypeCustomer,
		Phones:      []antcrm.Phone{{Type: "Work", Value: "0900000001"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	ref, err = client.Contacts.Update(ctx, ref, antcrm.ContactUpdateParams{
		Stage: new("Regular"), // a pointer changes the field, nil leaves it alone
		Tags:  antcrm.Tags{},  // an empty slice clears it
	})
	if err != nil {
		log.Fatal(err)
	}
	contact, err := client.Contacts.Get(ctx, ref)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(contact.CustomerID, contact.Name, contact.Stage)
}
