package crmsync_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

func TestMain(m *testing.M) {
	if child := os.Getenv("CRMSYNC_TEST_CHILD"); child != "" {
		os.Exit(runChild(child))
	}
	code := m.Run()
	postgres.stop()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreTopFunction("internal/poll.runtime_pollWait")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// sized picks how big a test is: as usual, under the race detector, or in the soak of ANTCRM_SOAK=1, which takes many minutes
// and is for a person to start.
func sized[T any](usual, raceOn, soak T) T {
	switch {
	case os.Getenv("ANTCRM_SOAK") == "1":
		return soak
	case raced:
		return raceOn
	}
	return usual
}

// cluster is a Postgres in a temporary folder.
type cluster struct {
	folder string
	bin    string
	err    error
}

// postgres is one cluster for all tests, each with a database of its own.
var postgres struct {
	cluster
	once sync.Once
	mu   sync.Mutex
	n    int
}

func (c *cluster) start() {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		c.err = fmt.Errorf("no initdb: install postgresql (.ci/postgres.sh does)")
		return
	}
	c.bin = filepath.Dir(found[len(found)-1])
	if c.folder, c.err = os.MkdirTemp("", "crmsync-pg-"); c.err != nil {
		return
	}
	if os.Getuid() == 0 {
		_ = os.Chmod(c.folder, 0o777) //nolint:gosec // the server runs as another user
	}
	data := filepath.Join(c.folder, "data")
	c.err = c.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if c.err == nil {
		c.err = c.control("start")
	}
}

func (c *cluster) control(what string, more ...string) error {
	data := filepath.Join(c.folder, "data")
	args := append([]string{"-D", data, "-w", "-t", "60", "-l", filepath.Join(c.folder, "log")}, more...)
	if what != "stop" {
		args = append(args, "-o", "-c listen_addresses= -c unix_socket_directories="+c.folder+" -c max_connections=200")
	}
	return c.run("pg_ctl", append(args, what)...)
}

// pgRun runs a program of Postgres, which refuses to run as root.
func (c *cluster) run(program string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.folder
	if err := asPostgres(cmd); err != nil {
		return err
	}
	log, err := os.CreateTemp("", "crmsync-pgctl-")
	if err != nil {
		return err
	}
	defer func() { _ = log.Close(); _ = os.Remove(log.Name()) }()
	cmd.Stdout, cmd.Stderr = log, log // not a pipe: the server would keep it open
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w: %s", program, err, text)
	}
	return nil
}

func (c *cluster) stop() {
	if c.folder != "" {
		_ = c.control("stop", "-m", "immediate")
		_ = os.RemoveAll(c.folder)
	}
}

func (c *cluster) dsn(database string) string {
	return "postgres://postgres@/" + database + "?host=" + url.QueryEscape(c.folder)
}

// newPostgres returns the DSN of an empty database, or skips the test aloud.
func newPostgres(t testing.TB) string {
	t.Helper()
	postgres.once.Do(postgres.start)
	if postgres.err != nil {
		t.Skipf("SKIPPED, not tested: no Postgres can be had here: %v", postgres.err)
	}
	db, err := sql.Open("pgx", postgres.dsn("postgres"))
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	postgres.mu.Lock()
	postgres.n++
	name := fmt.Sprintf("test%d", postgres.n)
	postgres.mu.Unlock()
	_, err = db.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	return postgres.dsn(name)
}

type ownCluster struct {
	cluster *cluster
	dsn     string
}

func (o ownCluster) restart() error { return o.cluster.control("restart", "-m", "immediate") }

// newPostgresOfItsOwn is for tests that restart it.
func newPostgresOfItsOwn(t testing.TB) ownCluster {
	t.Helper()
	c := &cluster{}
	t.Cleanup(c.stop)
	if c.start(); c.err != nil {
		t.Skipf("SKIPPED, not tested: no Postgres can be had here: %v", c.err)
	}
	return ownCluster{c, c.dsn("postgres")}
}

