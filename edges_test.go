package antcrm_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/antbuddy/antcrm-go"
)

// The good side of each check, and its edges: what is taken must also work.

const longest = time.Duration(math.MaxInt64)

func TestTheEdgesOfEveryOption(t *testing.T) {
	t.Parallel()
	agent := func(c byte) string { return "shop" + string([]byte{c}) }
	for field, edge := range map[string]struct{ good, bad []antcrm.Option }{
		"timeout": {
			[]antcrm.Option{antcrm.WithTimeout(0), antcrm.WithTimeout(time.Minute), antcrm.WithTimeout(longest)},
			[]antcrm.Option{antcrm.WithTimeout(-1), antcrm.WithTimeout(math.MinInt64)},
		},
		"maxRetries": {
			[]antcrm.Option{antcrm.WithMaxRetries(0), antcrm.WithMaxRetries(1), antcrm.WithMaxRetries(math.MaxInt)},
			[]antcrm.Option{antcrm.WithMaxRetries(-1), antcrm.WithMaxRetries(math.MinInt)},
		},
		"retryBackoff": {
			[]antcrm.Option{antcrm.WithRetryBackoff(0, 0), antcrm.WithRetryBackoff(0, 1), antcrm.WithRetryBackoff(1, 1), antcrm.WithRetryBackoff(0, longest), antcrm.WithRetryBackoff(longest, longest)},
			[]antcrm.Option{antcrm.WithRetryBackoff(-1, 1), antcrm.WithRetryBackoff(1, 0), antcrm.WithRetryBackoff(-1, -1), antcrm.WithRetryBackoff(longest, longest-1)},
		},
		"maxRetryWait": {
			[]antcrm.Option{antcrm.WithMaxRetryWait(0), antcrm.WithMaxRetryWait(longest)},
			[]antcrm.Option{antcrm.WithMaxRetryWait(-1)},
		},
		"rateLimit": {
			[]antcrm.Option{antcrm.WithRateLimit(math.SmallestNonzeroFloat64, 1), antcrm.WithRateLimit(math.MaxFloat64, math.MaxInt), antcrm.WithRateLimit(math.Inf(1), 1)},
			[]antcrm.Option{antcrm.WithRateLimit(0, 1), antcrm.WithRateLimit(-1, 1), antcrm.WithRateLimit(math.NaN(), 1), antcrm.WithRateLimit(math.Inf(-1), 1), antcrm.WithRateLimit(1, 0), antcrm.WithRateLimit(1, -1)},
		},
		"rateLimiter": {
			[]antcrm.Option{antcrm.WithRateLimiter(rate.NewLimiter(1, 1)), antcrm.WithRateLimiter(free{})},
			[]antcrm.Option{antcrm.WithRateLimiter(nil), antcrm.WithRateLimiter((*rate.Limiter)(nil))},
		},
		"maxConcurrency": {
			[]antcrm.Option{antcrm.WithMaxConcurrency(1), antcrm.WithMaxConcurrency(math.MaxInt)},
			[]antcrm.Option{antcrm.WithMaxConcurrency(0), antcrm.WithMaxConcurrency(-1)},
		},
		"maxResponseSize": {
			[]antcrm.Option{antcrm.WithMaxResponseSize(2), antcrm.WithMaxResponseSize(math.MaxInt64)},
			[]antcrm.Option{antcrm.WithMaxResponseSize(0), antcrm.WithMaxResponseSize(-1)},
		},
		"userAgent": {
			[]antcrm.Option{antcrm.WithUserAgent(agent(' ') + "x"), antcrm.WithUserAgent(agent('~'))},
			[]antcrm.Option{antcrm.WithUserAgent(""), antcrm.WithUserAgent(agent('\x1f')), antcrm.WithUserAgent(agent('\x7f')), antcrm.WithUserAgent(agent('\xc3'))},
		},
		"httpClient": {[]antcrm.Option{antcrm.WithTimeout(1 << 40)}, []antcrm.Option{antcrm.WithHTTPClient(nil)}},
		"observer":   {[]antcrm.Option{antcrm.WithObserver(func(context.Context, antcrm.Attempt) {})}, []antcrm.Option{antcrm.WithObserver(nil)}},
	} {
		for i, opt := range edge.good {
			server := scripted(t, ok(`[]`))
			page, err := server.client(opt).Contacts.List(t.Context(), antcrm.ContactListParams{})
			require.NoError(t, err, "%s %d", field, i)
			assert.Empty(t, page.Items)
		}
		for i, opt := range edge.bad {
			_, err := antcrm.NewClient(secretKey, opt)
			require.ErrorIs(t, err, antcrm.ErrValidation, "%s %d", field, i)
			assert.Equal(t, field, requireError[*antcrm.ValidationError](t, err).Field)
			assert.Equal(t, -1, requireError[*antcrm.ValidationError](t, err).Index)
		}
	}
}

