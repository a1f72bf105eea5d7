package crmsync_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheExamplesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"webhook", "nightly"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			defer cancel()
			output, err := exec.CommandContext(ctx, "go", "run", "./examples/"+name).CombinedOutput()
			require.NoError(t, err, string(output))
		})
	}
}
