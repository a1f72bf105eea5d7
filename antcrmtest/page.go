package antcrmtest

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

//go:embed page.html
var pageText string

// What the page shows.
type pageData struct {
	URL      string
	Now      string
	Kinds    []pageKind
	Shown    Kind
	Records  []pageRecord
	First    int // of the records that are shown, counted from 1, the newest first
	Last     int
	Total    int
	Newer    int // the pages around this one, 0 for none
	Older    int
	Count    int
	Requests []pageRequest
	Faults   []pageFault
}

type pageRecord struct{ ID, Key, Name, Text string }

type pageKind struct {
	Kind    Kind
	Count   int
	Doubled int
	Shown   bool
}

type pageRequest struct {
	Time, Method, Path, Query, Body, Took, Fault, Refusal, Class string
	Status                                                       int
	Wrote                                                        bool
}

type pageFault struct {
	Where, Does, Text string
	Met               int
	Spent             bool
}

const (
	pageRequests = 50
	pageRecords  = 20
	pageBody     = 4000 // characters of one body or record
)

func (c *control) showPage(w http.ResponseWriter, r *http.Request) {
	var out bytes.Buffer
	page, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	if err := c.page.Execute(&out, c.data(Kind(r.URL.Query().Get("kind")), page)); err != nil {
		refuseControl(w, &failure{status: http.StatusInternalServerError, code: "INTERNAL", message: "the page cannot be printed"})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.Bytes()) // the client may have left
}

func (c *control) data(shown Kind, page int) pageData {
	d := pageData{URL: c.srv.URL, Now: c.srv.Now().UTC().Format("2006-01-02 15:04:05 MST"), Count: c.srv.RequestCount()}
	for _, kind := range Kinds() {
		k := pageKind{Kind: kind, Count: c.srv.Count(kind), Shown: kind == shown}
		if kind != Segments {
			k.Doubled = len(c.srv.Duplicates(kind))
		}
		if k.Shown {
			d.Shown = kind
		}
		d.Kinds = append(d.Kinds, k)
	}
	if d.Shown != "" {
		c.showRecords(&d, page)
	}
	requests := c.srv.log.last(pageRequests)
	for _, req := range slices.Backward(requests) {
		d.Requests = append(d.Requests, showRequest(req))
	}
	for _, i := range c.srv.Faults() {
		d.Faults = append(d.Faults, showFault(i))
	}
	return d
}

// showRecords takes one page of the records: what a test has just written comes first. A page behind the last one is
// the last one.
func (c *control) showRecords(d *pageData, page int) {
	s := selection{deleted: true, newest: true, limit: pageRecords, total: true}
	raws, total := c.srv.store.page(d.Shown, s)
	if page = min(page, max(1, (total+pageRecords-1)/pageRecords)); page > 1 {
		s.offset = (page - 1) * pageRecords
		raws, total = c.srv.store.page(d.Shown, s)
	}
	d.First, d.Last, d.Total, d.Newer = s.offset+1, s.offset+len(raws), total, page-1
	if d.Last < total {
		d.Older = page + 1
	}
	sp := c.srv.store.specOf(d.Shown)
	for _, raw := range raws {
		d.Records = append(d.Records, showRecord(sp, raw))
	}
}

// showRecord finds what a person knows a record by. Where that is nothing, the beginning of its text has to do.
func showRecord(sp spec, raw []byte) pageRecord {
	o, _ := splitObject(raw)
	r := pageRecord{ID: cmp.Or(o.text(sp.ids(o)), o.text(sp.objectID())), Key: o.text(sp.external), Text: indented(raw)}
	for _, name := range []string{"name", "title", "summary"} {
		if r.Name = strings.TrimSpace(o.text(name)); r.Name != "" {
			return r
		}
	}
	r.Name = oneLine(r.Text)
	return r
}

func showRequest(r Request) pageRequest {
	class := "bad"
	switch {
	case r.Status >= 200 && r.Status < 300 && r.Fault == "":
		class = "good"
	case r.Status >= 300 && r.Status < 500 && r.Fault == "":
		class = "warn"
	}
	return pageRequest{Time: r.Time.UTC().Format("15:04:05.000"), Method: r.Method, Path: r.Path, Query: r.Query.Encode(), Body: indented(r.Body),
		Took: r.Took.Round(10 * time.Microsecond).String(), Fault: string(r.Fault), Refusal: r.Refusal, Class: class, Status: r.Status, Wrote: r.Wrote}
}

func showFault(i *Injected) pageFault {
	f := i.Fault()
	where := strings.TrimSpace(f.Method + " " + f.Path)
	if where == "" {
		where = "every request"
	}
	does := string(f.effect())
	if f.Status != 0 {
		does += " " + strconv.Itoa(f.Status)
	}
	text, err := json.Marshal(f)
	if err != nil {
		text = nil
	}
	met := i.Met()
	return pageFault{Where: where, Does: does, Text: indented(text), Met: met, Spent: f.Times > 0 && met >= f.Times || f.Nth > 0 && met > 0}
}

// oneLine is the beginning of a text; the page cuts it to the width it has.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(text[:min(len(text), 600)], "")), " ")
}

// indented makes JSON text easy to read, escaped letters included, and cuts it to what a page can show. Other text
// stays.
func indented(text []byte) string {
	shown, err := jsontext.AppendFormat(nil, text[:min(len(text), 64<<10)], jsontext.Multiline(true), jsontext.WithIndent("  "))
	if err != nil {
		shown = text[:min(len(text), 2*pageBody)]
	}
	s := strings.ToValidUTF8(string(shown), "�")
	if utf8.RuneCountInString(s) > pageBody {
		s = string([]rune(s)[:pageBody]) + " …"
	}
	return s
}
