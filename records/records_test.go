package records_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

type contact = antcrm.ContactCreateParams

type order = antcrm.OpportunityCreateParams

// collect reads a source to its end.
func collect[P any](source iter.Seq2[P, error]) (list []P, err error) {
	for record, failure := range source {
		if failure != nil {
			return list, failure
		}
		list = append(list, record)
	}
	return list, nil
}

func contactsOf(text string, opts ...records.Option) ([]contact, error) {
	return collect(records.CSV[contact](strings.NewReader(text), opts...).All())
}

func toJSON(tb testing.TB, v any) string {
	tb.Helper()
	text, err := json.Marshal(v)
	require.NoError(tb, err)
	return string(text)
}

// A row that a pipe has given is read, however long the next one takes.
func TestASlowPipeIsReadAsItComes(t *testing.T) {
	t.Parallel()
	out, in := io.Pipe()
	first := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(in, "name,customerIdApiRing\nMai,E1\n")
		<-first
		_, also := io.WriteString(in, "Lan,E2\n")
		written <- errors.Join(err, also, in.Close())
	}()
	var names []string
	for record, err := range records.CSV[contact](out).All() {
		require.NoError(t, err)
		if names = append(names, record.Name); len(names) == 1 {
			close(first)
		}
	}
	assert.Equal(t, []string{"Mai", "Lan"}, names)
	assert.NoError(t, <-written)
}

func TestCSVFillsEveryColumnOfAContact(t *testing.T) {
	t.Parallel()
	list, err := contactsOf(`name,customerIdApiRing,type,contactType,dateOfBirth,gender,phones,emails,industry,bgInfo,stage,tags,sourceContact,responsibleStaff,im,address.type,address.street,address.streetName,address.wards,address.state,address.city,address.country,cf:Color,cf: Size
Nguyễn Văn Mẫu,ERP-1,1,customer,15/03/2000,0,0900000001; 0900000002,mau@example.com|m@example.com,Retail,note,New,a;b,Web,staff@example.com,"[{""protocol"":""Facebook"",""value"":""mau""}]",Work,12,Nguyễn Trãi,Bến Thành,Quận 1,Hồ Chí Minh,VN,đỏ,XL
`)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.JSONEq(t, `{"name":"Nguyễn Văn Mẫu","customerIdApiRing":"ERP-1","type":"1","contactType":"customer","dateOfBirth":"15/03/2000","gender":"0",
		"phones":[{"value":"0900000001"},{"value":"0900000002"}],"emails":[{"value":"mau@example.com"},{"value":"m@example.com"}],
		"industry":"Retail","bgInfo":"note","stage":"New","tags":["a","b"],"sourceContact":"Web","responsibleStaff":"staff@example.com",
		"im":[{"protocol":"Facebook","value":"mau"}],
		"addresses":[{"type":"Work","street":"12","streetName":"Nguyễn Trãi","wards":"Bến Thành","state":"Quận 1","city":"Hồ Chí Minh","country":{"code":"VN"}}],
		"cusFields":[{"name":"Color","value":"đỏ"},{"name":"Size","value":"XL"}]}`, toJSON(t, list[0]))
}

func TestCSVFillsEveryColumnOfAnOrder(t *testing.T) {
	t.Parallel()
	source := records.CSV[order](strings.NewReader(`name;receiverName;opportunityIdApiRing;dealByUsers;dealWith.customerId;dealWith.name;dealWith.phones;dealWith.customerIdApiRing;receiverPhone;value;receiverNote;description;stage;branch;createdAt;shipping_cost;item.name;item.quantity;item.value;item.discount;item.typeDiscount;item.code;item.productIdApiRing;item.note;receiverAddressObj.city;receiverAddressObj.country;cf:Gift
Áo;Mai;O-1;"a@example.com;b@example.com";475;Mẫu;0900000001;ERP-1;0900000002;1500000;ring;desc;New;HN;2024-03-13T06:24:20.673Z;30000.5;Áo sơ mi;2;750000;10;1;SKU-1;P-1;gấp;Hà Nội;Việt Nam;yes
`))
	list, err := collect(source.All())
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.JSONEq(t, `{"name":"Áo","receiverName":"Mai","opportunityIdApiRing":"O-1","dealByUsers":["a@example.com","b@example.com"],
		"dealWith":{"customerId":"475","name":"Mẫu","phones":[{"value":"0900000001"}],"customerIdApiRing":"ERP-1"},"receiverPhone":"0900000002",
		"receiverAddressObj":{"city":"Hà Nội","country":{"name":"Việt Nam"}},
		"groupPackage":[{"name":"Áo sơ mi","quantity":2,"typeDiscount":1,"discount":10,"value":750000,"productIdApiRing":"P-1","note":"gấp","code":"SKU-1"}],
		"value":1500000,"receiverNote":"ring","description":"desc","stage":"New","branch":"HN","cusFields":[{"name":"Gift","value":"yes"}],
		"createdAt":1710311060673,"shipping_cost":30000.5}`, toJSON(t, list[0]))
}

