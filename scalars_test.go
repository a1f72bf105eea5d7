package antcrm_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
)

// lenientCase is one JSON text for a lenient type: what it decodes to, and
// what that is sent as.
type lenientCase[T any] struct {
	in   string
	want T
	out  string // "" if in is refused
}

// checkLenient decodes alone, with encoding/json and inside a listed record,
// and encodes back.
func checkLenient[T any](t *testing.T, cases []lenientCase[T]) {
	t.Helper()
	for _, tt := range cases {
		type holder struct {
			V T `json:"v"`
		}
		var got holder
		err := json.Unmarshal([]byte(`{"v":`+tt.in+`}`), &got)
		listErr := decodeListed(t, tt.in, &got.V)
		if tt.out == "" {
			require.Error(t, err, tt.in)
			require.Error(t, listErr, tt.in)
			continue
		}
		require.NoError(t, err, tt.in)
		require.NoError(t, listErr, tt.in)
		assert.Equal(t, tt.want, got.V, tt.in)
		out, err := json.Marshal(got)
		require.NoError(t, err, tt.in)
		assert.Equal(t, `{"v":`+tt.out+`}`, string(out), tt.in)

		var again holder
		require.NoError(t, json.Unmarshal(out, &again), tt.in)
		assert.Equal(t, got, again, "decode, encode, decode of %s", tt.in)
	}
}

// decodeListed decodes a value as the client decodes an answer of the caller's
// own type.
func decodeListed(t *testing.T, in string, into any) error {
	t.Helper()
	return scripted(t, ok(in)).client().Do(t.Context(), "GET", "/x", nil, nil, into)
}

func TestIDKeepsNumbersAndStringsExactly(t *testing.T) {
	t.Parallel()
	checkLenient(t, []lenientCase[antcrm.ID]{
		{`2964`, "2964", `"2964"`},
		{`"2964"`, "2964", `"2964"`},
		{`9223372036854775808`, "9223372036854775808", `"9223372036854775808"`},
		{`12345678901234567890123`, "12345678901234567890123", `"12345678901234567890123"`},
		{`"0042"`, "0042", `"0042"`},
		{`-1`, "-1", `"-1"`},
		{`1.50`, "1.50", `"1.50"`},
		{`1e3`, "1e3", `"1e3"`},
		{`""`, "", `""`},
		{`null`, "", `""`},
		{`" a/b \u00e9\n"`, " a/b é\n", `" a/b é\n"`},
		{`"\ud83d\ude00"`, "😀", `"😀"`},
		{`true`, "", ""},
		{`{}`, "", ""},
		{`[1]`, "", ""},
	})
}

func TestDecimalIsExactAndSentAsANumber(t *testing.T) {
	t.Parallel()
	checkLenient(t, []lenientCase[antcrm.Decimal]{
		{`4520000`, "4520000", `4520000`},
		{`"4520000"`, "4520000", `4520000`},
		{`123456789012345678901234567890.10`, "123456789012345678901234567890.10", `123456789012345678901234567890.10`},
		{`"0.1"`, "0.1", `0.1`},
		{`"007"`, "7", `7`},
		{`"-0012.50"`, "-12.50", `-12.50`},
		{`0`, "0", `0`},
		{`1E+2`, "1E+2", `1E+2`},
		{`""`, "", `""`},
		{`null`, "", `""`},
	})
}

// An amount that is no number must not fail a page of good records.
func TestADecimalKeepsTheTextOfWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for in, text := range map[string]antcrm.Decimal{
		`"1,000"`: "1,000", `"12 VND"`: "12 VND", `"."`: ".", `"1."`: "1.", `"NaN"`: "NaN", `"+1"`: "+1", `"-"`: "-", `"1e"`: "1e", `" 7"`: " 7",
		`"\u20ab"`: "₫", `true`: "true", `{"n": 1}`: `{"n": 1}`, `[]`: "[]",
	} {
		out := toJSON(t, string(text))
		checkLenient(t, []lenientCase[antcrm.Decimal]{{in, text, out}})
		checkLenient(t, []lenientCase[antcrm.DecimalText]{{in, antcrm.DecimalText(text), out}})
		page, err := scripted(t, ok(`[{"name":"a","scoreRank":`+in+`},{"name":"b","scoreRank":"12.50"}]`)).client().Contacts.List(t.Context(), antcrm.ContactListParams{})
		require.NoError(t, err, in)
		assert.Equal(t, text, page.Items[0].ScoreRank)
		assert.False(t, page.Items[0].ScoreRank.Valid(), in)
		assert.False(t, antcrm.DecimalText(text).Valid(), in)
		assert.Equal(t, antcrm.Decimal("12.50"), page.Items[1].ScoreRank)
	}
	for _, number := range []antcrm.Decimal{"0", "-1", "12.50", "1E+2", "007"} {
		assert.True(t, number.Valid(), number)
		assert.True(t, antcrm.DecimalText(number).Valid(), number)
	}
	assert.False(t, antcrm.Decimal("").Valid())
}

