package antcrm_test

import (
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// processorTime is what this process has used so far.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// forgetMemory returns what is free to the system, and lets mostMemory begin anew
// where that is allowed. Elsewhere it is the most of all so far.
func forgetMemory() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// isBusy reports whether others than a test and its child want the processors.
func isBusy(tb testing.TB) bool {
	tb.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	require.NoError(tb, err)
	load, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	require.NoError(tb, err)
	return load > 2*float64(runtime.NumCPU())
}

// mostMemory is how much of the machine's memory this process has had at a time.
func mostMemory(tb testing.TB) int64 {
	tb.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(tb, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(tb, found)
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(tb, err)
	return kilobytes << 10
}
