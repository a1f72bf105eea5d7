package antcrmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// controlPath is where the page and the endpoints of [WithControl] live.
const controlPath = "/_mock/"

// control is what [WithControl] switches on.
type control struct {
	srv  *Server
	page *template.Template
	same *http.CrossOriginProtection
	mux  *http.ServeMux
}

func newControl(s *Server) (*control, error) {
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("the control page: %w", err)
	}
	c := &control{srv: s, page: page, same: http.NewCrossOriginProtection(), mux: http.NewServeMux()}
	c.mux.HandleFunc("GET /_mock/{$}", c.showPage)
	c.mux.HandleFunc("GET /_mock/requests", c.listRequests)
	c.mux.HandleFunc("GET /_mock/state", c.showState)
	c.mux.HandleFunc("GET /_mock/records/{kind}", c.listRecords)
	c.mux.HandleFunc("POST /_mock/seed/{kind}", c.seed)
	c.mux.HandleFunc("GET /_mock/faults", c.listFaults)
	c.mux.HandleFunc("POST /_mock/faults", c.addFaults)
	c.mux.HandleFunc("DELETE /_mock/faults", c.clearFaults)
	c.mux.HandleFunc("POST /_mock/reset", c.reset)
	c.mux.HandleFunc("/_mock/", func(w http.ResponseWriter, r *http.Request) {
		refuseControl(w, notFound("%s %s: there is no such control endpoint", printable(r.Method), printable(r.URL.Path)))
	})
	return c, nil
}

// ServeHTTP answers a control request. Pages of other origins may not write, and nothing is kept by browsers.
func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	if err := c.same.Check(r); err != nil {
		refuseControl(w, &failure{status: http.StatusForbidden, code: "CROSS_ORIGIN", message: "a page of another origin may not do this"})
		return
	}
	c.mux.ServeHTTP(w, r)
}

func refuseControl(w http.ResponseWriter, f *failure) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(f.status)
	_, _ = w.Write(f.body())
}

func writeControl(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		refuseControl(w, &failure{status: http.StatusInternalServerError, code: "INTERNAL", message: "the answer cannot be printed"})
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(text) // the client may have left
}

// readControl reads a body within the server's limit.
func (c *control) readControl(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, c.srv.cfg.maxBody))
	if err != nil {
		refuseControl(w, &failure{status: http.StatusRequestEntityTooLarge, code: "BODY_TOO_LARGE", message: "the body is too large, or broke off"})
		return nil, false
	}
	return body, true
}

// requestText is a request as /_mock/requests prints it. The key is not shown.
type requestText struct {
	Time     time.Time   `json:"time"`
	Method   string      `json:"method"`
	Path     string      `json:"path"`
	Query    url.Values  `json:"query"`
	Header   http.Header `json:"header"`
	Body     string      `json:"body"`
	BodySize int64       `json:"bodySize"`
	Status   int         `json:"status"`
	Fault    Effect      `json:"fault,omitempty"`
	Refusal  string      `json:"refusal,omitempty"`
	Wrote    bool        `json:"wrote"`
	TookMS   float64     `json:"tookMs"`
}

func printRequest(r Request) requestText {
	for name := range r.Header {
		if strings.EqualFold(name, "apikey") || strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Cookie") {
			r.Header[name] = []string{"…"}
		}
	}
	return requestText{r.Time, r.Method, r.Path, r.Query, r.Header, strings.ToValidUTF8(string(r.Body), "�"), r.BodySize, r.Status, r.Fault, r.Refusal, r.Wrote,
		float64(r.Took.Microseconds()) / 1000}
}

// count reads ?limit= of a control list.
func controlLimit(r *http.Request, fallback int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && n >= 0 {
		return n
	}
	return fallback
}

func (c *control) listRequests(w http.ResponseWriter, r *http.Request) {
	texts := []requestText{}
	for _, req := range c.srv.log.last(controlLimit(r, -1)) {
		texts = append(texts, printRequest(req))
	}
	writeControl(w, texts)
}

