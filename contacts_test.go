package antcrm_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// hanoi is where the days of the contact filters are those of UTC+7.
func hanoi() *time.Location { return time.FixedZone("ICT", 7*60*60) }

func contactOperations(tb testing.TB) []operation {
	list := listing[antcrm.Contact]{
		name: "Contacts", path: "/contacts",
		query: "contactType=customer&type=0&phone=0900000001&email=sample@example.com&leadId=2964777&customerId=4750001&customerIdApiRing=ERP-000475" +
			"&updateAtf=2024-03-13&updateAtt=2024-03-14&createdAtf=2024-03-13&createdAtt=2024-03-15&page=2&limit=50",
		answer: `[{"leadId":2964777,"customerIdApiRing":"ERP-000475","name":"Mai","unknown":{"a":[1]}}]`,
		want:   `[{"leadId":"2964777","customerIdApiRing":"ERP-000475","name":"Mai"}]`,
	}
	params := antcrm.ContactListParams{
		ContactType: antcrm.ContactTypeCustomer, Kind: antcrm.KindPerson, Phone: "0900000001", Email: "sample@example.com",
		LeadID: "2964777", CustomerID: "4750001", ExternalID: "ERP-000475",
		UpdatedFrom: moment(), UpdatedTo: moment().AddDate(0, 0, 1),
		// 18:30 in UTC is the next day in Hanoi.
		CreatedFrom: time.Date(2024, 3, 12, 18, 30, 0, 0, time.UTC).In(hanoi()), CreatedTo: time.Date(2024, 3, 15, 0, 0, 0, 0, hanoi()),
		Page: 2, Limit: 50,
	}
	list.list = func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.Contact], error) {
		return c.Contacts.List(ctx, params, opts...)
	}
	list.all = func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.Contact] {
		return c.Contacts.All(ctx, params, opts...)
	}
	create := sample(tb, "contact-create.json")
	update := sample(tb, "contact-update.json")
	return append(list.operations(),
		operation{
			name: "Contacts.Get", method: http.MethodGet, path: "/contacts", query: "customerId=4750001",
			answers: []string{`[{"customerId":4750001,"name":"Mai"}]`}, want: `{"customerId":"4750001","name":"Mai"}`,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Contacts.Get(ctx, antcrm.CustomerRef("4750001"), opts...)
			},
		},
		operation{
			name: "Contacts.Create", method: http.MethodPost, path: "/contacts", body: create,
			answers: []string{`{"success":1,"customerId":9457}`}, want: `{"customerId":"9457"}`, promisesID: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Contacts.Create(ctx, fromJSON[antcrm.ContactCreateParams](tb, create), opts...)
			},
		},
		operation{
			name: "Contacts.Update", method: http.MethodPut, path: "/contacts", body: update,
			answers: []string{`{"success":1,"leadId":9457}`}, want: `{"leadId":"9457"}`, promisesID: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Contacts.Update(ctx, antcrm.LeadRef("2964777"), fromJSON[antcrm.ContactUpdateParams](tb, update), opts...)
			},
		},
		operation{
			name: "Contacts.Delete", method: http.MethodDelete, path: "/contacts",
			query: "customerIdApiRing=ERP-000475", body: `{"customerIdApiRing":"ERP-000475"}`, answers: []string{`{"success":1}`},
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return nil, c.Contacts.Delete(ctx, antcrm.ExternalRef("ERP-000475"), opts...)
			},
		},
		operation{
			name: "Contacts.CreateBatch", method: http.MethodPost, path: "/contacts/package", body: "[" + create + "]",
			answers: []string{`{"success":1,"customerId":[9457]}`}, want: `{"Results":[{"customerId":"9457"}],"Failures":null}`, promisesID: true, isBatch: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Contacts.CreateBatch(ctx, []antcrm.ContactCreateParams{fromJSON[antcrm.ContactCreateParams](tb, create)}, antcrm.WithCallOptions(opts...))
			},
		},
	)
}

