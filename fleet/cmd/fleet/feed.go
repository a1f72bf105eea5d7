package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/fleet"
	"github.com/antbuddy/antcrm-go/records"
)

// feed queues a file.
func feed(ctx context.Context, c *command, args []string) error {
	var job fleet.Job
	src := source{stdin: c.stdin, stderr: c.stderr}
	c.flags.StringVar(&job.Name, "job", "", "`name` of the job; the same file under the same name goes on where it was left")
	c.flags.IntVar(&job.ChunkSize, "chunk", 0, "records a request (default 100)")
	kind := c.flags.String("kind", string(fleet.Contacts), "what the records are: contacts or opportunities")
	src.flags(c.flags)
	wait := c.flags.Bool("wait", false, "wait until every record has its outcome")
	if err := c.parse(args); err != nil {
		return err
	}
	if job.Name == "" || c.flags.NArg() != 1 {
		return usage("fleet feed -job NAME FILE")
	}
	if err := src.open(c.flags.Arg(0)); err != nil {
		return err
	}
	defer src.close()
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	job.Progress = func(r fleet.FeedReport) {
		_, _ = fmt.Fprintf(c.stderr, "job %s: %d records read, %d chunks queued, %d of them by an earlier run\n", job.Name, r.Records, r.Chunks, r.Known)
	}
	switch fleet.Kind(*kind) {
	case fleet.Contacts:
		_, err = f.FeedContacts(ctx, job, read[antcrm.ContactCreateParams](&src))
	case fleet.Opportunities:
		_, err = f.FeedOpportunities(ctx, job, read[antcrm.OpportunityCreateParams](&src))
	default:
		err = usage("-kind is contacts or opportunities, not %q", *kind)
	}
	if err != nil || !*wait {
		return hint(err)
	}
	return f.Wait(ctx, job.Name)
}

// hint says which flag helps against a column that is not known.
func hint(err error) error {
	bad, ok := errors.AsType[*records.RowError](err)
	if !ok || !strings.Contains(bad.Problem, "unknown column") {
		return err
	}
	return fmt.Errorf("%w (-column %q names it as the API does, with nothing behind the = it is left out)", err, bad.Header+"=…")
}
