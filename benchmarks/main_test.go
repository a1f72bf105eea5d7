package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMain lets the test binary be the server and the importer too.
func TestMain(m *testing.M) {
	isChild, err := child()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if isChild {
		return
	}
	os.Exit(m.Run())
}

// The figures of a short run mean nothing; that every row comes about, with
// the counts that do not depend on the clock, does.
func TestAShortRunMeasuresEveryRow(t *testing.T) {
	b := &bench{rounds: 1, short: true}
	if err := b.run(t.Context(), regexp.MustCompile("")); err != nil {
		t.Fatal(err)
	}
	text := table(b.rows)
	for _, name := range []string{
		"Decode a page", "Contacts.List of 100", "oapi-codegen", "ogen", "go-json-experiment", "sonic", "without a time limit", "concurrency 64", "the server's own", "Contacts.Get", "concurrency 16", "consumer 50 ms", "WithReadAhead(8)", "one short page", "Import of", "growth",
	} {
		if !strings.Contains(text, name) {
			t.Errorf("no row %q in\n%s", name, text)
		}
	}
	for _, r := range b.rows {
		if strings.Contains(r.name, "one short page") && r.met != "yes" {
			t.Errorf("a short page made the client guess: %v requests", r.figure.value)
		}
		if strings.Contains(r.name, "concurrency 16") {
			var connections int
			if _, err := fmt.Sscan(r.note, &connections); err != nil || connections > 8 {
				t.Errorf("two batches of 8 requests: %s", r.note)
			}
		}
	}
}

func TestTheResultIsWrittenBetweenTheMarks(t *testing.T) {
	docs := t.TempDir()
	file := filepath.Join(docs, "benchmarks.md")
	if err := os.WriteFile(file, []byte("# Before\n"+beginMark()+"\nold\n"+endMark()+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := figure{value: 2.5, low: 2, high: 3}
	b := &bench{rows: []row{{name: "a row", figure: f, unit: "×", bar: "≥ 2×", met: met(true)}}, bars: []chartBar{{name: "a < row", figure: f, goal: 2}}}
	if err := b.write(docs, "caption"); err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Before\n", "caption", "| a row | 2.50× | 2 – 3 | ≥ 2× | yes |", "\nafter\n"} {
		if !strings.Contains(string(document), want) {
			t.Errorf("no %q in\n%s", want, document)
		}
	}
	if strings.Contains(string(document), "old") {
		t.Error("the old table is still there")
	}
	svg, err := os.ReadFile(filepath.Join(docs, chartFile()))
	if err != nil || !strings.Contains(string(svg), "a &lt; row") {
		t.Errorf("chart: %v\n%s", err, svg)
	}
}

func TestADocumentWithoutMarksIsLeftAlone(t *testing.T) {
	if _, err := replaceMarked([]byte("no marks"), "table"); err == nil {
		t.Error("no error")
	}
}

func TestRatiosAreOfMediansWithTheSpreadOfTheRounds(t *testing.T) {
	got := ratio([]float64{2, 4, 9}, []float64{1, 2, 3})
	if got != (figure{value: 2, low: 2, high: 3}) {
		t.Errorf("%+v", got)
	}
}

func TestAFailureOfAContestantEndsTheRun(t *testing.T) {
	failing := contestant{"failing", func(int) error { return context.Canceled }}
	if _, err := interleave(1, 1, []contestant{failing}); err == nil {
		t.Error("no error")
	}
}
