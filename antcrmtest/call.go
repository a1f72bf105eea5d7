package antcrmtest

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go/internal/questions"
)

// maxBatch is how many records a package may hold: the vendor's page.
const maxBatch = 100

// endpoint is one operation of the API.
type endpoint struct {
	method, path string
	query        []string // the documented parameters
	body         bool     // a JSON body is expected
	batch        bool     // the body holds many records
	docs         string
	handle       func(c *call) (answer, *failure)
}

// call is one request on its way through an endpoint.
type call struct {
	srv     *Server
	end     *endpoint
	query   map[string]string
	body    []byte
	fault   *Fault // effects that the handler itself must bring about; nil for none
	wrote   bool   // the store was changed
	request int    // its Number
}

// answer is what goes back where nothing went wrong.
type answer struct {
	status      int    // 0 for the server's good status
	contentType string // "" for JSON
	body        []byte
}

func jsonAnswer(body []byte) answer { return answer{body: body} }

// readQuery takes the parameters that the endpoint knows; each may come once.
func (c *call) readQuery(raw string) *failure {
	c.query = map[string]string{}
	if raw == "" {
		return nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return badRequest("INVALID_QUERY", "the query cannot be read: use & between parameters and %%-escapes in them")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		switch {
		case !slices.Contains(c.end.query, name):
			if !c.srv.cfg.is(questions.UnknownFilter, "ignored") {
				return c.unknownParameter(name)
			}
		case len(values[name]) > 1:
			return badQuery(name, "is given more than once")
		case strings.TrimSpace(values[name][0]) == "":
			return badQuery(name, "is empty: leave the parameter out")
		default:
			c.query[name] = values[name][0]
		}
	}
	return nil
}

func badQuery(name, rule string) *failure {
	f := badField("query parameter "+name, rule)
	f.code, f.field = "INVALID_PARAMETER", name
	return f
}

func (c *call) unknownParameter(name string) *failure {
	known := "it takes none"
	if len(c.end.query) > 0 {
		known = "it takes " + strings.Join(c.end.query, ", ")
	}
	f := badRequest("UNKNOWN_PARAMETER", "query parameter %s: %s %s does not know it; %s", printable(name), c.end.method, c.end.path, known)
	f.field = printable(name)
	return f
}

// printable makes a name from outside fit for a one-line message.
func printable(name string) string {
	if len(name) > 80 {
		name = name[:80] + "…"
	}
	quotedName := strconv.Quote(name)
	return quotedName[1 : len(quotedName)-1]
}

// plain is the text of an error, not too long. Whoever writes it as JSON escapes it.
func plain(err error) string {
	const most = 500
	text := err.Error()
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

// checkContentType wants JSON, said so, and not packed.
func checkContentType(h http.Header) *failure {
	given := h.Get("Content-Type")
	media, params, err := mime.ParseMediaType(given)
	if err != nil || media != "application/json" || !strings.EqualFold(cmp.Or(params["charset"], "utf-8"), "utf-8") {
		return &failure{status: http.StatusUnsupportedMediaType, code: "CONTENT_TYPE", field: "Content-Type",
			message: "header Content-Type: must be application/json, in UTF-8"}
	}
	if enc := h.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return &failure{status: http.StatusUnsupportedMediaType, code: "CONTENT_ENCODING", field: "Content-Encoding",
			message: "header Content-Encoding: packed bodies are not taken"}
	}
	return nil
}

// checkBody holds the body to JSON itself.
func checkBody(body []byte) *failure {
	if err := checkJSON(body); err != nil {
		return badRequest("INVALID_JSON", "the body is no JSON text: %s", strings.TrimPrefix(plain(err), "jsontext: "))
	}
	if n := hugeNumber(body); n != nil {
		return badRequest("NUMBER_TOO_LARGE", "the body holds the number %s: no double does", printable(string(n)))
	}
	return nil
}

