package antcrmtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// script is a session of plain HTTP that touches every open question. A space stands between method, path and body.
const script = `GET /contacts?leadId=1000001
GET /contacts?customerIdApiRing=seed-1
GET /contacts?phone=0900000001
GET /contacts?phone=+84900000001
GET /contacts?phone=090000000
GET /contacts?createdAtf=2024-03-12&createdAtt=2024-03-12
GET /contacts?createdAtt=2024-03-13&limit=2
GET /contacts?createdAtf=2024-03-13&createdAtt=2024-03-13
GET /contacts
GET /contacts?limit=60
GET /contacts?limit=150&page=1
GET /contacts?page=0&limit=7
GET /contacts?page=2&limit=7
GET /contacts?page=90
GET /contacts?nonsense=1
GET /contacts?email=nobody@example.com
GET /products?code=3
GET /products?code=none
GET /products?limit=150
GET /tickets
GET /tickets?isTicketDeleted=true
GET /campaigns?limit=30
GET /campaigns?limit=150
GET /campaigns?page=90
GET /telesales?campaignId=none
GET /rating?source=ZALO
GET /rating?limit=1
GET /znsmsg
GET /messages?created_from=2024-01-01T00:00:00Z&created_to=2025-01-01T00:00:00Z&limit=2&offset=1
GET /messages?created_from=2024-01-01T00:00:00Z&created_to=2025-01-01T00:00:00Z&limit=1
GET /opportunities
POST /contacts {"name":"A","customerIdApiRing":"a","tags":["x"],"dateOfBirth":"March 15, 2000","stage":"Strange","phones":[{"_id":"64d9f28b2b3ba308b322c710","type":"Work","value":"0911"}],"addresses":[{"city":"Atlantis"}]}
POST /contacts {"name":"B","customerIdApiRing":"b","contactType":"customer","tags":["x","y"],"emails":[{"value":"b@example.com"}]}
POST /contacts {"name":"B again","customerIdApiRing":"b","contactType":"customer"}
GET /contacts?customerIdApiRing=b
POST /contacts {"name":"C","customerIdApiRing":"c","gender":"7"}
POST /contacts {"customerIdApiRing":"nameless"}
POST /contacts/package [{"name":"D","customerIdApiRing":"d"},{"name":"E","customerIdApiRing":"e"},{"name":"F","customerIdApiRing":"f"}]
POST /contacts/package [{"name":"G","customerIdApiRing":"g"},{"customerIdApiRing":"bad"},{"name":"H","customerIdApiRing":"h"}]
POST /contacts/package [{"name":"I","customerIdApiRing":"i"}]
POST /contacts/package [{"name":"J","customerIdApiRing":"j"},{"name":"K","customerIdApiRing":"k","contactType":"customer"}]
GET /contacts?phone=0911
GET /contacts?customerIdApiRing=c
PUT /contacts {"customerIdApiRing":"a","tags":["x","z"],"stage":""}
PUT /contacts {"customerIdApiRing":"a","phones":[]}
PUT /contacts {"customerIdApiRing":"a"}
PUT /contacts {"leadId":"1000002","name":"By id"}
PUT /contacts {"leadId":"77","name":"Nobody"}
DELETE /contacts?leadId=77
DELETE /contacts?customerIdApiRing=c {"customerIdApiRing":"c"}
DELETE /contacts?customerIdApiRing=d
DELETE /contacts {"customerIdApiRing":"e"}
POST /opportunities {"name":"O","receiverName":"R","opportunityIdApiRing":"o","value":100,"receiverPhone":"0911","groupPackage":[{"name":"Item","value":5,"quantity":2,"typeDiscount":1}]}
POST /opportunities {"name":"P","receiverName":"R","groupPackage":[{"name":"Item","value":5,"quantity":2}]}
PUT /opportunities {"number":"3000001","description":"changed"}
GET /opportunities
PUT /opportunities {"number":3000001,"groupPackage":[{"name":"Item","value":7,"quantity":2}]}
PUT /opportunities {"number":3000001,"value":0}
POST /products {"name":"Q","code":"q","productIdApiRing":"q","value":"5"}
POST /tickets {"title":"T","SLA":"S","ticketIdApiRing":"t","contact":{"id":"64db290a7796fe24bfe876a7"}}
POST /tickets {"title":"T","SLA":"S","contact":{"id":"475"}}
PUT /tickets {"TicketId":4000001,"title":"U"}
POST /accumulate {"code":"CODE","data":{"phones":[{"type":"Work","value":"0900000001"}]}}
POST /accumulate {"code":"CODE","data":{"phones":[{"type":"Work","value":"0900000001"}]}}
POST /accumulate {"code":"OTHER","data":{"phones":[{"type":"Work","value":"0999"}]}}
POST /redeem {"code":"GIFT","data":{"phone":"0900000001"}}
GET /history-point
GET /history-point?type=point
POST /segments/set-contact {"segmentId":"s","contacts":[{"name":"Seeded","phone":[{"value":"0900000001"}],"phones":[{"value":"0900000001"}]}]}
POST /segments/set-contact {"segmentId":"s","contacts":[{"name":"Via phone","phone":[{"value":"0922"}]},{"name":"Via phones","phones":[{"value":"0933"}]}]}
POST /segments/set-contact {"segmentId":"s","contacts":[{"name":"Known key","customerIdApiRing":"b"}]}
GET /contacts?limit=80
GET /contacts?limit=1&phone=0911
GET /contacts?phone=%2B84911
GET /opportunities?phones=0911
GET /opportunities
GET /products
GET /tickets`

