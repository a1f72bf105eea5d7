package records

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrExported is a file that has the CRM's own keys, such as an export. An import only creates records, so these would
// be in the CRM twice. See [WithAsNew].
var ErrExported = errors.New("records: the file has the CRM's own keys")

// LaterHeaderError is the cause of an error of a file whose first line is not the header: a later one looks like it. See
// [WithSkipLines].
type LaterHeaderError struct {
	Line int // from 1
}

// Error says how many lines to skip.
func (e *LaterHeaderError) Error() string {
	return fmt.Sprintf("line %d looks like the header: skip the lines before it (%d)", e.Line, e.Line-1)
}

// linesToHeader is how far a header is looked for: reports have a few lines of titles.
const linesToHeader = 10

// laterHeader finds a row below that looks more like the header than the one that is not.
func (f *tableFormat[P]) laterHeader() *LaterHeaderError {
	fewest := max(1, f.known(f.header)) + 1
	for range linesToHeader {
		cells, line, err := f.rows.next()
		if err != nil {
			if isFatal(err) {
				return nil
			}
			continue
		}
		if len(cells) == 1 { // the delimiter is that of the line above
			cells = strings.FieldsFunc(cells[0], func(r rune) bool { return strings.ContainsRune(",;\t|", r) })
		}
		if f.known(cells) >= fewest {
			return &LaterHeaderError{Line: line}
		}
	}
	return nil
}

// known counts the names of columns in a row.
func (f *tableFormat[P]) known(cells []string) (count int) {
	for _, cell := range cells {
		name := trim(f.cfg.normal(cell))
		if target, mapped := f.cfg.columns[fold(name)]; mapped {
			name = target
		}
		if _, ok := f.schema.find(name); ok || contains(f.schema.ownKeys, name) {
			count++
		}
	}
	return count
}

// readHeader finds what each column sets. All that is wrong is in the error.
func (f *tableFormat[P]) readHeader(header []string, line int) error {
	for i := range header {
		header[i] = trim(f.cfg.normal(header[i]))
	}
	f.header, f.line, f.key = header, line, -1
	f.outcome = slices.Index(header, outcomeColumn)
	f.columns = make([]column[P], len(header))
	f.rows.headerRead(header)
	var problems []*RowError
	places := map[string]int{}
	for i, name := range header {
		c, problem := f.columnOf(i, name)
		if problem == nil {
			problem = f.twice(places, i, c)
		}
		if problem != nil {
			problems = append(problems, problem)
			continue
		}
		f.columns[i] = c
		if c.set != nil && c.names[0] == f.schema.keyName {
			f.key = i
		}
		if f.schema.itemPrefix != "" && c.set != nil && strings.HasPrefix(c.names[0], f.schema.itemPrefix) {
			f.grouped = true
		}
	}
	f.grouped = f.grouped && f.key >= 0
	problems = append(problems, f.partsBesideList()...)
	problems = append(problems, f.unmapped()...)
	problems = append(problems, f.withoutColumn()...)
	err := joinProblems(problems)
	if err == nil {
		f.reportFields()
	}
	if err == nil || errors.Is(err, ErrExported) {
		return err
	}
	if later := f.laterHeader(); later != nil {
		return fileError(line, "is not the header; "+later.Error(), later)
	}
	return err
}

// reportFields reports the fields that the columns set.
func (f *tableFormat[P]) reportFields() {
	for _, c := range f.columns {
		if c.set != nil && f.cfg.fields != nil {
			f.cfg.fields(c.field())
		}
	}
}

// twice finds a column that another one sets already, and notes this one.
func (f *tableFormat[P]) twice(places map[string]int, i int, c column[P]) *RowError {
	if c.set == nil { // left out: it takes nothing from another
		return nil
	}
	for _, id := range []string{fold(f.header[i]), strings.Join(c.names, " ")} {
		earlier, twice := places[id]
		if twice && earlier != i && (!c.many || id == fold(f.header[i])) {
			return f.badColumn(i, fmt.Sprintf("is the same column as %d (%s)", earlier+1, label(f.header[earlier])))
		}
		places[id] = i
	}
	return nil
}