func TestContactSampleIsDecodedFieldByField(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(sample(t, "contacts.json"))).client().Contacts.List(t.Context(), antcrm.ContactListParams{Limit: 20})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	assert.Equal(t, 1, page.Page)
	assert.Equal(t, 20, page.Limit)
	assert.False(t, page.HasTotal)

	c := page.Items[0]
	assert.Equal(t, "Nguyễn Văn Mẫu", c.Name)
	assert.Equal(t, antcrm.ContactTypeCustomer, c.ContactType)
	assert.Equal(t, antcrm.KindPerson, c.Kind)
	assert.Equal(t, antcrm.ID("475"), c.CustomerID)
	assert.Empty(t, c.LeadID)
	assert.Empty(t, c.DateOfBirth)
	assert.Equal(t, antcrm.GenderOther, c.Gender)
	assert.Equal(t, []antcrm.Address{{
		Type: "Work", HouseNumber: "319", StreetName: "Nguyễn Kiệm", Ward: "Phường 12", District: "Quận Tân Bình", City: "Hồ Chí Minh",
		ID: "66139e5804bf311bf963a976", Country: &antcrm.Country{Code: "VN", Name: "Vietnam"},
	}}, c.Addresses)
	assert.Equal(t, []antcrm.Phone{{Type: "Work", ID: "64db290a7796fe24bfe876a8", Value: "0900000001"}}, c.Phones)
	assert.Equal(t, []antcrm.Email{{Type: "Work", ID: "64db290a7796fe24bfe876a9", Value: "sample@example.com"}}, c.Emails)
	assert.Equal(t, "Real Estate", c.Industry)
	assert.Equal(t, []antcrm.SocialProfile{{Protocol: "Facebook", Value: "https://example.com/sample"}}, c.SocialProfiles)
	assert.Equal(t, "VIP", c.BackgroundInfo)
	assert.Equal(t, "A new customer", c.Stage)
	assert.Equal(t, antcrm.Tags{"Not yet contacted", "Contacted"}, c.Tags)
	assert.Equal(t, "Advertisement", c.Source)
	assert.Equal(t, "agent@example.com", c.ResponsibleStaff)
	require.Len(t, c.CustomFields, 1)
	assert.Equal(t, "Shipping unit", c.CustomFields[0].Name)
	assert.Equal(t, "Fast delivery", c.CustomFields[0].Text())
	assert.Equal(t, antcrm.Decimal("120"), c.ScoreAvailable)
	assert.Equal(t, antcrm.Decimal("340"), c.ScoreRank)
	assert.Equal(t, "Silver", c.RankName)
	assert.Equal(t, int64(1692084490615), c.CreatedAt.UnixMilli())
	assert.Equal(t, int64(1692084490615), c.UpdatedAt.UnixMilli())
	assert.Empty(t, c.CreatedBy)
	assert.Equal(t, &antcrm.SourceLead{ID: "676bba5b4fc70f0b668c8464", Code: "6", Name: "Website"}, c.SourceLead)
	require.Len(t, c.AdHistory, 1)
	assert.Equal(t, antcrm.AdTouch{
		ID: "682713cc7965c52864ea2017", FacebookAdID: "120226012811620067", FacebookPostID: "811442567679759",
		CreatedAt: antcrm.NewTimestamp(time.UnixMilli(1747391436702)),
	}, c.AdHistory[0])
	assert.Equal(t, antcrm.CustomerRef("475"), c.Ref())

	lead := page.Items[1]
	assert.Equal(t, antcrm.LeadRef("2964"), lead.Ref())
	assert.Empty(t, lead.Name+string(lead.Kind)+string(lead.Gender)+string(lead.CustomerID))
	assert.True(t, lead.CreatedAt.IsZero())
	assert.Empty(t, lead.Tags)
}

func TestContactRefFollowsTheContactType(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   antcrm.Contact
		want antcrm.ContactRef
	}{
		{"lead", antcrm.Contact{LeadID: "1"}, antcrm.LeadRef("1")},
		{"customer", antcrm.Contact{CustomerID: "2"}, antcrm.CustomerRef("2")},
		{"both ids, a lead", antcrm.Contact{LeadID: "1", CustomerID: "2", ContactType: "lead"}, antcrm.LeadRef("1")},
		{"both ids, a customer", antcrm.Contact{LeadID: "1", CustomerID: "2", ContactType: "customer"}, antcrm.CustomerRef("2")},
		{"lead without its id", antcrm.Contact{CustomerID: "2", ContactType: "lead"}, antcrm.CustomerRef("2")},
		{"the caller's key", antcrm.Contact{ExternalID: "ERP-1"}, antcrm.ExternalRef("ERP-1")},
	} {
		assert.Equal(t, tt.want, tt.in.Ref(), tt.name)
	}
}

// A contact answers with leadId or customerId, whatever was asked for.
func TestContactWritesReturnTheKeyOfTheAnswer(t *testing.T) {
	t.Parallel()
	create := antcrm.ContactCreateParams{Name: "Mai", ExternalID: "ERP-1"}
	for answer, want := range map[string]antcrm.ContactRef{
		`{"success":1,"leadId":9457}`:                            antcrm.LeadRef("9457"),
		`{"success":true,"leadId":"9457"}`:                       antcrm.LeadRef("9457"),
		`{"success":"1","customerId":9457}`:                      antcrm.CustomerRef("9457"),
		`{"leadId":9223372036854775807}`:                         antcrm.LeadRef("9223372036854775807"),
		`{"success":"true","leadId":null,"customerId":9457}`:     antcrm.CustomerRef("9457"),
		"\ufeff {\"success\":1,\"leadId\":[9457]}\r\n":           antcrm.LeadRef("9457"),
		`{"success":null,"customerId":12345678901234567890}`:     antcrm.CustomerRef("12345678901234567890"),
		`{"success":1,"leadId":1,"customerId":2,"message":"ok"}`: antcrm.LeadRef("1"),
	} {
		client := scripted(t, ok(answer), ok(answer)).client()
		ref, err := client.Contacts.Create(t.Context(), create)
		require.NoError(t, err, answer)
		assert.Equal(t, want, ref, answer)
		_, err = client.Contacts.Update(t.Context(), antcrm.ExternalRef("ERP-1"), antcrm.ContactUpdateParams{})
		require.NoError(t, err, answer)
	}
}

