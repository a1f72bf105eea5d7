package contract

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const specPath = "../openapi.yaml"

func load(t testing.TB) *Contract {
	t.Helper()
	c, err := Load(t.Context(), specPath)
	require.NoError(t, err)
	return c
}

// ask is one request as a client would send it. A target is a method, a path and a query.
func ask(t testing.TB, target, body string) *http.Request {
	t.Helper()
	method, path, _ := strings.Cut(target, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	req.Header.Set("apikey", "test-key")
	if body != "" {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return req
}

func lines(errs []error) string {
	var b strings.Builder
	for _, err := range errs {
		b.WriteString(err.Error() + "\n")
	}
	return b.String()
}

func sample(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("../testdata/" + name)
	require.NoError(t, err)
	return string(text)
}

func TestRequestsAreHeldToTheContract(t *testing.T) {
	t.Parallel()
	c := load(t)
	for _, tt := range []struct{ name, target, body, broken string }{
		{"a list without filters", "GET /contacts", ``, ""},
		{"all filters of contacts", "GET /contacts?contactType=lead&type=0&phone=0900000001&email=a%40example.com&leadId=2964&customerId=475&customerIdApiRing=ERP-1&updateAtf=2024-03-13&updateAtt=2024-03-14&createdAtf=2024-03-13&createdAtt=2024-03-14&page=1&limit=20", ``, ""},
		{"a limit above 100", "GET /campaigns?limit=300", ``, ""},
		{"a parameter that is not documented", "GET /contacts?updatedAtf=2024-03-13", ``, `query parameter "updatedAtf" is not documented`},
		{"a parameter that is there twice", "GET /contacts?page=1&page=2", ``, `query parameter "page" is there 2 times`},
		{"an empty parameter", "GET /contacts?phone=", ``, "query parameter phone"},
		{"page 0", "GET /contacts?page=0", ``, "query parameter page"},
		{"a contact type nobody knows", "GET /contacts?contactType=account", ``, "query parameter contactType"},
		{"a time where a day is due", "GET /contacts?createdAtf=2024-03-13T06:24:20.673Z", ``, "query parameter createdAtf"},
		{"a time without milliseconds", "GET /rating?dateStart=2024-03-13T06:24:20Z", ``, "query parameter dateStart"},
		{"a day where milliseconds are due", "GET /znsmsg?dateStart=2024-03-13", ``, "query parameter dateStart"},
		{"a required parameter is missing", "GET /telesales?page=1", ``, "query parameter campaignId"},
		{"history has no limit", "GET /history-point?limit=20", ``, `"limit" is not documented`},
		{"a GET with a body", "GET /contacts", `{}`, "body not allowed"},
		{"no operation", "GET /contact", ``, "no operation"},
		{"no such method", "PATCH /contacts", `{}`, "no operation"},

		{"the sample contact", "POST /contacts", sample(t, "contact-create.json"), ""},
		{"the least of a contact", "POST /contacts", `{"name":"A","customerIdApiRing":"1"}`, ""},
		{"a contact without a name", "POST /contacts", `{"customerIdApiRing":"1"}`, `/name: property "name" is missing`},
		{"a contact with a blank name", "POST /contacts", `{"name":" ","customerIdApiRing":"1"}`, "/name"},
		{"a contact with a number for its type", "POST /contacts", `{"name":"A","customerIdApiRing":"1","type":0}`, "/type"},
		{"a contact with one string for its tags", "POST /contacts", `{"name":"A","customerIdApiRing":"1","tags":"x"}`, "/tags"},
		{"a contact with a field nobody knows", "POST /contacts", `{"name":"A","customerIdApiRing":"1","nam":"x"}`, "nam"},
		{"a contact with a null", "POST /contacts", `{"name":"A","customerIdApiRing":"1","phones":null}`, "/phones"},
		{"an address with a field nobody knows", "POST /contacts", `{"name":"A","customerIdApiRing":"1","addresses":[{"town":"x"}]}`, "town"},
		{"no body", "POST /contacts", ``, "value is required but missing"},
		{"broken JSON", "POST /contacts", `{"name":`, "request"},

		{"an update that clears", "PUT /contacts", `{"leadId":"2964","tags":[],"industry":"","gender":""}`, ""},
		{"an update of nothing", "PUT /contacts", `{"customerIdApiRing":"ERP-1"}`, ""},
		{"an update with two keys", "PUT /contacts", `{"leadId":"2964","customerId":"475"}`, "request"},
		{"an update without a key", "PUT /contacts", `{"name":"A"}`, "request"},
		{"an update of the type", "PUT /contacts", `{"leadId":"2964","type":"1"}`, "type"},
		{"a numeric key", "PUT /contacts", `{"leadId":2964}`, "/leadId"},

		{"a deletion, key in both places", "DELETE /contacts?leadId=2964", `{"leadId":"2964"}`, ""},
		{"a deletion with two keys", "DELETE /contacts?leadId=2964", `{"leadId":"2964","customerId":"475"}`, "request"},
		{"a deletion with the key in the query only", "DELETE /opportunities?number=3609", ``, "value is required but missing"},
		{"a deletion with the key in the body only", "DELETE /opportunities", `{"number":"3609"}`, "query parameter number"},

		{"a package", "POST /contacts/package", `[{"name":"A","customerIdApiRing":"1"}]`, ""},
		{"an empty package", "POST /contacts/package", `[]`, "request"},
		{"a package of 101", "POST /contacts/package", `[` + strings.Repeat(`{"name":"A","customerIdApiRing":"1"},`, 100) + `{"name":"A","customerIdApiRing":"1"}]`, "request"},

		{"the sample order", "POST /opportunities", sample(t, "opportunity-create.json"), ""},
		{"an order with text for money", "POST /opportunities", `{"name":"A","receiverName":"B","value":"1"}`, "/value"},
		{"an order whose value is cleared", "PUT /opportunities", `{"number":"3609","value":"","shipping_cost":0}`, ""},
		{"an order whose value is text", "PUT /opportunities", `{"number":"3609","value":"1"}`, "/value"},

		{"a product", "POST /products", `{"name":"A","code":"B","productIdApiRing":"C","value":"1.5","canEdit":false}`, ""},
		{"a product with a number for its value", "POST /products", `{"name":"A","code":"B","productIdApiRing":"C","value":1.5}`, "/value"},
		{"a product with a word for its value", "POST /products", `{"name":"A","code":"B","productIdApiRing":"C","value":"dear"}`, "/value"},
		{"a product update", "PUT /products", `{"productIdApiRing":"C","value":""}`, ""},

		{"a ticket for a contact by id", "POST /tickets", `{"title":"A","SLA":"B","contact":{"id":"64db290a7796fe24bfe876a7"}}`, ""},
		{"a ticket for nobody", "POST /tickets", `{"title":"A","SLA":"B","contact":{}}`, "/contact"},
		{"points", "POST /accumulate", `{"code":"A","data":{"phones":[{"type":"Work","value":"1"}]}}`, ""},
		{"points for plain texts", "POST /accumulate", `{"code":"A","data":{"phones":["1"]}}`, "/data/phones/0"},
		{"a ticket for a customerId", "POST /tickets", `{"title":"A","SLA":"B","contact":{"id":"475"}}`, "/contact/id"},
		{"points for one string", "POST /accumulate", `{"code":"A","data":{"phones":"1"}}`, "/data/phones"},
		{"a gift", "POST /redeem", `{"code":"A","data":{"phone":"1"}}`, ""},
		{"a gift for an array", "POST /redeem", `{"code":"A","data":{"phone":["1"]}}`, "/data/phone"},
		{"a segment", "POST /segments/set-contact", `{"segmentId":"1","contacts":[{"name":"A","phone":[{"value":"1"}],"phones":[{"value":"1"}]}]}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var broken []error
			x, err := c.find(ask(t, tt.target, tt.body))
			if err != nil {
				broken = append(broken, err)
			} else {
				broken = x.checkRequest(t.Context())
			}
			if tt.broken == "" {
				assert.Empty(t, lines(broken))
				return
			}
			assert.Contains(t, lines(broken), tt.broken)
		})
	}
}

func TestARequestWithoutTheKeyBreaksTheContract(t *testing.T) {
	t.Parallel()
	req := ask(t, "GET /contacts", "")
	req.Header.Del("apikey")
	x, err := load(t).find(req)
	require.NoError(t, err)
	assert.Contains(t, lines(x.checkRequest(t.Context())), "header apikey is missing")
}

func TestAnswersAreHeldToTheContract(t *testing.T) {
	t.Parallel()
	const (
		none = ""
		json = "application/json; charset=utf-8"
		text = "text/plain; charset=utf-8"
		html = "text/html; charset=utf-8"
	)
	c := load(t)
	for _, tt := range []struct {
		name, target string
		status       int
		contentType  string
		body, broken string
	}{
		{"contacts", "GET /contacts", 200, json, sample(t, "contacts.json"), ""},
		{"no contacts", "GET /contacts", 200, json, `[]`, ""},
		{"orders of S", "GET /opportunities", 200, json, sample(t, "opportunities.json"), ""},
		{"orders of N", "GET /opportunities", 200, json, sample(t, "opportunity-full.json"), ""},
		{"products", "GET /products", 200, json, sample(t, "products.json"), ""},
		{"tickets", "GET /tickets", 200, json, sample(t, "tickets.json"), ""},
		{"loyalty", "GET /history-point", 200, json, sample(t, "history-point.json"), ""},
		{"ratings", "GET /rating", 200, json, sample(t, "ratings.json"), ""},
		{"a contact with fields nobody knows", "GET /contacts", 200, json, `[{"name":"A","brandNew":{"x":[1]}}]`, ""},
		{"a lone tag", "GET /contacts", 200, json, `[{"tags":"VIP"}]`, ""},
		{"a number for a name", "GET /contacts", 200, json, `[{"name":1}]`, "/0/name"},
		{"an object for an id", "GET /contacts", 200, json, `[{"leadId":{}}]`, "/0/leadId"},
		{"an object for the list", "GET /contacts", 200, json, `{"name":"A"}`, "response 200"},
		{"a list where an envelope is due", "GET /rating", 200, json, `[]`, "response 200"},
		{"an envelope without data", "GET /campaigns", 200, json, `{"success":true}`, "/data"},
		{"an envelope without a total", "GET /campaigns", 200, json, `{"success":true,"data":[],"limit":20}`, ""},
		{"a negative total", "GET /campaigns", 200, json, `{"success":true,"data":[],"total":-1}`, "/total"},
		{"sessions", "GET /messages", 200, json, `{"success":true,"data":{"sessions":[{"sessionId":"1","messages":[{"_id":"2","isOutboundMessage":true}]}]}}`, ""},
		{"messages without sessions", "GET /messages", 200, json, `{"success":true,"data":[]}`, "/data"},
		{"no ZNS messages", "GET /znsmsg", 404, json, `{"success":false,"message":"no data found"}`, ""},

		{"a lead was made", "POST /contacts", 200, json, `{"success":1,"leadId":9457}`, ""},
		{"a customer was made", "POST /contacts", 200, json, `{"success":true,"customerId":"9457"}`, ""},
		{"nobody knows what was made", "POST /contacts", 200, json, `{"success":1}`, "response 200"},
		{"no word of success", "POST /contacts", 200, json, `{"leadId":9457}`, "/success"},
		{"an empty number", "POST /opportunities", 200, json, `{"success":1,"number":""}`, "/number"},
		{"a ticket was changed", "PUT /tickets", 200, json, `{"success":1,"number":9457}`, ""},
		{"a package was made", "POST /opportunities/package", 200, json, `{"success":1,"number":[9457,"9458",null]}`, ""},
		{"one number for a package", "POST /opportunities/package", 200, json, `{"success":1,"number":9457}`, "/number"},
		{"deleted without a body", "DELETE /contacts", 204, none, ``, ""},
		{"deleted with a body under 204", "DELETE /contacts", 204, json, `{"success":1}`, "204 has a body"},
		{"created without a body", "POST /contacts", 204, none, ``, "status is not supported"},
		{"a segment, as text", "POST /segments/set-contact", 200, text, `Ok`, ""},
		{"a segment, as a JSON string", "POST /segments/set-contact", 200, json, `"Ok"`, ""},
		{"a segment, as a write answer", "POST /segments/set-contact", 200, json, `{"success":1}`, ""},
		{"a segment, as another text", "POST /segments/set-contact", 200, text, `No`, "response 200"},

		{"a refusal", "POST /contacts", 400, json, `{"success":false,"message":"APPID_MISSING"}`, ""},
		{"a refusal with a list for a message", "POST /contacts", 400, json, `{"message":[]}`, "/message"},
		{"a gateway's page", "GET /contacts", 502, html, `<html>`, ""},
		{"a page under 200", "GET /contacts", 200, html, `<html>`, "Content-Type"},
		{"broken JSON", "GET /contacts", 200, json, `[{"name":`, "unexpected EOF"},
		{"a status that nobody documents", "GET /contacts", 418, json, `{}`, "status is not supported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x, err := c.find(ask(t, tt.target, ""))
			require.NoError(t, err)
			header := http.Header{}
			if tt.contentType != "" {
				header.Set("Content-Type", tt.contentType)
			}
			broken := lines(x.checkResponse(t.Context(), tt.status, header, []byte(tt.body)))
			if tt.broken == "" {
				assert.Empty(t, broken)
				return
			}
			assert.Contains(t, broken, tt.broken)
		})
	}
}
