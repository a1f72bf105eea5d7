package antcrm

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/antbuddy/antcrm-go/internal/retry"
	"github.com/antbuddy/antcrm-go/internal/scan"
	"github.com/antbuddy/antcrm-go/internal/wire"
)

// lenient is how answers are read: the vendor's JSON may repeat a name or
// carry bytes that are not UTF-8 (which become U+FFFD); names are matched as
// the vendor spells them.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// asEncodingJSON is the rules of encoding/json, as lenient.
var asEncodingJSON = json.JoinOptions(jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false), lenient,
	json.WithUnmarshalers(json.UnmarshalFromFunc(stdNumber)))

// validUTF8 is lenient for the usual answer, in which every byte is UTF-8.
var validUTF8 = jsontext.AllowDuplicateNames(true)

// decodeInto decodes into a caller's own type by the rules of encoding/json.
func decodeInto(data []byte, v any) error {
	if v == nil {
		return invalid("v", "must be a non-nil pointer")
	}
	if err := checkOut(v); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v, asEncodingJSON); err != nil {
		failure := describe(err)
		failure.Size = len(data)
		return failure
	}
	return nil
}

// stdNumber reads the one type that encoding/json knows by name and json/v2
// takes for a text.
func stdNumber(dec *jsontext.Decoder, number *stdjson.Number) error {
	if kind := dec.PeekKind(); kind != '0' && kind != '"' {
		return errors.ErrUnsupported
	}
	val, err := dec.ReadValue()
	if err == nil && stdjson.Unmarshal(val, number) != nil {
		err = &json.SemanticError{JSONKind: val.Kind(), GoType: reflect.TypeFor[stdjson.Number]()}
	}
	return err
}

// answer is a complete HTTP answer. Its body is valid until the call ends.
type answer struct {
	core     *core
	req      *request
	attempts int  // of the call, this one included
	unknown  bool // an attempt of the call may have been carried out
	status   int
	header   http.Header
	body     []byte
	readErr  error // why the body could not be read although the status is good
}

func (a *answer) isGood() bool { return a.status >= 200 && a.status < 300 }

func (a *answer) requestID() string {
	for _, name := range []string{"X-Request-Id", "X-Correlation-Id", "Request-Id", "X-Amzn-Requestid", "Cf-Ray"} {
		if id := a.header.Get(name); id != "" {
			return oneLine(a.core.redact(id), maxErrorMessage)
		}
	}
	return ""
}

// json returns the body as JSON text: without a byte order mark, whatever the
// Content-Type says. An empty body and HTML are no answer to anything.
func (a *answer) json() ([]byte, error) {
	body := bytes.TrimPrefix(a.body, []byte("\ufeff"))
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return nil, a.problem("the body is empty")
	case trimmed[0] == '<':
		return nil, a.problem("the body is HTML, not JSON")
	}
	return body, nil
}

// text is the body without a byte order mark and white space around it.
func (a *answer) text() []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(a.body, []byte("\ufeff")))
}

func (a *answer) isHTML() bool {
	text := a.text()
	return len(text) > 0 && text[0] == '<'
}

// problem is a DecodeError in words.
func (a *answer) problem(text string) *DecodeError {
	return a.located(&DecodeError{Problem: text})
}

// decodeError is a DecodeError for a decoder's complaint.
func (a *answer) decodeError(err error) *DecodeError {
	failure := describe(err)
	failure.Offset += int64(len(a.body) - len(bytes.TrimPrefix(a.body, []byte("\ufeff"))))
	return a.located(failure)
}

func (a *answer) located(failure *DecodeError) *DecodeError {
	failure.Method, failure.URLPath = a.req.method, a.req.path
	failure.ContentType = oneLine(a.core.redact(a.header.Get("Content-Type")), 100)
	failure.Size = len(a.body)
	failure.Path = a.core.redact(failure.Path)
	failure.Attempts = a.attempts
	// A write whose 2xx makes no sense may well have been carried out.
	failure.callInfo = callInfo{op: a.req.op, unknown: a.unknown || !retry.IsRead(a.req.method)}
	return failure
}

