package records

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cellKind is what a column holds, and so what spreadsheets do to it.
type cellKind int

const (
	plainCell    cellKind = iota // a name, a stage: any text of one line
	freeCell                     // a note: any text
	keyCell                      // a key or a code
	phoneCell                    // phones
	emailCell                    // e-mail addresses
	numberCell                   // an exact number
	dateCell                     // a point in time
	birthdayCell                 // a day, sent as it stands
	codeCell                     // one of a few values
	listCell                     // texts with separators
	jsonCell                     // a JSON list
)

// exact reports kinds in which a formula, a marker of nothing, or an invisible character is a mistake for certain.
func (k cellKind) exact() bool {
	switch k {
	case keyCell, phoneCell, emailCell, numberCell, dateCell, birthdayCell, codeCell:
		return true
	}
	return false
}

var (
	// rounded is a number as spreadsheets shorten it; the digits that are not shown are lost.
	rounded = regexp.MustCompile(`^[+-]?\d+([.,]\d+)?[eE][+-]?\d+$`)
	// certainly tells 1.71E+12 from a code such as 12E5.
	certainly = regexp.MustCompile(`^[+-]?(\d+[.,]\d+[eE][+-]?\d+|\d+[eE]\+\d+)$`)
	// quotedText is a text as spreadsheets write it to keep its zeros: ="0900".
	quotedText = regexp.MustCompile(`^="([^"]*)"$`)
	// errorValue is what a formula shows that failed, or a column that is too narrow.
	errorValue = regexp.MustCompile(`^(#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!|GETTING_DATA|FIELD!|BLOCKED!)|#{2,})$`)
	// withFraction is a whole number that went through a column of fractions.
	withFraction = regexp.MustCompile(`^\d{4,}[.,]0+$`)
	// nothing is how programs write that there is no value.
	nothing = regexp.MustCompile(`(?i)^(null|\(null\)|\\n|nil|none|nan|n/a|undefined)$`)
)

const (
	lostLetter     = "has U+FFFD in the place of a letter that was lost when the text was converted: read the original file with its own encoding"
	roundedProblem = "was shortened by a spreadsheet and has lost digits: format the column as text there and enter the value again"
	nothingProblem = "means that there is no value: clear the cell"
)

// clean takes from a cell what is not part of its value. A problem is why it is no value; a warning is why it may be
// meant otherwise.
func (c *config) clean(kind cellKind, cell string) (value, problem, warning string) {
	if problem := wrongBytes(cell); problem != "" {
		return "", problem, ""
	}
	value = c.normal(cell)
	if kind == freeCell {
		if isBlank(value) {
			return "", "", ""
		}
		if strings.ContainsRune(value, utf8.RuneError) {
			return "", lostLetter, ""
		}
		problem, warning = artefact(kind, strings.TrimSpace(value))
		return value, problem, warning
	}
	value = trim(value)
	if match := quotedText.FindStringSubmatch(value); match != nil {
		value = trim(match[1])
	}
	if text, ok := strings.CutPrefix(value, "'"); ok && kind.exact() {
		value = trim(text)
	}
	if value == "" || kind == jsonCell {
		return value, "", ""
	}
	if strings.ContainsRune(value, utf8.RuneError) {
		return "", lostLetter, ""
	}
	if breaks := strings.Count(value, "\n") + strings.Count(value, "\r"); breaks > 0 {
		return "", fmt.Sprintf("has line breaks (%d): is a quote missing, or one too many?", breaks), ""
	}
	if problem, warning = artefact(kind, value); problem != "" {
		return "", problem, ""
	}
	value, problem, odd := c.oddCharacters(kind, value)
	if odd != "" {
		warning = odd
	}
	return value, problem, warning
}

