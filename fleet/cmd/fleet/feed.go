package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	metrics := c.flags.String("metrics", "", "`address` to serve Prometheus metrics at, such as 127.0.0.1:9465")
	files, err := c.parse(args)
	if err != nil {
		return err
	}
	if job.Name == "" || len(files) != 1 {
		return usage("fleet feed -job NAME FILE")
	}
	if err := src.open(files[0]); err != nil {
		return err
	}
	defer src.close()
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := checkAccount(ctx, f); err != nil {
		return accountHint(err)
	}
	job.Metrics = fleet.NewMetrics()
	endMetrics, err := serveMetrics(ctx, c, *metrics, job.Metrics)
	if err != nil {
		return err
	}
	defer endMetrics()
	job.Progress = func(r fleet.FeedReport) {
		_, _ = fmt.Fprintf(c.stderr, "job %s: %d records read, %d chunks queued, %d of them by an earlier run\n", job.Name, r.Records, r.Chunks, r.Known)
	}
	err = queue(ctx, f, job, fleet.Kind(*kind), &src)
	if err == nil && *wait {
		err = f.Wait(ctx, job.Name)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w (the same command with the same file goes on where it was left)", err)
	}
	return hint(err)
}

// queue feeds the records of the file.
func queue(ctx context.Context, f *fleet.Fleet, job fleet.Job, kind fleet.Kind, src *source) (err error) {
	switch kind {
	case fleet.Contacts:
		_, err = f.FeedContacts(ctx, job, read[antcrm.ContactCreateParams](src))
	case fleet.Opportunities:
		_, err = f.FeedOpportunities(ctx, job, read[antcrm.OpportunityCreateParams](src))
	default:
		err = usage("-kind is contacts or opportunities, not %q", kind)
	}
	return err
}

// checkAccount refuses to feed a fleet of another account. Feeding needs no key:
// without one in the environment there is nothing to compare, and one that is
// there binds nothing.
func checkAccount(ctx context.Context, f *fleet.Fleet) error {
	if os.Getenv("ANTCRM_API_KEY") == "" {
		return nil
	}
	client, err := antcrm.NewClientFromEnv()
	if err != nil {
		return err
	}
	return f.CheckAccount(ctx, client)
}

// hint says which flag helps against a column that is not known.
func hint(err error) error {
	bad, ok := errors.AsType[*records.RowError](err)
	if !ok || !strings.Contains(bad.Problem, "unknown column") {
		return err
	}
	return fmt.Errorf("%w (-column %q names it as the API does, with nothing behind the = it is left out)", err, bad.Header+"=…")
}
