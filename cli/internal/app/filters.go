package app

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/antbuddy/antcrm-go"
)

// filters are the flags of a list's parameters. Each is bound to the field of the Params struct that it sets.
type filters struct{ *pflag.FlagSet }

// textFlag binds a text, an identifier or a code.
func textFlag[T ~string](f filters, into *T, name, help string) {
	f.Var(textValue[T]{into}, name, help)
}

type textValue[T ~string] struct{ into *T }

func (v textValue[T]) String() string {
	if v.into == nil {
		return "" // pflag asks a zero value for the default
	}
	return string(*v.into)
}

func (v textValue[T]) Set(s string) error { *v.into = T(s); return nil }
func (v textValue[T]) Type() string       { return "text" }

// from and to bind a time; a day given to the latter includes that day.
func (f filters) from(into *time.Time, name, help string) {
	f.Var(&timeValue{into: into}, name, help)
}

func (f filters) to(into *time.Time, name, help string) {
	f.Var(&timeValue{into: into, end: true}, name, help)
}

// period binds the two ends of what nearly every list can be cut by.
func (f filters) period(from, to *time.Time, what string) {
	f.from(from, "from", what+" at or after: 2024-03-13, 2024-03-13T06:24:20Z, today, or 7d and 12h ago")
	f.to(to, "to", what+" at or before; a day includes that day")
}

type timeValue struct {
	into *time.Time
	end  bool
	text string
}

func (v *timeValue) String() string { return v.text }
func (v *timeValue) Type() string   { return "time" }

func (v *timeValue) Set(text string) error {
	t, err := parseTime(text, time.Now(), v.end)
	if err != nil {
		return err
	}
	*v.into, v.text = t, text
	return nil
}

// parseTime reads a day or a time in the zone of this machine, or how long ago. The end of a day is its last millisecond.
func parseTime(text string, now time.Time, end bool) (time.Time, error) {
	switch text {
	case "now":
		return now, nil
	case "today":
		return day(now, end), nil
	case "yesterday":
		return day(now.AddDate(0, 0, -1), end), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return day(t, end), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if number, ok := strings.CutSuffix(text, "d"); ok {
		if days, err := strconv.ParseUint(number, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(days)), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, errors.New("not a time: give 2024-03-13, 2024-03-13T06:24:20Z, today, yesterday, 7d or 12h")
}

func day(t time.Time, end bool) time.Time {
	start := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
	if end {
		return start.AddDate(0, 0, 1).Add(-time.Millisecond)
	}
	return start
}

// kind binds the sorts of contacts, which are two fields on the wire.
func (f filters) kind(p *antcrm.ContactListParams) {
	const help = "lead, customer, person or account; a person is a customer of type 0, an account one of type 1"
	f.Func("kind", help, func(kind string) error {
		switch kind {
		case "lead", "customer":
			p.ContactType = kind
		case "person":
			p.ContactType, p.Kind = antcrm.ContactTypeCustomer, antcrm.KindPerson
		case "account":
			p.ContactType, p.Kind = antcrm.ContactTypeCustomer, antcrm.KindAccount
		default:
			return errors.New("must be lead, customer, person or account")
		}
		return nil
	})
	f.values("kind", "lead", "customer", "person", "account")
}

// values notes what a flag may be given, for completion.
func (f filters) values(name string, values ...string) {
	f.Lookup(name).Annotations = map[string][]string{valuesNote: values}
}

// choice binds a text for which the vendor names values. It is passed as given: there may be more by now.
func choice[T ~string](f filters, into *T, name, help string, values ...string) {
	textFlag(f, into, name, help)
	f.values(name, values...)
}

// valuesNote is where a flag keeps its values, for completion.
const valuesNote = "values"

// completeValues offers the values of flags that have some.
func completeValues(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if values := f.Annotations[valuesNote]; values != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	})
}

// page and pageSize bind where a list begins and how much it asks for at a time.
func (f filters) page(into *int) {
	f.count(into, "page", "begin at page `N`, counted from 1")
}

func (f filters) pageSize(into *int) {
	f.count(into, "page-size", "ask for `N` records a request; the service may not honour more than 20 (100 for calls and ratings)")
}

// count binds a number that is not negative; 0 is the default's value.
func (f filters) count(into *int, name, help string) { f.Var((*countValue)(into), name, help) }

type countValue int

func (v *countValue) String() string {
	if *v == 0 {
		return "" // no default to print
	}
	return strconv.Itoa(int(*v))
}

func (v *countValue) Type() string { return "number" }

func (v *countValue) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("must be a number from 0 on")
	}
	*v = countValue(n)
	return nil
}
