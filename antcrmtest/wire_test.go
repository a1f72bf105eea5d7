package antcrmtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

var moment = time.Date(2024, 3, 13, 6, 24, 20, 673e6, time.UTC) // 1710311060673

func TestRequestsWithoutTheKeyAreUnauthorized(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, keys := range map[string][]string{"no key": nil, "a wrong key": {"wrong"}, "the key twice": {w.srv.APIKey, w.srv.APIKey}, "an empty key": {""}} {
		t.Run(name, func(t *testing.T) {
			req := w.request("GET", "/contacts", "")
			req.Header["Apikey"] = keys
			status, body, _, err := w.send(req)
			require.NoError(t, err)
			assert.Equal(t, 401, status)
			assert.Contains(t, body, `"success":false`)
			assert.NotContains(t, body, w.srv.APIKey)
		})
	}
}

func TestContactsAreKeptAsSentAndPrintedAsTheVendorPrints(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetTime(moment)

	assert.JSONEq(t, `{"success":1,"leadId":1000001}`, w.ok("POST", "/contacts", `{"name":"Mẫu","customerIdApiRing":"ERP-1","type":"0","gender":"1","tags":"VIP","cusFields":[{"name":"f","value":{"any":[1]}}],"own":{"n":12345678901234567890}}`))
	assert.JSONEq(t, `{"success":1,"customerId":2000001}`, w.ok("POST", "/contacts", `{"name":"B","customerIdApiRing":"ERP-2","contactType":"customer","type":"1"}`))

	assert.JSONEq(t, `[{"name":"Mẫu","customerIdApiRing":"ERP-1","type":0,"gender":1,"tags":["VIP"],"own":{"n":12345678901234567890},
		"contactType":"lead","leadId":1000001,"_id":"64d9f28b0001000000000001","dateOfBirth":null,"addresses":[],"phones":[],"emails":[],"im":[],"cusFields":[{"name":"f","value":{"any":[1]}}],
		"industry":"","bgInfo":"","stage":"","sourceContact":"","responsibleStaff":"","rankName":"","scoreAvailable":0,"scoreRank":0,
		"createdAt":1710311060673,"updatedAt":1710311060673}]`, w.ok("GET", "/contacts?leadId=1000001", ""))
	assert.Contains(t, w.ok("GET", "/contacts?leadId=1000001", ""), "12345678901234567890", "numbers keep every digit")
	assert.Equal(t, 2, w.srv.Count(antcrmtest.Contacts))
}

