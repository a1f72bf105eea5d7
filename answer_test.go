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
		{"deflate", "\x78\x9c\x8b\x8e\x05\x00", "application/json", "deflate", "compressed with deflate"},
		{"an alias of gzip", "\x1f\x8b\x08\x00", "application/json", "X-Gzip", "compressed with x-gzip"},
		{"gzip twice", "\x1f\x8b\x08\x00", "application/json", "gzip, gzip", "compressed with gzip, gzip"},
		{"brotli that begins like HTML", "<\xff\x80", "text/html", "BR", "compressed with br"},
		{"brotli that begins like JSON", "{\xff\x80", "application/json", "br", "compressed with br"},
		{"UTF-8 in quotes", `[{"_id":"a"}]`, `application/json; charset='UTF-8'`, "", ""},
		{"UTF-8 in quotes, not all of it", latin, `application/json; charset='UTF-8'`, "", ""},
		{"twice the same charset", `[{"_id":"a"}]`, "application/json; charset=utf-8; charset=utf-8", "", ""},
		{"UTF-16 in capitals", "\x00[\x00{\x00}\x00]", `application/json; charset="UTF-16BE"`, "", "charset utf-16be"},
		{"UTF-16 HTML", "<\x00p\x00>\x00", "text/html; charset=UTF-16", "", "charset utf-16"},
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
			for _, out := range []any{new(any), nil} {
				if out == nil && tt.body == latin {
					continue // is JSON all the same, and nobody wants its texts
				}
				err = client.Do(t.Context(), http.MethodPost, "/x", nil, nil, out)
				require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
				assert.Contains(t, requireError[*antcrm.DecodeError](t, err).Problem, tt.want, "out: %T", out)
			}
			if tt.body != latin {
				_, err = client.Contacts.Create(t.Context(), contact(1))
				require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
				assert.Contains(t, requireError[*antcrm.DecodeError](t, err).Problem, tt.want)
			}
		})
	}
}

// Where the charset says that the bytes are of another one, no letter is replaced in silence: not in a record, not in a
// result of the caller's, not in an id, not in a refusal's message.
func TestLettersOfAnotherCharsetAreNotReplacedInSilence(t *testing.T) {
	t.Parallel()
	const want = "charset windows-1258"
	said := func(status int, body string) *antcrm.Client {
		header := map[string]string{"Content-Type": "application/json; charset=Windows-1258"}
		return served(t, func(int, seen) reply { return reply{status: status, body: body, header: header} }).client()
	}
	lists := map[string]func(*antcrm.Client) error{
		"List": func(c *antcrm.Client) error { return failed(c.Contacts.List(t.Context(), antcrm.ContactListParams{})) },
		"Get":  func(c *antcrm.Client) error { return failed(c.Contacts.Get(t.Context(), antcrm.LeadRef("1"))) },
		"All": func(c *antcrm.Client) error {
			return failed(antcrm.Collect(c.Contacts.All(t.Context(), antcrm.ContactListParams{})))
		},
		"Do": func(c *antcrm.Client) error {
			return c.Do(t.Context(), http.MethodGet, "/x", nil, nil, new([]struct{ Name string }))
		},
	}
	for name, list := range lists {
		assert.Contains(t, requireError[*antcrm.DecodeError](t, list(said(200, "[{\"leadId\":\"1\",\"name\":\"Nguy\xean\"}]"))).Problem, want, name)
	}
	_, err := said(200, "{\"success\":1,\"number\":\"SO-\xd0\"}").Opportunities.Create(t.Context(), newOrder())
	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)
	failure := requireError[*antcrm.DecodeError](t, err)
	assert.Contains(t, failure.Problem, want)
	assert.Equal(t, "/number", failure.Path)

	id, err := said(200, "{\"success\":1,\"number\":\"SO-1\",\"message\":\"xong r\xf4i\"}").Opportunities.Create(t.Context(), newOrder())
	require.NoError(t, err, "the letter is in no part of the result")
	assert.Equal(t, antcrm.ID("SO-1"), id)
	require.NoError(t, said(200, "{\"success\":1,\"message\":\"xong r\xf4i\"}").Do(t.Context(), http.MethodPost, "/x", nil, nil, nil))

	for _, status := range []int{200, 400, 500} {
		_, err = said(status, "{\"success\":0,\"message\":\"Kh\xf4ng c\xf3\"}").Opportunities.Create(t.Context(), newOrder())
		message := requireError[*antcrm.APIError](t, err).Message
		assert.Contains(t, message, want)
		assert.Contains(t, message, "Khng c", "what could be read")
		_, err = said(status, `{"success":0,"message":"Khong co"}`).Opportunities.Create(t.Context(), newOrder())
		assert.Equal(t, "Khong co", requireError[*antcrm.APIError](t, err).Message)
	}
}

func TestAnErrorPageThatCannotBeReadSaysWhy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, contentType, coding, want string }{
		{"\x0b\xff\x80", "", "br", "compressed with br"},
		{"{\xff\x80", "", "br", "compressed with br"},
		{"\"\xff\x80", "", "zstd", "compressed with zstd"},
		{"{\x00\"\x00m\x00", "application/json; charset=utf-16", "", "charset utf-16"},
		{"\x00<\x00p\x00>", "text/html; charset=utf-16", "", "charset utf-16"},
		{"Kh\xf4ng", "text/plain; charset=windows-1258", "", "charset windows-1258"},
		{"not compressed", "text/plain", "br", "not compressed"},
	} {
		_, err := scripted(t, reply{status: http.StatusBadRequest, body: tt.body, header: map[string]string{"Content-Encoding": tt.coding, "Content-Type": tt.contentType}}).client().
			Contacts.List(t.Context(), antcrm.ContactListParams{})
		assert.Contains(t, requireError[*antcrm.APIError](t, err).Message, tt.want)
		onOneLine(t, err)
	}
}
