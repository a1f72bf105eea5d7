package antcrm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// The functions below hold the README's Go snippets, so that they compile;
// TestReadmeSnippetsAreTheOnesCompiledHere keeps the two the same.

func readmeFirstCall(ctx context.Context) error {
	client, err := antcrm.NewClient(os.Getenv("ANTCRM_API_KEY"))
	if err != nil {
		return err // an empty or multi-line key, a bad option: nothing was sent
	}
	ref, err := client.Contacts.Create(ctx, antcrm.ContactCreateParams{
		Name:        "Nguyễn Văn Mẫu",
		ExternalID:  "ERP-000475", // your own key, customerIdApiRing on the wire
		ContactType: antcrm.ContactTypeCustomer,
		Phones:      []antcrm.Phone{{Type: "Work", Value: "0900000001"}},
	})
	if err != nil {
		return err
	}
	_, err = client.Contacts.Update(ctx, ref, antcrm.ContactUpdateParams{
		Stage: new("Regular"), // a pointer changes, nil leaves alone
		Tags:  antcrm.Tags{},  // an empty slice clears
	})
	return err
}

func readmeLists(ctx context.Context, client *antcrm.Client, lastSync time.Time) error {
	for contact, err := range client.Contacts.All(ctx, antcrm.ContactListParams{UpdatedFrom: lastSync}) {
		if err != nil {
			return err
		}
		fmt.Println(contact.Name, contact.Phones)
	}
	return nil
}

func readmeErrors(ctx context.Context, client *antcrm.Client, order antcrm.OpportunityCreateParams) {
	_, err := client.Opportunities.Create(ctx, order)
	switch {
	case err == nil:
	case errors.Is(err, antcrm.ErrValidation): // found before anything was sent: *ValidationError names the field
	case errors.Is(err, antcrm.ErrOutcomeUnknown): // sent, no usable answer: look before you send it again
	case errors.Is(err, antcrm.ErrRateLimited): // 429 to the end; the *APIError has RetryAfter
	case errors.Is(err, antcrm.ErrUnauthorized): // the key
	default: // *APIError (the server said no), *TransportError (no answer), *DecodeError (an answer of another shape)
	}
}

func readmeBulk(ctx context.Context, client *antcrm.Client, customers []antcrm.ContactCreateParams) error {
	result, err := client.Contacts.CreateBatch(ctx, customers,
		antcrm.WithConcurrency(8),
		antcrm.WithIsolation(), // halve a rejected chunk until the bad records stand alone
	)
	for _, failure := range result.Failures {
		fmt.Println(failure.First, failure.Count, failure.Outcome, failure.Err)
	}
	return err
}

func TestReadmeTestingSnippetWorks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	customer := antcrm.ContactCreateParams{Name: "Nguyễn Văn Mẫu", ExternalID: "ERP-000475"}

	server := antcrmtest.NewServer(t) // in memory, closed at the end of the test
	lost := server.Inject(antcrmtest.Fault{Method: "POST", Path: "/contacts", Do: antcrmtest.CloseAfter, Times: 1})

	_, err := server.Client().Contacts.Create(ctx, customer)

	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)                                // the answer was lost …
	require.Equal(t, 1, server.CountByExternalID(antcrmtest.Contacts, "ERP-000475")) // … the write was not
	require.Equal(t, 1, lost.Met())
}

func TestReadmeSnippetsWork(t *testing.T) {
	t.Parallel()
	server := antcrmtest.NewServer(t)
	client, ctx := server.Client(), t.Context()
	require.NoError(t, readmeBulk(ctx, client, []antcrm.ContactCreateParams{{Name: "Mai", ExternalID: "1"}}))
	require.NoError(t, readmeLists(ctx, client, time.Time{}))
	readmeErrors(ctx, client, antcrm.OpportunityCreateParams{Name: "Order", ReceiverName: "Mai"})
	require.Equal(t, 1, server.Count(antcrmtest.Contacts))
	require.Equal(t, 1, server.Count(antcrmtest.Opportunities))
	if os.Getenv("ANTCRM_API_KEY") == "" {
		require.ErrorIs(t, readmeFirstCall(ctx), antcrm.ErrValidation)
	}
}

func TestReadmeSnippetsAreTheOnesCompiledHere(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	compiled := squeeze(string(source))
	for _, block := range blocks {
		assert.Contains(t, compiled, squeeze(block[1]), "this snippet of README.md is not in readme_test.go")
	}
}

// squeeze makes texts comparable whatever their indentation and alignment.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }
