package antcrm_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// listed asks for a page of contacts, an A-list, and of ratings, a B-list: both
// read both shapes.
func listed(t *testing.T, answer string) (contacts *antcrm.Page[antcrm.Contact], ratings *antcrm.Page[antcrm.Rating], errs []error) {
	t.Helper()
	client := scripted(t, ok(answer), ok(answer)).client()
	contacts, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	ratings, other := client.Ratings.List(t.Context(), antcrm.RatingListParams{})
	return contacts, ratings, []error{err, other}
}

func TestListsReadEveryShapeOfAnAnswer(t *testing.T) {
	t.Parallel()
	const a, b = `{"_id":"a"}`, `{"_id":"b"}`
	for _, tt := range []struct {
		name, answer string
		ids          []antcrm.ID
		total, limit int // -1: no total
	}{
		{"bare array", `[` + a + `,` + b + `]`, []antcrm.ID{"a", "b"}, -1, 0},
		{"empty array", `[]`, nil, -1, 0},
		{"null", `null`, nil, -1, 0},
		{"empty object", `{ }`, nil, -1, 0},
		{"one bare object", ` ` + a + "\n", []antcrm.ID{"a"}, -1, 0},
		{"envelope", `{"success":true,"data":[` + a + `],"total":7,"limit":3}`, []antcrm.ID{"a"}, 7, 3},
		{"envelope, data last, extra members", `{"total":"7","limit":"3","x":{"data":[]},"success":1,"data":[` + a + `]}`, []antcrm.ID{"a"}, 7, 3},
		{"envelope without success", `{"data":[` + a + `]}`, []antcrm.ID{"a"}, -1, 0},
		{"envelope with success null", `{"success":null,"data":[` + a + `]}`, []antcrm.ID{"a"}, -1, 0},
		{"envelope with null data", `{"success":true,"data":null,"total":0,"message":"none"}`, nil, 0, 0},
		{"envelope with a message", `{"data":[` + a + `],"message":"ok"}`, []antcrm.ID{"a"}, -1, 0},
		{"success 2", `{"success":2,"data":[` + a + `]}`, []antcrm.ID{"a"}, -1, 0},
		{"success of another kind", `{"success":[],"data":null}`, nil, -1, 0},
		{"success null of one bare object", `{"success":null,"_id":"a"}`, []antcrm.ID{"a"}, -1, 0},
		{"one bare object with data of its own", `{"_id":"a","data":{"x":1}}`, []antcrm.ID{"a"}, -1, 0},
		{"counts that are none", `{"success":"true","data":[` + a + `],"total":-1,"limit":null}`, []antcrm.ID{"a"}, -1, 0},
		{"counts of another kind", `{"success":"1","data":[` + a + `],"total":{"n":1},"limit":"many"}`, []antcrm.ID{"a"}, -1, 0},
		{"nulls among the records", `[null,` + a + `,null,` + b + `]`, []antcrm.ID{"a", "b"}, -1, 0},
		{"repeated names", `[{"_id":"x","_id":"a"}]`, []antcrm.ID{"a"}, -1, 0},
		{"unknown fields of any kind", `[{"_id":"a","x":[{"y":null}],"z":1e400,"name":"n"}]`, []antcrm.ID{"a"}, -1, 0},
		{"one object that carries a message of its own", `{"_id":"a","message":"hello"}`, []antcrm.ID{"a"}, -1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			contacts, ratings, errs := listed(t, tt.answer)
			require.Equal(t, []error{nil, nil}, errs)
			var contactIDs, ratingIDs []antcrm.ID
			for _, c := range contacts.Items {
				contactIDs = append(contactIDs, c.ID)
			}
			for _, r := range ratings.Items {
				ratingIDs = append(ratingIDs, r.ID)
			}
			assert.Equal(t, tt.ids, contactIDs)
			assert.Equal(t, tt.ids, ratingIDs)
			assert.Equal(t, tt.total >= 0, ratings.HasTotal)
			assert.Equal(t, max(tt.total, 0), ratings.Total)
			assert.Equal(t, tt.limit, ratings.Limit)
		})
	}
}

func TestListsRefuseWhatIsNoList(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]error{
		`{"success":false}`:                                 antcrm.ErrRejected,
		`{"success":0,"data":[{"_id":"a"}]}`:                antcrm.ErrRejected,
		`{"success":"false","data":[],"message":"no"}`:      antcrm.ErrRejected,
		`{"data":[{"_id":{}}],"success":"0"}`:               antcrm.ErrRejected,
		`{"success":"","data":[]}`:                          antcrm.ErrRejected,
		`{"success":2,"message":"no"}`:                      antcrm.ErrRejected,
		`{"success":null,"errors":{"phone":"bad"}}`:         antcrm.ErrRejected,
		`{"success":true,"message":"no data"}`:              nil,
		`{"success":2}`:                                     nil,
		`{"success":"ok","_id":"a"}`:                        nil,
		`{"success":null}`:                                  nil,
		`{"data":{"_id":"a"}}`:                              nil,
		`[""]`:                                              nil,
		`{"success":false,"data":[{"_id":{}}]}`:             antcrm.ErrRejected,
		`{"message":"APPID_MISSING"}`:                       antcrm.ErrRejected,
		`{"msg":"no","statusCode":7}`:                       antcrm.ErrRejected,
		`{"error":{"message":"no"}}`:                        antcrm.ErrRejected,
		`{"errors":[]}`:                                     antcrm.ErrRejected,
		`{"success":true}`:                                  nil,
		`{"success":1,"total":3}`:                           nil,
		`{"success":true,"data":{"_id":"a"}}`:               nil,
		`{"success":true,"data":"none"}`:                    nil,
		`"Ok"`:                                              nil,
		`Ok`:                                                nil,
		`true`:                                              nil,
		`[{"_id":"a"},`:                                     nil,
		`[{"_id":"a"}]]`:                                    nil,
		`[1,2]`:                                             nil,
		`[[]]`:                                              nil,
		`[{"_id":"a"} {"_id":"b"}]`:                         nil,
		`{"data":[{"_id":"a"}]`:                             nil,
		"\x00":                                              nil,
		`<?xml version="1.0"?><success>true</success>`:      nil,
		strings.Repeat("[", 20_000):                         nil,
		`[` + strings.Repeat(`{"x":`, 20_000) + `}]`:        nil,
		`{"success":true,"data":[{"createdAt":1]}`:          nil,
		`{"success":true,"data":[{"_id":true}]}`:            nil,
		`{"success":true,"data":[{"_id":["a","b"]}]}`:       nil,
		`{"success":true,"data":[{"_id":"a` + "\n" + `"}]}`: nil,
	} {
		_, _, errs := listed(t, answer)
		for _, err := range errs {
			require.Error(t, err, "%.80s", answer)
			onOneLine(t, err)
			if want != nil {
				require.ErrorIs(t, err, want, answer)
				continue
			}
			requireError[*antcrm.DecodeError](t, err)
		}
	}
}