// showState tells what a test wants to count: records, doubled keys, requests.
func (c *control) showState(w http.ResponseWriter, _ *http.Request) {
	records, doubled := map[Kind]int{}, map[Kind]map[string]int{}
	for _, kind := range Kinds() {
		records[kind] = c.srv.Count(kind)
		if d := c.srv.Duplicates(kind); len(d) > 0 && kind != Segments {
			doubled[kind] = d
		}
	}
	writeControl(w, map[string]any{"records": records, "duplicates": doubled, "requests": c.srv.RequestCount(), "time": c.srv.Now()})
}

func (c *control) kind(w http.ResponseWriter, r *http.Request) (Kind, bool) {
	kind := Kind(r.PathValue("kind"))
	if slices.Contains(Kinds(), kind) {
		return kind, true
	}
	refuseControl(w, notFound("kind: there is none of that name"))
	return "", false
}

func (c *control) listRecords(w http.ResponseWriter, r *http.Request) {
	kind, ok := c.kind(w, r)
	if !ok {
		return
	}
	s := selection{deleted: true, limit: controlLimit(r, 1000)}
	raws, _ := c.srv.store.page(kind, s)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(array(raws)) // the client may have left
}

func (c *control) seed(w http.ResponseWriter, r *http.Request) {
	kind, ok := c.kind(w, r)
	if !ok {
		return
	}
	body, ok := c.readControl(w, r)
	if !ok {
		return
	}
	if err := c.srv.Seed(kind, body); err != nil {
		refuseControl(w, badRequest("INVALID_SEED", "%s", plain(err)))
		return
	}
	writeControl(w, map[string]any{"success": true, "records": c.srv.Count(kind)})
}

// faultStatus is an armed fault as /_mock/faults prints it.
type faultStatus struct {
	Fault Fault `json:"fault"`
	Met   int   `json:"met"`
}

func (c *control) faultList() []faultStatus {
	list := []faultStatus{}
	for _, i := range c.srv.Faults() {
		list = append(list, faultStatus{i.Fault(), i.Met()})
	}
	return list
}

func (c *control) listFaults(w http.ResponseWriter, _ *http.Request) { writeControl(w, c.faultList()) }

// maxFaults is how many faults come in one file or request: each request is held against all that are armed.
const maxFaults = 1000

// ParseFaults reads a faults file: one fault as a JSON object, or an array of them, with durations as text. Every fault
// is checked.
func ParseFaults(text []byte) ([]Fault, error) {
	var list []Fault
	if o := bytes.TrimSpace(text); len(o) > 0 && o[0] == '{' {
		list = make([]Fault, 1)
		if err := json.Unmarshal(text, &list[0]); err != nil {
			return nil, fmt.Errorf("reading faults: %w", err)
		}
	} else if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("reading faults: %w", err)
	}
	if len(list) > maxFaults {
		return nil, fmt.Errorf("reading faults: there are %d, at most %d are taken at once", len(list), maxFaults)
	}
	for i, f := range list {
		if err := f.Validate(); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i, err)
		}
	}
	return list, nil
}

func (c *control) addFaults(w http.ResponseWriter, r *http.Request) {
	body, ok := c.readControl(w, r)
	if !ok {
		return
	}
	list, err := ParseFaults(body)
	if err != nil {
		refuseControl(w, badRequest("INVALID_FAULT", "%s", plain(err)))
		return
	}
	for _, f := range list {
		c.srv.faults.arm(f)
	}
	writeControl(w, map[string]any{"success": true, "armed": len(list)})
}

func (c *control) clearFaults(w http.ResponseWriter, _ *http.Request) {
	c.srv.ClearFaults()
	writeControl(w, map[string]any{"success": true})
}

func (c *control) reset(w http.ResponseWriter, _ *http.Request) {
	if err := c.srv.Reset(); err != nil {
		refuseControl(w, &failure{status: http.StatusInternalServerError, code: "RESET", message: plain(err)})
		return
	}
	writeControl(w, map[string]any{"success": true})
}
