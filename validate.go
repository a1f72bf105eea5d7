package antcrm

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// validator is a request body that knows its own rules.
type validator interface {
	// validate returns a *ValidationError, or nil.
	validate() error
}

// checkParams checks a body before anything is sent: first the endpoint's own rules, then those that hold for every
// value. Encoding it cannot fail afterwards.
func checkParams(body validator) error {
	if err := body.validate(); err != nil {
		return err
	}
	if failure := checkValue(reflect.ValueOf(body)); failure != nil {
		return failure
	}
	return nil
}

// required reports a text that is missing.
func required(field, value string) error {
	if strings.TrimSpace(value) == "" {
		return invalid(field, "is required")
	}
	return nil
}

// checkText reports a text that cannot be encoded.
func checkText(field, value string) error {
	if !utf8.ValidString(value) {
		return invalid(field, "is not valid UTF-8")
	}
	return nil
}

// firstError returns the first error of several checks.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	typeRawMessage  = reflect.TypeFor[json.RawMessage]()
	typeDecimal     = reflect.TypeFor[Decimal]()
	typeDecimalText = reflect.TypeFor[DecimalText]()
	typeTimestamp   = reflect.TypeFor[Timestamp]()
)

// checkValue walks a body: texts must be UTF-8 (an encoder would silently replace the bytes of a customer's data),
// decimals must be numbers, raw values must be JSON. The path of a bad field is put together on the way back, so that
// good values cost no allocation.
//
// An encoder that reports these errors would not save time: a batch checks all its records before it sends the first,
// and cannot keep them all encoded, so it would encode each of them twice.
func checkValue(v reflect.Value) *ValidationError {
	switch v.Kind() {
	case reflect.String:
		return checkString(v)
	case reflect.Pointer:
		if !v.IsNil() {
			return checkValue(v.Elem())
		}
	case reflect.Slice:
		return checkSlice(v)
	case reflect.Struct:
		if v.Type() != typeTimestamp {
			return checkStruct(v)
		}
	}
	return nil
}

func checkString(v reflect.Value) *ValidationError {
	text := v.String()
	if text == "" {
		return nil
	}
	if t := v.Type(); t == typeDecimal || t == typeDecimalText {
		if !Decimal(text).Valid() {
			return invalid("", "is not a decimal number")
		}
		return nil
	}
	if !utf8.ValidString(text) {
		return invalid("", "is not valid UTF-8")
	}
	return nil
}

func checkSlice(v reflect.Value) *ValidationError {
	if v.Type() == typeRawMessage {
		if raw := v.Bytes(); raw != nil && !json.Valid(raw) {
			return invalid("", "is not valid JSON")
		} else if !utf8.Valid(raw) {
			return invalid("", "is not valid UTF-8")
		}
		return nil
	}
	for i := range v.Len() {
		if failure := checkValue(v.Index(i)); failure != nil {
			failure.Field = joinPath("["+strconv.Itoa(i)+"]", failure.Field)
			return failure
		}
	}
	return nil
}

func checkStruct(v reflect.Value) *ValidationError {
	for i := range v.NumField() {
		if failure := checkValue(v.Field(i)); failure != nil {
			// The fields of an embedded struct are flat in the JSON.
			failure.Field = joinPath(wireName(v.Type().Field(i)), failure.Field)
			return failure
		}
	}
	return nil
}

func wireName(field reflect.StructField) string {
	if field.Anonymous {
		return ""
	}
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// joinPath joins phones and [1].value, and [1] and value.
func joinPath(outer, inner string) string {
	if outer == "" || inner == "" || inner[0] == '[' {
		return outer + inner
	}
	return outer + "." + inner
}
