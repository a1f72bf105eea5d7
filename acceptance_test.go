package antcrm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// What strangers' programs do with the package and no other test does.

// Ref works on a literal and on what a function returns, not on variables only.
var _ func(antcrm.Contact) antcrm.ContactRef = antcrm.Contact.Ref

// Records keep their JSON however they were fetched, and decode it into
// themselves as well as into a struct of the caller's.
func TestEveryListedRecordKeepsItsJSON(t *testing.T) {
	t.Parallel()
	forEachOperation(t, func(t *testing.T, op operation) {
		if !op.isRead() {
			return
		}
		// The keys are those that the operations ask for.
		const text = `{ "unknown" : [1.0, "\u00e9"],"createdAt":"","_id":12345678901234567890, "customerId":4750001,"customerIdApiRing":"ERP-000475",` +
			`"number":360900001,"code":"SKU-770001","TicketId":174640001,"source":"ZALO" }`
		replies := []reply{ok("[" + text + "]"), ok("[]")}
		got, err := op.call(t.Context(), scripted(t, replies[:len(op.answers)]...).client())
		require.NoError(t, err)
		v := reflect.ValueOf(got)
		if v.Kind() == reflect.Slice {
			require.Equal(t, 1, v.Len())
			v = v.Index(0)
		}
		record, is := v.Interface().(anyRecord)
		require.True(t, is, v.Type())
		assert.Equal(t, text, string(record.RawJSON()))
		var mine struct {
			ID      uint64 `json:"_id"`
			Unknown []any
		}
		require.NoError(t, record.Decode(&mine))
		assert.Equal(t, uint64(12345678901234567890), mine.ID)
		assert.Equal(t, []any{1.0, "é"}, mine.Unknown)
		require.NoError(t, record.Decode(reflect.New(reflect.Indirect(v).Type()).Interface()))
	})
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

// The parts of records and parameters are as silent as the whole.
func TestPartsOfRecordsPrintNothing(t *testing.T) {
	t.Parallel()
	const private = "0911222333"
	for _, part := range []any{
		antcrm.Phone{Value: private}, antcrm.Email{Value: private}, antcrm.Address{HouseNumber: private}, antcrm.SocialProfile{Value: private},
		antcrm.TextField("f", private), antcrm.TicketContact{Name: private}, antcrm.OrderCustomer{Name: private},
		antcrm.AccumulateCustomer{Phones: []antcrm.Phone{{Value: private}}}, antcrm.RedeemCustomer{Phone: private}, antcrm.RatingSession{SenderName: private},
		antcrm.Message{ErrorMessage: private}, antcrm.Contact{Name: private}, antcrm.OpportunityUpdate{Number: private},
	} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(context.Background(), "part", "part", part)
		text := log.String() + fmt.Sprintf("%v %+v %#v %s %q %d %x", part, part, part, part, part, part, part)
		assert.NotContains(t, text, private, "%T", part)
		assert.NotContains(t, text, fmt.Sprintf("%x", private), "%T", part)
	}
}