// free is a limiter that is no pointer.
type free struct{}

func (free) Wait(context.Context) error { return nil }

func TestTheEdgesOfEveryCallOption(t *testing.T) {
	t.Parallel()
	list := func(opt antcrm.CallOption) error {
		_, err := scripted(t, ok(`[]`)).client().Products.List(t.Context(), antcrm.ProductListParams{}, opt)
		return err
	}
	for field, edge := range map[string]struct{ good, bad []antcrm.CallOption }{
		"readAhead": {
			[]antcrm.CallOption{antcrm.WithReadAhead(0), antcrm.WithReadAhead(64)},
			[]antcrm.CallOption{antcrm.WithReadAhead(-1), antcrm.WithReadAhead(65), antcrm.WithReadAhead(math.MaxInt)},
		},
		"response": {[]antcrm.CallOption{antcrm.WithResponse(new(antcrm.Response))}, []antcrm.CallOption{antcrm.WithResponse(nil)}},
		"header": {
			[]antcrm.CallOption{antcrm.WithHeader("x", ""), antcrm.WithHeader("x", " ~"), antcrm.WithHeader("x!#$%&'*+-.^_`|~9", "v"), antcrm.WithHeader("x", strings.Repeat("v", 8000))},
			[]antcrm.CallOption{
				antcrm.WithHeader("", "v"), antcrm.WithHeader("x y", "v"), antcrm.WithHeader("x:", "v"), antcrm.WithHeader("é", "v"), antcrm.WithHeader("x", "\t"), antcrm.WithHeader("x", "\x7f"),
				antcrm.WithHeader("x", "a\nb"), antcrm.WithHeader("x", "é"),
			},
		},
	} {
		for i, opt := range edge.good {
			require.NoError(t, list(opt), "%s %d", field, i)
		}
		for i, opt := range edge.bad {
			assert.Equal(t, field, requireError[*antcrm.ValidationError](t, list(opt)).Field, "%s %d", field, i)
		}
	}
	for _, name := range []string{
		"Idempotency-Key", "X-Idempotency-Key", "Accept-Encoding", "Connection", "Content-Length", "Host", "Transfer-Encoding", "Trailer", "Upgrade", "Expect",
	} {
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			assert.Equal(t, "header", requireError[*antcrm.ValidationError](t, list(antcrm.WithHeader(spelled, "v"))).Field, spelled)
		}
	}
}

func TestTheEdgesOfEveryBatchOption(t *testing.T) {
	t.Parallel()
	for field, edge := range map[string]struct{ good, bad []antcrm.BatchOption }{
		"concurrency": {
			[]antcrm.BatchOption{antcrm.WithConcurrency(1), antcrm.WithConcurrency(math.MaxInt)},
			[]antcrm.BatchOption{antcrm.WithConcurrency(0), antcrm.WithConcurrency(-1)},
		},
		"chunkSize": {
			[]antcrm.BatchOption{antcrm.WithChunkSize(1), antcrm.WithChunkSize(100)},
			[]antcrm.BatchOption{antcrm.WithChunkSize(0), antcrm.WithChunkSize(-1), antcrm.WithChunkSize(101)},
		},
		"progress": {[]antcrm.BatchOption{antcrm.WithProgress(func(antcrm.BatchProgress) {})}, []antcrm.BatchOption{antcrm.WithProgress(nil)}},
	} {
		for i, opt := range edge.good {
			server := newLedger(t)
			result, err := server.client().Contacts.CreateBatch(t.Context(), contacts(3), opt)
			require.NoError(t, err, "%s %d", field, i)
			assert.Len(t, result.Results, 3)
			_, err = imported(t, newLedger(t).client().Contacts.Import(t.Context(), from(contacts(3), nil), opt))
			require.NoError(t, err)
		}
		for i, opt := range edge.bad {
			server := newLedger(t)
			result, err := server.client().Contacts.CreateBatch(t.Context(), contacts(3), opt)
			assert.Equal(t, field, requireError[*antcrm.ValidationError](t, err).Field, "%s %d", field, i)
			require.Len(t, result.Failures, 1)
			assert.Equal(t, antcrm.OutcomeNotSent, result.Failures[0].Outcome)
			_, err = imported(t, server.client().Contacts.Import(t.Context(), from(contacts(3), nil), opt))
			assert.Equal(t, field, requireError[*antcrm.ValidationError](t, err).Field)
			assert.Empty(t, server.all())
		}
	}
}