func TestColumnsCoverEveryFieldOfTheParams(t *testing.T) {
	t.Parallel()
	for body, columns := range map[string][]string{
		toJSON(t, contact{Name: "x", ExternalID: "x", Kind: "0", ContactType: "x", DateOfBirth: "x", Gender: "0", Addresses: []antcrm.Address{}, Phones: []antcrm.Phone{}, Emails: []antcrm.Email{}, Industry: "x",
			SocialProfiles: []antcrm.SocialProfile{}, BackgroundInfo: "x", Stage: "x", Tags: antcrm.Tags{}, Source: "x", ResponsibleStaff: "x", CustomFields: []antcrm.CustomField{}}): records.Columns[contact](),
		toJSON(t, order{Name: "x", ReceiverName: "x", ExternalID: "x", Assignees: []string{}, Customer: &antcrm.OrderCustomer{}, ReceiverPhone: "x", ReceiverAddress: &antcrm.Address{}, LineItems: []antcrm.LineItem{}, Value: "1",
			ReceiverNote: "x", Description: "x", Stage: "x", Branch: "x", CustomFields: []antcrm.CustomField{}, CreatedAt: antcrm.NewTimestamp(moment()), ShippingCost: "1"}): records.Columns[order](),
	} {
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(body), &members))
		assert.GreaterOrEqual(t, len(members), 16)
		for member := range members {
			assert.Condition(t, func() bool {
				for _, column := range columns {
					if column == member || strings.HasPrefix(column, member+".") {
						return true
					}
				}
				return false
			}, "no column sets %s", member)
		}
	}
}

func TestCSVKnowsColumnsByOtherNames(t *testing.T) {
	t.Parallel()
	want := `{"name":"Mai","customerIdApiRing":"E1","phones":[{"value":"1"},{"value":"2"}]}`
	for name, test := range map[string]struct {
		header string
		opts   []records.Option
	}{
		"Go's field names":    {"Name,ExternalID,Phone,phones", nil},
		"spaces and hyphens":  {"NAME,external id,Phone,PHONES", nil},
		"a mapping":           {"Tên khách,Mã KH,Điện thoại,SĐT 2", []records.Option{records.WithColumns(map[string]string{"tên khách": "name", "MÃ KH": "customerIdApiRing", "Điện thoại": "phones", "SĐT 2": "phones"})}},
		"a byte order mark":   {"\ufeffname,customerIdApiRing,phone,phones", nil},
		"quoted names":        {`"name","customerIdApiRing","phone","phones"`, nil},
		"another line ending": {"name,customerIdApiRing,phone,phones\r", nil},
	} {
		list, err := contactsOf(test.header+"\nMai,E1,1,2\n", test.opts...)
		require.NoError(t, err, name)
		require.Len(t, list, 1, name)
		assert.JSONEq(t, want, toJSON(t, list[0]), name)
	}
}

func TestCSVFindsTheDelimiter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		opts []records.Option
	}{
		"a comma":              {"name,customerIdApiRing\nMai,E1", nil},
		"a semicolon":          {"name;customerIdApiRing\nMai;E1", nil},
		"a tab":                {"name\tcustomerIdApiRing\nMai\tE1", nil},
		"what Excel says":      {"sep=|\r\nname|customerIdApiRing\r\nMai|E1\r\n", nil},
		"what Excel says, BOM": {"\ufeffsep=;\nname;customerIdApiRing\nMai;E1", nil},
		"what the caller says": {"name:customerIdApiRing\nMai:E1", []records.Option{records.WithDelimiter(':')}},
		"none inside quotes":   {`"name";"a,b,c,d";customerIdApiRing` + "\nMai;;E1", []records.Option{records.WithUnknownColumns()}},
	} {
		list, err := contactsOf(test.text, test.opts...)
		require.NoError(t, err, name)
		assert.JSONEq(t, `[{"name":"Mai","customerIdApiRing":"E1"}]`, toJSON(t, list), name)
	}
}

func TestCSVPassesOverEmptyRowsAndLeftOutColumns(t *testing.T) {
	t.Parallel()
	list, err := contactsOf("name,internal,customerIdApiRing,_line,_outcome,_reason\nMai,x,E1,7,rejected,bad\n\n,,,,,\nLan,,E2,,,\n", records.WithColumns(map[string]string{"Internal": ""}))
	require.NoError(t, err)
	assert.JSONEq(t, `[{"name":"Mai","customerIdApiRing":"E1"},{"name":"Lan","customerIdApiRing":"E2"}]`, toJSON(t, list))
}

func TestCSVKeepsFieldsButForBlanksRoundThem(t *testing.T) {
	t.Parallel()
	list, err := contactsOf("name,customerIdApiRing,bgInfo\n\" Mai, \"\"Bé\"\"\",007,\"a\r\nb\"\n")
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "Mai, \"Bé\"", list[0].Name)
	assert.Equal(t, "007", list[0].ExternalID)
	assert.Equal(t, "a\nb", list[0].BackgroundInfo)
}

