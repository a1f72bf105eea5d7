//go:build !unix

package crmsync_test

import "os/exec"

// asPostgres does nothing: only Unix has a root that Postgres refuses.
func asPostgres(*exec.Cmd) error { return nil }
