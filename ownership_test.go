package antcrm_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// Who owns what was handed over: what one side changes afterwards does not reach the other.

func TestAClientIsNotChangedThroughWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	server := served(t, func(int, seen) reply { return ok(`[]`) })
	var hc http.Client
	hc.Transport = roundTrips(func(req *http.Request) (*http.Response, error) { return server.respond(req) })
	opts := []antcrm.Option{antcrm.WithHTTPClient(&hc), antcrm.WithUserAgent("mine")}
	client, err := antcrm.NewClient(secretKey, opts...)
	require.NoError(t, err)
	assert.Nil(t, hc.CheckRedirect, "the caller's client stays as it was")
	hc.Transport = roundTrips(func(*http.Request) (*http.Response, error) { panic("the caller's new transport") })
	hc.Timeout = time.Nanosecond
	opts[1] = antcrm.WithUserAgent("another")
	_, err = client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	assert.Equal(t, "mine", server.one().Header.Get("User-Agent"))
}

type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// An iteration can be begun later, and again: it keeps the options that it was made with.
func TestAnIterationKeepsItsOptions(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*antcrm.Client, []antcrm.CallOption) func() error{
		"contacts": func(c *antcrm.Client, opts []antcrm.CallOption) func() error {
			seq := c.Contacts.All(t.Context(), antcrm.ContactListParams{}, opts...)
			return func() error { _, err := antcrm.Collect(seq); return err }
		},
		"messages": func(c *antcrm.Client, opts []antcrm.CallOption) func() error {
			seq := c.Messages.All(t.Context(), antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment()}, opts...)
			return func() error { _, err := antcrm.Collect(seq); return err }
		},
	} {
		server := scripted(t, ok(`[]`), ok(`[]`))
		opts := []antcrm.CallOption{antcrm.WithHeader("X-Tenant", "a")}
		run := begin(server.client(), opts)
		opts[0] = antcrm.WithHeader("X-Tenant", "b")
		require.NoError(t, run(), name)
		require.NoError(t, run(), name)
		for _, req := range server.all() {
			assert.Equal(t, "a", req.Header.Get("X-Tenant"), name)
		}
	}
	server := newLedger(t)
	opts := []antcrm.BatchOption{antcrm.WithChunkSize(2)}
	seq := server.client().Contacts.Import(t.Context(), from(contacts(4), nil), opts...)
	opts[0] = antcrm.WithChunkSize(1)
	_, err := imported(t, seq)
	require.NoError(t, err)
	assert.Len(t, server.all(), 2)

	server = newLedger(t)
	calls := []antcrm.CallOption{antcrm.WithHeader("X-Tenant", "a")}
	option := antcrm.WithCallOptions(calls...)
	calls[0] = antcrm.WithHeader("X-Tenant", "b")
	_, err = server.client().Contacts.CreateBatch(t.Context(), contacts(1), option)
	require.NoError(t, err)
	assert.Equal(t, "a", server.one().Header.Get("X-Tenant"))
}

func TestCallsLeaveTheirParametersAsTheyWere(t *testing.T) {
	t.Parallel()
	server := served(t, func(_ int, req seen) reply {
		if req.Path == "/x" {
			return ok(`{}`)
		}
		return ok(`{"success":1,"leadId":[1,2,3],"number":7}`)
	})
	client := server.client()
	make3 := func() []antcrm.ContactCreateParams {
		list := contacts(3)
		list[1].Tags, list[1].Phones = antcrm.Tags{"b", "a"}, []antcrm.Phone{{Value: "0900000001"}}
		return list
	}
	list := make3()
	_, err := client.Contacts.CreateBatch(t.Context(), list, antcrm.WithChunkSize(3))
	require.NoError(t, err)
	assert.Equal(t, make3(), list)
	order := newOrder()
	order.LineItems = []antcrm.LineItem{{Name: "A"}}
	before := toJSON(t, order)
	_, err = client.Opportunities.Create(t.Context(), order)
	require.NoError(t, err)
	assert.Equal(t, before, toJSON(t, order))

	query, body := url.Values{"a": {"2", "1"}}, json.RawMessage(` {"a" : 1} `)
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/x", query, body, nil))
	assert.Equal(t, url.Values{"a": {"2", "1"}}, query)
	assert.Equal(t, ` {"a" : 1} `, string(body))
}

