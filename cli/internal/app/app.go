// Package app is the antcrm command: what the commands are called, what they read and write, how they end. Everything that speaks to the
// CRM is in the SDK.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/cli/internal/creds"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
)

// app is one run of the command.
type app struct {
	stdin          *os.File
	stdout, stderr *os.File
	getenv         func(string) string
	keyring        creds.Keyring // of the system; nil: none
	keyringWait    time.Duration // how long it may take; 0: as it is documented
	args           []string      // of the command line
	flags          globals
	fake           *antcrmtest.Server // of --mock
	server         string             // the address that client has given
	lines          lines              // of --verbose
}

// globals are the flags of every command.
type globals struct {
	output    string
	columns   []string
	noColor   bool
	quiet     bool
	debug     bool
	verbose   bool
	keyFile   string
	baseURL   string
	timeout   time.Duration
	retries   int
	rate      float64
	plainHTTP bool
	mock      bool
	mockSeed  string
}

// Main runs the command of the process and returns its exit code.
func Main() int {
	return runProcess(creds.SystemKeyring(os.Getenv), 0)
}

func runProcess(keyring creds.Keyring, wait time.Duration) int {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, keyring: keyring, keyringWait: wait}
	// With a handler a closed pipe is an error of the write, not the end of the process: exports remove their temporary file.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	return a.run(context.Background(), os.Args[1:])
}

func (a *app) run(ctx context.Context, args []string) (code int) {
	defer func() {
		// A defect must not show a person a stack trace, nor a record's data.
		if v := recover(); v != nil {
			say(a.stderr, fmt.Sprintf("antcrm: internal error (%T); please report what you ran", v))
			code = exitFailure
		}
	}()
	defer a.closeFake()
	a.args = args
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	code, line := explain(cmd, err)
	if line != "" {
		say(a.stderr, "antcrm: "+line)
	}
	return code
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "antcrm",
		Short: "The AntCRM from a terminal",
		Long: `antcrm looks up, changes, exports and imports the records of AntCRM.

The API key comes from --key-file, from ANTCRM_API_KEY or from where
"antcrm login" has kept it. Every command can be tried without a key: with --mock it
talks to a fake server with a few invented records.

On a terminal records are printed as a table, elsewhere as JSON Lines; -o and
--columns choose otherwise.

` + exitCodeHelp,
		Example: `  antcrm login
  antcrm contacts list --phone 0900000001
  antcrm contacts get customer:475 -o json
  antcrm telecalls export --campaign-id 64d9f28b2b3ba308b322c710 --from 7d -f calls.csv
  antcrm contacts import customers.csv --journal customers.journal
  antcrm --mock contacts list`,
		Version:           antcrm.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	asGroup(root)
	root.SetVersionTemplate("antcrm {{.Version}} (" + runtime.Version() + ")\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("see: "+cmd.CommandPath()+" --help", "%s", flagProblem(err))
	})
	a.globalFlags(root)
	root.AddCommand(a.resourceCommands()...)
	root.AddCommand(a.syncCommand(), a.pullCommand(), a.apiCommand(), a.doctorCommand(), a.mockCommand(), a.loginCommand(), a.logoutCommand(), manCommand(root))
	root.InitDefaultCompletionCmd()
	root.SetHelpCommand(helpCommand(root))
	return root
}

// flagProblem says what is wrong with a flag in the words of this program, not of the functions that parse it.
func flagProblem(err error) string {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		name, word, found := strings.Cut(err.Error(), " in ") // unknown shorthand flag: 'k' in -kSECRET
		if found && masked(word) != word {
			return name
		}
		return err.Error()
	}
	problem := strings.TrimPrefix(wrong.Unwrap().Error(), "time: ")
	switch wrong.GetFlag().Value.Type() {
	case "int", "float64":
		problem = "not a number"
	case "bool", "boolfunc":
		problem = "must be true or false"
	}
	return fmt.Sprintf("--%s %q: %s", wrong.GetFlag().Name, masked(wrong.GetValue()), problem)
}

func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	g := &a.flags
	f.StringVarP(&g.output, "output", "o", "", "`FORMAT`: table, json, jsonl or csv (default: table on a terminal, else jsonl)")
	f.StringSliceVar(&g.columns, "columns", nil, "`FIELDS` to print, in this order, such as name,phones.value")
	f.BoolVar(&g.noColor, "no-color", false, "no colours (as with NO_COLOR in the environment)")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "no progress and no notes, errors only")
	f.BoolVar(&g.verbose, "verbose", false, "report each request that is repeated, and why; never a key or a record")
	f.BoolVar(&g.debug, "debug", false, "log each request to stderr: method, path, status, time; never a key or a record")
	f.StringVar(&g.keyFile, "key-file", "", "read the API key from this `FILE`, which only its owner may read")
	f.StringVar(&g.baseURL, "base-url", "", "address (`URL`) of the service (or ANTCRM_BASE_URL)")
	f.DurationVar(&g.timeout, "timeout", 30*time.Second, "how long one request may take: a `DURATION` such as 45s")
	f.IntVar(&g.retries, "retries", 3, "repeat a request that may be repeated `N` times")
	f.Float64Var(&g.rate, "rate", 0, "at most `N` requests a second (default: no limit)")
	f.BoolVar(&g.plainHTTP, "insecure-http", false, "allow plain http to another machine; the key travels unencrypted")
	f.BoolVar(&g.mock, "mock", false, "use a fake server with invented records; needs no key, forgets all at the end")
	f.StringVar(&g.mockSeed, "mock-seed", "", "with --mock: the records, a JSON file or a folder of them (`PATH`)")
	_ = root.RegisterFlagCompletionFunc("columns", completeColumns)
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(output.Formats(), cobra.ShellCompDirectiveNoFileComp))
}

