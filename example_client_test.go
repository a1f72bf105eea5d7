package antcrm_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

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
