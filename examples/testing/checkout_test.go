package checkout_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	checkout "github.com/antbuddy/antcrm-go/examples/testing"
)

var order = checkout.Order{
	ID:       "SO-1",
	Customer: checkout.Customer{ID: "C-1", Name: "Nguyễn Văn Mẫu", Phone: "0900000001"},
	Items:    []checkout.Item{{Product: "Tea", Quantity: 2, Price: 45000}, {Product: "Cup", Quantity: 1, Price: 30000}},
}

// begin gives every test a CRM of its own. The client's waits are short: a test has no reason to be patient.
func begin(t *testing.T) (*antcrmtest.Server, *checkout.Service) {
	t.Helper()
	srv := antcrmtest.NewServer(t)
	return srv, checkout.New(srv.Client(antcrm.WithRetryBackoff(time.Millisecond, 2*time.Millisecond)))
}

func TestPlaceWritesCustomerAndOrder(t *testing.T) {
	t.Parallel()
	srv, shop := begin(t)

	number, err := shop.Place(t.Context(), order)
	require.NoError(t, err)

	// The store is read without the SDK: what counts is what the CRM has.
	raw, ok := srv.Record(antcrmtest.Opportunities, "number", string(number))
	require.True(t, ok)
	var stored struct {
		ID    string `json:"opportunityIdApiRing"`
		Value json.Number
		With  struct{ CustomerID json.Number } `json:"dealWith"`
	}
	require.NoError(t, json.Unmarshal(raw, &stored))
	assert.Equal(t, "SO-1", stored.ID)
	assert.Equal(t, json.Number("120000"), stored.Value, "the shop's own sum")
	assert.Equal(t, 1, srv.CountByExternalID(antcrmtest.Contacts, "C-1"))
}

func TestPlaceTakesTheCustomerThatIsThere(t *testing.T) {
	t.Parallel()
	srv, shop := begin(t)
	require.NoError(t, srv.Seed(antcrmtest.Contacts, antcrm.Contact{Name: "Nguyễn Văn Mẫu", ExternalID: "C-1", ContactType: "customer",
		Phones: []antcrm.Phone{{Type: "Work", Value: "0900000001"}}}))

	_, err := shop.Place(t.Context(), order)
	require.NoError(t, err)
	assert.Equal(t, 1, srv.Count(antcrmtest.Contacts))
}

func TestALostAnswerDoesNotDoubleTheOrder(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/contacts", "/opportunities"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			srv, shop := begin(t)
			// The CRM carries the write out, and the connection breaks before the answer is there.
			lost := srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: path, Do: antcrmtest.CloseAfter, Times: 1})

			number, err := shop.Place(t.Context(), order)
			require.NoError(t, err)
			assert.NotEmpty(t, number)
			assert.Equal(t, 1, lost.Met(), "the test proves something only if the answer was lost")
			assert.Equal(t, 1, srv.CountByExternalID(antcrmtest.Contacts, "C-1"))
			assert.Equal(t, 1, srv.CountByExternalID(antcrmtest.Opportunities, "SO-1"))
		})
	}
}

// later moves the shop's clock on, past the time in which a lost request may still arrive.
func later(shop *checkout.Service) { shop.Now = func() time.Time { return time.Now().Add(time.Hour) } }

func TestARequestThatNeverArrivedIsSentAgainLater(t *testing.T) {
	t.Parallel()
	srv, shop := begin(t)
	// A gateway answers for the CRM, which never saw the request. To the client that looks like a lost answer.
	met := srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/opportunities", Do: antcrmtest.HTML, Status: http.StatusBadGateway, Times: 1})

	_, err := shop.Place(t.Context(), order)
	require.ErrorIs(t, err, checkout.ErrUnsettled)
	_, err = shop.Place(t.Context(), order)
	require.ErrorIs(t, err, checkout.ErrUnsettled, "the lost request may still arrive")
	assert.Zero(t, srv.Count(antcrmtest.Opportunities))

	later(shop)
	_, err = shop.Place(t.Context(), order)
	require.NoError(t, err)
	assert.Equal(t, 1, met.Met())
	assert.Equal(t, 1, srv.CountByExternalID(antcrmtest.Opportunities, "SO-1"))
}