func TestRecordsShareNothingWithEachOther(t *testing.T) {
	t.Parallel()
	const first, second = `{"name":"A","cusFields":[{"name":"x","value":[1]}],"tags":["t"]}`, `{"name":"B","cusFields":[{"name":"x","value":[1]}],"tags":["t"]}`
	var response antcrm.Response
	page, err := scripted(t, ok(`[`+first+`,`+second+`]`)).client().Contacts.List(t.Context(), antcrm.ContactListParams{}, antcrm.WithResponse(&response))
	require.NoError(t, err)
	for i := range response.Body {
		response.Body[i] = '#'
	}
	a, b := page.Items[0], page.Items[1]
	raw := a.RawJSON()
	assert.Equal(t, first, string(raw))
	copy(raw, "##########")
	copy(a.CustomFields[0].Value, "###")
	a.Tags[0] = "changed"
	assert.Equal(t, first, string(a.RawJSON()), "RawJSON is the caller's to change")
	assert.Equal(t, second, string(b.RawJSON()))
	assert.Equal(t, "[1]", string(b.CustomFields[0].Value))
	assert.Equal(t, antcrm.Tags{"t"}, b.Tags)
	assert.Equal(t, "A", a.Name)
	var again antcrm.Contact
	require.NoError(t, a.Decode(&again))
	assert.Equal(t, antcrm.Tags{"t"}, again.Tags)
	copy(again.CustomFields[0].Value, "###")
	assert.Equal(t, first, string(a.RawJSON()))
}

func TestAnErrorsBodyAndAResponsesAreTwo(t *testing.T) {
	t.Parallel()
	const body = `{"success":false,"message":"no"}`
	for _, status := range []int{http.StatusOK, http.StatusConflict} {
		var response antcrm.Response
		_, err := scripted(t, reply{status: status, body: body, header: map[string]string{"X-A": "1"}}).client().
			Opportunities.Create(t.Context(), newOrder(), antcrm.WithResponse(&response))
		failure := requireError[*antcrm.APIError](t, err)
		require.Equal(t, body, string(failure.Body))
		copy(response.Body, "######")
		assert.Equal(t, body, string(failure.Body), status)
		failure.Body[0] = '#'
		assert.NotEqual(t, string(failure.Body), string(response.Body), status)
	}
}

func TestABatchsResultAndItsErrorAreTwo(t *testing.T) {
	t.Parallel()
	result, err := scripted(t, reply{status: http.StatusConflict, body: `{}`}).client().Contacts.CreateBatch(t.Context(), contacts(2))
	failures := requireError[*antcrm.BatchError](t, err).Failures
	require.Len(t, failures, 1)
	assert.Equal(t, result.Failures, failures)
	text := err.Error()
	result.Failures[0] = antcrm.BatchFailure{}
	assert.Equal(t, 2, failures[0].Count)
	require.ErrorIs(t, err, antcrm.ErrConflict)
	assert.Equal(t, text, err.Error())
	causes := requireError[*antcrm.BatchError](t, err).Unwrap()
	clear(causes)
	require.ErrorIs(t, err, antcrm.ErrConflict)
}

// A page's items can be appended to: nothing of another page stands behind them.
func TestAPagesItemsCanBeAppendedTo(t *testing.T) {
	t.Parallel()
	client := scripted(t, ok(`[{"leadId":1},{"leadId":2}]`), ok(`[{"leadId":3}]`)).client()
	first, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	all := slices.Clip(first.Items)
	second, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{Page: 2})
	require.NoError(t, err)
	all = append(all, second.Items...)
	first.Items[0].LeadID = "changed"
	assert.Equal(t, antcrm.ID("3"), second.Items[0].LeadID)
	assert.Len(t, all, 3)
}