func TestStringsWithQuotesAndBackslashesStayWhole(t *testing.T) {
	t.Parallel()
	w := start(t)
	const body = `{"name":"a\\","customerIdApiRing":"\"x\\\"","bgInfo":"}]\\\\","\u006ew":"\ud83d\ude00","phones" : [ {"value" : "\\"} , {"value":"\""} ] }`
	w.ok("POST", "/contacts/package", "[ "+body+" , "+body+" ]")
	records := w.list("/contacts?phone=%5C")
	require.Len(t, records, 2)
	for _, c := range records {
		assert.Equal(t, `a\`, c["name"])
		assert.Equal(t, `"x\"`, c["customerIdApiRing"])
		assert.Equal(t, `}]\\`, c["bgInfo"])
		assert.Equal(t, "😀", c["nw"])
	}
	assert.Equal(t, 2, w.srv.CountByExternalID(antcrmtest.Contacts, `"x\"`))
}

func TestContactFilters(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithLocation(time.FixedZone("ICT", 7*3600)))
	w.srv.SetTime(time.Date(2024, 3, 12, 18, 0, 0, 0, time.UTC)) // the 13th in the server's zone
	w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a","phones":[{"type":"Work","value":"0900000001"},{"value":"0900000002"}]}`)
	w.srv.Advance(24 * time.Hour)
	w.ok("POST", "/contacts", `{"name":"B","customerIdApiRing":"b","contactType":"customer","emails":[{"type":"Work","value":"b@example.com"}]}`)
	w.srv.Advance(24 * time.Hour)
	w.ok("POST", "/contacts", `{"name":"C","customerIdApiRing":"c","contactType":"customer","type":"1","phones":[{"value":"0900000002"}]}`)
	w.ok("PUT", "/contacts", `{"customerIdApiRing":"a","stage":"later"}`)

	for query, want := range map[string]string{
		"":                            "ABC",
		"contactType=lead":            "A",
		"contactType=customer":        "BC",
		"contactType=customer&type=1": "C",
		"type=0":                      "AB",
		"phone=0900000001":            "A",
		"phone=0900000002":            "AC",
		"phone=0900000002&type=1":     "C",
		"phone=090000000":             "",
		"email=b@example.com":         "B",
		"customerId=2000002":          "C",
		"leadId=1000001":              "A",
		"leadId=2000001":              "",
		"customerIdApiRing=b":         "B",
		"createdAtf=2024-03-14":       "BC",
		"createdAtt=2024-03-13":       "A",
		"createdAtf=2024-03-13&createdAtt=2024-03-14": "AB",
		"updateAtf=2024-03-15":                        "AC",
		"updateAtt=2024-03-14":                        "B",
		"updateAtf=2024-03-15&createdAtt=2024-03-13":  "A",
		"createdAtf=2025-01-01":                       "",
	} {
		t.Run(query, func(t *testing.T) {
			got := ""
			for _, c := range w.list("/contacts?" + query) {
				got += c["name"].(string)
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestASeededContactWithoutATypeIsAPerson(t *testing.T) {
	t.Parallel()
	w := start(t)
	require.NoError(t, w.srv.Seed(antcrmtest.Contacts, `{"name":"A"}`, `{"name":"B","type":"1"}`))
	assert.Equal(t, []any{"A"}, column(w.list("/contacts?type=0"), "name"))
	assert.Equal(t, []any{"B"}, column(w.list("/contacts?type=1"), "name"))
}

func TestAnUpdateWritesOnlyWhatWasSent(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetTime(moment)
	w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a","stage":"New","industry":"IT","phones":[{"value":"1"}],"emails":[{"value":"x@example.com"}]}`)
	w.srv.Advance(time.Second)
	assert.JSONEq(t, `{"success":1,"leadId":1000001}`, w.ok("PUT", "/contacts", `{"leadId":"1000001","stage":"","phones":[],"tags":["t"],"extra":1.50}`))

	c := w.list("/contacts")[0]
	assert.Empty(t, c["stage"], "an empty value is written")
	assert.Equal(t, []any{}, c["phones"], "an empty list is written")
	assert.Equal(t, "IT", c["industry"], "an absent value stays")
	assert.Len(t, c["emails"], 1)
	assert.Equal(t, []any{"t"}, c["tags"])
	assert.Equal(t, json.Number("1.50"), c["extra"])
	assert.Equal(t, json.Number("1710311061673"), c["updatedAt"])
	assert.Equal(t, json.Number("1710311060673"), c["createdAt"])
	assert.Empty(t, w.list("/contacts?phone=1"), "a phone that is gone finds nothing")
	assert.Len(t, w.list("/contacts?email=x@example.com"), 1)
	w.ok("PUT", "/contacts", `{"leadId":1000001}`)
}

func TestNullMeansAbsentInACreateAndEmptyInAnUpdate(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a","gender":null,"phones":null,"contactType":null,"type":""}`)
	c := w.list("/contacts")[0]
	assert.Equal(t, json.Number("2"), c["gender"])
	assert.Equal(t, json.Number("0"), c["type"])
	assert.Equal(t, "lead", c["contactType"])
	assert.Equal(t, []any{}, c["phones"])
	w.ok("PUT", "/contacts", `{"leadId":1000001,"name":"B","tags":["x"],"stage":"s","dateOfBirth":"d"}`)
	w.ok("PUT", "/contacts", `{"leadId":1000001,"tags":null,"stage":null,"dateOfBirth":null}`)
	c = w.list("/contacts")[0]
	assert.Equal(t, []any{}, c["tags"])
	assert.Empty(t, c["stage"])
	assert.Nil(t, c["dateOfBirth"])
	w.ok("POST", "/opportunities/package", `[{"name":"A","receiverName":"B","value":null,"groupPackage":[{"value":5}],"createdAt":null},{"name":"A","receiverName":"B","value":"","groupPackage":[{"value":5}],"createdAt":""},{"name":"A","receiverName":"B","value":"1e2"}]`)
	assert.Equal(t, []any{json.Number("5"), json.Number("5"), json.Number("100")}, column(w.list("/opportunities"), "value"))
}

func TestALenientQueryIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithLenientQuery())
	w.ok("GET", "/contacts?unknown=1&unknown=2", "")
	w.refused(400, "GET", "/contacts?page=x&unknown=1", "", "page")
}

func TestDeleteTakesItsKeyFromQueryOrBody(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opt         antcrmtest.DeleteKey
		query, body string
		status      int
	}{
		"query":                   {antcrmtest.DeleteKeyAnywhere, "?leadId=1000001", "", 200},
		"body":                    {antcrmtest.DeleteKeyAnywhere, "", `{"leadId":1000001}`, 200},
		"own key":                 {antcrmtest.DeleteKeyAnywhere, "?customerIdApiRing=a", `{"customerIdApiRing":"a"}`, 200},
		"both, number and string": {antcrmtest.DeleteKeyAnywhere, "?leadId=1000001", `{"leadId":1000001}`, 200},
		"both, disagreeing":       {antcrmtest.DeleteKeyAnywhere, "?leadId=1000001", `{"leadId":1000002}`, 400},
		"both, different keys":    {antcrmtest.DeleteKeyAnywhere, "?leadId=1000001", `{"customerIdApiRing":"a"}`, 400},
		"neither":                 {antcrmtest.DeleteKeyAnywhere, "", "", 400},
		"an empty object":         {antcrmtest.DeleteKeyAnywhere, "", "{}", 400},
		"two keys in the query":   {antcrmtest.DeleteKeyAnywhere, "?leadId=1000001&customerIdApiRing=a", "", 400},
		"two keys in the body":    {antcrmtest.DeleteKeyAnywhere, "", `{"leadId":1000001,"customerIdApiRing":"a"}`, 400},
		"unknown":                 {antcrmtest.DeleteKeyAnywhere, "?leadId=7", "", 404},
		"body not read":           {antcrmtest.DeleteKeyInQuery, "", `{"leadId":1000001}`, 400},
		"query only":              {antcrmtest.DeleteKeyInQuery, "?leadId=1000001", `{"leadId":1000001}`, 200},
		"query not read":          {antcrmtest.DeleteKeyInBody, "?leadId=1000001", "", 400},
		"body only":               {antcrmtest.DeleteKeyInBody, "?leadId=1000001", `{"leadId":1000001}`, 200},
		"a body that is no JSON":  {antcrmtest.DeleteKeyAnywhere, "?leadId=1000001", `{"leadId":`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, antcrmtest.WithDeleteKey(tc.opt))
			w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a"}`)
			status, answer := w.do("DELETE", "/contacts"+tc.query, tc.body)
			assert.Equal(t, tc.status, status, answer)
			if tc.status == 200 {
				assert.JSONEq(t, `{"success":1}`, answer)
				assert.Zero(t, w.srv.Count(antcrmtest.Contacts))
				assert.Equal(t, "[]", w.ok("GET", "/contacts", ""))
			} else {
				assert.Equal(t, 1, w.srv.Count(antcrmtest.Contacts))
			}
		})
	}
}

