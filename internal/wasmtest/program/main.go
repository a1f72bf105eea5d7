// Program is what wasmtest builds for js/wasm: it makes one call of each kind and prints what each came to, a line
// each.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/antbuddy/antcrm-go"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: program SERVER CLOSED-SERVER")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "program:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, base, closed string) error {
	client, err := open(base, time.Minute)
	if err != nil {
		return err
	}
	impatient, err := open(base, 200*time.Millisecond)
	if err != nil {
		return err
	}
	nobody, err := open(closed, time.Minute)
	if err != nil {
		return err
	}
	page, err := client.Contacts.List(ctx, antcrm.ContactListParams{Phone: "0900000001"})
	if err != nil {
		return err
	}
	fmt.Println("list:", page.Items[0].Name)
	ref, err := client.Contacts.Create(ctx, contact())
	if err != nil {
		return err
	}
	fmt.Println("create:", ref.CustomerID)
	reportCalls(ctx, client, impatient)
	_, err = nobody.Contacts.Create(ctx, contact())
	report("nobody", err)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	report("canceled", client.Do(canceled, http.MethodGet, "/contacts", nil, nil, nil))
	return nil
}

// open returns a client that makes two attempts, each within limit.
func open(base string, limit time.Duration) (*antcrm.Client, error) {
	return antcrm.NewClient("sk-0123456789-secret", antcrm.WithBaseURL(base), antcrm.WithMaxRetries(1),
		antcrm.WithRetryBackoff(0, time.Millisecond), antcrm.WithTimeout(limit), antcrm.WithMaxResponseSize(1<<20))
}

// reportCalls calls the server's paths, which fail in a way of their own each.
func reportCalls(ctx context.Context, client, impatient *antcrm.Client) {
	for _, call := range []struct {
		name, method, path string
		client             *antcrm.Client
	}{
		{"zipped", http.MethodGet, "/zipped", client},
		{"not there", http.MethodGet, "/nowhere", client},
		{"busy", http.MethodGet, "/busy", client},
		{"moved", http.MethodGet, "/moved", client},
		{"post moved", http.MethodPost, "/moved", client},
		{"too long", http.MethodGet, "/endless", client},
		{"cut", http.MethodGet, "/cut", client},
		{"stalls", http.MethodGet, "/stalls", impatient},
		{"post stalls", http.MethodPost, "/stalls", impatient},
		{"silent", http.MethodGet, "/silent", impatient},
	} {
		report(call.name, call.client.Do(ctx, call.method, call.path, nil, nil, nil))
	}
}

func contact() antcrm.ContactCreateParams {
	return antcrm.ContactCreateParams{ExternalID: "C-1", Name: "Nguyễn Văn Mẫu", Phones: []antcrm.Phone{{Value: "0900000001"}}}
}

// report prints what a call came to: its status, and which errors it is.
func report(name string, err error) {
	fmt.Print(name, ":")
	if refused, ok := errors.AsType[*antcrm.APIError](err); ok {
		fmt.Print(" ", refused.StatusCode, " after ", refused.Attempts)
	}
	if lost, ok := errors.AsType[*antcrm.TransportError](err); ok {
		fmt.Print(" lost after ", lost.Attempts)
	}
	for _, known := range []error{antcrm.ErrOutcomeUnknown, antcrm.ErrResponseTooLarge, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			fmt.Print(" (", known, ")")
		}
	}
	if err == nil {
		fmt.Print(" done")
	}
	fmt.Println()
}
