package antcrm_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func ratingOperations(testing.TB) []operation {
	params := antcrm.RatingListParams{From: moment(), To: moment().AddDate(0, 0, 1), Type: antcrm.RatingTypeOmni, Score: "4.5", Source: "ZALO", Page: 2, Limit: 50}
	return listing[antcrm.Rating]{
		name: "Ratings", path: "/rating", query: dates + "&type=omni&rating_score=4.5&source=ZALO&page=2&limit=50",
		answer: `{"success":true,"data":[{"_id":"a","rating_score":4.5,"comment":null,"source":"ZALO"}],"limit":20}`, want: `[{"_id":"a","rating_score":4.5,"source":"ZALO"}]`,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.Rating], error) {
			return c.Ratings.List(ctx, params, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.Rating] {
			return c.Ratings.All(ctx, params, opts...)
		},
	}.operations()
}

func TestRatingSampleIsDecodedFieldByField(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(sample(t, "ratings.json"))).client().Ratings.List(t.Context(), antcrm.RatingListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.False(t, page.HasTotal, "the vendor's own sample has none")
	assert.Equal(t, 20, page.Limit)

	r := page.Items[0]
	assert.Equal(t, antcrm.ID("6613a508dc31dd206d0239b5"), r.ID)
	assert.Equal(t, antcrm.ID("62c10674cbe832bc9245a5b8"), r.Org)
	assert.Equal(t, antcrm.Score(3), r.Score)
	assert.Empty(t, r.Comment)
	assert.Equal(t, int64(1712563464292), r.RatedAt.UnixMilli())
	assert.Equal(t, antcrm.RatingTypeOmni, r.Type)
	assert.Equal(t, "ZALO", r.Source)
	assert.Equal(t, &antcrm.RatingSession{
		ID: "66139e5904bf311bf963a979", Channel: "ZALO", Normalized: "sample-name", Done: antcrm.Yes, Score: 3,
		ConversationID: "36700000000000000000000000000000000000", ConversationName: "Sample Name", Snippet: "text", SenderName: "Sample Name",
		SenderAvatar: "https://example.com/a.jpg", ConversationAvatar: "https://example.com/a.jpg", PageID: "3670000000000000000",
		DoneAt: antcrm.NewTimestamp(time.UnixMilli(1712738571708)),
	}, r.Session)
	require.NotNil(t, r.Contact)
	assert.Equal(t, antcrm.ID("66139e5804bf311bf963a975"), r.Contact.ID)
	assert.Equal(t, antcrm.LeadRef("2964"), r.Contact.Ref())
	assert.Equal(t, antcrm.GenderOther, r.Contact.Gender)
	assert.Equal(t, antcrm.KindPerson, r.Contact.Kind)
	assert.Equal(t, "VN", r.Contact.Addresses[0].Country.Code)
	assert.Contains(t, string(r.RawJSON()), `"__v": 0`)
}