func TestABadFileIsRefusedWithThePlace(t *testing.T) {
	t.Parallel()
	const header = "name,customerIdApiRing,phones\n"
	for name, test := range map[string]struct {
		text string
		want string // the whole error
		good int    // records before it
		opts []records.Option
	}{
		"an empty file":          {text: "", want: "records: the file is empty: its first line must name the columns"},
		"a lone BOM":             {text: "\ufeff", want: "records: the file is empty: its first line must name the columns"},
		"a lone sep line":        {text: "sep=;\n", want: "records: the file is empty: its first line must name the columns"},
		"UTF-32":                 {text: "\xff\xfe\x00\x00n\x00\x00\x00", want: "records: the file is UTF-32: save it as CSV UTF-8"},
		"lines of old Macs":      {text: "name,phones\rMai,1\rLan,2\r", want: "records: line 1: its lines end with a carriage return alone: save the file as CSV UTF-8"},
		"accents apart":          {text: "na\u0302me,phones\n", want: "records: line 1, column 1 (na\u0302me): is an unknown column; its accents are characters of their own (Unicode NFD, as macOS writes them), which may be the difference"},
		"a workbook":             {text: "PK\x03\x04....", want: "records: the file is a workbook or an archive: save it as CSV UTF-8"},
		"an unknown column":      {text: "name,Mã KH\nMai,1\n", want: `records: line 1, column 2 (Mã KH): is an unknown column`},
		"a column without name":  {text: "name,\nMai,1\n", want: `records: line 2, column 2: has a value, but its column has no name`},
		"a column twice":         {text: "name,customerIdApiRing,Name\n", want: `records: line 1, column 3 (Name): is the same column as 1 (name)`},
		"a column by two names":  {text: "ExternalID,name,customerIdApiRing\n", want: `records: line 1, column 3 (customerIdApiRing): is the same column as 1 (ExternalID)`},
		"a list twice":           {text: "name,phones,Phones\n", want: `records: line 1, column 3 (Phones): is the same column as 2 (phones)`},
		"a mapping of nothing":   {text: "name\n", want: `records: line 1: there is no column "Ghi chú", which is mapped to "bgInfo"`, opts: []records.Option{records.WithUnknownColumns(), records.WithColumns(map[string]string{"Ghi chú": "bgInfo", "gone": ""})}},
		"a bad mapping":          {text: "name,x\n", want: `records: line 1, column 2 (x): is mapped to "nope", which is no column of these records`, opts: []records.Option{records.WithColumns(map[string]string{"x": "nope"})}},
		"a header in Latin-1":    {text: "name,T\xean\n", want: "records: line 1, column 2 (T\ufffdn): is not UTF-8: save the file as CSV UTF-8"},
		"a broken header":        {text: "name,\"x\n", want: "records: line 1: the header: a quote that is not closed properly"},
		"too few fields":         {text: header + "Mai,1,2\nLan,2\n", want: "records: line 3: 2 fields, but the header has 3", good: 1},
		"too many fields":        {text: header + "Mai,1,2,3\n", want: "records: line 2: 4 fields, but the header has 3"},
		"a torn last row":        {text: header + "Mai,1,2\nLan,2,\"09000", want: "records: line 3, column 3 (phones): a quote that is not closed properly", good: 1},
		"a torn row of lines":    {text: header + "Mai,1,2\nLan,2,\"09\n000\n", want: "records: line 3, column 3 (phones): a quote that is not closed properly, up to line 4", good: 1},
		"a stray quote":          {text: header + "Mai,1\"2,2\n", want: "records: line 2, column 2 (customerIdApiRing): a quote inside a field that is not quoted"},
		"text behind a quote":    {text: header + "Mai,\"1\"2,2\n", want: "records: line 2, column 2 (customerIdApiRing): a quote that is not closed properly"},
		"Latin-1":                {text: header + "Mai,1,2\nTh\xe0nh,2,3\n", want: "records: line 3, column 1 (name): is not UTF-8 from byte 3 on: save the file as CSV UTF-8", good: 1},
		"Latin-1 further on":     {text: "bgInfo,customerIdApiRing,phones\n\"a\nb\",1,\"x\xff\"\n", want: "records: line 3, column 3 (phones): is not UTF-8 from byte 2 on: save the file as CSV UTF-8"},
		"a code twice":           {text: header + "Mai,1,2\n\nLan,2,\nHoa,1,\n", want: "records: line 5, column 2 (customerIdApiRing): the same customerIdApiRing as on line 2", good: 2},
		"a large field":          {text: header + "Mai,1,2\n" + strings.Repeat("x", 101) + ",2,\n", want: "records: line 3, column 1 (name): has 101 bytes, more than 100", good: 1, opts: []records.Option{records.WithMaxField(100)}},
		"a field of 10 MB":       {text: header + "Mai,1,2\n\"" + strings.Repeat("x", 10<<20) + "\",2,\n", want: "records: line 3: the row that begins here or soon after has more than 4194304 bytes: is a quote never closed?", good: 1},
		"a quote never closed":   {text: header + "Mai,1,\"2\n" + strings.Repeat("Lan,2,3\n", 1<<20), want: "records: line 2: the row that begins here or soon after has more than 4194304 bytes: is a quote never closed?"},
		"a delimiter of nothing": {text: header, opts: []records.Option{records.WithDelimiter('"')}, want: `records: '"' cannot be a delimiter`},
		"no room":                {text: header, opts: []records.Option{records.WithMaxField(0)}, want: "records: the largest field must have between 1 byte and 256 MiB"},
		"a nil function":         {text: header, opts: []records.Option{records.WithBadRows(nil)}, want: "records: the function for bad rows is nil"},
		"a nil option":           {text: header, opts: []records.Option{nil}, want: "records: an option is nil"},
	} {
		list, err := contactsOf(test.text, test.opts...)
		require.Error(t, err, name)
		assert.Equal(t, test.want, err.Error(), name)
		assert.Equal(t, test.want, fmt.Sprintf("%+v", err), name)
		assert.Len(t, list, test.good, name)
		var rowErr *records.RowError
		assert.ErrorAs(t, err, &rowErr, name)
	}
}

