package main

import (
	"bytes"
	"fmt"
	"go/version"
	"html"
	"os"
	"runtime"
	"strings"
)

// row is a line of the table.
type row struct {
	name   string
	figure figure
	unit   string // behind each number: "×", " %", " MB"
	bar    string // what was to be reached; "" if the row is only for comparison
	met    string // yes, no or ""
	note   string
}

func met(reached bool) string {
	if reached {
		return "yes"
	}
	return "no"
}

// chartBar is a bar of the chart: how many times as fast.
type chartBar struct {
	name   string
	figure figure
	goal   float64 // 0: none
}

// number prints three significant digits or so.
func number(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v == float64(int64(v)):
		return fmt.Sprint(int64(v))
	case v >= 20:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (r row) cells() []string {
	spread := number(r.figure.low) + " – " + number(r.figure.high)
	if r.figure.low == r.figure.high {
		spread = ""
	}
	return []string{r.name, number(r.figure.value) + r.unit, spread, r.bar, r.met, r.note}
}

var header = []string{"What", "Median", "Spread", "To reach", "Met", "Details"}

// table writes Markdown.
func table(rows []row) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	line([]string{"---", "---", "---", "---", "---", "---"})
	for _, r := range rows {
		line(r.cells())
	}
	return b.String()
}

// machine names what the figures come from.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// goRelease is the Go release that runs, such as go1.26: each has a table and a chart of its own.
func goRelease() string { return version.Lang(runtime.Version()) }

func beginMark() string { return "<!-- begin: written by benchmarks, " + goRelease() + " -->" }

func endMark() string { return "<!-- end: written by benchmarks, " + goRelease() + " -->" }

func chartFile() string { return "benchmarks-" + goRelease() + ".svg" }

// replaceMarked puts text between the two marks of a document.
func replaceMarked(document []byte, text string) ([]byte, error) {
	before, rest, found := bytes.Cut(document, []byte(beginMark()))
	_, after, closed := bytes.Cut(rest, []byte(endMark()))
	if !found || !closed {
		return nil, fmt.Errorf("the document has no place for the table of %s: %s and %s", goRelease(), beginMark(), endMark())
	}
	return fmt.Appendf(nil, "%s%s\n\n%s\n%s%s", before, beginMark(), text, endMark(), after), nil
}

// chart draws horizontal bars as a plain SVG: times as fast, the spread as a
// thin line, the goal as a tick.
func chart(bars []chartBar, caption string) string {
	const (
		left, right, top, step = 650, 70, 46, 30
		width                  = 1100
	)
	longest := 1.0
	for _, bar := range bars {
		longest = max(longest, bar.figure.value, bar.figure.high, bar.goal)
	}
	x := func(v float64) float64 { return left + v/longest*(width-left-right) }
	height := top + step*len(bars) + 30
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="10" y="22" font-size="15" fill="#1f2328">antcrm-go: times as fast (1 = the peer; dark tick = goal; thin line = spread)</text>`+"\n")
	for i, bar := range bars {
		y := top + step*i
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#1f2328">%s</text>`+"\n", left-10, y+14, html.EscapeString(bar.name))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="18" fill="#4c8bf5"/>`+"\n", left, y, x(bar.figure.value)-left)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#1f2328" stroke-opacity="0.5"/>`+"\n", x(bar.figure.low), y+9, x(bar.figure.high), y+9)
		if bar.goal > 0 {
			fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#1f2328" stroke-width="3"/>`+"\n", x(bar.goal), y-3, x(bar.goal), y+21)
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#1f2328">%s×</text>`+"\n", x(max(bar.figure.value, bar.figure.high, bar.goal))+6, y+14, number(bar.figure.value))
	}
	fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#d1242f" stroke-dasharray="4 3"/>`+"\n", x(1), top-8, x(1), top+step*len(bars))
	fmt.Fprintf(&b, `<text x="10" y="%d" fill="#59636e">%s</text>`+"\n</svg>\n", height-10, html.EscapeString(caption))
	return b.String()
}