func TestDecimalTextIsSentAsAString(t *testing.T) {
	t.Parallel()
	checkLenient(t, []lenientCase[antcrm.DecimalText]{
		{`125000`, "125000", `"125000"`},
		{`"125000.00"`, "125000.00", `"125000.00"`},
		{`""`, "", `""`},
		{`null`, "", `""`},
	})
}

func TestScoreTimestampGenderKindAndCodes(t *testing.T) {
	t.Parallel()
	checkLenient(t, []lenientCase[antcrm.Score]{
		{`120`, 120, `120`},
		{`"340.5"`, 340.5, `340.5`},
		{`-1`, -1, `-1`},
		{`""`, 0, `0`},
		{`null`, 0, `0`},
		{`"many"`, 0, `0`},
		{`1e999`, 0, `0`},
		{`false`, 0, `0`},
	})
	at := antcrm.NewTimestamp(moment())
	second := antcrm.NewTimestamp(moment().Truncate(time.Second))
	day := antcrm.NewTimestamp(moment().Truncate(24 * time.Hour))
	var none antcrm.Timestamp
	checkLenient(t, []lenientCase[antcrm.Timestamp]{
		{`1710311060673`, at, `1710311060673`},
		{`"1710311060673"`, at, `1710311060673`},
		{`1.710311060673E12`, at, `1710311060673`},
		{`"2024-03-13T06:24:20.673Z"`, at, `1710311060673`},
		{`"2024-03-13T13:24:20.673+07:00"`, at, `1710311060673`},
		{`"2024-03-13T06:24:20.673999999Z"`, at, `1710311060673`},
		{`"2024-03-13T06:24:20Z"`, second, `1710311060000`},
		{`"2024-03-13"`, day, `1710288000000`},
		{`0`, antcrm.NewTimestamp(time.UnixMilli(0)), `0`},
		{`-1`, antcrm.NewTimestamp(time.UnixMilli(-1)), `-1`},
		{`""`, none, `null`},
		{`null`, none, `null`},
		// A date that cannot be read must not fail a page of good records.
		{`"March 15, 2000"`, none, `null`},
		{`"2024-13-45"`, none, `null`},
		{`99999999999999999999`, none, `null`},
		{`9e300`, none, `null`},
		{`true`, none, `null`},
		{`{"$date":1}`, none, `null`},
		{`[1]`, none, `null`},
	})
	checkLenient(t, []lenientCase[antcrm.Gender]{
		{`0`, antcrm.GenderMale, `"0"`},
		{`"1"`, antcrm.GenderFemale, `"1"`},
		{`2`, antcrm.GenderOther, `"2"`},
		{`"unknown"`, "unknown", `"unknown"`},
		{`""`, "", `""`},
		{`null`, "", `""`},
		{`{}`, "", ""},
	})
	checkLenient(t, []lenientCase[antcrm.ContactKind]{
		{`0`, antcrm.KindPerson, `"0"`},
		{`"1"`, antcrm.KindAccount, `"1"`},
		{`null`, "", `""`},
		{`[]`, "", ""},
	})
	checkLenient(t, []lenientCase[antcrm.NumericCode]{
		{`0`, antcrm.DiscountCash, `0`},
		{`"1"`, antcrm.DiscountPercent, `1`},
		{`"percent"`, "percent", `"percent"`},
		{`""`, "", `""`},
		{`null`, "", `""`},
		{`true`, "", ""},
	})
	checkLenient(t, []lenientCase[antcrm.Flag]{
		{`true`, antcrm.Yes, `true`},
		{`1`, antcrm.Yes, `true`},
		{`"1"`, antcrm.Yes, `true`},
		{`"true"`, antcrm.Yes, `true`},
		{`false`, antcrm.No, `false`},
		{`0`, antcrm.No, `false`},
		{`"0"`, antcrm.No, `false`},
		{`"false"`, antcrm.No, `false`},
		{`""`, "", `""`},
		{`null`, "", `""`},
		{`"on"`, "on", `"on"`},
		{`{}`, "", ""},
		{`[true]`, "", ""},
	})
	assert.True(t, antcrm.Yes.Bool())
	assert.False(t, antcrm.No.Bool() || antcrm.Flag("").Bool())
	checkLenient(t, []lenientCase[antcrm.Tags]{
		{`["a","b"]`, antcrm.Tags{"a", "b"}, `["a","b"]`},
		{`"VIP"`, antcrm.Tags{"VIP"}, `["VIP"]`},
		{`""`, antcrm.Tags{}, `[]`},
		{`[]`, antcrm.Tags{}, `[]`},
		{`null`, nil, `null`},
		{`["a",7,null]`, antcrm.Tags{"a", "7", ""}, `["a","7",""]`},
		{`7`, antcrm.Tags{"7"}, `["7"]`},
		{`{"a":1}`, nil, ""},
		{`[["a"]]`, nil, ""},
		{`true`, nil, ""},
	})
}