// object is the body, which must be one object.
func (c *call) object() (object, *failure) {
	body := bytes.TrimSpace(c.body)
	o, ok := splitObject(body)
	if !ok {
		return nil, badRequest("INVALID_BODY", "the body must be a JSON object")
	}
	if tooDeep(body) {
		return nil, badRequest("TOO_DEEP", "the body is nested deeper than %d levels", maxDepth)
	}
	return o, nil
}

// objects is the body of a package: an array of 1 to 100 objects.
func (c *call) objects() ([]object, *failure) {
	elements, ok := splitArray(c.body)
	if !ok {
		return nil, badRequest("INVALID_BODY", "the body must be a JSON array of objects")
	}
	return batch(elements, "")
}

// batch takes 1 to 100 objects; path leads to the array.
func batch(elements [][]byte, path string) ([]object, *failure) {
	where := path
	if where == "" {
		where = "the body"
	}
	if len(elements) == 0 {
		return nil, badRequest("EMPTY_PACKAGE", "%s: holds no record", where)
	}
	if len(elements) > maxBatch {
		return nil, badRequest("PACKAGE_TOO_LARGE", "%s: holds %d records, at most %d are allowed", where, len(elements), maxBatch)
	}
	objects := make([]object, len(elements))
	for i, e := range elements {
		at := fmt.Sprintf("%s[%d]", path, i)
		o, ok := splitObject(e)
		if !ok {
			return nil, badField(at, "must be an object")
		}
		if tooDeep(e) {
			return nil, badField(at, fmt.Sprintf("is nested deeper than %d levels", maxDepth))
		}
		objects[i] = o
	}
	return objects, nil
}

// required is a query parameter that must be there.
func (c *call) required(name string) *failure {
	if _, ok := c.query[name]; !ok {
		f := missingField("query parameter " + name)
		f.field = name
		return f
	}
	return nil
}

// whole is a query parameter that must be a whole number above 0 (or 0 where least is 0).
func (c *call) whole(name string, fallback, least int) (int, *failure) {
	text, ok := c.query[name]
	if !ok {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || text[0] == '+' {
		return 0, badQuery(name, fmt.Sprintf("must be a whole number from %d on", least))
	}
	return n, nil
}

// moment is one documented way to write a point in time in a query.
type moment struct {
	rule string
	read func(text string, end bool) (ms int64, ok bool)
}

// instants are the times of the ticket, telesales, telecall, campaign, rating and message filters.
func instants() moment {
	return moment{"must be a time in UTC like 2024-03-13T06:24:20.673Z", func(text string, _ bool) (int64, bool) {
		t, err := time.Parse(time.RFC3339, text)
		return t.UnixMilli(), err == nil && strings.HasSuffix(text, "Z")
	}}
}

// epochs are the times of the loyalty and notification filters.
func epochs() moment {
	return moment{"must be a time in epoch milliseconds", func(text string, _ bool) (int64, bool) {
		ms, err := strconv.ParseInt(text, 10, 64)
		return ms, err == nil
	}}
}

// between adds a range of times, both ends inclusive.
func (c *call) between(s *selection, from, to string, m moment, byUpdated bool) *failure {
	low, high, given := int64(math.MinInt64), int64(math.MaxInt64), false
	for _, end := range []struct {
		name string
		ms   *int64
	}{{from, &low}, {to, &high}} {
		text, ok := c.query[end.name]
		if !ok {
			continue
		}
		ms, ok := m.read(text, end.name == to)
		if !ok {
			return badQuery(end.name, m.rule)
		}
		*end.ms, given = ms, true
	}
	if given {
		s.ranges = append(s.ranges, timeRange{low, high, byUpdated})
	}
	return nil
}

// boolean reads true or false.
func (c *call) boolean(name string) (bool, *failure) {
	switch c.query[name] {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, badQuery(name, "must be true or false")
}

// array prints records as the vendor's bare array.
func array(raws [][]byte) []byte {
	size := 2
	for _, raw := range raws {
		size += len(raw) + 1
	}
	return appendArray(make([]byte, 0, size), raws)
}

func appendArray(dst []byte, raws [][]byte) []byte {
	dst = append(dst, '[')
	for i, raw := range raws {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, raw...)
	}
	return append(dst, ']')
}
