package antcrm_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/antbuddy/antcrm-go"
)

// What an answer may cost, whatever the server sends within the default cap of 16
// MiB: the memory of the whole process, and the processor time of the call. On a
// busy machine the same work is charged for more.
const (
	mostResident = 256 << 20
	mostCPU      = 2 * time.Second
	mostCPUBusy  = 5 * time.Second
)

// hostileAnswer is an answer made to hurt, the call that gets it, and what the call
// must make of it.
type hostileAnswer struct {
	name string
	send func(w http.ResponseWriter)
	call func(ctx context.Context, c *antcrm.Client) error
	want []error // sentinels; none: the call succeeds
	// isDecode: the error is a *DecodeError; else an *APIError if there is any.
	isDecode bool
	quick    bool // part of the default run
	plain    bool // over HTTP/1.1 only: what decodes the body does not know how it came
}

const (
	capBytes = 16 << 20
	almost   = capBytes - 1<<10
)

// repeated sends head, as many units as fit into size bytes, and tail. The last
// byte of unit, the separator, is left out before tail.
func repeated(head, unit, tail string, size int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { writeRepeated(w, head, unit, tail, size) }
}

func writeRepeated(w io.Writer, head, unit, tail string, size int) {
	io.WriteString(w, head)
	many := max(1, (size-len(head)-len(tail))/len(unit))
	block := strings.Repeat(unit, min(many, max(1, 64<<10/len(unit))))
	per := len(block) / len(unit)
	for ; many > per; many -= per {
		if _, err := io.WriteString(w, block); err != nil {
			return
		}
	}
	io.WriteString(w, strings.Repeat(unit, many)[:many*len(unit)-1])
	io.WriteString(w, tail)
}

// manyMembers sends members of which no two have one name.
func manyMembers(head, value, tail string) func(http.ResponseWriter) {
	return members(head, value, tail, almost)
}

// members sends as many members as fit into size bytes.
func members(head, value, tail string, size int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		io.WriteString(w, head)
		block := make([]byte, 0, 64<<10)
		for n, sent := 0, 0; sent < size-64; n++ {
			before := len(block)
			block = append(strconv.AppendInt(append(block, `"m`...), int64(n), 10), `":`+value+`,`...)
			sent += len(block) - before
			if len(block) > 63<<10 {
				if _, err := w.Write(block); err != nil {
					return
				}
				block = block[:0]
			}
		}
		w.Write(append(block, `"end":`+value+tail...))
	}
}

func zipped(send func(http.ResponseWriter)) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		send(&zippedWriter{w, zip})
		zip.Close()
	}
}

// zippedMany sends head and tail and, between them, so many times a block that was
// compressed once: a gzip text may be several behind each other.
func zippedMany(head, block, tail string, many int) func(http.ResponseWriter) {
	squeeze := func(text string) []byte {
		var out bytes.Buffer
		zip := gzip.NewWriter(&out)
		io.WriteString(zip, text)
		zip.Close()
		return out.Bytes()
	}
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(squeeze(head))
		squeezed := squeeze(block)
		for range many {
			if _, err := w.Write(squeezed); err != nil {
				return
			}
		}
		w.Write(squeeze(tail))
	}
}

type zippedWriter struct {
	http.ResponseWriter
	zip io.Writer
}

func (z *zippedWriter) Write(p []byte) (int, error) { return z.zip.Write(p) }

func withStatus(status int, send func(http.ResponseWriter)) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		send(w)
	}
}

// endless sends far more than any cap, until the client has enough. An int of 32 bits holds the number.
func endless(unit string) func(http.ResponseWriter) {
	return repeated("", strings.Repeat(unit, 1<<10), "", math.MaxInt32)
}

func hostileAnswers() []hostileAnswer {
	outs := hostileOuts()
	for i := range outs {
		outs[i].plain = true
	}
	return slices.Concat(hostileLists(), hostileWrites(), hostileRefusals(), outs)
}

