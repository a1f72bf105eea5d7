// Bulk-import reads a CSV file of customers into the CRM: progress while it
// runs, the rows that did not get in as a CSV file that can be corrected and
// fed again, and a journal by which it goes on after a crash.
//
//	go run ./examples/bulk-import                  # 20,000 made-up customers into an embedded fake
//	go run ./examples/bulk-import -dir work        # the same; the files stay in work
//	go run ./examples/bulk-import -csv mine.csv -journal my.journal   # a file of your own; run it, kill it, run it again
//
// Beside customers.csv come customers.journal, customers.rejected.csv and, after
// a crash, customers.unknown.csv: rows that may be in the CRM already. Correct
// customers.rejected.csv in its place and import it as the next file.
//
// With ANTCRM_API_KEY (and ANTCRM_BASE_URL) set it talks to that service. The
// embedded fake forgets everything when the program ends; to see a resumed
// import against one that does not, start go run ./cmd/antcrm-mock beside it.
// A journal belongs to one server: what one says was sent to a fake is not sent to
// the service, so take another folder (or -journal) for it.
//
// How much memory a million records take (GNU time counts; the server is a
// process of its own):
//
//	go run -exec '/usr/bin/time -v' ./examples/bulk-import -generate 1000000 -instant
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/examples/bulk-import/lookup"
	"github.com/antbuddy/antcrm-go/records"
)

type settings struct {
	csv, journal, rejected, dir string
	unknown                     string
	count                       int
	isolate                     bool
	concurrency                 int
	latency                     time.Duration
	instant, throughCSV         bool
	serve                       bool
}

func main() {
	var s settings
	flag.StringVar(&s.csv, "csv", "", "the file to import; without it one is made up")
	flag.StringVar(&s.journal, "journal", "", "the journal to go on from (default: beside the file, its name with .journal)")
	flag.StringVar(&s.rejected, "rejected", "", "where to write the rows that did not get in (default: beside the file, its name with .rejected.csv)")
	flag.StringVar(&s.dir, "dir", "", "the folder for the made-up file and all others (default: a temporary one, removed at the end)")
	flag.IntVar(&s.count, "generate", 20_000, "how many customers to make up")
	flag.IntVar(&s.concurrency, "concurrency", 4, "requests at a time")
	flag.BoolVar(&s.isolate, "isolate", false, "halve refused requests until the bad rows stand alone: doubles rows if the server writes a part of what it refuses; try it with two rows, one of them bad")
	flag.DurationVar(&s.latency, "latency", 5*time.Millisecond, "how long the embedded fake takes to answer")
	flag.BoolVar(&s.instant, "instant", false, "measure: no file, against a server that answers at once, in a process of its own")
	flag.BoolVar(&s.throughCSV, "through-csv", false, "measure: with -instant, as CSV text through the CSV reader")
	flag.BoolVar(&s.serve, "serve-instant", false, "be that server")
	flag.Parse()

	// The first Ctrl-C stops the import, a second one the program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bulk-import:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	switch {
	case s.serve:
		return serveInstant(ctx)
	case s.instant:
		return measure(ctx, s)
	}
	client, fake, err := connect(s)
	if err != nil {
		return err
	}
	if fake != nil {
		defer fake.Close()
	}
	cleanUp, err := s.prepare()
	if err != nil {
		return err
	}
	defer cleanUp()
	if err := importFile(ctx, client, s); err != nil {
		return err
	}
	if fake != nil {
		fmt.Printf("the fake holds %d contacts, %d of them doubled\n", fake.Count(antcrmtest.Contacts), len(fake.Duplicates(antcrmtest.Contacts)))
	}
	return nil
}

// connect uses the real service if there is a key, else a fake that knows some
// of the customers already and takes none twice.
func connect(s settings) (*antcrm.Client, *antcrmtest.Server, error) {
	if os.Getenv("ANTCRM_API_KEY") != "" {
		fmt.Println("talking to the service of ANTCRM_BASE_URL (default " + antcrm.DefaultBaseURL + ")")
		client, err := antcrm.NewClientFromEnv()
		return client, nil, err
	}
	fake, err := antcrmtest.Start(antcrmtest.WithLatency(s.latency), antcrmtest.WithDuplicates(antcrmtest.DuplicatesRejected))
	if err != nil {
		return nil, nil, err
	}
	if err := fake.Seed(antcrmtest.Contacts, known()); err != nil {
		fake.Close()
		return nil, nil, err
	}
	fmt.Println("ANTCRM_API_KEY is not set: talking to an embedded fake AntCRM at", fake.URL)
	client := fake.Client()
	return client, fake, nil
}

