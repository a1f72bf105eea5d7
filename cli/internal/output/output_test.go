package output_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
	"github.com/antbuddy/antcrm-go/cli/internal/schema"
)

const (
	mau = `{"name":"Nguyễn Văn Mẫu","customerId":475,"phones":[{"type":"Work","value":"0900000001"}],"stage":"A new customer"}`
	// The same letters as base and combining marks, and a name in wide characters.
	decomposed = `{"name":"Tra\u0302\u0300n Thi\u0323 Thu\u031b\u0309","customerId":1234567890123456789,"phones":[],"stage":"x"}`
	wide       = `{"name":"株式会社サンプル","customerId":2,"stage":"y"}`
)

func render(t *testing.T, opts output.Options, records ...string) string {
	t.Helper()
	if opts.Default == nil {
		opts.Default = []string{"customerId", "name", "phones.value", "stage"}
	}
	opts.Schema = schema.Of[antcrm.Contact]()
	var b bytes.Buffer
	w, err := output.New(&b, opts)
	require.NoError(t, err)
	for _, record := range records {
		require.NoError(t, w.Write(json.RawMessage(record)))
	}
	require.NoError(t, w.Close())
	return b.String()
}

func TestTable_AlignsByDisplayWidth(t *testing.T) {
	t.Parallel()
	got := render(t, output.Options{Format: output.Table}, mau, decomposed, wide)
	lines := strings.Split(strings.TrimRight(got, "\n"), "\n")
	require.Len(t, lines, 4)
	stages := []string{"stage", "A new customer", "x", "y"}
	for i, line := range lines {
		before, _, found := strings.Cut(line, "  "+stages[i])
		require.True(t, found, line)
		assert.Equal(t, 53, runewidth.StringWidth(before+"  "), "column of line %d: %q", i, line)
	}
	assert.Contains(t, got, "1234567890123456789", "no digit is lost")
}

func TestTable_FitsAnyTerminal(t *testing.T) {
	t.Parallel()
	for width := 1; width <= 120; width++ {
		got := render(t, output.Options{Format: output.Table, Width: width, Terminal: true}, mau, decomposed, wide)
		for line := range strings.Lines(got) {
			// Two columns are needed for a wide character.
			assert.LessOrEqual(t, runewidth.StringWidth(strings.TrimRight(line, "\n")), max(width, 3), "width %d: %q", width, line)
		}
	}
}

func TestTable_CutsTimesLast(t *testing.T) {
	t.Parallel()
	record := `{"name":"Công ty Trách nhiệm Hữu hạn Ví Dụ","createdAt":1692084490615,"stage":"A new customer"}`
	opts := output.Options{Format: output.Table, Width: 40, Terminal: true, Default: []string{"name", "createdAt", "stage"}}
	got := render(t, opts, record)
	assert.Regexp(t, `(?m)^Công.*…  2023-08-15 \d\d:28  A new…$`, strings.TrimRight(got, "\n"))
}

func TestTable_OfTwentyColumnsLosesNothing(t *testing.T) {
	t.Parallel()
	got := render(t, output.Options{Format: output.Table, Width: 20, Terminal: true}, mau)
	assert.Equal(t, `customerId
  475
name
  Nguyễn Văn Mẫu
phones.value
  0900000001
stage
  A new customer
`, got)
}

func TestTable_OfOneRecordPrintsUndocumentedFields(t *testing.T) {
	t.Parallel()
	got := render(t, output.Options{Format: output.Table, Single: true}, `{"shoe.size":43,"name":"Mẫu","phones":[{"type":"Work","value":"09"}],"cusFields":[{"name":"Unit","value":"Fast"}],"tags":[]}`)
	assert.Equal(t, "name       Mẫu\nphones     Work: 09\ncusFields  Unit: Fast\nshoe.size  43\n", got)
}

func TestOutput_CannotDisturbTheTerminal(t *testing.T) {
	t.Parallel()
	record := `{"name":"\u001b[31mred\u001b[0m\n\u202eback\u009b2J","customerId":1}`
	for _, format := range output.Formats() {
		got := render(t, output.Options{Format: format, Terminal: true, Default: []string{"customerId", "name"}}, record)
		if format == output.CSV {
			continue // for programs
		}
		for _, bad := range []string{"\x1b", "\u202e", "\u009b"} {
			assert.NotContains(t, got, bad, format)
		}
	}
	var back struct{ Name string }
	got := render(t, output.Options{Format: output.JSONL, Terminal: true}, record)
	require.NoError(t, json.Unmarshal([]byte(got), &back))
	assert.Equal(t, "\x1b[31mred\x1b[0m\n\u202eback\u009b2J", back.Name, "escaped, not changed")
}