func hostileLists() []hostileAnswer {
	tooLarge := []error{antcrm.ErrResponseTooLarge}
	contacts := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Contacts.List(ctx, antcrm.ContactListParams{}))
	}
	ratings := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Ratings.List(ctx, antcrm.RatingListParams{}))
	}
	orders := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Opportunities.List(ctx, antcrm.OpportunityListParams{}))
	}
	tickets := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Tickets.List(ctx, antcrm.TicketListParams{}))
	}
	points := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Points.List(ctx, antcrm.LoyaltyListParams{}))
	}
	sessions := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Messages.List(ctx, antcrm.MessageListParams{CreatedFrom: moment(), CreatedTo: moment()}))
	}
	all := func(ctx context.Context, c *antcrm.Client) error {
		return failed(antcrm.Collect(c.Contacts.All(ctx, antcrm.ContactListParams{})))
	}
	get := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Contacts.Get(ctx, antcrm.LeadRef("1")))
	}
	list := func(head, unit, tail string) func(http.ResponseWriter) { return repeated(head, unit, tail, almost) }
	return []hostileAnswer{
		{name: "empty records", send: list(`[`, `{},`, `]`), call: contacts, want: tooLarge, isDecode: true, quick: true},
		{name: "empty records, a megabyte", send: repeated(`[`, `{},`, `]`, 1<<20), call: contacts, want: tooLarge, isDecode: true},
		{name: "empty records, zipped", send: zipped(list(`[`, `{},`, `]`)), call: contacts, want: tooLarge, isDecode: true, quick: true},
		{name: "empty records in an envelope", send: list(`{"success":true,"data":[`, `{},`, `]}`), call: ratings, want: tooLarge, isDecode: true},
		{name: "empty records, then a refusal", send: list(`{"data":[`, `{},`, `],"success":0,"message":"no"}`), call: ratings, want: []error{antcrm.ErrRejected}},
		{name: "empty records to a Get", send: list(`[`, `{},`, `]`), call: get, want: tooLarge, isDecode: true},
		{name: "empty records to an All", send: list(`[`, `{},`, `]`), call: all, want: tooLarge, isDecode: true},
		{name: "small records", send: list(`[`, `{"leadId":1},`, `]`), call: contacts, want: tooLarge, isDecode: true},
		{name: "empty sessions", send: list(`{"success":true,"data":{"sessions":[`, `{},`, `]}}`), call: sessions, want: tooLarge, isDecode: true},
		{name: "empty messages of a session", send: list(`{"data":{"sessions":[{"messages":[`, `{},`, `]}]}}`), call: sessions, want: tooLarge, isDecode: true},
		{name: "empty phones", send: list(`[{"phones":[`, `{},`, `]}]`), call: contacts, want: tooLarge, isDecode: true, quick: true},
		{name: "addresses with empty countries", send: list(`[{"addresses":[`, `{"country":{}},`, `]}]`), call: contacts, want: tooLarge, isDecode: true},
		{name: "empty tags", send: list(`[{"tags":[`, `"",`, `]}]`), call: contacts, want: tooLarge, isDecode: true},
		{name: "tags that are lists", send: list(`[{"tags":[`, `[],`, `]}]`), call: contacts, isDecode: true, want: []error{}},
		{name: "custom fields of numbers", send: list(`[{"cusFields":[`, `{"value":0},`, `]}]`), call: contacts, want: tooLarge, isDecode: true},
		{name: "files of numbers", send: list(`[{"files":[`, `0,`, `]}]`), call: tickets, want: tooLarge, isDecode: true},
		{name: "line items", send: list(`[{"groupPackage":[`, `{},`, `]}]`), call: orders, want: tooLarge, isDecode: true},
		{name: "one contact over and over", send: list(`[{`, `"contact":{},`, `}]`), call: points, want: tooLarge, isDecode: true},
		{name: "nulls", send: list(`[`, `null,`, `]`), call: contacts},
		{name: "numbers for records", send: list(`[`, `1,`, `]`), call: contacts, isDecode: true, want: []error{}},
		{name: "lists for records", send: list(`[`, `[],`, `]`), call: contacts, isDecode: true, want: []error{}},
		{name: "nested lists", send: list(``, `[`, ``), call: contacts, isDecode: true, want: []error{}},
		{name: "nested objects", send: list(`[`, `{"a":`, ``), call: contacts, isDecode: true, want: []error{}},
		{name: "a record of unknown members", send: manyMembers(`[{"leadId":1,`, `0`, `}]`), call: contacts},
		{name: "an object of unknown members", send: manyMembers(`{`, `0`, `}`), call: contacts},
		{name: "a name of escapes", send: list(`[{"name":"`, `\u0041`, `A"}]`), call: contacts},
		{name: "a name of backslashes", send: list(`[{"name":"`, `\\\\`, `\"}]`), call: contacts},
		{name: "a name of quotes", send: list(`[{"name":"`, `\"\"`, `""}]`), call: contacts},
		{name: "a name that is not UTF-8", send: list(`[{"name":"`, "\xff", `a"}]`), call: contacts, want: tooLarge, isDecode: true},
		{name: "an amount of digits", send: list(`[{"value":`, `7`, `}]`), call: orders},
		{name: "a date of digits", send: list(`[{"createdAt":`, `7`, `}]`), call: contacts},
		{name: "a score of digits", send: list(`[{"rating_score":0.`, `7`, `}]`), call: ratings},
		{name: "a total of digits", send: list(`{"total":`, `7`, `,"data":[]}`), call: ratings},
		{name: "white space", send: list(``, "\n", ``), call: contacts, isDecode: true, want: []error{}},
		{name: "more than the cap", send: repeated(`[`, `{"leadId":1},`, `]`, capBytes+1<<20), call: contacts, want: tooLarge, isDecode: true, quick: true},
		{name: "no end", send: endless(`{},`), call: contacts, want: tooLarge, isDecode: true},
		{name: "a gigabyte, zipped", send: zippedMany(`[`, strings.Repeat(" ", 1<<20), `]`, 1<<10), call: contacts, want: tooLarge, isDecode: true},
	}
}

