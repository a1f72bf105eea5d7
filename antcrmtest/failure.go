package antcrmtest

import (
	"fmt"
	"net/http"
)

// failure is a refusal: the status, and a body that says which field broke which rule.
type failure struct {
	status  int
	code    string
	field   string // the path of the field, "" when it is the whole request
	message string
	docs    string // where the rule is written down
	shape   string // how it is answered, "" as the server answers refusals
}

func (f *failure) Error() string { return f.message }

// body prints the refusal. No page of the vendor shows one; this shape is that of a sister product.
func (f *failure) body() []byte {
	o := object{
		{"success", []byte("false")},
		{"message", quoted(f.message)},
		{"code", quoted(f.code)},
	}
	if f.field != "" {
		o.set("field", quoted(f.field))
	}
	if f.docs != "" {
		o.set("docs", quoted(f.docs))
	}
	return o.encode()
}

func badRequest(code, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

// badField refuses one field: path names it, rule says what it must be.
func badField(path, rule string) *failure {
	f := badRequest("INVALID_FIELD", "%s: %s", path, rule)
	f.field = path
	return f
}

func missingField(path string) *failure {
	f := badRequest("FIELD_REQUIRED", "%s: is required", path)
	f.field = path
	return f
}

func notFound(format string, args ...any) *failure {
	return &failure{status: http.StatusNotFound, code: "NOT_FOUND", message: fmt.Sprintf(format, args...)}
}
