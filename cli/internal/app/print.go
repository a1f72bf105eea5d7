package app

import (
	"encoding/json"
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/antbuddy/antcrm-go/cli/internal/output"
)

// printer opens the output of a command on stdout.
func (a *app) printer(opts output.Options) (*output.Writer, error) {
	opts.Columns = a.flags.columns
	if opts.Format = a.flags.output; opts.Format == "" {
		opts.Format = output.JSONL
		if isTerminal(a.stdout) {
			opts.Format = output.Table
		}
	}
	if opts.Format == output.CSV {
		opts.Single = false
	}
	return output.New(a.stdout, a.forStdout(opts))
}

// forStdout fits an output to the terminal where stdout is one.
func (a *app) forStdout(opts output.Options) output.Options {
	if opts.Terminal = isTerminal(a.stdout); opts.Terminal {
		opts.Width, opts.Color = a.widthOf(a.stdout), a.color()
	}
	return opts
}

// widthOf is a terminal's width: COLUMNS if the user says so, else what the terminal says.
func (a *app) widthOf(terminal *os.File) int {
	if n, err := strconv.Atoi(a.getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if n, _, err := term.GetSize(int(terminal.Fd())); err == nil && n > 0 {
		return n
	}
	return 80
}

// color follows no-color.org and dumb terminals.
func (a *app) color() bool {
	return !a.flags.noColor && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// printOne prints one record.
func (a *app) printOne(raw json.RawMessage, opts output.Options) error {
	opts.Single = true
	w, err := a.printer(opts)
	if err != nil {
		return err
	}
	if err := w.Write(raw); err != nil {
		return err
	}
	return w.Close()
}

// progressTerminal is where a progress bar goes: stderr, if a person looks at it. On a terminal without a size, as some containers have, a bar would have
// no room, and lines are printed instead.
func (a *app) progressTerminal() *os.File {
	if a.flags.quiet || !isTerminal(a.stderr) || a.getenv("TERM") == "dumb" {
		return nil
	}
	if width, _, err := term.GetSize(int(a.stderr.Fd())); err != nil || width == 0 {
		return nil
	}
	return a.stderr
}
