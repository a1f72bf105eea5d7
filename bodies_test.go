package antcrm_test

import (
	"context"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// The parts of the bodies below, with every member that the contract knows.
const (
	wholeCountry = `{"code":"VN","name":"Vietnam"}`
	wholeAddress = `{"type":"Work","street":"3","streetName":"Nguyễn Kiệm","wards":"Phường 12","state":"Tân Bình","city":"Hồ Chí Minh","country":` + wholeCountry +
		`,"cityCode":"79","stateCode":"766","wardsCode":"26995","zip":"700000","_id":"64db290a7796fe24bfe87601"}`
	wholePhones = `[{"type":"Work","value":"0900000001","_id":"64db290a7796fe24bfe87602"}]`
	wholeEmails = `[{"type":"Work","value":"mau@example.com","_id":"64db290a7796fe24bfe87603"}]`
	wholeFields = `[{"name":"Rank","value":{"n":12.340,"old":null}}]`
	wholeItems  = `[{"name":"Beef combo","quantity":2,"typeDiscount":1,"discount":10,"value":1000.50,"productIdApiRing":"P-1","note":"rare","code":"Sku"}]`
	wholePerson = `"dateOfBirth":"1 March","gender":"1","addresses":[` + wholeAddress + `],"phones":` + wholePhones + `,"emails":` + wholeEmails + `,"industry":"IT",` +
		`"im":[{"protocol":"Facebook","value":"mau"}],"bgInfo":"b","stage":"New","tags":["VIP"],"sourceContact":"Web","responsibleStaff":"staff@example.com","cusFields":` + wholeFields
	wholeContact = `{"name":"Mẫu","lastname":"Nguyễn","contactType":"customer","type":"0","leadId":"2964","customerId":"475","customerIdApiRing":"KH-1",` +
		`"_id":"64db290a7796fe24bfe87604","id":"64db290a7796fe24bfe87605","dateOfBirth2":"2 March",` + wholePerson + `,"scoreAvailable":120,"scoreRank":340.5,"rankName":"Gold",` +
		`"createdAt":1692084490615,"updatedAt":1692084490616,"createdByBot":"bot","sourceLead":{"_id":"64db290a7796fe24bfe87606","code":"17","name":"L"},` +
		`"historiesAds":[{"_id":"64db290a7796fe24bfe87607","fb_ads_id":"1","fb_post_id":"2","createdAt":1692084490617}]}`
	wholeOrder = `"name":"O","receiverName":"R","receiverPhone":"0900000001","receiverAddressObj":` + wholeAddress + `,"groupPackage":` + wholeItems +
		`,"value":4520000,"receiverNote":"n","description":"d","stage":"Won","branch":"B","cusFields":` + wholeFields + `,"shipping_cost":15000`
	wholeTicket = `"title":"T","SLA":"S","summary":"<p>s</p>","priority":"High","deal":{"id":"1"},"category":"C","status":"Open","resolutionTypeOb":"R",` +
		`"files":[{"url":"u"},null],"cusFields":` + wholeFields
)

// emptyAddress is an address whose every text is to be cleared.
const emptyAddress = `{"type":"","street":"","streetName":"","wards":"","state":"","city":"","country":{"code":"","name":""},"cityCode":"","stateCode":"",` +
	`"wardsCode":"","zip":"","_id":""}`

// whole is a body, or a record, with every member.
type whole struct {
	into   any
	json   string
	empty  string // of updates: every member in the form that clears it
	answer string
	send   func(ctx context.Context, c *antcrm.Client, params any) error // nil: of records
}

// sending is a whole body of a type, and the call that sends it.
func sending[P any](body, answer string, send func(context.Context, *antcrm.Client, P) error) whole {
	return whole{into: new(P), json: body, answer: answer, send: func(ctx context.Context, c *antcrm.Client, params any) error {
		return send(ctx, c, *params.(*P))
	}}
}

func (w whole) clearing(body string) whole {
	w.empty = body
	return w
}

func wholeParams() []whole {
	const contactKeys = `"name":"Mẫu","customerIdApiRing":"KH-1","type":"1","contactType":"customer",`
	return []whole{
		sending(`{`+contactKeys+wholePerson+`}`, `{"success":1,"customerId":475}`, func(ctx context.Context, c *antcrm.Client, p antcrm.ContactCreateParams) error {
			return failed(c.Contacts.Create(ctx, p))
		}),
		sending(`{"name":"Mẫu",`+wholePerson+`}`, `{"success":1,"leadId":1}`, func(ctx context.Context, c *antcrm.Client, p antcrm.ContactUpdateParams) error {
			return failed(c.Contacts.Update(ctx, antcrm.LeadRef("1"), p))
		}).clearing(`{"name":"","dateOfBirth":"","addresses":[],"phones":[],"emails":[],"industry":"","im":[],"bgInfo":"","stage":"","tags":[],"sourceContact":"",` +
			`"responsibleStaff":"","cusFields":[]}`),
		sending(`{`+wholeOrder+`,"opportunityIdApiRing":"SO-1","dealByUsers":["staff@example.com"],"createdAt":1692084490615,`+
			`"dealWith":{"customerId":"475","name":"K","phones":`+wholePhones+`,"customerIdApiRing":"KH-1"}}`, `{"success":1,"number":1}`,
			func(ctx context.Context, c *antcrm.Client, p antcrm.OpportunityCreateParams) error {
				return failed(c.Opportunities.Create(ctx, p))
			}),
		sending(`{`+wholeOrder+`}`, `{"success":1,"number":1}`, func(ctx context.Context, c *antcrm.Client, p antcrm.OpportunityUpdateParams) error {
			return failed(c.Opportunities.Update(ctx, "1", p))
		}).clearing(`{"name":"","receiverName":"","receiverPhone":"","receiverAddressObj":` + emptyAddress + `,"groupPackage":[],"value":0,"receiverNote":"","description":"",` +
			`"stage":"","branch":"","cusFields":[],"shipping_cost":0}`),
		sending(`{"name":"P","code":"SKU-1","productIdApiRing":"P-1","value":"5000.50","canEdit":true}`, `{"success":1,"code":1}`,
			func(ctx context.Context, c *antcrm.Client, p antcrm.ProductCreateParams) error {
				return failed(c.Products.Create(ctx, p))
			}),
		sending(`{"name":"P","code":"SKU-1","value":"5000.50","canEdit":true}`, `{"success":1,"code":1}`,
			func(ctx context.Context, c *antcrm.Client, p antcrm.ProductUpdateParams) error {
				return failed(c.Products.Update(ctx, "P-1", p))
			}).
			clearing(`{"name":"","code":"","value":"","canEdit":false}`),
		sending(`{`+wholeTicket+`,"ticketIdApiRing":"T-1","group":"G","contact":{"id":"64db290a7796fe24bfe876a7","name":"K","emails":`+wholeEmails+`,"phones":`+wholePhones+`}}`,
			`{"success":1,"TicketId":1}`, func(ctx context.Context, c *antcrm.Client, p antcrm.TicketCreateParams) error {
				return failed(c.Tickets.Create(ctx, p))
			}),
		sending(`{`+wholeTicket+`}`, `{"success":1,"TicketId":1}`, func(ctx context.Context, c *antcrm.Client, p antcrm.TicketUpdateParams) error {
			return failed(c.Tickets.Update(ctx, "1", p))
		}).clearing(`{"title":"","SLA":"","summary":"","priority":"","deal":{},"category":"","status":"","resolutionTypeOb":"","files":[],"cusFields":[]}`),
		sending(`{"code":"C","data":{"emails":`+wholeEmails+`,"name":"K","phones":`+wholePhones+`}}`, `{"success":1}`,
			func(ctx context.Context, c *antcrm.Client, p antcrm.AccumulateParams) error {
				return c.Points.Accumulate(ctx, p)
			}),
		sending(`{"code":"C","data":{"email":"mau@example.com","phone":"0900000001"}}`, `{"success":1}`,
			func(ctx context.Context, c *antcrm.Client, p antcrm.RedeemParams) error { return c.Redeem.Gift(ctx, p) }),
	}
}

// record is a record of a type, with every member.
func record[T any](body string) whole { return whole{into: new(T), json: body} }

func wholeRecords() []whole {
	const id = `"_id":"64db290a7796fe24bfe87608"`
	return []whole{
		record[antcrm.Contact](wholeContact),
		record[antcrm.Opportunity](`{` + wholeOrder + `,` + id + `,"number":"3609","opportunityIdApiRing":"SO-1","status":"LOST","discount":1,"typeDiscount":0,"totalPayment":2,` +
			`"quantity":3,"currency":"VND","dealBy":{"users":[1],"groups":["g"]},"dealWith":[{"a":1}],"contacts":[1],"package":[2],"coupons":[3],"files":[4],"tags":"t","permit":{},` +
			`"normalize":"o","dealId":"5","canEdit":true,"inActive":false,"isCreatedByConvertLead":true,"isSampleData":false,"deferredDate":1,"timeDelivery":2,"createdAt":3,"updatedAt":4}`),
		record[antcrm.Product](`{` + id + `,"name":"P","code":"3609","productIdApiRing":"P-1","value":"5000"}`),
		record[antcrm.Ticket](`{` + wholeTicket + `,"TicketId":"17464","ticketIdApiRing":"T-1","assignedTo":"staff@example.com","group":"G","contact":` + wholeContact +
			`,"createdAt":1,"updatedAt":2}`),
		record[antcrm.LoyaltyEntry](`{"id":"64db290a7796fe24bfe87609","type":1,"score":12.5,"status":0,"product":{"code":"1","name":"P","id":"2"},` +
			`"gift":{"code":"3","name":"G","score":4,"id":"5"},"contact":` + wholeContact + `,"org":"6","code":"7","serialNumber":"8","createdAt":9}`),
		record[antcrm.Telesale](`{` + id + `,"createdAt":1}`), record[antcrm.Telecall](`{` + id + `,"createdAt":1}`),
		record[antcrm.Campaign](`{` + id + `,"createdAt":1}`), record[antcrm.ZNSMessage](`{` + id + `,"createdAt":1}`),
		record[antcrm.Rating](`{` + id + `,"org":"1","session":{"_id":"2","channel":"ZALO","normalize":"n","isDone":true,"rating_value":4.5,"rating_comment":"c",` +
			`"conversationId":"3","conversationName":"n","snippet":"s","senderName":"s","senderAvatar":"a","conversationAvatar":"b","pageId":"4","doneAt":5},"contact":` + wholeContact +
			`,"rating_score":5,"comment":"c","rating_time":6,"type":"omni","source":"ZALO"}`),
		record[antcrm.MessageSession](`{"sessionId":"1","conversationId":"2","pageId":"3","createdAt":4,"leadId":"5","customerId":"6","messages":[{"_id":"7",` +
			`"attachments":{"data":[]},"shares":{"data":[]},"channel":"ZALO","errorMessage":"e","isOutboundMessage":true,"isResponsedByBot":false}]}`),
	}
}

// decodeWhole decodes a body that has every member of its type and no other.
func decodeWhole(t *testing.T, body string, into any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(into), "%T", into)
	missing(t, reflect.ValueOf(into).Elem(), reflect.TypeOf(into).Elem().Name())
}