func TestRefusalsNameTheFieldAndWriteNothing(t *testing.T) {
	t.Parallel()
	contact := `{"name":"A","customerIdApiRing":"a"`
	order := `{"name":"A","receiverName":"B"`
	ticket := `{"title":"A","SLA":"B","contact":{"id":"64db290a7796fe24bfe876a7"}`
	for _, tc := range []struct {
		method, path, body string
		status             int
		field              string
	}{
		{"POST", "/contacts", `{"customerIdApiRing":"a"}`, 400, "name"},
		{"POST", "/contacts", `{"name":"  ","customerIdApiRing":"a"}`, 400, "name"},
		{"POST", "/contacts", `{"name":7,"customerIdApiRing":"a"}`, 400, "name"},
		{"POST", "/contacts", `{"name":"A"}`, 400, "customerIdApiRing"},
		{"POST", "/contacts", contact + `,"type":"2"}`, 400, "type"},
		{"POST", "/contacts", contact + `,"contactType":"account"}`, 400, "contactType"},
		{"POST", "/contacts", contact + `,"gender":true}`, 400, "gender"},
		{"POST", "/contacts", contact + `,"phones":"0900"}`, 400, "phones"},
		{"POST", "/contacts", contact + `,"phones":["0900"]}`, 400, "phones[0]"},
		{"POST", "/contacts", contact + `,"phones":[{"value":"1"},{"type":"Work"}]}`, 400, "phones[1].value"},
		{"POST", "/contacts", contact + `,"emails":[{"value":1}]}`, 400, "emails[0].value"},
		{"POST", "/contacts", contact + `,"addresses":[{"country":"VN"}]}`, 400, "addresses[0].country"},
		{"POST", "/contacts", contact + `,"im":{}}`, 400, "im"},
		{"POST", "/contacts", contact + `,"tags":[1]}`, 400, "tags[0]"},
		{"POST", "/contacts", contact + `,"cusFields":[{"value":1}]}`, 400, "cusFields[0].name"},
		{"POST", "/contacts", `[]`, 400, ""},
		{"POST", "/contacts", `"x"`, 400, ""},
		{"POST", "/contacts", contact + `}{}`, 400, ""},
		{"POST", "/contacts", `{"name":"A","name":"B","customerIdApiRing":"a"}`, 400, ""},
		{"POST", "/contacts", "{\"name\":\"\xff\",\"customerIdApiRing\":\"a\"}", 400, ""},
		{"POST", "/contacts/package", `{}`, 400, ""},
		{"POST", "/contacts/package", `[]`, 400, ""},
		{"POST", "/contacts/package", `[` + contact + `},{"customerIdApiRing":"b"}]`, 400, "[1].name"},
		{"POST", "/contacts/package", `[` + contact + `},7]`, 400, "[1]"},
		{"POST", "/contacts/package", `[` + contact + `},{"name":"B","customerIdApiRing":"b","phones":[{}]}]`, 400, "[1].phones[0].value"},
		{"PUT", "/contacts", `{"name":"B"}`, 400, ""},
		{"PUT", "/contacts", `{"leadId":"","name":"B"}`, 400, "leadId"},
		{"PUT", "/contacts", `{"leadId":1,"customerId":2,"name":"B"}`, 400, "customerId"},
		{"PUT", "/contacts", `{"leadId":1,"type":"1"}`, 400, "type"},
		{"PUT", "/contacts", `{"leadId":1,"scoreAvailable":1}`, 400, "scoreAvailable"},
		{"PUT", "/contacts", `{"leadId":1,"name":"B"}`, 404, ""},
		{"POST", "/opportunities", `{"receiverName":"B"}`, 400, "name"},
		{"POST", "/opportunities", `{"name":"A"}`, 400, "receiverName"},
		{"POST", "/opportunities", order + `,"value":"a lot"}`, 400, "value"},
		{"POST", "/opportunities", order + `,"value":"1e999999999"}`, 400, "value"},
		{"POST", "/opportunities", order + `,"createdAt":"2024-01-01"}`, 400, "createdAt"},
		{"POST", "/opportunities", order + `,"dealByUsers":"x"}`, 400, "dealByUsers"},
		{"POST", "/opportunities", order + `,"dealWith":[]}`, 400, "dealWith"},
		{"POST", "/opportunities", order + `,"groupPackage":[{"quantity":{}}]}`, 400, "groupPackage[0].quantity"},
		{"PUT", "/opportunities", `{"name":"A"}`, 400, "number"},
		{"PUT", "/opportunities", `{"number":1,"name":"A"}`, 404, ""},
		{"PUT", "/opportunities/package", `[{"number":1,"name":"A"}]`, 404, ""},
		{"PUT", "/opportunities/package", `[{"name":"A"}]`, 400, "[0].number"},
		{"POST", "/products", `{"name":"A","productIdApiRing":"p"}`, 400, "code"},
		{"POST", "/products", `{"name":"A","code":"c"}`, 400, "productIdApiRing"},
		{"POST", "/products", `{"name":"A","code":"c","productIdApiRing":"p","canEdit":"yes"}`, 400, "canEdit"},
		{"PUT", "/products", `{"code":"c"}`, 400, "productIdApiRing"},
		{"POST", "/tickets", `{"SLA":"B","contact":{"id":"64db290a7796fe24bfe876a7"}}`, 400, "title"},
		{"POST", "/tickets", `{"title":"A","contact":{"id":"64db290a7796fe24bfe876a7"}}`, 400, "SLA"},
		{"POST", "/tickets", `{"title":"A","SLA":"B"}`, 400, "contact"},
		{"POST", "/tickets", `{"title":"A","SLA":"B","contact":{"emails":[{"value":"x"}]}}`, 400, "contact"},
		{"POST", "/tickets", ticket + `,"files":{}}`, 400, "files"},
		{"PUT", "/tickets", `{"number":1}`, 400, "TicketId"},
		{"POST", "/accumulate", `{"data":{"phones":[{"type":"Work","value":"1"}]}}`, 400, "code"},
		{"POST", "/accumulate", `{"code":"c"}`, 400, "data"},
		{"POST", "/accumulate", `{"code":"c","data":{"phones":"1"}}`, 400, "data.phones"},
		{"POST", "/accumulate", `{"code":"c","data":{"phones":["1"]}}`, 400, "data.phones[0]"},
		{"POST", "/accumulate", `{"code":"c","data":{"emails":[{"type":"Work"}]}}`, 400, "data.emails[0].value"},
		{"POST", "/accumulate", `{"code":"c","data":{"name":"x"}}`, 400, "data"},
		{"POST", "/accumulate", `{"code":"c","data":{"phones":[{"type":"Work","value":"1"}]}}`, 404, ""},
		{"POST", "/redeem", `{"code":"c","data":{"phone":["1"]}}`, 400, "data.phone"},
		{"POST", "/segments/set-contact", `{"contacts":[{"name":"A"}]}`, 400, "segmentId"},
		{"POST", "/segments/set-contact", `{"segmentId":"s"}`, 400, "contacts"},
		{"POST", "/segments/set-contact", `{"segmentId":"s","contacts":[{"name":""}]}`, 400, "contacts[0].name"},
		{"POST", "/segments/set-contact", `{"segmentId":"s","contacts":[{"name":"A","phone":[{"value":"1"}],"phones":[{"value":"2"}]}]}`, 400, "contacts[0].phone"},
		{"GET", "/contacts?page=0", "", 400, "page"},
		{"GET", "/contacts?page=x", "", 400, "page"},
		{"GET", "/contacts?limit=-1", "", 400, "limit"},
		{"GET", "/contacts?limit=99999999999999999999", "", 400, "limit"},
		{"GET", "/contacts?page=1&page=2", "", 400, "page"},
		{"GET", "/contacts?phone=", "", 400, "phone"},
		{"GET", "/contacts?phones=1", "", 400, "phones"},
		{"GET", "/contacts?createdAtf=13/03/2024", "", 400, "createdAtf"},
		{"GET", "/contacts?updateAtt=2024-03-13T00:00:00Z", "", 400, "updateAtt"},
		{"GET", "/contacts?contactType=account", "", 400, "contactType"},
		{"GET", "/contacts?a=%zz", "", 400, ""},
		{"GET", "/products?type=other", "", 400, "type"},
		{"GET", "/tickets?startDate=2024-03-13", "", 400, "startDate"},
		{"GET", "/tickets?endDate=2024-03-13T06:24:20%2B07:00", "", 400, "endDate"},
		{"GET", "/tickets?isTicketDeleted=1", "", 400, "isTicketDeleted"},
		{"GET", "/tickets?typeTime=deletedAt", "", 400, "typeTime"},
		{"GET", "/history-point?limit=5", "", 400, "limit"},
		{"GET", "/history-point?type=gift", "", 400, "type"},
		{"GET", "/history-point?createdAtRangeFrom=2024-03-13", "", 400, "createdAtRangeFrom"},
		{"GET", "/telesales", "", 400, "campaignId"},
		{"GET", "/telecalls", "", 400, "campaignId"},
		{"GET", "/telesales?campaignId=1&survey=yes", "", 400, "survey"},
		{"GET", "/znsmsg?dateStart=2024-03-13T06:24:20.673Z", "", 400, "dateStart"},
		{"GET", "/messages?created_to=2024-03-13T06:24:20.673Z", "", 400, "created_from"},
		{"GET", "/messages?created_from=2024-03-13T06:24:20.673Z", "", 400, "created_to"},
		{"GET", "/messages?created_from=2024-03-13T06:24:20.673Z&created_to=2024-03-14T06:24:20.673Z&offset=-1", "", 400, "offset"},
		{"GET", "/contacts", `{}`, 400, ""},
	} {
		t.Run(fmt.Sprintf("%s %s %s", tc.method, tc.path, tc.body), func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.t = t
			w.refused(tc.status, tc.method, tc.path, tc.body, tc.field)
			for _, kind := range antcrmtest.Kinds() {
				assert.Zero(t, w.srv.Count(kind))
			}
			requests := w.srv.Requests()
			require.Len(t, requests, 1)
			assert.False(t, requests[0].Wrote)
			assert.Equal(t, tc.status, requests[0].Status)
			assert.NotEmpty(t, requests[0].Refusal)
		})
	}
}