func TestBadValuesOfOrdersAreRefusedWithThePlace(t *testing.T) {
	t.Parallel()
	for column, values := range map[string]map[string]string{
		"value": {"1.500.000": "could be thousands or a decimal fraction", "12.500": "could be thousands or a decimal fraction", "1,5": "is not a number", "NaN": "means that there is no value", "1e999": "was shortened by a spreadsheet", "mười": "is not a number"},
		"createdAt": {
			"13/03/2024": "is not a date", "{}": "is not a date", "2023": "is not a date", "20240313": "is not a date", "202403130624": "is not a date", "20240313062420": "is not a date",
			"45364": "is not a date", "45364.5": "is not a date", "-1710311060673": "is not a date", "1710311060": "is not a date such as 2024-03-13, 2024-03-13T06:24:20Z or epoch milliseconds (13 digits)",
		},
		"groupPackage": {"{}": "is not a JSON list", "[1]": "is not a JSON list", "[": "is not a JSON list"},
	} {
		for value, problem := range values {
			source := records.CSV[order](strings.NewReader("name;receiverName;" + column + "\nA;B;" + value + "\n"))
			_, err := collect(source.All())
			assert.ErrorContains(t, err, "records: line 2, column 3 ("+column+"): "+problem)
			assert.NotContains(t, err.Error(), value)
			assert.ErrorIs(t, err, antcrm.ErrValidation)
		}
	}
	list, err := collect(records.CSV[order](strings.NewReader("name;receiverName;value;createdAt\nA;B;0.125; 1710311060673\nA;B; -1500 ;2024-03-13\nA;B;;1.710311060673E12\n")).All())
	require.NoError(t, err)
	assert.Equal(t, moment(), list[2].CreatedAt.Time)
	assert.Equal(t, antcrm.Decimal("0.125"), list[0].Value)
	assert.Equal(t, moment(), list[0].CreatedAt.Time)
	assert.Equal(t, antcrm.Decimal("-1500"), list[1].Value)
}

func TestBadRowsAreReportedAndPassedOverWhenTold(t *testing.T) {
	t.Parallel()
	var bad []string
	list, err := contactsOf("name,customerIdApiRing\nMai,1\nLan\nHoa,\"2\"x\nTh\xe0nh,3\nTý,1\nSửu,4\n", records.WithBadRows(func(e *records.RowError) {
		bad = append(bad, fmt.Sprintf("%d %s %s %s", e.Row.Line, e.Row.Fields, e.Row.Text, e.Error()))
		assert.Equal(t, e.Line, e.Row.Line)
	}))
	require.NoError(t, err)
	assert.Len(t, list, 2)
	assert.Equal(t, []string{
		"3 [] Lan records: line 3: 1 fields, but the header has 2",
		"4 [] Hoa,\"2\"x records: line 4, column 2 (customerIdApiRing): a quote that is not closed properly",
		"5 [Th\xe0nh 3]  records: line 5, column 1 (name): is not UTF-8 from byte 3 on: save the file as CSV UTF-8",
		"6 [Tý 1]  records: line 6, column 2 (customerIdApiRing): the same customerIdApiRing as on line 2",
	}, bad)
}

// What follows such a quote may be any number of rows: they must not get lost as
// one bad row.
func TestAQuoteNeverClosedEndsTheFileEvenIfBadRowsAreTaken(t *testing.T) {
	t.Parallel()
	const header = "name,customerIdApiRing\nA,1\n"
	for name, test := range map[string]struct{ rows, want string }{
		"up to the end":          {"\"B,2\n" + strings.Repeat("C,3\n", 1000), "records: line 3, column 1 (name): a quote that is not closed properly, up to line 1003"},
		"up to a later quote":    {"\"B,2\n" + strings.Repeat("C,3\n", 1000) + "D,\"4\"\nE,5\n", "records: line 3, column 1 (name): a quote that is not closed properly, up to line 1004"},
		"in the last row":        {"\"B,2", "records: line 3, column 1 (name): a quote that is not closed properly"},
		"in the last row, ended": {"B,\"2\r\n", "records: line 3, column 2 (customerIdApiRing): a quote that is not closed properly"},
		"and nothing else":       {"\"", "records: line 3, column 1 (name): a quote that is not closed properly"},
		"before empty lines":     {"\"B,2\n\n\n", "records: line 3, column 1 (name): a quote that is not closed properly, up to line 5"},
	} {
		list, err := contactsOf(header+test.rows, records.WithBadRows(func(*records.RowError) { t.Error("it is not a row's fault: " + name) }))
		require.EqualError(t, err, test.want, name)
		assert.NotErrorIs(t, err, antcrm.ErrValidation, name)
		assert.Len(t, list, 1, name)
	}
	for _, last := range []string{"\"B\"x,2", "\"B\"x,2\r\n", "\"B\"\"\"x,2"} {
		bad := 0
		_, err := contactsOf(header+last, records.WithBadRows(func(*records.RowError) { bad++ }))
		require.NoError(t, err, "the row ends on its line")
		assert.Equal(t, 1, bad)
	}
}

