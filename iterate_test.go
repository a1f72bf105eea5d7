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

// limited is a B-list's answer that names its page size.
func limited(total, limit int, numbers ...int) string {
	return fmt.Sprintf(`{"success":true,"data":%s,"total":%d,"limit":"%d"}`, numbered(numbers...), total, limit)
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
		{"total of the page, the page full", []string{enveloped(20, count(1, 20)...), enveloped(20, count(21, 40)...), enveloped(3, count(41, 43)...)}, count(1, 43), 3},
		{"total capped", []string{enveloped(20, count(1, 20)...), enveloped(20, count(21, 40)...), enveloped(20, 41)}, count(1, 41), 3},
		{"total reached on a full page", []string{enveloped(20, count(1, 20)...)}, count(1, 20), 2},
		{"total reached on a page full by its own limit", []string{limited(2, 2, 1, 2), limited(2, 2, 3)}, count(1, 3), 2},
		{"total reached on a page shorter than its own limit", []string{limited(2, 3, 1, 2), limited(2, 3, 3)}, count(1, 2), 1},
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
		{"page is ignored, the order changes", []string{numbered(1, 2, 3), numbered(2, 3, 1), numbered(3, 1, 2)}, 3},
		{"page is ignored, records vanish", []string{numbered(1, 2, 3), numbered(2, 3), numbered(3)}, 3},
		{"page is ignored, the total is reached on a full page", same(enveloped(20, count(1, 20)...)), 20},
		{"begins again past the end, in another order", []string{numbered(1, 2), numbered(3, 4), numbered(2, 1)}, 4},
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

// timed is timedPages for the vendor's page size.
func timed(t *testing.T, n, ahead int, consume time.Duration) (took time.Duration, requests int) {
	t.Helper()
	return timedPages(t, n, 20, ahead, consume)
}

// timedPages ranges over a list whose server takes 50 ms a page, with a consumer that takes a time a page, and returns
// how long that took and how many requests it needed.
func timedPages(t *testing.T, n, size, ahead int, consume time.Duration) (took time.Duration, requests int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := slowly(t, paged(t, n, size))
		began, given := time.Now(), 0
		for _, err := range server.client().Contacts.All(t.Context(), antcrm.ContactListParams{}, antcrm.WithReadAhead(ahead)) {
			require.NoError(t, err)
			if given++; given%size == 0 {
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

// Products have no identity but their object id: two of them may have the same code.
func TestRecordsWithoutAnIDAreToldApartByTheirText(t *testing.T) {
	t.Parallel()
	forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
		for _, tt := range []struct {
			name  string
			pages []string
			want  []string
		}{
			{"one code on neighbouring pages", []string{`[{"code":"A","name":"small"}]`, `[{"code":"A","name":"large"},{"code":"B","name":"other"}]`}, []string{"small", "large", "other"}},
			{"one code on one page", []string{`[{"code":"A","name":"small"},{"code":"A","name":"large"}]`}, []string{"small", "large"}},
			{"one code, two object ids", []string{`[{"_id":"1","code":"A","name":"same"}]`, `[{"_id":"2","code":"A","name":"same"}]`}, []string{"same", "same"}},
			{"a record that slid over", []string{`[{"code":"A","name":"x"},{"code":"B","name":"y"}]`, `[{"code":"B","name":"y"},{"code":"C","name":"z"}]`}, []string{"x", "y", "z"}},
			{"some with an object id, some without", []string{`[{"_id":"1","name":"x"},{"name":"y"}]`, `[{"name":"y"},{"_id":"1","name":"changed"},{"_id":"2","name":"z"}]`}, []string{"x", "y", "z"}},
		} {
			all, err := antcrm.Collect(pages(t, tt.pages...).client().Products.All(t.Context(), antcrm.ProductListParams{}, ahead))
			require.NoError(t, err, tt.name)
			var names []string
			for i := range all {
				names = append(names, all[i].Name)
			}
			assert.Equal(t, tt.want, names, tt.name)
		}
	})
}

// After the first page a 404 that is JSON without data is the end; on the first one it may be a wrong address.
func TestA404EndsAnIterationOnlyAfterItsFirstPage(t *testing.T) {
	t.Parallel()
	gone := func(body string) reply { return reply{status: http.StatusNotFound, body: body} }
	for _, tt := range []struct {
		body string
		end  bool
	}{
		{`{"success":false,"message":"no data"}`, true},
		{`{"data":[]}`, true},
		{`{"data":null}`, true},
		{`[]`, true},
		{`null`, true},
		{``, false},
		{`<html>not here</html>`, false},
		{`not found`, false},
		{`[{"_id":"3"}]`, false},
		{`{"data":[{"_id":"3"}]}`, false},
	} {
		forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
			server := served(t, func(_ int, req seen) reply {
				if req.Query.Get("page") == "1" {
					return ok(numbered(1, 2))
				}
				return gone(tt.body)
			})
			got, err := idsOf(server, antcrm.ContactListParams{}, ahead)
			assert.Equal(t, []int{1, 2}, got, tt.body)
			if tt.end {
				require.NoError(t, err, tt.body)
			} else {
				require.ErrorIs(t, err, antcrm.ErrNotFound, tt.body)
			}
			_, err = idsOf(server, antcrm.ContactListParams{Page: 2}, ahead)
			require.ErrorIs(t, err, antcrm.ErrNotFound, "the first page that was asked for")
		})
		_, err := scripted(t, gone(tt.body)).client().Contacts.List(t.Context(), antcrm.ContactListParams{Page: 2})
		require.ErrorIs(t, err, antcrm.ErrNotFound, "List asks for one page: "+tt.body)
	}
}

