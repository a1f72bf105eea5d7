package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go/cli/internal/creds"
)

// backgroundLife is how long a fake in the background lives that nobody stops.
const backgroundLife = time.Hour

// mockInBackground starts this program again as a server of its own session and prints its address.
func (a *app) mockInBackground(ctx context.Context, m *fakeServer) error {
	fail := func(err error) error {
		return &failure{code: exitFailure, text: "start the fake server in the background", err: withoutPath(err)}
	}
	if m.stopAfter <= 0 {
		m.stopAfter = backgroundLife
	}
	child, err := m.process()
	if err != nil {
		return fail(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	var problem bytes.Buffer
	child.Stderr = &problem
	if err := child.Start(); err != nil {
		return fail(err)
	}
	hello, err := readGreeting(ctx, out)
	if err != nil {
		_ = child.Process.Kill()
		_ = child.Wait()
		if problem.Len() == 0 || ctx.Err() != nil {
			return fail(err)
		}
		// It has said what is wrong, in the words of this program.
		say(a.stderr, strings.TrimSpace(problem.String()))
		return reported{max(exitFailure, child.ProcessState.ExitCode())}
	}
	a.note("a fake AntCRM listens at %s for %s; stop it with: kill %d", hello.URL, m.stopAfter, child.Process.Pid)
	return write(a.stdout, hello.URL+"\n")
}

// process is this program as the server. It needs no key, and gets none.
func (m *fakeServer) process() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"mock", "--addr", m.addr, "--latency", m.latency.String(), "--stop-after", m.stopAfter.String()}
	for flag, value := range map[string]string{"--seed": m.seed, "--faults": m.faults, "--like": m.like} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	if m.empty {
		args = append(args, "--empty")
	}
	// Not CommandContext: it outlives this command.
	child := exec.Command(self, args...) //nolint:noctx // see above
	child.SysProcAttr = ownSession()
	child.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, creds.EnvKey+"=") })
	return child, nil
}

func readGreeting(ctx context.Context, out io.Reader) (greeting, error) {
	var hello greeting
	line, err := await(ctx, func() ([]byte, error) { return bufio.NewReader(out).ReadBytes('\n') })
	if err == nil {
		err = json.Unmarshal(line, &hello)
	}
	return hello, err
}
