package antcrm_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/records"
)

// The functions below hold the Go snippets of the README and of docs, so that
// they compile; TestReadmeSnippetsAreTheOnesThatAreCompiled keeps the two the same.

func readmeLists(ctx context.Context, client *antcrm.Client, lastSync time.Time) error {
	for contact, err := range client.Contacts.All(ctx, antcrm.ContactListParams{UpdatedFrom: lastSync}) {
		if err != nil {
			return err
		}
		fmt.Println(contact.CustomerID, contact.Name)
	}
	return nil
}

func readmeErrors(ctx context.Context, client *antcrm.Client, order antcrm.OpportunityCreateParams) {
	_, err := client.Opportunities.Create(ctx, order)
	switch {
	case err == nil: // done
	case errors.Is(err, antcrm.ErrValidation): // bad input, nothing was sent: *ValidationError names the field
	case errors.Is(err, antcrm.ErrOutcomeUnknown): // sent, no usable answer: it may exist, so do not send it again
	case errors.Is(err, antcrm.ErrRateLimited): // 429 after all retries: *APIError has RetryAfter
	case errors.Is(err, antcrm.ErrUnauthorized): // the API key is wrong
	default: // *APIError (the server said no), *TransportError (no answer), *DecodeError (an answer of another shape)
	}
}

func readmeBulk(ctx context.Context, client *antcrm.Client, customers []antcrm.ContactCreateParams) error {
	result, err := client.Contacts.CreateBatch(ctx, customers,
		antcrm.WithConcurrency(8),
	)
	for _, failure := range result.Failures {
		fmt.Println(failure.First, failure.Count, failure.Outcome, failure.Err)
	}
	return err
}

func readmeImport(ctx context.Context, client *antcrm.Client, file io.Reader) error {
	source := records.CSV[antcrm.ContactCreateParams](file)
	journal, err := antcrm.OpenJournal("customers.journal")
	if err != nil {
		return err
	}
	defer func() { _ = journal.Close() }()
	for result, err := range client.Contacts.Import(ctx, source.All(), antcrm.WithJournal(journal)) {
		if err != nil {
			return err // from the source, the journal or the context: run the import again
		}
		if result.Outcome != antcrm.OutcomeDone {
			fmt.Println("record", result.Index, result.Outcome, result.Err)
		}
	}
	return nil
}

func readmeObservability(key string, requests *expvar.Map) (*antcrm.Client, error) {
	client, err := antcrm.NewClient(key,
		antcrm.WithLogger(slog.Default()), // debug for each attempt, warn for each that is repeated
		antcrm.WithObserver(func(_ context.Context, attempt antcrm.Attempt) {
			requests.Add(fmt.Sprint(attempt.Op, " ", attempt.Status), 1) // an expvar.Map
		}),
	)
	return client, err
}

func bulkImport(ctx context.Context, client *antcrm.Client, source iter.Seq2[antcrm.ContactCreateParams, error]) error {
	journal, err := antcrm.OpenJournal("customers.journal")
	if err != nil {
		return err
	}
	defer func() { _ = journal.Close() }() // what matters is on the disk already

	for result, err := range client.Contacts.Import(ctx, source,
		antcrm.WithJournal(journal), antcrm.WithConcurrency(8)) {
		if err != nil {
			return err // from the source, the journal or the context: run the import again
		}
		switch result.Outcome {
		case antcrm.OutcomeDone: // result.Ref is the CRM's key of record result.Index
		case antcrm.OutcomeUnknown: // in the journal as such: keep it apart, and look
		default: // rejected, not sent: result.Err says why
		}
	}
	return nil
}

func bulkImportFile(ctx context.Context, client *antcrm.Client, file io.Reader, out io.Writer) error {
	var rejected *records.Report
	source := records.CSV[antcrm.ContactCreateParams](file,
		records.WithColumns(map[string]string{"Mã KH": "customerIdApiRing", "Họ tên": "name", "Hạng": "cf:Hạng"}),
		records.WithRows(),
		records.WithBadRows(func(bad *records.RowError) {
			_ = rejected.Add(bad.Row, antcrm.OutcomeNotSent, bad) // Flush tells of a failure
		}))
	rejected = source.NewReport(out)
	for result, err := range client.Contacts.Import(ctx, source.All()) {
		if err != nil {
			return errors.Join(err, rejected.Flush())
		}
		row, _ := source.Row(result.Index) // taken, so that it is not kept any longer
		if result.Outcome == antcrm.OutcomeRejected || result.Outcome == antcrm.OutcomeNotSent {
			if err := rejected.Add(row, result.Outcome, result.Err); err != nil {
				return err
			}
		}
	}
	return rejected.Flush()
}

func TestReadmeTestingSnippetWorks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	customer := antcrm.ContactCreateParams{Name: "Nguyễn Văn Mẫu", ExternalID: "ERP-000475"}

	server := antcrmtest.NewServer(t) // in memory, closed at the end of the test
	lost := server.Inject(antcrmtest.Fault{Method: "POST", Path: "/contacts", Do: antcrmtest.CloseAfter, Times: 1})

	_, err := server.Client().Contacts.Create(ctx, customer)

	require.ErrorIs(t, err, antcrm.ErrOutcomeUnknown)                                // the answer was lost …
	require.Equal(t, 1, server.CountByExternalID(antcrmtest.Contacts, "ERP-000475")) // … but the write was not
	require.Equal(t, 1, lost.Met())
}

