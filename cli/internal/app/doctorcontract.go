package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/creds"
	"github.com/antbuddy/antcrm-go/probe"
)

// contract is the flags of doctor --contract.
type contract struct {
	ask, write, yes, withHost bool
	json                      string
}

func (c *contract) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.BoolVar(&c.ask, "contract", false, "ask the server which assumptions of the SDK hold for it")
	f.BoolVar(&c.write, "write", false, "with --contract: also create, change and delete records of its own; asks first")
	f.BoolVarP(&c.yes, "yes", "y", false, "with --write: do not ask")
	f.StringVar(&c.json, "json", "", "with --contract: write the report to this `FILE` too (-: to stdout, the table to stderr)")
	f.BoolVar(&c.withHost, "with-host", false, "with --json: name the server in the report")
}

// check finds flags that say nothing without another one.
func (c *contract) check() error {
	switch {
	case !c.ask && (c.write || c.yes || c.json != "" || c.withHost):
		return usage("add --contract", "--write, --yes, --json and --with-host belong to --contract")
	case c.yes && !c.write:
		return usage("add --write, or leave --yes out", "--yes belongs to --write")
	case c.withHost && c.json == "":
		return usage("add --json FILE", "--with-host belongs to --json")
	}
	return nil
}

// mockRate is how many requests a second the embedded fake gets.
const mockRate = 1000

// probeRate is how many requests a second a server gets unless --rate says otherwise.
const probeRate = 2

// wrongKey is the key of the one request that shows how a wrong key is refused.
const wrongKey = "antcrm-go-probe-wrong-key"

// askContract asks the server the open questions and prints what it answers.
func (a *app) askContract(ctx context.Context, c *contract, out *os.File) error {
	if err := a.agreeToWrites(ctx, c); err != nil {
		return err
	}
	file, err := c.open(ctx)
	if err != nil {
		return err
	}
	if file != nil {
		defer file.discard()
	}
	report, runErr := a.runProbe(ctx, c)
	if _, bad := errors.AsType[*antcrm.ValidationError](runErr); bad || len(report.Findings) == 0 {
		return runErr
	}
	doc := probe.NewDocument(report, time.Now(), runErr)
	if c.withHost {
		if u, err := url.Parse(a.server); err == nil {
			doc.Host = u.Host
		}
	}
	t := contractTable{doc: doc, width: 100, write: c.write}
	if isTerminal(out) {
		t.width, t.colored = a.widthOf(out), a.color()
	}
	if err := write(out, t.String()); err != nil {
		return err
	}
	if err := c.save(a, file, doc); err != nil {
		return err
	}
	return contractError(doc, runErr)
}

// agreeToWrites says what --write does and asks whether to go on.
func (a *app) agreeToWrites(ctx context.Context, c *contract) error {
	if !c.write {
		return nil
	}
	say(a.stderr, fmt.Sprintf(`--write creates about 12 contacts, an order, a product and a ticket at %s,
changes them and deletes them again. All are named "antcrm-go probe ...", their keys begin with
"antcrm-go-probe-". Rules and automations of the account may act on them while they are there.
At most %d requests are sent.`, a.server, probe.MaxRequests))
	switch {
	case c.yes:
		return nil
	case !isTerminal(a.stdin):
		return usage("add --yes to go on", "--write asks first, and nobody sits at a terminal")
	case !a.confirm(ctx, "go on?"):
		return &failure{code: exitFailure, text: "nothing was sent"}
	}
	return nil
}

// runProbe runs the probe with a running count.
func (a *app) runProbe(ctx context.Context, c *contract) (*probe.Report, error) {
	client, wrong, err := a.probeClients()
	if err != nil {
		return new(probe.Report), err
	}
	rate := float64(probeRate)
	switch {
	case a.flags.rate > 0:
		rate = a.flags.rate
	case a.flags.mock:
		rate = mockRate
	}
	opts := []probe.Option{probe.WithRate(rate), probe.WithWrongKeyClient(wrong)}
	if c.write {
		cleanup, end := a.secondStop(ctx)
		defer end()
		opts = append(opts, probe.WithWrites(), probe.WithCleanupContext(cleanup))
	}
	if terminal := a.progressTerminal(); terminal != nil {
		differ := 0
		opts = append(opts, probe.WithProgress(func(f probe.Finding) {
			if f.Answer == probe.Differs {
				differ++
			}
		}), probe.WithRequestCount(func(sent int) {
			_, _ = fmt.Fprintf(terminal, "\r\x1b[K%d of at most %d requests, %s so far", sent, probe.MaxRequests, plural(differ, "differences"))
		}))
		defer func() { _, _ = fmt.Fprint(terminal, "\r\x1b[K") }()
	}
	return probe.Run(ctx, client, opts...)
}

// secondStop returns a context that the second Ctrl-C ends: the probe then deletes nothing more, and the table lists what is still there. ctx is the one
// that the first Ctrl-C ends. A third one ends the process.
func (a *app) secondStop(ctx context.Context) (cleanup context.Context, end func()) {
	cleanup, cancel := context.WithCancel(context.WithoutCancel(ctx))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals()...)
	done := make(chan struct{})
	go func() {
		defer signal.Stop(signals)
		for count := 1; ; count++ {
			select {
			case <-signals:
			case <-done:
				return
			}
			if count == 2 {
				say(a.stderr, "stopping at once: what is still there is listed")
				cancel()
				return
			}
			say(a.stderr, "\nstopping: what the probe has created is deleted first (Ctrl-C again stops at once, and lists what is still there)")
		}
	}()
	return cleanup, func() {
		close(done)
		cancel()
	}
}

// probeClients makes the client of the run, and one whose key is wrong on purpose.
func (a *app) probeClients() (client, wrong *antcrm.Client, err error) {
	if client, err = a.client(); err != nil {
		return nil, nil, err
	}
	wrong, err = a.newClient(creds.Credentials{Key: wrongKey, BaseURL: a.server})
	return client, wrong, err
}

// open makes the file of --json before anything is sent: a run of a minute must not end in a wrong path.
func (c *contract) open(ctx context.Context) (*outputFile, error) {
	if c.json == "" || c.json == "-" {
		return nil, nil
	}
	file, err := awaitOutput(ctx, c.json)
	if wrong, ok := errors.AsType[*failure](err); ok {
		wrong.next = "give another file with --json"
	}
	return file, err
}

// save writes the report of --json.
func (c *contract) save(a *app, file *outputFile, doc probe.Document) error {
	if c.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	text = append(text, '\n')
	if file == nil {
		return write(a.stdout, string(text))
	}
	if _, err := file.Write(text); err != nil {
		return file.named(err)
	}
	if err := file.commit(); err != nil {
		return err
	}
	a.note("the report is in %s: it holds no record, no key%s", c.json, map[bool]string{false: " and no host"}[c.withHost])
	return nil
}

// contractError is the exit code of a run whose table is printed.
func contractError(doc probe.Document, runErr error) error {
	switch {
	case len(doc.Leftovers) > 0:
		return &failure{code: exitPartial, text: plural(len(doc.Leftovers), "records") + " of the probe may still be there", next: "delete what the report lists"}
	case runErr != nil:
		return runErr
	case slices.ContainsFunc(doc.Findings, needsAction):
		return reported{exitDiffers}
	}
	return nil
}

// needsAction says that the server differs in something that a caller has to care about.
func needsAction(f probe.Finding) bool {
	return f.Answer == probe.Differs && f.Advice != probe.NothingToSet
}
