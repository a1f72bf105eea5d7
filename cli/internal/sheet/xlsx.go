// Package sheet reads what package records leaves to others, because it needs libraries that the SDK must not depend on: workbooks, old encodings,
// telephone numbers by country.
package sheet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/xuri/excelize/v2"
)

// maxUnpacked bounds what a workbook may unpack to; sheets larger than maxInMemory are unpacked to temporary files.
const (
	maxUnpacked = 4 << 30
	maxInMemory = 16 << 20
)

// Workbook is an open .xlsx file.
type Workbook struct {
	file  *excelize.File
	sheet string
}

// Error is a workbook that cannot be read.
type Error struct{ Problem, Hint string }

// Error is one line without the hint.
func (e *Error) Error() string { return e.Problem }

// Open opens a workbook and one of its sheets; "" is the only one that is not empty, or the first.
func Open(file *os.File, sheet string) (*Workbook, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the workbook: %w", err)
	}
	book, err := excelize.OpenReader(file, excelize.Options{UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxInMemory})
	if err != nil {
		return nil, &Error{"it is no workbook that can be read (encrypted, damaged, or of another kind)", "save it as .xlsx or CSV UTF-8"}
	}
	w := &Workbook{file: book, sheet: sheet}
	names := book.GetSheetList()
	switch {
	case len(names) == 0:
		err = &Error{"the workbook has no sheet", "save it as CSV UTF-8"}
	case sheet == "" && len(names) > 1:
		err = &Error{fmt.Sprintf("the workbook has %d sheets", len(names)), "say which with --sheet: " + strings.Join(names, ", ")}
	case sheet == "":
		w.sheet = names[0]
	default:
		if index, _ := book.GetSheetIndex(sheet); index < 0 {
			err = &Error{fmt.Sprintf("the workbook has no sheet %q", sheet), "there are: " + strings.Join(names, ", ")}
		}
	}
	if err == nil {
		err = w.plainNumbers()
	}
	if err != nil {
		_ = book.Close()
		return nil, err
	}
	return w, nil
}

// Close removes the temporary files.
func (w *Workbook) Close() error { return w.file.Close() }

// plainNumbers changes how cells are shown: dates as 2006-01-02 15:04:05, whatever the workbook says, and numbers with all their digits. Formats of zeros
// alone stay: they show the leading zero of a telephone number or a code.
func (w *Workbook) plainNumbers() error {
	iso := "yyyy-mm-dd hh:mm:ss"
	style, err := w.file.NewStyle(&excelize.Style{CustomNumFmt: &iso})
	if err != nil {
		return fmt.Errorf("read the workbook's formats: %w", err)
	}
	styles := w.file.Styles.CellXfs.Xf
	isoFormat, general := *styles[style].NumFmtID, 0
	custom := map[int]string{}
	if formats := w.file.Styles.NumFmts; formats != nil {
		for _, format := range formats.NumFmt {
			custom[format.NumFmtID] = format.FormatCode
		}
	}
	for i := range styles {
		if styles[i].NumFmtID == nil || i == style {
			continue
		}
		switch id := *styles[i].NumFmtID; {
		case isDate(id, custom[id]):
			styles[i].NumFmtID = &isoFormat
		case zeros.MatchString(custom[id]) || id == textFormat:
		default:
			styles[i].NumFmtID = &general
		}
	}
	return nil
}

const textFormat = 49 // "@"

var (
	zeros  = regexp.MustCompile(`^0+$`)
	quoted = regexp.MustCompile(`"[^"]*"|\\.|\[[^\]]*\]|_.`)
)

// isDate reports the formats of days and times: the numbers that the standard has for them, and codes with a year, a day or an hour.
func isDate(id int, code string) bool {
	if code != "" {
		return strings.ContainsAny(strings.ToLower(quoted.ReplaceAllString(code, "")), "ydh")
	}
	return id >= 14 && id <= 22 || id >= 27 && id <= 36 || id >= 45 && id <= 47 || id >= 50 && id <= 58
}

// Rows begins to read the sheet, row by row.
func (w *Workbook) Rows() (*Rows, error) {
	rows, err := w.file.Rows(w.sheet)
	if err != nil {
		return nil, fmt.Errorf("read the sheet: %w", err)
	}
	return &Rows{rows: rows}, nil
}

// Rows are the rows of a sheet: a records.Table.
type Rows struct {
	rows *excelize.Rows
	row  int
}

// Next returns the next row.
func (r *Rows) Next() ([]string, int, error) {
	if !r.rows.Next() {
		if err := r.rows.Error(); err != nil {
			return nil, 0, err
		}
		return nil, 0, io.EOF
	}
	r.row++
	cells, err := r.rows.Columns()
	if err != nil {
		return nil, 0, errors.New("the sheet is damaged")
	}
	for i, cell := range cells {
		cells[i] = strings.TrimSuffix(cell, " 00:00:00") // a day
	}
	return cells, r.row, nil
}

// Close ends the reading.
func (r *Rows) Close() error { return r.rows.Close() }
