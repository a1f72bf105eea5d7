// Package crashtest kills importers and counts what their server holds.
package crashtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/records"
)

// The environment of an importer: this test's binary, started again.
const (
	envURL     = "CRASHTEST_URL"
	envKey     = "CRASHTEST_KEY"
	envFolder  = "CRASHTEST_FOLDER"
	envResolve = "CRASHTEST_RESOLVE"
	envLimit   = "CRASHTEST_LIMIT" // bytes that a file may have; Linux only
)

func TestMain(m *testing.M) {
	if os.Getenv(envURL) != "" {
		limitFiles(os.Getenv(envLimit))
		if err := importFile(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// told is what an importer says of a record that is not done.
type told struct {
	Index   int64
	Outcome string
	Ref     string
}

// importFile is the importer: a file of customers, a journal, a line on stdout
// for each record.
func importFile(ctx context.Context) error {
	client, err := antcrm.NewClient(os.Getenv(envKey), antcrm.WithBaseURL(os.Getenv(envURL)))
	if err != nil {
		return err
	}
	folder := os.Getenv(envFolder)
	file, err := os.Open(filepath.Join(folder, "customers.csv"))
	if err != nil {
		return err
	}
	journal, err := antcrm.OpenJournal(filepath.Join(folder, "import.journal"))
	if err != nil {
		return err
	}
	opts := []antcrm.BatchOption{antcrm.WithJournal(journal), antcrm.WithIsolation(), antcrm.WithChunkSize(20)}
	if os.Getenv(envResolve) != "" {
		opts = append(opts, antcrm.WithUnknownResolver(lookUp(client)), antcrm.WithSettle(0)) // the test waits until the server is idle
	}
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	source := records.CSV[antcrm.ContactCreateParams](file)
	for result, err := range client.Contacts.Import(ctx, source.All(), opts...) {
		if err != nil {
			return err
		}
		if err := answers.Encode(told{result.Index, result.Outcome.String(), result.Ref.CustomerID.String() + result.Ref.LeadID.String()}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// lookUp finds records by the caller's own key, which the fake can.
func lookUp(client *antcrm.Client) func(context.Context, antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
	return func(ctx context.Context, chunk antcrm.UnknownChunk[antcrm.ContactCreateParams]) ([]antcrm.Resolution[antcrm.ContactRef], error) {
		list := make([]antcrm.Resolution[antcrm.ContactRef], len(chunk.Records))
		for i, record := range chunk.Records {
			contact, err := client.Contacts.Get(ctx, antcrm.ExternalRef(record.ExternalID))
			switch {
			case err == nil:
				list[i] = antcrm.Resolution[antcrm.ContactRef]{Outcome: antcrm.OutcomeDone, Ref: contact.Ref()}
			case errors.Is(err, antcrm.ErrNotFound):
				list[i].Outcome = antcrm.OutcomeNotSent
			default:
				return nil, err
			}
		}
		return list, nil
	}
}

const (
	customers = 1500
	badEvery  = 400 // a record that the server rejects
	wantKills = 36
)

func code(i int) string {
	if i%badEvery == badEvery/2 {
		return fmt.Sprintf("BAD-%d", i)
	}
	return fmt.Sprintf("KH-%d", i)
}

// tally is what the test is about.
type tally struct{ kills, midway, scenarios, done, rejected, unknown, unknownChunks, lost, doubled int }

// TestImportersThatAreKilledNeitherLoseNorDoubleARecord kills importers in the
// middle of their requests until each has come to its end, and compares what it
// said at last with what the server holds.
func TestImportersThatAreKilledNeitherLoseNorDoubleARecord(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGKILL")
	}
	t.Parallel()
	var sum tally
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, seed))
	for sum.midway < wantKills {
		scenario(t, dice, sum.scenarios%2 == 1, &sum)
		sum.scenarios++
	}
	t.Logf("seed %d: %d kills (%d before all was begun) in %d imports of %d records: %d done, %d rejected, %d named as unknown in %d chunks, %d lost, %d doubled",
		seed, sum.kills, sum.midway, sum.scenarios, customers, sum.done, sum.rejected, sum.unknown, sum.unknownChunks, sum.lost, sum.doubled)
	assert.Zero(t, sum.lost)
	assert.Zero(t, sum.doubled)
	assert.GreaterOrEqual(t, sum.midway, wantKills)
	assert.LessOrEqual(t, sum.unknownChunks, 4*sum.kills+10*sum.scenarios, "only what a kill or the server has cut off is unknown: 4 requests are under way, 2 answers of 100 lost")
}

// scenario is one file: its importer is started again until it ends by itself.
func scenario(t *testing.T, dice *rand.Rand, resolve bool, sum *tally) {
	t.Helper()
	server := antcrmtest.NewServer(t, antcrmtest.WithLatency(4*time.Millisecond), antcrmtest.WithRequestLog(2000, 0))
	server.Inject(antcrmtest.Fault{Method: "POST", Path: "/contacts/package", BodyContains: `"BAD-`, Status: 422})
	server.Inject(antcrmtest.Fault{Method: "POST", Path: "/contacts/package", Probability: 0.02, Seed: dice.Uint64(), Do: antcrmtest.CloseAfter})
	folder := makeFile(t)
	most := 15 // requests until a kill
	if resolve {
		most = 250 // a chunk takes 20 to be looked up
	}
	for kills := 0; ; kills++ {
		require.Less(t, kills, 100, "the import gets no further")
		out, killed := runImporter(t, server, folder, resolve, 1+dice.IntN(most), time.Duration(dice.IntN(9000))*time.Microsecond)
		waitIdle(t, server)
		if !killed {
			compare(t, server, out, sum)
			_, chunks := begun(t, folder)
			sum.unknownChunks += chunks
			return
		}
		sum.kills++
		if records, _ := begun(t, folder); records < customers {
			sum.midway++
		}
	}
}

func makeFile(t *testing.T) (folder string) {
	t.Helper()
	var file bytes.Buffer
	file.WriteString("customerIdApiRing,name,contactType\n")
	for i := range customers {
		fmt.Fprintf(&file, "%s,Khách %d,%s\n", code(i), i, []string{"lead", "customer", ""}[i%3])
	}
	folder = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "customers.csv"), file.Bytes(), 0o600))
	return folder
}

