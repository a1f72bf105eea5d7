package main

import (
	"context"
	"os"
	"os/exec"
)

// runSelf runs this program again, as a process of its own.
func runSelf(ctx context.Context, args ...string) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
