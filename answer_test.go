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