// An object that was not filled in comes as its id, an empty list as "": the
// rest of the page is good all the same.
func TestTextsForObjectsAndListsFailNoPage(t *testing.T) {
	t.Parallel()
	answer := `[{"type":2,"id":"a","contact":"66139e5804bf311bf963a975","gift":""},
		{"type":2,"id":"b","contact":{"name":5,"phones":"","tags":"","sourceLead":"","addresses":[{"city":"Huế","country":"VN"}]}}]`
	page, err := scripted(t, ok(answer)).client().Redeem.List(t.Context(), antcrm.LoyaltyListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	assert.Nil(t, page.Items[0].Contact)
	assert.Nil(t, page.Items[0].Gift)
	assert.Contains(t, string(page.Items[0].RawJSON()), "66139e5804bf311bf963a975")
	assert.Equal(t, &antcrm.Contact{Name: "5", Phones: []antcrm.Phone{}, Tags: antcrm.Tags{}, Addresses: []antcrm.Address{{City: "Huế"}}}, page.Items[1].Contact)

	for path, record := range map[string]string{"/0/contact/phones": `{"contact":{"phones":"0911222333"}}`, "/0": `"66139e58"`} {
		_, err := scripted(t, ok(`[`+record+`]`)).client().Redeem.List(t.Context(), antcrm.LoyaltyListParams{})
		assert.Equal(t, path, requireError[*antcrm.DecodeError](t, err).Path)
	}
}

func TestNumbersAreDecodedAsEncodingJSONDoes(t *testing.T) {
	t.Parallel()
	const answer = `{"a":12345678901234567890.10,"b":"7","c":null,"d":[1]}`
	type mine struct {
		A, B, C json.Number
		D       []json.Number
	}
	var got mine
	require.NoError(t, scripted(t, ok(answer)).client().Do(t.Context(), http.MethodGet, "/x", nil, nil, &got))
	assert.Equal(t, fromJSON[mine](t, answer), got)
	for _, bad := range []string{`{"a":"x0911222333"}`, `{"a":{}}`} {
		err := scripted(t, ok(bad)).client().Do(t.Context(), http.MethodGet, "/x", nil, nil, &got)
		assert.Equal(t, "/a", requireError[*antcrm.DecodeError](t, err).Path)
		onOneLine(t, err, "0911222333")
	}
}

func TestAWritesAnswerOfAnotherKindIsNamedWithoutOurOwnTypes(t *testing.T) {
	t.Parallel()
	for answer, problem := range map[string]string{
		`[{"success":1,"leadId":5}]`: "unexpected JSON array", `null`: "unexpected JSON null", `7`: "unexpected JSON number", `true`: "unexpected JSON boolean",
	} {
		_, err := scripted(t, ok(answer)).client().Contacts.Create(t.Context(), antcrm.ContactCreateParams{Name: "A", ExternalID: "a-1"})
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, answer)
		assert.Equal(t, problem, requireError[*antcrm.DecodeError](t, err).Problem, answer)
	}
}

func TestDecodeErrorsSayWhatCameAndWhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer, path string
		offset       int64
		text         string
	}{
		{`[{"leadId":1},{"leadId":{"phone":"0911222333"}}]`, "/1/leadId", 24, "unexpected JSON object for antcrm.ID"},
		{`{"success":true,"data":[{},{},{},{"gender":["0911222333"]}]}`, "/data/3/gender", 43, "unexpected JSON array for antcrm.Gender"},
		{`[{"phones":[{"value":"1"},{"value":["0911222333"]}]}]`, "/0/phones/1/value", 35, "unexpected JSON array for string"},
		{`[{"name":"0911222333"`, "/0", 21, "the JSON is cut short"},
		{`[] []`, "", 3, "the body is not valid JSON"},
		{`{"success":true,"total":1}`, "/data", 0, "the answer has no array of records"},
		{"\ufeff[7]", "/0", 4, "unexpected JSON number for antcrm.Contact"},
		{"", "", 0, "the body is empty"},
		{"<html>0911222333</html>", "", 0, "the body is HTML, not JSON"},
	} {
		_, err := scripted(t, reply{body: tt.answer, header: map[string]string{"Content-Type": "text/plain"}}).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
		failure := requireError[*antcrm.DecodeError](t, err)
		assert.Equal(t, tt.path, failure.Path, tt.answer)
		assert.Equal(t, tt.offset, failure.Offset, tt.answer)
		assert.Contains(t, failure.Problem, tt.text, tt.answer)
		assert.Equal(t, len(tt.answer), failure.Size)
		assert.Equal(t, "text/plain", failure.ContentType)
		assert.Equal(t, "/contacts", failure.URLPath)
		onOneLine(t, err, foreign)
		assert.Contains(t, err.Error(), fmt.Sprintf("(offset %d of %d bytes, text/plain)", tt.offset, len(tt.answer)))
	}
}

