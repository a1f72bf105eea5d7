package app

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// interruptible ends the context at Ctrl-C. A second Ctrl-C ends the process, whatever it waits for.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(cmd.Context(), stopSignals()...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// stopSignals are Ctrl-C, kill, and a terminal that is closed, unless nohup says that it does not matter.
func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// await gives what do returns, or the context's end if that comes first. It is for reads from a terminal or a pipe, which nothing else can end: do goes on
// unheard until the process ends.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	got := make(chan answer, 1)
	go func() {
		value, err := do()
		got <- answer{value, err}
	}()
	select {
	case a := <-got:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// errStopped ends the source of an import at Ctrl-C: what was read before is sent and waited for.
var errStopped = errors.New("stopped by Ctrl-C")

// stopper makes Ctrl-C gentle: the first one asks to stop, the second ends the context, a third the process.
type stopper struct {
	asked context.Context // ends at the first
	end   func()
}

// gentleStop returns a context that the second Ctrl-C ends. say is given what each of the two does.
func gentleStop(ctx context.Context, say func(string)) (context.Context, *stopper) {
	ctx, cancel := context.WithCancel(ctx)
	asked, ask := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals()...)
	done := make(chan struct{})
	s := &stopper{asked: asked, end: func() {
		signal.Stop(signals)
		cancel()
		<-done
	}}
	go func() {
		defer close(done)
		defer ask()
		select {
		case <-signals:
			ask()
			say("stopping: what is in flight is finished (Ctrl-C again stops at once)")
		case <-ctx.Done():
			return
		}
		select {
		case <-signals:
			signal.Stop(signals)
			say("stopping at once: what was in flight may have been carried out")
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, s
}

// reader reads from in until somebody wants to stop, even if a read is waiting for a terminal or a pipe then.
func (s *stopper) reader(in io.Reader) io.Reader { return &stoppableReader{in: in, asked: s.asked} }

type stoppableReader struct {
	in     io.Reader
	asked  context.Context
	buffer [64 << 10]byte // not the caller's: a read that nobody hears may still fill it
}

func (r *stoppableReader) Read(p []byte) (int, error) {
	if r.asked.Err() != nil {
		return 0, errStopped
	}
	n, err := await(r.asked, func() (int, error) { return r.in.Read(r.buffer[:min(len(p), len(r.buffer))]) })
	if err != nil && r.asked.Err() != nil {
		return 0, errStopped
	}
	return copy(p, r.buffer[:n]), err
}
