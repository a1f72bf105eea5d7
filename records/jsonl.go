package records

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/antbuddy/antcrm-go"
)

// JSONLines reads JSON lines, in UTF-8 or UTF-16, also packed with gzip: on each line one object, as the API takes it.
// An unknown or repeated member is an error. Empty lines are passed over.
func JSONLines[P Params](r io.Reader, opts ...Option) *Reader[P] {
	return newReader(opts, func(cfg *config, s schema[P]) format[P] {
		return &jsonFormat[P]{cfg: cfg, schema: s, file: r}
	})
}

type jsonFormat[P any] struct {
	cfg    *config
	schema schema[P]
	file   io.Reader
	lines  *bufio.Reader
	line   int
	some   bool // a line that is not empty has come
}

// jsonLine is a record beside what a report has added.
type jsonLine[P any] struct {
	Record  P              `json:",embed"`
	Line    jsontext.Value `json:"_line"`
	Outcome jsontext.Value `json:"_outcome"`
	Reason  jsontext.Value `json:"_reason"`
	Text    jsontext.Value `json:"_text"`
}

func (f *jsonFormat[P]) begin() (err error) {
	f.lines, _, err = openText(f.file)
	return err
}

func (f *jsonFormat[P]) read(record *P) (Row, error) {
	for {
		text, err := f.next()
		if errors.Is(err, io.EOF) && !f.some {
			return Row{}, &RowError{Problem: "the file is empty", Err: errFile}
		}
		if err != nil {
			return Row{Line: f.line}, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		f.some = true
		row := Row{Line: f.line}
		if f.cfg.keepRows || f.cfg.badRows != nil {
			row.Text = bytes.TrimSpace(bytes.Clone(text))
		}
		return row, f.decode(text, record, row)
	}
}

// next reads a line, bounded: of one that is too long only the beginning is kept.
func (f *jsonFormat[P]) next() ([]byte, error) {
	var line []byte
	f.line++
	for size := 0; ; {
		piece, err := f.lines.ReadSlice('\n')
		size += len(piece)
		if size <= f.cfg.rowLimit() {
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && size == 0:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, &RowError{Line: f.line, Problem: "reading failed: " + err.Error(), Err: err}
		case size > f.cfg.rowLimit():
			f.some = true
			return nil, &RowError{Line: f.line, Problem: fmt.Sprintf("has %d bytes, more than %d", size, f.cfg.rowLimit()), Row: Row{Line: f.line}}
		}
		return line, nil
	}
}

// unknownMember is what a report adds to a row that may be in the CRM. It is looked for in the text, because the row may
// be no record of the API any more.
var unknownMember = regexp.MustCompile(`(?i)"` + outcomeColumn + `"\s*:\s*"` + antcrm.OutcomeUnknown.String() + `"`)

func (f *jsonFormat[P]) decode(text []byte, record *P, row Row) error {
	var line jsonLine[P]
	if !f.cfg.lookedUp && unknownMember.Match(text) {
		return unknownRow(row, 0, "/"+outcomeColumn)
	}
	if f.cfg.asNew {
		text = f.withoutOwn(text)
	}
	err := json.Unmarshal(text, &line, json.RejectUnknownMembers(true))
	if err == nil {
		*record = line.Record
		var untold string
		if reflect.ValueOf(line.Record).IsZero() && json.Unmarshal(line.Text, &untold) == nil && untold != "" {
			row.Text = []byte(untold)
			return &RowError{Line: row.Line, Problem: textProblem, Row: row}
		}
		f.reportFields(text)
		return f.shortened(record, row)
	}
	bad := &RowError{Line: row.Line, Row: row, Problem: "is not a record of the API"}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		bad.Column, bad.Header = int(syntax.ByteOffset)+1, string(syntax.JSONPointer)
		bad.Problem = syntaxProblem(err)
	} else if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		bad.Column, bad.Header = int(semantic.ByteOffset)+1, string(semantic.JSONPointer)
		switch {
		case errors.Is(err, json.ErrUnknownName) && f.ownMember(text) != "":
			bad.Column, bad.Header, bad.Err = 0, "/"+f.ownMember(text), ErrExported
			bad.Problem = "is the CRM's own key: the file is an export, and an import would create its records a second time"
		case errors.Is(err, json.ErrUnknownName):
			bad.Problem = "is an unknown member"
		case semantic.JSONKind != 0:
			bad.Problem = "is not what the API takes here: " + kindName(semantic.JSONKind)
		}
	}
	return bad
}