// The vendor declares keys and house numbers as strings and is free with the
// two elsewhere: a page of good records must not fail on it.
func TestNumbersAreTakenForTexts(t *testing.T) {
	t.Parallel()
	const record = `{"_id":"a","name":77,"customerIdApiRing":9223372036854775808,"dateOfBirth":953078400000,"stage":1.50,
		"addresses":[{"street":319,"zip":700000,"country":{"code":84}}],"phones":[{"value":900000001}],"tags":[1,"two"]}`
	for _, answer := range []string{`[{"_id":"b"},` + record + `]`, record, `{"success":true,"data":[` + record + `],"total":1}`} {
		page, err := scripted(t, ok(answer)).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
		require.NoError(t, err)
		c := page.Items[len(page.Items)-1]
		assert.Equal(t, "77", c.Name)
		assert.Equal(t, "9223372036854775808", c.ExternalID)
		assert.Equal(t, "953078400000", c.DateOfBirth)
		assert.Equal(t, "1.50", c.Stage)
		assert.Equal(t, []antcrm.Address{{HouseNumber: "319", Zip: "700000", Country: &antcrm.Country{Code: "84"}}}, c.Addresses)
		assert.Equal(t, "900000001", c.Phones[0].Value)
		assert.Equal(t, antcrm.Tags{"1", "two"}, c.Tags)
		assert.Equal(t, record, string(c.RawJSON()))
	}
}

// What the vendor prints where there is nothing, or one thing, must not fail a
// page of good records.
func TestEmptyTextsAndLoneValuesStandForObjectsAndLists(t *testing.T) {
	t.Parallel()
	contacts := scripted(t, ok(`[{"addresses":"","phones":{"value":"1"},"emails":null,"sourceLead":"","cusFields":[],"tags":"VIP",
		"historiesAds":[{"_id":1}],"im":[null],"scoreRank":""},{"tags":["a","b"],"sourceLead":null,"phones":[ {"value":"1"} , {"value":"2"},{"value":"3"} ]}]`)).client()
	page, err := contacts.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	first, second := page.Items[0], page.Items[1]
	assert.Empty(t, first.Addresses)
	assert.Equal(t, []antcrm.Phone{{Value: "1"}}, first.Phones)
	assert.Nil(t, first.Emails)
	assert.Nil(t, first.SourceLead)
	assert.Equal(t, []antcrm.CustomField{}, first.CustomFields)
	assert.Equal(t, antcrm.Tags{"VIP"}, first.Tags)
	assert.Equal(t, []antcrm.AdTouch{{ID: "1"}}, first.AdHistory)
	assert.Equal(t, []antcrm.SocialProfile{{}}, first.SocialProfiles)
	assert.Zero(t, first.ScoreRank)
	assert.Equal(t, antcrm.Tags{"a", "b"}, second.Tags)
	assert.Nil(t, second.SourceLead)
	assert.Equal(t, []antcrm.Phone{{Value: "1"}, {Value: "2"}, {Value: "3"}}, second.Phones)

	for answer, want := range map[string]bool{`1`: true, `"true"`: true, `true`: true, `"1"`: true, `0`: false, `"0"`: false, `""`: false, `null`: false, `"false"`: false} {
		orders, err := scripted(t, ok(`[{"canEdit":`+answer+`}]`)).client().Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
		require.NoError(t, err, answer)
		assert.Equal(t, want, orders.Items[0].CanEdit.Bool(), answer)
	}
}

