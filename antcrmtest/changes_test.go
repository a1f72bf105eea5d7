package antcrmtest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestChangesSayWhatEachRequestDid(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.ok("GET", "/contacts", "")
	w.ok("POST", "/contacts/package", `[{"name":"A","customerIdApiRing":"a"},{"name":"B","customerIdApiRing":"b","contactType":"customer","phones":[{"value":"0900"}]}]`)
	w.ok("PUT", "/contacts", `{"leadId":1000001,"name":"C"}`)
	w.refused(http.StatusBadRequest, "POST", "/contacts", `{"name":"no key"}`, "customerIdApiRing")
	w.srv.Inject(antcrmtest.Fault{Method: "DELETE", Do: antcrmtest.CloseAfter, Times: 1})
	_, _, _, err := w.send(w.request("DELETE", "/contacts?leadId=1000001", ""))
	assert.Error(t, err, "the answer is lost")
	w.ok("POST", "/accumulate", `{"code":"X","data":{"phones":[{"type":"Work","value":"0900"}]}}`)

	const first, second = "64d9f28b0001000000000001", "64d9f28b0001000000000002"
	assert.Equal(t, []antcrmtest.Change{
		{Request: 2, Operation: "POST /contacts/package", Kind: antcrmtest.Contacts, Action: antcrmtest.Created, Record: first, ID: "1000001", ExternalID: "a"},
		{Request: 2, Operation: "POST /contacts/package", Kind: antcrmtest.Contacts, Action: antcrmtest.Created, Place: 1, Record: second, ID: "2000001", ExternalID: "b"},
		{Request: 3, Operation: "PUT /contacts", Kind: antcrmtest.Contacts, Action: antcrmtest.Updated, Record: first, ID: "1000001", ExternalID: "a"},
		{Request: 5, Operation: "DELETE /contacts", Kind: antcrmtest.Contacts, Action: antcrmtest.Deleted, Record: first, ID: "1000001", ExternalID: "a"},
		{Request: 6, Operation: "POST /accumulate", Kind: antcrmtest.History, Action: antcrmtest.Created, Record: "64d9f28b0005000000000001"},
		{Request: 6, Operation: "POST /accumulate", Kind: antcrmtest.Contacts, Action: antcrmtest.Updated, Record: second, ID: "2000001", ExternalID: "b", Points: "100"},
	}, w.srv.Changes())
	assert.Equal(t, 2, w.srv.Requests()[1].Number)
	assert.NoError(t, w.srv.Reset())
	assert.Empty(t, w.srv.Changes())
}
