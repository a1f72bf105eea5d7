package app

import (
	"context"
	"fmt"
	"iter"

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
	file     string // its FILE without the ending
	lists    string // the columns that may hold several values
	journal  bool   // the import can be resumed
	toTarget bool   // the first argument names what they are sent to
	run      func(c *antcrm.Client, target string) importFunc[P, R]
	// check sends records as one batch. With a context that has ended it checks them, and sends none.
	check func(ctx context.Context, c *antcrm.Client, target string, list []P) error
}

// importFunc is the Import of a service.
type importFunc[P, R any] = func(context.Context, iter.Seq2[P, error], ...antcrm.BatchOption) iter.Seq2[antcrm.ImportResult[R], error]

// bulkFlags are the flags of the commands that send many records.
type bulkFlags struct {
	maps              []string
	ignoreUnknown     bool
	duplicates        bool
	format            string
	dryRun            bool
	rejected, unknown string
	journal           string
	retryRejected     bool
	concurrency       int
	chunk             int
	stopOnError       bool
	isolate           bool
	fromLine          int
	asNew             bool
}

func (b *bulkFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&b.maps, "map", nil, "a column's field: `COLUMN=FIELD`, such as 'Mã KH=customerIdApiRing' (may be repeated)")
	f.BoolVar(&b.ignoreUnknown, "ignore-unknown", false, "leave out columns that are no field")
	f.BoolVar(&b.duplicates, "allow-duplicates", false, "let rows through whose own key an earlier row has")
	f.StringVar(&b.format, "format", "", "`FORMAT`: csv or jsonl (default: by the file's ending, else csv)")
	f.BoolVar(&b.dryRun, "dry-run", false, "check every row and send nothing")
	f.StringVar(&b.rejected, "rejected", "", "write rows that were not carried out to this `FILE` (default: beside the input)")
	f.StringVar(&b.unknown, "unknown", "", "write rows whose outcome is unknown to this `FILE` (default: beside the input)")
	f.IntVar(&b.concurrency, "concurrency", 4, "`N` requests under way at a time")
	f.IntVar(&b.chunk, "chunk", antcrm.MaxBatchSize, "`N` records a request, at most 100")
	f.BoolVar(&b.stopOnError, "stop-on-error", false, "stop at the first row that is refused")
	f.BoolVar(&b.isolate, "isolate", false, "halve a refused request until the bad rows stand alone; if the service has written a part of a request\n"+
		"that it refuses, that part is doubled: antcrm doctor --contract --write tells whether it does")
	f.IntVar(&b.fromLine, "from-line", 0, "begin with the row on line `N`, where an import without a journal was stopped")
	f.BoolVar(&b.asNew, "as-new", false, "create each row of an export once more: what is in the CRM is in it twice then")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{formatCSV, formatJSONL}, cobra.ShellCompDirectiveNoFileComp))
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

const importHelp = `FILE is CSV or JSON Lines; - is stdin. The first line of a CSV names the fields;
--map COLUMN=FIELD names columns that are called otherwise, --map COLUMN= leaves
one out. Excel's semicolons and byte order mark are understood. Several
values, with ; between them, may stand in %[1]s.

Rows that are refused, or cannot be sent, are written to a file beside FILE
(%[2]s.rejected.csv) with the reason; correct them there and import that
file. Rows whose answer was lost go to a file of their own
(%[2]s.unknown.csv): look them up before you send them again.`

const journalHelp = `

With --journal the import can be stopped or killed at any time and run again
with the same file: no row is sent twice. Ctrl-C finishes what is in flight; a
second Ctrl-C stops at once. Each run reports all rows refused so far: correct
and import a report only when the import is through, or its rows are repeated in
the next one. A journal belongs to one file, one server and one account;
another address is refused.`

func (im importing[P, R]) command(a *app) *cobra.Command {
	names := []string{"FILE"}
	if im.toTarget {
		names = []string{"SEGMENT", "FILE"}
	}
	long := im.long + "\n\n" + fmt.Sprintf(importHelp, im.lists, im.file)
	if im.journal {
		long += journalHelp
	}
	cmd := &cobra.Command{
		Use: im.use, Short: im.short, Args: arguments(names...), Example: im.example,
		Long: long + "\n\n" + fieldsHelp("Fields", records.Columns[P]()) + "\n\nA column cf:NAME is the custom field NAME.",
	}
	b := &bulkFlags{}
	b.add(cmd)
	if im.journal {
		cmd.Flags().StringVar(&b.journal, "journal", "", "remember in this `FILE` what was sent, to go on after a stop or a crash")
		cmd.Flags().BoolVar(&b.retryRejected, "retry-rejected", false, "with --journal: send again what an earlier run saw refused")
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == len(names)-1 {
			return nil, cobra.ShellCompDirectiveDefault // a file
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		target := ""
		if im.toTarget {
			target = args[0]
		}
		job := &importJob[P, R]{importing: im, app: a, flags: b, target: target, path: args[len(args)-1]}
		return job.do(cmd.Context())
	}
	return cmd
}
