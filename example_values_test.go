package antcrm_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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
