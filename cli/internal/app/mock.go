package app

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// demo is the records of --mock: invented people.
//
//go:embed demo/*.json
var demo embed.FS

// fakeGrace is how long requests under way may take once the fake is told to stop.
const fakeGrace = 5 * time.Second

// seedOption puts records into a fake: those of a file or folder, or the invented ones.
func seedOption(path string) (antcrmtest.Option, error) {
	if path != "" {
		return antcrmtest.WithSeedFile(path), nil
	}
	files, err := fs.Sub(demo, "demo")
	if err != nil {
		return nil, fmt.Errorf("read the invented records: %w", err)
	}
	return antcrmtest.WithSeed(files), nil
}

// startFake starts the server of --mock.
func (a *app) startFake(ctx context.Context) error {
	if a.fake != nil {
		return nil
	}
	fake, err := await(ctx, func() (*antcrmtest.Server, error) {
		seed, err := seedOption(a.flags.mockSeed)
		if err != nil {
			return nil, err
		}
		return antcrmtest.Start(seed)
	})
	a.fake = fake
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &failure{code: exitUsage, text: "mock", err: err, next: "check --mock-seed"}
	}
	return nil
}

func (a *app) closeFake() {
	if a.fake != nil {
		a.fake.Close()
	}
}

// fakeServer is the flags of the mock command.
type fakeServer struct {
	addr, seed, faults, like string
	empty, background        bool
	latency                  time.Duration
	stopAfter                time.Duration
}

func (a *app) mockCommand() *cobra.Command {
	m := &fakeServer{}
	cmd := &cobra.Command{
		Use: "mock", Short: "Serve a fake AntCRM on this machine", Args: arguments(),
		Long: `Serves a fake AntCRM with invented records until Ctrl-C. Other antcrm commands
use it with its address in ANTCRM_BASE_URL; they need no key for it. It keeps
everything in memory and forgets it at the end. A page at /_mock/ shows its
records and the last requests.

With --like it answers as the server does that "antcrm doctor --contract --json"
has asked.

With --background it goes on after the command has ended, for an hour unless
--stop-after says otherwise, and the command prints its address only.`,
		Example: `  antcrm mock --addr 127.0.0.1:8080
  export ANTCRM_BASE_URL=$(antcrm mock --background)
  antcrm mock --seed records/ --latency 200ms
  antcrm mock --like report.json`,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&m.addr, "addr", "127.0.0.1:0", "`HOST:PORT` to listen on; port 0 takes a free one")
	f.StringVar(&m.seed, "seed", "", "the records: a JSON file or a folder of them (`PATH`)")
	f.BoolVar(&m.empty, "empty", false, "begin without records")
	f.StringVar(&m.faults, "faults", "", "a JSON `FILE` with faults to arm")
	f.StringVar(&m.like, "like", "", "answer as the server does that this report `FILE` is about (see: antcrm doctor --contract)")
	f.DurationVar(&m.latency, "latency", 0, "how long every answer waits")
	f.BoolVar(&m.background, "background", false, "go on in the background and print the address")
	f.DurationVar(&m.stopAfter, "stop-after", 0, "stop after this time (default: never; an hour with --background)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		if m.background {
			return a.mockInBackground(ctx, m)
		}
		return a.serveFake(ctx, m)
	}
	return cmd
}

func (m *fakeServer) start() (*antcrmtest.Server, error) {
	opts := []antcrmtest.Option{antcrmtest.WithAddr(m.addr), antcrmtest.WithLatency(m.latency), antcrmtest.WithControl()}
	if !m.empty || m.seed != "" {
		seed, err := seedOption(m.seed)
		if err != nil {
			return nil, err
		}
		opts = append(opts, seed)
	}
	if m.like != "" {
		opts = append(opts, antcrmtest.WithReport(os.DirFS(filepath.Dir(m.like)), filepath.Base(m.like)))
	}
	var faults []antcrmtest.Fault
	if m.faults != "" {
		text, err := os.ReadFile(m.faults)
		if err == nil {
			faults, err = antcrmtest.ParseFaults(text)
		}
		if err != nil {
			return nil, fmt.Errorf("read the faults of %s: %w", m.faults, withoutPath(err))
		}
	}
	srv, err := antcrmtest.Start(opts...)
	if err != nil {
		return nil, err
	}
	for _, fault := range faults {
		if err := srv.Inject(fault).Err(); err != nil {
			srv.Close()
			return nil, fmt.Errorf("arm a fault of %s: %w", m.faults, err)
		}
	}
	return srv, nil
}

// greeting is what the fake prints first, for programs.
type greeting struct {
	URL     string `json:"url"`
	APIKey  string `json:"apiKey"`
	Control string `json:"control"`
}

func (a *app) serveFake(ctx context.Context, m *fakeServer) error {
	srv, err := await(ctx, m.start) // its files may be pipes
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &failure{code: exitUsage, text: "mock", err: err, next: "see: antcrm mock --help"}
	}
	defer srv.Close()
	if questions := srv.NotPlayed(); len(questions) > 0 {
		a.note("the report has answers that the fake cannot play: %s", strings.Join(questions, ", "))
	}
	if m.stopAfter > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.stopAfter)
		defer cancel()
	}
	hello, err := json.Marshal(greeting{srv.URL, srv.APIKey, srv.URL + "/_mock/"})
	if err != nil {
		return fmt.Errorf("encode the address: %w", err)
	}
	text := string(hello) + "\n"
	if isTerminal(a.stdout) {
		text = fmt.Sprintf("A fake AntCRM listens at %s (Ctrl-C stops it). In another terminal:\n\n  export ANTCRM_BASE_URL=%[1]s\n  antcrm contacts list\n\nWhat it holds and was asked: %[1]s/_mock/\n", srv.URL)
	}
	if err := write(a.stdout, text); err != nil {
		return err
	}
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), fakeGrace)
	defer cancel()
	if err := srv.Shutdown(last); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop the fake server: %w", err)
	}
	return nil
}
