package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// answerWithin is how long the fake may take for an answer before it counts as hanging.
const answerWithin = 20 * time.Second

// attackRequest is a request under construction: the body as a JSON value, or as the bytes that a mutation has made of it.
type attackRequest struct {
	op      Operation
	method  string
	path    string
	query   url.Values
	header  http.Header
	tree    any
	hasBody bool
	raw     []byte // sent instead of tree, if not nil
	keyless bool
	fields  []string // names for a field more
}

// TestTheFakeStandsAttacksFromTheContract draws requests from the schemas, leaves some as they are and damages the others, and sends them in
// sequences to one server. Whatever comes, the answer must come, have a status that the contract documents and a body that its schema takes,
// and never be a 5xx. A request that the contract takes must not be refused as malformed. In the end every list must still be a valid one.
//
// More rounds: go test -run Attacks -rapid.checks=5000
func TestTheFakeStandsAttacksFromTheContract(t *testing.T) {
	t.Parallel()
	c := load(t)
	seeds, fields := seededRecords(t), c.shownFields()
	for _, part := range []string{"one", "two", "three"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				srv, err := antcrmtest.Start()
				require.NoError(rt, err)
				defer srv.Close()
				for kind, records := range seeds {
					require.NoError(rt, srv.Seed(kind, records...))
				}
				a := &attacker{contract: c, srv: srv, transport: c.Transport(&http.Transport{DisableKeepAlives: true}), fields: fields}
				for range rapid.IntRange(1, 8).Draw(rt, "requests") {
					a.sendOne(rt)
				}
				a.checkLists(rt)
			})
		})
	}
}

// seededRecords are the records of seeded, for servers that no test owns.
func seededRecords(t *testing.T) map[antcrmtest.Kind][]any {
	t.Helper()
	srv := seeded(t)
	records := map[antcrmtest.Kind][]any{}
	for _, kind := range antcrmtest.Kinds() {
		for _, record := range srv.Records(kind) {
			records[kind] = append(records[kind], record)
		}
	}
	require.NotEmpty(t, records)
	return records
}

type attacker struct {
	contract  *Contract
	srv       *antcrmtest.Server
	transport *Transport
	fields    []string
}