// missing fails for every field that nothing was decoded into: whoever adds one to a type adds it to the bodies above.
func missing(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		missing(t, v.Elem(), path)
	case v.Kind() == reflect.Slice && v.Type() != reflect.TypeFor[json.RawMessage]() && v.Len() > 0:
		missing(t, v.Index(0), path)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[antcrm.Timestamp]():
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && field.Tag.Get("json") != "-" {
				assert.False(t, v.Field(i).IsZero(), "%s.%s is not in the body", path, field.Name)
				missing(t, v.Field(i), path+"."+field.Name)
			}
		}
	}
}

// sameNumbers compares JSON without the rounding of a float64.
func sameNumbers(t *testing.T, want, got string) {
	t.Helper()
	parse := func(text string) (v any) {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		require.NoError(t, dec.Decode(&v))
		return v
	}
	assert.Equal(t, parse(want), parse(got))
}

// What is set is what is sent: of every body each member, under the contract's name and in its form.
func TestEveryMemberOfEveryBodyIsSentAsItIsSet(t *testing.T) {
	t.Parallel()
	for _, w := range wholeParams() {
		t.Run(reflect.TypeOf(w.into).Elem().Name(), func(t *testing.T) {
			t.Parallel()
			decodeWhole(t, w.json, w.into)
			sameNumbers(t, w.json, toJSON(t, w.into))
			server := scripted(t, ok(w.answer))
			require.NoError(t, w.send(t.Context(), server.client(), w.into))
			assert.Equal(t, withoutKey(t, w.into, w.json), withoutKey(t, w.into, server.one().Body))
		})
	}
}