// JavaScript cuts an emoji into halves that are no characters.
func TestHalvesOfSurrogatePairsAreReplacedNotLost(t *testing.T) {
	t.Parallel()
	record := `{"customerId":1,"name":"Nguyễn \ud83d","phones":[{"value":"0900 \udc00"}],"tags":["a\ud83d"]}`
	page, err := scripted(t, ok(`[`+record+`]`)).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	assert.Equal(t, "Nguyễn \ufffd", page.Items[0].Name)
	assert.Equal(t, "0900 \ufffd", page.Items[0].Phones[0].Value)
	assert.Equal(t, antcrm.Tags{"a\ufffd"}, page.Items[0].Tags)
	var tags antcrm.Tags
	require.NoError(t, json.Unmarshal([]byte(`"a\ud83d"`), &tags))
	assert.Equal(t, antcrm.Tags{"a\ufffd"}, tags)

	_, err = scripted(t, ok(`{"success":0,"message":"name \ud83d is bad"}`)).client().Contacts.Create(t.Context(), contact(1))
	assert.Equal(t, "name is bad", requireError[*antcrm.APIError](t, err).Message)
}

func TestAnythingButAnObjectIsNoReference(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(`[{"TicketId":1,"contact":475},{"TicketId":2,"contact":[]},{"TicketId":3,"contact":false},{"TicketId":4,"contact":{"name":"Mai"}}]`)).client().
		Tickets.List(t.Context(), antcrm.TicketListParams{})
	require.NoError(t, err)
	for _, ticket := range page.Items[:3] {
		assert.Nil(t, ticket.Contact, ticket.TicketID)
	}
	assert.Equal(t, "Mai", page.Items[3].Contact.Name)
	assert.Contains(t, string(page.Items[0].RawJSON()), "475")
}

