package antcrm

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/antbuddy/antcrm-go/internal/bind"
)

// envelope is what an object says about the whole answer, beside its records or ids. It reads every answer, once: a
// list, a write, a refusal, an error page.
type envelope struct {
	success truth
	message string // the text of the first of message, error, errors and msg that has one
	code    string // of code or errorCode, else of the object that has the message

	hasMessage bool // there is a member of one of these names
	hasData    bool
	emptyData  bool // data is null, [] or {}
	empty      bool // no member at all

	rank  int // of the name that has the message, from 1; 0: none yet
	asked [len(messageNames)]bool
}

var messageNames = [...]string{"message", "error", "errors", "msg"}

// read reads an object. It calls own for each member first: own either reads the member's value and returns true, or
// leaves it to the envelope.
func (e *envelope) read(r *reader, own func(name string) (handled bool, err error)) error {
	e.empty = true
	return r.eachMember(func(name string) error {
		e.empty = false
		if handled, err := own(name); handled || err != nil {
			return err
		}
		return e.readMember(r, name)
	})
}

// readMember reads the value of a member. The envelope keeps little of it: a single member may have 16 MiB.
func (e *envelope) readMember(r *reader, name string) error {
	val, err := r.ReadValue()
	switch name {
	case "success":
		if err == nil {
			e.success = readTruth(val)
		}
	case "data":
		e.hasData = true
		e.emptyData = err == nil && isEmptyJSON(val)
	case "code", "errorCode":
		if kind := val.Kind(); (kind == '"' || kind == '0') && len(val) <= maxErrorBody {
			e.code, _ = scalarText(val)
		}
	default:
		e.readMessage(name, val)
	}
	return err
}

// readMessage keeps the message whose name comes first in messageNames. It looks at each name once.
func (e *envelope) readMessage(name string, val jsontext.Value) {
	at := slices.Index(messageNames[:], name)
	if at < 0 {
		return
	}
	e.hasMessage = true
	if e.asked[at] || e.rank > 0 && e.rank < at+1 {
		return
	}
	e.asked[at] = true
	text, code := messageText(val)
	if text == "" {
		return
	}
	e.message, e.rank = text, at+1
	if e.code == "" {
		e.code = code
	}
}

// readEnvelope reads an object as far as possible: the text may be cut.
func readEnvelope(ctx context.Context, text []byte) (e envelope, err error) {
	noOwn := func(string) (bool, error) { return false, nil }
	err = readJSON(ctx, text, lenient, func(r *reader) error { return e.read(r, noOwn) })
	return e, err
}

// truth is the meaning of a value of success.
type truth struct {
	meaning yesNo
	isThere bool   // there is a value
	text    string // the beginning of a value that says neither yes nor no
}

type yesNo int

const (
	saysNothing yesNo = iota // absent, null, or an unknown value
	saysYes
	saysNo
)

// readTruth reads the vendor's values for yes and no. Any other value ("ok", 2, 200) says neither (our decision: if it
// were a no, a write that was done would be reported as refused).
func readTruth(val jsontext.Value) truth {
	const longest = 40
	if len(val) > longest {
		return truth{isThere: true, text: cutBytes(string(val[:longest]), longest) + "…"}
	}
	text, err := scalarText(val)
	switch {
	case err != nil:
	case val.Kind() == 'n':
		return truth{isThere: true}
	case text == "1" || text == "true":
		return truth{meaning: saysYes, isThere: true}
	case text == "0" || text == "false" || text == "":
		return truth{meaning: saysNo, isThere: true}
	}
	return truth{isThere: true, text: string(val)}
}

// scalarText is the text of a string, a number, a boolean or null.
func scalarText(val []byte) (string, error) { return bind.Text{Booleans: true}.Read(string(val)) }

// messageText reads a server's message and the code beside it. The message is a string, an object with a message, a
// list of either, or the first text of an object of texts. Long and deep values are read in part.
func messageText(val jsontext.Value) (text, code string) {
	const maxDepth = 4
	val = val[:min(len(val), maxErrorBody)]
	m := messageReader{reader: reader{Decoder: jsontext.NewDecoder(bytes.NewBuffer(val), lenient), ctx: context.Background()}}
	text = m.read(maxDepth)
	return text, m.code
}

// messageReader reads a message in one pass, as far as possible: the text may be cut.
type messageReader struct {
	reader
	code string
	err  error // why it cannot read further
}

func (m *messageReader) read(depth int) string {
	switch kind := m.PeekKind(); {
	case kind == '{' && depth > 0:
		return m.object(depth)
	case kind == '[' && depth > 0:
		return m.list(depth)
	}
	return m.scalar()
}

func (m *messageReader) scalar() string {
	val, err := m.ReadValue()
	if err != nil {
		m.err = err
		return ""
	}
	if kind := val.Kind(); kind != '"' && kind != '0' {
		return ""
	}
	text, _ := scalarText(val)
	return strings.TrimSpace(text)
}

func (m *messageReader) list(depth int) string {
	const shown = 5
	var texts []string
	m.err = m.eachElement(func(jsontext.Kind) error {
		if text := m.read(depth - 1); text != "" && len(texts) < shown {
			texts = append(texts, text)
		}
		return m.err
	})
	return strings.Join(texts, "; ")
}

// object returns the text of the first member in detailNames, else the first text with its name.
func (m *messageReader) object(depth int) string {
	best, rank := "", len(detailNames)
	m.err = m.eachMember(func(name string) error {
		if name == "code" || name == "errorCode" {
			if code := m.scalar(); m.code == "" {
				m.code = code
			}
			return m.err
		}
		text := m.read(depth - 1)
		switch at := slices.Index(detailNames[:], name); {
		case text == "":
		case at >= 0 && at < rank:
			best, rank = text, at
		case best == "":
			best = name + ": " + text
		}
		return m.err
	})
	return best
}

var detailNames = [...]string{"message", "error", "errors", "msg", "detail", "description"}