func TestUnknownPathsAndMethodsAreToldApart(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, tc := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/contact", 404, ""},
		{"GET", "/contacts/", 404, ""},
		{"GET", "//contacts", 404, ""},
		{"GET", "/contacts/../contacts", 404, ""},
		{"GET", "/contacts%2Fpackage", 404, ""},
		{"GET", "/%63ontacts", 404, ""},
		{"GET", "/_mock/", 404, ""},
		{"PATCH", "/contacts", 405, "DELETE, GET, POST, PUT"},
		{"GET", "/contacts/package", 405, "POST"},
		{"POST", "/rating", 405, "GET"},
		{"BREW", "/opportunities/package", 405, "POST, PUT"},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			status, body, header, err := w.send(w.request(tc.method, tc.path, ""))
			require.NoError(t, err)
			assert.Equal(t, tc.status, status, body)
			assert.Equal(t, tc.allow, header.Get("Allow"))
			assert.Contains(t, body, `"success":false`)
		})
	}
}

func TestBodiesMustBePlainJSON(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, tc := range map[string]struct {
		header, value string
		status        int
	}{
		"a form":               {"Content-Type", "application/x-www-form-urlencoded", 415},
		"no type":              {"Content-Type", "", 415},
		"a broken type":        {"Content-Type", ";;", 415},
		"packed":               {"Content-Encoding", "gzip", 415},
		"a charset":            {"Content-Type", "application/json; charset=UTF-8", 200},
		"another charset":      {"Content-Type", "application/json; charset=utf-16", 415},
		"a method in a header": {"X-HTTP-Method-Override", "DELETE", 200},
	} {
		t.Run(name, func(t *testing.T) {
			req := w.request("POST", "/products", `{"name":"A","code":"c","productIdApiRing":"p"}`)
			req.Header.Set(tc.header, tc.value)
			status, body, _, err := w.send(req)
			require.NoError(t, err)
			assert.Equal(t, tc.status, status, body)
		})
	}
}

func TestAPackageIsWrittenInOrderAndHoldsAtMostAHundred(t *testing.T) {
	t.Parallel()
	w := start(t)
	body := func(n int) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(`{"name":"N%d","customerIdApiRing":"k%d"}`, i, i)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	w.refused(400, "POST", "/contacts/package", body(101), "")
	assert.Zero(t, w.srv.Count(antcrmtest.Contacts))

	var answer struct {
		Success int
		LeadID  []int64 `json:"leadId"`
	}
	require.NoError(t, json.Unmarshal([]byte(w.ok("POST", "/contacts/package", body(100))), &answer))
	assert.Equal(t, 1, answer.Success)
	require.Len(t, answer.LeadID, 100)
	for i, id := range answer.LeadID {
		raw, ok := w.srv.Record(antcrmtest.Contacts, "leadId", fmt.Sprint(id))
		require.True(t, ok)
		assert.Contains(t, string(raw), fmt.Sprintf(`"k%d"`, i))
	}
	assert.JSONEq(t, `{"success":1,"leadId":[1000101,1000102],"customerId":[2000001]}`,
		w.ok("POST", "/contacts/package", `[{"name":"A","customerIdApiRing":"x"},{"name":"B","customerIdApiRing":"y","contactType":"customer"},{"name":"C","customerIdApiRing":"z"}]`))
}

func TestPagingHonoursTheServersRules(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts  []antcrmtest.Option
		query string
		first string
		count int
	}{
		"20 a page":                {nil, "", "p0", 20},
		"the second page":          {nil, "?page=2", "p20", 20},
		"the last page":            {nil, "?page=3", "p40", 5},
		"past the end":             {nil, "?page=4", "", 0},
		"far past the end":         {nil, "?page=9223372036854775807", "", 0},
		"a limit":                  {nil, "?page=2&limit=7", "p7", 7},
		"a large limit":            {nil, "?limit=300", "p0", 45},
		"the largest limit":        {nil, "?page=2&limit=9223372036854775807", "", 0},
		"a limit cut down":         {[]antcrmtest.Option{antcrmtest.WithMaxLimit(10)}, "?page=2&limit=300", "p10", 10},
		"a limit ignored":          {[]antcrmtest.Option{antcrmtest.WithIgnoredLimit()}, "?page=2&limit=3", "p20", 20},
		"a page ignored":           {[]antcrmtest.Option{antcrmtest.WithIgnoredPage()}, "?page=3&limit=3", "p0", 3},
		"a page size":              {[]antcrmtest.Option{antcrmtest.WithPageSize(6)}, "?page=2", "p6", 6},
		"the newest first":         {[]antcrmtest.Option{antcrmtest.WithNewestFirst()}, "?page=3", "p4", 5},
		"a filter and a page":      {nil, "?page=2&limit=30&type=product", "p30", 15},
		"two filters and a page":   {nil, "?page=1&limit=3&type=product&code=c7", "p7", 1},
		"a filter without matches": {nil, "?type=combo", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, tc.opts...)
			w.t = t
			for i := range 45 {
				require.NoError(t, w.srv.Seed(antcrmtest.Products, map[string]string{"name": fmt.Sprintf("p%d", i), "code": fmt.Sprintf("c%d", i)}))
			}
			page := w.list("/products" + tc.query)
			require.Len(t, page, tc.count)
			if tc.count > 0 {
				assert.Equal(t, tc.first, page[0]["name"])
			}
		})
	}
}