func TestNamesAndTextsMayBeEscaped(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(`[{"na\u006de":"a\"b\\","x\"y":"}","st\u0061ge" : "\u0110\u00e3 ch\u1ed1t" ,"unknown":["\\",{"z":"]"}],"_id":"1\/2"},{"name":"plain"}]`)).client().
		Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	assert.Equal(t, `a"b\`, page.Items[0].Name)
	assert.Equal(t, "Đã chốt", page.Items[0].Stage)
	assert.Equal(t, antcrm.ID("1/2"), page.Items[0].ID)
	assert.Equal(t, "plain", page.Items[1].Name)
}

func TestTextThatIsNotUTF8IsReplacedNotRefused(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok("[{\"name\":\"a\xffb\",\"leadId\":\"c\xfe\",\"x\":\"\xff\"}]")).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	assert.Equal(t, "a\ufffdb", page.Items[0].Name)
	assert.Equal(t, antcrm.ID("c\ufffd"), page.Items[0].LeadID)
}

func TestAPIErrorsReadTheMessageWhereverItIs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ă", 400)
	for _, tt := range []struct{ name, body, message, code string }{
		{"message", `{"success":false,"message":"APPID_MISSING"}`, "APPID_MISSING", ""},
		{"error", `{"error":"no such key"}`, "no such key", ""},
		{"error object", `{"error":{"message":"no such key","code":"K1"}}`, "no such key", "K1"},
		{"errors", `{"errors":["name is required",{"message":"SLA is required"}]}`, "name is required; SLA is required", ""},
		{"errors by field", `{"errors":{"name":["is required","is short"]}}`, "name: is required; is short", ""},
		{"msg", `{"msg":"no"}`, "no", ""},
		{"list of messages", `{"statusCode":400,"message":["a","b"],"error":"Bad Request"}`, "a; b", ""},
		{"empty message beside an error", `{"message":" ","error":"no"}`, "no", ""},
		{"null message", `{"message":null,"msg":"no","code":null}`, "no", ""},
		{"code", `{"message":"no","code":17}`, "no", "17"},
		{"errorCode", `{"message":"no","errorCode":"E-17"}`, "no", "E-17"},
		{"code of another kind", `{"message":"no","code":{"a":1}}`, "no", ""},
		{"detail", `{"error":{"detail":"the detail"}}`, "the detail", ""},
		{"nothing said", `{"success":false}`, "", ""},
		{"HTML", "<html>\n<body>502\tBad Gateway</body></html>", "<html> <body>502 Bad Gateway</body></html>", ""},
		{"text", "  service unavailable\r\n", "service unavailable", ""},
		{"JSON string", `"no \"such\" key"`, `no "such" key`, ""},
		{"array", `["no"]`, `["no"]`, ""},
		{"cut JSON", `{"message":"no`, `{"message":"no`, ""},
		{"empty", "", "", ""},
		{"control characters", `{"message":"a\r\nb\u0000\u001b[31mc\u2028d\u202ee"}`, "a b [31mc de", ""},
		{"long", `{"message":"` + long + `"}`, strings.Repeat("ă", 299) + "…", ""},
		{"the key echoed", `{"message":"key ` + secretKey + ` is unknown","code":"` + secretKey + `"}`, "key [redacted] is unknown", "[redacted]"},
		{"byte order mark", "\ufeff{\"message\":\"no\"}", "no", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, reply{status: http.StatusBadRequest, body: tt.body, header: map[string]string{"X-Request-Id": "req-1", "Retry-After": "3"}}).
				client().Tickets.Get(t.Context(), "1")
			failure := requireError[*antcrm.APIError](t, err)
			assert.Equal(t, tt.message, failure.Message)
			assert.Equal(t, tt.code, failure.Code)
			assert.Equal(t, "req-1", failure.RequestID)
			assert.Equal(t, 3*time.Second, failure.RetryAfter)
			assert.NotContains(t, string(failure.Body), secretKey)
			onOneLine(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), "antcrm: get ticket: GET /tickets: 400 Bad Request"), err.Error())
		})
	}
}

// A hostile nesting must cost no more than reading it.
func TestAPIErrorsOfAnyDepthAreReadQuickly(t *testing.T) {
	t.Parallel()
	deep := `{"success":false,"message":` + strings.Repeat(`{"a":[`, 4000) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat(`]}`, 4000) + `}`
	_, err := scripted(t, ok(deep)).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.ErrorIs(t, err, antcrm.ErrRejected)
}

func TestWritesNeedSuccessOrThePromisedID(t *testing.T) {
	t.Parallel()
	const unknown, rejected = antcrm.OutcomeUnknown, antcrm.OutcomeRejected
	for _, tt := range []struct {
		answer         string
		create, delete antcrm.Outcome
	}{
		{`{"success":1,"number":9457}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"success":true,"number":"9457"}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"success":"1","number":9457}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"success":"true","number":[9457]}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":null,"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":1}`, unknown, antcrm.OutcomeDone},
		{`{"success":1,"number":""}`, unknown, antcrm.OutcomeDone},
		{`{"success":1,"number":[1,2]}`, unknown, antcrm.OutcomeDone},
		{`{"success":1,"number":{"n":1}}`, unknown, antcrm.OutcomeDone},
		{`{"success":1,"number":true}`, unknown, antcrm.OutcomeDone},
		{`{"success":0,"number":9457}`, rejected, rejected},
		{`{"success":false}`, rejected, rejected},
		{`{"success":"0"}`, rejected, rejected},
		{`{"success":"","number":9457}`, rejected, rejected},
		{`{"success":"no","number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":2,"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":200,"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":"OK","number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":{},"number":9457}`, antcrm.OutcomeDone, unknown},
		{`{"success":{}}`, unknown, unknown},
		{`{"success":"True"}`, unknown, unknown},
		{`{"success":0,"success":1,"number":9457}`, antcrm.OutcomeDone, antcrm.OutcomeDone},
		{`{"number":9457,"success":1,"success":0}`, rejected, rejected},
		{`{"number":false,"success":false}`, rejected, rejected},
		{`{"number":{"n":1},"success":0}`, rejected, rejected},
		{`{}`, unknown, unknown},
		{`null`, unknown, unknown},
		{`"Ok"`, unknown, unknown},
		{`Ok`, unknown, unknown},
		{`[{"success":1,"number":9457}]`, unknown, unknown},
		{`{"success":1,"number":9457`, unknown, unknown},
	} {
		client := scripted(t, ok(tt.answer), ok(tt.answer)).client()
		number, createErr := client.Opportunities.Create(t.Context(), antcrm.OpportunityCreateParams{Name: "n", ReceiverName: "r"})
		deleteErr := client.Opportunities.Delete(t.Context(), "9457")
		for _, got := range []struct {
			err  error
			want antcrm.Outcome
		}{{createErr, tt.create}, {deleteErr, tt.delete}} {
			switch got.want {
			case antcrm.OutcomeDone:
				require.NoError(t, got.err, tt.answer)
			case rejected:
				require.ErrorIs(t, got.err, antcrm.ErrRejected, tt.answer)
				require.NotErrorIs(t, got.err, antcrm.ErrOutcomeUnknown, tt.answer)
			default:
				require.ErrorIs(t, got.err, antcrm.ErrOutcomeUnknown, tt.answer)
				requireError[*antcrm.DecodeError](t, got.err)
			}
		}
		if createErr == nil {
			assert.Equal(t, antcrm.ID("9457"), number)
		} else {
			assert.Empty(t, number)
		}
	}
}