// What clears a member is sent in the same way, down to the texts of an address. A gender cannot be cleared, and a line
// item is a new value.
func TestEveryMemberOfEveryUpdateIsClearedAsTheVendorsTypesAllow(t *testing.T) {
	t.Parallel()
	for _, w := range wholeParams() {
		if w.empty == "" {
			assert.NotContains(t, reflect.TypeOf(w.into).Elem().Name(), "Update")
			continue
		}
		t.Run(reflect.TypeOf(w.into).Elem().Name(), func(t *testing.T) {
			t.Parallel()
			params := reflect.New(reflect.TypeOf(w.into).Elem())
			require.NoError(t, json.Unmarshal([]byte(w.empty), params.Interface()))
			for i := range params.Elem().NumField() {
				if field := params.Elem().Type().Field(i); field.IsExported() && field.Name != "Gender" {
					assert.False(t, params.Elem().Field(i).IsZero(), "%s is not in the body", field.Name)
				}
			}
			sameNumbers(t, w.empty, toJSON(t, params.Interface()))
			server := scripted(t, ok(w.answer))
			require.NoError(t, w.send(t.Context(), server.client(), params.Interface()))
			assert.Equal(t, withoutKey(t, w.into, w.empty), withoutKey(t, w.into, server.one().Body))
		})
	}
}