func TestOpportunities(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetTime(moment)
	w.ok("POST", "/contacts", `{"name":"K","customerIdApiRing":"ERP-475","contactType":"customer"}`)
	w.ok("POST", "/products", `{"name":"Tea","code":"TEA","productIdApiRing":"P-1","value":"1000.50"}`)
	assert.JSONEq(t, `{"success":1,"number":3000001}`, w.ok("POST", "/opportunities", `{"name":"O1","receiverName":"R","receiverPhone":"0900","value":12345678901234567.89,
		"createdAt":1692084490615,"dealWith":{"customerIdApiRing":"ERP-475","phones":[{"value":"0911"}]}}`))
	assert.JSONEq(t, `{"success":1,"number":[3000002,3000003]}`, w.ok("POST", "/opportunities/package", `[
		{"name":"O2","receiverName":"R","opportunityIdApiRing":"SO-2","groupPackage":[{"name":"Tea","quantity":2,"productIdApiRing":"P-1"},{"name":"X","quantity":"3","value":"10","typeDiscount":1,"discount":10},{"name":"Y","value":5,"discount":"1","typeDiscount":"0"}]},
		{"name":"O3","receiverName":"R","value":0,"dealWith":{"customerId":99}}]`))

	byNumber := func(number string) map[string]any {
		records := w.list("/opportunities?number=" + number)
		require.Len(t, records, 1)
		return records[0]
	}
	first := byNumber("3000001")
	assert.Equal(t, json.Number("12345678901234567.89"), first["value"], "money keeps every digit")
	assert.Equal(t, json.Number("1692084490615"), first["createdAt"])
	assert.Equal(t, json.Number("1710311060673"), first["updatedAt"])
	assert.Equal(t, []any{}, first["groupPackage"])
	assert.Equal(t, json.Number("2032"), byNumber("3000002")["value"], "without a value the items are priced: 2×1000.50 + 27 + 4")
	assert.Equal(t, json.Number("0"), byNumber("3000003")["value"], "a value of 0 is a value")

	assert.Equal(t, []any{"O1"}, column(w.list("/opportunities?phones=0900"), "name"))
	assert.Equal(t, []any{"O1"}, column(w.list("/opportunities?phones=0911"), "name"))
	assert.Equal(t, []any{"O1"}, column(w.list("/opportunities?customerId=2000001"), "name"), "found through the caller's own key")
	assert.Equal(t, []any{"O3"}, column(w.list("/opportunities?customerId=99"), "name"))

	assert.JSONEq(t, `{"success":1,"number":3000001}`, w.ok("PUT", "/opportunities", `{"number":"3000001","stage":"Won"}`))
	assert.JSONEq(t, `{"success":1,"number":[3000003,3000002]}`, w.ok("PUT", "/opportunities/package", `[{"number":3000003,"stage":"a"},{"number":3000002,"stage":"b"}]`))
	assert.Equal(t, []any{"Won", "b", "a"}, column(w.list("/opportunities"), "stage"))
	w.refused(404, "PUT", "/opportunities/package", `[{"number":3000003,"stage":"c"},{"number":9,"stage":"c"}]`, "")
	assert.Equal(t, "a", byNumber("3000003")["stage"], "a package with one unknown number changes nothing")
	assert.JSONEq(t, `{"success":1}`, w.ok("DELETE", "/opportunities?number=3000002", `{"number":"3000002"}`))
	assert.Equal(t, 2, w.srv.Count(antcrmtest.Opportunities))
}

func TestProductsAreListedByCodeAndWrittenByTheOwnKey(t *testing.T) {
	t.Parallel()
	w := start(t)
	assert.JSONEq(t, `{"success":1,"code":9457}`, w.ok("POST", "/products", `{"name":"A","code":"9457","productIdApiRing":"P-1","value":125000,"canEdit":true}`))
	assert.JSONEq(t, `{"success":1,"code":"SKU-77"}`, w.ok("POST", "/products", `{"name":"B","code":"SKU-77","productIdApiRing":"P-2"}`))
	assert.JSONEq(t, `{"success":1,"code":"007"}`, w.ok("POST", "/products", `{"name":"C","code":"007","productIdApiRing":"P-3"}`))
	assert.JSONEq(t, `[{"name":"A","code":"9457","productIdApiRing":"P-1","value":"125000","canEdit":true,"_id":"64d9f28b0003000000000001"}]`, w.ok("GET", "/products?code=9457", ""))
	assert.JSONEq(t, `{"success":1,"code":"NEW"}`, w.ok("PUT", "/products", `{"productIdApiRing":"P-1","code":"NEW","value":""}`))
	assert.Empty(t, w.list("/products?code=9457"))
	assert.Equal(t, []any{""}, column(w.list("/products?code=NEW"), "value"))
	require.NoError(t, w.srv.Seed(antcrmtest.Products, `{"name":"K","code":"k","type":"combo"}`))
	assert.Equal(t, []any{"K"}, column(w.list("/products?type=combo"), "name"))
	assert.Len(t, w.list("/products?type=product"), 3)
	w.ok("DELETE", "/products", `{"productIdApiRing":"P-1"}`)
	w.refused(404, "DELETE", "/products?productIdApiRing=P-1", "", "")
}

