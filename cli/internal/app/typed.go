package app

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// typed is the command line as it was typed, to be printed with changes. No flag holds the key.
type typed struct {
	args  []string
	flags *pflag.FlagSet // all that the command takes
}

// change is what is different in a command line that is printed.
type change struct {
	file    string                               // in the place of the last argument; "": that one stays
	without []string                             // the names of flags to leave out
	with    []string                             // flags to add, with their values
	shown   map[string]func(value string) string // by flag: what is printed of its value
}

// with is the command line to type, as a shell takes it.
func (t typed) with(c change) string {
	words := []string{"antcrm"}
	last, dashes := -1, -1
	for i := 0; i < len(t.args); i++ {
		arg := t.args[i]
		switch {
		case dashes < 0 && arg == "--":
			dashes = len(words)
		case dashes >= 0 || arg == "-" || !strings.HasPrefix(arg, "-"):
			last = len(words)
		default:
			kept, used := t.flagAt(i, c)
			words = append(words, kept...)
			i += used - 1
			continue
		}
		words = append(words, quoted(arg))
	}
	if c.file != "" && last >= 0 {
		words[last] = quoted(c.file)
		if strings.HasPrefix(c.file, "-") && dashes < 0 {
			words[last] = quoted("./" + c.file)
		}
	}
	var added []string
	for _, word := range c.with {
		added = append(added, quoted(word))
	}
	if dashes >= 0 {
		return strings.Join(slices.Insert(words, dashes, added...), " ")
	}
	return strings.Join(append(words, added...), " ")
}

// flagAt is what is printed of the flag that stands at a place, and how many words it has taken.
func (t typed) flagAt(place int, c change) (kept []string, used int) {
	word := t.args[place]
	name, takesNext := t.flag(word)
	takesNext = takesNext && place+1 < len(t.args)
	show := c.shown[name]
	if show == nil {
		show = func(value string) string { return value }
	}
	flag, value, joined := strings.Cut(word, "=")
	switch {
	case slices.Contains(c.without, name):
	case takesNext:
		kept = []string{quoted(word), quoted(show(t.args[place+1]))}
	case joined:
		kept = []string{quoted(flag + "=" + show(value))}
	default:
		kept = []string{quoted(word)}
	}
	if takesNext {
		return kept, 2
	}
	return kept, 1
}

// flag is the name of the flag in a word, and whether the next word is its value.
func (t typed) flag(word string) (name string, takesNext bool) {
	if long, ok := strings.CutPrefix(word, "--"); ok {
		name, _, hasValue := strings.Cut(long, "=")
		f := t.flags.Lookup(name)
		return name, f != nil && f.NoOptDefVal == "" && !hasValue
	}
	for i, letter := range word[1:] {
		f := t.flags.ShorthandLookup(string(letter))
		if f == nil {
			return "", false
		}
		if f.NoOptDefVal == "" {
			return f.Name, i+2 == len(word)
		}
	}
	return "", false
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-+:@%=,") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
