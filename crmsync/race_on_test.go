//go:build race

package crmsync_test

// raced reports whether the race detector is on, which makes SQLite, written in Go here, many times slower.
const raced = true