func hostileWrites() []hostileAnswer {
	unknown := []error{antcrm.ErrOutcomeUnknown}
	create := func(ctx context.Context, c *antcrm.Client) error { return failed(c.Contacts.Create(ctx, contact(1))) }
	batch := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Contacts.CreateBatch(ctx, contacts(100)))
	}
	segment := func(ctx context.Context, c *antcrm.Client) error {
		return c.Segments.SetContacts(ctx, segmentID, contacts(1))
	}
	remove := func(ctx context.Context, c *antcrm.Client) error { return c.Contacts.Delete(ctx, antcrm.LeadRef("1")) }
	list := func(head, unit, tail string) func(http.ResponseWriter) { return repeated(head, unit, tail, almost) }
	return []hostileAnswer{
		{name: "a million ids for one record", send: list(`{"success":1,"leadId":[`, `1,`, `]}`), call: create, want: unknown, isDecode: true, quick: true},
		{name: "a million ids for a batch", send: list(`{"success":1,"leadId":[`, `1,`, `]}`), call: batch, want: unknown, isDecode: true},
		{name: "nulls for ids", send: list(`{"success":1,"leadId":[`, `null,`, `]}`), call: batch, want: unknown, isDecode: true},
		{name: "objects for ids", send: list(`{"success":1,"leadId":[`, `{},`, `]}`), call: batch, want: unknown, isDecode: true},
		{name: "one id over and over", send: list(`{`, `"leadId":1,`, `}`), call: create},
		{name: "members of a write", send: manyMembers(`{"leadId":1,`, `{}`, `}`), call: create},
		{name: "a success of megabytes", send: list(`{"success":"`, `x`, `"}`), call: remove, want: unknown, isDecode: true},
		{name: "a success of lists", send: list(`{"success":[`, `[],`, `]}`), call: remove, want: unknown, isDecode: true},
		{name: "Ok in white space", send: list(`Ok`, "\n", ``), call: segment},
		{name: "an id of megabytes", send: list(`{"success":1,"leadId":"`, `9`, `"}`), call: create},
	}
}

func hostileRefusals() []hostileAnswer {
	rejected := []error{antcrm.ErrRejected}
	create := func(ctx context.Context, c *antcrm.Client) error { return failed(c.Contacts.Create(ctx, contact(1))) }
	contacts := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.Contacts.List(ctx, antcrm.ContactListParams{}))
	}
	messages := func(ctx context.Context, c *antcrm.Client) error {
		return failed(c.ZNSMessages.List(ctx, antcrm.ZNSMessageListParams{}))
	}
	list := func(head, unit, tail string) func(http.ResponseWriter) { return repeated(head, unit, tail, almost) }
	return []hostileAnswer{
		{name: "a million messages", send: list(`{"success":0,"message":[`, `0,`, `]}`), call: create, want: rejected, quick: true},
		{name: "a million messages of a list", send: list(`{"success":0,"message":[`, `0,`, `]}`), call: contacts, want: rejected},
		{name: "empty messages", send: list(`{"success":0,"message":[`, `"",`, `]}`), call: create, want: rejected},
		{name: "message after message", send: list(`{"success":0,`, `"message":"",`, `}`), call: create, want: rejected},
		{name: "nested messages", send: list(`{"success":0,"errors":[`, `[[[[]]]],`, `]}`), call: create, want: rejected},
		{name: "messages by name", send: manyMembers(`{"success":0,"errors":{`, `{"a":[]}`, `}}`), call: create, want: rejected},
		{name: "a message of megabytes", send: list(`{"success":0,"message":"`, `x`, `"}`), call: create, want: rejected},
		{name: "a code of megabytes", send: list(`{"success":0,"code":"`, `x`, `"}`), call: create, want: rejected},
		{name: "ids of a refusal", send: list(`{"success":0,"leadId":[`, `{},`, `]}`), call: create, want: rejected},
		{name: "an error page without an end", send: withStatus(http.StatusInternalServerError, endless(`<p>`)), call: contacts, want: []error{antcrm.ErrServer}},
		{name: "messages of an error page", send: withStatus(http.StatusConflict, list(`{"message":[`, `[0],`, `]}`)), call: create, want: []error{antcrm.ErrConflict}},
		{name: "members of a 404", send: withStatus(http.StatusNotFound, list(`{`, `"a":[],`, `}`)), call: messages, want: []error{antcrm.ErrNotFound}},
	}
}

// outOf is a call of Do for an answer that becomes a T.
func outOf[T any](ctx context.Context, c *antcrm.Client) error {
	return c.Do(ctx, http.MethodGet, "/x", nil, nil, new(T))
}

