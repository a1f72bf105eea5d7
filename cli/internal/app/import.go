package app

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// importing describes what many records can be sent to: all that the command needs to know of it. R is the key that the CRM gives.
type importing[P records.Params, R any] struct {
	use      string // of the command
	noun     string // contacts
	verb     string // what is done with them: imported
	short    string
	long     string
	example  string
	file     string   // its FILE without the ending
	lists    string   // the columns that may hold several values
	required []string // columns that each row must fill
	template []string // the columns of --template
	changes  []string // the commands that change records instead of creating them, for a file that is an export
	journal  bool     // the import can be resumed
	packages bool     // many records travel in one request
	merged   bool     // rows may belong together: what comes by a pipe is read to its end before anything is sent
	toTarget bool     // the first argument names what they are sent to
	updates  bool     // records are changed, not created: the CRM's own keys in the file do no harm
	run      func(c *antcrm.Client, target string, b *bulkFlags) importFunc[P, R]
	// check sends a record. With a context that has ended it only checks it.
	check func(ctx context.Context, c *antcrm.Client, target string, record P) error
}

// importFunc is the Import of a service.
type importFunc[P, R any] = func(context.Context, iter.Seq2[P, error], ...antcrm.BatchOption) iter.Seq2[antcrm.ImportResult[R], error]

// bulkFlags are the flags of the commands that send many records.
type bulkFlags struct {
	readingFlags
	template          bool
	dryRun            bool
	fromLine          int
	asNew             bool
	rejected, unknown string
	journal           string
	retryRejected     bool
	replacedKey       bool
	concurrency       int
	chunk             int
	stopOnError       bool
	isolate           bool
}

func (b *bulkFlags) add(cmd *cobra.Command, packages bool) {
	f := cmd.Flags()
	f.SortFlags = false
	b.readingFlags.add(cmd)
	f.BoolVar(&b.dryRun, "dry-run", false, "check every row and send nothing; warn of values that may be meant otherwise")
	f.BoolVar(&b.template, "template", false, "print a CSV file with all columns to fill in, and exit")
	f.IntVar(&b.fromLine, "from-line", 0, "begin with the row on line `N` of the file, where an import without a journal was stopped")
	f.BoolVar(&b.asNew, "as-new", false, "import an export all the same: its records will exist in the CRM twice")
	f.StringVar(&b.rejected, "rejected", "", "write refused and unsent rows to this new `FILE` (default: beside the input)")
	f.StringVar(&b.unknown, "unknown", "", "write rows whose outcome is unknown to this new `FILE` (default: beside the input)")
	f.IntVar(&b.concurrency, "concurrency", 4, "`N` requests at a time")
	b.chunk = antcrm.MaxBatchSize
	if packages {
		f.IntVar(&b.chunk, "chunk", antcrm.MaxBatchSize, "`N` records per request, at most 100")
		f.BoolVar(&b.isolate, "isolate", false, "split a refused request in halves until only the bad rows fail. If the service saves part of a\n"+
			"request that it refuses, that part is created twice; antcrm doctor --contract --write finds out")
	}
	f.BoolVar(&b.stopOnError, "stop-on-error", false, "stop at the first row that is refused")
}

// check refuses flags that make no sense, in their own words, before anything is read.
func (b *bulkFlags) check(mock bool) error {
	switch {
	case b.concurrency < 1:
		return usage("", "--concurrency must be at least 1")
	case b.chunk < 1 || b.chunk > antcrm.MaxBatchSize:
		return usage("", "--chunk must be between 1 and %d", antcrm.MaxBatchSize)
	case b.retryRejected && b.journal == "":
		return usage("give --journal FILE too", "--retry-rejected needs a journal")
	case b.replacedKey && b.journal == "":
		return usage("give --journal FILE too", "--replaced-key needs a journal")
	case b.fromLine < 0:
		return usage("", "--from-line must be at least 1")
	case b.fromLine > 0 && b.journal != "":
		return usage("leave --from-line out", "a journal knows which rows are done")
	case mock && b.journal != "":
		return usage("leave one of them out", "--mock forgets everything when the command ends, and a journal would not")
	}
	return nil
}

func (b *bulkFlags) options() []antcrm.BatchOption {
	opts := []antcrm.BatchOption{antcrm.WithConcurrency(b.concurrency), antcrm.WithChunkSize(b.chunk)}
	if b.stopOnError {
		opts = append(opts, antcrm.WithStopOnError())
	}
	if b.isolate {
		opts = append(opts, antcrm.WithIsolation())
	}
	return opts
}

