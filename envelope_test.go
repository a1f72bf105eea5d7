package antcrm_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestAPIErrorsReadTheMessageWhereverItIs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ă", 400)
	for _, tt := range []struct{ name, body, message, code string }{
		{"message", `{"success":false,"message":"APPID_MISSING"}`, "APPID_MISSING", ""},
		{"error", `{"error":"no such key"}`, "no such key", ""},
		{"error object", `{"error":{"message":"no such key","code":"K1"}}`, "no such key", "K1"},
		{"errors", `{"errors":["name is required",{"message":"SLA is required"}]}`, "name is required; SLA is required", ""},
		{"errors by field", `{"errors":{"name":["is required","is short"]}}`, "name: is required; is short", ""},
		{"msg", `{"msg":"no"}`, "no", ""},
		{"list of messages", `{"statusCode":400,"message":["a","b"],"error":"Bad Request"}`, "a; b", ""},
		{"empty message beside an error", `{"message":" ","error":"no"}`, "no", ""},
		{"null message", `{"message":null,"msg":"no","code":null}`, "no", ""},
		{"code", `{"message":"no","code":17}`, "no", "17"},
		{"errorCode", `{"message":"no","errorCode":"E-17"}`, "no", "E-17"},
		{"code of another kind", `{"message":"no","code":{"a":1}}`, "no", ""},
		{"code, and another of another kind", `{"message":"no","errorCode":"E-17","code":{"a":1}}`, "no", "E-17"},
		{"detail", `{"error":{"detail":"the detail"}}`, "the detail", ""},
		{"nothing said", `{"success":false}`, "", ""},
		{"HTML", "<html>\n<body>502\tBad Gateway</body></html>", "<html> <body>502 Bad Gateway</body></html>", ""},
		{"text", "  service unavailable\r\n", "service unavailable", ""},
		{"JSON string", `"no \"such\" key"`, `no "such" key`, ""},
		{"array", `["no"]`, `["no"]`, ""},
		{"cut JSON", `{"message":"no`, `{"message":"no`, ""},
		{"empty", "", "", ""},
		{"control characters", `{"message":"a\r\nb\u0000\u001b[31mc\u2028d\u202ee"}`, "a b [31mc de", ""},
		{"long", `{"message":"` + long + `"}`, strings.Repeat("ă", 299) + "…", ""},
		{"the key echoed", `{"message":"key ` + secretKey + ` is unknown","code":"` + secretKey + `"}`, "key [redacted] is unknown", "[redacted]"},
		{"byte order mark", "\ufeff{\"message\":\"no\"}", "no", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, reply{status: http.StatusBadRequest, body: tt.body, header: map[string]string{"X-Request-Id": "req-1", "Retry-After": "3"}}).
				client().Tickets.Get(t.Context(), "1")
			failure := requireError[*antcrm.APIError](t, err)
			assert.Equal(t, tt.message, failure.Message)
			assert.Equal(t, tt.code, failure.Code)
			assert.Equal(t, "req-1", failure.RequestID)
			assert.Equal(t, 3*time.Second, failure.RetryAfter)
			assert.NotContains(t, string(failure.Body), secretKey)
			onOneLine(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), "antcrm: get ticket: GET /tickets: 400 Bad Request"), err.Error())
		})
	}
}

// A hostile nesting must cost no more than reading it.
func TestAPIErrorsOfAnyDepthAreReadQuickly(t *testing.T) {
	t.Parallel()
	deep := `{"success":false,"message":` + strings.Repeat(`{"a":[`, 4000) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat(`]}`, 4000) + `}`
	_, err := scripted(t, ok(deep)).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.ErrorIs(t, err, antcrm.ErrRejected)
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