// prepare checks the flags that every command has.
func (a *app) prepare(cmd *cobra.Command) error {
	g := &a.flags
	switch g.output {
	case "", output.Table, output.JSON, output.JSONL, output.CSV:
	default:
		return usage("use one of table, json, jsonl, csv", "unknown format %q for -o", g.output)
	}
	if cmd.Flags().Changed("columns") && len(g.columns) == 0 {
		return usage("name some, such as --columns name,phones.value", "--columns is empty")
	}
	if g.mockSeed != "" {
		g.mock = true
	}
	if g.mock && (g.keyFile != "" || g.baseURL != "") {
		return usage("leave them out", "--mock has its own address and key")
	}
	return nil
}

// asGroup makes a command that only holds others: alone it prints its help, with an unknown word it fails.
func asGroup(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		next := "see: " + cmd.CommandPath() + " --help"
		if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
			next = "did you mean " + similar[0] + "?"
		}
		return usage(next, "unknown command %q for %q", masked(args[0]), cmd.CommandPath())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
}

func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage("see: antcrm --help", "no help for %q", masked(strings.Join(args, " ")))
			}
			return cmd.Help()
		},
	}
}

// arguments checks the number of arguments; names are those of the use line.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		next := "see: " + cmd.CommandPath() + " --help"
		if len(args) < len(names) {
			return usage(next, "%s is missing", names[len(args)])
		}
		if len(args) > len(names) {
			return usage(next, "unexpected argument %q", masked(args[len(names)]))
		}
		return nil
	}
}

// client makes the SDK client of the run.
func (a *app) client() (*antcrm.Client, error) {
	// Files may be pipes that bring nothing, and a keyring may wait for a person.
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	defer stop()
	c, err := a.credentials(ctx)
	if err != nil {
		return nil, err
	}
	a.server = strings.TrimRight(c.BaseURL, "/")
	return a.newClient(c)
}

// credentials are the key and the address of the run. On an error the address is filled in as far as it is known.
func (a *app) credentials(ctx context.Context) (creds.Credentials, error) {
	if !a.flags.mock {
		return a.sources().Find(ctx)
	}
	const from = "the embedded fake server"
	if err := a.startFake(ctx); err != nil {
		return creds.Credentials{}, err
	}
	return creds.Credentials{Key: a.fake.APIKey, KeyFrom: from, BaseURL: a.fake.URL, BaseURLFrom: from}, nil
}

func (a *app) sources() creds.Sources {
	return creds.Sources{KeyFile: a.flags.keyFile, BaseURL: a.flags.baseURL, Getenv: a.getenv, Keyring: a.keyring, KeyringWait: a.keyringWait}
}

func (a *app) newClient(c creds.Credentials, more ...antcrm.Option) (*antcrm.Client, error) {
	g := a.flags
	opts := []antcrm.Option{
		antcrm.WithBaseURL(c.BaseURL), antcrm.WithTimeout(g.timeout), antcrm.WithMaxRetries(g.retries),
		antcrm.WithUserAgent("antcrm-cli/" + antcrm.Version + " (" + runtime.Version() + ")"),
	}
	if g.rate != 0 {
		opts = append(opts, antcrm.WithRateLimit(g.rate, max(1, int(g.rate))))
	}
	if g.plainHTTP {
		opts = append(opts, antcrm.WithInsecureHTTP())
	}
	if g.debug {
		opts = append(opts, antcrm.WithLogger(slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	}
	if g.verbose {
		opts = append(opts, antcrm.WithObserver(a.reportRetry))
	}
	client, err := antcrm.NewClient(c.Key, append(opts, more...)...)
	if invalid, ok := errors.AsType[*antcrm.ValidationError](err); ok {
		return nil, settingError(invalid, c)
	}
	return client, err
}

// settingError says which setting the SDK does not take, and where it came from.
func settingError(invalid *antcrm.ValidationError, c creds.Credentials) error {
	switch invalid.Field {
	case "apiKey":
		return &creds.Error{Problem: "the API key (" + c.KeyFrom + ") " + invalid.Problem, Hint: "copy the key again"}
	case "baseURL":
		return usage("it looks like https://host, as in "+antcrm.DefaultBaseURL, "the address (%s) %s", c.BaseURLFrom, flagWords.Replace(invalid.Problem))
	case "rateLimit":
		return usage("give requests a second, such as --rate 5", "--rate must be above 0")
	case "maxRetries":
		return usage("", "--retries %s", invalid.Problem)
	case "timeout":
		return usage("", "--timeout %s", invalid.Problem)
	}
	return invalid
}

// note tells the user something on stderr, unless --quiet.
func (a *app) note(format string, args ...any) {
	if !a.flags.quiet {
		say(a.stderr, output.Clean(fmt.Sprintf(format, args...)))
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// say prints a line for a person. There is nobody to tell if that fails.
func say(w io.Writer, line string) { _, _ = io.WriteString(w, line+"\n") }

// write hands text to w; it is for the commands whose output is not records.
func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}
