package records_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

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