func TestARequestThatArrivesLateDoesNotDoubleTheOrder(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t)
	shop := checkout.New(srv.Client(antcrm.WithTimeout(50*time.Millisecond), antcrm.WithMaxRetries(0)))
	require.NoError(t, srv.Seed(antcrmtest.Contacts, antcrm.Contact{Name: order.Customer.Name, ExternalID: "C-1", ContactType: "customer",
		Phones: []antcrm.Phone{{Type: "Work", Value: order.Customer.Phone}}}))
	// The CRM writes the order after the client has given up.
	slow := srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/opportunities", Latency: 300 * time.Millisecond, Times: 1})

	_, err := shop.Place(t.Context(), order)
	require.ErrorIs(t, err, checkout.ErrUnsettled)
	assert.Equal(t, 1, slow.Met())
	for range 3 { // the customer presses the button again
		if _, err = shop.Place(t.Context(), order); err != nil {
			require.ErrorIs(t, err, checkout.ErrUnsettled)
		}
	}
	require.Eventually(t, func() bool { return srv.Count(antcrmtest.Opportunities) == 1 }, 10*time.Second, 5*time.Millisecond, "the lost request arrives")
	require.Eventually(t, func() bool { _, err := shop.Place(t.Context(), order); return err == nil }, 10*time.Second, 5*time.Millisecond)
	posts := 0
	for _, r := range srv.Requests() {
		if r.Method == http.MethodPost {
			posts++
		}
	}
	assert.Equal(t, 1, posts, "the order was sent once")
	assert.Equal(t, 1, srv.Count(antcrmtest.Opportunities))
}

func TestAnOrderIsPlacedOnceHoweverOftenAndHoweverManyAtOnce(t *testing.T) {
	t.Parallel()
	srv, shop := begin(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, err := shop.Place(t.Context(), order)
			assert.NoError(t, err)
		})
	}
	group.Wait()
	assert.Equal(t, 1, srv.Count(antcrmtest.Contacts))
	assert.Equal(t, 1, srv.Count(antcrmtest.Opportunities))
}

func TestAFilterThatIsIgnoredDoublesNobody(t *testing.T) {
	t.Parallel()
	srv := antcrmtest.NewServer(t, antcrmtest.WithAnswer("phone-filter", "ignored"), antcrmtest.WithAnswer("contact-filter-external-id", "ignored"))
	require.NoError(t, srv.Seed(antcrmtest.Contacts, antcrm.Contact{Name: "Somebody else", ExternalID: "C-9", ContactType: "customer"}))
	shop := checkout.New(srv.Client())
	for range 2 {
		_, err := shop.Place(t.Context(), order)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, srv.CountByExternalID(antcrmtest.Contacts, "C-1"))
	assert.Equal(t, 1, srv.Count(antcrmtest.Opportunities))
}

func TestAShort429IsWaitedOut(t *testing.T) {
	t.Parallel()
	srv, shop := begin(t)
	limited := srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/opportunities", Status: http.StatusTooManyRequests, Times: 2})

	_, err := shop.Place(t.Context(), order)
	require.NoError(t, err, "the SDK repeats what a 429 refused")
	assert.Equal(t, 2, limited.Met())
	assert.Equal(t, 1, srv.CountByExternalID(antcrmtest.Opportunities, "SO-1"))
}

func TestALong429IsTheCallersBusiness(t *testing.T) {
	t.Parallel()
	srv, shop := begin(t)
	limited := srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/opportunities", Status: http.StatusTooManyRequests, RetryAfter: time.Hour})

	_, err := shop.Place(t.Context(), order)
	require.ErrorIs(t, err, checkout.ErrBusy)
	assert.Equal(t, 1, limited.Met(), "an hour is not waited for")
	assert.Zero(t, srv.Count(antcrmtest.Opportunities))
}

func TestAnExpiredKeyIsNotABusyCRM(t *testing.T) {
	t.Parallel()
	srv, shop := begin(t)
	srv.Inject(antcrmtest.Fault{Status: http.StatusUnauthorized, Body: `{"success":false,"message":"the key has expired"}`})

	_, err := shop.Place(t.Context(), order)
	require.ErrorIs(t, err, antcrm.ErrUnauthorized)
	require.NotErrorIs(t, err, checkout.ErrBusy)
	assert.ErrorContains(t, err, "the key has expired")
}

func TestRequestsCanBeLookedAt(t *testing.T) {
	t.Parallel()
	srv, shop := begin(t)
	_, err := shop.Place(t.Context(), order)
	require.NoError(t, err)

	var calls []string
	for _, r := range srv.Requests() {
		calls = append(calls, r.Method+" "+r.Path)
		assert.Equal(t, srv.APIKey, r.Header.Get("apikey"))
	}
	assert.Equal(t, []string{"GET /contacts", "POST /contacts", "GET /opportunities", "POST /opportunities"}, calls)
}
