package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"time"
)

// backgroundLife is how long a fake in the background lives that nobody stops.
const backgroundLife = time.Hour

// mockInBackground starts this program again as a server of its own session and prints its address.
func (a *app) mockInBackground(ctx context.Context, m *fakeServer) error {
	fail := func(err error) error {
		return &failure{code: exitFailure, text: "start the fake server in the background", err: withoutPath(err), next: "run it without --background to see what is wrong"}
	}
	self, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	if m.stopAfter <= 0 {
		m.stopAfter = backgroundLife
	}
	args := []string{"mock", "--addr", m.addr, "--latency", m.latency.String(), "--stop-after", m.stopAfter.String()}
	for flag, value := range map[string]string{"--seed": m.seed, "--faults": m.faults} {
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
	out, err := child.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := child.Start(); err != nil {
		return fail(err)
	}
	hello, err := readGreeting(ctx, out)
	if err != nil {
		_ = child.Process.Kill()
		return fail(err)
	}
	a.note("a fake AntCRM listens at %s for %s; stop it with: kill %d", hello.URL, m.stopAfter, child.Process.Pid)
	return write(a.stdout, hello.URL+"\n")
}

func readGreeting(ctx context.Context, out io.Reader) (greeting, error) {
	lines := make(chan []byte, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadBytes('\n')
		lines <- line
	}()
	var hello greeting
	select {
	case line := <-lines:
		if json.Unmarshal(line, &hello) != nil {
			return hello, errors.New("it ended at once")
		}
		return hello, nil
	case <-ctx.Done():
		return hello, ctx.Err()
	}
}
