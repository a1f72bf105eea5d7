package antcrmtest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// FuzzHandlers sends what the fuzzer finds to every operation. The fake must answer 200 with JSON (or the text Ok), or refuse with 4xx and a
// body that says why; what it keeps must stay JSON.
//
// go test counts no runs while it makes an input smaller, for up to a minute each: -fuzzminimizetime 1s keeps it from looking stuck.
func FuzzHandlers(f *testing.F) {
	ops := antcrmtest.Operations()
	for i := range ops {
		f.Add(uint8(i), "page=1", []byte(`{"name":"A","customerIdApiRing":"a","contactType":"customer","phones":[{"value":"1"}],"tags":"x","gender":"0"}`))
		f.Add(uint8(i), "limit=2&phone=1", []byte(`[{"name":"A","receiverName":"B","groupPackage":[{"quantity":"2","value":1.5,"discount":10,"typeDiscount":1}],"number":3000001}]`))
		f.Add(uint8(i), "dateStart=2024-03-13T06:24:20.673Z&campaignId=x", []byte(`{"code":"c","data":{"phones":["1"],"phone":"1","emails":[],"email":""}}`))
		f.Add(uint8(i), "createdAtf=2024-03-13&updateAtt=2024-03-14", []byte(`{"segmentId":"s","contacts":[{"name":"A","phone":[{"value":"1"}]}]}`))
		f.Add(uint8(i), "customerIdApiRing=a", []byte(`{"customerIdApiRing":"a","stage":null,"phones":null}`))
		f.Add(uint8(i), "phone=%5C", []byte(`[{"name":"a\\","customerIdApiRing":"\"x\\\"","bgInfo":"}]\\\\","\u006ew":"\ud83d\ude00","phones" : [ {"value" : "\\"} ] } ]`))
		f.Add(uint8(i), "TicketId=4000001&isTicketDeleted=true", []byte(`{"title":"A","SLA":"B","contact":{"name":"x"},"files":[1],"TicketId":4000001}`))
		f.Add(uint8(i), "", []byte(`{"name":"A","code":7,"productIdApiRing":"p","value":"1e5","canEdit":false,"\u0000":"\ud83d\ude00"}`))
	}
	srv, err := antcrmtest.Start(antcrmtest.WithRequestLog(10, 1000), antcrmtest.WithSeed(known))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(srv.Close)
	f.Fuzz(func(t *testing.T, op uint8, query string, body []byte) {
		// Each input meets the same server, so that what it finds can be found again, and none pays for the records of those before it.
		if err := srv.Reset(); err != nil {
			t.Fatal(err)
		}
		o := ops[int(op)%len(ops)]
		for range 2 { // the second time the first one's records are there
			sendRaw(t, srv, o, query, body)
		}
		for _, kind := range antcrmtest.Kinds() {
			for _, raw := range srv.Records(kind) {
				if !json.Valid(raw) {
					t.Fatalf("%s %s?%q %q: kept %q", o.Method, o.Path, query, body, raw)
				}
			}
		}
	})
}

// known are the records that FuzzHandlers begins with.
var known = fstest.MapFS{"known.json": {Data: []byte(`{
	"contacts": [{"name":"A","customerIdApiRing":"a","leadId":1000001,"scoreAvailable":50,"phones":[{"value":"1"}]}],
	"opportunities": [{"name":"A","receiverName":"B","number":3000001,"receiverPhone":"1"}],
	"products": [{"name":"A","code":"7","productIdApiRing":"p","value":"1.5"}],
	"tickets": [{"title":"A","SLA":"B","TicketId":4000001}, {"title":"gone","TicketId":4000002,"isTicketDeleted":true}],
	"telesales": [{"campaignId":"x","survey":{"q":"a"}}],
	"ratings": [{"type":"call","rating_score":5}],
	"messages": [{"sessionId":"s","createdAt":1710311060673}]
}`)}}

func sendRaw(t *testing.T, srv *antcrmtest.Server, o antcrmtest.Operation, query string, body []byte) {
	t.Helper()
	req := httptest.NewRequest(o.Method, o.Path, nil)
	if o.Method != http.MethodGet {
		req = httptest.NewRequest(o.Method, o.Path, bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
	}
	req.URL.RawQuery = query
	req.Header.Set("apikey", srv.APIKey)
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, req)
	switch {
	case rec.Code == http.StatusOK && rec.Body.String() == "Ok":
	case rec.Code != http.StatusOK && (rec.Code < 400 || rec.Code > 499):
		t.Fatalf("%s %s?%q %q: status %d", o.Method, o.Path, query, body, rec.Code)
	case !json.Valid(rec.Body.Bytes()):
		t.Fatalf("%s %s?%q %q: answer %q is no JSON", o.Method, o.Path, query, body, rec.Body)
	}
}
