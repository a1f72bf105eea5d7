package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/fleet"
)

// status prints how the fleet stands: again and again on a terminal, once and
// as JSON elsewhere.
func status(ctx context.Context, c *command, args []string) error {
	asJSON := c.flags.Bool("json", false, "print JSON once, also on a terminal")
	every := c.flags.Duration("every", 2*time.Second, "how often a terminal is brought up to date")
	if err := c.parseBare(args); err != nil {
		return err
	}
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	terminal, live := terminalOf(c.stdout)
	live = live && !*asJSON
	drawn := 0
	for {
		s, err := f.Status(ctx)
		if err != nil && !live {
			return err
		}
		if !live {
			encoder := json.NewEncoder(c.stdout)
			encoder.SetIndent("", "  ")
			return encoder.Encode(s)
		}
		lines := []string{"the server does not answer: another process takes it over, or the cluster chooses a leader"}
		if err == nil {
			lines = render(s)
		}
		if width, height, err := term.GetSize(terminal); err == nil {
			lines = fit(lines, width, height)
		}
		text := strings.Join(lines, "\n") + "\n"
		if drawn > 0 {
			text = fmt.Sprintf("\x1b[%dA\x1b[J", drawn) + text
		}
		if _, err := io.WriteString(c.stdout, text); err != nil {
			return err
		}
		drawn = len(lines)
		if sleep(ctx, *every) != nil {
			return nil
		}
	}
}

// terminalOf tells a terminal that can be drawn on from a pipe or a file.
func terminalOf(w io.Writer) (descriptor int, ok bool) {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return 0, false
	}
	descriptor = int(file.Fd())
	return descriptor, term.IsTerminal(descriptor)
}

// render is the status for people: the workers first, the latest job last.
func render(s *fleet.Status) (lines []string) {
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	line("%s  workers alive %d  %.0f records/s  lag %d chunks  busy %d", s.Time.Local().Format(time.TimeOnly), s.Alive, s.Rate, s.Lag, s.Busy)
	if s.Paused {
		line("  paused: no worker takes chunks until fleet resume")
	}
	for _, w := range s.Workers {
		switch {
		case !w.Alive:
		case w.Waiting != "":
			line("  %s pid %d  waits: %s", w.Host, w.PID, w.Waiting)
		default:
			line("  %s pid %d  %d chunks in flight  %.0f records/s  up %s", w.Host, w.PID, w.InFlight, w.Rate, s.Time.Sub(w.Started).Round(time.Second))
		}
	}
	for _, j := range s.Jobs {
		line("%s  %s  %s", progress(j), j.Job, stage(j, s.Rate))
		line("  done %d  rejected %d  unknown %d  not sent %d", j.Totals.Done, j.Totals.Rejected, j.Totals.Unknown, j.Totals.NotSent)
	}
	return lines
}

// fit cuts what would wrap or scroll, and could not be drawn over: the ends of
// lines, and the lines after the first that are furthest from the end.
func fit(lines []string, width, height int) []string {
	if rows := max(height-1, 2); len(lines) > rows {
		lines = append(lines[:1:1], lines[len(lines)-rows+1:]...)
	}
	for i, text := range lines {
		if runes := []rune(text); len(runes) > width {
			lines[i] = string(runes[:width])
		}
	}
	return lines
}

func progress(j fleet.JobStatus) string {
	const width = 20
	share := 0.0
	if j.Chunks > 0 {
		share = float64(j.Settled) / float64(j.Chunks)
	}
	full := int(share * width)
	return fmt.Sprintf("[%s%s] %3.0f %%", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*share)
}

func stage(j fleet.JobStatus, rate float64) string {
	switch {
	case j.Finished != nil:
		return "finished"
	case !j.Fed:
		return "being fed"
	case rate >= 1:
		left := float64(j.Records-j.Totals.All()) / rate
		return "about " + (time.Duration(left) * time.Second).String() + " left"
	}
	return "waiting"
}

// results writes what became of each record, as CSV.
func results(ctx context.Context, c *command, args []string) error {
	job := c.flags.String("job", "", "`name` of the job")
	output := c.flags.String("o", "-", "`file` to write, readable by you alone; - for the standard output")
	only := c.flags.String("only", "", "print only records with these outcomes: done, rejected, unknown, not sent; commas between")
	if err := c.parseBare(args); err != nil {
		return err
	}
	if *job == "" {
		return usage("fleet results -job NAME")
	}
	wanted, err := outcomeSet(*only)
	if err != nil {
		return err
	}
	return c.write(ctx, *output, func(f *fleet.Fleet, to io.Writer) error {
		return writeResults(ctx, f, *job, to, wanted)
	})
}

// outcomeSet reads a list of outcomes.
func outcomeSet(list string) (map[string]bool, error) {
	wanted := map[string]bool{}
	for outcome := range strings.SplitSeq(list, ",") {
		switch outcome = strings.TrimSpace(outcome); outcome {
		case "":
		case "done", "rejected", "unknown", "not sent":
			wanted[outcome] = true
		default:
			return nil, usage("-only %q: outcomes are done, rejected, unknown, not sent", outcome)
		}
	}
	return wanted, nil
}

