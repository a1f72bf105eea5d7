package records_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// The edges of what is read: the last good value, and the first bad one.

// problemOf is what is wrong with a cell, "" if nothing is.
func problemOf[P records.Params](column, cell string, opts ...records.Option) (record P, problem string) {
	list, err := collect(records.CSV[P](strings.NewReader("name\t"+column+"\nx\t"+cell+"\n"), opts...).All())
	if bad, ok := errors.AsType[*records.RowError](err); ok {
		return record, bad.Problem
	}
	return list[0], ""
}

func TestTheFirstAndTheLastYearOfABirthday(t *testing.T) {
	t.Parallel()
	const invalid, otherFormat = "is not a valid date", "is not a date in the format that was set"
	set := records.WithDateFormat("02/01/2006")
	for cell, want := range map[string]string{"1/1/1850": "", "31/12/1849": invalid, "31/12/2199": "", "1/1/2200": invalid} {
		record, problem := problemOf[contact]("dateOfBirth", cell)
		assert.Equal(t, want, problem, cell)
		if want == "" {
			assert.Equal(t, cell, record.DateOfBirth)
		}
	}
	for cell, want := range map[string]string{"01/01/1900": "", "31/12/1899": otherFormat, "31/12/2199": "", "01/01/2200": otherFormat} {
		_, problem := problemOf[contact]("dateOfBirth", cell, set)
		assert.Equal(t, want, problem, cell)
	}
}

func TestTheFirstAndTheLastDayOfADate(t *testing.T) {
	t.Parallel()
	const milliseconds = "is not a date such as 2024-03-13, 2024-03-13T06:24:20Z or epoch milliseconds (13 digits)"
	const serial = "is not a spreadsheet's serial date such as 45364, nor a day such as 2024-03-13"
	asSerial := []records.Option{records.WithDateFormat(records.SerialDates)}
	for _, test := range []struct {
		cell, day, problem string
		opts               []records.Option
	}{
		{cell: "1900-01-01", day: "1900-01-01"},
		{cell: "1899-12-31", problem: milliseconds},
		{cell: "2199-12-31", day: "2199-12-31"},
		{cell: "2200-01-01", problem: milliseconds},
		{cell: "1000000000000", day: "2001-09-09"},
		{cell: "999999999999", problem: milliseconds},
		{cell: "61", day: "1900-03-01", opts: asSerial},
		{cell: "60", problem: serial, opts: asSerial},
		{cell: "2958465", day: "9999-12-31", opts: asSerial},
		{cell: "2958466", problem: serial, opts: asSerial},
		{cell: "99", problem: milliseconds}, // a day of 1900, which nobody means
		{cell: "45364", problem: milliseconds + "; as a spreadsheet's serial date it would be 2024-03-13: set the date format to serial"},
		{cell: "45364,25", problem: milliseconds + "; as a spreadsheet's serial date it would be 2024-03-13: set the date format to serial"},
	} {
		record, problem := problemOf[order]("createdAt", test.cell, test.opts...)
		assert.Equal(t, test.problem, problem, test.cell)
		if test.problem == "" {
			assert.Equal(t, test.day, record.CreatedAt.Format(time.DateOnly), test.cell)
		}
	}
	for cell, want := range map[string]string{
		"99":      "is a number, not a date such as 2000-03-15",
		"36526":   "is a number, not a date such as 2000-03-15; as a spreadsheet's serial date it would be 2000-01-01: set the date format to serial",
		"36526.5": "is a number, not a date such as 2000-03-15; as a spreadsheet's serial date it would be 2000-01-01: set the date format to serial",
	} {
		_, problem := problemOf[contact]("dateOfBirth", cell)
		assert.Equal(t, want, problem)
	}
	record, _ := problemOf[contact]("dateOfBirth", "36526", asSerial...)
	assert.Equal(t, "2000-01-01", record.DateOfBirth)
}

func TestANumberWhoseDigitsAllShowIsTheNumber(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]antcrm.Decimal{"1.5E0": "1.5", "1.5E1": "15", "1.55E1": "15.5", "+1.5e1": "15", "-1.710311060673E12": "-1710311060673"} {
		record, problem := problemOf[order]("value", cell)
		assert.Empty(t, problem, cell)
		assert.Equal(t, want, record.Value, cell)
	}
	for _, cell := range []string{"1.5E2", "15.5E1", "1.5E-1", "1E1"} {
		_, problem := problemOf[order]("value", cell)
		assert.Contains(t, problem, "was shortened by a spreadsheet", cell)
	}
}

func TestTheOptionsHaveTheirEdges(t *testing.T) {
	t.Parallel()
	const noList, noDate, noField = "cannot separate the values of a list", "is no form of a date with day, month and year", "the largest field must have between 1 byte and 256 MiB"
	for want, opts := range map[string][]records.Option{
		"": { // of the options alone: the file's four bytes fit a row
			records.WithMaxField(1 << 28), records.WithMaxField(1), records.WithListSeparators(","), records.WithDateFormat("2006-01-02 15:04"), records.WithFromLine(0),
			records.WithSkipLines(0), records.WithDelimiter('\x01'), records.WithDelimiter('ж'),
		},
		noField:               {records.WithMaxField(0), records.WithMaxField(1<<28 + 1)},
		noList:                {records.WithListSeparators(""), records.WithListSeparators(`;"`), records.WithListSeparators("\xff")},
		noDate:                {records.WithDateFormat("02/01"), records.WithDateFormat("01/2006"), records.WithDateFormat("2006-02"), records.WithDateFormat("day"), records.WithDateFormat("")},
		"cannot be a delim":   {records.WithDelimiter(0), records.WithDelimiter('\n'), records.WithDelimiter('\r'), records.WithDelimiter('\ufffd'), records.WithDelimiter(0xd800), records.WithDelimiter(-1)},
		"must not be below 0": {records.WithFromLine(-1)},
		"is nil":              {records.WithWarnings(nil), records.WithNormalizer(nil), records.WithPhones(nil), records.WithLocation(nil)},
	} {
		for i, opt := range opts {
			_, err := contactsOf("name\n", opt)
			if want == "" {
				assert.NoError(t, err, i)
			} else {
				assert.ErrorContains(t, err, want, "%s %d", want, i)
			}
		}
	}
}

// A misspelt column is guessed at only if few letters differ, two in a short name and fewer in a shorter one.
func TestAMisspeltColumnIsGuessed(t *testing.T) {
	t.Parallel()
	for name, meant := range map[string]string{
		"mi": "im", "mix": "", "tgs": "tags", "nxxe": "name", "emials": "emails", "sorceContact": "sourceContact", "stagee": "stage",
		"tgz": "", "nxxx": "", "o": "",
	} {
		_, err := contactsOf(name + "\n")
		want := "records: line 1, column 1 (" + name + "): is an unknown column"
		if meant != "" {
			want += ": did you mean " + meant + "?"
		}
		assert.EqualError(t, err, want)
	}
}

func TestWhatIsWrongBesideARowIsOneLine(t *testing.T) {
	t.Parallel()
	err := &records.RowError{Line: 3, Column: 1, Header: "name", Problem: "a", Also: []*records.RowError{{Problem: "b"}, {Line: 3, Header: "x", Problem: "c"}, {Line: 4, Problem: "d"}}}
	require.EqualError(t, err, "records: line 3, column 1 (name): a; b; (x): c; line 4: d")
	problems := err.Problems()
	require.Len(t, problems, 4)
	require.EqualError(t, problems[0], "records: line 3, column 1 (name): a")
	assert.Len(t, err.Also, 3)
}

