package contract

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// TestExamplesKeepTheContract builds the example programs and runs each against the fake, through a proxy that holds its traffic to the
// contract.
func TestExamplesKeepTheContract(t *testing.T) {
	t.Parallel()
	c := load(t)
	bin := t.TempDir()
	programs := examplePrograms(t)
	require.NotEmpty(t, programs)
	for _, program := range programs {
		t.Run(path.Base(program), func(t *testing.T) {
			t.Parallel()
			binary := filepath.Join(bin, path.Base(program))
			_, err := goTool(t, "build", "-o", binary, program)
			require.NoError(t, err)

			srv := antcrmtest.NewServer(t)
			target, err := url.Parse(srv.URL)
			require.NoError(t, err)
			transport := c.Transport(&http.Transport{})
			proxy := httptest.NewServer(transport.Proxy(target))
			t.Cleanup(proxy.Close)

			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			run := exec.CommandContext(ctx, binary)
			run.Dir = t.TempDir()
			run.Env = append(os.Environ(), "ANTCRM_BASE_URL="+proxy.URL, "ANTCRM_API_KEY="+srv.APIKey)
			output, err := run.CombinedOutput()
			require.NoError(t, err, "%s", output)

			exchanges := transport.Exchanges()
			assert.NotEmpty(t, exchanges, "nothing went through the proxy")
			for _, ex := range exchanges {
				assert.Empty(t, lines(ex.Violations()), "%s %s?%s", ex.Method, ex.Path, ex.Query.Encode())
			}
			t.Logf("%d exchanges", len(exchanges))
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
