package antcrmtest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// modelContact is what the model knows of a contact.
type modelContact struct {
	id, key, contactType string
	phones               []string
}

// model is the store as a plain slice, searched from end to end.
type model struct{ contacts []*modelContact }

func (m *model) find(query map[string]string) []*modelContact {
	var found []*modelContact
	for _, c := range m.contacts {
		fits := (query["customerIdApiRing"] == "" || query["customerIdApiRing"] == c.key) &&
			(query["contactType"] == "" || query["contactType"] == c.contactType) &&
			(query["phone"] == "" || slices.Contains(c.phones, query["phone"]))
		if fits {
			found = append(found, c)
		}
	}
	return found
}

type modelRun struct {
	*testing.T
	srv *antcrmtest.Server
	rng *rand.Rand
	model
}

func (r *modelRun) serve(method, path, body string) (int, string) {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("apikey", r.srv.APIKey)
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	r.srv.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

// pick chooses among few values, so that they meet again.
func (r *modelRun) pick(prefix string, n int) string { return fmt.Sprint(prefix, r.rng.IntN(n)) }

func (r *modelRun) phones() (list []string, text string) {
	var parts []string
	for range r.rng.IntN(3) {
		list = append(list, r.pick("09", 6))
		parts = append(parts, fmt.Sprintf(`{"value":"%s"}`, list[len(list)-1]))
	}
	return list, "[" + strings.Join(parts, ",") + "]"
}

func (r *modelRun) create() {
	phones, text := r.phones()
	c := &modelContact{key: r.pick("k", 12), contactType: []string{"lead", "customer"}[r.rng.IntN(2)], phones: phones}
	status, body := r.serve("POST", "/contacts", fmt.Sprintf(`{"name":"N","customerIdApiRing":"%s","contactType":"%s","phones":%s}`, c.key, c.contactType, text))
	require.Equal(r, 200, status, body)
	var answer struct{ LeadID, CustomerID json.Number }
	require.NoError(r, json.Unmarshal([]byte(body), &answer))
	c.id = string(answer.LeadID + answer.CustomerID)
	r.contacts = append(r.contacts, c)
}

func (r *modelRun) update() {
	key := r.pick("k", 12)
	phones, text := r.phones()
	status, _ := r.serve("PUT", "/contacts", fmt.Sprintf(`{"customerIdApiRing":"%s","phones":%s}`, key, text))
	found := r.find(map[string]string{"customerIdApiRing": key})
	if len(found) == 0 {
		require.Equal(r, 404, status)
		return
	}
	require.Equal(r, 200, status)
	found[0].phones = phones
}

func (r *modelRun) remove() {
	key := r.pick("k", 12)
	status, _ := r.serve("DELETE", "/contacts?customerIdApiRing="+key, "")
	found := r.find(map[string]string{"customerIdApiRing": key})
	if len(found) == 0 {
		require.Equal(r, 404, status)
		return
	}
	require.Equal(r, 200, status)
	r.contacts = slices.DeleteFunc(r.contacts, func(c *modelContact) bool { return c == found[0] })
}

func (r *modelRun) list() {
	query := map[string]string{}
	text := ""
	for name, value := range map[string]string{"customerIdApiRing": r.pick("k", 12), "contactType": []string{"lead", "customer"}[r.rng.IntN(2)], "phone": r.pick("09", 6)} {
		if r.rng.IntN(3) == 0 {
			query[name] = value
			text += "&" + name + "=" + value
		}
	}
	page, limit := 1+r.rng.IntN(3), 1+r.rng.IntN(8)
	status, body := r.serve("GET", fmt.Sprintf("/contacts?page=%d&limit=%d%s", page, limit, text), "")
	require.Equal(r, 200, status, body)
	found := r.find(query)
	want := []string{}
	for _, c := range found[min(len(found), (page-1)*limit):min(len(found), page*limit)] {
		want = append(want, c.id)
	}
	var records []struct{ LeadID, CustomerID json.Number }
	require.NoError(r, json.Unmarshal([]byte(body), &records))
	got := []string{}
	for _, rec := range records {
		got = append(got, string(rec.LeadID+rec.CustomerID))
	}
	require.Equal(r, want, got, "%s page %d limit %d", text, page, limit)
}

func TestTheStoreAgreesWithAPlainList(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := &modelRun{T: t, srv: antcrmtest.NewServer(t), rng: rand.New(rand.NewPCG(seed, 1))}
			for range 1500 {
				switch n := r.rng.IntN(10); {
				case n < 3:
					r.create()
				case n < 5:
					r.update()
				case n < 7:
					r.remove()
				default:
					r.list()
				}
				key := r.pick("k", 12)
				require.Equal(t, len(r.find(map[string]string{"customerIdApiRing": key})), r.srv.CountByExternalID(antcrmtest.Contacts, key))
				require.Equal(t, len(r.contacts), r.srv.Count(antcrmtest.Contacts))
			}
		})
	}
}