func TestALineBreakIsRefusedWhereNoneCanBe(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"name", "customerIdApiRing", "phones", "emails", "tags", "stage", "address.city"} {
		_, err := contactsOf(column + ",bgInfo\n\"a\nb\",x\n")
		require.EqualError(t, err, "records: line 2, column 1 ("+column+"): has line breaks (1): is a quote missing, or one too many?")
		require.ErrorIs(t, err, antcrm.ErrValidation)
	}
	_, err := contactsOf("customerIdApiRing,name\n1,\"A\n" + strings.Repeat("2,B\n", 1000) + "3,C\"\n4,D\n")
	require.EqualError(t, err, "records: line 2, column 2 (name): has line breaks (1001): is a quote missing, or one too many?", "it shows how many rows it has taken")
	list, err := contactsOf("name,bgInfo,address.street,address.streetName,cf:Note\nMai,\"a\nb\",\"1\n2\",\"c\nd\",\"e\nf\"\n")
	require.NoError(t, err)
	assert.JSONEq(t, `[{"name":"Mai","bgInfo":"a\nb","addresses":[{"street":"1\n2","streetName":"c\nd"}],"cusFields":[{"name":"Note","value":"e\nf"}]}]`, toJSON(t, list))
	orders, err := collect(records.CSV[order](strings.NewReader("receiverNote,description,item.note\n\"a\nb\",\"c\nd\",\"e\nf\"\n")).All())
	require.NoError(t, err)
	assert.JSONEq(t, `[{"receiverNote":"a\nb","description":"c\nd","groupPackage":[{"note":"e\nf"}]}]`, toJSON(t, orders))
}

func TestACountryOfTwoLettersIsACode(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"VN": `{"code":"VN"}`, " vn ": `{"code":"vn"}`, "Ý": `{"name":"Ý"}`, " Việt Nam": `{"name":"Việt Nam"}`, "84": `{"name":"84"}`, "V.": `{"name":"V."}`,
	} {
		list, err := contactsOf("name,address.country\nMai," + cell + "\n")
		require.NoError(t, err)
		assert.JSONEq(t, `[{"name":"Mai","addresses":[{"country":`+want+`}]}]`, toJSON(t, list))
	}
	list, err := contactsOf("name,address.country\nMai,  \n")
	require.NoError(t, err)
	assert.JSONEq(t, `[{"name":"Mai"}]`, toJSON(t, list))
}

func TestColumnsThatAreLeftOutMayHaveTheSameName(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]records.Option{
		"unknown": records.WithUnknownColumns(),
		"mapped":  records.WithColumns(map[string]string{"Ghi chú": ""}),
	} {
		var out bytes.Buffer
		source := records.CSV[contact](strings.NewReader("Ghi chú,name,ghi chú,customerIdApiRing\na,Mai,b,E1\nc,Lan,d,E2\n"), opt, records.WithRows())
		list, err := collect(source.All())
		require.NoError(t, err, name)
		assert.JSONEq(t, `[{"name":"Mai","customerIdApiRing":"E1"},{"name":"Lan","customerIdApiRing":"E2"}]`, toJSON(t, list))
		addRows(t, source, source.NewReport(&out))
		assert.Contains(t, out.String(), "\na,Mai,b,E1,2,rejected,", "the report has both")
	}
}

func TestAMappingThatNamesAColumnTwiceIsRefused(t *testing.T) {
	t.Parallel()
	_, err := contactsOf("Ghi chú\nx\n", records.WithColumns(map[string]string{"Ghi chú": "bgInfo", "ghi_CHÚ": "name"}))
	require.EqualError(t, err, `records: "Ghi chú" and "ghi_CHÚ" are mapped, but are the same column`)
}

// As in JSON lines: a member that is misspelt would be left out in silence.
func TestAListInACellHasOnlyMembersOfTheAPI(t *testing.T) {
	t.Parallel()
	for cell, problem := range map[string]string{
		`[{"cty":"Hue"}]`:                 "has an unknown member: /0/cty",
		`[{"city":"Huế"},{"City":"Huế"}]`: "has an unknown member: /1/City",
		`[{"city":"a","city":"b"}]`:       "is not a JSON list of the API's objects",
		`[{"city":5}]`:                    "is not a JSON list of the API's objects",
		`{"city":"Huế"}`:                  "is not a JSON list of the API's objects",
		`[] []`:                           "is not a JSON list of the API's objects",
	} {
		_, err := collect(records.CSV[contact](strings.NewReader("name\taddresses\nMai\t\"" + strings.ReplaceAll(cell, `"`, `""`) + "\"\n")).All())
		assert.EqualError(t, err, "records: line 2, column 2 (addresses): "+problem)
		assert.ErrorIs(t, err, antcrm.ErrValidation)
	}
}

// Whichever came last would win, or add to the other.
func TestAListAndColumnsOfItsFirstElementAreRefusedTogether(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"name,addresses,address.city": "records: line 1, column 3 (address.city): sets the same as column 2 (addresses): use one of the two",
		"address.city,name,Addresses": "records: line 1, column 3 (Addresses): sets the same as column 1 (address.city): use one of the two",
	} {
		_, err := contactsOf(header + "\n,,\n")
		assert.EqualError(t, err, want)
		_, err = contactsOf(header+"\nMai,,\n", records.WithColumns(map[string]string{"Addresses": ""}))
		assert.NoError(t, err, "it is left out")
	}
	_, err := collect(records.CSV[order](strings.NewReader("name;item.quantity;item.name;groupPackage\n")).All())
	require.EqualError(t, err, "records: line 1, column 4 (groupPackage): sets the same as column 2 (item.quantity): use one of the two")
}