func TestRecordsKeepTheirJSON(t *testing.T) {
	t.Parallel()
	const first, second = `{"name":"Mai","x":{"deep":[1, 2]},"leadId":2964}`, `{ "name":"Lan" }`
	page, err := scripted(t, ok("[ "+first+" ,\n\t"+second+" ]")).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	assert.Equal(t, first, string(page.Items[0].RawJSON()))
	assert.Equal(t, second, string(page.Items[1].RawJSON()))

	raw := page.Items[0].RawJSON()
	raw[2] = 'X'
	assert.Equal(t, first, string(page.Items[0].RawJSON()), "a copy, not the record's own")

	var mine struct {
		Name string
		X    struct{ Deep []int }
		Lead int64 `json:"leadId"`
	}
	require.NoError(t, page.Items[0].Decode(&mine))
	assert.Equal(t, "Mai", mine.Name)
	assert.Equal(t, []int{1, 2}, mine.X.Deep)
	assert.Equal(t, int64(2964), mine.Lead)
}

func TestRecordDecodeFailsWithATypedError(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(`[{"name":"Mai","x":"0911222333"}]`)).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	c := page.Items[0]

	err = c.Decode(&struct{ X int }{})
	failure := requireError[*antcrm.DecodeError](t, err)
	assert.Equal(t, "/x", failure.Path)
	onOneLine(t, err, foreign)

	require.ErrorIs(t, c.Decode(nil), antcrm.ErrValidation)
	require.ErrorIs(t, c.Decode(struct{}{}), antcrm.ErrValidation)
	require.ErrorIs(t, c.Decode((*antcrm.Contact)(nil)), antcrm.ErrValidation)
	requireError[*antcrm.DecodeError](t, antcrm.Contact{Name: "made here"}.Decode(&struct{}{}))
	assert.Nil(t, antcrm.Contact{Name: "made here"}.RawJSON())
}

// A record that is kept must not keep its whole page alive, and a page that is
// done with must not change what was kept.
func TestRecordsOutliveTheirPage(t *testing.T) {
	t.Parallel()
	client := scripted(t, ok(`[{"name":"Mai","leadId":"1"}]`), ok(`[{"name":"XXX","leadId":"2"}]`)).client()
	first, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	assert.Equal(t, "Mai", first.Items[0].Name)
	assert.JSONEq(t, `{"name":"Mai","leadId":"1"}`, string(first.Items[0].RawJSON()))
}

