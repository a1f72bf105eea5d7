package antcrm

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// ZNSMessagesService lists the Zalo notification messages (ZNS) that were sent.
type ZNSMessagesService struct{ core *core }

// MessagesService lists the omnichannel messages, by session.
type MessagesService struct{ core *core }

// ZNSMessage is a Zalo notification message. The vendor documents none of its fields: use RawJSON and Decode for the
// others.
type ZNSMessage struct {
	Record `json:"-"`

	ID        ID        `json:"_id,omitzero"`
	CreatedAt Timestamp `json:"createdAt,omitzero"`
}

// ZNSMessageListParams filters a list of messages. Fields that are not set are not sent.
type ZNSMessageListParams struct {
	redacted

	Campaign string    // name or code
	From     time.Time // wire name dateStart, milliseconds
	To       time.Time // wire name dateEnd, milliseconds
	Page     int       // from 1
	Limit    int       // records a page; the vendor's default is 50
}

func (p ZNSMessageListParams) filters() *filters {
	f := newFilters()
	f.text("campaign", p.Campaign)
	f.millis("dateStart", p.From)
	f.millis("dateEnd", p.To)
	f.paging(p.Page, p.Limit)
	return f
}

// MessageSession is a conversation and its messages.
type MessageSession struct {
	Record `json:"-"`

	SessionID      ID        `json:"sessionId,omitzero"`
	ConversationID ID        `json:"conversationId,omitzero"`
	PageID         ID        `json:"pageId,omitzero"`
	CreatedAt      Timestamp `json:"createdAt,omitzero"`
	LeadID         ID        `json:"leadId,omitzero"`     // set if the session is a lead's
	CustomerID     ID        `json:"customerId,omitzero"` // set if the session is a customer's
	Messages       []Message `json:"messages,omitzero"`
}

// Message is a message of a session. The session's RawJSON has its other fields.
type Message struct {
	redacted

	ID             ID              `json:"_id,omitzero"`
	Attachments    json.RawMessage `json:"attachments,omitzero"` // an object with data
	Shares         json.RawMessage `json:"shares,omitzero"`      // an object with data
	Channel        string          `json:"channel,omitzero"`
	ErrorMessage   string          `json:"errorMessage,omitzero"`
	Outbound       Flag            `json:"isOutboundMessage,omitzero"`
	RespondedByBot Flag            `json:"isResponsedByBot,omitzero"`
}

// MessageListParams filters the sessions. CreatedFrom and CreatedTo are required.
type MessageListParams struct {
	redacted

	CreatedFrom time.Time // wire name created_from
	CreatedTo   time.Time // wire name created_to
	SessionID   ID
	Limit       int // messages (not sessions) an answer: a session may continue in the next answer
	Offset      int // messages to skip (our decision: the vendor does not say what it counts)
}

func (p MessageListParams) filters() *filters {
	f := newFilters()
	if p.CreatedFrom.IsZero() {
		f.fail("created_from", "is required")
	}
	if p.CreatedTo.IsZero() {
		f.fail("created_to", "is required")
	}
	f.time("created_from", p.CreatedFrom)
	f.time("created_to", p.CreatedTo)
	f.id("sessionId", p.SessionID)
	f.count("limit", p.Limit)
	f.count("offset", p.Offset)
	return f
}

func (s *ZNSMessagesService) endpoint() listEndpoint[ZNSMessage] {
	return listEndpoint[ZNSMessage]{
		core: coreOf(s), op: "list ZNS messages", path: "/znsmsg", emptyOn404: true,
		id: func(m *ZNSMessage) string { return identity("id", m.ID) },
	}
}

// List returns one page of messages (GET /znsmsg). The vendor documents a 404 as "no data": a 404 with a JSON body
// without data is an empty page.
func (s *ZNSMessagesService) List(ctx context.Context, params ZNSMessageListParams, opts ...CallOption) (*Page[ZNSMessage], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the messages of every page, from params.Page on (GET /znsmsg). Break out of the loop to stop it.
func (s *ZNSMessagesService) All(ctx context.Context, params ZNSMessageListParams, opts ...CallOption) iter.Seq2[ZNSMessage, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}

func (s *MessagesService) endpoint() listEndpoint[MessageSession] {
	return listEndpoint[MessageSession]{
		core: coreOf(s), op: "list messages", path: "/messages", advance: countMessages,
		nested: "sessions", // {"data": {"sessions": […]}} where the other lists have the array itself as data
		id:     (*MessageSession).part,
		fields: []filterField[MessageSession]{
			{name: "sessionId", value: func(m *MessageSession) string { return string(m.SessionID) }, trust: trustUnique},
		},
	}
}

// part identifies the part of a session that an answer has: the session may continue in the next answer.
func (m *MessageSession) part() string {
	if m.SessionID == "" {
		return ""
	}
	id := identity("session", m.SessionID)
	for i := range m.Messages {
		if m.Messages[i].ID == "" {
			return ""
		}
		id += " " + string(m.Messages[i].ID)
	}
	return id
}

// countMessages returns by how much an answer moves the offset. The offset counts messages, as the limit does (our
// decision). An answer without messages moves it by its sessions, so that it moves at all.
func countMessages(sessions []MessageSession) int {
	count := 0
	for i := range sessions {
		count += len(sessions[i].Messages)
	}
	if count == 0 {
		return len(sessions)
	}
	return count
}

// List returns the sessions from params.Offset on, with their messages (GET /messages).
func (s *MessagesService) List(ctx context.Context, params MessageListParams, opts ...CallOption) ([]MessageSession, error) {
	page, err := s.endpoint().page(ctx, params.filters(), opts)
	if err != nil {
		return nil, err
	}
	return page.Items, nil
}

// All iterates over the sessions from params.Offset on, answer by answer (GET /messages). Break out of the loop to stop
// it.
//
// The limit counts messages, so a session may continue in the next answer: it is then yielded again, with its later
// messages only. Each offset is the one before plus the messages received (our decision). If the server's offset counts
// sessions instead, All misses some.
func (s *MessagesService) All(ctx context.Context, params MessageListParams, opts ...CallOption) iter.Seq2[MessageSession, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}
