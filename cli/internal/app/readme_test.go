package app_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

const readme = "../../README.md"

// pictured NAME LABEL SOURCE… compares a picture of the README with a run: lines as they stand there, each before what a file, stdout or stderr holds. What
// differs from run to run, such as addresses, is not in a picture. ANTCRM_WRITE_DOCS=1 renews it.
func pictured(ts *testscript.TestScript, _ bool, args []string) {
	var text strings.Builder
	for i := 1; i+1 < len(args); i += 2 {
		text.WriteString(args[i] + "\n" + strings.ReplaceAll(ts.ReadFile(args[i+1]), "\t", "  "))
	}
	name := args[0]
	if shown := picture(ts, name, text.String()); shown != text.String() {
		ts.Fatalf("the picture %s of the README is\n%s\nand the run is\n%s\nrenew it: ANTCRM_WRITE_DOCS=1 go test -run Scripts/pictures ./internal/app", name, shown, text.String())
	}
}

// movie NAME LABEL compares a line of progress in the README with all that a terminal showed: its numbers and the length of the bar are those of one moment.
func movie(ts *testscript.TestScript, _ bool, args []string) {
	frames := framesOf(ts.ReadFile("ttyout"))
	if len(frames) == 0 {
		ts.Fatalf("the terminal showed no progress: %q", ts.ReadFile("ttyout"))
	}
	shown := picture(ts, args[0], fmt.Sprintf("%s\n%s\n", args[1], frames[len(frames)/2]))
	_, line, _ := strings.Cut(strings.TrimSuffix(shown, "\n"), "\n")
	like := regexp.MustCompile("^" + number.ReplaceAllString(blank.ReplaceAllString(bar.ReplaceAllString(regexp.QuoteMeta(line), `\[=*>?-*\]`), " +"), `\d+`) + "$")
	for _, frame := range frames {
		if like.MatchString(frame) {
			return
		}
	}
	ts.Fatalf("the README shows %q, and no moment of the run is like it: %q", line, frames)
}

var (
	bar     = regexp.MustCompile(`\\\[=*>?-*\\\]`)
	number  = regexp.MustCompile(`\d+`)
	blank   = regexp.MustCompile(` +`)
	control = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
)

// framesOf are the lines with a bar that a terminal showed, without what moves the cursor.
func framesOf(text string) (frames []string) {
	for _, line := range strings.FieldsFunc(control.ReplaceAllString(text, "\n"), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); strings.Contains(line, "/s, ") && strings.Contains(line, " left") {
			frames = append(frames, line)
		}
	}
	return frames
}

// picture is a picture of the README. With ANTCRM_WRITE_DOCS it is the one of this run from now on.
func picture(ts *testscript.TestScript, name, renewed string) string {
	text, err := os.ReadFile(readme)
	ts.Check(err)
	begin := "<!-- picture: " + name + " -->\n```text\n"
	before, rest, found := strings.Cut(string(text), begin)
	shown, after, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		ts.Fatalf("the README has no picture %s", name)
	}
	if os.Getenv("ANTCRM_WRITE_DOCS") == "" {
		return shown
	}
	ts.Check(os.WriteFile(readme, []byte(before+begin+renewed+"```\n"+after), 0o600))
	return renewed
}