// TestWhatOneClientWritesDoesNotSpoilTheLists: a field of the wrong shape that was kept made every page with the record one that no client reads.
func TestWhatOneClientWritesDoesNotSpoilTheLists(t *testing.T) {
	t.Parallel()
	w := start(t)
	for field, bad := range map[string]string{
		"contacts historiesAds": `5`, "contacts sourceLead": `[]`, "contacts createdByBot": `{}`, "contacts id": `[]`,
		"opportunities contacts": `{}`, "opportunities dealBy": `"x"`, "opportunities canEdit": `"yes"`, "opportunities totalPayment": `"dear"`,
		"opportunities timeDelivery": `{}`, "opportunities dealId": `1e99`, "tickets assignedTo": `[]`,
	} {
		kind, name, _ := strings.Cut(field, " ")
		path := "/" + kind
		w.refused(400, "POST", path, `{"name":"A","title":"A","receiverName":"B","customerIdApiRing":"a","SLA":"S","contact":{"id":"64db290a7796fe24bfe876a7"},"`+name+`":`+bad+`}`, name)
	}
	w.refused(400, "POST", "/contacts", `{"name":"A","customerIdApiRing":"a","addresses":[{"wardsCode":[null]}]}`, "addresses[0].wardsCode")
	w.refused(400, "POST", "/contacts", `{"name":"A","customerIdApiRing":"a","phones":[{"value":"1","_id":{}}]}`, "phones[0]._id")

	for _, huge := range []string{`1e400`, `-1E+309`, strings.Repeat("9", 400), `[{"a":1,"b":["]\"",2e999999999]}]`} {
		status, body := w.do("POST", "/contacts", `{"name":"A 1e400","customerIdApiRing":"a","cusFields":[{"name":"x","value":`+huge+`}]}`)
		assert.Equal(t, 400, status, body)
		assert.Contains(t, body, "NUMBER_TOO_LARGE")
	}
	assert.Zero(t, w.srv.Count(antcrmtest.Contacts))
	w.ok("POST", "/products", `{"name":"1e400","code":"a","productIdApiRing":"1e999","x":[1e308,-1e-400,0.1e1,-0,123456789012345678901234567890]}`)
	w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a","historiesAds":[{"fb_ads_id":"1"}],"sourceLead":null,"anything":{"else":[1]}}`)
	got := w.list("/contacts")[0]
	assert.Equal(t, []any{map[string]any{"fb_ads_id": "1"}}, got["historiesAds"])
	assert.Equal(t, map[string]any{"else": []any{json.Number("1")}}, got["anything"])
}

func TestACodeThatNoIntegerHoldsIsAnsweredAsText(t *testing.T) {
	t.Parallel()
	w := start(t)
	for code, want := range map[string]string{
		"18446744073709551615": `18446744073709551615`, "18446744073709551616": `"18446744073709551616"`, "007": `"007"`, strings.Repeat("9", 70_000): `"` + strings.Repeat("9", 70_000) + `"`,
	} {
		assert.Equal(t, `{"success":1,"code":`+want+`}`, w.ok("POST", "/products", `{"name":"A","code":"`+code+`","productIdApiRing":"p"}`))
	}
}

func TestDeletedTicketsAreHiddenNotGone(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetTime(moment)
	assert.JSONEq(t, `{"success":1,"TicketId":4000001}`, w.ok("POST", "/tickets", `{"title":"A","SLA":"S","contact":{"id":"64db290a7796fe24bfe876a7"},"ticketIdApiRing":"T-1"}`))
	w.srv.Advance(time.Hour)
	w.ok("POST", "/tickets", `{"title":"B","SLA":"S","contact":{"name":"N","phones":[{"value":"1"}]},"priority":"High"}`)
	assert.Equal(t, []any{"Medium", "High"}, column(w.list("/tickets"), "priority"))
	assert.JSONEq(t, `{"success":1,"number":4000001}`, w.ok("PUT", "/tickets", `{"TicketId":4000001,"status":"Solved"}`), "the printed answer of a PUT says number")

	assert.Equal(t, []any{"A"}, column(w.list("/tickets?endDate=2024-03-13T06:24:20.673Z"), "title"))
	assert.Equal(t, []any{"B"}, column(w.list("/tickets?startDate=2024-03-13T06:24:20.674Z"), "title"))
	assert.Equal(t, []any{"A", "B"}, column(w.list("/tickets?typeTime=updatedAt&startDate=2024-03-13T06:24:20.674Z"), "title"))

	assert.JSONEq(t, `{"success":1}`, w.ok("DELETE", "/tickets?TicketId=4000001", ""))
	assert.Equal(t, []any{"B"}, column(w.list("/tickets"), "title"))
	assert.Equal(t, []any{"A", "B"}, column(w.list("/tickets?isTicketDeleted=true"), "title"))
	assert.Equal(t, []any{true, nil}, column(w.list("/tickets?isTicketDeleted=true"), "isTicketDeleted"))
	assert.Empty(t, w.list("/tickets?TicketId=4000001"))
	w.refused(404, "PUT", "/tickets", `{"TicketId":4000001,"status":"x"}`, "")
	w.refused(404, "DELETE", "/tickets?TicketId=4000001", "", "")
	assert.Equal(t, 1, w.srv.Count(antcrmtest.Tickets))
	assert.Zero(t, w.srv.CountByExternalID(antcrmtest.Tickets, "T-1"))
	assert.Len(t, w.srv.Records(antcrmtest.Tickets), 2)
}

func TestPointsMoveTheContactsScore(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetTime(moment)
	w.ok("POST", "/contacts", `{"name":"K","customerIdApiRing":"a","contactType":"customer","phones":[{"value":"0900"}],"emails":[{"value":"k@example.com"}]}`)
	score := func() []any {
		c := w.list("/contacts")[0]
		return []any{c["scoreAvailable"], c["scoreRank"]}
	}
	assert.JSONEq(t, `{"success":1}`, w.ok("POST", "/accumulate", `{"code":"ANY","data":{"emails":[],"name":"K","phones":[{"type":"Work","value":"0900"}]}}`))
	assert.Equal(t, []any{json.Number("100"), json.Number("100")}, score())
	w.srv.Advance(time.Second)
	assert.JSONEq(t, `{"success":1}`, w.ok("POST", "/redeem", `{"code":"GIFT","data":{"email":"k@example.com","phone":""}}`))
	assert.Equal(t, []any{json.Number("90"), json.Number("100")}, score(), "redeeming takes no rank")

	require.NoError(t, w.srv.Seed(antcrmtest.PointCodes, `{"code":"TIVI01","score":2.5,"product":{"code":"TIVI","name":"TV","id":"64d9f28b2b3ba308b322c710"}}`))
	require.NoError(t, w.srv.Seed(antcrmtest.Gifts, `{"code":"CAR","name":"Car","score":1000000}`))
	w.refused(400, "POST", "/accumulate", `{"code":"ANY","data":{"phones":[{"type":"Work","value":"0900"}]}}`, "")
	w.ok("POST", "/accumulate", `{"code":"TIVI01","data":{"phones":[{"type":"Work","value":"0900"}]}}`)
	assert.Equal(t, []any{json.Number("92.5"), json.Number("102.5")}, score())
	w.refused(400, "POST", "/redeem", `{"code":"CAR","data":{"phone":"0900"}}`, "code")
	assert.Equal(t, []any{json.Number("92.5"), json.Number("102.5")}, score())

	points := w.list("/history-point?type=point")
	assert.Equal(t, []any{json.Number("100"), json.Number("2.5")}, column(points, "score"))
	assert.Equal(t, map[string]any{"code": "TIVI", "name": "TV", "id": "64d9f28b2b3ba308b322c710"}, points[1]["product"])
	gifts := w.list("/history-point")
	assert.Equal(t, []any{json.Number("2"), json.Number("2")}, column(gifts, "type"))
	assert.Equal(t, []any{json.Number("1"), json.Number("0")}, column(gifts, "status"), "the refused one stands there as failed")
	assert.Len(t, w.list("/history-point?createdAtRangeTo=1710311060673&type=point"), 1)
	assert.Len(t, w.list("/history-point?createdAtRangeFrom=1710311060674"), 2)
	assert.Len(t, w.list("/history-point?phone=0900&email=k@example.com"), 2)
	assert.Empty(t, w.list("/history-point?phone=1"))
}

