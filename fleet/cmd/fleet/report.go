package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

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
	live := isTerminal(c.stdout) && !*asJSON
	drawn := 0
	for {
		s, err := f.Status(ctx)
		if err != nil {
			if ctx.Err() != nil && live {
				return nil
			}
			return err
		}
		if !live {
			encoder := json.NewEncoder(c.stdout)
			encoder.SetIndent("", "  ")
			return encoder.Encode(s)
		}
		text := render(s)
		if drawn > 0 {
			text = fmt.Sprintf("\x1b[%dA\x1b[J", drawn) + text
		}
		if _, err := io.WriteString(c.stdout, text); err != nil {
			return err
		}
		drawn = strings.Count(render(s), "\n")
		if sleep(ctx, *every) != nil {
			return nil
		}
	}
}

// isTerminal needs no more than to tell a terminal from a pipe or a file.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

func render(s *fleet.Status) string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s  workers alive %d  %.0f records/s  lag %d chunks  busy %d\n", s.Time.Local().Format(time.TimeOnly), s.Alive, s.Rate, s.Lag, s.Busy)
	for _, j := range s.Jobs {
		_, _ = fmt.Fprintf(&b, "%-24s %s  done %d  rejected %d  unknown %d  not sent %d  %s\n",
			j.Job, progress(j), j.Totals.Done, j.Totals.Rejected, j.Totals.Unknown, j.Totals.NotSent, stage(j, s.Rate))
	}
	for _, w := range s.Workers {
		if w.Alive {
			_, _ = fmt.Fprintf(&b, "  %s pid %d  %d chunks in flight  %.0f records/s  up %s\n", w.Host, w.PID, w.InFlight, w.Rate, time.Since(w.Started).Round(time.Second))
		}
	}
	return b.String()
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
func results(ctx context.Context, c *command, args []string) (err error) {
	job := c.flags.String("job", "", "`name` of the job")
	output := c.flags.String("o", "-", "`file` to write, mode 0600; - for the standard output")
	only := c.flags.String("only", "", "print only records with these outcomes: done, rejected, unknown, not sent; commas between")
	if err := c.parseBare(args); err != nil {
		return err
	}
	if *job == "" {
		return usage("fleet results -job NAME")
	}
	wanted := map[string]bool{}
	for outcome := range strings.SplitSeq(*only, ",") {
		if outcome = strings.TrimSpace(outcome); outcome != "" {
			wanted[outcome] = true
		}
	}
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	to := c.stdout
	if *output != "-" {
		file, err := os.OpenFile(*output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		to = file
	}
	return writeResults(ctx, f, *job, to, wanted)
}

func writeResults(ctx context.Context, f *fleet.Fleet, job string, to io.Writer, wanted map[string]bool) error {
	table := csv.NewWriter(to)
	if err := table.Write([]string{"index", "key", "type", "outcome", "reference", "pending", "error"}); err != nil {
		return err
	}
	for r, err := range f.Results(ctx, job) {
		if err != nil {
			table.Flush()
			return err
		}
		if len(wanted) > 0 && !wanted[r.Outcome.String()] {
			continue
		}
		row := []string{strconv.FormatInt(r.Index, 10), r.Key, r.Group, r.Outcome.String(), r.Ref.String(), strconv.FormatBool(r.Pending), r.Error}
		if err := table.Write(row); err != nil {
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
	return f.Purge(ctx, *job, *force)
}
