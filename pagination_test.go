package antcrm_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// numbered is a JSON array of records whose ids are the numbers.
func numbered(numbers ...int) string {
	records := make([]string, len(numbers))
	for i, n := range numbers {
		records[i] = fmt.Sprintf(`{"_id":"%d"}`, n)
	}
	return "[" + strings.Join(records, ",") + "]"
}

// count are the numbers from first to last.
func count(first, last int) []int {
	var numbers []int
	for n := first; n <= last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// enveloped is a B-list's answer; total is left out below 0.
func enveloped(total int, numbers ...int) string {
	if total < 0 {
		return `{"success":true,"data":` + numbered(numbers...) + `}`
	}
	return fmt.Sprintf(`{"success":true,"data":%s,"total":%d}`, numbered(numbers...), total)
}

// paged serves the numbers 1 to n, size a page, whatever limit is asked for.
func paged(tb testing.TB, n, size int) *script {
	tb.Helper()
	return served(tb, func(_ int, req seen) reply {
		page, _ := strconv.Atoi(req.Query.Get("page"))
		return ok(numbered(count((page-1)*size+1, min(page*size, n))...))
	})
}

// pages gives whole answers by page number; beyond them the list is empty.
func pages(tb testing.TB, answers ...string) *script {
	tb.Helper()
	return served(tb, func(_ int, req seen) reply {
		page, err := strconv.Atoi(req.Query.Get("page"))
		if err != nil || page < 1 {
			tb.Errorf("page %q", req.Query.Get("page"))
		}
		if page > len(answers) {
			return ok("[]")
		}
		return ok(answers[page-1])
	})
}

// idsOf gathers the ids of an iteration of contacts.
func idsOf(server *script, params antcrm.ContactListParams, opts ...antcrm.CallOption) (ids []int, err error) {
	for c, err := range server.client().Contacts.All(server.tb.Context(), params, opts...) {
		if err != nil {
			return ids, err
		}
		n, _ := strconv.Atoi(string(c.ID))
		ids = append(ids, n)
	}
	return ids, nil
}

// asked are the values of a query parameter, in the order of the requests.
func asked(server *script, name string) (values []string) {
	for _, req := range server.all() {
		values = append(values, req.Query.Get(name))
	}
	return values
}

// forEachReadAhead runs a test with several read-aheads: what is given must not
// depend on it.
func forEachReadAhead(t *testing.T, run func(t *testing.T, ahead antcrm.CallOption)) {
	t.Helper()
	for _, n := range []int{0, 1, 8} {
		t.Run(fmt.Sprintf("read-ahead %d", n), func(t *testing.T) {
			t.Parallel()
			run(t, antcrm.WithReadAhead(n))
		})
	}
}

func TestATransportThatLeavesItsGoroutineEndsAnIteration(t *testing.T) {
	t.Parallel()
	client, err := antcrm.NewClient(secretKey, antcrm.WithHTTPClient(&http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
		runtime.Goexit() // as FailNow does in the transport of a user's test
		return nil, nil
	})}))
	require.NoError(t, err)
	_, err = antcrm.Collect(client.Contacts.All(t.Context(), antcrm.ContactListParams{}))
	require.ErrorContains(t, err, "left the goroutine")
}

func TestAllGivesEveryRecordOnceWhateverTheServerMakesOfPages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		answers  []string
		want     []int
		requests int // without read-ahead
	}{
		{"nothing", nil, nil, 1},
		{"one short page", []string{numbered(1, 2)}, count(1, 2), 2},
		{"full pages to the end", []string{numbered(count(1, 20)...), numbered(count(21, 40)...)}, count(1, 40), 3},
		{"a short page in the middle", []string{numbered(count(1, 20)...), numbered(21), numbered(count(22, 41)...)}, count(1, 41), 4},
		{"the last page as an object", []string{numbered(1, 2), `{"_id":"3"}`}, count(1, 3), 3},
		{"the end as null", []string{numbered(1, 2), `null`}, count(1, 2), 2},
		{"the end as an empty object", []string{numbered(1, 2), `{}`}, count(1, 2), 2},
		{"total reached", []string{enveloped(3, 1, 2), enveloped(3, 3)}, count(1, 3), 2},
		{"total reached on the first page", []string{enveloped(2, 1, 2)}, count(1, 2), 1},
		{"total known late", []string{enveloped(-1, 1, 2), enveloped(3, 3)}, count(1, 3), 2},
		{"total known early", []string{enveloped(3, 1, 2), enveloped(-1, 3)}, count(1, 3), 2},
		{"total too large", []string{enveloped(99, 1, 2), enveloped(99, 3)}, count(1, 3), 3},
		{"total grows", []string{enveloped(2+1, 1, 2), enveloped(5, 3, 4), enveloped(5, 5)}, count(1, 5), 3},
		{"total of the page, not of the list", []string{enveloped(0, 1, 2), enveloped(1, 3, 4), enveloped(0, 5)}, count(1, 5), 4},
		{"one record slides into the next page", []string{numbered(1, 2, 3), numbered(3, 4, 5)}, count(1, 5), 3},
		{"all but one slide", []string{numbered(1, 2, 3), numbered(2, 3, 4), numbered(5)}, count(1, 5), 4},
		{"slid records do not count towards the total", []string{enveloped(5, 1, 2, 3), enveloped(5, 3, 4), enveloped(5, 5)}, count(1, 5), 3},
		{"a page of nulls ends the list", []string{numbered(1), `[null,null]`, numbered(2)}, count(1, 1), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
				got, err := idsOf(pages(t, tt.answers...), antcrm.ContactListParams{}, ahead)
				require.NoError(t, err)
				assert.Equal(t, tt.want, got)
			})
			server := pages(t, tt.answers...)
			_, err := idsOf(server, antcrm.ContactListParams{}, antcrm.WithReadAhead(0))
			require.NoError(t, err)
			assert.Len(t, server.all(), tt.requests)
		})
	}
}

func TestAllDoesNotTrustTheLimit(t *testing.T) {
	t.Parallel()
	forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
		server := paged(t, 45, 20)
		got, err := idsOf(server, antcrm.ContactListParams{Limit: 100}, ahead)
		require.NoError(t, err)
		assert.Equal(t, count(1, 45), got, "20 records for a limit of 100 are not the end")
		assert.Equal(t, "100", server.all()[0].Query.Get("limit"))
	})
}

func TestAllStartsAtThePageGiven(t *testing.T) {
	t.Parallel()
	// Records before the start are not counted, so the total cannot end it.
	server := pages(t, enveloped(5, 1, 2), enveloped(5, 3, 4), enveloped(5, 5))
	got, err := idsOf(server, antcrm.ContactListParams{Page: 2}, antcrm.WithReadAhead(0))
	require.NoError(t, err)
	assert.Equal(t, count(3, 5), got)
	assert.Equal(t, []string{"2", "3", "4"}, asked(server, "page"))
}

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

func TestAServerThatRepeatsAPageIsAnErrorAfterItsRecords(t *testing.T) {
	t.Parallel()
	same := func(answer string) []string { return slices.Repeat([]string{answer}, 10) }
	for _, tt := range []struct {
		name    string
		answers []string
		want    int
	}{
		{"page is ignored", same(numbered(1, 2, 3)), 3},
		{"records without an id", same(`[{"name":"a"},{"name":"b"}]`), 2},
		{"page is ignored, total is larger", same(enveloped(50, 1, 2, 3)), 3},
		{"begins again past the end", []string{numbered(1, 2), numbered(3), numbered(1, 2), numbered(3)}, 3},
		{"one bare object for every page", same(`{"_id":"1"}`), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
				got, err := idsOf(pages(t, tt.answers...), antcrm.ContactListParams{}, ahead)
				require.ErrorIs(t, err, antcrm.ErrRepeatedPage)
				onOneLine(t, err)
				assert.Len(t, got, tt.want)
			})
		})
	}
	// With a total that the first page reaches, the server may ignore what it likes.
	got, err := idsOf(pages(t, same(enveloped(3, 1, 2, 3))...), antcrm.ContactListParams{})
	require.NoError(t, err)
	assert.Len(t, got, 3)
}

func TestAnErrorComesAfterTheGoodRecordsBeforeIt(t *testing.T) {
	t.Parallel()
	forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
		server := served(t, func(_ int, req seen) reply {
			switch req.Query.Get("page") {
			case "1":
				return ok(numbered(count(1, 20)...))
			case "2":
				return ok(numbered(count(21, 40)...))
			}
			return reply{status: http.StatusForbidden, body: `{"message":"enough"}`}
		})
		got, err := idsOf(server, antcrm.ContactListParams{}, ahead)
		require.ErrorIs(t, err, antcrm.ErrForbidden)
		assert.Equal(t, count(1, 40), got)

		all, err := antcrm.Collect(server.client().Contacts.All(t.Context(), antcrm.ContactListParams{}, ahead))
		require.ErrorIs(t, err, antcrm.ErrForbidden)
		assert.Len(t, all, 40, "Collect returns what came before")
	})
}

func TestRangingTwiceStartsOver(t *testing.T) {
	t.Parallel()
	forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
		params := antcrm.ContactListParams{Phone: "0900000001"}
		seq := paged(t, 30, 20).client().Contacts.All(t.Context(), params, ahead)
		for range 3 {
			all, err := antcrm.Collect(seq)
			require.NoError(t, err)
			assert.Len(t, all, 30)
		}
		for range seq { // and after a break
			break
		}
		all, err := antcrm.Collect(seq)
		require.NoError(t, err)
		assert.Len(t, all, 30)
		assert.Equal(t, antcrm.ContactListParams{Phone: "0900000001"}, params)
	})
}

