package lookup_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/examples/bulk-import/lookup"
)

const mai = `{"name":"Mai","customerIdApiRing":"KH-1","contactType":"customer","phones":[{"type":"Work","value":"0900000001"},{"type":"Home","value":"0900000002"}],
	"emails":[{"type":"Work","value":"mai@example.com"}]}`

// Each answer is by the value that is searched for; none is an empty list.
func TestOnlyWhatIsCertainIsSaid(t *testing.T) {
	t.Parallel()
	const same = `{"contactType":"customer","customerId":475,"name":"Mai","phones":[{"value":"0900000001"},{"value":"0900000002"}],"emails":[{"value":"mai@example.com"}]}`
	const byMail = `{"contactType":"customer","customerId":475,"name":"Mai","emails":[{"value":"mai@example.com"}]}`
	const other = `{"contactType":"customer","customerId":476,"name":"Mai","phones":[{"value":"0900000001"}]}`
	const international = `{"contactType":"customer","customerId":475,"name":"Mai","phones":[{"value":"+84900000001"}]}`
	const stranger = `{"contactType":"customer","customerId":477,"name":"Lan","phones":[{"value":"0900000009"}]}`
	const otherKey = `{"contactType":"customer","customerId":476,"customerIdApiRing":"KH-2","name":"Mai","phones":[{"value":"0900000001"}]}`
	for _, tt := range []struct {
		name, record string
		answers      map[string]string
		outcome      antcrm.Outcome
		asked        int
	}{
		{"nobody has any of them", mai, nil, antcrm.OutcomeNotSent, 7},
		{"found by all", mai, map[string]string{"0900000001": same, "0900000002": same, "mai@example.com": same}, antcrm.OutcomeDone, 7},
		{"found by the last only", mai, map[string]string{"mai@example.com": byMail}, antcrm.OutcomeDone, 7},
		{"stored in the international form", mai, map[string]string{"+84900000001": international}, antcrm.OutcomeDone, 7},
		{"the server compares all forms", mai, map[string]string{"0900000001": same, "+84900000001": same, "84900000001": same}, antcrm.OutcomeDone, 7},
		{"a number of another country", `{"name":"Mai","customerIdApiRing":"KH-1","phones":[{"type":"Work","value":"+4930123456"}]}`, nil, antcrm.OutcomeNotSent, 1},
		{"two contacts", mai, map[string]string{"0900000001": same + "," + other}, antcrm.OutcomeUnknown, 2},
		{"two contacts by two searches", mai, map[string]string{"0900000001": other, "mai@example.com": byMail}, antcrm.OutcomeUnknown, 7},
		{"a stranger", mai, map[string]string{"0900000001": stranger}, antcrm.OutcomeUnknown, 2},
		{"a stranger after the record", mai, map[string]string{"0900000001": same + "," + stranger}, antcrm.OutcomeUnknown, 2},
		{"another key", mai, map[string]string{"0900000001": otherKey}, antcrm.OutcomeUnknown, 2},
		{"an error", mai, map[string]string{"mai@example.com": "fail"}, antcrm.OutcomeUnknown, 7},
		{"nothing to search for", `{"name":"Mai","customerIdApiRing":"KH-1","phones":[{"type":"Work","value":""}]}`, nil, antcrm.OutcomeUnknown, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			asked := map[string]bool{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				value := r.URL.Query().Get("phone") + r.URL.Query().Get("email")
				mu.Lock()
				asked[value] = true
				mu.Unlock()
				answer := tt.answers[value]
				if answer == "fail" {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				if r.URL.Query().Get("page") != "1" {
					answer = ""
				}
				_, _ = w.Write([]byte("[" + answer + "]"))
			}))
			t.Cleanup(server.Close)
			client, err := antcrm.NewClient("key", antcrm.WithBaseURL(server.URL), antcrm.WithMaxConcurrency(1))
			require.NoError(t, err)

			var record antcrm.ContactCreateParams
			require.NoError(t, json.Unmarshal([]byte(tt.record), &record))
			found, err := lookup.Contacts(client)(t.Context(), antcrm.UnknownChunk[antcrm.ContactCreateParams]{Records: []antcrm.ContactCreateParams{record}})
			require.NoError(t, err)
			require.Len(t, found, 1)
			assert.Equal(t, tt.outcome, found[0].Outcome)
			if tt.outcome == antcrm.OutcomeDone {
				assert.Equal(t, antcrm.CustomerRef("475"), found[0].Ref)
			}
			mu.Lock()
			defer mu.Unlock()
			assert.Len(t, asked, tt.asked)
		})
	}
}
