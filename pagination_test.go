package antcrm_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func TestListSendsPageAndLimitOnlyWhenSet(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok("[]"), ok("[]"))
	client := server.client()
	page, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	assert.Equal(t, antcrm.Page[antcrm.Contact]{Items: page.Items, Page: 1}, *page)
	page, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{Page: 3, Limit: 500})
	require.NoError(t, err)
	assert.Equal(t, 3, page.Page)
	assert.Equal(t, 500, page.Limit)
	assert.Empty(t, server.all()[0].Query)
	sameQuery(t, "page=3&limit=500", server.all()[1].Query)
}

// getting is one Get of the SDK, with the wire name of the key it asks for.
type getting struct {
	name, key string
	get       func(ctx context.Context, c *antcrm.Client) (anyRecord, error)
}

func gettings() []getting {
	return []getting{
		{"lead", "leadId", func(ctx context.Context, c *antcrm.Client) (anyRecord, error) {
			return c.Contacts.Get(ctx, antcrm.LeadRef("2964"))
		}},
		{"customer", "customerId", func(ctx context.Context, c *antcrm.Client) (anyRecord, error) {
			return c.Contacts.Get(ctx, antcrm.CustomerRef("2964"))
		}},
		{"external", "customerIdApiRing", func(ctx context.Context, c *antcrm.Client) (anyRecord, error) {
			return c.Contacts.Get(ctx, antcrm.ExternalRef("2964"))
		}},
		{"opportunity", "number", func(ctx context.Context, c *antcrm.Client) (anyRecord, error) {
			return c.Opportunities.Get(ctx, "2964")
		}},
		{"product", "code", func(ctx context.Context, c *antcrm.Client) (anyRecord, error) { return c.Products.Get(ctx, "2964") }},
		{"ticket", "TicketId", func(ctx context.Context, c *antcrm.Client) (anyRecord, error) { return c.Tickets.Get(ctx, "2964") }},
	}
}

// KEY stands for the wire name of the key.
func TestGetReturnsTheRecordWithTheKeyAndNoOther(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, answer string
		want         error // nil: the record whose name is "it"
	}{
		{"alone", `[{"KEY":"2964","name":"it"}]`, nil},
		{"as a bare object", `{"KEY":"2964","name":"it"}`, nil},
		{"in an envelope", `{"success":true,"data":[{"KEY":"2964","name":"it"}],"total":1}`, nil},
		{"among others: the filter is ignored", `[{"KEY":"1","name":"a"},{"KEY":"2964","name":"it"},{"KEY":"3","name":"b"}]`, nil},
		{"among some without the key", `[{"name":"a"},{"KEY":"2964","name":"it"}]`, nil},
		{"alone without the key", `[{"name":"it"}]`, antcrm.ErrFilterIgnored},
		{"alone with an empty key", `[{"KEY":"","name":"it"}]`, antcrm.ErrFilterIgnored},
		{"alone with a null key", `[{"KEY":null,"name":"it"}]`, antcrm.ErrFilterIgnored},
		{"a bare object without the key", `{"name":"it"}`, antcrm.ErrFilterIgnored},
		{"another, alone", `[{"KEY":"1","name":"a"}]`, antcrm.ErrFilterIgnored},
		{"others", `[{"KEY":"1"},{"KEY":"29640"}]`, antcrm.ErrFilterIgnored},
		{"several without the key", `[{"name":"a"},{"name":"b"}]`, antcrm.ErrFilterIgnored},
		{"none", `[]`, antcrm.ErrNotFound},
		{"null", `null`, antcrm.ErrNotFound},
		{"an empty object", `{}`, antcrm.ErrNotFound},
		{"an empty envelope", `{"success":true,"data":[],"total":0}`, antcrm.ErrNotFound},
	} {
		for _, g := range gettings() {
			answer := strings.ReplaceAll(tt.answer, "KEY", g.key)
			record, err := g.get(t.Context(), scripted(t, ok(answer)).client())
			if tt.want == nil {
				require.NoError(t, err, "%s: %s", g.name, tt.name)
				assert.Contains(t, string(record.RawJSON()), `"name":"it"`, "%s: %s", g.name, tt.name)
				continue
			}
			require.ErrorIs(t, err, tt.want, "%s: %s", g.name, tt.name)
			assert.NotEqual(t, errors.Is(err, antcrm.ErrNotFound), errors.Is(err, antcrm.ErrFilterIgnored), "never both, %s: %s", g.name, tt.name)
			assert.Nil(t, reflect.ValueOf(record).Interface(), "%s: %s", g.name, tt.name)
			onOneLine(t, err, "2964")
			assert.Contains(t, err.Error(), g.key)
		}
	}
}

func TestGetReadsKeysThatAreNumbers(t *testing.T) {
	t.Parallel()
	for _, g := range gettings() {
		_, err := g.get(t.Context(), scripted(t, ok(`[{"`+g.key+`":2964}]`)).client())
		require.NoError(t, err, g.name)
		_, err = g.get(t.Context(), scripted(t, reply{status: http.StatusNotFound, body: "[]"}).client())
		require.ErrorIs(t, err, antcrm.ErrNotFound, g.name)
		require.NotErrorIs(t, err, antcrm.ErrFilterIgnored, g.name)
	}
}