func TestAFileThatFailsEndsWithItsErrorEvenIfBadRowsAreTaken(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk is gone")
	ignore := records.WithBadRows(func(*records.RowError) { t.Error("it is not a row's fault") })
	for text, want := range map[string]string{
		"":                                  "records: reading failed: disk is gone",
		"name,customerIdApiRing\nMai,1\nLa": "records: line 3: reading failed: disk is gone",
	} {
		file := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
		list, err := collect(records.CSV[contact](file, ignore).All())
		require.ErrorIs(t, err, broken)
		assert.NotErrorIs(t, err, antcrm.ErrValidation)
		assert.EqualError(t, err, want)
		assert.Len(t, list, strings.Count(text, "Mai"))
	}
	file := io.MultiReader(strings.NewReader(`{"name":"Mai"}`+"\n"), iotest.ErrReader(broken))
	list, err := collect(records.JSONLines[contact](file, ignore).All())
	require.ErrorIs(t, err, broken)
	assert.Len(t, list, 1)
	_, err = collect(records.JSONLines[contact](iotest.ErrReader(broken), ignore).All())
	require.ErrorIs(t, err, broken)
	_, err = collect(records.CSV[contact](nil).All())
	require.EqualError(t, err, "records: there is no file")
	_, err = collect(records.JSONLines[contact](nil).All())
	require.EqualError(t, err, "records: there is no file")
}

func TestDuplicatesAreLetThroughWhenTold(t *testing.T) {
	t.Parallel()
	list, err := contactsOf("name,customerIdApiRing\nMai,1\nLan,1\n", records.WithoutDuplicateCheck())
	require.NoError(t, err)
	assert.Len(t, list, 2)
	list, err = contactsOf("name,customerIdApiRing\nMai,\nLan,\n")
	require.NoError(t, err, "that a key is missing is the import's to tell")
	assert.Len(t, list, 2)
}

func TestTheDuplicateCheckHoldsOverManyRows(t *testing.T) {
	t.Parallel()
	const rows = 50_000
	var file strings.Builder
	file.WriteString("name,customerIdApiRing\n")
	for i := range rows {
		fmt.Fprintf(&file, "Mai,C%d\n", i)
	}
	const repeated = 1000
	for i := range repeated {
		fmt.Fprintf(&file, "Mai,C%d\n", i*(rows/repeated))
	}
	var bad []string
	list, err := contactsOf(file.String(), records.WithBadRows(func(e *records.RowError) { bad = append(bad, e.Error()) }))
	require.NoError(t, err)
	assert.Len(t, list, rows)
	require.Len(t, bad, repeated)
	assert.Equal(t, "records: line 50503, column 2 (customerIdApiRing): the same customerIdApiRing as on line 25052", bad[501])
}

func TestAFileIsReadOnceAndNoFurtherThanAsked(t *testing.T) {
	t.Parallel()
	file := iotest.OneByteReader(strings.NewReader("name,customerIdApiRing\nMai,1\nLan,2\n"))
	source := records.CSV[contact](file, records.WithRows())
	for record, err := range source.All() {
		require.NoError(t, err)
		assert.Equal(t, "Mai", record.Name)
		break
	}
	_, err := collect(source.All())
	require.EqualError(t, err, "records: a file can be read once")
}

func TestARowIsKeptUntilItIsAskedFor(t *testing.T) {
	t.Parallel()
	source := records.CSV[contact](strings.NewReader("name,customerIdApiRing\nMai,1\n\nLan,2\n"), records.WithRows())
	_, err := collect(source.All())
	require.NoError(t, err)
	row, ok := source.Row(1)
	assert.True(t, ok)
	assert.Equal(t, records.Row{Line: 4, Fields: []string{"Lan", "2"}}, row)
	assert.Equal(t, "{redacted}", fmt.Sprintf("%+v", row))
	_, ok = source.Row(1)
	assert.False(t, ok)
	_, ok = source.Row(2)
	assert.False(t, ok)
}

func TestAReportCanBeCorrectedAndFedAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"commas": {
			"name,customerIdApiRing,phones\n\"Mai, Bé\",1,\nLan,2,\"a;b\"\n",
			"name,customerIdApiRing,phones,_line,_outcome,_reason,_text\n\"Mai, Bé\",1,,2,rejected,bad phone,\nLan,2,a;b,3,unknown,,\n",
		},
		"what Excel wrote": {
			"\ufeffname;customerIdApiRing;phones\r\n\"Mai, Bé\";1;\r\nLan;2;\"a;b\"\r\n",
			"\ufeffname;customerIdApiRing;phones;_line;_outcome;_reason;_text\nMai, Bé;1;;2;rejected;bad phone;\nLan;2;\"a;b\";3;unknown;;\n",
		},
		"a report": {
			"name,_line,customerIdApiRing,phones,_outcome,_reason\n\"Mai, Bé\",90,1,,rejected,x\nLan,91,2,a;b,rejected,x\n",
			"name,customerIdApiRing,phones,_line,_outcome,_reason,_text\n\"Mai, Bé\",1,,2,rejected,bad phone,\nLan,2,a;b,3,unknown,,\n",
		},
	} {
		source := records.CSV[contact](strings.NewReader(test.text), records.WithRows())
		var out bytes.Buffer
		report := source.NewReport(&out)
		first, err := collect(source.All())
		require.NoError(t, err)
		require.NoError(t, report.Flush())
		assert.Empty(t, out.String(), "nothing is written of nothing")
		addRows(t, source, report)
		assert.Equal(t, test.want, out.String(), name)
		assert.Equal(t, 2, report.Count())

		_, err = contactsOf(out.String(), records.WithBadRows(func(*records.RowError) {}))
		require.ErrorIs(t, err, records.ErrUnknownRows, "one of the two may be in the CRM")
		require.ErrorContains(t, err, "line 3, column 5 (_outcome)")
		again, err := contactsOf(out.String(), records.WithLookedUp())
		require.NoError(t, err)
		assert.Equal(t, first, again)
	}
}

