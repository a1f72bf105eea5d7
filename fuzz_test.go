package antcrm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"unicode"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// fuzzed is a client whose server answers whatever was set last.
func fuzzed(f *testing.F) (client *antcrm.Client, set func(reply)) {
	f.Helper()
	var next reply
	var server *script
	server = served(f, func(int, seen) reply {
		server.requests = server.requests[:0] // millions of them would be kept
		return next
	})
	return server.client(), func(r reply) { next = r }
}

// seed adds the samples of testdata and some bodies in the shapes of the wire.
func seed(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
	for _, text := range []string{
		``, `null`, `[]`, `{}`, `Ok`, `"Ok"`, `[null]`, `[1]`, "\ufeff[]", `<html>`, `{"success":1}`, `{"success":false,"message":"no","code":7}`,
		`{"success":1,"leadId":[1,"2",null]}`, `{"number":9223372036854775808}`, `{"data":{"sessions":null}}`, `{"success":true,"data":[{"_id":1}],"total":"2"}`,
		`[{"leadId":1.50e+3,"gender":2,"tags":"VIP","createdAt":"2024-03-13","scoreRank":"007","cusFields":[{"value":null}]}]`, `{"errors":{"name":["is","not"]}}`,
		`[{"name":7,"name":"\ud800","customerIdApiRing":-0}]`, "[{\"name\":\"\xff\"}]", `{"error":{"message":["a",{"msg":"b"}],"code":1}}`,
		`[{"number":"1","value":"-00.10","shipping_cost":1E400,"typeDiscount":"x","dealBy":{"users":[1]},"tags":{}}]`,
	} {
		f.Add([]byte(text))
	}
}

// scalars holds each lenient type.
type scalars struct {
	ID      antcrm.ID          `json:"a"`
	Decimal antcrm.Decimal     `json:"b"`
	Text    antcrm.DecimalText `json:"c"`
	Score   antcrm.Score       `json:"d"`
	Time    antcrm.Timestamp   `json:"e"`
	Gender  antcrm.Gender      `json:"f"`
	Kind    antcrm.ContactKind `json:"g"`
	Code    antcrm.NumericCode `json:"h"`
	Tags    antcrm.Tags        `json:"i"`
}

func FuzzLenientTypes(f *testing.F) {
	for _, text := range []string{
		`1`, `"1"`, `null`, `""`, `-0.10`, `"007"`, `1e400`, `"2024-03-13T06:24:20.673Z"`, `1692084490615`, `["a",1]`, `"\ud800"`, "\"\xff\"", `true`, `{}`, `-62135596800000`,
		`"0000-01-01"`, `253402300799999`, `1e-400`, `"9999-12-31T23:59:59.999-23:59"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, v := range []json.Unmarshaler{
			new(antcrm.ID), new(antcrm.Decimal), new(antcrm.DecimalText), new(antcrm.Score), new(antcrm.Timestamp), new(antcrm.Gender), new(antcrm.ContactKind),
			new(antcrm.NumericCode), new(antcrm.Tags),
		} {
			_ = v.UnmarshalJSON(text) // whatever it is: no panic
		}
		if !json.Valid(text) {
			return
		}
		for _, name := range "abcdefghi" {
			body := []byte(`{"` + string(name) + `":` + string(text) + `}`)
			var first, second scalars
			if json.Unmarshal(body, &first) != nil {
				continue
			}
			encoded, err := json.Marshal(first)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(encoded, &second), "%s", encoded)
			again, err := json.Marshal(second)
			require.NoError(t, err)
			require.Equal(t, string(encoded), string(again))
			// A nil list is sent as null, which is none again.
			require.Equal(t, first, second)
		}
	})
}

// FuzzPages decodes a body as a page of every kind of list.
func FuzzPages(f *testing.F) {
	seed(f)
	client, set := fuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := reply{body: string(body)}
		checkPage(t, set, answer, func() (*antcrm.Page[antcrm.Contact], error) {
			return client.Contacts.List(t.Context(), antcrm.ContactListParams{})
		})
		checkPage(t, set, answer, func() (*antcrm.Page[antcrm.Opportunity], error) {
			return client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
		})
		checkPage(t, set, answer, func() (*antcrm.Page[antcrm.Ticket], error) {
			return client.Tickets.List(t.Context(), antcrm.TicketListParams{})
		})
		checkPage(t, set, answer, func() (*antcrm.Page[antcrm.LoyaltyEntry], error) {
			return client.Points.List(t.Context(), antcrm.LoyaltyListParams{})
		})
		checkPage(t, set, answer, func() (*antcrm.Page[antcrm.Rating], error) {
			return client.Ratings.List(t.Context(), antcrm.RatingListParams{})
		})
		checkPage(t, set, answer, func() (*antcrm.Page[antcrm.MessageSession], error) {
			sessions, err := client.Messages.List(t.Context(), antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment()})
			return &antcrm.Page[antcrm.MessageSession]{Items: sessions}, err
		})
	})
}

// FuzzBinding holds the SDK's reading of records to that of the JSON library,
// wherever the library, which is less lenient, reads them at all.
func FuzzBinding(f *testing.F) {
	seed(f)
	client, set := fuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		var texts []json.RawMessage
		if jsonv2.Unmarshal(body, &texts) != nil { // strict: no name twice, all UTF-8
			return
		}
		set(reply{body: string(body)})
		contacts, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
		checkBinding(t, texts, contacts, err)
		orders, err := client.Opportunities.List(t.Context(), antcrm.OpportunityListParams{})
		checkBinding(t, texts, orders, err)
		tickets, err := client.Tickets.List(t.Context(), antcrm.TicketListParams{})
		checkBinding(t, texts, tickets, err)
		ratings, err := client.Ratings.List(t.Context(), antcrm.RatingListParams{})
		checkBinding(t, texts, ratings, err)
	})
}

func checkBinding[T any](t *testing.T, texts []json.RawMessage, page *antcrm.Page[T], err error) {
	t.Helper()
	var want []T
	for _, text := range texts {
		if string(text) == "null" { // no record
			continue
		}
		var one T
		if jsonv2.Unmarshal(text, &one) != nil {
			return
		}
		want = append(want, one)
	}
	require.NoError(t, err)
	require.Len(t, page.Items, len(want))
	for i := range want {
		expected, err := json.Marshal(want[i])
		require.NoError(t, err)
		got, err := json.Marshal(page.Items[i])
		require.NoError(t, err)
		require.Equal(t, string(expected), string(got))
	}
}

// checkPage decodes a page and, if it is good, what its records are encoded as.
func checkPage[T anyRecord](t *testing.T, set func(reply), answer reply, list func() (*antcrm.Page[T], error)) {
	t.Helper()
	set(answer)
	page, err := list()
	if err != nil {
		checkFuzzedError(t, err)
		return
	}
	require.GreaterOrEqual(t, page.Total, 0)
	for _, item := range page.Items {
		require.True(t, json.Valid(item.RawJSON()), "%q", item.RawJSON())
		require.NoError(t, item.Decode(new(map[string]json.RawMessage)))
	}
	if len(page.Items) == 0 {
		return
	}
	encoded, err := json.Marshal(page.Items)
	require.NoError(t, err)
	set(reply{body: string(encoded)})
	again, err := list()
	require.NoError(t, err, "%s", encoded)
	encodedAgain, err := json.Marshal(again.Items)
	require.NoError(t, err)
	require.Equal(t, string(encoded), string(encodedAgain))
}

// checkFuzzedError: whatever came, the error is one of ours, short and on one line.
func checkFuzzedError(t *testing.T, err error) {
	t.Helper()
	_, isAPI := errors.AsType[*antcrm.APIError](err)
	_, isDecode := errors.AsType[*antcrm.DecodeError](err)
	require.True(t, isAPI || isDecode, "%T", err)
	require.Less(t, len(err.Error()), 20_000)
	for _, r := range err.Error() {
		if unicode.IsControl(r) {
			require.Fail(t, "a control character", "%q", err.Error())
		}
	}
	assert.NotContains(t, err.Error(), secretKey)
}

func FuzzWriteAnswers(f *testing.F) {
	seed(f)
	client, set := fuzzed(f)
	orders := []antcrm.OpportunityCreateParams{newOrder(), newOrder()}
	f.Fuzz(func(t *testing.T, body []byte) {
		set(reply{body: string(body)})
		ref, err := client.Contacts.Create(t.Context(), contact(1))
		if err != nil {
			checkFuzzedError(t, err)
			require.NotEqual(t, errors.Is(err, antcrm.ErrOutcomeUnknown), errors.Is(err, antcrm.ErrRejected), "%v", err)
		} else {
			require.NotEqual(t, antcrm.ContactRef{}, ref)
		}
		result, err := client.Opportunities.CreateBatch(t.Context(), orders)
		require.Len(t, result.Results, 2)
		require.Equal(t, err == nil, result.Results[0] != "" && result.Results[1] != "")
		for _, err := range []error{
			err, client.Tickets.Delete(t.Context(), "1"), client.Segments.SetContacts(t.Context(), segmentID, contacts(1)),
			client.Do(t.Context(), http.MethodPost, "/x", nil, nil, new(any)),
		} {
			if err != nil {
				checkFuzzedError(t, err)
			}
		}
	})
}

func FuzzErrorBodies(f *testing.F) {
	seed(f)
	f.Add([]byte(`{"message":"` + secretKey + `"}`))
	client, set := fuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		set(reply{status: http.StatusBadRequest, body: string(body), header: map[string]string{"X-Request-Id": string(bytes.ToValidUTF8(body, nil))}})
		_, err := client.Products.Get(t.Context(), "1")
		checkFuzzedError(t, err)
		failure := requireError[*antcrm.APIError](t, err)
		require.LessOrEqual(t, len([]rune(failure.Message)), 300)
		require.NotContains(t, string(failure.Body), secretKey)

		set(reply{status: http.StatusNotFound, body: string(body)})
		if _, err := client.ZNSMessages.List(t.Context(), antcrm.ZNSMessageListParams{}); err != nil {
			require.ErrorIs(t, err, antcrm.ErrNotFound)
		}
	})
}
