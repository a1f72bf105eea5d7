package app

import (
	"context"
	"os"
)

// RunInProcess runs the command as a program would, within the test's own process.
func RunInProcess(ctx context.Context, args []string, env map[string]string, stdin, stdout, stderr *os.File) (code int) {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, getenv: func(name string) string { return env[name] }}
	return a.run(ctx, args)
}