// wrongBytes finds what no text can hold.
func wrongBytes(cell string) (problem string) {
	if strings.IndexByte(cell, 0) >= 0 {
		return "has a zero byte (\\x00): the file is damaged, or its encoding is another"
	}
	if utf8.ValidString(cell) {
		return ""
	}
	valid := 0
	for valid < len(cell) {
		r, size := utf8.DecodeRuneInString(cell[valid:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		valid += size
	}
	return fmt.Sprintf("is not UTF-8 from byte %d on: save the file as CSV UTF-8", valid+1)
}

// artefact finds what a spreadsheet or a program has left in a cell.
func artefact(kind cellKind, value string) (problem, warning string) {
	isRounded := rounded.MatchString(value)
	switch {
	case errorValue.MatchString(value):
		return "is a spreadsheet error: fix the formula or clear the cell", ""
	case nothing.MatchString(value) && (kind.exact() || value == `\N`):
		return nothingProblem, ""
	case nothing.MatchString(value):
		return "", "may mean that there is no value; it is sent as text"
	case strings.HasPrefix(value, "=") && kind.exact():
		return "is a formula: replace it with its result", ""
	case strings.HasPrefix(value, "=") && kind != freeCell:
		return "", "looks like a formula; it is sent as text"
	case isRounded && (kind == phoneCell || kind == birthdayCell || kind == keyCell && certainly.MatchString(value)):
		return roundedProblem, ""
	case isRounded && kind != numberCell && kind != dateCell:
		return "", "may be a number that a spreadsheet has shortened; it is sent as text"
	case withFraction.MatchString(value) && (kind == keyCell || kind == phoneCell):
		return "is a whole number with decimals: format the column as text and remove the decimals", ""
	case strings.HasPrefix(value, "'") && kind != freeCell:
		return "", "begins with an apostrophe, as spreadsheets mark text; it is sent with it"
	}
	return "", ""
}

// oddCharacters finds or removes what nobody sees inside a value.
func (c *config) oddCharacters(kind cellKind, value string) (mended, problem, warning string) {
	switch kind {
	case phoneCell, numberCell, dateCell, birthdayCell, codeCell: // nothing in them can be meant
		value = strings.Map(func(r rune) rune {
			switch {
			case invisible(r):
				return -1
			case unicode.IsSpace(r):
				return ' '
			}
			return r
		}, value)
	}
	at := 0
	for _, r := range value {
		at++
		switch {
		case unicode.IsControl(r) && (r != '\t' || kind.exact()):
			return "", fmt.Sprintf("has a control character (%s) at character %d", codePoint(r), at), ""
		case (kind == keyCell || kind == emailCell) && (invisible(r) || r != ' ' && unicode.IsSpace(r)):
			return "", fmt.Sprintf("has an invisible character (%s) at character %d: retype it", codePoint(r), at), ""
		case kind == keyCell && c.normalize == nil && unicode.Is(unicode.Mn, r):
			return "", fmt.Sprintf("has a separate accent character (%s, Unicode NFD) at character %d: to the CRM it is a different key from the same letters composed", codePoint(r), at), ""
		case invisible(r) && r != '\u200c' && r != '\u200d':
			warning = fmt.Sprintf("has an invisible character (%s) at character %d; it is sent with it", codePoint(r), at)
		}
	}
	return value, "", warning
}

// split cuts a cell with several values.
func (c *config) split(value string) (parts []string) {
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(c.separators, r) }) {
		if part = trim(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

var phoneText = regexp.MustCompile(`^[+(]?[0-9][0-9 ().\-]*((ext|x|#|máy lẻ|nhánh)\.? ?[0-9]+)?$`)

// phones are the phones of a cell, as they are to be sent.
func (c *config) phones(value string) (list []string, err error) {
	parts := c.split(value)
	for i, part := range parts {
		part = trim(strings.TrimPrefix(part, "'"))
		switch {
		case strings.ContainsAny(part, ",/;") && !strings.ContainsFunc(part, unicode.IsLetter):
			return nil, errors.New("may hold several phones: separate them with ;, or set the list separator")
		case rounded.MatchString(part):
			return nil, errors.New(roundedProblem)
		case c.phone != nil:
			normal, err := c.phone(part)
			if err != nil {
				return nil, err
			}
			part = normal
		default:
			if unsure := doubtPhone(part); unsure != "" {
				err = unsure
			}
		}
		parts[i] = part
	}
	return parts, err
}

// doubtPhone is why a phone may be meant otherwise, "" if it looks like one.
func doubtPhone(phone string) doubt {
	switch {
	case !phoneText.MatchString(strings.ToLower(phone)):
		return "does not look like a phone number; it is sent as it is"
	case lostZero.MatchString(phone):
		return "may have lost its leading 0; it is sent as it is"
	case countDigits(phoneDigits.FindString(phone)) > mostDigits:
		return "has more digits than a phone number can have: are these several? It is sent as it is, as one"
	}
	return ""
}

// mostDigits is how many a phone number can have in the world, its country's code among them.
const mostDigits = 15

// phoneDigits is a phone without an extension.
var phoneDigits = regexp.MustCompile(`^[+(]?[0-9][0-9 ().\-]*`)

func countDigits(text string) (count int) {
	for _, r := range text {
		if r >= '0' && r <= '9' {
			count++
		}
	}
	return count
}

// lostZero is a Vietnamese mobile number that a spreadsheet took for a number.
var lostZero = regexp.MustCompile(`^[35789][0-9]{8}$`)

// doubt is a value that is taken and may be meant otherwise.
type doubt string

func (d doubt) Error() string { return string(d) }

// samePhone is what two phones are compared by: the last nine digits.
func samePhone(phone string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
	return digits[max(0, len(digits)-9):]
}

var emailText = regexp.MustCompile(`^[^@\s,<>"]+@[^@\s,<>"]+$`)

// emails are the e-mail addresses of a cell.
func (c *config) emails(value string) (list []string, err error) {
	parts := c.split(value)
	for _, part := range parts {
		switch {
		case strings.Count(part, "@") > 1 && strings.ContainsAny(part, ", \t/"):
			return nil, errors.New("may hold several addresses: separate them with ;, or set the list separator")
		case !emailText.MatchString(part):
			err = doubt("does not look like an e-mail address; it is sent as it is")
		}
	}
	return parts, err
}

// genders and kinds are the words that people write for the API's codes.
var genders = map[string]string{
	"0": "0", "1": "1", "2": "2", "nam": "0", "male": "0", "m": "0", "nữ": "1", "nu": "1", "female": "1", "f": "1", "khác": "2", "khac": "2", "other": "2",
}

var kinds = map[string]string{
	"0": "0", "1": "1", "person": "0", "cá nhân": "0", "account": "1", "organization": "1", "tổ chức": "1", "công ty": "1",
}

var contactTypes = map[string]string{"lead": "lead", "customer": "customer", "khách hàng": "customer"}

var discountTypes = map[string]string{"0": "0", "1": "1", "cash": "0", "percent": "1", "%": "1"}

// oneOf reads one of a few values by its words.
func oneOf(words map[string]string, value, expected string) (string, error) {
	if code, ok := words[strings.ToLower(value)]; ok {
		return code, nil
	}
	return "", errors.New("is not " + expected)
}

const (
	genderWords  = "0 (Nam, male), 1 (Nữ, female) or 2 (Khác, other)"
	kindWords    = "0 (person, Cá nhân) or 1 (account, Công ty)"
	contactWords = "lead or customer"
	discountWord = "0 (cash) or 1 (percent)"
)
