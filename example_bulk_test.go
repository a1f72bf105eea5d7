package antcrm_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/examples/bulk-import/lookup"
	"github.com/antbuddy/antcrm-go/records"
)

// journalFile is the path of a new file, and what removes it again.
func journalFile() (path string, remove func()) {
	folder, err := os.MkdirTemp("", "antcrm-example-")
	if err != nil {
		panic(err)
	}
	return filepath.Join(folder, "import.journal"), func() { _ = os.RemoveAll(folder) }
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
// sending them again or giving up. The resolver is a package of the bulk-import example: it looks by phone and e-mail,
// as the vendor documents, and takes nobody else for the record.
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