// An answer of exactly the size that is allowed is read; one byte more is refused.
func TestTheLargestAnswerIsRead(t *testing.T) {
	t.Parallel()
	body := `[` + strings.Repeat(" ", 1000) + `]`
	for size, good := range map[int64]bool{int64(len(body)): true, int64(len(body)) + 1: true, int64(len(body)) - 1: false, 1: false} {
		_, err := scripted(t, ok(body)).client(antcrm.WithMaxResponseSize(size)).Ratings.List(t.Context(), antcrm.RatingListParams{})
		if good {
			require.NoError(t, err, size)
			continue
		}
		require.ErrorIs(t, err, antcrm.ErrResponseTooLarge, size)
	}
}

// A call's option takes precedence over the client's; of two of a kind the later one counts, and what adds up adds up.
func TestPrecedenceOfOptions(t *testing.T) {
	t.Parallel()
	broken := func() *script {
		return served(t, func(int, seen) reply { return reply{status: http.StatusBadGateway} })
	}
	server := broken()
	client := server.client(antcrm.WithMaxRetries(7), antcrm.WithMaxRetries(2), antcrm.WithRetryBackoff(0, 0))
	_, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.ErrorIs(t, err, antcrm.ErrServer)
	assert.Len(t, server.all(), 3, "the later option")

	for _, opts := range [][]antcrm.CallOption{
		{antcrm.WithoutRetry()}, {antcrm.WithoutRetry(), antcrm.WithRetryUnsafe()}, {antcrm.WithRetryUnsafe(), antcrm.WithoutRetry()},
	} {
		server := broken()
		_, err := server.client(antcrm.WithMaxRetries(5), antcrm.WithRetryBackoff(0, 0)).Opportunities.Create(t.Context(), newOrder(), opts...)
		require.ErrorIs(t, err, antcrm.ErrServer)
		assert.Len(t, server.all(), 1, "WithoutRetry takes precedence over WithMaxRetries and WithRetryUnsafe")
	}

	server = scripted(t, ok(`[]`), ok(`[]`))
	client = server.client(antcrm.WithUserAgent("first"), antcrm.WithUserAgent("the client's"))
	_, err = client.Products.List(t.Context(), antcrm.ProductListParams{})
	require.NoError(t, err)
	_, err = client.Products.List(t.Context(), antcrm.ProductListParams{},
		antcrm.WithHeader("user-agent", "the call's"), antcrm.WithHeader("X-A", "1"), antcrm.WithHeader("x-a", "2"), antcrm.WithHeader("APIKEY", "another's"))
	require.NoError(t, err)
	requests := server.all()
	assert.Equal(t, []string{"the client's"}, requests[0].Header["User-Agent"])
	assert.Equal(t, []string{"the call's"}, requests[1].Header["User-Agent"])
	assert.Equal(t, []string{"2"}, requests[1].Header["X-A"])
	assert.Equal(t, []string{secretKey}, requests[1].Header["Apikey"], "but no call has another key")

	first, second, observed := &turns{left: 1}, &turns{left: 2}, []string{}
	server = scripted(t, ok(`[]`))
	client = server.client(antcrm.WithRateLimiter(first), antcrm.WithRateLimiter(second),
		antcrm.WithObserver(func(context.Context, antcrm.Attempt) { observed = append(observed, "first") }),
		antcrm.WithObserver(func(context.Context, antcrm.Attempt) { observed = append(observed, "second") }))
	_, err = client.Tickets.List(t.Context(), antcrm.TicketListParams{})
	require.NoError(t, err)
	_, err = client.Tickets.List(t.Context(), antcrm.TicketListParams{})
	require.ErrorIs(t, err, errNoTurns, "every limiter is asked")
	assert.Equal(t, []string{"first", "second"}, observed)

	server = scripted(t, ok(`{"success":1,"leadId":[1]}`))
	_, err = server.client().Contacts.CreateBatch(t.Context(), contacts(1),
		antcrm.WithCallOptions(antcrm.WithHeader("X-A", "1")), antcrm.WithCallOptions(antcrm.WithHeader("X-B", "2")))
	require.NoError(t, err)
	assert.Equal(t, "1", server.one().Header.Get("X-A"))
	assert.Equal(t, "2", server.one().Header.Get("X-B"))
}

