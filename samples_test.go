package antcrm_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// Every body of testdata survives decoding and encoding: what users keep as
// JSON files can be sent through the typed structs.
func TestRequestBodiesRoundTrip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file string
		into any
		drop string // members that travel beside the params
	}{
		{"contact-create.json", new(antcrm.ContactCreateParams), ""},
		{"contact-update.json", new(antcrm.ContactUpdateParams), "leadId"},
		{"opportunity-create.json", new(antcrm.OpportunityCreateParams), ""},
		{"opportunity-update.json", new(antcrm.OpportunityUpdate), ""},
		{"opportunity-update.json", new(antcrm.OpportunityUpdateParams), "number"},
		{"ticket-create.json", new(antcrm.TicketCreateParams), ""},
		{"ticket-update.json", new(antcrm.TicketUpdateParams), "TicketId"},
	} {
		body := sample(t, tt.file)
		require.NoError(t, json.Unmarshal([]byte(body), tt.into))
		want := fromJSON[map[string]any](t, body)
		delete(want, tt.drop)
		assert.JSONEq(t, toJSON(t, want), toJSON(t, tt.into), "%s as %T", tt.file, tt.into)
	}
	for body, into := range map[string]any{
		`{"name":"n","code":"c","productIdApiRing":"p","value":"0","canEdit":false}`:         new(antcrm.ProductCreateParams),
		`{"name":"","code":"","value":"","canEdit":false}`:                                   new(antcrm.ProductUpdateParams),
		`{"code":"c","data":{"emails":[],"phones":[{"type":"Work","value":"1"}]}}`:           new(antcrm.AccumulateParams),
		`{"code":"c","data":{"email":"e","phone":"1"}}`:                                      new(antcrm.RedeemParams),
		`{"name":"","value":"","shipping_cost":"","groupPackage":[],"cusFields":[]}`:         new(antcrm.OpportunityUpdateParams),
		`{"name":"n","value":0,"shipping_cost":0,"groupPackage":[{"quantity":0}]}`:           new(antcrm.OpportunityCreateParams),
		`{"customerIdApiRing":"x"}`:                                                          new(antcrm.ContactRef),
		`{"title":"t","deal":null,"contact":{"id":"9"},"files":[null,1,"a",{"b":[]}]}`:       new(antcrm.TicketCreateParams),
		`{"tags":[],"phones":[],"addresses":[],"emails":[],"im":[],"cusFields":[]}`:          new(antcrm.ContactCreateParams),
		`{"cusFields":[{"name":"a","value":null},{"name":"b","value":12.340},{"value":""}]}`: new(antcrm.ContactCreateParams),
	} {
		require.NoError(t, json.Unmarshal([]byte(body), into))
		assert.JSONEq(t, body, toJSON(t, into), "%T", into)
	}
}

// Empty strings are left out of a creation: the vendor's defaults apply.
func TestEmptyStringsAreLeftOutOfCreations(t *testing.T) {
	t.Parallel()
	for body, into := range map[string]any{
		`{"name":"","customerIdApiRing":"","type":"","contactType":"","gender":"","stage":"","bgInfo":""}`: new(antcrm.ContactCreateParams),
		`{"name":"","value":"","shipping_cost":"","stage":"","receiverName":""}`:                           new(antcrm.OpportunityCreateParams),
		`{"title":"","SLA":"","priority":"","contact":{}}`:                                                 new(antcrm.TicketCreateParams),
		`{"name":"","code":"","value":"","productIdApiRing":""}`:                                           new(antcrm.ProductCreateParams),
	} {
		require.NoError(t, json.Unmarshal([]byte(body), into))
		assert.JSONEq(t, `{}`, toJSON(t, into), "%T", into)
	}
}

// Records give their typed fields back, dates as milliseconds.
func TestRecordsRoundTripTheirTypedFields(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, out string }{
		{`{"leadId":2964,"type":0,"gender":"2","tags":"VIP","createdAt":"2024-03-13T06:24:20.673Z","scoreRank":"340","unknown":1}`,
			`{"leadId":"2964","type":"0","gender":"2","tags":["VIP"],"createdAt":1710311060673,"scoreRank":340}`},
		{`{"createdAt":1710311060673,"updatedAt":""}`, `{"createdAt":1710311060673}`},
	} {
		assert.JSONEq(t, tt.out, toJSON(t, fromJSON[antcrm.Contact](t, tt.in)))
	}
	assert.JSONEq(t, `{"number":"3609","value":4520000,"typeDiscount":1,"shipping_cost":0}`,
		toJSON(t, fromJSON[antcrm.Opportunity](t, `{"number":3609,"value":"4520000","typeDiscount":"1","shipping_cost":0}`)))
}

// recordTypes are all records that the API lists.
func recordTypes() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[antcrm.Contact](), reflect.TypeFor[antcrm.Opportunity](), reflect.TypeFor[antcrm.Product](), reflect.TypeFor[antcrm.Ticket](),
		reflect.TypeFor[antcrm.LoyaltyEntry](), reflect.TypeFor[antcrm.Telesale](), reflect.TypeFor[antcrm.Telecall](), reflect.TypeFor[antcrm.Campaign](),
		reflect.TypeFor[antcrm.Rating](), reflect.TypeFor[antcrm.ZNSMessage](), reflect.TypeFor[antcrm.MessageSession](),
	}
}

// What no field of the samples is left to: each member of each sample is a
// typed field, so that nobody needs RawJSON for what the vendor documents.
func TestSamplesHaveNoUntypedMembers(t *testing.T) {
	t.Parallel()
	for file, typ := range map[string]reflect.Type{
		"contacts.json": recordTypes()[0], "opportunities.json": recordTypes()[1], "opportunity-full.json": recordTypes()[1], "products.json": recordTypes()[2],
		"tickets.json": recordTypes()[3], "history-point.json": recordTypes()[4],
	} {
		dec := json.NewDecoder(strings.NewReader(sample(t, file)))
		dec.DisallowUnknownFields()
		assert.NoError(t, dec.Decode(reflect.New(reflect.SliceOf(typ)).Interface()), file)
	}
}