// Whether the server merges or replaces is not known: what is not set must
// not be sent, what is set to nothing must be.
func TestContactUpdateSendsWhatIsSetAndNothingElse(t *testing.T) {
	t.Parallel()
	clearing := antcrm.ContactUpdateParams{
		Name: new(""), DateOfBirth: new(""), Gender: new(antcrm.GenderOther), Addresses: []antcrm.Address{}, Phones: []antcrm.Phone{}, Emails: []antcrm.Email{},
		Industry: new(""), SocialProfiles: []antcrm.SocialProfile{}, BackgroundInfo: new(""), Stage: new(""), Tags: antcrm.Tags{}, Source: new(""),
		ResponsibleStaff: new(""), CustomFields: []antcrm.CustomField{},
	}
	for _, tt := range []struct {
		name   string
		ref    antcrm.ContactRef
		params antcrm.ContactUpdateParams
		want   string
	}{
		{"nothing", antcrm.CustomerRef("475"), antcrm.ContactUpdateParams{}, `{"customerId":"475"}`},
		{"one field", antcrm.LeadRef("475"), antcrm.ContactUpdateParams{Stage: new("Won")}, `{"leadId":"475","stage":"Won"}`},
		{
			"everything cleared, the gender set to the default", antcrm.ExternalRef("ERP-1"), clearing,
			`{"customerIdApiRing":"ERP-1","name":"","dateOfBirth":"","gender":"2","addresses":[],"phones":[],"emails":[],"industry":"","im":[],"bgInfo":"",
			  "stage":"","tags":[],"sourceContact":"","responsibleStaff":"","cusFields":[]}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := scripted(t, ok(`{"success":1,"customerId":475}`))
			_, err := server.client().Contacts.Update(t.Context(), tt.ref, tt.params)
			require.NoError(t, err)
			assert.JSONEq(t, tt.want, server.one().Body)
		})
	}
}

func TestContactRefNeedsExactlyOneKey(t *testing.T) {
	t.Parallel()
	server := scripted(t)
	contacts := server.client().Contacts
	for _, ref := range []antcrm.ContactRef{
		{}, {LeadID: "1", CustomerID: "2"}, {LeadID: "1", ExternalID: "x"}, {LeadID: "1", CustomerID: "2", ExternalID: "x"},
		antcrm.LeadRef(" "), antcrm.ExternalRef("\xff"),
	} {
		_, getErr := contacts.Get(t.Context(), ref)
		_, updateErr := contacts.Update(t.Context(), ref, antcrm.ContactUpdateParams{Name: new("n")})
		for _, err := range []error{getErr, updateErr, contacts.Delete(t.Context(), ref)} {
			require.ErrorIs(t, err, antcrm.ErrValidation, "%+v", ref)
			onOneLine(t, err)
		}
	}
	assert.Empty(t, server.all(), "a bad reference must not be sent")
}

// Keys are data: they must neither leave the path nor break the query.
func TestKeysWithSpecialCharactersArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a/b", "../../x", "a&b=c", "50%", "a?b#c", "Mã số 12", "\"quoted\"", "a+b c", "{x}", "line\nbreak"} {
		server := scripted(t, ok(`{"success":1}`), ok(toJSON(t, []map[string]string{{"customerIdApiRing": key}})))
		client := server.client()
		require.NoError(t, client.Contacts.Delete(t.Context(), antcrm.ExternalRef(key)))
		found, err := client.Contacts.Get(t.Context(), antcrm.ExternalRef(key))
		require.NoError(t, err)
		assert.Equal(t, key, found.ExternalID)

		for _, req := range server.all() {
			assert.Equal(t, "/contacts", req.Path)
			assert.Equal(t, key, req.Query.Get("customerIdApiRing"))
			assert.Len(t, req.Query, 1)
		}
		var body map[string]string
		require.NoError(t, json.Unmarshal([]byte(server.all()[0].Body), &body))
		assert.Equal(t, map[string]string{"customerIdApiRing": key}, body)
	}
}