func hostileOuts() []hostileAnswer {
	tooLarge := []error{antcrm.ErrResponseTooLarge}
	type large struct {
		A, B, C, D, E, F, G, H string
		More                   [4]struct{ A, B, C, D string }
	}
	list := func(head, unit, tail string) func(http.ResponseWriter) { return repeated(head, unit, tail, almost) }
	decode := func(ctx context.Context, c *antcrm.Client) error {
		page, err := c.Campaigns.List(ctx, antcrm.CampaignListParams{})
		if err != nil {
			return err
		}
		return page.Items[0].Decode(&struct{ X []any }{})
	}
	pointed := func(ctx context.Context, c *antcrm.Client) error {
		var out any = new([]large)
		return c.Do(ctx, http.MethodGet, "/x", nil, nil, &out)
	}
	nothing := func(ctx context.Context, c *antcrm.Client) error {
		return c.Do(ctx, http.MethodGet, "/x", nil, nil, nil)
	}
	return []hostileAnswer{
		{name: "any: empty objects", send: list(`[`, `{},`, `]`), call: outOf[any], want: tooLarge, isDecode: true, quick: true},
		{name: "any: empty lists", send: list(`[`, `[],`, `]`), call: outOf[any], want: tooLarge, isDecode: true},
		{name: "any: numbers", send: list(`[`, `7,`, `]`), call: outOf[any], want: tooLarge, isDecode: true},
		{name: "any: texts", send: list(`[`, `"a",`, `]`), call: outOf[any], want: tooLarge, isDecode: true},
		{name: "any: objects of one", send: list(`[`, `{"a":0},`, `]`), call: outOf[any], want: tooLarge, isDecode: true},
		{name: "any: members", send: manyMembers(`{`, `0`, `}`), call: outOf[any], want: tooLarge, isDecode: true},
		{name: "any: as many members as fit", send: members(`{`, `0`, `}`, 10<<20), call: outOf[any]},
		{name: "any: as many members with a text as fit", send: members(`{`, `"abcdefgh"`, `}`, 16<<20), call: outOf[any]},
		{name: "any: as many texts as fit", send: repeated(`[`, `"abcdefg",`, `]`, 12<<20), call: outOf[any]},
		{name: "any: as many objects as fit", send: repeated(`[`, `{"a":0,"b":1,"c":2,"d":3},`, `]`, 3<<20), call: outOf[any]},
		{name: "map of any: members", send: manyMembers(`{`, `0`, `}`), call: outOf[map[string]any], want: tooLarge, isDecode: true},
		{name: "map of any: one name again and again", send: list(`{`, `"a":0,`, `}`), call: outOf[map[string]any], want: tooLarge, isDecode: true},
		{name: "list of any: empty objects", send: list(`[`, `{},`, `]`), call: outOf[[]any], want: tooLarge, isDecode: true},
		{name: "structs with any", send: list(`[`, `{"X":[]},`, `]`), call: outOf[[]struct{ X any }], want: tooLarge, isDecode: true},
		{name: "a struct with maps of any", send: list(`{"X":[`, `{"a":{}},`, `]}`), call: outOf[struct{ X []map[string]any }], want: tooLarge, isDecode: true},
		{name: "texts by name", send: manyMembers(`{`, `"a"`, `}`), call: outOf[map[string]string], want: tooLarge, isDecode: true},
		{name: "numbers by name", send: manyMembers(`{`, `1`, `}`), call: outOf[map[string]int], want: tooLarge, isDecode: true},
		{name: "as many texts by name as fit", send: members(`{`, `"a"`, `}`, 10<<20), call: outOf[map[string]string]},
		{name: "lists by name", send: manyMembers(`{`, `[]`, `}`), call: outOf[map[string][]string], want: tooLarge, isDecode: true},
		{name: "any: nested objects", send: list(`[`, `{"a":{"a":{"a":{}}}},`, `]`), call: outOf[any], want: tooLarge, isDecode: true},
		{name: "structs", send: list(`[`, `{},`, `]`), call: outOf[[]large], want: tooLarge, isDecode: true},
		{name: "pointers to structs", send: list(`[`, `{},`, `]`), call: outOf[[]*large], want: tooLarge, isDecode: true},
		{name: "any that points to structs", send: repeated(`[`, `{},`, `]`, 2<<20), call: pointed, want: tooLarge, isDecode: true},
		{name: "structs by name", send: manyMembers(`{`, `{}`, `}`), call: outOf[map[string]large], want: tooLarge, isDecode: true},
		{name: "maps", send: list(`[`, `{"a":0},`, `]`), call: outOf[[]map[string]int], want: tooLarge, isDecode: true},
		{name: "lists of lists", send: list(`[`, `[],`, `]`), call: outOf[[][]int], want: tooLarge, isDecode: true},
		{name: "texts", send: list(`[`, `"",`, `]`), call: outOf[[]string], want: tooLarge, isDecode: true},
		{name: "raw messages", send: list(`[`, `0,`, `]`), call: outOf[[]json.RawMessage], want: tooLarge, isDecode: true},
		{name: "contacts", send: list(`[`, `{"phones":[{}]},`, `]`), call: outOf[[]antcrm.Contact], want: tooLarge, isDecode: true},
		{name: "nothing", send: list(`[`, `{},`, `]`), call: nothing},
		{name: "a record's Decode", send: list(`{"success":true,"data":[{"x":[`, `{},`, `]}]}`), call: decode, want: tooLarge, isDecode: true},
	}
}