func TestReadmeSnippetsWork(t *testing.T) {
	t.Parallel()
	server := antcrmtest.NewServer(t)
	client, ctx := server.Client(), t.Context()
	require.NoError(t, readmeBulk(ctx, client, []antcrm.ContactCreateParams{{Name: "Mai", ExternalID: "1"}}))
	require.NoError(t, readmeLists(ctx, client, time.Time{}))
	readmeErrors(ctx, client, antcrm.OpportunityCreateParams{Name: "Order", ReceiverName: "Mai"})
	require.Equal(t, 1, server.Count(antcrmtest.Contacts))
	require.Equal(t, 1, server.Count(antcrmtest.Opportunities))
	_, err := readmeObservability("key", new(expvar.Map))
	require.NoError(t, err)
}

func TestImportSnippetsWork(t *testing.T) { // not parallel: the snippets name a file of the working folder
	t.Chdir(t.TempDir())
	server := antcrmtest.NewServer(t)
	client, ctx := server.Client(), t.Context()
	const file = "Mã KH,Họ tên,Hạng\nKH-1,Mai,Vàng\nKH-2,,Bạc\nKH-4,Hoa\n"
	var rejected strings.Builder

	require.NoError(t, bulkImportFile(ctx, client, strings.NewReader(file), &rejected))
	require.Equal(t, 1, server.CountByExternalID(antcrmtest.Contacts, "KH-1"))
	require.Contains(t, rejected.String(), "KH-2,,Bạc,3,not sent,antcrm: record 1: name: is required")
	require.Contains(t, rejected.String(), "records: line 4: 2 fields, but the header has 3")

	const plain = "name,customerIdApiRing\nLan,KH-3\n"
	require.NoError(t, readmeImport(ctx, client, strings.NewReader(plain)))
	again := records.CSV[antcrm.ContactCreateParams](strings.NewReader(plain))
	require.NoError(t, bulkImport(ctx, client, again.All()))
	require.Equal(t, 1, server.CountByExternalID(antcrmtest.Contacts, "KH-3"), "the second run has the first one's journal")
}

func TestReadmeSnippetsAreTheOnesThatAreCompiled(t *testing.T) {
	t.Parallel()
	var compiled strings.Builder
	sources, err := filepath.Glob("example*_test.go")
	require.NoError(t, err)
	sources = append(sources, "readme_test.go", "docs_test.go", "examples/first-call/main.go", "examples/bulk-import/lookup/lookup.go")
	for _, name := range sources {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		compiled.Write(source)
	}
	for name, simplify := range map[string]func(string) string{
		"README.md": squeeze, "docs/bulk-import.md": squeeze, "docs/errors-and-retries.md": squeeze,
		"README.vi.md": squeezeCode, // its comments are in Vietnamese
	} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, blocks, name)
		source := simplify(compiled.String())
		for _, block := range blocks {
			if !strings.Contains(source, simplify(block[1])) {
				t.Errorf("this snippet of %s is compiled nowhere:\n%s", name, block[1])
			}
		}
	}
}

// Prose is read in editors and in diffs as well: its lines wrap at 120.
func TestReadmeLinesWrapAt120(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "README.vi.md"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			if length := len([]rune(strings.TrimSuffix(line, "\n"))); length > 120 {
				t.Errorf("%s:%d: %d characters", name, number, length)
			}
		}
	}
}

// A relative link names a file that is there, and a heading of it.
func TestDocsLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "*/README.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		files = append(files, found...)
	}
	links, code := 0, regexp.MustCompile("(?s)```.*?```")
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			links++
			path, heading, _ := strings.Cut(link[1], "#")
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: %v", name, link[1], err)
			} else if heading != "" && !slices.Contains(headings(t, target), heading) {
				t.Errorf("%s: %s has no heading %q", name, target, heading)
			}
		}
	}
	require.NotZero(t, links)
}

// headings returns the anchors of a page's headings, as GitHub makes them.
func headings(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var anchors []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N}\p{M}_ -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(anchor, " ", "-"))
	}
	return anchors
}

// Every exported option has its place in the README, or a reader does not find it.
func TestReadmeNamesEveryOption(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, option := range regexp.MustCompile(`(?m)^func (With\w+)`).FindAllStringSubmatch(string(source), -1) {
			found++
			if !strings.Contains(string(readme), option[1]) {
				t.Errorf("README.md does not name %s", option[1])
			}
		}
	}
	require.NotZero(t, found)
}

// squeezeCode is squeeze without the comments.
func squeezeCode(text string) string {
	return squeeze(regexp.MustCompile(`(?m)\s//.*$`).ReplaceAllString(text, ""))
}

// squeeze makes texts comparable whatever their indentation and alignment.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }
