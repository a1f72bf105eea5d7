package antcrm_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func ticketOperations(tb testing.TB) []operation {
	params := antcrm.TicketListParams{
		TicketID: "174640001", TimeField: antcrm.TicketTimeUpdated, From: moment(), To: moment().In(hanoi()).AddDate(0, 0, 1), IncludeDeleted: true, Page: 2, Limit: 50,
	}
	list := listing[antcrm.Ticket]{
		name: "Tickets", path: "/tickets",
		query: "TicketId=174640001&typeTime=updatedAt&startDate=2024-03-13T06:24:20.673Z&endDate=2024-03-14T06:24:20.673Z" +
			"&isTicketDeleted=true&page=2&limit=50",
		answer: `[{"TicketId":17464,"contact":{"name":"Mai"},"files":[{"b":2}]}]`, want: `[{"TicketId":"17464","contact":{"name":"Mai"},"files":[{"b":2}]}]`,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.Ticket], error) {
			return c.Tickets.List(ctx, params, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.Ticket] {
			return c.Tickets.All(ctx, params, opts...)
		},
	}
	create := sample(tb, "ticket-create.json")
	update := sample(tb, "ticket-update.json")
	return append(list.operations(),
		operation{
			name: "Tickets.Get", method: http.MethodGet, path: "/tickets", query: "TicketId=174640001",
			answers: []string{`[{"TicketId":174640001}]`}, want: `{"TicketId":"174640001"}`,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Tickets.Get(ctx, "174640001", opts...)
			},
		},
		operation{
			name: "Tickets.Create", method: http.MethodPost, path: "/tickets", body: create,
			answers: []string{`{"success":1,"TicketId":9457}`}, want: `"9457"`, promisesID: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Tickets.Create(ctx, fromJSON[antcrm.TicketCreateParams](tb, create), opts...)
			},
		},
		operation{
			name: "Tickets.Update", method: http.MethodPut, path: "/tickets", body: update,
			// The vendor prints number where a creation has TicketId.
			answers: []string{`{"success":1,"number":9457}`}, want: `"9457"`, promisesID: true,
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return c.Tickets.Update(ctx, "174640001", fromJSON[antcrm.TicketUpdateParams](tb, update), opts...)
			},
		},
		operation{
			name: "Tickets.Delete", method: http.MethodDelete, path: "/tickets",
			query: "TicketId=174640001", body: `{"TicketId":"174640001"}`, answers: []string{`{"success":1}`},
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return nil, c.Tickets.Delete(ctx, "174640001", opts...)
			},
		},
	)
}

func TestTicketSampleIsDecodedFieldByField(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(sample(t, "tickets.json"))).client().Tickets.List(t.Context(), antcrm.TicketListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	k := page.Items[0]
	assert.Equal(t, antcrm.ID("17464"), k.TicketID)
	assert.Equal(t, "agent@example.com", k.AssignedTo)
	assert.Equal(t, "Medium", k.Priority)
	assert.Equal(t, "Assigned", k.Status)
	assert.Equal(t, "<p>test</p>", k.Summary)
	assert.Equal(t, "[Phone] test", k.Title)
	assert.Empty(t, k.SLA+k.Group+k.Category+k.Resolution+k.ExternalID)
	assert.Equal(t, &antcrm.Contact{}, k.Contact)
	assert.JSONEq(t, `{}`, string(k.Opportunity))
	assert.Empty(t, k.Files)
	assert.Empty(t, k.CustomFields)
	assert.True(t, k.CreatedAt.IsZero() && k.UpdatedAt.IsZero())
}

func TestTicketUpdatePrefersTicketIdOverNumber(t *testing.T) {
	t.Parallel()
	id, err := scripted(t, ok(`{"success":1,"number":1,"TicketId":2}`)).client().Tickets.Update(t.Context(), "2", antcrm.TicketUpdateParams{Status: new("Closed")})
	require.NoError(t, err)
	assert.Equal(t, antcrm.ID("2"), id)
}