func TestAllMakesNoRequestBeforeItIsRangedOver(t *testing.T) {
	t.Parallel()
	_ = scripted(t).client().Contacts.All(t.Context(), antcrm.ContactListParams{})
}

func TestAllReportsTheResponseOfThePageBeingGiven(t *testing.T) {
	t.Parallel()
	var response antcrm.Response
	server := served(t, func(_ int, req seen) reply {
		page := req.Query.Get("page")
		if page == "3" {
			return reply{status: http.StatusConflict, header: map[string]string{"X-Page": page}}
		}
		return reply{body: numbered(len(page), 10*len(page)+int(page[0])), header: map[string]string{"X-Page": page}}
	})
	var seenPages []string
	for _, err := range server.client().Contacts.All(t.Context(), antcrm.ContactListParams{}, antcrm.WithResponse(&response), antcrm.WithReadAhead(1)) {
		seenPages = append(seenPages, response.Header.Get("X-Page"))
		if err != nil {
			assert.Equal(t, http.StatusConflict, response.StatusCode)
		}
	}
	assert.Equal(t, []string{"1", "1", "2", "3"}, seenPages)
}

// slowly makes each answer of a server in a synctest bubble take 50 ms.
func slowly(t *testing.T, server *script) *script {
	t.Helper()
	respond := server.answer
	server.answer = func(n int, req seen) reply {
		time.Sleep(50 * time.Millisecond)
		return respond(n, req)
	}
	t.Cleanup(func() { time.Sleep(time.Second) }) // the server does not notice that nobody waits any longer
	return server
}

// A synctest bubble fails when a goroutine is left blocked at its end.
func TestBreakingOutLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int{0, 1, 8} {
		synctest.Test(t, func(t *testing.T) {
			server := slowly(t, paged(t, 1000, 20))
			began := time.Now()
			for c, err := range server.client().Contacts.All(t.Context(), antcrm.ContactListParams{}, antcrm.WithReadAhead(ahead)) {
				require.NoError(t, err)
				assert.Equal(t, antcrm.ID("1"), c.ID)
				break
			}
			assert.Equal(t, 50*time.Millisecond, time.Since(began), "a page in flight is not waited for")
			assert.LessOrEqual(t, len(server.all()), 1+ahead)
		})
	}
}

func TestAllEndsWithItsContext(t *testing.T) {
	t.Parallel()
	forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		given := 0
		for _, err := range paged(t, 1000, 20).client().Contacts.All(ctx, antcrm.ContactListParams{}, ahead) {
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, cause)
				break
			}
			if given++; given == 10 {
				cancel(cause)
			}
		}
		assert.GreaterOrEqual(t, given, 20, "the page that was there is given whole")
		assert.Less(t, given, 1000)
	})
}

// timed ranges over a list whose server takes 50 ms a page, with a consumer
// that takes a time a page, and tells how long it took and how many requests.
func timed(t *testing.T, n, ahead int, consume time.Duration) (took time.Duration, requests int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := slowly(t, paged(t, n, 20))
		began, given := time.Now(), 0
		for _, err := range server.client().Contacts.All(t.Context(), antcrm.ContactListParams{}, antcrm.WithReadAhead(ahead)) {
			require.NoError(t, err)
			if given++; given%20 == 0 {
				time.Sleep(consume)
			}
		}
		assert.Equal(t, n, given)
		took, requests = time.Since(began), len(server.all())
	})
	return took, requests
}

func TestReadAheadOverlapsNetworkAndConsumer(t *testing.T) {
	t.Parallel()
	const page = 50 * time.Millisecond
	took, requests := timed(t, 51*20, 0, page)
	assert.Equal(t, (52+51)*page, took, "one after the other")
	assert.Equal(t, 52, requests)

	took, requests = timed(t, 51*20, 1, page)
	assert.Equal(t, (1+51)*page, took, "the consumer's time hides the network's")
	assert.Equal(t, 52, requests, "the empty page that ends the list, and none besides")

	took, requests = timed(t, 51*20, 8, 0)
	assert.LessOrEqual(t, took, 52*page/6)
	assert.LessOrEqual(t, requests, 52+7)

	took, _ = timed(t, 51*20, 8, page)
	assert.LessOrEqual(t, took, (1+52)*page)
}

// Until page 1 has proved full, more than one page ahead is a guess.
func TestReadAheadGuessesNothingOfAShortList(t *testing.T) {
	t.Parallel()
	_, requests := timed(t, 5, 8, 0)
	assert.Equal(t, 2, requests)

	synctest.Test(t, func(t *testing.T) {
		server := pages(t, enveloped(45, count(1, 20)...), enveloped(45, count(21, 40)...), enveloped(45, count(41, 45)...))
		got, err := idsOf(server, antcrm.ContactListParams{}, antcrm.WithReadAhead(8))
		require.NoError(t, err)
		assert.Equal(t, count(1, 45), got)
		assert.Len(t, server.all(), 3, "the total says where the list ends")
	})
}