func TestTheHistoryMayMixBothKinds(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithMixedHistory(), antcrmtest.WithScores(7, 3))
	w.ok("POST", "/contacts", `{"name":"K","customerIdApiRing":"a","phones":[{"value":"0900"}]}`)
	w.ok("POST", "/accumulate", `{"code":"A","data":{"phones":[{"type":"Work","value":"0900"}]}}`)
	w.ok("POST", "/redeem", `{"code":"B","data":{"phone":"0900"}}`)
	assert.Equal(t, []any{json.Number("7"), json.Number("3")}, column(w.list("/history-point"), "score"))
	assert.Len(t, w.list("/history-point?type=point"), 1)
}

func TestASegmentTakesContactsOnce(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.ok("POST", "/contacts", `{"name":"Old","customerIdApiRing":"a","stage":"New","phones":[{"value":"0900"}]}`)
	body := `{"segmentId":"64d9f28b2b3ba308b322c710","contacts":[
		{"name":"Known","phone":[{"value":"0900"}],"phones":[{"value":"0900"}]},
		{"name":"Fresh","customerIdApiRing":"b","contactType":"customer"}]}`
	for range 2 {
		status, answer, header, err := w.send(w.request("POST", "/segments/set-contact", body))
		require.NoError(t, err)
		assert.Equal(t, 200, status, answer)
		assert.Equal(t, "Ok", answer)
		assert.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
	}
	assert.Equal(t, 2, w.srv.Count(antcrmtest.Contacts))
	assert.Equal(t, 2, w.srv.Count(antcrmtest.Segments))
	assert.Equal(t, []any{"Known", "Fresh"}, column(w.list("/contacts"), "name"))
	assert.Equal(t, []any{"New", ""}, column(w.list("/contacts"), "stage"), "what was not sent stays")
}

func TestReportsAreFilteredAndPagedInEnvelopes(t *testing.T) {
	t.Parallel()
	const campaign = "64d9f28b2b3ba308b322c710"
	seed := func(w *wire) {
		s := w.srv
		s.SetTime(moment)
		require.NoError(w.t, s.Seed(antcrmtest.Telesales,
			fmt.Sprintf(`[{"_id":"a","campaignId":"%s","survey":{"q":1}},{"_id":"b","campaign":{"_id":"%s"},"survey":{}},{"_id":"c","campaignId":"x"}]`, campaign, campaign)))
		require.NoError(w.t, s.Seed(antcrmtest.Telecalls, fmt.Sprintf(`[{"_id":"a","campaignId":"%s","callTime":1},{"_id":"b","campaign":"%s"}]`, campaign, campaign)))
		for i := range 130 {
			require.NoError(w.t, s.Seed(antcrmtest.Campaigns, map[string]any{"_id": fmt.Sprint("c", i), "createdAt": moment.Add(time.Duration(i) * time.Hour).UnixMilli()}))
		}
		require.NoError(w.t, s.Seed(antcrmtest.Ratings, `[{"_id":"a","type":"omni","rating_score":3,"source":"ZALO","rating_time":1712563464292},{"_id":"b","type":"ticket","rating_score":5,"rating_time":1712563464293}]`))
	}
	w := start(t)
	seed(w)
	for query, want := range map[string]struct {
		ids   string
		total any
		limit string
	}{
		"/telesales?campaignId=" + campaign:                                                  {"ab", "2", "20"},
		"/telesales?survey=true&campaignId=" + campaign:                                      {"a", "1", "20"},
		"/telesales?survey=false&limit=1&page=2&campaignId=" + campaign:                      {"b", "2", "1"},
		"/telesales?campaignId=" + campaign + "&dateStart=2024-03-13T06:24:20.674Z":          {"", "0", "20"},
		"/telecalls?campaignId=" + campaign:                                                  {"ab", "2", "20"},
		"/telecalls?campaignId=" + campaign + "&dateStart=2024-03-13T06:24:20.673Z":          {"b", "1", "20"},
		"/campaigns?limit=1&page=130":                                                        {"c129", "130", "1"},
		"/campaigns?dateStart=2024-03-13T07:24:20.673Z&dateEnd=2024-03-13T09:24:20.673Z":     {"c1c2c3", "3", "20"},
		"/campaigns?dateStart=2024-03-13T07:24:20Z&dateEnd=2024-03-13T09:24:20.673Z&limit=2": {"c1c2", "3", "2"},
		"/rating":                {"ab", nil, "20"},
		"/rating?type=ticket":    {"b", nil, "20"},
		"/rating?rating_score=3": {"a", nil, "20"},
		"/rating?source=ZALO&type=omni&rating_score=3": {"a", nil, "20"},
		"/rating?dateEnd=2024-04-08T08:04:24.292Z":     {"a", nil, "20"},
	} {
		t.Run(query, func(t *testing.T) {
			envelope := decodeEnvelope(t, w.ok("GET", query, ""))
			got := ""
			for _, r := range envelope.Data {
				got += r["_id"].(string)
			}
			assert.Equal(t, want.ids, got)
			assert.Equal(t, want.limit, envelope.Limit.String())
			if want.total == nil {
				assert.Nil(t, envelope.Total, "the vendor's sample of ratings has no total")
			} else {
				require.NotNil(t, envelope.Total)
				assert.Equal(t, want.total, envelope.Total.String())
			}
		})
	}
	assert.Len(t, decodeEnvelope(t, w.ok("GET", "/campaigns?limit=300", "")).Data, 100, "at most 100 a page")

	silent := start(t, antcrmtest.WithoutTotals())
	seed(silent)
	assert.Nil(t, decodeEnvelope(t, silent.ok("GET", "/campaigns", "")).Total)
}

type envelope struct {
	Success bool
	Data    []map[string]any
	Total   *json.Number
	Limit   json.Number
}

