package antcrm

import "context"

// Journal is a placeholder until import.go is written.
type Journal interface{}

// UnknownChunk is a placeholder.
type UnknownChunk struct{}

// Resolution is a placeholder.
type Resolution int

var _ = context.Canceled