// Lines are counted from the first of the file, whatever stands before the header.
func TestLinesAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk is gone")
	for begin, opts := range map[string][]records.Option{
		"":                    nil,
		"sep=,\n":             nil,
		"title\n\n":           {records.WithSkipLines(2)},
		"title\nsep=,\r\n":    {records.WithSkipLines(1)},
		"\"sep=,\"\n":         nil,
		"title\n\n\nSEP=, \n": {records.WithSkipLines(3)},
	} {
		before := strings.Count(begin, "\n")
		var lines []string
		take := records.WithBadRows(func(bad *records.RowError) { lines = append(lines, fmt.Sprint(bad.Line, " ", bad.Row.Line)) })
		file := io.MultiReader(strings.NewReader(begin+"name,bgInfo,customerIdApiRing\nMai,,1\nLan\n\"Hoa\"x,,2\nTý,\"a\nb\",\"x\xff\"\nSửu,,1\n\"Dần\"x,,2\nM"), iotest.ErrReader(broken))
		list, err := collect(records.CSV[contact](file, append(opts, take)...).All())
		require.EqualError(t, err, fmt.Sprintf("records: line %d: reading failed: disk is gone", before+9), "%q", begin)
		assert.Len(t, list, 1)
		want := []string{}
		for _, line := range []int{3, 4, 5, 7, 8} {
			want = append(want, fmt.Sprint(before+line, " ", before+line))
		}
		want[2] = fmt.Sprint(before+6, " ", before+5) // the cell is on the row's second line
		assert.Equal(t, want, lines, "%q", begin)
	}
	_, err := contactsOf("title\nname,x\n", records.WithSkipLines(1))
	require.EqualError(t, err, "records: line 2, column 2 (x): is an unknown column")
	_, err = contactsOf("title\n\nname\n\"A\nB", records.WithSkipLines(2))
	require.EqualError(t, err, "records: line 4, column 1 (name): a quote that is not closed properly, up to line 5")
	_, err = contactsOf("title", records.WithSkipLines(3))
	require.EqualError(t, err, "records: the file is empty: its first line must name the columns")
	_, err = collect(records.CSV[contact](io.MultiReader(strings.NewReader("title\nmore"), iotest.ErrReader(broken)), records.WithSkipLines(2)).All())
	require.EqualError(t, err, "records: line 2: reading failed: disk is gone")
	_, err = collect(records.CSV[contact](io.MultiReader(strings.NewReader("sep=;\n"), iotest.ErrReader(broken))).All())
	require.EqualError(t, err, "records: line 2: the header: reading failed: disk is gone")
}

// Only a line that says nothing else is Excel's.
func TestWhatOnlyBeginsLikeASepLineIsAHeader(t *testing.T) {
	t.Parallel()
	for _, header := range []string{`sep=;"`, "sep=;name", "sep=", "sep", "sep=\"", "sep=\n"} {
		_, err := contactsOf(header + "\nMai\n")
		assert.ErrorContains(t, err, "records: line 1", "%q", header)
	}
	list, err := contactsOf("SEP=; ,\t\nname;stage\nMai;New,\n")
	require.NoError(t, err)
	assert.Equal(t, "New,", list[0].Stage)
}

// The text of a row that could not be read is that row's, wherever in the file it stands.
func TestTheTextOfABadRowIsItsOwn(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	var want, got []string
	file.WriteString("name,bgInfo\n")
	for i := range 400 {
		fmt.Fprintf(&file, "Mai,%s\n", strings.Repeat("x", i%97))
		bad := fmt.Sprintf("%d,%s,y", i, strings.Repeat("z", i%53))
		file.WriteString(bad + "\r\n")
		want = append(want, bad)
	}
	for _, read := range []io.Reader{strings.NewReader(file.String()), iotest.HalfReader(strings.NewReader(file.String()))} {
		got = nil
		list, err := collect(records.CSV[contact](read, records.WithBadRows(func(bad *records.RowError) { got = append(got, string(bad.Row.Text)) })).All())
		require.NoError(t, err)
		assert.Len(t, list, 400)
		assert.Equal(t, want, got)
	}
}

// wide is a text in UTF-16.
func wide(text string, big bool) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		if low, high := byte(unit), byte(unit>>8); big {
			out = append(out, high, low)
		} else {
			out = append(out, low, high)
		}
	}
	return string(out)
}