// What a server has of another filter is not what was asked for: the pages before are, and theirs are yielded.
func TestAPageThatWasNotFilteredEndsAnIteration(t *testing.T) {
	t.Parallel()
	forEachReadAhead(t, func(t *testing.T, ahead antcrm.CallOption) {
		ratings := func(server *script) (ids []antcrm.ID, err error) {
			for rating, err := range server.client().Ratings.All(t.Context(), antcrm.RatingListParams{Source: "ZALO"}, ahead) {
				if err != nil {
					return ids, err
				}
				ids = append(ids, rating.ID)
			}
			return ids, nil
		}
		got, err := ratings(pages(t, `[{"_id":"1","source":"ZALO"}]`, `[{"_id":"2","source":"ZALO"},{"_id":"3","source":"EMAIL"}]`))
		require.ErrorIs(t, err, antcrm.ErrFilterIgnored)
		assert.Equal(t, []antcrm.ID{"1"}, got)
		got, err = ratings(pages(t, `[{"_id":"1","source":"ZALO"}]`, `[{"_id":"2","source":"ZALO"}]`))
		require.NoError(t, err)
		assert.Equal(t, []antcrm.ID{"1", "2"}, got)
	})
}

// Servers choose their own page size: two pages with the same number of records prove it.
func TestReadAheadWidensWhereThePageSizeIsTheServersOwn(t *testing.T) {
	t.Parallel()
	const pageTime = 50 * time.Millisecond
	for _, size := range []int{10, 15, 20, 50, 100} {
		took, requests := timedPages(t, 51*size, size, 8, 0)
		assert.LessOrEqual(t, took, 52*pageTime/6, "%d a page", size)
		assert.LessOrEqual(t, requests, 52+7, "%d a page", size)
	}
	for _, size := range []int{2, 7, 9} { // page 1 may be the only one: that it is full shows on page 2
		took, requests := timedPages(t, 51*size, size, 8, 0)
		assert.LessOrEqual(t, took, 52*pageTime/5, "%d a page", size)
		assert.LessOrEqual(t, requests, 52+7, "%d a page", size)
	}
}