func addRows[P records.Params](t *testing.T, source *records.Reader[P], report *records.Report) {
	t.Helper()
	row, _ := source.Row(0)
	require.NoError(t, report.Add(row, antcrm.OutcomeRejected, errors.New("bad\nphone")))
	row, _ = source.Row(1)
	require.NoError(t, report.Add(row, antcrm.OutcomeUnknown, nil))
	require.NoError(t, report.Flush())
}

func TestAReportLosesNothingOfRowsThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var report *records.Report
	source := records.CSV[contact](strings.NewReader("sep=,\r\ncustomerIdApiRing,name,bgInfo\r\n1,Mai,12 Nguyễn Trãi,Q1\r\n2,Lan\r\n\r\n3,\"Hoa \"Bé\" Trần\",x\r\n4,Tý,\"a\"b\r\n"), records.WithBadRows(func(bad *records.RowError) {
		assert.NoError(t, report.Add(bad.Row, antcrm.OutcomeNotSent, bad))
	}))
	report = source.NewReport(&out)
	_, err := collect(source.All())
	require.NoError(t, err)
	require.NoError(t, report.Flush())
	assert.Equal(t, `customerIdApiRing,name,bgInfo,_line,_outcome,_reason,_text
,,,3,not sent,"records: line 3: 4 fields, but the header has 3","1,Mai,12 Nguyễn Trãi,Q1"
,,,4,not sent,"records: line 4: 2 fields, but the header has 3","2,Lan"
,,,6,not sent,"records: line 6, column 2 (name): a quote that is not closed properly","3,""Hoa ""Bé"" Trần"",x"
,,,7,not sent,"records: line 7, column 3 (bgInfo): a quote that is not closed properly","4,Tý,""a""b"
`, strings.ReplaceAll(out.String(), "\r\n", "\n"))
	first := textsOf(t, records.CSV[contact], out.String())
	assert.Len(t, first, 4, "nothing of them, until somebody has corrected them")
	assert.Equal(t, "2,Lan", first[1])

	// One is corrected, the others are fed again as they are.
	text := strings.Replace(out.String(), ",,,4,", "2,Lan,,4,", 1)
	assert.Equal(t, []string{first[0], first[2], first[3]}, textsOf(t, records.CSV[contact], text))
	_, err = contactsOf(text)
	var bad *records.RowError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, 2, bad.Line)
	assert.Contains(t, bad.Problem, "could not be read")
}