// hostileReport is what a child process says of a call.
type hostileReport struct {
	Answer   int // of hostileAnswers
	Protocol string
	Failed   string
	Is       []bool // of want
	IsDecode bool
	IsAPI    bool
	Resident int64
	CPU      time.Duration
	Leak     string
}

const (
	hostileNumbers = "ANTCRM_HOSTILE_NUMBERS" // of answers, separated by spaces
	hostilePlain   = "ANTCRM_HOSTILE_PLAIN"   // the server over HTTP/1.1
	hostileSecure  = "ANTCRM_HOSTILE_SECURE"  // over HTTP/2; empty: not wanted
	hostileCert    = "ANTCRM_HOSTILE_CERT"
)

// isLongRun reports whether the tests that take long are wanted.
func isLongRun() bool { return os.Getenv("ANTCRM_LONG_TESTS") == "1" }

// Whatever a server answers within the cap, a call takes bounded memory and time,
// returns a typed error, and leaves nothing behind. The calls run in other
// processes, whose memory is theirs: a few in each, one after another.
func TestHostileAnswersCostBoundedMemoryAndTime(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("the race detector multiplies memory and time")
	}
	if runtime.GOOS != "linux" {
		t.Skip("what a process has used is read from /proc")
	}
	const atOnce = 8
	env := hostileServers(t)
	var numbers []string
	for i, answer := range hostileAnswers() {
		if isLongRun() || answer.quick {
			numbers = append(numbers, strconv.Itoa(i))
		}
	}
	for group := range slices.Chunk(numbers, atOnce) {
		t.Run("answers "+strings.Join(group, " "), func(t *testing.T) {
			t.Parallel()
			for _, report := range inChild(t, group, env) {
				checkHostile(t, report, env)
			}
		})
	}
}

// hostileServers give the hostile answers; they are named in the environment of a child.
func hostileServers(t *testing.T) (env []string) {
	t.Helper()
	answers := hostileAnswers()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		number, err := strconv.Atoi(strings.SplitN(r.URL.Path, "/", 3)[1])
		assert.NoError(t, err)
		answers[number].send(w)
	})
	plain := httptest.NewServer(handler)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	env = []string{hostilePlain + "=" + plain.URL, hostileCert + "=" + cert}
	if isLongRun() {
		env = append(env, hostileSecure+"="+secure.URL)
	}
	return env
}

func checkHostile(t *testing.T, report hostileReport, env []string) {
	t.Helper()
	answer := hostileAnswers()[report.Answer]
	name := answer.name + ", " + report.Protocol
	for range 3 {
		if report.CPU <= mostCPU && report.Resident <= mostResident {
			break
		}
		// Something else may have had the machine, or an answer before it has left its garbage: the answer is asked alone.
		for _, again := range inChild(t, []string{strconv.Itoa(report.Answer)}, env) {
			if again.Protocol == report.Protocol {
				report.CPU, report.Resident = min(report.CPU, again.CPU), min(report.Resident, again.Resident)
			}
		}
	}
	t.Logf("%s: %d MiB, %v, %.200s", name, report.Resident>>20, report.CPU, report.Failed)
	assert.LessOrEqual(t, report.Resident, int64(mostResident), name)
	if isBusy(t) {
		assert.LessOrEqual(t, report.CPU, mostCPUBusy, name)
	} else {
		assert.LessOrEqual(t, report.CPU, mostCPU, name)
	}
	assert.Empty(t, report.Leak, name)
	if answer.want == nil {
		assert.Empty(t, report.Failed, name)
		return
	}
	assert.True(t, report.IsDecode || report.IsAPI, "%s: %s", name, report.Failed)
	assert.Equal(t, answer.isDecode, report.IsDecode, "%s: %s", name, report.Failed)
	for i, is := range report.Is {
		assert.True(t, is, "%s: %v: %s", name, answer.want[i], report.Failed)
	}
}

