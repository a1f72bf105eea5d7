package contract

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExamplesKeepTheContract builds the example programs with both ends watched (see TestTheWholeSuiteKeepsTheContract) and runs each against
// its embedded fake.
func TestExamplesKeepTheContract(t *testing.T) {
	t.Parallel()
	c := load(t)
	bin, watched := t.TempDir(), overlay(t)
	programs := examplePrograms(t)
	require.NotEmpty(t, programs)
	for _, program := range programs {
		t.Run(path.Base(program), func(t *testing.T) {
			t.Parallel()
			binary, transcript := filepath.Join(bin, path.Base(program)), filepath.Join(t.TempDir(), "transcript")
			_, err := goTool(t, "build", "-overlay="+watched, "-o", binary, program)
			require.NoError(t, err)

			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			run := exec.CommandContext(ctx, binary)
			run.Dir = t.TempDir()
			run.Env = append(os.Environ(), "CONTRACT_TRANSCRIPT="+transcript)
			output, err := run.CombinedOutput()
			require.NoError(t, err, "%s", output)

			seen, broken := c.readTranscript(t, transcript)
			assert.Empty(t, broken, "rules that were broken, and how often")
			assert.NotZero(t, seen["requests"])
			assert.NotZero(t, seen["answers"])
			t.Logf("%d requests and %d answers", seen["requests"], seen["answers"])
		})
	}
}

// examplePrograms lists the import paths of examples/*: not the tests among them, nor programs inside of an example.
func examplePrograms(t *testing.T) []string {
	t.Helper()
	listed, err := goTool(t, "list", "-f", `{{if and (eq .Name "main") .GoFiles}}{{.ImportPath}}{{end}}`, "./examples/...")
	require.NoError(t, err)
	var programs []string
	for program := range strings.FieldsSeq(listed) {
		if _, inside, _ := strings.Cut(program, "/examples/"); !strings.Contains(inside, "/") {
			programs = append(programs, program)
		}
	}
	return programs
}

// goTool runs the go command in the module of the SDK.
func goTool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Stderr = "..", os.Stderr
	output, err := cmd.Output()
	return string(output), err
}
