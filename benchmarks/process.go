package main

import (
	"io"
	"os"
	"os/exec"
)

// This program starts itself again as the server and as the importer. The
// variable says as what.
const (
	roleVariable = "ANTCRM_BENCHMARK_ROLE"
	roleServer   = "server"
	roleImporter = "importer"
)

// child runs the role that the environment names, if any.
func child() (isChild bool, err error) {
	switch os.Getenv(roleVariable) {
	case roleServer:
		return true, serve()
	case roleImporter:
		return true, importer(os.Args[1:])
	}
	return false, nil
}

// spawn starts this program in a role. Its standard input stays open until
// stop is called or this process ends.
func spawn(role string, args ...string) (cmd *exec.Cmd, stdout io.Reader, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	cmd = exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	stdout, err = cmd.StdoutPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, nil, err
	}
	return cmd, stdout, func() { _ = stdin.Close() }, nil
}
