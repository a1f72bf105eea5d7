package app_test

import (
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// filters is a list command with every filter it has, and what must arrive for them.
type filters struct {
	command string
	path    string
	sent    map[string]string
}

func everyFilter() []filters {
	return []filters{
		{"contacts list --contact-type customer --type 1 --phone 1 --email a@example.com --customer-id 2 --lead-id 3 --external-id K" +
			" --created-from 2024-01-01 --created-to 2024-01-02 --updated-from 2024-01-03 --updated-to 2024-01-04 --page 2 --page-size 7", "/contacts", map[string]string{
			"contactType": "customer", "type": "1", "phone": "1", "email": "a@example.com", "customerId": "2", "leadId": "3", "customerIdApiRing": "K",
			"createdAtf": "2024-01-01", "createdAtt": "2024-01-02", "updateAtf": "2024-01-03", "updateAtt": "2024-01-04", "page": "2", "limit": "7",
		}},
		{"contacts list --kind account", "/contacts", map[string]string{"contactType": "customer", "type": "1", "page": "1"}},
		{"orders list --number 1 --phone 2 --customer-id 3 --page 2 --page-size 7", "/opportunities",
			map[string]string{"number": "1", "phones": "2", "customerId": "3", "page": "2", "limit": "7"}},
		{"products list --code A --type combo --page 2 --page-size 7", "/products", map[string]string{"code": "A", "type": "combo", "page": "2", "limit": "7"}},
		{"tickets list --id 1 --by-update --from 2024-01-01 --to 2024-01-02 --deleted --page 2 --page-size 7", "/tickets", map[string]string{
			"TicketId": "1", "typeTime": "updatedAt", "startDate": "2024-01-01T00:00:00.000Z", "endDate": "2024-01-02T23:59:59.999Z",
			"isTicketDeleted": "true", "page": "2", "limit": "7",
		}},
		{"points history --phone 1 --email a@example.com --from 2024-01-01 --to 2024-01-02 --page 2", "/history-point", map[string]string{
			"type": "point", "phone": "1", "email": "a@example.com", "createdAtRangeFrom": "1704067200000", "createdAtRangeTo": "1704239999999", "page": "2",
		}},
		{"redeem history --phone 1 --email a@example.com --from 2024-01-01 --to 2024-01-02 --page 2", "/history-point", map[string]string{
			"phone": "1", "email": "a@example.com", "createdAtRangeFrom": "1704067200000", "createdAtRangeTo": "1704239999999", "page": "2",
		}},
		{"telesales list --campaign-id C --survey --from 2024-01-01 --to 2024-01-02 --page 2 --page-size 7", "/telesales", map[string]string{
			"campaignId": "C", "survey": "true", "dateStart": "2024-01-01T00:00:00.000Z", "dateEnd": "2024-01-02T23:59:59.999Z", "page": "2", "limit": "7",
		}},
		{"telecalls list --campaign-id C --from 2024-01-01 --to 2024-01-02 --page 2 --page-size 7", "/telecalls", map[string]string{
			"campaignId": "C", "dateStart": "2024-01-01T00:00:00.000Z", "dateEnd": "2024-01-02T23:59:59.999Z", "page": "2", "limit": "7",
		}},
		{"campaigns list --from 2024-01-01 --to 2024-01-02 --page 2 --page-size 7", "/campaigns", map[string]string{
			"dateStart": "2024-01-01T00:00:00.000Z", "dateEnd": "2024-01-02T23:59:59.999Z", "page": "2", "limit": "7",
		}},
		{"ratings list --type omni --source ZALO --score 5 --from 2024-01-01 --to 2024-01-02 --page 2 --page-size 7", "/rating", map[string]string{
			"type": "omni", "source": "ZALO", "rating_score": "5", "dateStart": "2024-01-01T00:00:00.000Z", "dateEnd": "2024-01-02T23:59:59.999Z", "page": "2", "limit": "7",
		}},
		{"zns list --campaign W --from 2024-01-01 --to 2024-01-02 --page 2 --page-size 7", "/znsmsg", map[string]string{
			"campaign": "W", "dateStart": "1704067200000", "dateEnd": "1704239999999", "page": "2", "limit": "7",
		}},
		{"messages list --session S --from 2024-01-01 --to 2024-01-02 --offset 3 --page-size 7", "/messages", map[string]string{
			"sessionId": "S", "created_from": "2024-01-01T00:00:00.000Z", "created_to": "2024-01-02T23:59:59.999Z", "offset": "3", "limit": "7",
		}},
	}
}

// TestFilters_AreSentAsDocumented runs each list with all its filters.
func TestFilters_AreSentAsDocumented(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	for _, test := range everyFilter() {
		before := len(srv.Requests())
		cmd := exec.CommandContext(t.Context(), "antcrm", strings.Fields(test.command)...)
		cmd.Env = append(os.Environ(), "ANTCRM_BASE_URL="+srv.URL, "ANTCRM_API_KEY="+srv.APIKey, "TZ=UTC", "GORACE=atexit_sleep_ms=0")
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", test.command, text)
		arrived := srv.Requests()[before:]
		require.NotEmpty(t, arrived, test.command)
		assert.Equal(t, test.path, arrived[0].Path)
		sent := map[string]string{}
		for name := range arrived[0].Query {
			sent[name] = arrived[0].Query.Get(name)
		}
		assert.Equal(t, test.sent, sent, test.command)
	}
}

// TestFilters_AreAllOfTheContract holds the table above to openapi.yaml: a parameter of a list that no flag sends fails here.
func TestFilters_AreAllOfTheContract(t *testing.T) {
	t.Parallel()
	type parameter struct {
		Ref  string `yaml:"$ref"`
		Name string
		In   string
	}
	var contract struct {
		Paths      map[string]map[string]struct{ Parameters []parameter }
		Components struct{ Parameters map[string]parameter }
	}
	text, err := os.ReadFile("../../../openapi.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &contract))
	covered := map[string]map[string]string{}
	for _, test := range everyFilter() {
		if covered[test.path] == nil {
			covered[test.path] = map[string]string{}
		}
		maps.Copy(covered[test.path], test.sent)
	}
	for path, methods := range contract.Paths {
		list, ok := methods[strings.ToLower(http.MethodGet)]
		if !ok {
			continue
		}
		var names []string
		for _, p := range list.Parameters {
			if p.Ref != "" {
				p = contract.Components.Parameters[p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]]
			}
			if p.In == "query" {
				names = append(names, p.Name)
			}
		}
		assert.ElementsMatch(t, names, slices.Collect(maps.Keys(covered[path])), path)
	}
}
