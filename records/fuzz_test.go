package records_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// FuzzCSV: whatever a file holds, each row is a record or an error of one line,
// and a report of the records' rows gives the same records again.
func FuzzCSV(f *testing.F) {
	f.Add("name,customerIdApiRing,phones\nMai,1,0900000001|2\n\"a\nb\",2,\n")
	f.Add("\ufeffsep=;\r\nName;External ID;cf:Color\r\nMai;1;\"đỏ;\"\"x\"\"\"\r\n")
	f.Add("name\tvalue\tcreatedAt\nMai\t1.5\t2024-03-13\n")
	f.Add("name,name\n\"")
	f.Add("name,groupPackage\nA,\"[{\"\"name\"\":\"\"x\"\"}]\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		fuzzRoundTrip(t, text, records.CSV[antcrm.ContactCreateParams])
		fuzzRoundTrip(t, text, records.CSV[antcrm.OpportunityCreateParams])
	})
}

// FuzzJSONLines is FuzzCSV for JSON lines.
func FuzzJSONLines(f *testing.F) {
	f.Add(`{"name":"Mai","customerIdApiRing":"1","phones":[{"value":"1"}],"_line":"3"}` + "\n\n" + `{"name":"Lan","cusFields":[{"name":"a","value":{"b":1e5}}]}`)
	f.Add(`{"name":"A","receiverName":"B","value":"","createdAt":null,"groupPackage":[{"quantity":"2"}]}`)
	f.Add("[1]\n{\"name\":\"Mai\",\"name\":\"Lan\"}\n{")
	f.Fuzz(func(t *testing.T, text string) {
		fuzzRoundTrip(t, text, records.JSONLines[antcrm.ContactCreateParams])
		fuzzRoundTrip(t, text, records.JSONLines[antcrm.OpportunityCreateParams])
	})
}

func fuzzRoundTrip[P records.Params](t *testing.T, text string, read func(r io.Reader, opts ...records.Option) *records.Reader[P]) {
	t.Helper()
	opts := []records.Option{records.WithUnknownColumns(), records.WithMaxField(1000), records.WithRows(), records.WithBadRows(func(bad *records.RowError) {
		require.NotContains(t, bad.Error(), "\n")
		require.Positive(t, bad.Line)
	})}
	source := read(strings.NewReader(text), opts...)
	first, err := collect(source.All())
	if err != nil {
		require.NotContains(t, err.Error(), "\n")
	}
	var out bytes.Buffer
	report := source.NewReport(&out)
	for i := range first {
		row, ok := source.Row(int64(i))
		require.True(t, ok)
		require.NoError(t, report.Add(row, antcrm.OutcomeRejected, nil))
	}
	require.NoError(t, report.Flush())
	if len(first) == 0 {
		return
	}
	again, err := collect(read(&out, opts...).All())
	require.NoError(t, err)
	require.Equal(t, toJSON(t, first), toJSON(t, again))
}

// FuzzRowsAreNamed: no row is lost, changed or doubled without being named. Each row that encoding/csv finds is yielded once, with its texts, or reported by
// its line; a file that ends in an error names the line.
func FuzzRowsAreNamed(f *testing.F) {
	f.Add("Mai,1,note\nLan,2,\n,,\nname,customerIdApiRing,bgInfo\nAn,3,\"a\nb\"\n")
	f.Add("Mai,1\nLan,2,x,y\n\"A\"\"n\",3,\n")
	f.Add("M\x00ai,1,\n\ufeffLan,2,\xff\n")
	f.Fuzz(func(t *testing.T, body string) {
		text := "name,customerIdApiRing,bgInfo\n" + body
		want := map[int][]string{}
		plain := csv.NewReader(strings.NewReader(text))
		plain.FieldsPerRecord = -1
		_, _ = plain.Read() // the header
		for {
			fields, err := plain.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return // not CSV to the reference: FuzzCSV has it
			}
			if line, _ := plain.FieldPos(0); strings.TrimSpace(strings.Join(fields, "")) != "" {
				want[line] = fields
			}
		}
		named := map[int]bool{}
		note := func(e *records.RowError) { named[e.Line] = true }
		source := records.CSV[antcrm.ContactCreateParams](strings.NewReader(text), records.WithRows(), records.WithBadRows(note), records.WithWarnings(note))
		seen := map[int]bool{}
		index := int64(0)
		for record, err := range source.All() {
			if err != nil {
				return // it names its line, and nothing follows
			}
			row, ok := source.Row(index)
			require.True(t, ok)
			index++
			require.False(t, seen[row.Line], "line %d twice", row.Line)
			seen[row.Line] = true
			if fields := want[row.Line]; !named[row.Line] && strings.TrimSpace(fields[0]) == fields[0] && !strings.HasPrefix(fields[0], "=") && utf8.ValidString(fields[0]) && !strings.ContainsFunc(fields[0], func(r rune) bool { return r > 0x7e }) {
				require.Equal(t, fields[0], record.Name)
			}
		}
		for line, fields := range want {
			if !seen[line] && !named[line] && !strings.ContainsFunc(strings.Join(fields, ""), func(r rune) bool { return r > 0x7e }) {
				require.Fail(t, "a row is lost", "line %d: %q", line, fields)
			}
		}
	})
}