func TestNothingPersonalIsPrinted(t *testing.T) {
	t.Parallel()
	contact := fromJSON[antcrm.Contact](t, `{"name":"`+foreign+`","phones":[{"value":"`+foreign+`"}]}`)
	create := antcrm.ContactCreateParams{Name: foreign, ExternalID: foreign, Phones: []antcrm.Phone{{Value: foreign}}}
	page, err := scripted(t, ok(`[{"name":"`+foreign+`"}]`)).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	var response antcrm.Response
	_, apiErr := scripted(t, reply{status: http.StatusConflict, body: `{"x":"` + foreign + `"}`}).client().
		Contacts.Get(t.Context(), antcrm.ExternalRef(foreign), antcrm.WithResponse(&response))
	require.Error(t, apiErr)

	type mine struct {
		Record  antcrm.Contact
		Pointer *antcrm.Contact
		Page    *antcrm.Page[antcrm.Contact]
		List    []antcrm.Contact
	}
	chunk := antcrm.UnknownChunk[antcrm.ContactCreateParams]{Records: []antcrm.ContactCreateParams{create}}
	for name, v := range map[string]any{
		"pages": []*antcrm.Page[antcrm.Contact]{page}, "page value": *page, "page pointer": &page, "anything": []any{contact, &contact, page, *page, chunk, &chunk},
		"pointers": []*antcrm.Contact{&contact}, "map": map[string]antcrm.Contact{"a": contact}, "map of pages": map[string]*antcrm.Page[antcrm.Contact]{"a": page},
		"struct": mine{contact, &contact, page, page.Items}, "struct pointer": &mine{contact, &contact, page, page.Items}, "array": [1]antcrm.Contact{contact},
		"chunk": chunk, "chunk pointer": &chunk, "chunks": []*antcrm.UnknownChunk[antcrm.ContactCreateParams]{&chunk},
		"ad": antcrm.AdTouch{FacebookAdID: foreign}, "gift": antcrm.LoyaltyGift{Name: foreign}, "product": antcrm.LoyaltyProduct{Name: foreign},
		"staff":   antcrm.OrderStaff{Users: []json.RawMessage{json.RawMessage(`"` + foreign + `"`)}},
		"contact": contact, "contact pointer": &contact, "page": page, "records": page.Items, "listed record": page.Items[0],
		"order": antcrm.Opportunity{ReceiverName: foreign}, "ticket": antcrm.Ticket{Title: foreign}, "entry": antcrm.LoyaltyEntry{Contact: &contact},
		"rating": antcrm.Rating{Comment: foreign}, "session": antcrm.MessageSession{Messages: []antcrm.Message{{ErrorMessage: foreign}}},
		"create": create, "create pointer": &create, "creates": []antcrm.ContactCreateParams{create},
		"update": antcrm.ContactUpdateParams{Phones: create.Phones}, "list": antcrm.ContactListParams{Phone: foreign},
		"order create": antcrm.OpportunityCreateParams{ReceiverName: foreign}, "order update": antcrm.OpportunityUpdate{Number: "1", OpportunityUpdateParams: antcrm.OpportunityUpdateParams{LineItems: []antcrm.LineItem{{Name: foreign}}}},
		"orders": antcrm.OpportunityListParams{Phone: foreign}, "ticket create": antcrm.TicketCreateParams{Title: foreign},
		"accumulate": antcrm.AccumulateParams{Data: antcrm.AccumulateCustomer{Name: foreign}}, "redeem": antcrm.RedeemParams{Data: antcrm.RedeemCustomer{Phone: foreign}},
		"history": antcrm.LoyaltyListParams{Phone: foreign}, "response": response, "response pointer": &response, "error": apiErr,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%t", "%c", "%U", "%e", "%b", "%o"} {
			assert.NotContains(t, fmt.Sprintf(verb, v), foreign, "%s %s", name, verb)
		}
		for _, verb := range []string{"%x", "%X"} {
			assert.NotContains(t, fmt.Sprintf(verb, v), fmt.Sprintf("%x", foreign), "%s %s", name, verb)
		}
		var text, js strings.Builder
		slog.New(slog.NewTextHandler(&text, nil)).Info("test", "value", v)
		assert.NotContains(t, text.String(), foreign, name)
		_, isError := v.(error)
		if _, isValue := v.(slog.LogValuer); !isValue && !isError {
			continue // slog's JSON handler marshals slices and the like, as json.Marshal must
		}
		slog.New(slog.NewJSONHandler(&js, nil)).Info("test", "value", v)
		assert.NotContains(t, js.String(), foreign, name)
	}
	_, err = json.Marshal(create)
	require.NoError(t, err)
}