// shownFields are the names of what any record or part of one shows, and some that none does: what only the service writes must not be written
// by a client, and what a client may write must not spoil the lists.
func (c *Contract) shownFields() []string {
	names := map[string]bool{"isTicketDeleted": true, "success": true, "": true, "x": true}
	for _, schema := range c.doc.Components.Schemas {
		for name := range schema.Value.Properties {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (a *attacker) sendOne(t *rapid.T) {
	req := a.contract.drawRequest(t, rapid.SampledFrom(a.contract.Operations()).Draw(t, "operation"))
	req.fields = a.fields
	damage := rapid.SampledFrom(slices.Sorted(maps.Keys(mutations))).Draw(t, "damage")
	mutations[damage](t, &req)
	ex, answer := a.send(t, req)
	if ex.Status >= 500 {
		t.Fatalf("%s: %s %s?%s\n%s\nis answered %d %s", damage, req.method, req.path, req.query.Encode(), ex.Body, ex.Status, answer)
	}
	if ex.Operation.ID == "" { // a path or method that is none: the contract says nothing but that it is a mistake
		if ex.Status < 400 {
			t.Fatalf("%s: %s %s is answered %d", damage, req.method, req.path, ex.Status)
		}
		return
	}
	if len(ex.BadAnswer) > 0 {
		t.Fatalf("%s: %s %s?%s\n%s\nis answered %d %s\n%s", damage, req.method, req.path, req.query.Encode(), ex.Body, ex.Status, answer, lines(ex.BadAnswer))
	}
	if damage == "none" {
		if len(ex.Broken) > 0 {
			t.Fatalf("the generator broke the contract: %s %s?%s\n%s\n%s", req.method, req.path, req.query.Encode(), ex.Body, lines(ex.Broken))
		}
		if !slices.Contains(answersToValid(req.op), ex.Status) {
			t.Fatalf("a valid %s %s?%s\n%s\nis answered %d %s", req.method, req.path, req.query.Encode(), ex.Body, ex.Status, answer)
		}
	}
}

// answersToValid are the statuses that a request which keeps the contract may meet. Points need a customer and a balance, which no schema says.
func answersToValid(op Operation) []int {
	switch op.ID {
	case "pointsAccumulate", "redeemGift":
		return []int{http.StatusOK, http.StatusBadRequest, http.StatusNotFound}
	}
	return []int{http.StatusOK, http.StatusNotFound}
}

func (a *attacker) send(t *rapid.T, req attackRequest) (Exchange, string) {
	target := a.srv.URL + req.path
	if len(req.query) > 0 {
		target += "?" + req.query.Encode()
	}
	body := req.raw
	if body == nil && req.hasBody {
		var err error
		body, err = json.Marshal(req.tree)
		require.NoError(t, err)
	}
	out, err := http.NewRequestWithContext(t.Context(), req.method, target, bytes.NewReader(body))
	require.NoError(t, err)
	if out.Header = req.header.Clone(); out.Header.Get("Content-Type") == "" && len(body) > 0 {
		out.Header.Set("Content-Type", "application/json")
	}
	if out.Header.Get("apikey") == "" && !req.keyless {
		out.Header.Set("apikey", a.srv.APIKey)
	}
	res, err := (&http.Client{Transport: a.transport, Timeout: answerWithin}).Do(out)
	require.NoError(t, err, "%s %s: no answer", req.method, req.path)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	exchanges := a.transport.Exchanges()
	return exchanges[len(exchanges)-1], string(answer[:min(len(answer), 2000)])
}

// checkLists reads everything that was written.
func (a *attacker) checkLists(t *rapid.T) {
	required := url.Values{"campaignId": {campaign}, "created_from": {"1970-01-01T00:00:00.000Z"}, "created_to": {"9998-12-31T00:00:00.000Z"}}
	for _, op := range a.contract.Operations() {
		if op.Method != http.MethodGet {
			continue
		}
		req := attackRequest{op: op, method: op.Method, path: op.Path, query: url.Values{}, header: http.Header{}}
		for _, parameter := range a.contract.doc.Paths.Value(op.Path).Get.Parameters {
			if name := parameter.Value.Name; parameter.Value.Required {
				req.query.Set(name, required.Get(name))
			} else if name == "limit" {
				req.query.Set(name, "1000")
			}
		}
		if ex, answer := a.send(t, req); ex.Status != http.StatusOK || len(ex.Violations()) > 0 {
			t.Fatalf("after the attacks: %s is answered %d\n%s\n%s", op.Path, ex.Status, answer, lines(ex.Violations()))
		}
	}
}

// mutations damage a request. Not each of them makes it a wrong one: dropping an optional field does not.
var mutations = map[string]func(t *rapid.T, req *attackRequest){
	"none":   func(*rapid.T, *attackRequest) {},
	"no key": func(_ *rapid.T, req *attackRequest) { req.keyless = true },
	"wrong key": func(t *rapid.T, req *attackRequest) {
		req.header.Set("apikey", rapid.StringMatching(`[!-~]{1,40}`).Draw(t, "key"))
	},
	"unknown parameter": func(t *rapid.T, req *attackRequest) {
		req.query.Set(rapid.StringN(1, 8, -1).Draw(t, "name"), rapid.StringN(0, 8, -1).Draw(t, "value"))
	},
	"a parameter twice": func(t *rapid.T, req *attackRequest) {
		if name := anyKey(t, req.query); name != "" {
			req.query.Add(name, rapid.StringN(0, 8, -1).Draw(t, "value"))
		}
	},
	"a parameter of nonsense": func(t *rapid.T, req *attackRequest) {
		if name := anyKey(t, req.query); name != "" {
			req.query.Set(name, scalar(drawAnything(t, 1)))
		}
	},
	"a parameter of extremes": func(t *rapid.T, req *attackRequest) {
		name := rapid.SampledFrom([]string{"page", "limit", "offset", "createdAtRangeFrom", "dateStart", "startDate", "createdAtf", "rating_score"}).Draw(t, "name")
		req.query.Set(name, rapid.SampledFrom([]string{
			"0", "-1", "+1", "1.0", "1e3", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "99999999999999999999999",
			"0000-00-00", "9999-12-31", "2024-02-30", "0001-01-01", "9999-12-31T23:59:59.999Z", "2024-03-13T06:24:20.673+07:00", strings.Repeat("9", 5000),
		}).Draw(t, "value"))
	},
	"a parameter less": func(t *rapid.T, req *attackRequest) { req.query.Del(anyKey(t, req.query)) },

	"a node of anything": func(t *rapid.T, req *attackRequest) {
		req.tree = replaceNode(t, req.tree, func(any) any { return drawAnything(t, 3) })
	},
	"a field less": func(t *rapid.T, req *attackRequest) {
		req.tree = replaceNode(t, req.tree, func(node any) any {
			delete(object(node), anyKey(t, object(node)))
			return node
		})
	},
	"a field more": func(t *rapid.T, req *attackRequest) {
		req.tree = replaceNode(t, req.tree, func(node any) any {
			if fields, ok := node.(map[string]any); ok {
				fields[rapid.SampledFrom(req.fields).Draw(t, "name")] = drawAnything(t, 2)
			}
			return node
		})
	},
	"a deep node": func(t *rapid.T, req *attackRequest) {
		depth := rapid.SampledFrom([]int{50, 99, 101, 5000}).Draw(t, "depth")
		deep := json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		req.tree = replaceNode(t, req.tree, func(any) any { return deep })
	},
	"a long text": func(t *rapid.T, req *attackRequest) {
		text := strings.Repeat(rapid.SampledFrom([]string{"a", "9", "é", "\\", "\u0000"}).Draw(t, "letter"), rapid.SampledFrom([]int{61, 300, 70_000}).Draw(t, "length"))
		req.tree = replaceNode(t, req.tree, func(any) any { return text })
	},
	"a huge number": func(t *rapid.T, req *attackRequest) {
		number := rapid.SampledFrom([]string{"1e400", "-1e-400", "1e999999999", "123456789012345678901234567890", "0.1e1", "-0"}).Draw(t, "number")
		req.tree = replaceNode(t, req.tree, func(any) any { return json.RawMessage(number) })
	},
	"many elements": func(t *rapid.T, req *attackRequest) {
		n := rapid.SampledFrom([]int{100, 101, 1001}).Draw(t, "length")
		req.tree = replaceNode(t, req.tree, func(node any) any {
			if elements, ok := node.([]any); ok && len(elements) > 0 {
				return slices.Repeat(elements[:1], n)
			}
			return node
		})
	},
	"broken bytes": func(t *rapid.T, req *attackRequest) {
		req.encode(t)
		switch at := rapid.IntRange(0, len(req.raw)).Draw(t, "at"); rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			req.raw = req.raw[:at]
		case 1:
			req.raw = slices.Insert(req.raw, at, rapid.SliceOfN(rapid.Byte(), 1, 4).Draw(t, "bytes")...)
		case 2:
			req.raw = append(req.raw, req.raw...)
		default:
			req.raw = append([]byte("\xef\xbb\xbf"), req.raw...)
		}
	},
	"names twice": func(t *rapid.T, req *attackRequest) {
		if req.encode(t); bytes.HasPrefix(req.raw, []byte(`{"`)) {
			req.raw = append(append(req.raw[:len(req.raw)-1:len(req.raw)-1], ','), req.raw[1:]...)
		}
	},
	"any bytes": func(t *rapid.T, req *attackRequest) { req.raw = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes") },
	"another content type": func(t *rapid.T, req *attackRequest) {
		req.header.Set("Content-Type", rapid.SampledFrom([]string{"text/plain", "application/xml", "application/json; charset=utf-16", ";", "a/b/c"}).Draw(t, "type"))
	},
	"a packed body": func(t *rapid.T, req *attackRequest) {
		req.header.Set("Content-Encoding", rapid.SampledFrom([]string{"gzip", "br", "identity", "x"}).Draw(t, "encoding"))
	},
	"another method": func(t *rapid.T, req *attackRequest) {
		req.method = rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "BREW"}).Draw(t, "method")
	},
	"another path": func(t *rapid.T, req *attackRequest) {
		req.path = rapid.SampledFrom([]string{
			req.path + "/", "/" + req.path, req.path + "%2f", req.path + "/1", "/v1" + req.path, strings.ToUpper(req.path), "/", "/_mock/", "/..%2f",
		}).Draw(t, "path")
	},
}

// encode turns the body into bytes, to be damaged as such.
func (req *attackRequest) encode(t *rapid.T) {
	var err error
	req.raw, err = json.Marshal(req.tree)
	require.NoError(t, err)
}

// anyKey picks one of the names; "" if there are none.
func anyKey[V any](t *rapid.T, values map[string]V) string {
	if len(values) == 0 {
		return ""
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(values))).Draw(t, "name")
}

// replaceNode changes one node of a JSON value: the root, or one further down.
func replaceNode(t *rapid.T, node any, change func(any) any) any {
	switch inner := node.(type) {
	case map[string]any:
		if name := anyKey(t, inner); name != "" && rapid.IntRange(0, 3).Draw(t, "deeper") > 0 {
			inner[name] = replaceNode(t, inner[name], change)
			return inner
		}
	case []any:
		if len(inner) > 0 && rapid.IntRange(0, 3).Draw(t, "deeper") > 0 {
			i := rapid.IntRange(0, len(inner)-1).Draw(t, "index")
			inner[i] = replaceNode(t, inner[i], change)
			return inner
		}
	}
	return change(node)
}
