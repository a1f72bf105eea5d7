package bind_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/internal/bind"
)

type code string

type own struct{ text string }

func (o *own) UnmarshalJSON(text []byte) error {
	if string(text) == `"bad"` {
		return errors.New("own")
	}
	o.text = string(text)
	return nil
}

type part struct {
	Value string `json:"value,omitzero"`
}

type record struct {
	Name    string          `json:"name,omitzero"`
	Code    code            `json:"code,omitzero"`
	Raw     json.RawMessage `json:"raw,omitzero"`
	Parts   []part          `json:"parts,omitzero"`
	Codes   []code          `json:"codes,omitzero"`
	One     *part           `json:"one,omitzero"`
	Inner   part            `json:"inner,omitzero"`
	Own     own             `json:"own,omitzero"`
	Count   int             `json:"count,omitzero"`
	Self    *record         `json:"self,omitzero"`
	Skipped string          `json:"-"`
	Untold  string
	Odd     string `json:"a/b~c,omitzero"`
}

func texts(t reflect.Type) bind.Text {
	if t == reflect.TypeFor[code]() {
		return bind.Text{Canonical: strings.ToUpper, Booleans: true, Composites: true}
	}
	return bind.Text{}
}

func bindRecord(text string, budget int64) (record, string, error) {
	var r record
	own, err := bind.NewBinder(bind.NewPlans(texts), reflect.TypeFor[record](), budget, false).Bind([]byte(text), &r)
	return r, own, err
}

const plenty = 1 << 20

func TestEveryKindOfValueIsBound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]record{
		`{}`:                                {},
		`{"name":"Nguyễn"}`:                 {Name: "Nguyễn"},
		`{ "name" : 12345678901234567890 }`: {Name: "12345678901234567890"},
		`{"name":null}`:                     {},
		`{"name":"a\"b\u00e9"}`:             {Name: `a"bé`},
		`{"n\u0061me":"x"}`:                 {Name: "x"},
		`{"unknown":{"name":"y"},"name":"x","more":[{"name":"z"}]}`: {Name: "x"},
		`{"Skipped":"x","Untold":"y","":"z"}`:                       {},
		`{"code":"abc"}`:                                            {Code: "ABC"},
		`{"code":true}`:                                             {Code: "TRUE"},
		`{"code":{"a":[1]}}`:                                        {Code: `{"A":[1]}`},
		`{"raw": {"a" : 1} }`:                                       {Raw: json.RawMessage(`{"a" : 1}`)},
		`{"raw":null}`:                                              {Raw: json.RawMessage(`null`)},
		`{"parts":null}`:                                            {},
		`{"parts":""}`:                                              {Parts: []part{}},
		`{"parts":[]}`:                                              {Parts: []part{}},
		`{"parts":[{"value":"a"},null,"",{"value":2}]}`:             {Parts: []part{{"a"}, {}, {}, {"2"}}},
		`{"parts":{"value":"a"}}`:                                   {Parts: []part{{"a"}}},
		`{"codes":["a",1,null]}`:                                    {Codes: []code{"A", "1", ""}},
		`{"codes":"a"}`:                                             {Codes: []code{"A"}},
		`{"one":{"value":"a"}}`:                                     {One: &part{"a"}},
		`{"one":{}}`:                                                {One: &part{}},
		`{"one":"65f0"}`:                                            {},
		`{"one":null}`:                                              {},
		`{"one":[{"value":"a"}]}`:                                   {},
		`{"inner":{"value":"a"}}`:                                   {Inner: part{"a"}},
		`{"inner":""}`:                                              {},
		`{"own":[1, 2]}`:                                            {Own: own{"[1, 2]"}},
		`{"count":7}`:                                               {Count: 7},
		`{"self":{"self":{"name":"deep"}}}`:                         {Self: &record{Self: &record{Name: "deep"}}},
		`{"a/b~c":"odd"}`:                                           {Odd: "odd"},
		`{"odd":"x","name":"last","name":"wins"}`:                   {Name: "wins"},
		`{"a/b~c":"1","count":1,"own":1,"inner":{},"one":{},"codes":[],"parts":[],"raw":1,"code":"c","name":"n"}`: {
			Name: "n", Code: "C", Raw: json.RawMessage("1"), Parts: []part{}, Codes: []code{}, One: &part{}, Own: own{"1"}, Count: 1, Odd: "1",
		},
	} {
		got, own, err := bindRecord(text, plenty)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, text, own)
	}
}

func TestAMisfitNamesItsPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bind.Error{
		`[]`:                          {Path: "", Offset: 0, First: '['},
		`"x"`:                         {Path: "", Offset: 0, First: '"'},
		`{"name":{"a":1}}`:            {Path: "/name", Offset: 8, First: '{'},
		`{"name":true}`:               {Path: "/name", Offset: 8, First: 't'},
		`{"parts":[{},{"value":[]}]}`: {Path: "/parts/1/value", Offset: 22, First: '['},
		`{"parts":[{},7]}`:            {Path: "/parts/1", Offset: 13, First: '7'},
		`{"inner":7}`:                 {Path: "/inner", Offset: 9, First: '7'},
		`{"self":{"a/b~c":[]}}`:       {Path: "/self/a~1b~0c", Offset: 17, First: '['},
		`{"own":"bad"}`:               {Path: "/own", Offset: 7, First: '"'},
		`{"count":"x"}`:               {Path: "/count", Offset: 9, First: '"'},
	} {
		_, _, err := bindRecord(text, plenty)
		failure, ok := errors.AsType[*bind.Error](err)
		require.True(t, ok, "%s: %v", text, err)
		assert.Equal(t, want.Path, failure.Path, text)
		assert.Equal(t, want.Offset, failure.Offset, text)
		assert.Equal(t, want.First, failure.First, text)
		assert.Equal(t, len(text), failure.Size, text)
		assert.Equal(t, text[failure.Offset], failure.First)
		assert.Contains(t, err.Error(), failure.Path)
	}
}

// A record's strings are parts of its own copy; raw values are the caller's alone.
func TestStringsAreCutFromTheRecordsOwnText(t *testing.T) {
	t.Parallel()
	text := []byte(`{"name":"Mai","raw":[1],"codes":["a"]}`)
	var r record
	own, err := bind.NewBinder(bind.NewPlans(texts), reflect.TypeFor[record](), plenty, false).Bind(text, &r)
	require.NoError(t, err)
	within := func(s string) bool {
		begin, at := uintptr(unsafe.Pointer(unsafe.StringData(own))), uintptr(unsafe.Pointer(unsafe.StringData(s)))
		return at >= begin && at < begin+uintptr(len(own))
	}
	assert.True(t, within(r.Name))
	for i := range text {
		text[i] = 'x' // the buffer of the answer is used again
	}
	assert.Equal(t, "Mai", r.Name)
	assert.Equal(t, "[1]", string(r.Raw))
	r.Raw[1] = '9'
	assert.Equal(t, `{"name":"Mai","raw":[1],"codes":["a"]}`, own, "what a caller does to a raw value reaches nothing else")
}

// The budget is what all records of an answer may take: the last byte of it may be used, one less is refused.
func TestTheBudgetIsExact(t *testing.T) {
	t.Parallel()
	const header = 16
	record0, part0 := int64(reflect.TypeFor[record]().Size()), int64(reflect.TypeFor[part]().Size())
	for text, extra := range map[string]int64{
		`{"name":"Nguyễn Văn Mẫu"}`:             0,
		`{"name":"a\u0062 and what is longer"}`: int64(len(`"a\u0062 and what is longer"`)),
		`{"raw":[1,2,3,4,5,6,7,8,9]}`:           int64(len(`[1,2,3,4,5,6,7,8,9]`)),
		`{"raw":[1]}`:                           header,
		`{"one":{}}`:                            part0,
		`{"self":{}}`:                           record0,
		`{"codes":["a","b","c","d"]}`:           4 * header,
		`{"codes":"a"}`:                         header,
		`{"parts":[{},{},{}]}`:                  part0 + part0 + 2*part0,
	} {
		need := max(int64(len(text)), header) + extra
		_, _, err := bindRecord(text, need)
		require.NoError(t, err, text)
		_, _, err = bindRecord(text, need-1)
		require.ErrorIs(t, err, bind.ErrBudget, text)
	}
	binder := bind.NewBinder(bind.NewPlans(texts), reflect.TypeFor[record](), 3*record0, false)
	require.NoError(t, binder.Charge(2))
	require.NoError(t, binder.Charge(1))
	require.ErrorIs(t, binder.Charge(1), bind.ErrBudget)
}

func TestBytesThatAreNotUTF8AreReplaced(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"{\"name\":\"a\xffb\"}": "a\ufffdb", "{\"name\":\"good\"}": "good", "{\"na\xffme\":\"x\"}": ""} {
		var r record
		_, err := bind.NewBinder(bind.NewPlans(texts), reflect.TypeFor[record](), plenty, true).Bind([]byte(text), &r)
		require.NoError(t, err)
		assert.Equal(t, want, r.Name, "%q", text)
	}
}

// One binder binds all records of an answer; nothing of one is in the next.
func TestABinderIsUsedForManyRecords(t *testing.T) {
	t.Parallel()
	binder := bind.NewBinder(bind.NewPlans(texts), reflect.TypeFor[record](), plenty, false)
	var first, second record
	_, err := binder.Bind([]byte(`{"name":"first","codes":["a"]}`), &first)
	require.NoError(t, err)
	_, err = binder.Bind([]byte(`{"code":"second"}`), &second)
	require.NoError(t, err)
	assert.Equal(t, record{Name: "first", Codes: []code{"A"}}, first)
	assert.Equal(t, record{Code: "SECOND"}, second)
	assert.True(t, binder.Knows("a/b~c"))
	for _, unknown := range []string{"Untold", "Skipped", "-", "", "value", "Name"} {
		assert.False(t, binder.Knows(unknown), unknown)
	}
}

func TestTextsAreReadFromScalars(t *testing.T) {
	t.Parallel()
	lenient := bind.Text{Booleans: true, Composites: true}
	for text, want := range map[string]struct {
		text           string
		plain, lenient bool
	}{
		`"a"`: {"a", true, true}, `""`: {"", true, true}, `1`: {"1", true, true}, `-1.50e+3`: {"-1.50e+3", true, true}, `007`: {"007", true, true},
		`null`: {"", true, true}, `true`: {"true", false, true}, `false`: {"false", false, true}, `{"a":1}`: {`{"a":1}`, false, true}, `[1]`: {"[1]", false, true},
		"\"a\xff\"": {"a\ufffd", true, true}, `"\ud800"`: {"\ufffd", true, true}, `{"a":1,"a":2}`: {`{"a":1,"a":2}`, false, true},
		``: {}, `x`: {}, `"a`: {}, `1 2`: {}, `tru`: {}, `{`: {}, `+1`: {}, `.5`: {}, `5.`: {}, `1e`: {}, `"a\x"`: {}, `nul`: {}, `-`: {}, `"\u12"`: {},
	} {
		got, err := bind.Text{}.Read(text)
		assert.Equal(t, want.plain, err == nil, "%q", text)
		if want.plain {
			assert.Equal(t, want.text, got, text)
		}
		got, err = lenient.Read(text)
		assert.Equal(t, want.lenient, err == nil, "%q", text)
		if want.lenient {
			assert.Equal(t, want.text, got, text)
		}
	}
}

func TestDecimalsAndTheirShortForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // "": it is no decimal
		"0": "0", "9": "9", "-0": "-0", "00": "0", "007": "7", "-007.50": "-7.50", "0.5": "0.5", "00.5": "0.5", "1e5": "1e5", "01E+5": "1E+5", "1e-05": "1e-05",
		"": "", "-": "", "+1": "", ".5": "", "5.": "", "1e": "", "1e+": "", "1.e5": "", "0x10": "", " 1": "", "1 ": "", "1,5": "", "--1": "", "1e5.0": "", "NaN": "",
		"/": "", ":": "", "1.5.5": "",
	} {
		assert.Equal(t, want != "", bind.IsDecimal(text), text)
		if want == "" {
			want = text
		}
		assert.Equal(t, want, bind.ShortNumber(text), text)
	}
}
