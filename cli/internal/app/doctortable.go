package app

import (
	"fmt"
	"strings"

	"github.com/antbuddy/antcrm-go/cli/internal/output"
	"github.com/antbuddy/antcrm-go/probe"
)

// contractTable prints a report, grouped by what it means for the reader.
type contractTable struct {
	doc     probe.Document
	width   int
	colored bool
	write   bool
	out     strings.Builder
}

// The colours of the groups' titles.
const (
	red    = "\x1b[1;31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	gray   = "\x1b[90m"
	plain  = "\x1b[0m"
)

// String is the table.
func (t *contractTable) String() string {
	t.width = max(40, min(t.width, 120))
	if t.doc.Stopped != "" {
		t.paragraph("", t.doc.Stopped+" What was seen so far:")
	}
	t.out.WriteByte('\n')
	t.differences("DIFFERS: do this", red, needsAction)
	t.differences("DIFFERS: nothing to do", yellow, func(f probe.Finding) bool { return f.Answer == probe.Differs && !needsAction(f) })
	t.asDecided()
	t.cannotTell()
	t.leftovers()
	t.unknownFields()
	t.summary()
	return t.out.String()
}

func (t *contractTable) pick(keep func(probe.Finding) bool) []probe.Finding {
	var list []probe.Finding
	for _, f := range t.doc.Findings {
		if keep(f) {
			list = append(list, f)
		}
	}
	return list
}

func (t *contractTable) title(text, color string, n int) {
	text = fmt.Sprintf("%s (%d)", text, n)
	if t.colored {
		text = color + text + plain
	}
	t.out.WriteString(text + "\n")
}

// differences prints what the server does, what that means and what to do.
func (t *contractTable) differences(title, color string, keep func(probe.Finding) bool) {
	list := t.pick(keep)
	if len(list) == 0 {
		return
	}
	t.title(title, color, len(list))
	for _, f := range list {
		t.paragraph("  ", f.ID+": "+inCommandWords(f.Observed))
		t.labelled("means", inCommandWords(f.Consequence))
		if needsAction(f) {
			t.labelled("do", inCommandWords(f.Advice))
		}
	}
	t.out.WriteByte('\n')
}

func (t *contractTable) labelled(label, text string) {
	t.wrap(fmt.Sprintf("    %-7s", label), strings.Repeat(" ", 11), text)
}

func (t *contractTable) asDecided() {
	list := t.pick(func(f probe.Finding) bool { return f.Answer == probe.AsDecided })
	t.title("AS DECIDED", green, len(list))
	for _, f := range list {
		t.wrap(fmt.Sprintf("  %-28s", f.ID), strings.Repeat(" ", 30), inCommandWords(f.Observed))
	}
	t.out.WriteByte('\n')
}

// cannotTell prints the reasons, each with the questions that it left open.
func (t *contractTable) cannotTell() {
	list := t.pick(func(f probe.Finding) bool { return f.Answer == probe.CannotTell })
	if len(list) == 0 {
		return
	}
	t.title("CANNOT TELL", gray, len(list))
	var reasons []string
	open := map[string][]string{}
	for _, f := range list {
		if open[f.Observed] == nil {
			reasons = append(reasons, f.Observed)
		}
		open[f.Observed] = append(open[f.Observed], f.ID)
	}
	for _, reason := range reasons {
		t.paragraph("  ", inCommandWords(reason))
		t.wrap("    ", "    ", strings.Join(open[reason], ", "))
	}
	t.out.WriteByte('\n')
}

func (t *contractTable) leftovers() {
	if len(t.doc.Leftovers) == 0 {
		return
	}
	t.title("NOT DELETED: delete these records of the probe by hand", red, len(t.doc.Leftovers))
	for _, key := range t.doc.Leftovers {
		t.out.WriteString("  " + output.Clean(key) + "\n")
	}
	t.out.WriteByte('\n')
}

func (t *contractTable) unknownFields() {
	if len(t.doc.Fields) == 0 {
		return
	}
	t.title("FIELDS that no page documents: -o json shows them", gray, len(t.doc.Fields))
	for _, f := range t.doc.Fields {
		t.wrap("  ", "    ", fmt.Sprintf("%s.%s, %s, on %s", f.Resource, f.Name, f.JSONKind, plural(f.Seen, "records")))
	}
	t.out.WriteByte('\n')
}

func (t *contractTable) summary() {
	count := map[probe.Answer]int{}
	for _, f := range t.doc.Findings {
		count[f.Answer]++
	}
	text := fmt.Sprintf("%d questions: %d as decided, %d differ, %d cannot be told.", len(t.doc.Findings), count[probe.AsDecided], count[probe.Differs], count[probe.CannotTell])
	t.paragraph("", text)
	if !t.write && t.doc.Stopped == "" {
		t.paragraph("", "Nothing was written; with --write more can be told.")
	}
}

func (t *contractTable) paragraph(indent, text string) { t.wrap(indent, indent+"  ", text) }

// wrap prints a text in lines of the width. first begins the first line, rest the others.
func (t *contractTable) wrap(first, rest, text string) {
	line, empty := first, true
	for word := range strings.FieldsSeq(output.Clean(text)) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > t.width {
			t.out.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	t.out.WriteString(line + "\n")
}