func TestUnmarshalJSONOfAnythingIsAnErrorNotAPanic(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", `"`, `"a`, `"a\`, `{`, `[`, `[1`, "-", "--1", "1e", "nul", `"\u12`} {
		for _, v := range []json.Unmarshaler{
			new(antcrm.ID), new(antcrm.Decimal), new(antcrm.DecimalText), new(antcrm.Score), new(antcrm.Gender), new(antcrm.ContactKind),
			new(antcrm.NumericCode), new(antcrm.Flag), new(antcrm.Tags), new(antcrm.Timestamp),
		} {
			require.Error(t, v.UnmarshalJSON([]byte(text)), "%T %q", v, text)
		}
	}
}

func TestDecimalConversionsAreExactOrSayNo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in      antcrm.Decimal
		rat     string
		integer int64
		isInt   bool
	}{
		{"4520000", "4520000", 4520000, true},
		{"1e3", "1000", 1000, true},
		{"0.1", "1/10", 0, false},
		{"-12.50", "-25/2", 0, false},
		{"12.00", "12", 12, true},
		{"9223372036854775807", "9223372036854775807", math.MaxInt64, true},
		{"9223372036854775808", "9223372036854775808", 0, false},
		{"", "", 0, false},
		{"1/3", "", 0, false},
		{"0x10", "", 0, false},
		{"1e99999", "", 0, false},
	} {
		rat, ok := tt.in.Rat()
		assert.Equal(t, tt.rat != "", ok, tt.in)
		if ok {
			assert.Equal(t, tt.rat, rat.RatString(), tt.in)
		}
		n, ok := tt.in.Int64()
		assert.Equal(t, tt.isInt, ok, tt.in)
		assert.Equal(t, tt.integer, n, tt.in)
	}
	f, ok := antcrm.Decimal("0.25").Float64()
	assert.True(t, ok)
	assert.InDelta(t, 0.25, f, 0)
	for _, bad := range []antcrm.Decimal{"", "0x1p4", "Inf", "1e999"} {
		_, ok = bad.Float64()
		assert.False(t, ok, bad)
	}
	assert.Equal(t, antcrm.Decimal("-7"), antcrm.NewDecimal(-7))
	assert.Equal(t, "1.50", antcrm.Decimal("1.50").String()+antcrm.DecimalText("").String()+antcrm.ID("").String())
	assert.True(t, antcrm.Decimal("0").IsSet())
	assert.False(t, antcrm.Decimal("").IsSet())
}

func TestTimestampsAreCutToTheMillisecond(t *testing.T) {
	t.Parallel()
	at := antcrm.NewTimestamp(time.Date(2024, 3, 13, 13, 24, 20, 673_999_999, hanoi()))
	assert.Equal(t, moment(), at.Time)
	assert.True(t, antcrm.NewTimestamp(time.Time{}).IsZero())
}