// An option takes precedence over the environment, and the environment over the default.
func TestPrecedenceOfTheEnvironment(t *testing.T) {
	t.Setenv("ANTCRM_API_KEY", "key")
	base := func(opts ...antcrm.Option) string {
		client, err := antcrm.NewClientFromEnv(opts...)
		require.NoError(t, err)
		return fmt.Sprint(client)
	}
	t.Setenv("ANTCRM_BASE_URL", "")
	assert.Equal(t, "antcrm.Client{https://apiring.antbuddy.com}", base())
	t.Setenv("ANTCRM_BASE_URL", "https://env.example")
	assert.Equal(t, "antcrm.Client{https://env.example}", base())
	assert.Equal(t, "antcrm.Client{https://option.example}", base(antcrm.WithBaseURL("https://option.example")))
	t.Setenv("ANTCRM_BASE_URL", "http://env.example")
	_, err := antcrm.NewClientFromEnv()
	require.ErrorIs(t, err, antcrm.ErrValidation, "plain http is as bad from there")
	t.Setenv("ANTCRM_API_KEY", " ")
	_, err = antcrm.NewClientFromEnv()
	require.ErrorContains(t, err, "ANTCRM_API_KEY")
}

// An error's offset counts from the first byte of the body, whatever stands before the record.
func TestOffsetsCountFromTheBodysFirstByte(t *testing.T) {
	t.Parallel()
	const record = `{"tags":[1],"name":{"a":1}}`
	for _, before := range []string{"", " ", "\ufeff", "\ufeff\r\n\t "} {
		for _, frame := range [][2]string{
			{`[`, `]`}, {``, ``}, {`[{"name":"first"} , `, `]`}, {`{"success":true,"data":[`, `],"total":1}`}, {`{"total":7, "data" : [ {"name":"é"},`, `]}`},
		} {
			body := before + frame[0] + record + frame[1] + "\n"
			for name, list := range map[string]func(*antcrm.Client) error{
				"List": func(c *antcrm.Client) error {
					_, err := c.Contacts.List(t.Context(), antcrm.ContactListParams{})
					return err
				},
				"All": func(c *antcrm.Client) error {
					_, err := antcrm.Collect(c.Contacts.All(t.Context(), antcrm.ContactListParams{}))
					return err
				},
			} {
				err := list(scripted(t, ok(body)).client())
				failure := requireError[*antcrm.DecodeError](t, err)
				assert.Equal(t, strings.Index(body, `{"a":1}`), int(failure.Offset), "%s of %q", name, body)
				assert.True(t, strings.HasSuffix(failure.Path, "/name"), failure.Path)
			}
		}
	}
}

func TestOffsetsOfWritesAndDoCountFromTheBodysFirstByte(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", " ", "\ufeff", "\ufeff\r\n\t "} {
		for name, test := range map[string]struct {
			body, at string
			call     func(*antcrm.Client) error
		}{
			"an id of another kind": {`{"success":1, "number" : {"a":1}}`, `{"a":1}`, func(c *antcrm.Client) error {
				_, err := c.Opportunities.Create(t.Context(), newOrder())
				return err
			}},
			"one of the ids": {`{"success":1,"leadId":[1 , [2]]}`, `[2]`, func(c *antcrm.Client) error {
				_, err := c.Contacts.CreateBatch(t.Context(), contacts(2))
				return err
			}},
			"a broken write": {`{"success":1,"number":tru}`, `}`, func(c *antcrm.Client) error {
				_, err := c.Opportunities.Create(t.Context(), newOrder())
				return err
			}},
			"a broken list": {`[{"name":tru}]`, `}`, func(c *antcrm.Client) error {
				_, err := c.Products.List(t.Context(), antcrm.ProductListParams{})
				return err
			}},
			"Do without a result": {`{"a":tru}`, `}`, func(c *antcrm.Client) error {
				return c.Do(t.Context(), http.MethodPost, "/x", nil, nil, nil)
			}},
			"Do with a result": {`{"a": "text"}`, `"text"`, func(c *antcrm.Client) error {
				var out struct{ A int }
				return c.Do(t.Context(), http.MethodPost, "/x", nil, nil, &out)
			}},
		} {
			body := before + test.body
			failure := requireError[*antcrm.DecodeError](t, test.call(scripted(t, ok(body)).client()))
			assert.Equal(t, strings.LastIndex(body, test.at), int(failure.Offset), "%s: %q", name, body)
		}
	}
}