func TestUTF16IsFoundAlsoWithoutAMark(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"name", "nộ", "ộn", "đn", "nđ", "цn"} {
		for _, big := range []bool{false, true} {
			source := records.CSV[contact](strings.NewReader(wide(header+"\nMẫu 😀\n", big)), records.WithColumns(map[string]string{header: "name"}))
			list, err := collect(source.All())
			require.NoError(t, err, "%s %t", header, big)
			var out bytes.Buffer
			report := source.NewReport(&out)
			require.NoError(t, report.Add(records.Row{Line: 2, Fields: []string{"Mẫu"}}, antcrm.OutcomeRejected, nil))
			require.NoError(t, report.Flush())
			assert.Equal(t, "\ufeff"+header+",_line,_outcome,_reason,_text\nMẫu,2,rejected,,\n", out.String(), "the programs that write UTF-16 read UTF-8 by its mark")
			require.Len(t, list, 1)
			assert.Equal(t, "Mẫu 😀", list[0].Name)
		}
	}
	for _, text := range []string{"\x00\x00na", "n\x00\x00a", "\x00nam", "n\x00am", "na\x00m", "nam\x00", "\x00n\nm", "n\x00m\x05"} { // zero bytes that are no UTF-16's
		_, err := contactsOf(text + "\nMai\n")
		assert.ErrorContains(t, err, "is an unknown column", "%q", text)
	}
}

// Half of a pair is no character: the cell is refused, and the next row read.
func TestHalfOfAUTF16PairIsRefused(t *testing.T) {
	t.Parallel()
	for name, half := range map[string]string{"the first half": "\x3d\xd8a\x00", "the second half": "\x00\xde", "both, the wrong way round": "\x00\xde\x3d\xd8"} {
		var problems []string
		text := wide("\ufeffname\nMai", false) + half + wide("\nLan\n", false)
		list, err := contactsOf(text, records.WithBadRows(func(bad *records.RowError) { problems = append(problems, bad.Error()) }))
		require.NoError(t, err, name)
		require.Len(t, list, 1)
		assert.Equal(t, "Lan", list[0].Name)
		assert.Equal(t, []string{"records: line 2, column 1 (name): is not UTF-8 from byte 4 on: save the file as CSV UTF-8"}, problems, name)
	}
	for end, want := range map[string]string{
		"\x3d\xd8": "is not UTF-8 from byte 4 on", "\x3d": "UTF-16 ends in the middle of a character", "\x3d\xd8\x00": "UTF-16 ends in the middle of a character",
	} {
		_, err := contactsOf(wide("\ufeffname\nMai", false) + end)
		assert.ErrorContains(t, err, want, "%q", end)
	}
}

// A row of UTF-16 is read when it has come, however long the next one takes.
func TestASlowPipeOfUTF16IsReadAsItComes(t *testing.T) {
	t.Parallel()
	out, in := io.Pipe()
	first := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(in, wide("\ufeffname\nMai\n", false))
		<-first
		_, also := io.WriteString(in, wide("Lan\n", false))
		written <- errors.Join(err, also, in.Close())
	}()
	count := 0
	for _, err := range records.CSV[contact](out).All() {
		require.NoError(t, err)
		if count++; count == 1 {
			close(first)
		}
	}
	assert.Equal(t, 2, count)
	assert.NoError(t, <-written)
}

// What is wrong with the file as a whole is not a bad row, and nobody's bad input.
func TestAFileThatIsNoneIsNotARowsFault(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a workbook": "PK\x03\x04", "an old workbook": "\xd0\xcf\x11\xe0", "UTF-32": "\x00\x00\xfe\xff", "empty": "", "old Macs": "name\rMai\r", "a broken gzip": "\x1f\x8b\x00",
	} {
		list, err := contactsOf(text, records.WithBadRows(func(*records.RowError) { t.Error("not a row's fault: " + name) }))
		require.Error(t, err, name)
		assert.NotErrorIs(t, err, antcrm.ErrValidation, name)
		assert.Empty(t, list)
	}
	_, err := contactsOf("name,leadId\nMai,7\n")
	require.ErrorIs(t, err, records.ErrExported)
	_, err = collect(records.JSONLines[contact](strings.NewReader(`{"name":"Mai","leadId":"7"}`)).All())
	require.ErrorIs(t, err, records.ErrExported)
}