func command(ctx context.Context, server *antcrmtest.Server, folder string, env ...string) *exec.Cmd {
	importer := exec.CommandContext(ctx, os.Args[0])
	importer.Env = append(append(os.Environ(), envURL+"="+server.URL, envKey+"="+server.APIKey, envFolder+"="+folder), env...)
	return importer
}

// runImporter starts an importer and kills it when the server has had some
// requests from it, a moment later.
func runImporter(t *testing.T, server *antcrmtest.Server, folder string, resolve bool, requests int, moment time.Duration) (out []byte, killed bool) {
	t.Helper()
	importer := command(t.Context(), server, folder)
	if resolve {
		importer.Env = append(importer.Env, envResolve+"=1")
	}
	var stdout, stderr bytes.Buffer
	importer.Stdout, importer.Stderr = &stdout, &stderr
	before := server.RequestCount()
	require.NoError(t, importer.Start())
	ended := make(chan error, 1)
	go func() { ended <- importer.Wait() }()

	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for server.RequestCount() < before+requests {
		select {
		case err := <-ended:
			require.NoError(t, err, stderr.String())
			return stdout.Bytes(), false
		case <-tick.C:
		}
	}
	select {
	case err := <-ended:
		require.NoError(t, err, stderr.String())
		return stdout.Bytes(), false
	case <-time.After(moment):
	}
	require.NoError(t, importer.Process.Kill())
	err := <-ended
	return stdout.Bytes(), err != nil // nil: it had just ended
}

// waitIdle returns when the server has done with every request: one that its
// sender did not survive is carried out all the same.
func waitIdle(t *testing.T, server *antcrmtest.Server) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, request := range server.Requests() {
			if request.Took == 0 {
				return false
			}
		}
		return true
	}, 10*time.Second, time.Millisecond)
}

func compare(t *testing.T, server *antcrmtest.Server, out []byte, sum *tally) {
	t.Helper()
	saidOf := map[int64]told{}
	answers := json.NewDecoder(bytes.NewReader(out))
	for answers.More() {
		var one told
		require.NoError(t, answers.Decode(&one))
		require.NotContains(t, saidOf, one.Index, "a record has one result")
		saidOf[one.Index] = one
	}
	for i := range customers {
		said, count := saidOf[int64(i)], server.CountByExternalID(antcrmtest.Contacts, code(i))
		if count > 1 {
			sum.doubled++
		}
		switch said.Outcome {
		case "done":
			sum.done++
			if count == 0 {
				sum.lost++
			}
			checkRef(t, server, code(i), said.Ref)
		case "rejected":
			sum.rejected++
			assert.Equal(t, badEvery/2, i%badEvery)
			assert.Zero(t, count)
		case "unknown":
			sum.unknown++ // named: there once or not at all
		default:
			sum.lost++
		}
	}
}

// checkRef checks that a reference is the record's own.
func checkRef(t *testing.T, server *antcrmtest.Server, code, ref string) {
	t.Helper()
	text, ok := server.Record(antcrmtest.Contacts, "customerIdApiRing", code)
	if !ok {
		return // counted as lost
	}
	var record antcrm.Contact
	require.NoError(t, json.Unmarshal(text, &record))
	assert.Equal(t, record.LeadID.String()+record.CustomerID.String(), ref, code)
}

// begun counts the records that a journal has, and its chunks that were not
// answered. It reads a copy: the journal stays as the kill has left it.
func begun(t *testing.T, folder string) (records, unanswered int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "import.journal"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "copy.journal")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	journal, err := antcrm.OpenJournal(path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, journal.Close()) }()
	history, err := journal.Resume(t.Context(), "create contacts")
	require.NoError(t, err)
	for entry, err := range history.Entries {
		require.NoError(t, err)
		records += entry.Count()
		if entry.Outcome == antcrm.OutcomeUnknown {
			unanswered++
		}
	}
	return records, unanswered
}