func decodeEnvelope(t *testing.T, body string) envelope {
	t.Helper()
	var e envelope
	require.NoError(t, json.Unmarshal([]byte(body), &e))
	require.True(t, e.Success)
	require.NotNil(t, e.Data)
	return e
}

func TestNotificationsWithoutDataAreNotFound(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.srv.SetTime(moment)
	w.refused(404, "GET", "/znsmsg", "", "")
	for i := range 60 {
		require.NoError(t, w.srv.Seed(antcrmtest.ZNSMessages, map[string]any{"campaign": map[string]any{"name": "Tet", "code": "T1"}, "n": i}))
	}
	require.NoError(t, w.srv.Seed(antcrmtest.ZNSMessages, `{"campaignCode":"T2","createdAt":5}`))
	count := func(query string) int { return len(decodeEnvelope(t, w.ok("GET", "/znsmsg"+query, "")).Data) }
	assert.Equal(t, 50, count(""))
	assert.Equal(t, 11, count("?page=2"))
	assert.Equal(t, 7, count("?campaign=Tet&limit=7"))
	assert.Equal(t, 10, count("?campaign=T1&page=2"))
	assert.Equal(t, 1, count("?campaign=T2"))
	assert.Equal(t, 1, count("?dateEnd=5&dateStart=5"))
	w.refused(404, "GET", "/znsmsg?page=3", "", "")
	w.refused(404, "GET", "/znsmsg?campaign=none", "", "")
}

func TestMessagesGoByOffset(t *testing.T) {
	t.Parallel()
	w := start(t)
	for i := range 25 {
		require.NoError(t, w.srv.Seed(antcrmtest.Messages, map[string]any{"sessionId": fmt.Sprint("s", i), "createdAt": moment.UnixMilli() + int64(i), "messages": []any{map[string]any{"_id": "m"}}}))
	}
	ids := func(query string) (out []string) {
		var answer struct {
			Success bool
			Data    struct{ Sessions []struct{ SessionID string } }
		}
		body := w.ok("GET", "/messages?created_from=2024-03-13T06:24:20.673Z&created_to=2024-03-13T06:24:20.696Z"+query, "")
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.True(t, answer.Success)
		for _, s := range answer.Data.Sessions {
			out = append(out, s.SessionID)
		}
		return out
	}
	assert.Len(t, ids(""), 20)
	assert.Equal(t, []string{"s20", "s21", "s22", "s23"}, ids("&offset=20"))
	assert.Equal(t, []string{"s5", "s6"}, ids("&offset=5&limit=2"))
	assert.Equal(t, []string{"s7"}, ids("&sessionId=s7"))
	assert.Empty(t, ids("&offset=24"))
}

func TestDuplicatesByTheOwnKey(t *testing.T) {
	t.Parallel()
	const body = `{"name":"A","customerIdApiRing":"a","contactType":"customer"}`
	const again = `{"name":"B","customerIdApiRing":"a","contactType":"customer","stage":"New"}`

	t.Run("are made and counted by default", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.ok("POST", "/contacts", body)
		assert.JSONEq(t, `{"success":1,"customerId":2000002}`, w.ok("POST", "/contacts", again))
		w.ok("POST", "/contacts", `{"name":"C","customerIdApiRing":"c"}`)
		assert.Equal(t, 2, w.srv.CountByExternalID(antcrmtest.Contacts, "a"))
		assert.Equal(t, map[string]int{"a": 2}, w.srv.Duplicates(antcrmtest.Contacts))
		w.ok("PUT", "/contacts", `{"customerIdApiRing":"a","stage":"Old"}`)
		assert.Equal(t, []any{"Old", "New"}, column(w.list("/contacts?customerIdApiRing=a"), "stage"), "the oldest is meant")
		w.ok("DELETE", "/contacts?customerIdApiRing=a", "")
		assert.Equal(t, 1, w.srv.CountByExternalID(antcrmtest.Contacts, "a"))
		assert.Empty(t, w.srv.Duplicates(antcrmtest.Contacts))
	})
	t.Run("are rejected on demand, packages as a whole", func(t *testing.T) {
		t.Parallel()
		w := start(t, antcrmtest.WithDuplicates(antcrmtest.DuplicatesRejected))
		w.ok("POST", "/contacts", body)
		w.refused(409, "POST", "/contacts", again, "customerIdApiRing")
		w.refused(409, "POST", "/contacts/package", `[{"name":"B","customerIdApiRing":"b"},`+again+`]`, "[1].customerIdApiRing")
		w.refused(409, "POST", "/contacts/package", `[{"name":"B","customerIdApiRing":"b"},{"name":"B","customerIdApiRing":"b"}]`, "[1].customerIdApiRing")
		assert.Equal(t, 1, w.srv.Count(antcrmtest.Contacts))
		w.ok("DELETE", "/contacts?customerIdApiRing=a", "")
		w.ok("POST", "/contacts", again)
		w.ok("POST", "/opportunities/package", `[{"name":"A","receiverName":"B"},{"name":"A","receiverName":"B"}]`)
	})
	t.Run("update on demand", func(t *testing.T) {
		t.Parallel()
		w := start(t, antcrmtest.WithDuplicates(antcrmtest.DuplicatesUpdated))
		w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a","contactType":"customer","industry":"IT"}`)
		assert.JSONEq(t, `{"success":1,"customerId":2000001}`, w.ok("POST", "/contacts", again))
		assert.JSONEq(t, `{"success":1,"customerId":[2000001,2000002]}`, w.ok("POST", "/contacts/package", `[`+again+`,{"name":"C","customerIdApiRing":"c","contactType":"customer"}]`))
		records := w.list("/contacts?customerIdApiRing=a")
		require.Len(t, records, 1)
		assert.Equal(t, "B", records[0]["name"])
		assert.Equal(t, "New", records[0]["stage"])
		assert.Equal(t, "IT", records[0]["industry"], "what was not sent stays")
		assert.JSONEq(t, `{"success":1,"customerId":2000001}`, w.ok("POST", "/contacts", `{"name":"A","customerIdApiRing":"a","contactType":"lead","type":"1"}`), "a contact stays what it is")
	})
}

func TestEveryOperationAnswers(t *testing.T) {
	t.Parallel()
	w := start(t)
	ops := antcrmtest.Operations()
	assert.Len(t, ops, 29)
	for _, op := range ops {
		status, body := w.do(op.Method, op.Path, "")
		assert.NotContains(t, []int{405, 500}, status, body)
		assert.NotContains(t, body, "UNKNOWN_PATH")
	}
	assert.Len(t, w.srv.Requests(), len(ops))
	assert.Equal(t, http.MethodGet, w.srv.Requests()[0].Method)
}
