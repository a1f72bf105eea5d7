// Command antcrm-mock is the fake AntCRM of package antcrmtest as a program: for integration tests in any language, and for a person who
// wants to see what a program sends.
//
//	$ antcrm-mock -addr 127.0.0.1:8080 -seed testdata/ -faults faults.json
//	{"url":"http://127.0.0.1:8080","apiKey":"mock-3f9a…","control":"http://127.0.0.1:8080/_mock/"}
//
// The first line of its output is JSON: where it listens and which key it wants, a random one unless -key says otherwise. SIGINT or SIGTERM
// stops it once the requests under way are answered. It keeps everything in memory, speaks plain http, and is no place for real data. It
// answers only requests whose Host header names the loopback, what it listens on, or a -host.
//
// Where the vendor's pages leave open what a server does, -answer question=alternative chooses (once for each question):
//
//	$ antcrm-mock -questions                    # lists the questions, with every alternative and its consequence
//	$ antcrm-mock -answer contact-filter-external-id=ignored -answer limit-maximum=twenty
//	$ antcrm-mock -like report.json             # as the server that "antcrm doctor --contract --json report.json" has asked
//
// Control, without a key (switch it off with -control=false):
//
//	GET    /_mock/               a page: records, the last requests, armed faults
//	GET    /_mock/state          {"records": {"contacts": 2, …}, "duplicates": {…}, "requests": 7, "time": "…"}
//	GET    /_mock/requests       what arrived, in order (?limit=n: the last n); the key is not shown
//	GET    /_mock/records/{kind} the stored records (?limit=n: the first n, 1000 without)
//	POST   /_mock/seed/{kind}    put records there: an object or an array
//	GET    /_mock/faults         the armed faults, and how often each was met
//	POST   /_mock/faults         arm more: an object or an array
//	DELETE /_mock/faults         disarm all
//	POST   /_mock/reset          back to the start: the seed files, no requests, the faults file disarmed
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// grace is how long requests under way may take after a signal.
const grace = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process, whatever it waits for
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "antcrm-mock:", err)
		os.Exit(1)
	}
}

// greeting is the first line of the output.
type greeting struct {
	URL     string `json:"url"`
	APIKey  string `json:"apiKey"`
	Control string `json:"control,omitempty"`
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if cfg.questions {
		return printQuestions(stdout)
	}
	srv, err := cfg.start(ctx)
	if err != nil {
		return err
	}
	defer srv.Close()
	if questions := srv.NotPlayed(); len(questions) > 0 {
		_, _ = fmt.Fprintf(stderr, "antcrm-mock: the report has answers that cannot be played: %s\n", strings.Join(questions, ", "))
	}
	hello := greeting{URL: srv.URL, APIKey: srv.APIKey}
	if cfg.control {
		hello.Control = srv.URL + "/_mock/"
	}
	if err := json.NewEncoder(stdout).Encode(hello); err != nil {
		return fmt.Errorf("writing the first line: %w", err)
	}
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(last); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// start makes the server with its records and faults. Their files may be pipes that bring nothing: it ends with ctx.
func (cfg *settings) start(ctx context.Context) (*antcrmtest.Server, error) {
	type answer struct {
		srv *antcrmtest.Server
		err error
	}
	made := make(chan answer, 1)
	go func() {
		srv, err := cfg.server()
		made <- answer{srv, err}
	}()
	select {
	case a := <-made:
		return a.srv, a.err
	case <-ctx.Done():
		return nil, errors.New("stopped before it began")
	}
}

func (cfg *settings) server() (*antcrmtest.Server, error) {
	faults, err := cfg.readFaults()
	if err != nil {
		return nil, err
	}
	srv, err := antcrmtest.Start(cfg.options...)
	if err != nil {
		return nil, err
	}
	for _, f := range faults {
		if err := srv.Inject(f).Err(); err != nil {
			srv.Close()
			return nil, err
		}
	}
	return srv, nil
}

// settings is what the flags say.
type settings struct {
	options []antcrmtest.Option
	faults  string
	control bool

	questions bool // only list the open questions
}

// randomKey is a key that nobody can guess, so that a page in a browser of this machine cannot use it.
func randomKey() string { return "mock-" + rand.Text() }

// printQuestions lists the open questions for a reader.
func printQuestions(w io.Writer) error {
	var out strings.Builder
	for _, q := range antcrmtest.OpenQuestions() {
		fmt.Fprintf(&out, "%s\n    %s\n    default: %s\n", q.ID, q.Question, q.Decision)
		for _, a := range q.Alternatives {
			fmt.Fprintf(&out, "    %s: %s\n", a.Name, a.Consequence)
		}
		out.WriteByte('\n')
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("listing the questions: %w", err)
	}
	return nil
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	cfg := &settings{}
	flags := flag.NewFlagSet("antcrm-mock", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = fmt.Fprintln(stderr, "antcrm-mock serves a fake AntCRM, in memory, over plain http. The first line of its output is JSON: {\"url\", \"apiKey\", \"control\"}.\n\nFlags:")
		flags.PrintDefaults()
	}
	addr := flags.String("addr", "127.0.0.1:0", "`host:port` to listen on; port 0 takes a free one")
	latency := flags.Duration("latency", 0, "how long every answer waits")
	pageSize := flags.Int("page-size", 20, "records a page when a request has no limit")
	flags.StringVar(&cfg.faults, "faults", "", "a JSON `file` with faults to arm")
	flags.BoolVar(&cfg.questions, "questions", false, "list the open questions with their alternatives, and stop")
	flags.BoolVar(&cfg.control, "control", true, "serve the page and the control endpoints below /_mock/")
	cfg.accessFlags(flags)
	cfg.recordFlags(flags)
	cfg.answerFlags(flags)
	cfg.logFlag(flags, stderr)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("argument %q: only flags are taken", flags.Arg(0))
	}
	cfg.add(antcrmtest.WithAddr(*addr), antcrmtest.WithLatency(*latency), antcrmtest.WithPageSize(*pageSize))
	if cfg.control {
		cfg.add(antcrmtest.WithControl())
	}
	return cfg, nil
}

