package antcrm_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func messageOperations(tb testing.TB) []operation {
	from, to := moment(), moment().AddDate(0, 0, 1)
	params := antcrm.ZNSMessageListParams{Campaign: "spring sale", From: from, To: to, Page: 2, Limit: 50}
	zns := listing[antcrm.ZNSMessage]{
		name: "ZNSMessages", path: "/znsmsg", query: "campaign=spring sale&dateStart=1710311060673&dateEnd=1710397460673&page=2&limit=50", emptyOn404: true,
		answer: `{"success":true,"data":[{"_id":"a","createdAt":"2024-03-13T06:24:20.673Z"}]}`, want: `[{"_id":"a","createdAt":1710311060673}]`,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.ZNSMessage], error) {
			return c.ZNSMessages.List(ctx, params, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.ZNSMessage] {
			return c.ZNSMessages.All(ctx, params, opts...)
		},
	}
	sessions := antcrm.MessageListParams{CreatedFrom: from, CreatedTo: to, SessionID: "66139e5904bf311bf963a979", Limit: 50, Offset: 100}
	list := operation{
		name: "Messages.List", method: http.MethodGet, path: "/messages",
		query:   "created_from=2024-03-13T06:24:20.673Z&created_to=2024-03-14T06:24:20.673Z&sessionId=66139e5904bf311bf963a979&limit=50&offset=100",
		answers: []string{`{"success":true,"data":{"sessions":[{"sessionId":"a","leadId":2964}]}}`}, want: `[{"sessionId":"a","leadId":"2964"}]`,
		call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
			return c.Messages.List(ctx, sessions, opts...)
		},
	}
	all := list
	all.name, all.answers = "Messages.All", append(list.answers, `{"success":true,"data":{"sessions":[]}}`)
	all.call = func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
		return antcrm.Collect(c.Messages.All(ctx, sessions, append(opts, antcrm.WithReadAhead(0))...))
	}
	return append(zns.operations(), list, all)
}

func TestMessageSampleIsDecodedFieldByField(t *testing.T) {
	t.Parallel()
	server := scripted(t, ok(sample(t, "messages.json")))
	sessions, err := server.client().Messages.List(t.Context(), antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment()})
	require.NoError(t, err)
	require.Len(t, sessions, 2)
	first, second := sessions[0], sessions[1]
	assert.Equal(t, antcrm.ID("66139e5904bf311bf963a979"), first.SessionID)
	assert.Equal(t, antcrm.ID("36700000000000000000000000000000000000"), first.ConversationID)
	assert.Equal(t, antcrm.ID("3670000000000000000"), first.PageID)
	assert.True(t, first.CreatedAt.Equal(moment()))
	assert.Equal(t, antcrm.ID("2964"), first.LeadID)
	assert.Equal(t, antcrm.ID("475"), second.CustomerID)
	assert.True(t, second.CreatedAt.Equal(moment()))

	require.Len(t, first.Messages, 2)
	sent, received := first.Messages[0], first.Messages[1]
	assert.Equal(t, antcrm.ID("66139e5904bf311bf963a980"), sent.ID)
	assert.JSONEq(t, `{"data":[{"url":"https://example.com/a.jpg"}]}`, string(sent.Attachments))
	assert.JSONEq(t, `{"data":[]}`, string(sent.Shares))
	assert.Equal(t, "ZALO", sent.Channel)
	assert.True(t, sent.Outbound.Bool())
	assert.Equal(t, antcrm.No, sent.RespondedByBot)
	assert.Empty(t, sent.ErrorMessage)
	assert.Equal(t, antcrm.Yes, received.RespondedByBot)
	assert.Equal(t, "not delivered", received.ErrorMessage)
	assert.Contains(t, string(first.RawJSON()), `"text": "hello"`)
}

func TestMessagesNeedAPeriod(t *testing.T) {
	t.Parallel()
	messages := scripted(t).client().Messages
	for want, params := range map[string]antcrm.MessageListParams{
		"created_from": {CreatedTo: moment()},
		"created_to":   {CreatedFrom: moment()},
		"offset":       {CreatedFrom: moment(), CreatedTo: moment(), Offset: -1},
	} {
		_, err := messages.List(t.Context(), params)
		assert.Equal(t, want, requireError[*antcrm.ValidationError](t, err).Field)
	}
}

