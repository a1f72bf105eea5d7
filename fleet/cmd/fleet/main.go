// Command fleet imports contacts and orders into AntCRM with any number of
// processes, on NATS JetStream. On one machine nothing has to be set up: the
// first process brings the server, and when it ends another one goes on with it.
//
//	fleet feed -job customers-2026-11 customers.csv     # queue a file
//	fleet work -rate 100                                # send it; start as many as you like
//	fleet status                                        # how far it is
//	fleet results -job customers-2026-11 -o out.csv     # what became of each record
//	fleet records -job customers-2026-11 -o rest.jsonl  # records to be corrected and fed again
//	fleet purge -job customers-2026-11                  # remove all that is kept of it
//	fleet pause; fleet resume                           # no worker takes chunks in between
//	fleet rebind                                        # the key was replaced by a new one for the same CRM
//	fleet serve                                         # only the server, for a machine of its own
//	fleet bench                                         # measure: 1, 2 and 4 workers, the shared limit
//
// The environment: ANTCRM_API_KEY and ANTCRM_BASE_URL (the service),
// NATS_URL (a cluster instead of the embedded server), FLEET_STORE_KEY (the key
// of the embedded server's files), OTEL_EXPORTER_OTLP_ENDPOINT and
// OTEL_SERVICE_NAME (traces; the service is called antcrm-fleet by default).
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/antbuddy/antcrm-go/fleet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		complain(err)
		os.Exit(2)
	default:
		complain(err)
		os.Exit(1)
	}
}

// complain says once whose error it is: the package's say it themselves.
func complain(err error) {
	fmt.Fprintln(os.Stderr, "fleet:", strings.TrimPrefix(err.Error(), "fleet: "))
}

var errUsage = errors.New("usage")

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errUsage}, args...)...)
}

// command is one call of the program.
type command struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	flags  *flag.FlagSet
	cfg    fleet.Config

	ca      string
	cert    string
	key     string
	verbose bool
}

// commands are what the program can do.
func commands() map[string]func(context.Context, *command, []string) error {
	return map[string]func(context.Context, *command, []string) error{
		"feed": feed, "work": work, "status": status, "results": results, "records": rest, "purge": purge, "serve": serve, "bench": bench,
		"pause": pause, "resume": resume, "rebind": rebind,
	}
}

const usageLine = "usage: fleet feed | work | status | results | records | purge | pause | resume | rebind | serve | bench  (fleet COMMAND -h for its flags)"

// run does what the arguments say, until it is done or ctx ends. Flags that all
// commands have may stand before the command.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	newCommand := func(name string) *command {
		c := &command{stdin: stdin, stdout: stdout, stderr: stderr, flags: flag.NewFlagSet("fleet "+name, flag.ContinueOnError)}
		// An error is printed once, by main, and not with all flags around it.
		c.flags.SetOutput(io.Discard)
		c.common()
		return c
	}
	before := newCommand("")
	if err := before.flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(stderr, usageLine)
			return nil
		}
		return usage("%w (fleet COMMAND -h for its flags)", err)
	}
	name := before.flags.Arg(0)
	do, ok := commands()[name]
	if !ok {
		_, _ = fmt.Fprintln(stderr, usageLine)
		if name == "help" {
			return nil
		}
		return usage("a command is needed, %q is none", name)
	}
	flags := args[:len(args)-before.flags.NArg()]
	return do(ctx, newCommand(name), slices.Concat(flags, before.flags.Args()[1:]))
}

// common are the flags of all commands.
func (c *command) common() {
	c.flags.StringVar(&c.cfg.Name, "fleet", "", "`name` of the fleet: one for each AntCRM account (default \"default\")")
	c.flags.StringVar(&c.cfg.URL, "nats", os.Getenv("NATS_URL"), "`URL` of a NATS cluster; empty for the embedded server (default $NATS_URL)")
	c.flags.StringVar(&c.cfg.Credentials, "creds", os.Getenv("NATS_CREDS"), "credentials `file` for the cluster (default $NATS_CREDS)")
	c.flags.StringVar(&c.ca, "ca", "", "PEM `file` with the CA of the cluster")
	c.flags.StringVar(&c.cert, "cert", "", "PEM `file` with a client certificate for the cluster")
	c.flags.StringVar(&c.key, "key", "", "PEM `file` with the client certificate's key")
	c.flags.IntVar(&c.cfg.Replicas, "replicas", 0, "copies of streams and buckets, when they are created: 1 for a NATS server alone (default 3)")
	c.flags.StringVar(&c.cfg.StoreDir, "store", "", "`folder` of the embedded server (default antcrm-fleet in the user's configuration folder)")
	c.flags.DurationVar(&c.cfg.PayloadAge, "payload-age", 0, "how long records may wait to be sent; the first process of a fleet settles it (default 168h)")
	c.flags.DurationVar(&c.cfg.LedgerAge, "ledger-age", 0, "how long outcomes are kept; the first process of a fleet settles it (default 720h)")
	c.flags.DurationVar(&c.cfg.DeadAfter, "dead-after", 0, "silence after which a worker counts as dead; the first process of a fleet settles it (default 20s)")
	c.flags.BoolVar(&c.verbose, "v", false, "log more")
}

// parse reads flags and arguments in any order, and returns the arguments.
func (c *command) parse(args []string) (rest []string, err error) {
	for {
		if err := c.flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				c.flags.SetOutput(c.stderr)
				c.flags.Usage()
				return nil, err
			}
			return nil, usage("%w (%s -h for its flags)", err, c.flags.Name())
		}
		left := c.flags.Args()
		if len(left) == 0 {
			break
		}
		if read := len(args) - len(left); read > 0 && args[read-1] == "--" {
			rest = append(rest, left...) // whatever they look like
			break
		}
		rest, args = append(rest, left[0]), left[1:]
	}
	level := slog.LevelWarn
	if c.verbose {
		level = slog.LevelDebug
	}
	c.cfg.Logger = slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: level}))
	c.cfg.StoreKey = os.Getenv("FLEET_STORE_KEY")
	return rest, c.tls()
}

// parseBare is parse for a command without arguments.
func (c *command) parseBare(args []string) error {
	rest, err := c.parse(args)
	if err == nil && len(rest) > 0 {
		err = usage("%q: only flags are taken", rest[0])
	}
	return err
}

func (c *command) tls() error {
	if (c.cert == "") != (c.key == "") {
		return usage("-cert and -key belong together")
	}
	if c.ca == "" && c.cert == "" {
		return nil
	}
	c.cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		text, err := os.ReadFile(c.ca)
		if err != nil {
			return fmt.Errorf("read the CA: %w", err)
		}
		c.cfg.TLS.RootCAs = x509.NewCertPool()
		if !c.cfg.TLS.RootCAs.AppendCertsFromPEM(text) {
			return usage("%s holds no certificate", c.ca)
		}
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return fmt.Errorf("read the client certificate: %w", err)
		}
		c.cfg.TLS.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// open joins the fleet.
func (c *command) open(ctx context.Context) (*fleet.Fleet, error) { return fleet.Open(ctx, c.cfg) }

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// serve runs the embedded server alone.
func serve(ctx context.Context, c *command, args []string) error {
	if err := c.parseBare(args); err != nil {
		return err
	}
	if c.cfg.URL != "" {
		return usage("serve runs the embedded server: unset NATS_URL")
	}
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	_, _ = fmt.Fprintln(c.stderr, "ready")
	<-ctx.Done()
	return nil
}