// No page of the vendor lists these filters: a server that does not know them answers with whatever it has.
func TestAListWhoseFilterIsOursIsChecked(t *testing.T) {
	t.Parallel()
	contacts := func(answer string) (int, error) {
		page, err := scripted(t, ok(answer)).client().Contacts.List(t.Context(), antcrm.ContactListParams{ExternalID: "K-1"})
		if err != nil {
			assert.Nil(t, page)
			return 0, err
		}
		return len(page.Items), nil
	}
	ratings := func(answer string) (int, error) {
		page, err := scripted(t, ok(answer)).client().Ratings.List(t.Context(), antcrm.RatingListParams{Source: "K-1"})
		if err != nil {
			assert.Nil(t, page)
			return 0, err
		}
		return len(page.Items), nil
	}
	for key, list := range map[string]func(string) (int, error){"customerIdApiRing": contacts, "source": ratings} {
		for _, tt := range []struct {
			answer string
			want   int // records; below 0: ErrFilterIgnored
		}{
			{`[]`, 0},
			{`[{"KEY":"K-1"}]`, 1},
			{`[{"KEY":"K-1"},{"KEY":"K-1"}]`, 2},
			{`[{"KEY":"K-1"},{"KEY":"K-2"}]`, -1},
			{`[{"KEY":"K-1"},{"name":"n"}]`, -1},
			{`[{"KEY":"k-1"}]`, -1},
			{`[{"KEY":""}]`, -1},
			{`[{"KEY":null}]`, -1},
			{`{"name":"n"}`, -1},
		} {
			got, err := list(strings.ReplaceAll(tt.answer, "KEY", key))
			if tt.want < 0 {
				require.ErrorIs(t, err, antcrm.ErrFilterIgnored, tt.answer)
				require.NotErrorIs(t, err, antcrm.ErrNotFound)
				onOneLine(t, err, "K-1", "K-2")
				assert.Contains(t, err.Error(), key)
				continue
			}
			require.NoError(t, err, tt.answer)
			assert.Equal(t, tt.want, got, tt.answer)
		}
	}
	page, err := scripted(t, ok(`[{"name":"n"},{"customerIdApiRing":"K-2"}]`)).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err, "without the filter any record is welcome")
	assert.Len(t, page.Items, 2)
}

// The vendor lists these filters, and one record can have the value: several others were not filtered. A single one may
// be the record under another of its ids.
func TestAListByTheIDOfOneRecordIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	day := antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment(), SessionID: "7"}
	for key, list := range map[string]func(*antcrm.Client) error{
		"leadId": func(c *antcrm.Client) error {
			_, err := c.Contacts.List(ctx, antcrm.ContactListParams{LeadID: "7"})
			return err
		},
		"customerId": func(c *antcrm.Client) error {
			_, err := c.Contacts.List(ctx, antcrm.ContactListParams{CustomerID: "7"})
			return err
		},
		"number": func(c *antcrm.Client) error {
			_, err := c.Opportunities.List(ctx, antcrm.OpportunityListParams{Number: "7"})
			return err
		},
		"TicketId": func(c *antcrm.Client) error {
			_, err := c.Tickets.List(ctx, antcrm.TicketListParams{TicketID: "7"})
			return err
		},
		"sessionId": func(c *antcrm.Client) error { _, err := c.Messages.List(ctx, day); return err },
	} {
		for answer, ignored := range map[string]bool{
			`[]`:                          false,
			`[{"KEY":7}]`:                 false,
			`[{"KEY":8}]`:                 false,
			`[{"KEY":70},{"KEY":7}]`:      false,
			`[{"name":"a"},{"name":"b"}]`: false, // nothing says that they are others
			`[{"KEY":70},{"KEY":71}]`:     true,
			`[{"KEY":70},{"KEY":71},{}]`:  true,
		} {
			body := strings.ReplaceAll(answer, "KEY", key)
			if key == "sessionId" {
				body = `{"success":true,"data":{"sessions":` + body + `}}`
			}
			err := list(scripted(t, ok(body)).client())
			if ignored {
				require.ErrorIs(t, err, antcrm.ErrFilterIgnored, body)
			} else {
				require.NoError(t, err, body)
			}
		}
	}
	// A code may match parts of codes, and phones and addresses are written in many ways: the caller compares.
	_, err := scripted(t, ok(`[{"code":"TV-1"},{"code":"TV-2"}]`)).client().Products.List(ctx, antcrm.ProductListParams{Code: "TV"})
	require.NoError(t, err)
	_, err = scripted(t, ok(`[{"phones":[{"value":"+84 900 000 001"}]},{"phones":[]}]`)).client().Contacts.List(ctx, antcrm.ContactListParams{Phone: "0900000001"})
	require.NoError(t, err)
}