// write opens the fleet and the file that a command writes to.
func (c *command) write(ctx context.Context, output string, do func(*fleet.Fleet, io.Writer) error) error {
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	if output == "-" {
		return do(f, c.stdout)
	}
	// A file of an earlier call is replaced only by a whole one.
	file, err := os.CreateTemp(filepath.Dir(output), filepath.Base(output)+".*")
	if err != nil {
		return err
	}
	if err := errors.Join(do(f, file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return os.Rename(file.Name(), output)
}

// rest writes the records that were not confirmed, as they were fed, one a
// line: they can be corrected and fed again under another name.
func rest(ctx context.Context, c *command, args []string) error {
	job := c.flags.String("job", "", "`name` of the job")
	output := c.flags.String("o", "-", "`file` to write, readable by you alone; - for the standard output")
	only := c.flags.String("only", "rejected, not sent", "records with these outcomes: rejected, not sent, unknown (look first: they may be in the CRM)")
	if err := c.parseBare(args); err != nil {
		return err
	}
	wanted, err := outcomeSet(*only)
	if err != nil {
		return err
	}
	if *job == "" || len(wanted) == 0 || wanted["done"] {
		return usage("fleet records -job NAME")
	}
	return c.write(ctx, *output, func(f *fleet.Fleet, to io.Writer) error {
		for note, err := range f.Notes(ctx, *job) {
			if err != nil {
				return err
			}
			for _, record := range note.Records {
				if !wanted[record.Outcome] {
					continue
				}
				if _, err := fmt.Fprintf(to, "%s\n", record.Record); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func writeResults(ctx context.Context, f *fleet.Fleet, job string, to io.Writer, wanted map[string]bool) error {
	table := csv.NewWriter(to)
	header := []string{"index", "key", "type", "outcome", "reference", "pending", "error"}
	for r, err := range f.Results(ctx, job) {
		if err != nil {
			table.Flush()
			return err
		}
		if header != nil { // a job without results leaves no file that looks like some
			if err := table.Write(header); err != nil {
				return err
			}
			header = nil
		}
		if len(wanted) > 0 && !wanted[r.Outcome.String()] {
			continue
		}
		row := []string{strconv.FormatInt(r.Index, 10), r.Key, r.Group, r.Outcome.String(), r.Ref.String(), strconv.FormatBool(r.Pending), r.Error}
		if err := table.Write(row); err != nil {
			return err
		}
	}
	if header != nil {
		if err := table.Write(header); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

// purge removes what is kept of a job.
func purge(ctx context.Context, c *command, args []string) error {
	job := c.flags.String("job", "", "`name` of the job")
	force := c.flags.Bool("force", false, "also if it is not finished: what was not sent is then never sent")
	if err := c.parseBare(args); err != nil {
		return err
	}
	if *job == "" {
		return usage("fleet purge -job NAME")
	}
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Purge(ctx, *job, *force)
	if errors.Is(err, fleet.ErrUnfinished) {
		return fmt.Errorf("%w (-force)", err)
	}
	if err != nil {
		return err
	}
	s, err := f.JobStatus(ctx, *job)
	if err != nil {
		return err
	}
	t := s.Totals
	_, err = fmt.Fprintf(c.stderr, "job %s is purged: done %d, rejected %d, unknown %d (those that were being sent among them), not sent %d\n",
		*job, t.Done, t.Rejected, t.Unknown, t.NotSent)
	return err
}

// pause stops all workers from taking chunks.
func pause(ctx context.Context, c *command, args []string) error {
	return c.tell(ctx, args, (*fleet.Fleet).Pause)
}

// resume ends a pause.
func resume(ctx context.Context, c *command, args []string) error {
	return c.tell(ctx, args, (*fleet.Fleet).Resume)
}

// rebind binds the fleet to the account of the environment.
func rebind(ctx context.Context, c *command, args []string) error {
	force := c.flags.Bool("force", false, "also while workers of another account are listed as alive: only if you know that they are dead")
	return c.tell(ctx, args, func(f *fleet.Fleet, ctx context.Context) error {
		client, err := antcrm.NewClientFromEnv()
		if err != nil {
			return err
		}
		if *force {
			return f.ForceRebind(ctx, client)
		}
		if err = f.Rebind(ctx, client); errors.Is(err, fleet.ErrWorkersRun) {
			err = fmt.Errorf("%w (-force, if you know that they are dead)", err)
		}
		return err
	})
}

// tell opens the fleet for a command without arguments and output.
func (c *command) tell(ctx context.Context, args []string, do func(*fleet.Fleet, context.Context) error) error {
	if err := c.parseBare(args); err != nil {
		return err
	}
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f, ctx)
}