// describe tells what is wrong and where without quoting any value.
func describe(err error) *DecodeError {
	if mismatch, ok := errors.AsType[*bindError](err); ok {
		return &DecodeError{Path: mismatch.path, Offset: int64(mismatch.offset), Problem: mismatch.problem()}
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		problem := "unexpected value"
		if semantic.JSONKind != 0 {
			problem = "unexpected JSON " + kindName(semantic.JSONKind)
		}
		if semantic.GoType != nil && semantic.GoType != reflect.TypeFor[objectMembers]() {
			problem += " for " + semantic.GoType.String()
		}
		if errors.Is(err, errNotDecimal) {
			problem += ": " + errNotDecimal.Error()
		}
		return &DecodeError{Path: string(semantic.JSONPointer), Offset: semantic.ByteOffset, Problem: problem}
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		problem := "the body is not valid JSON"
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			problem = "the JSON is cut short"
		}
		return &DecodeError{Path: string(syntactic.JSONPointer), Offset: syntactic.ByteOffset, Problem: problem}
	}
	if failure, ok := errors.AsType[*DecodeError](err); ok {
		return failure
	}
	switch {
	case errors.Is(err, ErrResponseTooLarge):
		return &DecodeError{Problem: "the answer is larger than allowed", err: ErrResponseTooLarge}
	case errors.Is(err, wire.ErrNotGzip):
		return &DecodeError{Problem: wire.ErrNotGzip.Error()}
	}
	return &DecodeError{Problem: "the body is not what the endpoint answers"}
}

// wrongKind lets a decoder's error say what came where a scalar should be.
func wrongKind(val jsontext.Value) error {
	return &json.SemanticError{JSONKind: val.Kind(), Err: errWrongKind}
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case '0':
		return "number"
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 'n':
		return "null"
	}
	return "boolean"
}

// envelope is what the top level of an object says about the whole answer.
type envelope struct {
	success jsontext.Value // nil: absent
	data    jsontext.Value // nil: absent
	message jsontext.Value // of message, msg, error or errors, in this order; nil: none
	code    jsontext.Value
	names   map[string]bool
}

// readEnvelope scans an object's members without decoding them.
func readEnvelope(body []byte) (envelope, error) {
	env := envelope{names: map[string]bool{}}
	var members objectMembers
	if err := json.Unmarshal(body, &members, lenient); err != nil {
		return env, err
	}
	rank := len(messageNames)
	for _, m := range members {
		env.names[m.name] = true
		switch m.name {
		case "success":
			env.success = m.value
		case "data":
			env.data = m.value
		case "code", "errorCode":
			if isScalar(m.value) {
				env.code = m.value
			}
		}
		for i, name := range messageNames {
			if m.name == name && i < rank && messageText(m.value) != "" {
				env.message, rank = m.value, i
			}
		}
	}
	return env, nil
}

var messageNames = [...]string{"message", "error", "errors", "msg"}

func (e envelope) hasMessage() bool {
	for _, name := range messageNames {
		if e.names[name] {
			return true
		}
	}
	return false
}

// rejected reports whether success is present and falsy. A null says nothing.
func (e envelope) rejected() bool { return isFalsy(e.success) }

func isFalsy(success jsontext.Value) bool {
	return len(success) > 0 && success.Kind() != 'n' && !isTruthy(success)
}

// isTruthy knows the vendor's ways to say yes.
func isTruthy(success jsontext.Value) bool {
	switch string(success) {
	case `1`, `true`, `"1"`, `"true"`:
		return true
	}
	return false
}

type member struct {
	name  string
	value jsontext.Value // part of the body
}

// objectMembers are the members of an object, in order, not decoded.
type objectMembers []member

func (o *objectMembers) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '{' {
		val, err := dec.ReadValue()
		if err != nil {
			return err
		}
		return &json.SemanticError{JSONKind: val.Kind()}
	}
	return eachMember(dec, func(name string) error {
		val, err := dec.ReadValue()
		*o = append(*o, member{name: name, value: val.Clone()})
		return err
	})
}

func isScalar(v jsontext.Value) bool {
	kind := v.Kind()
	return kind == '"' || kind == '0'
}

// messageText reads a server's message: a string, an object with a message,
// a list of either, or the first text of an object of texts.
func messageText(v jsontext.Value) string { return messageWithin(v, maxMessageDepth) }

// maxMessageDepth is how deep a message is looked for: every level is scanned
// anew, so that a server could otherwise make a small body cost a minute.
const maxMessageDepth = 4

