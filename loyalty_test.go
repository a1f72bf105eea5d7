package antcrm_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

func loyaltyOperations(tb testing.TB) []operation {
	params := antcrm.LoyaltyListParams{From: moment(), To: moment().AddDate(0, 0, 1), Phone: "0900000002", Email: "buyer@example.com", Page: 2}
	const query = "createdAtRangeFrom=1710311060673&createdAtRangeTo=1710397460673&phone=0900000002&email=buyer@example.com&page=2"
	points := listing[antcrm.LoyaltyEntry]{
		name: "Points", path: "/history-point", query: query + "&type=point",
		answer: `[{"type":"1","score":"100","status":1,"id":"a"}]`, want: `[{"type":1,"score":100,"status":1,"id":"a"}]`,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.LoyaltyEntry], error) {
			return c.Points.List(ctx, params, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.LoyaltyEntry] {
			return c.Points.All(ctx, params, opts...)
		},
	}
	redeem := points
	redeem.name, redeem.query = "Redeem", query
	redeem.answer = `[{"type":1,"score":5,"id":"a"},{"type":2,"score":10,"id":"b"},{"score":0,"id":"c"}]`
	redeem.want = `[{"type":2,"score":10,"id":"b"},{"score":0,"id":"c"}]`
	redeem.list = func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.LoyaltyEntry], error) {
		return c.Redeem.List(ctx, params, opts...)
	}
	redeem.all = func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.LoyaltyEntry] {
		return c.Redeem.All(ctx, params, opts...)
	}
	accumulate := `{"code":"TIVInpmx8b98pfg","data":{"emails":[{"type":"Work","value":"buyer@example.com"}],"name":"Sample Buyer","phones":[{"type":"Work","value":"0900000002"}]}}`
	gift := `{"code":"DAUMAY01","data":{"email":"buyer@example.com","phone":"0900000002"}}`
	return append(append(points.operations(), redeem.operations()...),
		operation{
			name: "Points.Accumulate", method: http.MethodPost, path: "/accumulate", body: accumulate, answers: []string{`{"success":1}`},
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return nil, c.Points.Accumulate(ctx, fromJSON[antcrm.AccumulateParams](tb, accumulate), opts...)
			},
		},
		operation{
			name: "Redeem.Gift", method: http.MethodPost, path: "/redeem", body: gift, answers: []string{`{"success":1}`},
			call: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (any, error) {
				return nil, c.Redeem.Gift(ctx, fromJSON[antcrm.RedeemParams](tb, gift), opts...)
			},
		},
	)
}

func TestLoyaltySampleIsDecodedFieldByField(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(sample(t, "history-point.json"))).client().Points.List(t.Context(), antcrm.LoyaltyListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1, "the redemption is not one of the points")

	given := page.Items[0]
	assert.Equal(t, antcrm.LoyaltyAccumulation, given.Type)
	assert.Equal(t, antcrm.Score(100), given.Score)
	assert.Equal(t, antcrm.LoyaltySucceeded, given.Status)
	assert.Equal(t, &antcrm.LoyaltyProduct{Code: "TIVI01", Name: "TV", ID: "64d9f28b2b3ba308b322c710"}, given.Product)
	assert.Nil(t, given.Gift)
	require.NotNil(t, given.Contact)
	assert.Equal(t, "Sample Buyer", given.Contact.Name)
	assert.Equal(t, antcrm.ID("475"), given.Contact.CustomerID)
	assert.Equal(t, antcrm.ID("64db290a7796fe24bfe876a7"), given.Contact.AltID)
	assert.Equal(t, "0900000002", given.Contact.Phones[0].Value)
	assert.Equal(t, "buyer@example.com", given.Contact.Emails[0].Value)
	assert.Equal(t, antcrm.ID("62c10674cbe832bc9245a5b8"), given.Org)
	assert.Equal(t, antcrm.ID("TIVInpmx8b98pfg"), given.Code)
	assert.Equal(t, antcrm.ID("npmx8b98pfg"), given.SerialNumber)
	assert.Equal(t, int64(1692084490615), given.CreatedAt.UnixMilli())
	assert.Equal(t, antcrm.ID("64db290a7796fe24bfe876b4"), given.ID)

	page, err = scripted(t, ok(sample(t, "history-point.json"))).client().Redeem.List(t.Context(), antcrm.LoyaltyListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1, "the accumulation is not a redemption")
	spent := page.Items[0]
	assert.Equal(t, antcrm.LoyaltyRedemption, spent.Type)
	assert.Equal(t, &antcrm.LoyaltyGift{Code: "DAUMAY01", Name: "Player", Score: 10, ID: "64d9f2ec2b3ba308b322c782"}, spent.Gift)
	assert.Nil(t, spent.Product)
}

func TestEachHistoryDropsWhatSaysItIsOfTheOther(t *testing.T) {
	t.Parallel()
	const mixed = `[{"id":"a","type":1},{"id":"b","type":"2"},{"id":"c"},{"id":"d","type":2},{"id":"e","type":"1"},{"id":"f","type":3}]`
	client := served(t, func(int, seen) reply { return ok(mixed) }).client()
	points, err := client.Points.List(t.Context(), antcrm.LoyaltyListParams{})
	require.NoError(t, err)
	redemptions, err := client.Redeem.List(t.Context(), antcrm.LoyaltyListParams{})
	require.NoError(t, err)
	assert.Equal(t, []antcrm.ID{"a", "c", "e", "f"}, entryIDs(points.Items), "what does not say what it is may be either")
	assert.Equal(t, []antcrm.ID{"b", "c", "d", "f"}, entryIDs(redemptions.Items))
}

func entryIDs(entries []antcrm.LoyaltyEntry) (ids []antcrm.ID) {
	for i := range entries {
		ids = append(ids, entries[i].ID)
	}
	return ids
}

// A page of the other kind alone is not the end of a list.
func TestAHistoryGoesOnAfterAPageOfTheOtherKind(t *testing.T) {
	t.Parallel()
	server := pages(t, `[{"id":"a","type":1},{"id":"b","type":"1"}]`, `[{"id":"c","type":2}]`, `[{"id":"d","type":1}]`, `[{"id":"e"}]`)
	redemptions, err := antcrm.Collect(server.client().Redeem.All(t.Context(), antcrm.LoyaltyListParams{}))
	require.NoError(t, err)
	points, err := antcrm.Collect(server.client().Points.All(t.Context(), antcrm.LoyaltyListParams{}))
	require.NoError(t, err)
	assert.Equal(t, []antcrm.ID{"c", "e"}, entryIDs(redemptions))
	assert.Equal(t, []antcrm.ID{"a", "b", "d", "e"}, entryIDs(points))
}