func (cfg *settings) add(options ...antcrmtest.Option) { cfg.options = append(cfg.options, options...) }

// accessFlags say who may ask.
func (cfg *settings) accessFlags(flags *flag.FlagSet) {
	cfg.add(antcrmtest.WithAPIKey(randomKey()))
	flags.Func("key", "the `key` that requests must carry in the apikey header (default: a random one)", func(v string) error {
		cfg.add(antcrmtest.WithAPIKey(v))
		return nil
	})
	flags.Func("host", "a host `name` that requests may carry besides the loopback's and what -addr says; may be given more than once", func(v string) error {
		cfg.add(antcrmtest.WithHosts(v))
		return nil
	})
}

// recordFlags say which records there are, and what becomes of them.
func (cfg *settings) recordFlags(flags *flag.FlagSet) {
	flags.Func("seed", "a JSON `file`, or a folder of them, with records to begin with; may be given more than once", func(v string) error {
		cfg.add(antcrmtest.WithSeedFile(v))
		return nil
	})
	flags.Func("max-limit", "cut a larger limit down to `n` (default: honour it)", func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return errors.New("is no number")
		}
		cfg.add(antcrmtest.WithMaxLimit(n))
		return nil
	})
	flags.Func("duplicates", "what a create does whose own key is there already: accept, reject or update (default accept)", func(v string) error {
		choices := map[string]antcrmtest.Duplicates{
			"accept": antcrmtest.DuplicatesAccepted, "reject": antcrmtest.DuplicatesRejected, "update": antcrmtest.DuplicatesUpdated,
		}
		d, ok := choices[v]
		if !ok {
			return errors.New("must be accept, reject or update")
		}
		cfg.add(antcrmtest.WithDuplicates(d))
		return nil
	})
}

// answerFlags choose what the vendor's pages leave open.
func (cfg *settings) answerFlags(flags *flag.FlagSet) {
	flags.Func("answer", "answer an open question by an alternative, as `question=alternative`; may be given more than once", func(v string) error {
		question, alternative, ok := strings.Cut(v, "=")
		if !ok {
			return errors.New("must be question=alternative; see -questions")
		}
		cfg.add(antcrmtest.WithAnswer(question, alternative))
		return nil
	})
	flags.Func("like", "answer as the server does that a report is about: a JSON `file` of antcrm doctor --contract --json; -answer after it changes single answers", func(v string) error {
		cfg.add(antcrmtest.WithReport(os.DirFS(filepath.Dir(v)), filepath.Base(v)))
		return nil
	})
}

func (cfg *settings) logFlag(flags *flag.FlagSet, stderr io.Writer) {
	flags.Func("log", "write one line a request to stderr, as `text or json` (default: none); keys, queries and bodies are never logged", func(v string) error {
		handlers := map[string]slog.Handler{"text": slog.NewTextHandler(stderr, nil), "json": slog.NewJSONHandler(stderr, nil), "none": slog.DiscardHandler}
		h, ok := handlers[v]
		if !ok {
			return errors.New("must be text, json or none")
		}
		cfg.add(antcrmtest.WithLogger(slog.New(h)))
		return nil
	})
}

func (cfg *settings) readFaults() ([]antcrmtest.Fault, error) {
	if cfg.faults == "" {
		return nil, nil
	}
	text, err := os.ReadFile(cfg.faults)
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	faults, err := antcrmtest.ParseFaults(text)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", cfg.faults, err)
	}
	return faults, nil
}
