package antcrm_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

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
	failures := []antcrm.BatchFailure{{Count: 1, Outcome: antcrm.OutcomeRejected, Err: apiErr}}
	batch := antcrm.BatchResult[antcrm.ContactRef]{Failures: failures}
	imported := antcrm.ImportResult[antcrm.ContactRef]{Err: apiErr}
	for name, v := range map[string]any{
		"batch": batch, "batch pointer": &batch, "batches": []any{batch, &batch}, "failures": failures, "batch error": &antcrm.BatchError{Failures: failures},
		"import": imported, "import pointer": &imported, "imports": []antcrm.ImportResult[antcrm.ContactRef]{imported}, "import map": map[string]any{"a": imported, "b": &imported},
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

// An error shows no customer, no body and no key, whatever it is wrapped in and whoever prints or encodes it. What the
// server itself has said of a customer is in no test here: a message is quoted.
func TestErrorsPrintNothingPersonalInAnyWrapping(t *testing.T) {
	t.Parallel()
	listed := func(r reply) error {
		_, err := scripted(t, r).client().Contacts.List(t.Context(), antcrm.ContactListParams{Phone: foreign})
		return err
	}
	created := func(r reply) error {
		_, err := scripted(t, r).client().Contacts.CreateBatch(t.Context(), []antcrm.ContactCreateParams{
			{Name: foreign, ExternalID: foreign, Phones: []antcrm.Phone{{Value: foreign}}},
		})
		return err
	}
	quoting := &url.Error{Op: "Get", URL: "https://h.example/x?phone=" + foreign + "&key=" + secretKey, Err: io.ErrUnexpectedEOF}
	for name, err := range map[string]error{
		"refused":     listed(reply{status: http.StatusConflict, body: `{"data":"` + foreign + " " + secretKey + `"}`}),
		"lost":        listed(reply{err: quoting}),
		"undecodable": listed(ok(`[{"phones":"` + foreign + `","leadId":{"a":"` + foreign + `"}}]`)),
		"HTML":        listed(ok(`<p>` + foreign + `</p>`)),
		"batch":       created(reply{status: http.StatusBadGateway, body: `{"data":"` + foreign + secretKey + `"}`}),
		"lost batch":  created(reply{err: quoting}),
		"odd batch":   created(ok(`{"success":1,"leadId":{"a":"` + foreign + `"}}`)),
	} {
		require.Error(t, err, name)
		type holder struct {
			Err  error
			Errs []error
			More map[string]error
			err  error
		}
		wrapped := map[string]any{
			"alone": err, "pointer": &err, "wrapped": fmt.Errorf("sync: %w", err), "joined": errors.Join(err, io.EOF, err), "deep": fmt.Errorf("a: %w", errors.Join(fmt.Errorf("b: %w", err))),
			"list": []error{err}, "list pointer": &[]error{err}, "map": map[string]error{"a": err}, "struct": holder{err, []error{err}, map[string]error{"a": err}, err},
			"struct pointer": &holder{err, []error{err}, map[string]error{"a": err}, err}, "any": []any{err, &err, []any{err}},
		}
		for where, v := range wrapped {
			texts := []string{}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%c", "%U", "%e", "%b", "%o", "%10.300s", "%-300q"} {
				texts = append(texts, fmt.Sprintf(verb, v))
			}
			var text, js bytes.Buffer
			slog.New(slog.NewTextHandler(&text, nil)).Error("failed", "err", v, slog.Group("g", "err", v))
			slog.New(slog.NewJSONHandler(&js, nil)).Error("failed", "err", v, slog.Group("g", "err", v))
			encoded, marshalErr := json.Marshal(v)
			require.NoError(t, marshalErr, "%s, %s", name, where)
			for _, shown := range append(texts, text.String(), js.String(), string(encoded)) {
				for _, private := range []string{foreign, secretKey, base64.StdEncoding.EncodeToString([]byte(`{"data":"091122233`))} {
					assert.NotContains(t, shown, private, "%s, %s", name, where)
					assert.NotContains(t, strings.ToLower(shown), fmt.Sprintf("%x", private), "%s, %s", name, where)
				}
			}
		}
	}
}