func messageWithin(v jsontext.Value, depth int) string {
	if depth == 0 {
		return ""
	}
	switch v.Kind() {
	case '"', '0':
		text, _ := scalarText(v)
		return strings.TrimSpace(text)
	case '{':
		var members objectMembers
		if json.Unmarshal(v, &members, lenient) != nil {
			return ""
		}
		return membersText(members, depth-1)
	case '[':
		var items []jsontext.Value
		if json.Unmarshal(v, &items, lenient) != nil {
			return ""
		}
		var texts []string
		for _, item := range items {
			if text := messageWithin(item, depth-1); text != "" && len(texts) < 5 {
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, "; ")
	}
	return ""
}

func membersText(members objectMembers, depth int) string {
	for _, name := range append(messageNames[:], "detail", "description") {
		for _, m := range members {
			if m.name == name && m.value.Kind() != 'n' {
				return messageWithin(m.value, depth)
			}
		}
	}
	for _, m := range members {
		if text := messageWithin(m.value, depth); text != "" {
			return m.name + ": " + text
		}
	}
	return ""
}

// apiError makes the error of an answer that is not a success.
func (a *answer) apiError() *APIError {
	failure := &APIError{
		StatusCode: a.status, Method: a.req.method, Path: a.req.path, RequestID: a.requestID(),
		Attempts: a.attempts, callInfo: callInfo{op: a.req.op, unknown: a.unknown},
	}
	failure.RetryAfter, _ = retry.After(a.header, time.Now())
	body := a.core.redact(string(a.body))
	failure.Body = []byte(cutBytes(body, maxErrorBody))

	text := a.text()
	if len(text) > 0 && text[0] == '{' {
		if env, err := readEnvelope(text); err == nil {
			failure.Message = messageText(env.message)
			failure.Code = messageText(env.code)
			if failure.Code == "" {
				failure.Code = nestedCode(env.message)
			}
			failure.Code = oneLine(a.core.redact(failure.Code), 100)
			failure.Message = oneLine(a.core.redact(failure.Message), maxErrorMessage)
			return failure
		}
	}
	switch {
	case a.status >= 300 && a.status < 400:
		failure.Message = "redirects are not followed"
	case len(text) > 0 && text[0] == '"':
		unquoted, _ := scalarText(text)
		failure.Message = oneLine(a.core.redact(unquoted), maxErrorMessage)
	default:
		failure.Message = oneLine(body, maxErrorMessage)
	}
	return failure
}

// nestedCode reads the code of {"error": {"code": …, "message": …}}.
func nestedCode(message jsontext.Value) string {
	if message.Kind() != '{' {
		return ""
	}
	env, err := readEnvelope(message)
	if err != nil {
		return ""
	}
	return messageText(env.code)
}

func cutBytes(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	text = text[:limit]
	for len(text) > 0 {
		if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size != 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text
}

// hasNoData reports whether a JSON body carries no record.
func (a *answer) hasNoData() bool {
	text := a.text()
	if !jsontext.Value(text).IsValid(lenient) {
		return false
	}
	switch text[0] {
	case 'n':
		return true
	case '[':
		return isEmptyJSON(text)
	case '{':
		env, err := readEnvelope(text)
		return err == nil && (env.data == nil || isEmptyJSON(env.data))
	}
	return false
}

func isEmptyJSON(v jsontext.Value) bool {
	switch v.Kind() {
	case 'n':
		return true
	case '[', '{':
		return len(bytes.TrimSpace(v[1:len(v)-1])) == 0
	}
	return false
}

// writeAnswer is what a write's answer says: the ids by their wire names. A
// lone id is a list of one; a null among them is an empty ID.
type writeAnswer map[string][]ID

// single returns the first id under any of the names.
func (w writeAnswer) single(names ...string) ID {
	for _, name := range names {
		if list := w[name]; len(list) == 1 && list[0] != "" {
			return list[0]
		}
	}
	return ""
}

// decodeWrite reads the answer of a write. It needs a truthy success, or the
// id that the endpoint promises under one of the names; where an id is
// promised, its absence is an error too.
func (a *answer) decodeWrite(names ...string) (writeAnswer, error) {
	body, err := a.json()
	if err != nil {
		return nil, err
	}
	var members objectMembers
	if err := json.Unmarshal(body, &members, lenient); err != nil {
		return nil, a.decodeError(err)
	}
	var success jsontext.Value
	for _, m := range members {
		if m.name == "success" {
			success = m.value
		}
	}
	// A refusal may carry anything where the id would be.
	if isFalsy(success) {
		failure := a.apiError()
		failure.withIDs = slices.ContainsFunc(members, func(m member) bool {
			ids, err := decodeIDs(m.value)
			return slices.Contains(names, m.name) && err == nil && slices.ContainsFunc(ids, func(id ID) bool { return id != "" })
		})
		return nil, failure
	}
	result := writeAnswer{}
	for _, m := range members {
		if !slices.Contains(names, m.name) {
			continue
		}
		if result[m.name], err = decodeIDs(m.value); err != nil {
			failure := a.decodeError(err)
			failure.Path = "/" + m.name + failure.Path
			return nil, failure
		}
	}
	if len(names) == 0 && !isTruthy(success) {
		failure := a.problem("the answer does not say success")
		failure.Path = "/success"
		return nil, failure
	}
	return result, nil
}

func decodeIDs(v jsontext.Value) ([]ID, error) {
	switch v.Kind() {
	case 'n':
		return nil, nil
	case '[':
		ids := []ID{}
		err := json.Unmarshal(v, &ids, lenient)
		return ids, err
	}
	var id ID
	if err := json.Unmarshal(v, &id, lenient); err != nil {
		return nil, err
	}
	return []ID{id}, nil
}

// recordPointer is a pointer to a record type: one that embeds Record.
type recordPointer[T any] interface {
	*T
	setRaw(raw []byte)
	rawBytes() []byte
}

// listAnswer decodes both of the vendor's list shapes in one pass: each record
// is decoded in place and keeps its own copy of its JSON.
type listAnswer[T any, P recordPointer[T]] struct {
	body   []byte
	nested string // the name of the array inside data, if data is an object
	plan   *structPlan
	binder binder
	items  []T

	success  jsontext.Value
	isArray  bool // an array of records came, bare or as data
	total    int
	hasTotal bool
	limit    int
	single   bool // an object that is no envelope
}

func newListAnswer[T any, P recordPointer[T]](a *answer, body []byte, nested string, broken bool) *listAnswer[T, P] {
	return &listAnswer[T, P]{body: body, nested: nested, plan: a.core.plans.of(reflect.TypeFor[T]()), binder: binder{broken: broken}}
}

// UnmarshalJSONFrom is called by json.Unmarshal.
func (l *listAnswer[T, P]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case 'n':
		l.isArray = true
		return dec.SkipValue()
	case '[':
		return l.readItems(dec)
	case '{':
		return l.readEnvelope(dec)
	}
	val, err := dec.ReadValue()
	if err != nil {
		return err
	}
	return &json.SemanticError{JSONKind: val.Kind(), GoType: reflect.TypeFor[[]T]()}
}

func (l *listAnswer[T, P]) readItems(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	l.isArray = true
	l.items = []T{}
	first := dec.InputOffset()
	for kind := dec.PeekKind(); kind != ']'; kind = dec.PeekKind() {
		if kind == 'n' { // no record
			if err := dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		begin := dec.InputOffset()
		text, err := dec.ReadValue()
		if err != nil {
			return err
		}
		l.makeRoom(begin-first, int64(len(l.body))-begin)
		l.items = l.items[:len(l.items)+1]
		if err := l.bind(text, &l.items[len(l.items)-1]); err != nil {
			return place(err, dec)
		}
	}
	_, err := dec.ReadToken()
	return err
}

// makeRoom makes room for one more record. How many more are to come is
// guessed from the size of those read, and an eighth added; but at most as
// many as a usual page has, since the server must not decide how much is
// allocated.
func (l *listAnswer[T, P]) makeRoom(read, left int64) {
	have := len(l.items)
	if have < cap(l.items) {
		return
	}
	more := 1
	if have > 0 {
		more += int(min(left*int64(have)/read*9/8, int64(MaxBatchSize-1-have%MaxBatchSize)))
	}
	l.items = slices.Grow(l.items, more)
}

// bind binds a record, which keeps its own copy of its text: it must not keep a
// whole page alive, nor share the buffer of an answer.
func (l *listAnswer[T, P]) bind(text []byte, record *T) error {
	if len(l.items) == 2 { // nothing is repeated before
		l.binder.seen = new(scan.Interner)
	}
	l.binder.Reset(text)
	if err := l.binder.bindStruct(reflect.ValueOf(record).Elem(), l.plan); err != nil {
		return err
	}
	P(record).setRaw(bytes.Clone(text))
	return nil
}

// place tells where in the answer a bindError has happened: in the value that
// was read last.
func place(err error, dec *jsontext.Decoder) error {
	failure, ok := errors.AsType[*bindError](err)
	if !ok {
		return err
	}
	failure.path = string(dec.StackPointer()) + failure.path
	failure.offset += int(dec.InputOffset()) - failure.size
	return failure
}

func (l *listAnswer[T, P]) readEnvelope(dec *jsontext.Decoder) error {
	l.single = true
	return eachMember(dec, func(name string) error {
		if name != "data" {
			return l.readMember(dec, name)
		}
		return l.readData(dec)
	})
}

func (l *listAnswer[T, P]) readData(dec *jsontext.Decoder) error {
	switch kind := dec.PeekKind(); {
	case kind == '[':
		l.single = false
		return l.readItems(dec)
	case kind == 'n':
		l.single, l.isArray = false, true
	case kind == '{' && l.nested != "":
		return eachMember(dec, func(name string) error {
			if name != l.nested {
				return dec.SkipValue()
			}
			switch dec.PeekKind() {
			case '[':
				l.single = false
				return l.readItems(dec)
			case 'n':
				l.single, l.isArray = false, true
			}
			return dec.SkipValue()
		})
	}
	return dec.SkipValue()
}

// eachMember calls read for each member of the next value, an object; read
// takes the member's value.
func eachMember(dec *jsontext.Decoder, read func(name string) error) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := read(name.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

func (l *listAnswer[T, P]) readMember(dec *jsontext.Decoder, name string) error {
	val, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch name {
	case "success":
		l.success = val.Clone()
	case "total":
		l.total, l.hasTotal = lenientInt(val)
	case "limit":
		l.limit, _ = lenientInt(val)
	}
	return nil
}

// lenientInt reads a count, a number or a numeric string; anything else says
// nothing.
func lenientInt(v jsontext.Value) (n int, ok bool) {
	text, err := scalarText(v)
	if err != nil {
		return 0, false
	}
	if n, err = strconv.Atoi(text); err != nil || n < 0 {
		return 0, false
	}
	return n, true
}

// decodeList decodes a list answer of either shape.
func decodeList[T any, P recordPointer[T]](a *answer, nested string) (*listAnswer[T, P], error) {
	body, err := a.json()
	if err != nil {
		return nil, err
	}
	list := newListAnswer[T, P](a, body, nested, false)
	err = json.Unmarshal(body, list, validUTF8)
	if _, syntactic := errors.AsType[*jsontext.SyntacticError](err); syntactic {
		list = newListAnswer[T, P](a, body, nested, true)
		err = json.Unmarshal(body, list, lenient)
	}
	if err != nil {
		if env, envErr := readEnvelope(body); envErr == nil && env.rejected() {
			return nil, a.apiError()
		}
		return nil, a.decodeError(err)
	}
	if isFalsy(list.success) {
		return nil, a.apiError()
	}
	if list.single {
		return list, decodeSingle(a, body, list)
	}
	return list, nil
}

// decodeSingle sorts out an object that came where a list was expected.
func decodeSingle[T any, P recordPointer[T]](a *answer, body []byte, list *listAnswer[T, P]) error {
	env, err := readEnvelope(body)
	if err != nil {
		return a.decodeError(err)
	}
	switch {
	case len(env.names) == 0:
		return nil
	case len(env.success) > 0 && env.success.Kind() != 'n':
		failure := a.problem("the answer has no array of records")
		failure.Path = "/data"
		return failure
	case env.hasMessage() && !hasOwnName[T](env.names):
		return a.apiError()
	}
	list.items = make([]T, 1)
	if err := list.bind(bytes.TrimSpace(body), &list.items[0]); err != nil {
		return a.decodeError(err)
	}
	return nil
}

// hasOwnName reports whether any of the names is one of T's JSON fields, the
// names of messages aside.
func hasOwnName[T any](names map[string]bool) bool {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" || !names[name] {
			continue
		}
		isMessage := false
		for _, other := range messageNames {
			isMessage = isMessage || name == other
		}
		if !isMessage {
			return true
		}
	}
	return false
}