// reportFields reports the members of a line that are the API's.
func (f *jsonFormat[P]) reportFields(text []byte) {
	if f.cfg.fields == nil {
		return
	}
	var members map[string]jsontext.Value
	if json.Unmarshal(text, &members) != nil {
		return // it was read: this cannot happen
	}
	for name := range members {
		if !slices.Contains(reportColumns(), name) {
			f.cfg.fields(name)
		}
	}
}

// shortened finds a key and phones that a spreadsheet had shortened before they became JSON: the digits are gone. Phones
// that may be meant otherwise are warned of as in a table.
func (f *jsonFormat[P]) shortened(record *P, row Row) error {
	var problems []*RowError
	if key := trim(f.schema.key(record)); certainly.MatchString(key) {
		problems = append(problems, &RowError{Line: row.Line, Header: "/" + f.schema.keyName, Problem: roundedProblem, Seen: visible(key), Row: row})
	}
	f.eachPhone(record, func(pointer, phone string) {
		at := &RowError{Line: row.Line, Header: pointer, Seen: visible(phone), Row: row}
		phone = trim(phone)
		switch unsure := doubtPhone(phone); {
		case phone == "":
		case rounded.MatchString(phone):
			at.Problem = roundedProblem
			problems = append(problems, at)
		case unsure != "":
			at.Problem = string(unsure)
			f.cfg.warn(at)
		}
	})
	return joinProblems(problems)
}

// eachPhone yields the phones of a record with their places.
func (f *jsonFormat[P]) eachPhone(record *P, yield func(pointer, phone string)) {
	all := func(place string, phones []antcrm.Phone) {
		for i, phone := range phones {
			yield(fmt.Sprintf("%s/phones/%d/value", place, i), phone.Value)
		}
	}
	if f.schema.phones != nil {
		all("", f.schema.phones(record))
	}
	if order, ok := any(record).(*antcrm.OpportunityCreateParams); ok {
		yield("/receiverPhone", order.ReceiverPhone)
		if order.Customer != nil {
			all("/dealWith", order.Customer.Phones)
		}
	}
}

// ownMember is a key of the CRM among the members of an object, "" if there is none.
func (f *jsonFormat[P]) ownMember(text []byte) string {
	var members map[string]jsontext.Value
	if json.Unmarshal(text, &members) != nil {
		return ""
	}
	for _, name := range f.schema.ownKeys {
		if _, there := members[name]; there {
			return name
		}
	}
	return ""
}

// withoutOwn leaves out what the CRM sets itself.
func (f *jsonFormat[P]) withoutOwn(text []byte) []byte {
	var members map[string]jsontext.Value
	if json.Unmarshal(text, &members) != nil {
		return text // decoding it says why
	}
	count := len(members)
	for _, name := range slices.Concat(f.schema.ownKeys, f.schema.readOnly) {
		delete(members, name)
	}
	if len(members) == count {
		return text
	}
	shorter, err := json.Marshal(members)
	if err != nil {
		return text
	}
	return shorter
}

func syntaxProblem(err error) string {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "is there twice"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the JSON is cut short"
	case strings.Contains(err.Error(), "UTF-8"):
		return "is not UTF-8"
	}
	return "is not JSON"
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case '0':
		return "a number"
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 'n':
		return "null"
	}
	return "a boolean"
}

func (f *jsonFormat[P]) keyColumn() (column int, header string) { return 0, "" }

func (f *jsonFormat[P]) merges() bool { return false }