// withoutKey leaves the key out that an update sends beside its changes.
func withoutKey(t *testing.T, params any, body string) map[string]any {
	t.Helper()
	var members map[string]any
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&members))
	if strings.Contains(reflect.TypeOf(params).Elem().Name(), "Update") {
		for _, key := range []string{"leadId", "number", "productIdApiRing", "TicketId"} {
			delete(members, key)
		}
	}
	return members
}

func TestEveryMemberOfEveryRecordIsReadAndWrittenAgain(t *testing.T) {
	t.Parallel()
	for _, w := range wholeRecords() {
		t.Run(reflect.TypeOf(w.into).Elem().Name(), func(t *testing.T) {
			t.Parallel()
			decodeWhole(t, w.json, w.into)
			sameNumbers(t, w.json, toJSON(t, w.into))
		})
	}
}

// The tables above have every type that a method takes or a list yields.
func TestNoBodyAndNoRecordIsLeftOut(t *testing.T) {
	t.Parallel()
	known := map[reflect.Type]bool{}
	for _, w := range append(wholeParams(), wholeRecords()...) {
		known[reflect.TypeOf(w.into).Elem()] = true
	}
	for _, typ := range recordTypes() {
		assert.True(t, known[typ], typ)
	}
	filters := map[reflect.Type]bool{}
	for _, f := range wholeFilters() {
		filters[reflect.TypeOf(f.params).Elem()] = true
	}
	client := reflect.TypeFor[antcrm.Client]()
	for i := range client.NumField() {
		field := client.Field(i)
		for m := 0; field.IsExported() && m < field.Type.NumMethod(); m++ {
			for _, typ := range parameters(field.Type.Method(m).Type) {
				if strings.HasSuffix(typ.Name(), "ListParams") {
					assert.True(t, filters[typ], typ)
				} else if strings.HasSuffix(typ.Name(), "Params") {
					assert.True(t, known[typ], typ)
				}
			}
		}
	}
}

func parameters(method reflect.Type) (all []reflect.Type) {
	for i := range method.NumIn() {
		typ := method.In(i)
		if typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		all = append(all, typ)
	}
	return all
}

// wholeFilter is a filter with every field set, and the query that it is to be sent as.
type wholeFilter struct {
	params any
	query  string
	list   func(ctx context.Context, c *antcrm.Client, params any) error
}

