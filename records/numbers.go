package records

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// grouped is a number as people write thousands where the point is not for decimals: 1.500 or 1.500.000.
var grouped = regexp.MustCompile(`^-?[1-9][0-9]{0,2}(\.[0-9]{3})+$`)

var (
	errNumber    = errors.New("is not a number such as 1500000 or 12.5")
	errThousands = errors.New("could be thousands or a decimal fraction: remove the separators, or set the decimal mark")
)

// number reads an exact decimal.
func (c *config) number(value string) (antcrm.Decimal, error) {
	switch {
	case rounded.MatchString(value):
		if !everyDigit(value) {
			return "", errors.New(roundedProblem)
		}
		value = withoutExponent(value)
	case c.decimal != 0:
		plain, ok := ungroup(value, c.decimal)
		if !ok {
			return "", fmt.Errorf("is not a number with the decimal mark %q", c.decimal)
		}
		value = plain
	case grouped.MatchString(value):
		return "", errThousands
	}
	if _, ok := antcrm.Decimal(value).Float64(); !ok {
		return "", c.noNumber(value)
	}
	return antcrm.Decimal(value), nil
}

// noNumber says what is wrong with a number, and whether a decimal mark would make it one.
func (c *config) noNumber(value string) error {
	comma, withComma := ungroup(value, ',')
	point, withPoint := ungroup(value, '.')
	switch {
	case c.decimal != 0 || !withComma && !withPoint:
		return errNumber
	case !withPoint:
		return fmt.Errorf("%w; with ',' before decimals it would be %s: set the decimal mark to ','", errNumber, comma)
	case !withComma:
		return fmt.Errorf("%w; with '.' before decimals it would be %s: set the decimal mark to '.'", errNumber, point)
	case comma != point:
		return errThousands
	}
	return fmt.Errorf("%w: remove what stands beside it, or set the decimal mark", errNumber)
}

// everyDigit reports that a number in E-notation shows all its digits, so that none was cut off: 1.710311060673E12, not
// 1.71E+12.
func everyDigit(value string) bool {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(value), "e")
	n, err := strconv.Atoi(exponent)
	whole, fraction, _ := strings.Cut(strings.TrimLeft(mantissa, "+-"), ".")
	return err == nil && n >= 0 && len(whole) == 1 && len(fraction) >= n
}

// withoutExponent writes a number of which everyDigit is shown as people do: 1.5E1 is 15.
func withoutExponent(value string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(value, "+")), "e")
	n, _ := strconv.Atoi(exponent)
	whole, fraction, _ := strings.Cut(mantissa, ".")
	plain := whole + fraction[:n]
	if rest := fraction[n:]; rest != "" {
		plain += "." + rest
	}
	return plain
}

var (
	pointDecimals = regexp.MustCompile(`^[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]+)?$`)
	commaDecimals = regexp.MustCompile(`^[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?$`)
	dong          = regexp.MustCompile(`(?i)(vnđ|vnd|₫|đ|đồng)$`)
	blankGroups   = regexp.MustCompile(`^[+-]?[0-9]{1,3}( [0-9]{3})+([.,][0-9]+)?$`)
)

// ungroup turns a number as people write it into one for programs. The currency may stand behind it.
func ungroup(value string, mark rune) (plain string, ok bool) {
	value = strings.TrimSpace(dong.ReplaceAllString(value, ""))
	if blankGroups.MatchString(value) {
		value = strings.ReplaceAll(value, " ", "")
	}
	other, shape := ",", pointDecimals
	if mark == ',' {
		other, shape = ".", commaDecimals
	}
	if !shape.MatchString(value) {
		return "", false
	}
	value = strings.TrimPrefix(strings.ReplaceAll(value, other, ""), "+")
	return strings.ReplaceAll(value, string(mark), "."), true
}

var (
	serial = regexp.MustCompile(`^[1-9][0-9]{3,4}([.,][0-9]+)?$`)
	digits = regexp.MustCompile(`^[0-9]+$`)
)

// serialDay is the day that a spreadsheet means by a number. Its count begins on 1899-12-30 for all days since
// 1900-03-01.
func serialDay(value string, zone *time.Location) (time.Time, bool) {
	number, err := strconv.ParseFloat(strings.Replace(value, ",", ".", 1), 64)
	if err != nil || number < 61 || number >= 2958466 {
		return time.Time{}, false
	}
	whole := int(number)
	seconds := int((number-float64(whole))*86400 + 0.5)
	return time.Date(1899, 12, 30+whole, 0, 0, seconds, 0, zone), true
}

// noZone are the forms of times that name no zone.
func noZone() []string {
	return []string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"}
}

// date reads a point in time. A number must have the size of today's milliseconds: 20240313, 1710311060 (seconds) and
// 45364 (Excel's days) would be taken as 1970.
func (c *config) date(value string) (at antcrm.Timestamp, err error) {
	if c.dateFormat != "" {
		day, byFormat, err := c.formatted(value, c.location)
		if err != nil || !byFormat {
			return antcrm.NewTimestamp(day), err
		}
		return c.withoutZone(day)
	}
	for _, layout := range noZone() {
		if day, err := time.ParseInLocation(layout, value, c.location); err == nil && plausible(day) {
			return c.withoutZone(day)
		}
	}
	return isoOrMilliseconds(value)
}

