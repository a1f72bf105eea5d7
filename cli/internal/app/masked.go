package app

import (
	"regexp"
	"strings"
)

// secretShape is what keys look like: long, without dots, slashes and colons, of letters and digits.
var secretShape = regexp.MustCompile(`^[A-Za-z0-9_=+-]{16,}$`)

// masked is a word of the command line for an error. What may be a key, put there by mistake, is not shown.
func masked(word string) string {
	_, value, found := strings.Cut(word, "=")
	if !found {
		value = strings.TrimLeft(word, "-")
	}
	if secretShape.MatchString(value) && strings.ContainsAny(value, "0123456789") {
		return "(not shown: it may be a key)"
	}
	return word
}