// partsBesideList finds a list beside columns of its first element: the one would overwrite the other, or add to it.
func (f *tableFormat[P]) partsBesideList() (problems []*RowError) {
	for i, list := range f.columns {
		if list.parts == "" {
			continue
		}
		part := slices.IndexFunc(f.columns, func(c column[P]) bool { return c.set != nil && strings.HasPrefix(c.names[0], list.parts) })
		if part >= 0 {
			first, second := min(i, part), max(i, part)
			problems = append(problems, f.badColumn(second, fmt.Sprintf("sets the same as column %d (%s): use one of the two", first+1, label(f.header[first]))))
		}
	}
	return problems
}

// withoutColumn finds required columns that the file does not have.
func (f *tableFormat[P]) withoutColumn() (problems []*RowError) {
	for _, name := range f.cfg.required {
		if !slices.ContainsFunc(f.columns, func(c column[P]) bool { return c.set != nil && c.names[0] == name }) {
			problems = append(problems, &RowError{Line: f.line, Header: name, Problem: "is required, and the file has no such column", Err: errFile})
		}
	}
	return problems
}

func (f *tableFormat[P]) badColumn(place int, problem string) *RowError {
	return &RowError{Line: f.line, Column: place + 1, Header: f.header[place], Problem: problem, Err: errFile}
}

// unmapped finds a mapped column that the file does not have: a typing error would leave its values out in silence.
func (f *tableFormat[P]) unmapped() (problems []*RowError) {
	for _, name := range f.cfg.mapped {
		has := func(column string) bool { return fold(column) == fold(name) }
		if target := f.cfg.columns[fold(name)]; target != "" && !slices.ContainsFunc(f.header, has) {
			problems = append(problems, &RowError{Line: f.line, Problem: fmt.Sprintf("there is no column %q, which is mapped to %q", label(name), label(target)), Err: errFile})
		}
	}
	return problems
}

// columnOf finds what a column of the file sets, or says why nothing.
func (f *tableFormat[P]) columnOf(place int, name string) (c column[P], problem *RowError) {
	if !utf8.ValidString(name) {
		return c, f.badColumn(place, "is not UTF-8: save the file as CSV UTF-8")
	}
	if slices.Contains(reportColumns(), name) {
		return c, nil
	}
	if name == "" {
		return column[P]{nameless: !f.cfg.ignoreUnknown}, nil
	}
	target, mapped := f.cfg.columns[fold(name)]
	if isOwn := contains(f.schema.ownKeys, name); isOwn && (!mapped || target == "") {
		if !f.cfg.asNew {
			bad := f.badColumn(place, "is the CRM's own key: the file is an export, and an import would create its records a second time")
			bad.Err = ErrExported
			return c, bad
		}
		f.leaveOut(place, "is the CRM's own key, and is left out")
		return c, nil
	}
	if mapped && target == "" {
		return c, nil
	}
	if !mapped {
		target = name
	}
	if c, ok := f.schema.find(target); ok {
		return c, nil
	}
	return c, f.unknown(place, name, target, mapped)
}

// leaveOut reports a column whose values nobody will see again. It is no problem.
func (f *tableFormat[P]) leaveOut(place int, why string) { f.cfg.warn(f.badColumn(place, why)) }

func (f *tableFormat[P]) unknown(place int, name, target string, mapped bool) *RowError {
	guess := ""
	if meant := similar(name, f.schema.names()); meant != "" && !mapped {
		guess = ": did you mean " + meant + "?"
	}
	switch {
	case mapped:
		return f.badColumn(place, fmt.Sprintf("is mapped to %q, which is no column of these records", label(target)))
	case f.cfg.ignoreUnknown:
		f.leaveOut(place, "is an unknown column, and is left out"+guess)
		return nil
	case f.cfg.asNew && contains(f.schema.readOnly, name):
		f.leaveOut(place, "is set by the CRM, and is left out")
		return nil
	case f.cfg.normalize == nil && strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Mn, r) }):
		return f.badColumn(place, "is an unknown column; its accents are characters of their own (Unicode NFD, as macOS writes them), which may be the difference")
	}
	return f.badColumn(place, "is an unknown column"+guess)
}

func contains(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return fold(n) == fold(name) })
}

// normal puts a text into the form of Unicode that was asked for.
func (c *config) normal(text string) string {
	if c.normalize == nil || !utf8.ValidString(text) {
		return text
	}
	return c.normalize(text)
}
