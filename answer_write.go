package antcrm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/antbuddy/antcrm-go/internal/bind"
)

// writeAnswer is the answer to a write.
type writeAnswer struct {
	envelope
	names []string // that the id may have
	ids   []idList // one for each name
}

// idList is the ids under one name. A single id is a list of one.
type idList struct {
	name  string
	first []ID // at most as many as a request can carry; "" for a null
	count int
	err   *DecodeError // of the first value that is not an id
}

// decodeWrite reads the answer of a write. It needs a truthy success, or the id that the endpoint promises under one of
// the names; where an id is promised, its absence is an error too, but not one of decodeWrite's.
func (a *answer) decodeWrite(names ...string) (*writeAnswer, error) {
	body, err := a.jsonBody()
	if err != nil {
		return nil, err
	}
	said := &writeAnswer{names: names, ids: make([]idList, len(names))}
	for i, name := range names {
		said.ids[i].name = name
	}
	if err := readJSON(a.ctx, body, lenient, said.read); err != nil {
		return nil, a.decodeError(err)
	}
	if said.success.meaning == saysNo { // a refusal may carry anything where the id would be
		return nil, said.refusal(a)
	}
	if err := said.check(a); err != nil {
		return said, err
	}
	return said, nil
}

// refusal makes the error of a write that the server has refused. A product's id has the name of an error's code.
func (w *writeAnswer) refusal(a *answer) *APIError {
	withIDs := false
	for i := range w.ids {
		if l := &w.ids[i]; isErrorName(l.name) {
			w.code = string(l.single())
		} else {
			withIDs = withIDs || l.hasID()
		}
	}
	failure := a.refusal(&w.envelope)
	failure.withIDs = withIDs
	return failure
}

// check reports why an answer that is not a refusal is not a good one either.
func (w *writeAnswer) check(a *answer) error {
	for i := range w.ids {
		l := &w.ids[i]
		if l.err != nil {
			return a.decodeError(l.err)
		}
		if l.isGarbled() && a.foreignText() != "" {
			return a.problemAt("/"+l.name, a.foreignText())
		}
		if isErrorName(l.name) && w.hasMessage && w.success.meaning != saysYes {
			return a.problemAt("/"+l.name, "the answer has a message and does not say success: what should be an id may be the code of an error")
		}
	}
	if len(w.names) == 0 && w.success.meaning != saysYes {
		return a.problemAt("/success", oneLine(a.core.redact(w.success.doubt()), maxErrorMessage))
	}
	return nil
}

// doubt says why the value of success is not a yes. It may quote the value, which is short.
func (t truth) doubt() string {
	if t.text == "" {
		return "the answer does not say success"
	}
	return "success is " + t.text + ", which says neither yes nor no"
}

func (w *writeAnswer) read(r *reader) error {
	if kind := r.PeekKind(); kind != '{' {
		val, err := r.ReadValue()
		if err != nil {
			return err
		}
		return wrongKind(val)
	}
	return w.envelope.read(r, func(name string) (bool, error) {
		at := slices.Index(w.names, name)
		if at < 0 {
			return false, nil
		}
		return true, w.ids[at].read(r)
	})
}

// read reads one id or an array of them. It keeps no more than a request can have records: the server must not decide
// how much is allocated.
func (l *idList) read(r *reader) error {
	*l = idList{name: l.name}
	switch r.PeekKind() {
	case 'n':
		return r.SkipValue()
	case '[':
		return r.eachElement(func(jsontext.Kind) error { return l.add(r, "/"+strconv.Itoa(l.count)) })
	}
	return l.add(r, "")
}

func (l *idList) add(r *reader, path string) error {
	val, err := r.ReadValue()
	if err != nil {
		return err
	}
	l.count++
	if l.err != nil || len(l.first) == MaxBatchSize {
		return nil //nolint:nilerr // the first problem is kept, and what follows is skipped
	}
	text, err := bind.Text{}.Read(string(val))
	if err != nil {
		failure := describe(wrongKind(val))
		failure.Path, failure.Offset = "/"+l.name+path, r.InputOffset()-int64(len(val))
		l.err = failure
	}
	if text == "0" && !isErrorName(l.name) {
		text = "" // no record has the id 0: it stands where an id is missing (our decision)
	}
	l.first = append(l.first, ID(text))
	return nil
}

// hasID reports whether any of the ids is not empty.
func (l idList) hasID() bool {
	return l.count > len(l.first) || slices.ContainsFunc(l.first, func(id ID) bool { return id != "" })
}

// isGarbled reports whether an id has a character that could not be read: it is no key then.
func (l *idList) isGarbled() bool {
	return slices.ContainsFunc(l.first, func(id ID) bool { return strings.ContainsRune(string(id), utf8.RuneError) })
}

// single returns the only id, or "" if there is none or more than one.
func (l *idList) single() ID {
	if l.count != 1 || len(l.first) == 0 {
		return ""
	}
	return l.first[0]
}

// single returns the first single id under any of the names.
func (w *writeAnswer) single() writtenID {
	for i := range w.ids {
		if id := w.ids[i].single(); id != "" {
			return writtenID{w.ids[i].name, id}
		}
	}
	return writtenID{}
}

// idRefs reads the ids of a package answer under any of the names. There must be as many ids as records: it never
// guesses which record an id belongs to.
func idRefs(a *answer, count int, names ...string) (ids []ID, name string, err error) {
	said, err := a.decodeWrite(names...)
	if err != nil {
		return nil, "", err
	}
	list := &said.ids[0]
	for i := range said.ids {
		if said.ids[i].count > 0 {
			list = &said.ids[i]
			break
		}
	}
	if list.count != count {
		return nil, "", a.problemAt("/"+list.name, fmt.Sprintf("%d ids for %d records", list.count, count))
	}
	for i, id := range list.first {
		if id == "" {
			return nil, "", a.problemAt("/"+list.name+"/"+strconv.Itoa(i), "a record without an id")
		}
	}
	return list.first, list.name, nil
}

// decodeOk reads an answer that is Ok, as text or as a JSON string, or like that to any other write.
func (a *answer) decodeOk() error {
	if text := strings.Trim(string(a.text()), `"`); strings.EqualFold(text, "ok") {
		return nil
	}
	_, err := a.decodeWrite()
	return err
}