func sqliteDSN(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "state.db") }

// onBoth runs a test on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, sqliteDSN(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newPostgres(t))
	})
}

func open(t testing.TB, dsn string) *crmsync.State {
	t.Helper()
	state, err := crmsync.Open(context.Background(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = state.Close() })
	return state
}

// syncer opens the state for a fake server.
func newSyncer(t testing.TB, srv *antcrmtest.Server, dsn string, opts ...crmsync.Option) (*crmsync.Syncer, *crmsync.State) {
	t.Helper()
	state := open(t, dsn)
	s, err := crmsync.New(context.Background(), srv.Client(antcrm.WithRetryBackoff(0, 0)), state, opts...)
	require.NoError(t, err)
	return s, state
}

func customer(i int) antcrm.ContactCreateParams {
	return antcrm.ContactCreateParams{
		Name: fmt.Sprintf("Nguyễn Văn Mẫu %d", i), ExternalID: fmt.Sprintf("ERP-%06d", i),
		Phones: []antcrm.Phone{{Type: "Work", Value: fmt.Sprintf("0900%06d", i)}},
		Emails: []antcrm.Email{{Type: "Work", Value: fmt.Sprintf("mau%d@example.com", i)}},
		Tags:   antcrm.Tags{"ERP"},
	}
}

func customers(n int, change func(int, *antcrm.ContactCreateParams)) iter.Seq2[antcrm.ContactCreateParams, error] {
	return func(yield func(antcrm.ContactCreateParams, error) bool) {
		for i := range n {
			c := customer(i)
			if change != nil {
				change(i, &c)
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func list[P any](records ...P) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
}

// summary counts what a push reports.
type summary struct {
	done    map[crmsync.Action]int
	outcome map[antcrm.Outcome]int
	errs    []error
	end     error
}

func run[R any](changes iter.Seq2[crmsync.Change[R], error]) summary {
	s := summary{done: map[crmsync.Action]int{}, outcome: map[antcrm.Outcome]int{}}
	for change, err := range changes {
		if err != nil {
			s.end = err
			break
		}
		s.outcome[change.Outcome]++
		if change.Outcome == antcrm.OutcomeDone {
			s.done[change.Action]++
		}
		if change.Err != nil {
			s.errs = append(s.errs, change.Err)
		}
	}
	return s
}

func unknown(t testing.TB, state *crmsync.State) map[string]crmsync.Intent {
	t.Helper()
	found := map[string]crmsync.Intent{}
	for in, err := range state.Unknown(context.Background()) {
		require.NoError(t, err)
		found[in.Key] = in
	}
	return found
}

// writes counts the requests that are not reads.
func writes(srv *antcrmtest.Server) (posts, puts, deletes int) {
	for _, request := range srv.Requests() {
		switch request.Method {
		case http.MethodPost:
			posts++
		case http.MethodPut:
			puts++
		case http.MethodDelete:
			deletes++
		}
	}
	return posts, puts, deletes
}

// changed is a transport that changes the answers of a server: text is the answer's body, and what it returns takes its place.
type changed func(req *http.Request, text string) string

func (change changed) RoundTrip(req *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	body := change(req, string(text))
	response.Body, response.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	response.Header.Del("Content-Length")
	return response, nil
}

// newSyncerThrough is newSyncer for a server whose answers are changed on their way.
func newSyncerThrough(t testing.TB, srv *antcrmtest.Server, dsn string, change changed, opts ...crmsync.Option) (*crmsync.Syncer, *crmsync.State) {
	t.Helper()
	state := open(t, dsn)
	client := srv.Client(antcrm.WithRetryBackoff(0, 0), antcrm.WithHTTPClient(&http.Client{Transport: change}))
	s, err := crmsync.New(context.Background(), client, state, opts...)
	require.NoError(t, err)
	return s, state
}

const soon = 10 * time.Millisecond

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(soon) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}