// dateLayouts are the format that was set, and ISO dates: a workbook's date cells come so, beside dates that were typed
// as text or numbers. A format such as YYYY-DD-MM could be meant by the same digits, and stands alone.
func (c *config) dateLayouts() []string {
	switch {
	case c.dateFormat == SerialDates:
		return []string{time.DateOnly, time.DateTime}
	case strings.HasPrefix(c.dateFormat, "2006-"):
		return []string{c.dateFormat}
	}
	return []string{c.dateFormat, time.DateOnly, time.DateTime}
}

// formatted reads a day by the format that was set. byFormat is false for the number of a spreadsheet, which is of no
// zone.
func (c *config) formatted(value string, zone *time.Location) (day time.Time, byFormat bool, err error) {
	if c.dateFormat == SerialDates {
		if day, ok := serialDay(value, zone); ok {
			return day, false, nil
		}
		err = errors.New("is not a spreadsheet's serial date such as 45364, nor a day such as 2024-03-13")
	} else {
		err = errors.New("is not a date in the format that was set")
	}
	for _, layout := range c.dateLayouts() {
		if day, err := time.ParseInLocation(layout, value, zone); err == nil && plausible(day) {
			return day, true, nil
		}
	}
	return time.Time{}, false, err
}

// withoutZone reports, once a file, whose days are meant where a date names no zone.
func (c *config) withoutZone(day time.Time) (antcrm.Timestamp, error) {
	if c.zoneTold {
		return antcrm.NewTimestamp(day), nil
	}
	c.zoneTold = true
	return antcrm.NewTimestamp(day), doubt("names no time zone; like all others in this file it is read as UTC" + day.Format("-07:00"))
}

func plausible(day time.Time) bool { return day.Year() >= 1900 && day.Year() < 2200 }

func isoOrMilliseconds(value string) (at antcrm.Timestamp, err error) {
	if rounded.MatchString(value) && !everyDigit(value) {
		return at, errors.New(roundedProblem)
	}
	number, isNumber := antcrm.Decimal(value).Float64()
	quoted, err := json.Marshal(value)
	if err != nil {
		return at, err
	}
	if err := at.UnmarshalJSON(quoted); err == nil && plausible(at.Time) && (!isNumber || number >= 1e12 && number < 1e13) {
		return at, nil
	}
	problem := "is not a date such as 2024-03-13, 2024-03-13T06:24:20Z or epoch milliseconds (13 digits)"
	if day, ok := serialDay(value, time.UTC); ok && serial.MatchString(value) {
		problem += "; as a spreadsheet's serial date it would be " + day.Format(time.DateOnly) + ": set the date format to serial"
	}
	return antcrm.Timestamp{}, errors.New(problem)
}

// dayForms are birthdays with all three parts; which of day and month comes first is not known.
func dayForms() []string {
	return []string{"2/1/2006", "1/2/2006", "2-1-2006", "1-2-2006", "2.1.2006", "2006-1-2", "2006/1/2", "2006.1.2"}
}

var threeParts = regexp.MustCompile(`^[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}$`)

// birthday checks a day. Where the format is known it becomes 2000-03-15, however its row has it; else it is left as it
// stands: nobody knows which of two numbers is the month.
func (c *config) birthday(value string) (string, error) {
	if c.dateFormat != "" {
		day, _, err := c.formatted(value, time.UTC)
		if err != nil {
			return "", err
		}
		return day.Format(time.DateOnly), nil
	}
	if digits.MatchString(value) || serial.MatchString(value) {
		problem := "is a number, not a date such as 2000-03-15"
		if day, ok := serialDay(value, time.UTC); ok && serial.MatchString(value) {
			problem += "; as a spreadsheet's serial date it would be " + day.Format(time.DateOnly) + ": set the date format to serial"
		}
		return "", errors.New(problem)
	}
	if !threeParts.MatchString(value) {
		return value, nil
	}
	var order dayOrder
	for _, form := range dayForms() {
		if day, err := time.Parse(form, value); err == nil && day.Year() >= 1850 && day.Year() < 2200 {
			order |= orderOf(form)
			if day.Day() == int(day.Month()) {
				return value, nil // it reads the same either way
			}
		}
	}
	if order == 0 {
		return "", errors.New("is not a valid date")
	}
	return value, c.doubtOrder(order)
}

// dayOrder is what comes first in a day: bits, of which an ambiguous one has two.
type dayOrder int

const (
	dayFirst dayOrder = 1 << iota
	monthFirst
	yearFirst
)

func orderOf(form string) dayOrder {
	switch form[:2] {
	case "20":
		return yearFirst
	case "1/", "1-":
		return monthFirst
	}
	return dayFirst
}

func (o dayOrder) String() string {
	return map[dayOrder]string{dayFirst: "the day", monthFirst: "the month", yearFirst: "the year"}[o]
}

// doubtOrder reports, once a file each, a day that can be read in two ways, and days that are written in another order
// than earlier ones.
func (c *config) doubtOrder(order dayOrder) error {
	switch {
	case order == dayFirst|monthFirst && !c.orderTold:
		c.orderTold = true
		return doubt("could have the day first or the month; like all others in this file it is sent as it is: set the date format")
	case order == dayFirst|monthFirst:
	case c.order == 0:
		c.order = order
	case c.order&order == 0:
		first := c.order & -c.order
		c.order |= order
		return doubt("has " + order.String() + " first, and an earlier row has " + first.String() + " first; both are sent as they are: set the date format, or write them alike")
	}
	return nil
}
