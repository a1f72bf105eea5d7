package records_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// sheet is a table of rows, numbered from 1; after the last it fails if it has an error. It reuses its cells.
type sheet struct {
	rows  [][]string
	err   error
	at    int
	cells []string
}

func (s *sheet) Next() ([]string, int, error) {
	if s.at == len(s.rows) {
		if s.err != nil {
			return nil, 0, s.err
		}
		return nil, 0, io.EOF
	}
	clear(s.cells[:cap(s.cells)])
	s.cells = append(s.cells[:0], s.rows[s.at]...)
	s.at++
	return s.cells, s.at, nil
}

// A workbook's rows end where their cells do: what is missing is empty, unless it is required.
func TestATableIsReadByTheRulesOfCSV(t *testing.T) {
	t.Parallel()
	var bad []string
	table := &sheet{rows: [][]string{
		{"customers of March"}, {}, {" ", ""}, {"name", "customerIdApiRing", "stage"}, {"Mai", "1", "New"}, {}, {"Lan", "2"}, {"Hoa", "3", "", " "}, {"Tý", "4", "New", "x"},
		{"name", "customerIdApiRing", "stage"}, {"Sửu", "5", "New"},
	}}
	source := records.FromTable[contact](table, records.WithSkipLines(1), records.WithRows(), records.WithRequired("stage"), records.WithBadRows(func(e *records.RowError) { bad = append(bad, e.Error()) }))
	list, err := collect(source.All())
	require.NoError(t, err)
	assert.Equal(t, `[{"name":"Mai","customerIdApiRing":"1","stage":"New"},{"name":"Sửu","customerIdApiRing":"5","stage":"New"}]`, toJSON(t, list))
	assert.Equal(t, []string{
		"records: line 7, column 3 (stage): is required", "records: line 8, column 3 (stage): is required", "records: line 9: 4 fields, but the header has 3",
	}, bad)
	row, ok := source.Row(1)
	require.True(t, ok)
	assert.Equal(t, records.Row{Line: 11, Fields: []string{"Sửu", "5", "New"}}, row)

	var out bytes.Buffer
	report := source.NewReport(&out)
	require.NoError(t, report.Add(row, antcrm.OutcomeRejected, errors.New("no")))
	require.NoError(t, report.Flush())
	assert.Equal(t, "\ufeffname,customerIdApiRing,stage,_line,_outcome,_reason,_text\nSửu,5,New,11,rejected,no,\n", out.String())
}

func TestATableThatFailsEndsTheImport(t *testing.T) {
	t.Parallel()
	broken := errors.New("the sheet is gone")
	list, err := collect(records.FromTable[contact](&sheet{rows: [][]string{{"name"}, {"Mai"}}, err: broken}).All())
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "records: line 3: reading failed: the sheet is gone")
	assert.Len(t, list, 1)
	_, err = collect(records.FromTable[contact](nil).All())
	require.EqualError(t, err, "records: there is no table")
	_, err = collect(records.FromTable[contact](&sheet{rows: [][]string{{}, {""}}}).All())
	require.EqualError(t, err, "records: the file is empty: its first line must name the columns")
}

// The rows before a line are not yielded, but their keys count; a bad row yields its place if that is asked for.
func TestAnImportGoesOnFromALine(t *testing.T) {
	t.Parallel()
	const file = "name,customerIdApiRing\nMai,1\nLan\nHoa,3\nTý\nSửu,1\nDần,6\n"
	var bad []int
	take := records.WithBadRows(func(e *records.RowError) { bad = append(bad, e.Line) })
	list, err := contactsOf(file, records.WithFromLine(4), take)
	require.NoError(t, err)
	assert.Equal(t, `[{"name":"Hoa","customerIdApiRing":"3"},{"name":"Dần","customerIdApiRing":"6"}]`, toJSON(t, list))
	assert.Equal(t, []int{5, 6}, bad)

	bad = nil
	list, err = contactsOf(file, records.WithFromLine(4), records.WithPlaceholders(), take)
	require.NoError(t, err)
	assert.Equal(t, `[{"name":"Hoa","customerIdApiRing":"3"},{},{},{"name":"Dần","customerIdApiRing":"6"}]`, toJSON(t, list))
	assert.Equal(t, []int{5, 6}, bad)
}

// A record that the caller's check refuses is a bad row.
func TestTheCallersCheckRefusesRows(t *testing.T) {
	t.Parallel()
	var bad []string
	source := records.CSV[contact](strings.NewReader("name,customerIdApiRing\nMai,1\n,2\nLan,3\n"), records.WithBadRows(func(e *records.RowError) { bad = append(bad, e.Error()) }))
	source.Check(func(c *contact) error {
		switch c.ExternalID {
		case "1":
			return errors.New("is on the list of those who left")
		case "2":
			return &antcrm.ValidationError{Index: -1, Field: "name", Problem: "is required"}
		}
		return nil
	})
	list, err := collect(source.All())
	require.NoError(t, err)
	assert.Len(t, list, 1)
	assert.Equal(t, []string{"records: line 2: is on the list of those who left", "records: line 3 (name): is required"}, bad)
}

// A normalizer puts names and values into one form before they are compared.
func TestANormalizerJoinsAccents(t *testing.T) {
	t.Parallel()
	join := records.WithNormalizer(func(text string) string { return strings.ReplaceAll(text, "e\u0302", "ê") })
	list, err := contactsOf("te\u0302n,customerIdApiRing\nLe\u0302,KH-e\u0302\n", join, records.WithColumns(map[string]string{"tên": "name"}))
	require.NoError(t, err)
	assert.Equal(t, `[{"name":"Lê","customerIdApiRing":"KH-ê"}]`, toJSON(t, list))
	_, err = contactsOf("name,customerIdApiRing\nLe\u0302,KH-e\u0302\n")
	require.ErrorContains(t, err, "records: line 2, column 2 (customerIdApiRing): has a separate accent character (U+0302, Unicode NFD) at character 5")
	_, err = contactsOf("name,customerIdApiRing\nMai,1\nLan,2\n", records.WithNormalizer(func(string) string { return "name" }))
	require.ErrorContains(t, err, "records: line 1, column 2 (name): is the same column as 1 (name)")
}
