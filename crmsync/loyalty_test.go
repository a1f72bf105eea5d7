package crmsync_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

func points(name string, phones ...string) antcrm.AccumulateParams {
	params := antcrm.AccumulateParams{Code: "C", Data: antcrm.AccumulateCustomer{Name: name}}
	for _, phone := range phones {
		params.Data.Phones = append(params.Data.Phones, antcrm.Phone{Value: phone})
	}
	return params
}

// lostPoints asks for points whose request never arrives, and then for the same once more.
func lostPoints(t *testing.T, srv *antcrmtest.Server, s *crmsync.Syncer, key string, params antcrm.AccumulateParams) error {
	t.Helper()
	ctx := context.Background()
	srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/accumulate", Do: antcrmtest.CloseBefore, Times: 1})
	require.ErrorIs(t, s.Points.AccumulateOnce(ctx, key, params), antcrm.ErrOutcomeUnknown)
	time.Sleep(3 * time.Millisecond)
	return s.Points.AccumulateOnce(ctx, key, params)
}

// The two receipts ask for the same code and customer in other words, so that their entries look the same.
func TestLostPointsAreNotTakenForThoseOfAnotherKey(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dsn string) {
		srv := antcrmtest.NewServer(t)
		require.NoError(t, srv.Seed(antcrmtest.Contacts, customer(2)))
		s, _ := newSyncer(t, srv, dsn, crmsync.WithSettle(time.Millisecond))
		require.NoError(t, s.Points.AccumulateOnce(context.Background(), "receipt-1", points("Mai", "0900000002")))
		require.ErrorIs(t, lostPoints(t, srv, s, "receipt-2", points("Mai Nguyễn", "0900000002", "0900000099")), antcrm.ErrOutcomeUnknown)
		assert.Equal(t, 1, srv.Count(antcrmtest.History))
	})
}

func TestLostPointsAreNotTakenForAnotherCustomers(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	require.NoError(t, srv.Seed(antcrmtest.Contacts, customer(2)))
	require.NoError(t, srv.Seed(antcrmtest.Contacts, customer(3)))
	var ignored bool
	s, _ := newSyncerThrough(t, srv, sqliteDSN(t), func(req *http.Request, text string) string {
		if !ignored || !strings.HasPrefix(req.URL.Path, "/history") || req.URL.Query().Get("page") == "2" {
			return text
		}
		page, err := srv.Client().Points.List(context.Background(), antcrm.LoyaltyListParams{}) // as a server that does not know the filter
		require.NoError(t, err)
		return "[" + string(page.Items[0].RawJSON()) + "]"
	}, crmsync.WithSettle(time.Millisecond))
	require.NoError(t, s.Points.AccumulateOnce(context.Background(), "receipt-1", points("Mai", "0900000003")))
	ignored = true
	require.ErrorIs(t, lostPoints(t, srv, s, "receipt-2", points("Lan", "0900000002")), antcrm.ErrOutcomeUnknown)
}
