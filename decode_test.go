package antcrm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

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
