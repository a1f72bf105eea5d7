package antcrmtest_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func TestControlEndpoints(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithControl())
	control := func(method, path, body string) (int, string) {
		req := w.request(method, path, body)
		req.Header.Del("apikey")
		status, answer, _, err := w.send(req)
		require.NoError(t, err)
		return status, answer
	}
	status, answer := control("POST", "/_mock/seed/contacts", `[`+aContact+`,`+aContact+`]`)
	assert.Equal(t, 200, status)
	assert.JSONEq(t, `{"success":true,"records":2}`, answer)
	w.ok("POST", "/contacts", aContact)

	_, answer = control("GET", "/_mock/state", "")
	var state struct {
		Records    map[string]int
		Duplicates map[string]map[string]int
		Requests   int
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &state))
	assert.Equal(t, 3, state.Records["contacts"])
	assert.Equal(t, map[string]map[string]int{"contacts": {"a": 3}}, state.Duplicates)
	assert.Equal(t, 1, state.Requests, "control requests are not counted")

	_, answer = control("GET", "/_mock/records/contacts?limit=2", "")
	assert.Len(t, decodeList(t, answer), 2)

	_, answer = control("GET", "/_mock/requests", "")
	requests := decodeList(t, answer)
	require.Len(t, requests, 1)
	assert.Equal(t, any(aContact), requests[0]["body"])
	assert.Equal(t, true, requests[0]["wrote"])
	assert.NotContains(t, answer, w.srv.APIKey)

	status, answer = control("POST", "/_mock/faults", `[{"status":503,"times":1,"latency":"1ms"},{"do":"html"}]`)
	assert.Equal(t, 200, status, answer)
	got, _ := w.do("GET", "/contacts", "")
	assert.Equal(t, 503, got)
	_, answer = control("GET", "/_mock/faults", "")
	assert.JSONEq(t, `[{"fault":{"status":503,"times":1,"latency":"1ms"},"met":1},{"fault":{"do":"html"},"met":0}]`, answer)
	control("DELETE", "/_mock/faults", "")
	w.ok("GET", "/contacts", "")

	status, _ = control("POST", "/_mock/reset", "")
	assert.Equal(t, 200, status)
	assert.Zero(t, w.srv.Count(antcrmtest.Contacts))

	for _, tc := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/_mock/faults", `{"do":"explode"}`, 400},
		{"POST", "/_mock/seed/contacts", `7`, 400},
		{"POST", "/_mock/seed/nothing", `{}`, 404},
		{"GET", "/_mock/records/nothing", "", 404},
		{"GET", "/_mock/other", "", 404},
		{"GET", "/_mock/reset", "", 404},
	} {
		status, answer := control(tc.method, tc.path, tc.body)
		assert.Equal(t, tc.status, status, answer)
		assert.Contains(t, answer, `"success":false`)
	}
	_, answer = control("POST", "/_mock/faults", `{"do":"explode"}`)
	assert.Contains(t, answer, `effect \"explode\" is unknown`, "escaped once")
}

func TestOtherOriginsMayNotControl(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithControl())
	w.ok("POST", "/contacts", aContact)
	req := w.request("POST", "/_mock/reset", "")
	req.Header.Set("Origin", "https://evil.example")
	status, _, _, err := w.send(req)
	require.NoError(t, err)
	assert.Equal(t, 403, status)
	assert.Equal(t, 1, w.srv.Count(antcrmtest.Contacts))
}

func TestThePageEscapesWhatItShows(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithControl())
	const evil = `<script>alert(1)</script>`
	w.ok("POST", "/contacts", fmt.Sprintf(`{"name":"%s","customerIdApiRing":"a\"><img src=x>"}`, evil))
	w.do("GET", "/%3Cscript%3Ealert(1)%3C/script%3E?"+"a=%3Cscript%3E", "")
	w.srv.Inject(antcrmtest.Fault{Path: "/" + evil, Status: 500, Body: evil})
	status, page, header, err := w.send(w.request("GET", "/_mock/?kind=contacts", ""))
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	assert.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	assert.NotContains(t, page, "<script")
	assert.NotContains(t, page, "<img")
	assert.Contains(t, page, "&lt;script&gt;alert(1)&lt;/script&gt;")
	assert.Contains(t, page, "answer 500")
	assert.NotContains(t, page, w.srv.APIKey)

	_, page = w.do("GET", "/_mock/?kind=%3Cscript%3E", "")
	assert.NotContains(t, page, "<script")
}

func TestThePageShowsTheNewestRecordsInReadableText(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithControl())
	for i := range 45 {
		require.NoError(t, w.srv.Seed(antcrmtest.Contacts, fmt.Sprintf(`{"name":"Nguy\u1ec5n %d.","customerIdApiRing":"ERP-%d"}`, i, i)))
	}
	for query, want := range map[string][]string{
		"":         {"Nguyễn 44.", "Nguyễn 25.", "1–20 of 45", "page=2", "ERP-44", "1000045"},
		"&page=2":  {"Nguyễn 24.", "Nguyễn 5.", "21–40 of 45", "page=1", "page=3"},
		"&page=3":  {"Nguyễn 4.", "Nguyễn 0.", "41–45 of 45", "page=2"},
		"&page=99": {"Nguyễn 4.", "41–45 of 45"},
		"&page=-1": {"Nguyễn 44.", "1–20 of 45"},
		"&page=x":  {"Nguyễn 44."},
	} {
		page := w.ok("GET", "/_mock/?kind=contacts"+query, "")
		for _, text := range want {
			assert.Contains(t, page, text, query)
		}
		assert.NotContains(t, page, `\u1ec5`)
	}
	assert.Contains(t, w.ok("GET", "/_mock/?kind=tickets", ""), "There are no tickets.")
}

func TestThePageSaysWhyARequestWasRefused(t *testing.T) {
	t.Parallel()
	w := start(t, antcrmtest.WithControl())
	w.refused(400, "POST", "/contacts", `{"name":"A"}`, "customerIdApiRing")
	assert.Contains(t, w.ok("GET", "/_mock/", ""), "customerIdApiRing: is required")
}