func filtering[P, R any](query string, list func(*antcrm.Client) func(context.Context, P, ...antcrm.CallOption) (R, error)) wholeFilter {
	return wholeFilter{new(P), query, func(ctx context.Context, c *antcrm.Client, params any) error {
		return failed(list(c)(ctx, *params.(*P)))
	}}
}

func wholeFilters() []wholeFilter {
	const paged = "&page=3&limit=7"
	const span = "dateStart=2024-03-13T06%3A24%3A20.673Z&dateEnd=2024-03-13T06%3A24%3A20.673Z"
	return []wholeFilter{
		filtering("contactType=9&type=9&phone=9&email=9&leadId=9&customerId=9&customerIdApiRing=9&updateAtf=2024-03-13&updateAtt=2024-03-13&createdAtf=2024-03-13&createdAtt=2024-03-13"+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.ContactListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.Contact], error) {
				return c.Contacts.List
			}),
		filtering("number=9&phones=9&customerId=9"+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.OpportunityListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.Opportunity], error) {
				return c.Opportunities.List
			}),
		filtering("code=9&type=9"+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.ProductListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.Product], error) {
				return c.Products.List
			}),
		filtering("TicketId=9&typeTime=9&startDate=2024-03-13T06%3A24%3A20.673Z&endDate=2024-03-13T06%3A24%3A20.673Z&isTicketDeleted=true"+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.TicketListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.Ticket], error) {
				return c.Tickets.List
			}),
		filtering("createdAtRangeFrom=1710311060673&createdAtRangeTo=1710311060673&phone=9&email=9&page=3",
			func(c *antcrm.Client) func(context.Context, antcrm.LoyaltyListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.LoyaltyEntry], error) {
				return c.Redeem.List
			}),
		filtering("campaignId=9&survey=true&"+span+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.TelesaleListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.Telesale], error) {
				return c.Telesales.List
			}),
		filtering("campaignId=9&"+span+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.TelecallListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.Telecall], error) {
				return c.Telecalls.List
			}),
		filtering(span+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.CampaignListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.Campaign], error) {
				return c.Campaigns.List
			}),
		filtering(span+"&type=9&rating_score=9&source=9"+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.RatingListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.Rating], error) {
				return c.Ratings.List
			}),
		filtering("campaign=9&dateStart=1710311060673&dateEnd=1710311060673"+paged,
			func(c *antcrm.Client) func(context.Context, antcrm.ZNSMessageListParams, ...antcrm.CallOption) (*antcrm.Page[antcrm.ZNSMessage], error) {
				return c.ZNSMessages.List
			}),
		filtering("created_from=2024-03-13T06%3A24%3A20.673Z&created_to=2024-03-13T06%3A24%3A20.673Z&sessionId=9&limit=7&offset=5",
			func(c *antcrm.Client) func(context.Context, antcrm.MessageListParams, ...antcrm.CallOption) ([]antcrm.MessageSession, error) {
				return c.Messages.List
			}),
	}
}

// Every field of every filter is sent, under the contract's name.
func TestEveryFieldOfEveryFilterIsSent(t *testing.T) {
	t.Parallel()
	for _, f := range wholeFilters() {
		t.Run(reflect.TypeOf(f.params).Elem().Name(), func(t *testing.T) {
			t.Parallel()
			v := reflect.ValueOf(f.params).Elem()
			for i := range v.NumField() {
				if field := v.Type().Field(i); field.IsExported() {
					setFilter(v.Field(i), field.Name)
				}
			}
			server := scripted(t, ok(`[]`))
			_ = f.list(t.Context(), server.client(), f.params) // an answer of another kind changes nothing of the request
			want, err := url.ParseQuery(f.query)
			require.NoError(t, err)
			assert.Equal(t, want, server.one().Query)
		})
	}
}

// setFilter sets a field of a filter.
func setFilter(v reflect.Value, name string) {
	switch value := v.Addr().Interface().(type) {
	case *time.Time:
		*value = moment()
	case *int:
		*value = map[string]int{"Page": 3, "Limit": 7, "Offset": 5}[name]
	case *bool:
		*value = true
	default:
		if v.Kind() == reflect.String {
			v.SetString("9")
		}
	}
}
