package antcrm

import (
	"context"
	"iter"
	"time"
)

// RatingsService lists the ratings by customers.
type RatingsService struct{ core *core }

// The rating types of the vendor's page.
const (
	RatingTypeTicket = "ticket"
	RatingTypeDeal   = "deal"
	RatingTypeCall   = "call"
	RatingTypeOmni   = "omni"
	RatingTypeOther  = "other"
)

// Rating is a rating as the CRM lists it.
type Rating struct {
	Record `json:"-"`

	ID      ID             `json:"_id,omitzero"`
	Org     ID             `json:"org,omitzero"`
	Session *RatingSession `json:"session,omitzero"`
	Contact *Contact       `json:"contact,omitzero"`
	Score   Score          `json:"rating_score"`
	Comment string         `json:"comment,omitzero"`
	RatedAt Timestamp      `json:"rating_time,omitzero"`
	Type    string         `json:"type,omitzero"`   // ticket, deal, call, omni, other
	Source  string         `json:"source,omitzero"` // ZNS, EMAIL, ECOM, CALL, ZALO, FACEBOOK
}

// RatingSession is the conversation that was rated.
type RatingSession struct {
	redacted

	ID                 ID        `json:"_id,omitzero"`
	Channel            string    `json:"channel,omitzero"`
	Normalized         string    `json:"normalize,omitzero"`
	Done               Flag      `json:"isDone,omitzero"`
	Score              Score     `json:"rating_value"`
	Comment            string    `json:"rating_comment,omitzero"`
	ConversationID     ID        `json:"conversationId,omitzero"`
	ConversationName   string    `json:"conversationName,omitzero"`
	Snippet            string    `json:"snippet,omitzero"`
	SenderName         string    `json:"senderName,omitzero"`
	SenderAvatar       string    `json:"senderAvatar,omitzero"`
	ConversationAvatar string    `json:"conversationAvatar,omitzero"`
	PageID             ID        `json:"pageId,omitzero"`
	DoneAt             Timestamp `json:"doneAt,omitzero"`
}

// RatingListParams filters a list of ratings. Fields that are not set are not sent.
type RatingListParams struct {
	redacted

	From   time.Time // wire name dateStart: time of the rating
	To     time.Time // wire name dateEnd
	Type   string    // ticket, deal, call, omni, other; passed as given
	Score  Decimal   // wire name rating_score: "0" and "4.5" can be asked for; "" is any
	Source string    // ZNS, EMAIL, ECOM, CALL, ZALO, FACEBOOK; the server may not know this filter: see List
	Page   int       // from 1
	Limit  int       // records a page, 100 at most by the vendor's page; passed as given
}

func (p RatingListParams) filters() *filters {
	f := newFilters()
	f.time("dateStart", p.From)
	f.time("dateEnd", p.To)
	f.text("type", p.Type)
	f.decimal("rating_score", p.Score)
	f.text("source", p.Source)
	f.paging(p.Page, p.Limit)
	return f
}

func (s *RatingsService) endpoint() listEndpoint[Rating] {
	return listEndpoint[Rating]{
		core: coreOf(s), op: "list ratings", path: "/rating",
		id: func(r *Rating) string { return identity("id", r.ID) },
		fields: []filterField[Rating]{
			{name: "source", value: func(r *Rating) string { return r.Source }, trust: trustNothing},
		},
	}
}

// List returns one page of ratings (GET /rating).
//
// The filter by Source is our decision: the vendor's page prints its values beside rating_score, and as values of a
// record's source. The server may not know the filter. If a record of the page has another source, or none, the error
// is ErrFilterIgnored.
func (s *RatingsService) List(ctx context.Context, params RatingListParams, opts ...CallOption) (*Page[Rating], error) {
	return s.endpoint().page(ctx, params.filters(), opts)
}

// All iterates over the ratings of every page, from params.Page on (GET /rating). Break out of the loop to stop it. As
// for List, a page that was not filtered by Source is ErrFilterIgnored; none of its records is yielded.
func (s *RatingsService) All(ctx context.Context, params RatingListParams, opts ...CallOption) iter.Seq2[Rating, error] {
	return s.endpoint().all(ctx, params.filters(), opts)
}
