package sheet

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// NFC puts a text into composed form. An encoding such as windows-1258 has letters and tone marks apart.
func NFC(text string) string { return norm.NFC.String(text) }

// Decode turns a text of an encoding, by its name on the web (windows-1258, utf-16le, iso-8859-1), into UTF-8. A byte order mark takes precedence: a report
// of refused rows is UTF-8, and may be imported with the flags of the file that it comes from.
func Decode(file io.Reader, name string) (io.Reader, error) {
	encoding, err := htmlindex.Get(name)
	if err != nil {
		return nil, fmt.Errorf("no encoding is called %q", name)
	}
	return transform.NewReader(file, unicode.BOMOverride(encoding.NewDecoder())), nil
}

// Phones returns what normalizes telephone numbers of a country, such as VN, to E.164: +84901234567.
func Phones(region string) (func(string) (string, error), error) {
	region = strings.ToUpper(region)
	if !phonenumbers.GetSupportedRegions()[region] {
		return nil, fmt.Errorf("no country has the code %q", region)
	}
	return func(text string) (string, error) {
		number, err := phonenumbers.Parse(text, region)
		if err != nil || !phonenumbers.IsValidNumber(number) {
			return "", errors.New("is not a valid phone number of " + region + ", nor one with a country code")
		}
		return phonenumbers.Format(number, phonenumbers.E164), nil
	}, nil
}

// Layout turns a date format as people write it, DD/MM/YYYY HH:mm, into a layout of package time.
// With separators a day or a month may have one digit, as spreadsheets write them: 1/2/1990.
func Layout(format string) (string, error) {
	if strings.ContainsAny(format, "/-. ") {
		format = strings.NewReplacer("DD", "D", "dd", "d", "MM", "M").Replace(format)
	}
	layout := strings.NewReplacer("YYYY", "2006", "yyyy", "2006", "MM", "01", "DD", "02", "dd", "02", "HH", "15", "hh", "15", "mm", "04", "SS", "05", "ss", "05",
		"M", "1", "D", "2", "d", "2").Replace(format)
	probe := time.Date(2024, 11, 23, 0, 0, 0, 0, time.UTC)
	back, err := time.Parse(layout, probe.Format(layout))
	if err != nil || !back.Equal(probe) {
		return "", fmt.Errorf("%q is no form of a date: use DD, MM and YYYY, such as DD/MM/YYYY or YYYY-MM-DD HH:mm", format)
	}
	return layout, nil
}