// A part of an order must not be sent when the rest of it may be in the part of the file that could not be read.
func TestAnOrderAtABrokenPlaceIsNotSent(t *testing.T) {
	t.Parallel()
	const header = "name,receiverName,opportunityIdApiRing,item.name\n"
	broken := errors.New("disk is gone")
	var bad []string
	take := records.WithBadRows(func(e *records.RowError) { bad = append(bad, e.Error()) })
	file := io.MultiReader(strings.NewReader(header+"A,B,O-1,x\nA,B,O-2,x\n,,O-2,y\n"), iotest.ErrReader(broken))
	list, err := collect(records.CSV[order](file, take).All())
	require.ErrorIs(t, err, broken)
	require.Len(t, list, 1)
	assert.Equal(t, "O-1", list[0].ExternalID)
	assert.Equal(t, []string{"records: line 3: line 5 beside this order could not be read, and may be a part of it"}, bad)

	bad = nil
	list, err = collect(records.CSV[order](strings.NewReader(header+"A,B,O-1,x\nA,B\nA,B,O-2,x\nA,B,O-3,x\n"), take).All())
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "O-3", list[0].ExternalID)
	assert.Equal(t, []string{
		"records: line 2: line 3 beside this order could not be read, and may be a part of it", "records: line 3: 2 fields, but the header has 4",
		"records: line 4: line 3 beside this order could not be read, and may be a part of it",
	}, bad)
}

// The longest line that fits is read, and one byte more is refused.
func TestALineOfJSONOfTheLargestSize(t *testing.T) {
	t.Parallel()
	line := func(size int) string {
		return `{"name":"` + strings.Repeat("x", size-len(`{"name":""}`+"\n")) + `"}` + "\n"
	}
	source := func(size int) (list []contact, err error) {
		return collect(records.JSONLines[contact](strings.NewReader(line(size)+`{"name":"Mai"}`), records.WithMaxField(100)).All())
	}
	list, err := source(400)
	require.NoError(t, err)
	assert.Len(t, list, 2)
	_, err = source(401)
	require.EqualError(t, err, "records: line 1: has 401 bytes, more than 400")

	const name = "name\n"
	list, err = contactsOf(name+strings.Repeat("x", 100)+"\n", records.WithMaxField(100))
	require.NoError(t, err)
	assert.Len(t, list, 1)
	_, err = contactsOf(name+strings.Repeat("x", 101)+"\n", records.WithMaxField(100))
	require.EqualError(t, err, "records: line 2, column 1 (name): has 101 bytes, more than 100")
}

// The text of a line is kept for whoever asks for it: by WithRows, or by WithBadRows.
func TestTheTextOfALineOfJSONIsKept(t *testing.T) {
	t.Parallel()
	source := records.JSONLines[contact](strings.NewReader(` {"name":"Mai"} `+"\n"), records.WithRows())
	_, err := collect(source.All())
	require.NoError(t, err)
	row, ok := source.Row(0)
	require.True(t, ok)
	assert.Equal(t, records.Row{Line: 1, Text: []byte(`{"name":"Mai"}`)}, row)

	var texts []string
	_, err = collect(records.JSONLines[contact](strings.NewReader("x\n"), records.WithBadRows(func(bad *records.RowError) { texts = append(texts, string(bad.Row.Text)) })).All())
	require.NoError(t, err)
	assert.Equal(t, []string{"x"}, texts)
}

func TestAReportKeepsTheMembersThatFollowItsOwn(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	source := records.JSONLines[contact](strings.NewReader(`{"_line":"9","name":"Mai","_text":"","_outcome":"x","customerIdApiRing":"1"}`), records.WithRows())
	_, err := collect(source.All())
	require.NoError(t, err)
	row, _ := source.Row(0)
	report := source.NewReport(&out)
	require.NoError(t, report.Add(row, antcrm.OutcomeRejected, errors.New("bad\u2028name\x7f")))
	require.NoError(t, report.Flush())
	assert.Equal(t, `{"name":"Mai","customerIdApiRing":"1","_line":"1","_outcome":"rejected","_reason":"bad name "}`+"\n", out.String())
}

func TestAReportHasTheHeaderWithoutBlanksRoundIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	source := records.CSV[contact](strings.NewReader("\u200b name ,customerIdApiRing\t\nMai,1\n"), records.WithRows())
	_, err := collect(source.All())
	require.NoError(t, err)
	row, _ := source.Row(0)
	report := source.NewReport(&out)
	require.NoError(t, report.Add(row, antcrm.OutcomeUnknown, nil))
	require.NoError(t, report.Flush())
	assert.Equal(t, "name,customerIdApiRing,_line,_outcome,_reason,_text\nMai,1,2,unknown,,\n", out.String())
}

func TestCellsThatAreWrongAtTheirEdges(t *testing.T) {
	t.Parallel()
	const lines = "has line breaks (%d): is a quote missing, or one too many?"
	for cell, want := range map[string]string{
		"\x00Mai": "has a zero byte (\\x00): the file is damaged, or its encoding is another", "Mai\x00": "has a zero byte (\\x00): the file is damaged, or its encoding is another",
		"\xffMai": "is not UTF-8 from byte 1 on: save the file as CSV UTF-8", "Mai\xff": "is not UTF-8 from byte 4 on: save the file as CSV UTF-8",
		"\"a\rb\"": fmt.Sprintf(lines, 1), "\"a\rb\nc\"": fmt.Sprintf(lines, 2), "\"\na\r\"": "",
	} {
		_, problem := problemOf[contact]("stage", cell)
		assert.Equal(t, want, problem, "%q", cell)
	}
	for cell, want := range map[string]string{"#N/A": "is a spreadsheet error: fix the formula or clear the cell", " #REF! ": "is a spreadsheet error: fix the formula or clear the cell", "null": "", "a\xef\xbf\xbd": "has U+FFFD in the place of a letter that was lost when the text was converted: read the original file with its own encoding"} {
		_, problem := problemOf[contact]("bgInfo", cell)
		assert.Equal(t, want, problem, cell)
	}
	var warnings []string
	_, problem := problemOf[contact]("bgInfo", "null", records.WithWarnings(func(w *records.RowError) { warnings = append(warnings, w.Error()) }))
	assert.Empty(t, problem)
	assert.Equal(t, []string{"records: line 2, column 2 (bgInfo): may mean that there is no value; it is sent as text"}, warnings)
}

func TestListsInACell(t *testing.T) {
	t.Parallel()
	record, problem := problemOf[contact]("phones", "0900000001;'0900000002| ' 0900000003 ;;")
	assert.Empty(t, problem)
	assert.Equal(t, `[{"value":"0900000001"},{"value":"0900000002"},{"value":"0900000003"}]`, toJSON(t, record.Phones))

	international := records.WithPhones(func(text string) (string, error) {
		if text == "none" {
			return "", errors.New("is no phone")
		}
		return "+84" + strings.TrimPrefix(text, "0"), nil
	})
	record, problem = problemOf[contact]("phones", "0900000001;'0900000002", international)
	assert.Empty(t, problem)
	assert.Equal(t, `[{"value":"+84900000001"},{"value":"+84900000002"}]`, toJSON(t, record.Phones))
	_, problem = problemOf[contact]("phones", "0900000001;none", international)
	assert.Equal(t, "is no phone", problem)

	record, problem = problemOf[contact]("emails", "mai, bé@example.com")
	assert.Empty(t, problem, "one address, however odd, is sent as it is")
	assert.Equal(t, `[{"value":"mai, bé@example.com"}]`, toJSON(t, record.Emails))
	_, problem = problemOf[contact]("emails", "mai@example.com, be@example.com")
	assert.Equal(t, "may hold several addresses: separate them with ;, or set the list separator", problem)

	list, err := contactsOf("name,emails,email,tags,tag\nMai,a@example.com,b@example.com,x,y|z\n")
	require.NoError(t, err)
	assert.Equal(t, `[{"value":"a@example.com"},{"value":"b@example.com"}]`, toJSON(t, list[0].Emails), "columns of a list by two names are one list")
	assert.Equal(t, antcrm.Tags{"x", "y", "z"}, list[0].Tags)
}

// Where two delimiters are as frequent, it is the comma.
func TestTheCommaWinsATie(t *testing.T) {
	t.Parallel()
	list, err := contactsOf("name,cf:a;b\nMai,x;y\n")
	require.NoError(t, err)
	assert.Equal(t, `[{"name":"a;b","value":"x;y"}]`, toJSON(t, list[0].CustomFields))
}

// What follows the header of another file would get into the wrong fields.
func TestTheHeaderOfAnotherFileEndsThisOne(t *testing.T) {
	t.Parallel()
	for _, row := range []string{",stage,name", "stage,,name", "stage,name,", "external id, ,NAME"} {
		list, err := contactsOf("name,customerIdApiRing,stage\nMai,1,\n"+row+"\nLan,2,\n", records.WithBadRows(func(*records.RowError) { t.Error("it is not a row's fault: " + row) }))
		require.EqualError(t, err, "records: line 3: is a different header: import the rows below it as a separate file", row)
		assert.Len(t, list, 1)
	}
	list, err := contactsOf("name,customerIdApiRing,stage\nname,,\nNAME,customer id api ring,\nLan,2,name\n")
	require.NoError(t, err)
	assert.Len(t, list, 2, "one name alone may be a value; the same names again are the same header")
	list, err = contactsOf("name\nMai\nNAME\nLan\n")
	require.NoError(t, err)
	assert.Equal(t, `[{"name":"Mai"},{"name":"Lan"}]`, toJSON(t, list), "a header of one column too")
}

// A line whose text somebody has put into its members is a record, though the text is still there.
func TestALineThatWasCorrectedIsARecord(t *testing.T) {
	t.Parallel()
	list, err := collect(records.JSONLines[contact](strings.NewReader(`{"name":"Mai","_text":"Mai;1"}` + "\n" + `{"name":"Lan","_text":""}` + "\n")).All())
	require.NoError(t, err)
	assert.Len(t, list, 2)
	_, err = collect(records.JSONLines[contact](strings.NewReader(`{"_text":"Mai;1"}`)).All())
	require.ErrorContains(t, err, "is still the text of a row that could not be read")
	list, err = collect(records.JSONLines[contact](strings.NewReader(`{"_text":5}` + "\n" + `{"_text":""}` + "\n{}\n")).All())
	require.NoError(t, err, "there is no text: what is missing is the import's to tell")
	assert.Len(t, list, 3)
}

// What a person is shown of a cell has an escape for all that cannot be seen, and ends after forty characters.
func TestACellIsShownWithItsInvisibleCharacters(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"x\ty": `x\ty`, "x\ny": `x\ny`, "x\ry": `x\ry`, "x\x1fy\x7f": `x\x1fy\x7f`, "x\u200by\u00a0z": `x\u200by\u00a0z`, "xe\u0302": `xe\u0302`, "x\xffy": `x\xffy`, "x\ufffdy": "x\ufffdy",
		strings.Repeat("ộ", 40): strings.Repeat("ộ", 40), strings.Repeat("ộ", 41): strings.Repeat("ộ", 40) + "…", "mười ba": "mười ba",
	} {
		_, err := collect(records.CSV[order](strings.NewReader("name,value\nx,\"" + cell + "\"\n")).All())
		bad, ok := errors.AsType[*records.RowError](err)
		require.True(t, ok, "%q", cell)
		assert.Equal(t, want, bad.Seen, "%q", cell)
		assert.NotContains(t, err.Error(), want)
	}
}

func TestAReportOfALineThatIsNotUTF8IsWritten(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var report *records.Report
	source := records.JSONLines[contact](strings.NewReader("{\"name\":\"Th\xe0nh\"}\n"), records.WithBadRows(func(bad *records.RowError) {
		assert.NoError(t, report.Add(bad.Row, antcrm.OutcomeNotSent, bad))
	}))
	report = source.NewReport(&out)
	_, err := collect(source.All())
	require.NoError(t, err)
	require.NoError(t, report.Flush())
	assert.Equal(t, `{"_line":"1","_outcome":"not sent","_reason":"records: line 1, column 12 (/name): is not UTF-8","_text":"{\"name\":\"Th`+"\ufffd"+`nh\"}"}`+"\n", out.String())
}