// inChild runs hostile calls in a process of their own.
func inChild(t *testing.T, numbers, env []string) (reports []hostileReport) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostileChild$", "-test.v")
	child.Env = append(append(os.Environ(), env...), hostileNumbers+"="+strings.Join(numbers, " "))
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		if text, found := strings.CutPrefix(line, "report: "); found {
			reports = append(reports, fromJSON[hostileReport](t, text))
		}
	}
	require.GreaterOrEqual(t, len(reports), len(numbers), "%s", out)
	return reports
}

// TestHostileChild is the other process of TestHostileAnswersCostBoundedMemoryAndTime.
func TestHostileChild(t *testing.T) { //nolint:paralleltest // alone in its process
	numbers := strings.Fields(os.Getenv(hostileNumbers))
	if len(numbers) == 0 {
		t.Skip("runs in a process of its own")
	}
	for _, number := range numbers {
		for protocol, base := range map[string]string{"HTTP/1.1": os.Getenv(hostilePlain), "HTTP/2": os.Getenv(hostileSecure)} {
			if base == "" {
				continue
			}
			i, err := strconv.Atoi(number)
			require.NoError(t, err)
			if protocol == "HTTP/2" && hostileAnswers()[i].plain {
				continue
			}
			report := meetHostile(t, hostileAnswers()[i], base+"/"+number)
			report.Answer, report.Protocol = i, protocol
			fmt.Println("report: " + toJSON(t, report))
		}
	}
}

// meetHostile makes one hostile call.
func meetHostile(t *testing.T, answer hostileAnswer, base string) (report hostileReport) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(os.Getenv(hostileCert)))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client, err := antcrm.NewClient(secretKey, antcrm.WithBaseURL(base), antcrm.WithMaxRetries(0), antcrm.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	before := goleak.IgnoreCurrent()
	forgetMemory() // of the call before
	began := processorTime(t)
	err = answer.call(t.Context(), client)
	report.CPU, report.Resident = processorTime(t)-began, mostMemory(t)
	if err != nil {
		report.Failed = err.Error()
	}
	_, report.IsDecode = errors.AsType[*antcrm.DecodeError](err)
	_, report.IsAPI = errors.AsType[*antcrm.APIError](err)
	for _, want := range answer.want {
		report.Is = append(report.Is, errors.Is(err, want))
	}
	client.CloseIdleConnections()
	if leak := goleak.Find(before); leak != nil {
		report.Leak = leak.Error()
	}
	return report
}

// fullContacts is a page of so many contacts with nearly every field filled, as
// large as the default limit lets it be.
func fullContacts(count int) string {
	const one = `{"name":"Nguyễn Thị Thanh Hằng","contactType":"customer","type":0,"customerId":475,"leadId":2964,"customerIdApiRing":"KH-000475","dateOfBirth":"15/03/1990","gender":1,
"addresses":[{"type":"Work","street":"319","streetName":"Lý Thường Kiệt","wards":"Phường 15","state":"Quận 11","city":"Thành phố Hồ Chí Minh","country":{"code":"VN","name":"Vietnam"},"_id":"64db290a0001000000000001"},
{"type":"Home","street":"12","streetName":"Nguyễn Kiệm","wards":"Phường 3","state":"Quận Gò Vấp","city":"Thành phố Hồ Chí Minh","country":{"code":"VN","name":"Vietnam"},"_id":"64db290a0001000000000002"}],
"phones":[{"type":"Work","value":"0900000001","_id":"64db290a0002000000000001"}],"emails":[{"type":"Work","value":"khach.hang.1@example.com","_id":"64db290a0003000000000001"}],
"industry":"Bất động sản","im":[{"protocol":"Facebook","value":"https://example.com/khach.hang.1"}],"bgInfo":"Khách hàng thân thiết","stage":"Khách hàng mới","tags":["Chưa liên hệ","Miền Nam"],
"sourceContact":"Quảng cáo","responsibleStaff":"nhan.vien@example.com","cusFields":[{"name":"Đơn vị vận chuyển","value":"Giao hàng nhanh"}],"scoreAvailable":120,"scoreRank":340.5,"rankName":"Vàng",
"createdAt":1692084490615,"updatedAt":1692084490615,"sourceLead":{"_id":"64db290a0004000000000001","code":1,"name":"Hằng"},"historiesAds":[{"_id":1,"fb_ads_id":2,"fb_post_id":3,"createdAt":1692084490615}]}`
	return "[" + strings.Repeat(one+",", count-1) + one + "]"
}

