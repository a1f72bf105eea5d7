package antcrmtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// FuzzHandlers sends what the fuzzer finds to every operation. The fake must answer 200 with JSON (or the text Ok), or refuse with 4xx and a
// body that says why; what it keeps must stay JSON.
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
	srv, err := antcrmtest.Start(antcrmtest.WithRequestLog(10, 1000))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(srv.Close)
	n := 0
	f.Fuzz(func(t *testing.T, op uint8, query string, body []byte) {
		if n++; n%2000 == 0 {
			if err := srv.Reset(); err != nil {
				t.Fatal(err)
			}
		}
		o := ops[int(op)%len(ops)]
		req := httptest.NewRequest(o.Method, o.Path, nil)
		req.URL.RawQuery = query
		if o.Method != http.MethodGet {
			req = httptest.NewRequest(o.Method, o.Path, strings.NewReader(string(body)))
			req.URL.RawQuery = query
			req.Header.Set("Content-Type", "application/json")
		}
		req.Header.Set("apikey", srv.APIKey)
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, req)
		text := rec.Body.Bytes()
		switch {
		case rec.Code == 200 && rec.Body.String() == "Ok":
		case rec.Code != 200 && (rec.Code < 400 || rec.Code > 499):
			t.Fatalf("%s %s?%q %q: status %d", o.Method, o.Path, query, body, rec.Code)
		case !json.Valid(text):
			t.Fatalf("%s %s?%q %q: answer %q is no JSON", o.Method, o.Path, query, body, text)
		}
		for _, kind := range antcrmtest.Kinds() {
			raws := srv.Records(kind)
			if n := len(raws); n > 0 && !json.Valid(raws[n-1]) {
				t.Fatalf("%s %s?%q %q: kept %q", o.Method, o.Path, query, body, raws[n-1])
			}
		}
	})
}
