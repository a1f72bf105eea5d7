package antcrm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

const (
	campaignID = "65f145d4a1b2c3d4e5f60720"
	dates      = "dateStart=2024-03-13T06:24:20.673Z&dateEnd=2024-03-14T06:24:20.673Z"
)

func telesalesOperations(testing.TB) []operation {
	from, to := moment(), moment().AddDate(0, 0, 1)
	const answer, want = `{"success":true,"data":[{"_id":"a","createdAt":1710311060673,"agent":"x"}],"total":200,"limit":50}`, `[{"_id":"a","createdAt":1710311060673}]`
	telesaleParams := antcrm.TelesaleListParams{CampaignID: campaignID, SurveyOnly: true, From: from, To: to, Page: 2, Limit: 50}
	telecallParams := antcrm.TelecallListParams{CampaignID: campaignID, From: from, To: to, Page: 2, Limit: 50}
	campaignParams := antcrm.CampaignListParams{From: from, To: to, Page: 2, Limit: 50}

	telesales := listing[antcrm.Telesale]{
		name: "Telesales", path: "/telesales", query: "campaignId=" + campaignID + "&survey=true&" + dates + "&page=2&limit=50", answer: answer, want: want,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.Telesale], error) {
			return c.Telesales.List(ctx, telesaleParams, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.Telesale] {
			return c.Telesales.All(ctx, telesaleParams, opts...)
		},
	}
	telecalls := listing[antcrm.Telecall]{
		name: "Telecalls", path: "/telecalls", query: "campaignId=" + campaignID + "&" + dates + "&page=2&limit=50", answer: answer, want: want,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.Telecall], error) {
			return c.Telecalls.List(ctx, telecallParams, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.Telecall] {
			return c.Telecalls.All(ctx, telecallParams, opts...)
		},
	}
	campaigns := listing[antcrm.Campaign]{
		name: "Campaigns", path: "/campaigns", query: dates + "&page=2&limit=50", answer: answer, want: want,
		list: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) (*antcrm.Page[antcrm.Campaign], error) {
			return c.Campaigns.List(ctx, campaignParams, opts...)
		},
		all: func(ctx context.Context, c *antcrm.Client, opts ...antcrm.CallOption) seqOf[antcrm.Campaign] {
			return c.Campaigns.All(ctx, campaignParams, opts...)
		},
	}
	return append(append(telesales.operations(), telecalls.operations()...), campaigns.operations()...)
}

func TestTelesalesSampleKeepsWhatIsNotDocumented(t *testing.T) {
	t.Parallel()
	page, err := scripted(t, ok(sample(t, "telesales.json"))).client().Telesales.List(t.Context(), antcrm.TelesaleListParams{CampaignID: campaignID})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	assert.Equal(t, 2, page.Total)
	assert.True(t, page.HasTotal)
	assert.Equal(t, 100, page.Limit)
	assert.Equal(t, antcrm.ID("65f145d4a1b2c3d4e5f60718"), page.Items[0].ID)
	assert.True(t, page.Items[0].CreatedAt.Equal(moment()))
	assert.True(t, page.Items[1].CreatedAt.IsZero())

	var mine struct {
		Status string            `json:"status"`
		Survey map[string]string `json:"survey"`
		Agent  struct{ Email string }
	}
	require.NoError(t, page.Items[0].Decode(&mine))
	assert.Equal(t, "called", mine.Status)
	assert.Equal(t, map[string]string{"q1": "yes"}, mine.Survey)
	assert.Equal(t, "agent@example.com", mine.Agent.Email)
}

// A campaign's lists without a campaign would be everybody's records.
func TestCampaignIDIsRequired(t *testing.T) {
	t.Parallel()
	client := scripted(t).client()
	_, err := client.Telesales.List(t.Context(), antcrm.TelesaleListParams{})
	assert.Equal(t, "campaignId", requireError[*antcrm.ValidationError](t, err).Field)
	_, err = antcrm.Collect(client.Telecalls.All(t.Context(), antcrm.TelecallListParams{CampaignID: " "}))
	assert.Equal(t, "campaignId", requireError[*antcrm.ValidationError](t, err).Field)
}