const importHelp = `FILE is CSV, JSON Lines or an Excel workbook (.xlsx); CSV and JSON Lines may be
compressed (.gz). Use - for stdin. The first line of a table names the fields;
--map COLUMN=FIELD assigns a column with another name, and --map COLUMN= leaves
one out. The delimiter and UTF-16 are detected.%[1]s

Rows that are refused or cannot be sent are written to a file beside FILE
(%[2]s.rejected.csv) with the reason. Rows whose answer was lost are
written to another one (%[2]s.unknown.csv)%[3]s`

const (
	unknownCreated = `: they may be in the CRM. That file
is refused unless --looked-up says that somebody has looked each row up and
deleted those that are there.`
	unknownChanged = `; it may be sent again.`
)

const contactImportHelp = `Creates a contact for each row of FILE. A row becomes a customer if its column
contactType says customer; without that, the CRM makes it a lead.`

const createsHelp = `

An import only creates. A file with the CRM's own keys is an export and is
refused, because every record in it would exist in the CRM twice.`

const journalHelp = `

With --journal an import can be stopped or killed at any time and run again with
the same file: no row is sent twice. Ctrl-C finishes the requests in flight; a
second Ctrl-C stops at once. Correct refused rows in FILE itself and run the
same command with --retry-rejected. A journal belongs to one file, one server
and one account.`

func (im importing[P, R]) command(a *app) *cobra.Command {
	names := []string{"FILE"}
	if im.toTarget {
		names = []string{"SEGMENT", "FILE"}
	}
	b := &bulkFlags{}
	cmd := &cobra.Command{
		Use: im.use, Short: im.short, Example: im.example, Long: im.help(),
		Args: func(cmd *cobra.Command, args []string) error {
			if b.template && len(args) == 0 {
				return nil
			}
			return arguments(names...)(cmd, args)
		},
		ValidArgsFunction: fileIsLast(len(names)),
	}
	im.addFlags(cmd, b)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if b.template {
			return a.printTemplate(im.template)
		}
		target := ""
		if im.toTarget {
			target = args[0]
		}
		job := &importJob[P, R]{importing: im, app: a, flags: b, target: target, path: args[len(args)-1], typed: typed{a.args, cmd.Flags()}}
		return job.do(cmd.Context())
	}
	return cmd
}

// help is the long text of --help.
func (im importing[P, R]) help() string {
	lists := ""
	if im.lists != "" {
		lists = " These columns may hold several\nvalues separated by ; or |: " + im.lists + "."
	}
	unknown := unknownCreated
	if im.updates {
		unknown = unknownChanged
	}
	long := im.long + "\n\n" + fmt.Sprintf(importHelp, lists, im.file, unknown)
	if !im.updates {
		long += createsHelp
	}
	if im.journal {
		long += journalHelp
	}
	return long + "\n\n" + fieldsHelp("Fields", records.Columns[P]()) + "\n\nA column cf:NAME is the custom field NAME."
}

func (im importing[P, R]) addFlags(cmd *cobra.Command, b *bulkFlags) {
	b.add(cmd, im.packages)
	if im.updates {
		b.asNew, b.lookedUp = true, true // a change may be sent again
		_ = cmd.Flags().MarkHidden("as-new")
		_ = cmd.Flags().MarkHidden("looked-up")
	}
	offerFields(cmd, records.Columns[P]())
	if im.journal {
		cmd.Flags().StringVar(&b.journal, "journal", "", "remember in this `FILE` what was sent, to go on after a stop or a crash")
		cmd.Flags().BoolVar(&b.retryRejected, "retry-rejected", false, "with --journal: send again the rows that an earlier run saw refused")
		cmd.Flags().BoolVar(&b.replacedKey, "replaced-key", false, "with --journal: go on although the journal was begun with another key. Only for a new key of the\n"+
			"same account: in another account, rows would be reported as imported that are not there")
	}
}

// fileIsLast completes a file's name as the last of n arguments, and nothing else.
func fileIsLast(n int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == n-1 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// printTemplate prints the header of a file to fill in. The mark at its beginning has Excel read it as UTF-8. There is no sample row: it would be imported.
func (a *app) printTemplate(columns []string) error {
	text := strings.Join(columns, ",") + "\r\n"
	if !isTerminal(a.stdout) {
		text = "\ufeff" + text
	}
	return write(a.stdout, text)
}