// transcript plays the script and writes down what was answered and what is stored.
func transcript(t *testing.T, opts ...antcrmtest.Option) string {
	t.Helper()
	w := start(t, append([]antcrmtest.Option{antcrmtest.WithAnswer("message-paging", "default")}, opts...)...)
	w.srv.SetTime(time.Date(2024, 3, 12, 18, 0, 0, 0, time.UTC))
	for i := range 120 {
		w.srv.Advance(time.Minute)
		require.NoError(t, w.srv.Seed(antcrmtest.Contacts, fmt.Sprintf(`{"name":"Seed %d","customerIdApiRing":"seed-%d","leadId":%d,"phones":[{"type":"Work","value":"0900000%03d"}],"emails":[]}`, i, i, 1000001+i, i)))
	}
	for i := range 110 {
		require.NoError(t, w.srv.Seed(antcrmtest.Campaigns, fmt.Sprintf(`{"name":"Campaign %d"}`, i)))
	}
	require.NoError(t, w.srv.Seed(antcrmtest.Products, `{"code":"3","name":"Three","productIdApiRing":"p3","value":"4520000"}`, `{"code":"33","name":"Other","productIdApiRing":"p33","value":""}`))
	require.NoError(t, w.srv.Seed(antcrmtest.Tickets, `{"TicketId":17,"title":"Open","contact":{"id":"64db290a7796fe24bfe876a7"}}`, `{"TicketId":18,"title":"Deleted","isTicketDeleted":true,"contact":{}}`))
	require.NoError(t, w.srv.Seed(antcrmtest.Ratings, `{"source":"ZALO","rating_score":3}`, `{"source":"CALL","rating_score":4}`))
	require.NoError(t, w.srv.Seed(antcrmtest.Messages, `{"sessionId":"1","messages":[{"_id":"a"},{"_id":"b"}]}`, `{"sessionId":"2","messages":[{"_id":"c"}]}`))
	var out strings.Builder
	for line := range strings.Lines(script) {
		w.srv.Advance(time.Second)
		method, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		path, body, _ := strings.Cut(rest, " ")
		req := w.request(method, path, body)
		status, answer, header, err := w.send(req)
		require.NoError(t, err)
		fmt.Fprintln(&out, line, status, header.Get("Content-Type"), header.Get("Location"), header.Get("Retry-After"), answer)
	}
	req := w.request("GET", "/contacts", "")
	req.Header.Set("apikey", "wrong")
	status, answer, _, err := w.send(req)
	require.NoError(t, err)
	fmt.Fprintln(&out, "with a wrong key", status, answer)
	for _, kind := range antcrmtest.Kinds() {
		for _, record := range w.srv.Records(kind) {
			fmt.Fprintln(&out, kind, string(record))
		}
	}
	return out.String()
}

// An option without an effect would make every test that runs under it worthless.
func TestEveryAlternativeChangesWhatTheServerDoes(t *testing.T) {
	t.Parallel()
	usual := transcript(t)
	require.True(t, usual == transcript(t), "two servers do the same") //nolint:testifylint // the texts are too long to print
	require.Equal(t, 1, strings.Count(usual, `"leadId":[1000122,1000123,1000124]`), "the script writes")
	seen := map[string]string{}
	alternatives := 0
	for _, q := range antcrmtest.OpenQuestions() {
		for _, a := range q.Alternatives {
			alternatives++
			name := q.ID + "=" + a.Name
			got := transcript(t, a.Option)
			assert.False(t, usual == got, "%s changes nothing", name) //nolint:testifylint // the texts are too long to print
			if other, ok := seen[got]; ok {
				assert.Failf(t, "two alternatives do the same", "%s and %s", name, other)
			}
			seen[got] = name
		}
	}
	t.Logf("%d open questions with %d alternatives", len(antcrmtest.OpenQuestions()), alternatives)
}
