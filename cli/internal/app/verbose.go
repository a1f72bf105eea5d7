package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
)

// lines is where messages go that many goroutines write while a command runs: stderr, or above its progress bar.
type lines struct {
	mu    sync.Mutex
	print func(string)
}

// printTo has messages printed by a function from now on; nil: to stderr.
func (l *lines) printTo(show func(string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print = show
}

// reportRetry is the observer of --verbose. It names neither the key nor anything of a record: the operation, the answer's status, the times.
func (a *app) reportRetry(_ context.Context, attempt antcrm.Attempt) {
	if !attempt.WillRetry {
		return
	}
	op := attempt.Op
	if op == "" {
		op = attempt.Method + " " + attempt.Path
	}
	line := output.Clean(fmt.Sprintf("%s: attempt %d: %s after %s; it is repeated", op, attempt.Number, attemptResult(attempt), attempt.Duration.Round(time.Millisecond)))
	a.lines.mu.Lock()
	defer a.lines.mu.Unlock()
	if a.lines.print != nil {
		a.lines.print(line)
		return
	}
	say(a.stderr, line)
}

// attemptResult is what came of an attempt, in a few words.
func attemptResult(attempt antcrm.Attempt) string {
	switch {
	case attempt.Status != 0:
		return fmt.Sprintf("%d %s", attempt.Status, http.StatusText(attempt.Status))
	case errors.Is(attempt.Err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(attempt.Err, antcrm.ErrOutcomeUnknown):
		return "the answer was lost"
	}
	return "no connection"
}
