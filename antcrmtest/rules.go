package antcrmtest

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// problem is what is wrong with a value: where inside it, and which rule it breaks.
type problem struct{ path, rule string }

// check looks at one value and returns it as the service would keep it.
type check func(value []byte) ([]byte, *problem)

// rule is one documented field of a body.
type rule struct {
	name     string
	required bool // on create: present and not empty
	check    check
	empty    string // what null means in an update: the empty value of the field's type; in a create it means absent
}

func wrong(rule string) *problem { return &problem{rule: rule} }

// within puts a problem found inside a value under the path that leads there.
func (p *problem) within(prefix string) *problem {
	switch {
	case p.path == "":
		p.path = prefix
	case strings.HasPrefix(p.path, "["):
		p.path = prefix + p.path
	default:
		p.path = prefix + "." + p.path
	}
	return p
}

// apply holds a body to the rules: on create the required fields must be there, on update only what was sent is looked
// at. Fields without a rule are kept as they are, since the service keeps more than its page lists.
func apply(rules []rule, o *object, create bool) *problem {
	if len(*o) > maxFields {
		return wrong(fmt.Sprintf("has more than %d fields", maxFields))
	}
	for _, r := range rules {
		value := o.get(r.name)
		if create && r.required && isEmpty(value) {
			return &problem{r.name, "is required"}
		}
		if value == nil {
			continue
		}
		switch {
		case !isNull(value):
		case create:
			o.remove(r.name)
			continue
		default:
			o.set(r.name, []byte(r.empty))
			continue
		}
		kept, p := r.check(value)
		if p != nil {
			return p.within(r.name)
		}
		o.set(r.name, kept)
	}
	return nil
}

// isEmpty reports whether a value is absent or says nothing: null, "", {} or [].
func isEmpty(v []byte) bool {
	switch {
	case len(v) == 0, isNull(v):
		return true
	case isString(v):
		return strings.TrimSpace(unquote(v)) == ""
	case isObject(v), isArray(v):
		return skipSpace(v, 1) == len(v)-1
	}
	return false
}

func anyText(v []byte) ([]byte, *problem) {
	if !isString(v) {
		return nil, wrong("must be a string")
	}
	return v, nil
}

func anyBool(v []byte) ([]byte, *problem) {
	if !isBool(v) {
		return nil, wrong("must be true or false")
	}
	return v, nil
}

func anyObject(v []byte) ([]byte, *problem) {
	if !isObject(v) {
		return nil, wrong("must be an object")
	}
	return v, nil
}

// anyValue takes what no page describes.
func anyValue(v []byte) ([]byte, *problem) { return v, nil }

// identifier takes a string or a number and keeps it as it came.
func identifier(v []byte) ([]byte, *problem) {
	if !isString(v) && (!isNumber(v) || decimal(string(v)) == nil) {
		return nil, wrong("must be a string or a number of at most " + strconv.Itoa(maxDigits) + " digits")
	}
	return v, nil
}

// code takes a string or a number and keeps a string: the caller's own keys are strings, whatever their digits.
func code(v []byte) ([]byte, *problem) {
	text, ok := scalarText(v)
	if !ok {
		return nil, wrong("must be a string or a number")
	}
	return quoted(text), nil
}

// oneOf takes one of the words given, as a string.
func oneOf(words ...string) check {
	return func(v []byte) ([]byte, *problem) {
		if isString(v) && contains(words, unquote(v)) {
			return v, nil
		}
		return nil, wrong("must be one of " + strings.Join(words, ", "))
	}
}

// choice takes one of a few small numbers, as a number or a string, and keeps a number, which is how the vendor prints
// it. An empty string means the first.
func choice(numbers ...string) check {
	return func(v []byte) ([]byte, *problem) {
		text, ok := scalarText(v)
		switch {
		case ok && text == "":
			return []byte(numbers[0]), nil
		case ok && contains(numbers, text):
			return []byte(text), nil
		}
		return nil, wrong("must be one of " + strings.Join(numbers, ", "))
	}
}

// amount takes money or a quantity as a number or as numeric text.
func amount(v []byte) ([]byte, *problem) {
	text, ok := scalarText(v)
	if !ok || text != "" && decimal(text) == nil {
		return nil, wrong("must be a number, or a string that holds one")
	}
	return v, nil
}

