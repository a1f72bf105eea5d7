package antcrmtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// The vendor's page prints the entries of the history with an "id", and with no "_id".
func TestAnEntryOfTheHistoryHasAnID(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	client := srv.Client()
	_, err := client.Contacts.Create(t.Context(), antcrm.ContactCreateParams{Name: "Mai", ExternalID: "K", Phones: []antcrm.Phone{{Value: "0900000001"}}})
	require.NoError(t, err)
	require.NoError(t, client.Points.Accumulate(t.Context(), antcrm.AccumulateParams{Code: "C", Data: antcrm.AccumulateCustomer{Phones: []antcrm.Phone{{Value: "0900000001"}}}}))
	page, err := client.Points.List(t.Context(), antcrm.LoyaltyListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.NotEmpty(t, page.Items[0].ID)
	assert.NotContains(t, string(page.Items[0].RawJSON()), `"_id"`)
	var recorded []string
	for _, change := range srv.Changes() {
		if change.Kind == antcrmtest.History {
			recorded = append(recorded, change.Record)
		}
	}
	assert.Equal(t, []string{string(page.Items[0].ID)}, recorded)
}
