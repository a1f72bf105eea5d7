package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serves begins the one command of a session that is not run as it stands: a server in the background.
const serves = "export ANTCRM_BASE_URL=$(antcrm mock"

// step is one command of a session and what it printed.
type step struct{ command, output string }

// sessions reads the ```console blocks of a document that run the command.
func sessions(text string) [][]step {
	var all [][]step
	for _, block := range strings.Split(text, "```console\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(block, "$ antcrm ") {
			continue
		}
		var steps []step
		for line := range strings.Lines(block) {
			last := len(steps) - 1
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: command})
			} else if more, ok := strings.CutPrefix(line, "> "); ok && steps[last].output == "" {
				steps[last].command += more
			} else {
				steps[last].output += line
			}
		}
		all = append(all, steps)
	}
	return all
}

// TestSessionsInTheDocumentsAreTrue runs the sessions of the documents in a shell. An … in a document stands for anything on its line.
func TestSessionsInTheDocumentsAreTrue(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	for document, required := range map[string]bool{"../../README.md": true, "../../../docs/cli.md": false, "../../../README.md": false} {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		found := sessions(string(text))
		require.True(t, len(found) > 0 || !required, "no session in %s", document)
		for _, session := range found {
			runSession(t, bash, session)
		}
	}
}

func runSession(t *testing.T, bash string, session []step) {
	t.Helper()
	const mark = "\x01\n"
	var script strings.Builder
	for _, s := range session {
		if strings.HasPrefix(s.command, serves) {
			s.command = ":\n" // the test has a server that ends with it
		}
		script.WriteString(s.command + "( code=$?; printf '\\001\\n'; exit $code )\n")
	}
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), bash, "--norc")
	cmd.Dir = folder
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Env = append(os.Environ(), "HOME="+folder, "XDG_CONFIG_HOME="+folder, "TZ=UTC", "ANTCRM_API_KEY=", "ANTCRM_BASE_URL="+mockServer(t), "GORACE=atexit_sleep_ms=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the last command's code
	outputs := strings.Split(out.String(), mark)
	require.Len(t, outputs, len(session)+1, "the shell ended early: %s", out.String())
	for i, s := range session {
		if strings.HasPrefix(s.command, serves) {
			continue
		}
		assert.Regexp(t, "^"+strings.ReplaceAll(regexp.QuoteMeta(s.output), "…", ".*")+"$", outputs[i], "$ %s", s.command)
	}
}

// mockServer runs "antcrm mock" for a session and returns its address.
func mockServer(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "antcrm", "mock")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // killed by the test's context
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	var hello struct{ URL string }
	require.NoError(t, json.Unmarshal(line, &hello))
	return hello.URL
}
