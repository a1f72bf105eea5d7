package antcrm_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// What a body is encoded in is named where that is why it cannot be read, and where
// it can be read it does not matter.
func TestForeignEncodingsAreNamed(t *testing.T) {
	t.Parallel()
	const latin = "[{\"_id\":\"a\",\"name\":\"Nguy\xean\"}]"
	for _, tt := range []struct {
		name, body, contentType, coding string
		want                            string // "": the body is read
	}{
		{"UTF-8", `[{"_id":"a","name":"Nguyễn"}]`, "application/json; charset=UTF-8", "", ""},
		{"another charset, UTF-8 all the same", `[{"_id":"a","name":"Nguyễn"}]`, "application/json; charset=ISO-8859-1", "", ""},
		{"another charset, ASCII", `[{"_id":"a"}]`, "application/json; charset=windows-1258", "", ""},
		{"another charset", latin, "application/json; charset=windows-1258", "", "charset windows-1258"},
		{"another charset, quoted", latin, `text/plain; charset="Windows-1252"`, "", "charset windows-1252"},
		{"UTF-16", "[\x00{\x00}\x00]\x00", "application/json; charset=utf-16", "", "charset utf-16"},
		{"no charset", latin, "application/json", "", ""},
		{"identity", `[{"_id":"a"}]`, "application/json", "identity", ""},
		{"brotli", "\x0b\x02\x80[]\x03", "application/json", "br", "compressed with br, which was not asked for"},
		{"zstd", "\x28\xb5\x2f\xfd\x04", "application/json", "zstd", "compressed with zstd"},
		{"called br, and not compressed", `[{"_id":"a"}]`, "application/json", "br", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer := reply{body: tt.body, header: map[string]string{"Content-Type": tt.contentType, "Content-Encoding": tt.coding}}
			client := served(t, func(int, seen) reply { return answer }).client()
			page, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
			if tt.want == "" {
				require.NoError(t, err)
				assert.Equal(t, antcrm.ID("a"), page.Items[0].ID)
				return
			}
			assert.Contains(t, requireError[*antcrm.DecodeError](t, err).Problem, tt.want)
			onOneLine(t, err)
			if tt.coding != "" || tt.name == "UTF-16" {
				err = client.Do(t.Context(), http.MethodPost, "/x", nil, nil, new(any))
				assert.Contains(t, requireError[*antcrm.DecodeError](t, err).Problem, tt.want)
				_, err = client.Contacts.Create(t.Context(), contact(1))
				require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
				assert.Contains(t, requireError[*antcrm.DecodeError](t, err).Problem, tt.want)
			}
		})
	}
}

func TestAnErrorPageThatCannotBeReadSaysWhy(t *testing.T) {
	t.Parallel()
	_, err := scripted(t, reply{status: http.StatusBadRequest, body: "\x0b\xff\x80", header: map[string]string{"Content-Encoding": "br"}}).client().
		Contacts.List(t.Context(), antcrm.ContactListParams{})
	assert.Contains(t, requireError[*antcrm.APIError](t, err).Message, "compressed with br")
}

// Without an out any text is as good as another, but not a part of a JSON value.
func TestDoWithoutAnOutTakesNoCutJSON(t *testing.T) {
	t.Parallel()
	for body, isGood := range map[string]bool{
		``: true, `Ok`: true, `"Ok"`: true, `{}`: true, `[]`: true, `{"success":1}`: true, ` {"success":1,"data":[1]} `: true, "\ufeff{}": true, `1`: true,
		`{"success":1`: false, `{`: false, `[1,`: false, `"O`: false, `{}x`: false, `{} {}`: false, `<p>`: false,
	} {
		err := scripted(t, ok(body)).client().Do(t.Context(), http.MethodPost, "/x", nil, nil, nil)
		if isGood {
			require.NoError(t, err, body)
			continue
		}
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, body)
		requireError[*antcrm.DecodeError](t, err)
	}
}

// A success that says neither yes nor no is named, on one line and not at length.
func TestADoubtfulSuccessIsNamed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"success":2}`:                   `success is 2, which`,
		`{"success":"ok\u0007\n"}`:        `success is "ok\u0007\n", which`,
		`{"success":"` + secretKey + `"}`: `success is "[redacted]", which`,
		`{"success":null}`:                `does not say success`,
		`{"message":"done"}`:              `does not say success`,
	} {
		err := scripted(t, ok(body)).client().Points.Accumulate(t.Context(), antcrm.AccumulateParams{Code: "c", Data: antcrm.AccumulateCustomer{Name: "n"}})
		require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown, body)
		assert.Contains(t, requireError[*antcrm.DecodeError](t, err).Problem, want)
		onOneLine(t, err)
	}
}

// A product's code and an error's have one name.
func TestAnErrorsCodeIsNoProductsID(t *testing.T) {
	t.Parallel()
	params := antcrm.ProductCreateParams{Name: "n", Code: "c", ExternalID: "x"}
	for body, outcome := range map[string]error{
		`{"success":1,"code":9457}`: nil, `{"code":9457}`: nil, `{"success":1,"code":9457,"message":"created"}`: nil,
		`{"error":"duplicate","code":11000}`: antcrm.ErrOutcomeUnknown, `{"message":"no","code":"E1","success":null}`: antcrm.ErrOutcomeUnknown,
		`{"success":false,"message":"no","code":"E1"}`: antcrm.ErrRejected,
	} {
		_, err := scripted(t, ok(body)).client().Products.Create(t.Context(), params)
		if outcome == nil {
			require.NoError(t, err, body)
			continue
		}
		require.ErrorIs(t, err, outcome, body)
	}
	_, err := scripted(t, ok(`{"message":"APPID_MISSING","code":401}`)).client().Products.List(t.Context(), antcrm.ProductListParams{})
	assert.Equal(t, "401", requireError[*antcrm.APIError](t, err).Code)
}