// A page of accumulations alone is not the end of the redemptions.
func TestRedeemAllGoesOnAfterAPageWithoutRedemptions(t *testing.T) {
	t.Parallel()
	server := pages(t, `[{"id":"a","type":1},{"id":"b","type":"1"}]`, `[{"id":"c","type":2}]`, `[{"id":"d","type":1}]`, `[{"id":"e"}]`)
	all, err := antcrm.Collect(server.client().Redeem.All(t.Context(), antcrm.LoyaltyListParams{}))
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, []antcrm.ID{"c", "e"}, []antcrm.ID{all[0].ID, all[1].ID})
}

func TestMessagesAreIteratedByOffset(t *testing.T) {
	t.Parallel()
	period := antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment(), Limit: 3}
	forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
		for _, start := range []int{0, 2} {
			server := served(t, func(_ int, req seen) reply {
				offset, err := strconv.Atoi(req.Query.Get("offset"))
				assert.NoError(t, err)
				assert.Empty(t, req.Query.Get("page"))
				var sessions []string
				for n := offset; n < min(offset+3, 7); n++ {
					sessions = append(sessions, fmt.Sprintf(`{"sessionId":"%d"}`, n))
				}
				return ok(`{"success":true,"data":{"sessions":[` + strings.Join(sessions, ",") + `]}}`)
			})
			params := period
			params.Offset = start
			all, err := antcrm.Collect(server.client().Messages.All(t.Context(), params, ahead))
			require.NoError(t, err)
			require.Len(t, all, 7-start)
			assert.Equal(t, antcrm.ID(strconv.Itoa(start)), all[0].SessionID)
			want := map[int][]string{0: {"0", "3", "6", "7"}, 2: {"2", "5", "7"}}[start]
			assert.Equal(t, want, asked(server, "offset"))
		}
	})
	_, err := antcrm.Collect(scripted(t, ok(`{"data":{"sessions":[{"sessionId":"1"}]}}`), ok(`{"data":{"sessions":[{"sessionId":"1"}]}}`)).
		client().Messages.All(t.Context(), period))
	require.ErrorIs(t, err, antcrm.ErrRepeatedPage, "the server ignores offset")
}

func TestGetTakesTheRecordWithTheKeyAndNoOther(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, answer string
		want         string // its name; "": ErrNotFound
	}{
		{"as a number", `[{"leadId":2964,"name":"it"}]`, "it"},
		{"as a string", `[{"leadId":"2964","name":"it"}]`, "it"},
		{"as a bare object", `{"leadId":2964,"name":"it"}`, "it"},
		{"in an envelope", `{"success":true,"data":[{"leadId":2964,"name":"it"}],"total":1}`, "it"},
		{"among others: the filter is ignored", `[{"leadId":1,"name":"a"},{"leadId":2964,"name":"it"},{"leadId":3,"name":"b"}]`, "it"},
		{"alone without the key", `[{"name":"it"}]`, "it"},
		{"another, alone", `[{"leadId":1,"name":"a"}]`, ""},
		{"others", `[{"leadId":1},{"leadId":29640}]`, ""},
		{"several without the key", `[{"name":"a"},{"name":"b"}]`, ""},
		{"none", `[]`, ""},
		{"null", `null`, ""},
		{"an empty object", `{}`, ""},
	} {
		c, err := scripted(t, ok(tt.answer)).client().Contacts.Get(t.Context(), antcrm.LeadRef("2964"))
		if tt.want == "" {
			require.ErrorIs(t, err, antcrm.ErrNotFound, tt.name)
			onOneLine(t, err, "2964")
			assert.Nil(t, c, tt.name)
			continue
		}
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.want, c.Name, tt.name)
	}
	for _, get := range []func(*antcrm.Client) error{
		func(c *antcrm.Client) error { _, err := c.Opportunities.Get(t.Context(), "1"); return err },
		func(c *antcrm.Client) error { _, err := c.Products.Get(t.Context(), "1"); return err },
		func(c *antcrm.Client) error { _, err := c.Tickets.Get(t.Context(), "1"); return err },
	} {
		require.ErrorIs(t, get(scripted(t, ok(`[{"number":2,"code":"2","TicketId":2}]`)).client()), antcrm.ErrNotFound)
		require.NoError(t, get(scripted(t, ok(`[{"number":1,"code":"1","TicketId":1}]`)).client()))
		require.ErrorIs(t, get(scripted(t, reply{status: http.StatusNotFound, body: "[]"}).client()), antcrm.ErrNotFound)
	}
}
