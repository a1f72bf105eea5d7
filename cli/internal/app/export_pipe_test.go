//go:build unix

package app_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/cli/internal/app"
)

// An export into a pipe that nobody reads ends with its context, as at Ctrl-C.
func TestExport_IntoAPipeWithoutReaderCanBeStopped(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	srv := antcrmtest.NewServer(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { _ = null.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	env := map[string]string{"ANTCRM_BASE_URL": srv.URL, "ANTCRM_API_KEY": srv.APIKey, "ANTCRM_CONFIG": os.DevNull}
	for _, args := range [][]string{{"contacts", "export", "-o", "csv", "-f", pipe}, {"doctor", "--contract", "--json", pipe}} {
		assert.Equal(t, 1, app.RunInProcess(ctx, args, env, null, null, null), args)
	}
}