func TestMessagesWithoutSessionsAreNone(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"success":true,"data":{"sessions":[]}}`, `{"success":true,"data":{"sessions":null}}`, `{"success":true,"data":null}`, `{"success":true,"data":[]}`} {
		sessions, err := scripted(t, ok(answer)).client().Messages.List(t.Context(), antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment()})
		require.NoError(t, err, answer)
		assert.Empty(t, sessions, answer)
	}
}

// The vendor documents a 404 of this endpoint, and of no other, as "no data".
func TestZNS404WithoutDataIsAnEmptyPage(t *testing.T) {
	t.Parallel()
	none := func(body string) reply { return reply{status: http.StatusNotFound, body: body} }
	for _, body := range []string{`{"success":false,"message":"no data"}`, `{"success":true,"data":[]}`, `{"data":null}`, `[]`, `null`, `{}`} {
		page, err := scripted(t, none(body)).client().ZNSMessages.List(t.Context(), antcrm.ZNSMessageListParams{})
		require.NoError(t, err, body)
		assert.Empty(t, page.Items, body)
	}
	for _, body := range []string{"", "<html>not here</html>", `{"data":[{"_id":"a"}]}`, `"text"`, `{"success":`} {
		_, err := scripted(t, none(body)).client().ZNSMessages.List(t.Context(), antcrm.ZNSMessageListParams{})
		require.ErrorIs(t, err, antcrm.ErrNotFound, body)
	}
	_, err := scripted(t, none(`{"success":false,"data":[]}`)).client().Campaigns.List(t.Context(), antcrm.CampaignListParams{})
	require.ErrorIs(t, err, antcrm.ErrNotFound, "another list")

	// In an iteration it is the end of the list.
	items, err := antcrm.Collect(scripted(t, ok(`{"success":true,"data":[{"_id":"a"}]}`), none(`{"success":false}`)).client().ZNSMessages.All(t.Context(), antcrm.ZNSMessageListParams{}))
	require.NoError(t, err)
	assert.Len(t, items, 1)
}

// The limit counts messages, and so does the offset: a session that an answer has cut goes on in the next one.
func TestMessagesAreIteratedByOffset(t *testing.T) {
	t.Parallel()
	period := antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment(), Limit: 3}
	// The messages 0 to 7 belong to the sessions a, a, a, a, a, b, c, c.
	sessions := "aaaaabcc"
	forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
		for start, offsets := range map[int][]string{0: {"0", "3", "6", "8"}, 2: {"2", "5", "8"}} {
			server := served(t, func(_ int, req seen) reply {
				offset, err := strconv.Atoi(req.Query.Get("offset"))
				assert.NoError(t, err)
				assert.Empty(t, req.Query.Get("page"))
				var answer []string
				for n := offset; n < min(offset+3, len(sessions)); {
					id, messages := sessions[n], []string{}
					for ; n < min(offset+3, len(sessions)) && sessions[n] == id; n++ {
						messages = append(messages, fmt.Sprintf(`{"_id":"%d"}`, n))
					}
					answer = append(answer, fmt.Sprintf(`{"sessionId":"%c","messages":[%s]}`, id, strings.Join(messages, ",")))
				}
				return ok(`{"success":true,"data":{"sessions":[` + strings.Join(answer, ",") + `]}}`)
			})
			params := period
			params.Offset = start
			var got []string
			for session, err := range server.client().Messages.All(t.Context(), params, ahead) {
				require.NoError(t, err)
				for _, message := range session.Messages {
					got = append(got, string(session.SessionID)+string(message.ID))
				}
			}
			assert.Equal(t, []string{"a0", "a1", "a2", "a3", "a4", "b5", "c6", "c7"}[start:], got)
			assert.Equal(t, offsets, asked(server, "offset"))
		}
	})
}

func TestMessagesOfAServerThatIgnoresTheOffsetComeOnce(t *testing.T) {
	t.Parallel()
	period := antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment()}
	for _, session := range []string{`{"sessionId":"1"}`, `{"sessionId":"1","messages":[{"_id":"a"},{"_id":"b"}]}`, `{"sessionId":"1","messages":[{"channel":"ZALO"}]}`} {
		answer := ok(`{"data":{"sessions":[` + session + `]}}`)
		all, err := antcrm.Collect(scripted(t, answer, answer).client().Messages.All(t.Context(), period))
		require.ErrorIs(t, err, antcrm.ErrRepeatedPage, session)
		assert.Len(t, all, 1, session)
	}
}

// Messages whose ids the server does not print are told apart by the text of their part of the session.
func TestASessionGoesOnWithoutMessageIDs(t *testing.T) {
	t.Parallel()
	period := antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment()}
	server := scripted(t,
		ok(`{"data":{"sessions":[{"sessionId":"1","messages":[{"text":"a"},{"text":"b"}]}]}}`),
		ok(`{"data":{"sessions":[{"sessionId":"1","messages":[{"text":"c"}]}]}}`),
		ok(`{"data":{"sessions":[]}}`))
	all, err := antcrm.Collect(server.client().Messages.All(t.Context(), period))
	require.NoError(t, err)
	assert.Len(t, all, 2)
	assert.Equal(t, []string{"0", "2", "3"}, asked(server, "offset"))
}