// number takes what amount takes and keeps a number: the vendor prints the money of orders so.
func number(v []byte) ([]byte, *problem) {
	if _, p := amount(v); p != nil {
		return nil, p
	}
	text, _ := scalarText(v)
	if text == "" {
		return v, nil
	}
	if !isNumber(v) && !plainNumber(text) {
		text = decimalText(decimal(text))
	}
	return []byte(text), nil
}

// numericText takes what amount takes and keeps a string: the vendor declares a product's value so.
func numericText(v []byte) ([]byte, *problem) {
	if _, p := amount(v); p != nil {
		return nil, p
	}
	text, _ := scalarText(v)
	return quoted(text), nil
}

func milliseconds(v []byte) ([]byte, *problem) {
	text, ok := scalarText(v)
	if !ok {
		return nil, wrong("must be a time in epoch milliseconds")
	}
	if text == "" {
		return v, nil
	}
	if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		return nil, wrong("must be a time in epoch milliseconds")
	}
	return []byte(text), nil
}

// listOf takes an array whose elements each pass.
func listOf(element check) check {
	return func(v []byte) ([]byte, *problem) {
		elements, ok := splitArray(v)
		if !ok {
			return nil, wrong("must be an array")
		}
		if len(elements) > maxFields {
			return nil, wrong(fmt.Sprintf("has more than %d elements", maxFields))
		}
		for i, e := range elements {
			if _, p := element(e); p != nil {
				return nil, p.within("[" + strconv.Itoa(i) + "]")
			}
		}
		return v, nil
	}
}

// objectOf takes an object whose documented fields each pass.
func objectOf(rules ...rule) check {
	return func(v []byte) ([]byte, *problem) {
		o, ok := splitObject(v)
		if !ok {
			return nil, wrong("must be an object")
		}
		if len(o) > maxFields {
			return nil, wrong(fmt.Sprintf("has more than %d fields", maxFields))
		}
		for _, r := range rules {
			value := o.get(r.name)
			if r.required && isEmpty(value) {
				return nil, &problem{r.name, "is required"}
			}
			if value == nil || isNull(value) {
				continue
			}
			if _, p := r.check(value); p != nil {
				return nil, p.within(r.name)
			}
		}
		return v, nil
	}
}

// tagList takes an array of strings, or the lone string that the table declares, and keeps an array, as the vendor
// prints it.
func tagList(v []byte) ([]byte, *problem) {
	if isString(v) {
		if unquote(v) == "" {
			return []byte("[]"), nil
		}
		return append(append([]byte{'['}, v...), ']'), nil
	}
	return listOf(anyText)(v)
}

// The field shapes that several endpoints share.
func contactPoints() check { // phones, e-mails
	return listOf(objectOf(rule{name: "type", check: anyText}, rule{name: "value", required: true, check: anyText}, rule{name: "_id", check: identifier}))
}

func customFields() check {
	return listOf(objectOf(rule{name: "name", required: true, check: anyText}, rule{name: "value", check: anyValue}))
}

func address() check {
	return objectOf(append(texts("type street streetName wards state city cityCode stateCode wardsCode zip"),
		rule{name: "country", check: objectOf(texts("code name")...)}, rule{name: "_id", check: identifier})...)
}

// maxDigits bounds numeric text: arithmetic on "1e999999999" would never end.
const maxDigits = 60

// decimal reads plain decimal text exactly; nil when it is none. Exponents are taken only where they are small.
func decimal(text string) *big.Rat {
	if text == "" || len(text) > maxDigits || strings.ContainsAny(text, "/xXoObBpP_ ") {
		return nil
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		if n, err := strconv.Atoi(exponent); err != nil || n > maxDigits || n < -maxDigits {
			return nil
		}
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return r
}

// decimalText prints a decimal without exponent and without needless zeros; a fraction without end is cut at 20 places.
func decimalText(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	places, exact := r.FloatPrec()
	if !exact {
		places = 20
	}
	return r.FloatString(places)
}

// plainNumber reports whether numeric text may stand in JSON as a number as it is.
func plainNumber(text string) bool {
	whole, fraction, hasFraction := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	return digits(whole) && (!hasFraction || fraction != "" && strings.Trim(fraction, "0123456789") == "")
}