// The samples are the vendor's, kept beside our own bodies: none may be left
// without a test.
func TestEverySampleIsUsed(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file.Name(), "_test.go") {
			text, err := os.ReadFile(file.Name())
			require.NoError(t, err)
			tests.Write(text)
		}
	}
	samples, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, file := range samples {
		if strings.HasSuffix(file.Name(), ".json") && !strings.Contains(tests.String(), `"`+file.Name()+`"`) {
			t.Errorf("no test reads testdata/%s", file.Name())
		}
	}
}

// jsonLibrary is a way for users to read and write the types of this package.
type jsonLibrary struct {
	name      string
	unmarshal func([]byte, any) error
	marshal   func(any) ([]byte, error)
}

func jsonLibraries() []jsonLibrary {
	return []jsonLibrary{
		{"encoding/json", json.Unmarshal, json.Marshal},
		{"json/v2", func(b []byte, v any) error { return jsonv2.Unmarshal(b, v) }, func(v any) ([]byte, error) { return jsonv2.Marshal(v) }},
	}
}

// through decodes and encodes.
func (l jsonLibrary) through(t *testing.T, body string, into any) string {
	t.Helper()
	v := reflect.New(reflect.TypeOf(into)).Interface()
	require.NoError(t, l.unmarshal([]byte(body), v), "%s %T", l.name, into)
	out, err := l.marshal(v)
	require.NoError(t, err, "%s %T", l.name, into)
	return string(out)
}

// An update sends every field it may clear, a creation every 0, false and
// empty list: with both JSON libraries.
func TestEmptyValuesOfBodiesSurvive(t *testing.T) {
	t.Parallel()
	for body, into := range map[string]any{
		`{"name":"","dateOfBirth":"","gender":"","addresses":[],"phones":[],"emails":[],"industry":"","im":[],"bgInfo":"","stage":"","tags":[],
			"sourceContact":"","responsibleStaff":"","cusFields":[{"name":"a","value":""},{"name":"b","value":null}]}`: antcrm.ContactUpdateParams{},
		`{"number":"9","name":"","receiverName":"","receiverPhone":"","receiverAddressObj":{},"groupPackage":[],"value":"","receiverNote":"","description":"",
			"stage":"","branch":"","cusFields":[],"shipping_cost":0}`: antcrm.OpportunityUpdate{},
		`{"name":"","code":"","value":"","canEdit":false}`: antcrm.ProductUpdateParams{},
		`{"title":"","summary":"","priority":"","SLA":"","deal":{},"category":"","status":"","resolutionTypeOb":"","files":[],"cusFields":[]}`: antcrm.TicketUpdateParams{},

		`{"addresses":[{"country":{}}],"phones":[],"emails":[],"im":[],"tags":[],"cusFields":[{"value":0},{"value":false},{"value":[]}]}`: antcrm.ContactCreateParams{},
		`{"dealByUsers":[],"dealWith":{"phones":[]},"groupPackage":[{"quantity":0,"typeDiscount":0,"discount":0,"value":0}],"value":0,"cusFields":[],
			"createdAt":0,"shipping_cost":0,"receiverAddressObj":{}}`: antcrm.OpportunityCreateParams{},
		`{"contact":{"emails":[],"phones":[]},"deal":{},"files":[],"cusFields":[]}`: antcrm.TicketCreateParams{},
		`{"value":"0","canEdit":false}`:                                             antcrm.ProductCreateParams{},
		`{"data":{"emails":[],"phones":[]}}`:                                        antcrm.AccumulateParams{},
		`{"data":{"email":"e","phone":"1"}}`:                                        antcrm.RedeemParams{},
		`{"leadId":"12345678901234567890.0"}`:                                       antcrm.ContactRef{},
	} {
		for _, library := range jsonLibraries() {
			assert.JSONEq(t, body, library.through(t, body, into), "%s %T", library.name, into)
		}
	}
}

// The vendor's samples come back with nothing lost but what is empty, and
// nothing added: a false and a 0 are not empty.
func TestSamplesComeBackWithoutTheirEmptyMembers(t *testing.T) {
	t.Parallel()
	for file, into := range map[string]any{
		"contacts.json": []antcrm.Contact{}, "opportunities.json": []antcrm.Opportunity{}, "opportunity-full.json": []antcrm.Opportunity{},
		"products.json": []antcrm.Product{}, "tickets.json": []antcrm.Ticket{}, "history-point.json": []antcrm.LoyaltyEntry{},
		"ratings.json": struct {
			Success bool            `json:"success"`
			Data    []antcrm.Rating `json:"data"`
			Limit   int             `json:"limit"`
		}{},
	} {
		for _, library := range jsonLibraries() {
			text := sample(t, file)
			assert.Equal(t, withoutEmpty(t, text), withoutEmpty(t, library.through(t, text, into)), "%s %s", library.name, file)
		}
	}
}

// withoutEmpty decodes a JSON text without its empty texts and nulls, and with
// numbers as texts: the vendor prints ids both ways.
func withoutEmpty(t *testing.T, text string) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v))
	return cleaned(v)
}

func cleaned(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case []any:
		for i := range v {
			v[i] = cleaned(v[i])
		}
	case map[string]any:
		delete(v, "__v") // the database's own
		for name, member := range v {
			if v[name] = cleaned(member); v[name] == nil || v[name] == "" {
				delete(v, name)
			}
		}
	}
	return v
}
