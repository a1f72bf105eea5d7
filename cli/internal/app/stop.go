package app

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// errStopped ends the source of an import at Ctrl-C: what was read before is sent and waited for.
var errStopped = errors.New("stopped by Ctrl-C")

// stopper makes Ctrl-C gentle: the first one asks to stop, the second ends the context.
type stopper struct {
	asked atomic.Bool
	end   func()
}

// gentleStop returns a context that the second Ctrl-C ends. asked is called at the first.
func gentleStop(ctx context.Context, asked func()) (context.Context, *stopper) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	s := &stopper{}
	done := make(chan struct{})
	s.end = func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
	go func() {
		defer close(done)
		for {
			select {
			case <-signals:
				if s.asked.Swap(true) {
					cancel()
				} else {
					asked()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, s
}