// shared is a buffer that a test may look at while a writer has it.
type shared struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestWriter_DoesNotKeepRecordsWhileTheNextPageIsOnItsWay(t *testing.T) {
	t.Parallel()
	for _, format := range []string{output.JSON, output.JSONL, output.CSV} {
		synctest.Test(t, func(t *testing.T) {
			var to shared
			w, err := output.New(&to, output.Options{Format: format, Default: []string{"name"}, Schema: schema.Of[antcrm.Contact]()})
			require.NoError(t, err)
			require.NoError(t, w.Write(json.RawMessage(mau)))
			time.Sleep(time.Second)
			assert.Contains(t, to.String(), "Nguyễn Văn Mẫu", format)
		})
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, columns, record, want string }{
		{"through a list", "phones.value", `{"phones":[{"value":"1"},{"value":"2"}]}`, "1; 2\n"},
		{"by index", "phones.1.value", `{"phones":[{"value":"1"},{"value":"2"}]}`, "2\n"},
		{"index beyond the end", "phones.9.value", `{"phones":[{"value":"1"}]}`, "\n"},
		{"an object is JSON", "sourceLead", `{"sourceLead":{"code":"<6>"}}`, `"{""code"":""<6>""}"` + "\n"},
		{"objects are JSON", "phones", `{"phones":[{"value":"1"}]}`, `"[{""value"":""1""}]"` + "\n"},
		{"a time is RFC 3339", "createdAt", `{"createdAt":1692084490615}`, "2023-08-15T07:28:10.615Z\n"},
		{"a time that is none stays", "createdAt", `{"createdAt":"soon"}`, "soon\n"},
		{"missing", "stage", `{}`, "\n"},
		{"null", "stage", `{"stage":null}`, "\n"},
		{"undocumented", "shoeSize", `{"shoeSize":43}`, "43\n"},
		{"any value of a custom field", "cusFields.value.deep", `{"cusFields":[{"value":{"deep":true}}]}`, "true\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := render(t, output.Options{Format: output.CSV, Columns: []string{test.columns}}, test.record)
			header, row, _ := strings.Cut(got, "\n")
			assert.Equal(t, test.columns, header)
			assert.Equal(t, test.want, row)
		})
	}
}

func TestColumns_ThatNoRecordHasAreRefused(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"nom", "phones.valeu", "name.first", "", ".", "phones..value"} {
		var b bytes.Buffer
		w, err := output.New(&b, output.Options{Format: output.CSV, Columns: []string{column}, Schema: schema.Of[antcrm.Contact]()})
		if err == nil {
			require.NoError(t, w.Write(json.RawMessage(mau)))
			err = w.Close()
		}
		unknown := &output.ColumnError{}
		require.ErrorAs(t, err, &unknown, column)
		assert.Equal(t, column, unknown.Column)
		assert.Empty(t, b.String(), "nothing is printed before")
	}
}

func TestJSON_OfNoRecordsIsAnEmptyArray(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "[]\n", render(t, output.Options{Format: output.JSON}))
	assert.Empty(t, render(t, output.Options{Format: output.JSONL}))
	assert.Equal(t, "customerId,name,phones.value,stage\n", render(t, output.Options{Format: output.CSV}))
}

// On 80 columns names and phones stay readable: empty columns go first, then the others are cut.
func TestTable_KeepsNamesAndPhonesReadable(t *testing.T) {
	t.Parallel()
	record := `{"name":"Nguyễn Văn Mẫu","phones":[{"value":"0900000001"}],"stage":"A new customer of a long name","emails":[{"value":"nguyen.van.mau@example.com"}],"createdAt":1692084490615}`
	opts := output.Options{
		Format: output.Table, Width: 80, Terminal: true,
		Default: []string{"contactType", "leadId", "customerId", "name", "phones.value", "emails.value", "stage", "createdAt"},
	}
	got := render(t, opts, record)
	assert.Regexp(t, `^name +phones\.value +emails\.value +stage +createdAt`, got)
	assert.Contains(t, got, "Nguyễn Văn Mẫu")
	assert.Contains(t, got, "0900000001")
	assert.NotContains(t, got, "customerId")
	opts.Width = 0
	assert.Contains(t, render(t, opts, record), "customerId", "elsewhere nothing is left out")
	opts.Width, opts.Columns = 80, opts.Default
	assert.Contains(t, render(t, opts, record), "cust", "what was asked for is printed")
}
