package app_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/cli/internal/creds"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // for what runs in this process
	if os.Getenv(creds.EnvKeyring) == "" && os.Getenv(testKeyring) == "" {
		_ = os.Setenv(creds.EnvKeyring, "off") // of whoever runs the tests; programs that they start have it too
	}
	testscript.Main(m, map[string]func(){"antcrm": func() { os.Exit(mainProgram()) }})
}

// TestScripts runs the command as a program, each script against a fake server of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               withFake,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"seed":     seed,
			"fault":    fault,
			"count":    count,
			"doubles":  doubles,
			"requests": requests,
			"await":    await,
			"mode":     mode,
			"rows":     rows,
			"pictured": pictured,
			"movie":    movie,
		},
	})
}

type fakeKey struct{}

func withFake(env *testscript.Env) error {
	srv, err := antcrmtest.Start()
	if err != nil {
		return err
	}
	env.Defer(srv.Close)
	env.Values[fakeKey{}] = srv
	env.Values[arrivalKey{}] = &arrival{}
	env.Setenv("ANTCRM_BASE_URL", srv.URL)
	env.Setenv("ANTCRM_API_KEY", srv.APIKey)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/settings")
	env.Setenv("TZ", "UTC")
	env.Setenv(creds.EnvKeyring, "off")       // of whoever runs the tests
	env.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each program otherwise
	return nil
}

func fake(ts *testscript.TestScript) *antcrmtest.Server {
	srv, _ := ts.Value(fakeKey{}).(*antcrmtest.Server)
	return srv
}

// exits N PROGRAM ARGS… runs a program that must end with the code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if text := ts.ReadFile("stderr"); strings.Contains(text, "goroutine ") || strings.Contains(text, "panic") {
		ts.Fatalf("a stack trace on stderr")
	}
}

// seed KIND FILE puts the records of a JSON file into the fake; seed KIND N puts N numbered contacts there.
func seed(ts *testscript.TestScript, _ bool, args []string) {
	if n, err := strconv.Atoi(args[1]); err == nil {
		for i := range n {
			ts.Check(fake(ts).Seed(antcrmtest.Kind(args[0]), map[string]any{"name": "Khách " + strconv.Itoa(i), "contactType": "lead", "customerIdApiRing": "K-" + strconv.Itoa(i)}))
		}
		return
	}
	ts.Check(fake(ts).Seed(antcrmtest.Kind(args[0]), ts.ReadFile(args[1])))
}

// fault FILE arms the faults of a file; fault alone disarms all.
func fault(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		fake(ts).ClearFaults()
		return
	}
	faults, err := antcrmtest.ParseFaults([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	for _, f := range faults {
		ts.Check(fake(ts).Inject(f).Err())
	}
}

// count KIND N says how many records of a kind the fake holds.
func count(ts *testscript.TestScript, _ bool, args []string) {
	if got := fake(ts).Count(antcrmtest.Kind(args[0])); strconv.Itoa(got) != args[1] {
		ts.Fatalf("the fake holds %d %s, want %s", got, args[0], args[1])
	}
}

// doubles KIND fails unless the fake holds a key twice; with ! it must not.
func doubles(ts *testscript.TestScript, neg bool, args []string) {
	if found := fake(ts).Duplicates(antcrmtest.Kind(args[0])); (len(found) > 0) == neg {
		ts.Fatalf("doubled keys: %v", found)
	}
}

// requests METHOD PATH N says how many requests arrived.
func requests(ts *testscript.TestScript, _ bool, args []string) {
	got := 0
	for _, r := range fake(ts).Requests() {
		if r.Method == args[0] && r.Path == args[1] {
			got++
		}
	}
	if strconv.Itoa(got) != args[2] {
		ts.Fatalf("%d requests %s %s, want %s", got, args[0], args[1], args[2])
	}
}

type arrivalKey struct{}

// await arm METHOD PATH N notes the Nth such request from now on; await alone waits until it has arrived.
func await(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		arrived, _ := ts.Value(arrivalKey{}).(*arrival)
		<-arrived.done
		return
	}
	n, err := strconv.Atoi(args[3])
	ts.Check(err)
	arrived, _ := ts.Value(arrivalKey{}).(*arrival)
	arrived.left, arrived.done = n, make(chan struct{})
	ts.Check(fake(ts).Inject(antcrmtest.Fault{Method: args[1], Path: args[2], Match: arrived.met}).Err())
}

// mode FILE MODE compares a file's permissions.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[1] {
		ts.Fatalf("mode %s, want %s", got, args[1])
	}
}

// rows FILE N counts the lines of a file; rows FILE FIELD VALUE… compares a field of JSON Lines.
func rows(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimRight(ts.ReadFile(args[0]), "\n"), "\n")
	if len(args) == 2 {
		if strconv.Itoa(len(lines)) != args[1] {
			ts.Fatalf("%d lines, want %s", len(lines), args[1])
		}
		return
	}
	var got []string
	for _, line := range lines {
		var record map[string]any
		ts.Check(json.Unmarshal([]byte(line), &record))
		text, _ := record[args[1]].(string)
		got = append(got, text)
	}
	if !slices.Equal(got, args[2:]) {
		ts.Fatalf("%s are %q, want %q", args[1], got, args[2:])
	}
}

// arrival notices when a number of requests has arrived.
type arrival struct {
	mu   sync.Mutex
	left int
	done chan struct{}
}

// met is a fault's condition that is never fulfilled: it only looks.
func (a *arrival) met(*antcrmtest.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left--; a.left == 0 {
		close(a.done)
	}
	return false
}