// textsOf are the texts of the bad rows of a file.
func textsOf(t *testing.T, read func(io.Reader, ...records.Option) *records.Reader[contact], file string) (texts []string) {
	t.Helper()
	_, err := collect(read(strings.NewReader(file), records.WithLookedUp(), records.WithBadRows(func(bad *records.RowError) { texts = append(texts, string(bad.Row.Text)) })).All())
	require.NoError(t, err)
	return texts
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAReportThatCannotBeWrittenSaysSo(t *testing.T) {
	t.Parallel()
	source := records.CSV[contact](strings.NewReader("\ufeffname,customerIdApiRing\nMai,1\n"))
	_, err := collect(source.All())
	require.NoError(t, err)
	report := source.NewReport(fullDisk{})
	require.ErrorContains(t, report.Add(records.Row{Line: 1}, antcrm.OutcomeRejected, nil), "no space left")
	require.ErrorContains(t, report.Add(records.Row{Line: 1}, antcrm.OutcomeRejected, nil), "no space left")
	require.ErrorContains(t, report.Flush(), "no space left")

	source = records.CSV[contact](strings.NewReader("name,customerIdApiRing\nMai,1\n"))
	_, err = collect(source.All())
	require.NoError(t, err)
	report = source.NewReport(fullDisk{})
	require.NoError(t, report.Add(records.Row{Line: 1}, antcrm.OutcomeRejected, nil))
	require.ErrorContains(t, report.Flush(), "no space left")
}

func TestJSONLinesReadsTheBodiesOfTheAPI(t *testing.T) {
	t.Parallel()
	text := "\ufeff" + `{"name":"Nguyễn Văn Mẫu","customerIdApiRing":"ERP-1","type":1,"gender":"0","phones":[{"type":"Work","value":"0900000001"}],"tags":"vip","cusFields":[{"name":"n","value":{"a":[1]}}]}` + "\r\n\n" +
		`{"name":"Lan","customerIdApiRing":"ERP-2","_line":"7","_outcome":"rejected","_reason":"x"}`
	list, err := collect(records.JSONLines[contact](strings.NewReader(text)).All())
	require.NoError(t, err)
	assert.JSONEq(t, `[{"name":"Nguyễn Văn Mẫu","customerIdApiRing":"ERP-1","type":"1","gender":"0","phones":[{"type":"Work","value":"0900000001"}],"tags":["vip"],"cusFields":[{"name":"n","value":{"a":[1]}}]},
		{"name":"Lan","customerIdApiRing":"ERP-2"}]`, toJSON(t, list))

	orders, err := collect(records.JSONLines[order](strings.NewReader(`{"name":"A","receiverName":"B","value":"1500000","createdAt":1710311060673,"dealWith":{"customerId":475}}`)).All())
	require.NoError(t, err)
	assert.JSONEq(t, `[{"name":"A","receiverName":"B","value":1500000,"createdAt":1710311060673,"dealWith":{"customerId":"475"}}]`, toJSON(t, orders))
}

func TestBadJSONLinesAreRefusedWithThePlace(t *testing.T) {
	t.Parallel()
	const good = `{"name":"Mai","customerIdApiRing":"1"}` + "\n"
	for name, test := range map[string]struct {
		text, want string
		opts       []records.Option
		good       int
	}{
		"an empty file":       {text: "", want: "records: the file is empty"},
		"empty lines":         {text: "\n \n", want: "records: the file is empty"},
		"UTF-16, cut short":   {text: "\xff\xfe{\x00", want: "records: line 1, column 2: the JSON is cut short"},
		"cut short":           {text: good + `{"name":"La`, want: "records: line 2, column 12 (/name): the JSON is cut short", good: 1},
		"not JSON":            {text: good + "\nname,phone\n", want: "records: line 3, column 2: is not JSON", good: 1},
		"two on a line":       {text: strings.TrimSpace(good) + good, want: "records: line 1, column 39: is not JSON"},
		"an unknown member":   {text: `{"name":"Mai","phone":"1"}`, want: "records: line 1, column 15 (/phone): is an unknown member"},
		"a member's case":     {text: `{"Name":"Mai"}`, want: "records: line 1, column 2 (/Name): is an unknown member"},
		"a nested one":        {text: `{"phones":[{"number":"1"}]}`, want: "records: line 1, column 13 (/phones/0/number): is an unknown member"},
		"a member twice":      {text: `{"name":"Mai","name":"Lan"}`, want: "records: line 1, column 15 (/name): is there twice"},
		"the wrong kind":      {text: `{"name":5}`, want: "records: line 1, column 9 (/name): is not what the API takes here: a number"},
		"an array":            {text: `[{"name":"Mai"}]`, want: "records: line 1, column 1: is not what the API takes here: an array"},
		"not UTF-8":           {text: good + "{\"name\":\"Th\xe0nh\"}", want: "records: line 2, column 12 (/name): is not UTF-8", good: 1},
		"a code twice":        {text: good + good, want: "records: line 2: the same customerIdApiRing as on line 1", good: 1},
		"a line without end":  {text: good + `{"name":"` + strings.Repeat("x", 500), want: "records: line 2: has 509 bytes, more than 400", good: 1, opts: []records.Option{records.WithMaxField(100)}},
		"a line of 10 MB":     {text: good + `{"name":"` + strings.Repeat("x", 10<<20) + `"}`, want: "records: line 2: has 10485771 bytes, more than 4194304", good: 1},
		"a value of an order": {text: `{"name":"Mai","customerIdApiRing":"1","receiverName":"x"}`, want: "records: line 1, column 39 (/receiverName): is an unknown member"},
	} {
		list, err := collect(records.JSONLines[contact](strings.NewReader(test.text), test.opts...).All())
		require.Error(t, err, name)
		assert.Equal(t, test.want, err.Error(), name)
		assert.Len(t, list, test.good, name)
	}
}

func TestAReportOfJSONLinesCanBeFedAgain(t *testing.T) {
	t.Parallel()
	text := `{"name":"Mai","customerIdApiRing":"1","_line":"9","_reason":"old"}` + "\n" + `{"name":"Lan"}` + "\nnot JSON\n[1]\n"
	var out bytes.Buffer
	var report *records.Report
	source := records.JSONLines[contact](strings.NewReader(text), records.WithRows(), records.WithBadRows(func(bad *records.RowError) {
		assert.NoError(t, report.Add(bad.Row, antcrm.OutcomeNotSent, bad))
	}))
	report = source.NewReport(&out)
	_, err := collect(source.All())
	require.NoError(t, err)
	addRows(t, source, report)
	assert.Equal(t, `{"_line":"3","_outcome":"not sent","_reason":"records: line 3, column 2: is not JSON","_text":"not JSON"}
{"_line":"4","_outcome":"not sent","_reason":"records: line 4, column 1: is not what the API takes here: an array","_text":"[1]"}
{"name":"Mai","customerIdApiRing":"1","_line":"1","_outcome":"rejected","_reason":"bad phone"}
{"name":"Lan","_line":"2","_outcome":"unknown","_reason":""}
`, out.String())
	assert.Equal(t, []string{"not JSON", "[1]"}, textsOf(t, records.JSONLines[contact], out.String()))
	_, err = collect(records.JSONLines[contact](strings.NewReader(out.String()), records.WithBadRows(func(*records.RowError) {})).All())
	require.ErrorIs(t, err, records.ErrUnknownRows)
	again, err := collect(records.JSONLines[contact](&out, records.WithBadRows(func(*records.RowError) {}), records.WithLookedUp()).All())
	require.NoError(t, err)
	assert.Equal(t, []contact{{Name: "Mai", ExternalID: "1"}, {Name: "Lan"}}, again)
}
