package antcrm

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/antbuddy/antcrm-go/internal/bind"
)

// listAnswer reads both of the vendor's list shapes in one pass. It binds each record in place; the record keeps its
// own copy of its JSON.
type listAnswer[T any] struct {
	envelope
	body   []byte
	nested string // the name of the array inside data, if data is an object
	binder *bind.Binder

	items     []T
	found     bool // the answer has an array of records, or a null in its place
	hasOwn    bool // the answer is an object with a field of a record
	total     int
	hasTotal  bool
	limit     int
	bindError error // the first record that could not be bound
}

// decodeList decodes a list answer of either shape.
func decodeList[T any](a *answer, nested string) (*listAnswer[T], error) {
	body, err := a.jsonBody()
	if err != nil {
		return nil, err
	}
	list, err := readList[T](a, body, nested, validUTF8)
	if isSyntactic(err) && !errors.Is(err, io.ErrUnexpectedEOF) && a.foreignText() == "" {
		list, err = readList[T](a, body, nested, lenient)
	}
	switch {
	case err != nil:
		return nil, a.decodeError(err)
	case list.success.meaning == saysNo:
		return nil, a.refusal(&list.envelope)
	case list.bindError != nil:
		return nil, a.decodeError(list.bindError)
	case list.found || list.empty:
		return list, nil
	}
	if err := list.acceptObject(a); err != nil {
		return list, err
	}
	return list, nil
}

func readList[T any](a *answer, body []byte, nested string, opts jsontext.Options) (*listAnswer[T], error) {
	broken, _ := json.GetOption(opts, jsontext.AllowInvalidUTF8)
	binder := bind.NewBinder(a.core.plans, reflect.TypeFor[T](), maxBuilt(a.core.cfg.maxResponse), broken)
	list := &listAnswer[T]{body: body, nested: nested, binder: binder}
	return list, readJSON(a.ctx, body, opts, list.read)
}

func (l *listAnswer[T]) read(r *reader) error {
	switch r.PeekKind() {
	case 'n':
		l.found = true
		return r.SkipValue()
	case '[':
		return l.readItems(r)
	case '{':
		return l.envelope.read(r, func(name string) (bool, error) { return l.readOwn(r, name) })
	}
	val, err := r.ReadValue()
	if err != nil {
		return err
	}
	return &json.SemanticError{JSONKind: val.Kind(), GoType: reflect.TypeFor[[]T]()}
}

// readOwn reads the members that only a list's envelope has.
func (l *listAnswer[T]) readOwn(r *reader, name string) (handled bool, err error) {
	switch name {
	case "data":
		return l.readData(r)
	case "total":
		l.total, l.hasTotal, err = readCount(r)
		return true, err
	case "limit":
		l.limit, _, err = readCount(r)
		return true, err
	}
	l.hasOwn = l.hasOwn || l.binder.Knows(name) && !isErrorName(name)
	return false, nil
}

// isErrorName reports whether an error may have a member of this name, such as code. Such a member does not prove that
// an object is a record.
func isErrorName(name string) bool {
	return name == "code" || name == "errorCode" || slices.Contains(messageNames[:], name)
}

func (l *listAnswer[T]) readData(r *reader) (handled bool, err error) {
	switch kind := r.PeekKind(); {
	case kind == '[':
		return true, l.readItems(r)
	case kind == 'n':
		l.found = true
	case kind == '{' && l.nested != "":
		l.hasData = true
		return true, r.eachMember(func(name string) error { return l.readNested(r, name) })
	}
	return false, nil
}

func (l *listAnswer[T]) readNested(r *reader, name string) error {
	if name == l.nested {
		switch r.PeekKind() {
		case '[':
			return l.readItems(r)
		case 'n':
			l.found = true
		}
	}
	return r.SkipValue()
}

// readItems reads an array of records. It drops nulls. After a record that cannot be bound it only skips the others:
// success may come after them.
func (l *listAnswer[T]) readItems(r *reader) error {
	l.found = true
	l.items = []T{}
	first := r.InputOffset() + 1
	return r.eachElement(func(kind jsontext.Kind) error {
		if kind == 'n' || l.bindError != nil {
			return r.SkipValue()
		}
		begin := r.InputOffset()
		text, err := r.ReadValue()
		if err != nil {
			return err
		}
		if l.bindError = l.makeRoom(begin-first, int64(len(l.body))-begin); l.bindError == nil {
			l.items = l.items[:len(l.items)+1]
			l.bindError = place(l.bind(text, &l.items[len(l.items)-1]), r)
		}
		return nil
	})
}

// makeRoom makes room for one more record. It guesses how many are to come from the size of those read, plus an eighth;
// but it never allocates for more than a usual page has, or than have come already, since the server must not decide
// how much is allocated.
func (l *listAnswer[T]) makeRoom(read, left int64) error {
	have := len(l.items)
	if have < cap(l.items) {
		return nil
	}
	more := 1
	if have > 0 {
		more += int(min(left*int64(have)/read*9/8, int64(max(have, MaxBatchSize-1-have%MaxBatchSize))))
	}
	if err := l.binder.Charge(more); err != nil {
		return err
	}
	l.items = slices.Grow(l.items, more)
	return nil
}

// bind binds a record. The record keeps its own copy of its text, so that it neither keeps a whole page in memory nor
// shares the buffer of an answer.
func (l *listAnswer[T]) bind(text []byte, record *T) error {
	own, err := l.binder.Bind(text, record)
	if keeper, ok := any(record).(rawKeeper); ok {
		keeper.setRaw(own)
	}
	return err
}

// place adds the position of the value that was read last to a bind.Error in it.
func place(err error, r *reader) error {
	if failure, ok := errors.AsType[*bind.Error](err); ok {
		failure.Path = string(r.StackPointer()) + failure.Path
		failure.Offset += int(r.InputOffset()) - failure.Size
	}
	return err
}

// readCount reads a count: a number or a numeric string. It ignores any other value.
func readCount(r *reader) (n int, ok bool, err error) {
	val, err := r.ReadValue()
	if err != nil {
		return 0, false, err
	}
	text, _ := scalarText(val)
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return n, true, nil
	}
	return 0, false, nil
}

// acceptObject sorts out an object, not an empty one, that came where a list was expected and has none in it. What is
// neither an error of the server's nor plainly a record is a DecodeError: a record must not be invented.
func (l *listAnswer[T]) acceptObject(a *answer) error {
	saysSuccess := l.success.meaning == saysYes || l.success.text != ""
	switch {
	case l.hasMessage && !l.hasOwn && l.success.meaning != saysYes:
		return a.refusal(&l.envelope)
	case saysSuccess, !l.hasOwn && (l.success.isThere || l.hasData):
		return a.problemAt("/data", "the answer has no array of records")
	}
	l.items = make([]T, 1)
	begin := len(l.body) - len(bytes.TrimLeft(l.body, " \t\r\n"))
	err := l.bind(bytes.TrimSpace(l.body), &l.items[0])
	if failure, ok := errors.AsType[*bind.Error](err); ok {
		failure.Offset += begin
	}
	if err != nil {
		return a.decodeError(err)
	}
	return nil
}
