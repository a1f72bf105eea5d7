//go:build !linux

package antcrm_test

import (
	"testing"
	"time"
)

func processorTime(testing.TB) time.Duration { return 0 }

func mostMemory(testing.TB) int64 { return 0 }

func forgetMemory() {}

func isBusy(testing.TB) bool { return true }
