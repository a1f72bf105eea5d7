package app

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/antbuddy/antcrm-go/cli/internal/pace"
)

// refresh is how often a bar is drawn.
const refresh = 150 * time.Millisecond

// countBar shows how many records have come; how many there are to come nobody knows.
type countBar struct {
	progress *mpb.Progress
	bar      *mpb.Bar
}

// countBar draws nothing where nobody looks.
func (a *app) countBar(noun string) *countBar {
	terminal := a.progressTerminal()
	if terminal == nil {
		return &countBar{}
	}
	progress := mpb.New(mpb.WithOutput(terminal), mpb.WithRefreshRate(refresh), mpb.WithWidth(a.widthOf(terminal)))
	bar := progress.New(0, mpb.SpinnerStyle().PositionLeft(), mpb.BarWidth(1), mpb.BarRemoveOnComplete(),
		mpb.AppendDecorators(decor.CurrentNoUnit("%d "+noun), decor.Name(", "), decor.AverageSpeed(0, "%.0f/s"), decor.Name(", "), decor.Elapsed(decor.ET_STYLE_GO)))
	return &countBar{progress, bar}
}

func (b *countBar) add() {
	if b.bar != nil {
		b.bar.Increment()
	}
}

// end wipes the bar, so that what is said next stands on a line of its own.
func (b *countBar) end() {
	if b.bar != nil {
		b.bar.SetTotal(-1, true)
		b.progress.Wait()
	}
}

// importBar shows how far an import has come.
type importBar interface {
	update(done, failed int)
	// say prints a line above the bar.
	say(text string)
	end()
}

// importBar is a bar on a terminal, with rate and time to come where the number of records is known; elsewhere a line now and then.
func (a *app) importBar(noun string, total int) importBar {
	terminal := a.progressTerminal()
	c := &counter{total: int64(total)}
	switch {
	case a.flags.quiet:
		return silent{}
	case terminal == nil:
		return newLineProgress(a.stderr, noun, c)
	}
	b := &drawnBar{counter: c, terminal: terminal, progress: mpb.New(mpb.WithOutput(terminal), mpb.WithRefreshRate(refresh), mpb.WithWidth(a.widthOf(terminal)))}
	if total <= 0 {
		b.bar = b.progress.New(0, mpb.SpinnerStyle().PositionLeft(), mpb.BarWidth(1),
			mpb.AppendDecorators(decor.CurrentNoUnit("%d "+noun), decor.Any(func(decor.Statistics) string { return c.pace(time.Now()) })))
		return b
	}
	b.bar = b.progress.New(c.total, mpb.BarStyle(), mpb.BarFillerTrim(), mpb.PrependDecorators(decor.CountersNoUnit("%d/%d ")),
		mpb.AppendDecorators(decor.NewPercentage(" %d"), decor.Any(func(decor.Statistics) string { return c.pace(time.Now()) })))
	return b
}

// counter is what a bar shows. One goroutine counts, another shows.
type counter struct {
	total        int64 // 0: nobody knows
	done, failed atomic.Int64
	meter        pace.Meter // of who shows
}

func (c *counter) update(done, failed int) {
	c.done.Store(int64(done))
	c.failed.Store(int64(failed))
}

// pace is the end of a line of progress: what failed, how fast it goes, how long it will take.
func (c *counter) pace(now time.Time) string {
	failed := c.failed.Load()
	count := c.done.Load() + failed
	text := ""
	if failed > 0 {
		text = fmt.Sprintf(", %d failed", failed)
	}
	rate := c.meter.Rate(now, count)
	text += fmt.Sprintf(", %.0f/s", rate)
	if left, known := pace.Left(c.total-count, rate); known {
		text += fmt.Sprintf(", %s left", left)
	}
	return text
}

type drawnBar struct {
	*counter
	terminal io.Writer
	progress *mpb.Progress
	bar      *mpb.Bar
}

func (b *drawnBar) update(done, failed int) {
	b.counter.update(done, failed)
	b.bar.SetCurrent(int64(done + failed))
}

// say goes to the line's beginning first: the terminal has printed ^C there, and the bar is wiped from the cursor on.
func (b *drawnBar) say(text string) {
	_, _ = io.WriteString(b.terminal, "\r")
	say(b.progress, text)
}

// end leaves the bar as it is, finished or not.
func (b *drawnBar) end() {
	b.bar.Abort(false)
	b.progress.Wait()
}

type silent struct{}

func (silent) update(int, int) {}
func (silent) say(string)      {}
func (silent) end()            {}

// lineEvery is how often progress is told where no bar can be drawn.
const lineEvery = 5 * time.Second

// lineProgress writes a line now and then.
type lineProgress struct {
	*counter
	to      io.Writer
	noun    string
	stop    chan struct{}
	stopped sync.WaitGroup
}

func newLineProgress(to io.Writer, noun string, c *counter) *lineProgress {
	p := &lineProgress{counter: c, to: to, noun: noun, stop: make(chan struct{})}
	p.pace(time.Now()) // the first look
	p.stopped.Go(func() {
		ticker := time.NewTicker(lineEvery)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				say(p.to, p.line(now))
			case <-p.stop:
				return
			}
		}
	})
	return p
}

func (p *lineProgress) line(now time.Time) string {
	text := strconv.FormatInt(p.done.Load()+p.failed.Load(), 10)
	if p.total > 0 {
		text += fmt.Sprintf(" of %d", p.total)
	}
	return text + " " + p.noun + p.pace(now)
}

func (p *lineProgress) say(text string) { say(p.to, text) }

func (p *lineProgress) end() {
	close(p.stop)
	p.stopped.Wait()
}