// The limits are far from what an honest answer comes to.
func TestTenThousandFullContactsAreDecoded(t *testing.T) {
	t.Parallel()
	body := fullContacts(10_000)
	require.Less(t, len(body), capBytes)
	require.Greater(t, len(body), capBytes*8/10)
	client := served(t, func(int, seen) reply { return ok(body) }).client()

	page, err := client.Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 10_000)
	assert.Equal(t, "Nguyễn Kiệm", page.Items[9_999].Addresses[1].StreetName)

	var anything []any
	require.NoError(t, client.Do(t.Context(), http.MethodGet, "/contacts", nil, nil, &anything))
	assert.Len(t, anything, 10_000)
	var typed []antcrm.Contact
	require.NoError(t, client.Do(t.Context(), http.MethodGet, "/contacts", nil, nil, &typed))
	assert.Len(t, typed, 10_000)

	page, err = served(t, func(int, seen) reply { return ok(`[{"_id":"a","all":` + body[:len(body)-1] + `]}]`) }).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
	require.NoError(t, err)
	var mine struct{ All []any }
	require.NoError(t, page.Items[0].Decode(&mine))
	assert.Len(t, mine.All, 10_000)
}

// endedContext ends without a word to anybody but those who ask.
type endedContext struct {
	context.Context
	ended *atomic.Bool
}

func (c endedContext) Err() error {
	if c.ended.Load() {
		return context.Canceled
	}
	return c.Context.Err()
}

// The caller's context ends the decoding of an answer that has come whole.
func TestTheEndOfTheContextEndsDecoding(t *testing.T) {
	t.Parallel()
	many := func(head, unit, tail string) string {
		return head + strings.Repeat(unit, 100_000) + strings.Trim(unit, ",") + tail
	}
	for name, tt := range map[string]struct {
		answer  string
		call    func(context.Context, *antcrm.Client) error
		isWrite bool
	}{
		"list": {many(`[`, `null,`, `]`), func(ctx context.Context, c *antcrm.Client) error {
			return failed(c.Contacts.List(ctx, antcrm.ContactListParams{}))
		}, false},
		"write": {many(`{"success":1,"leadId":[`, `1,`, `]}`), func(ctx context.Context, c *antcrm.Client) error {
			return failed(c.Contacts.Create(ctx, contact(1)))
		}, true},
		"do": {many(`[`, `0,`, `]`), outOf[any], false},
		"do, no out": {many(`{"a":0,`, `"a":0,`, `}`), func(ctx context.Context, c *antcrm.Client) error {
			return c.Do(ctx, http.MethodPost, "/x", nil, nil, nil)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := endedContext{t.Context(), new(atomic.Bool)}
			err := tt.call(ctx, served(t, func(int, seen) reply { ctx.ended.Store(true); return ok(tt.answer) }).client())
			require.ErrorIs(t, err, context.Canceled)
			requireError[*antcrm.TransportError](t, err)
			assert.Equal(t, tt.isWrite, errors.Is(err, antcrm.ErrOutcomeUnknown), err)
			onOneLine(t, err)
		})
	}
}
