//go:build !race && !js

package wasmtest // once is enough: the race detector does not look into another process

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// server answers the program. What it redirects to counts its requests.
func server(t *testing.T) (base string, elsewhere *atomic.Int64) {
	t.Helper()
	elsewhere = new(atomic.Int64)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	var busy atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("GET /contacts", func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "sk-0123456789-secret", r.Header.Get("Apikey"))
		assert.Equal(t, "0900000001", r.URL.Query().Get("phone"))
		io.WriteString(w, `[{"_id":"a","name":"Nguyễn Văn Mẫu"}]`)
	})
	mux.HandleFunc("POST /contacts", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		assert.Contains(t, string(body), `"Nguyễn Văn Mẫu"`)
		io.WriteString(w, `{"success":1,"customerId":7}`)
	})
	mux.HandleFunc("/zipped", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		io.WriteString(zip, `{"success":1}`)
		zip.Close()
	})
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) {
		if busy.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusBadGateway)
		}
		io.WriteString(w, `{"success":1}`)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("["), 1<<16)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/stalls", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"success":`)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"success":`)
	})
	main := httptest.NewServer(mux)
	t.Cleanup(main.Close)
	return main.URL, elsewhere
}

// In a browser net/http asks fetch. Under node it does not, unless node goes by another name.
func TestTheSDKWorksThroughFetch(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here: the js/wasm build is compiled by CI's vet, and not run")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	runner := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec_node.js")
	if _, err := os.Stat(runner); err != nil {
		t.Skip("this Go has no wasm_exec_node.js")
	}
	program := filepath.Join(t.TempDir(), "program.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./program")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	base, elsewhere := server(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, node, runner, program, base, closed.URL)
	run.Args[0] = "browser"
	run.Env = []string{"HOME=" + t.TempDir()} // js/wasm has room for 8 KiB of arguments and environment
	out, err = run.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, `list: Nguyễn Văn Mẫu
create: 7
zipped: done
not there: 404 after 1
busy: done
moved: 307 after 1
post moved: 307 after 1
too long: (antcrm: response too large)
cut: lost after 2
stalls: lost after 2 (context deadline exceeded)
post stalls: lost after 1 (antcrm: outcome unknown) (context deadline exceeded)
silent: lost after 2 (context deadline exceeded)
nobody: lost after 1 (antcrm: outcome unknown)
canceled: lost after 0 (context canceled)
`, string(out))
	assert.Zero(t, elsewhere.Load(), "the key went to another origin")
}
