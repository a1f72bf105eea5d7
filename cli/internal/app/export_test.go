package app

import (
	"context"
	"os"
	"time"

	"github.com/antbuddy/antcrm-go/cli/internal/creds"
)

// MainWithKeyring is Main with another keyring than the system's.
func MainWithKeyring(keyring creds.Keyring, wait time.Duration) int { return runProcess(keyring, wait) }

// RunInProcess runs the command as a program would, within the test's own process.
func RunInProcess(ctx context.Context, args []string, env map[string]string, stdin, stdout, stderr *os.File) (code int) {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, getenv: func(name string) string { return env[name] }}
	return a.run(ctx, args)
}

// InCommandWords is what the contract's table makes of a text of the probe.
func InCommandWords(text string) string { return inCommandWords(text) }