// prepare makes up the file if there is none, and says where the others go.
func (s *settings) prepare() (cleanUp func(), err error) {
	cleanUp = func() {}
	folder := s.dir
	if s.csv == "" {
		if folder == "" {
			if folder, err = os.MkdirTemp("", "antcrm-bulk-import-"); err != nil {
				return cleanUp, err
			}
			cleanUp = func() {
				_ = os.RemoveAll(folder)
				fmt.Println("the files were temporary: -dir FOLDER keeps them")
			}
		} else if err := os.MkdirAll(folder, 0o700); err != nil {
			return cleanUp, err
		}
		s.csv = filepath.Join(folder, "customers.csv")
		if err := generateFile(s.csv, s.count); err != nil {
			cleanUp()
			return func() {}, err
		}
	}
	name := strings.TrimSuffix(s.csv, filepath.Ext(s.csv))
	s.journal = cmp.Or(s.journal, name+".journal")
	s.rejected = cmp.Or(s.rejected, name+".rejected.csv")
	s.unknown = strings.TrimSuffix(strings.TrimSuffix(s.rejected, ".csv"), ".rejected") + ".unknown.csv"
	return cleanUp, nil
}

func importFile(ctx context.Context, client *antcrm.Client, s settings) error {
	file, err := os.Open(s.csv)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	journal, err := antcrm.OpenJournal(s.journal)
	if err != nil {
		return err
	}
	defer func() { _ = journal.Close() }() // what matters is on the disk already
	rejected, err := createReport(s.rejected, file)
	if err != nil {
		return err
	}
	defer func() { _ = rejected.Close() }()
	unknown, err := createReport(s.unknown, file)
	if err != nil {
		return err
	}
	defer func() { _ = unknown.Close() }()

	show, err := newProgress(file)
	if err != nil {
		return err
	}
	err = importRows(ctx, client, show.reader(file), rejected, unknown, journal, s, show)
	show.end()
	if errors.Is(err, context.Canceled) {
		fmt.Println("stopped; run the same command again to go on")
	}
	if err != nil {
		return err
	}
	err = tell(rejected, "rows that were refused or not sent; correct them, and look one up in the CRM before you feed them again:")
	return errors.Join(err, tell(unknown, "rows that may be in the CRM already; look before you feed them again:"))
}

// createReport makes a file for rows, but never out of the one that is read.
func createReport(path string, source *os.File) (*os.File, error) {
	there, err := os.Stat(path)
	if err == nil {
		read, err := source.Stat()
		if err != nil {
			return nil, err
		}
		if os.SameFile(there, read) {
			return nil, fmt.Errorf("%s is the file to import: write the rejected rows elsewhere", path)
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

// tell shows the beginning of a report. One without rows is removed.
func tell(report *os.File, what string) error {
	info, err := report.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return os.Remove(report.Name())
	}
	fmt.Println(what, filepath.Base(report.Name()))
	return printHead(report.Name())
}

// importRows is what a program of your own would do.
func importRows(ctx context.Context, client *antcrm.Client, in io.Reader, rejected, unknown io.Writer, journal antcrm.Journal, s settings, show *progress) (err error) {
	var refused, unclear *records.Report
	var unwritten error // the first
	add := func(to *records.Report, row records.Row, outcome antcrm.Outcome, reason error) {
		if err := to.Add(row, outcome, reason); err != nil && unwritten == nil {
			unwritten = err
		}
	}
	source := records.CSV[antcrm.ContactCreateParams](in,
		records.WithColumns(map[string]string{"Mã KH": "customerIdApiRing", "Họ tên": "name", "Điện thoại": "phones", "Hạng": "cf:Hạng"}),
		records.WithRows(),
		records.WithBadRows(func(bad *records.RowError) {
			show.count(antcrm.OutcomeNotSent)
			add(refused, bad.Row, antcrm.OutcomeNotSent, bad)
		}))
	refused, unclear = source.NewReport(rejected), source.NewReport(unknown)
	defer func() { err = errors.Join(err, refused.Flush(), unclear.Flush()) }()

	opts := []antcrm.BatchOption{antcrm.WithJournal(journal), antcrm.WithUnknownResolver(lookup.Contacts(client)), antcrm.WithConcurrency(s.concurrency)}
	if s.isolate {
		opts = append(opts, antcrm.WithIsolation())
	}
	for result, err := range client.Contacts.Import(ctx, source.All(), opts...) {
		if err != nil {
			return err // what was read before it has its results
		}
		show.count(result.Outcome)
		row, _ := source.Row(result.Index) // taken, so that it is not kept any longer
		switch result.Outcome {
		case antcrm.OutcomeDone:
		case antcrm.OutcomeUnknown:
			add(unclear, row, result.Outcome, result.Err)
		default:
			add(refused, row, result.Outcome, result.Err)
		}
		if unwritten != nil {
			return unwritten
		}
	}
	return nil
}
