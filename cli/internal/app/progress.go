package app

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
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
	switch {
	case a.flags.quiet:
		return silent{}
	case terminal == nil:
		return newLineProgress(a.stderr, noun, total)
	}
	b := &drawnBar{terminal: terminal, progress: mpb.New(mpb.WithOutput(terminal), mpb.WithRefreshRate(refresh), mpb.WithWidth(a.widthOf(terminal)))}
	failed := decor.Any(func(decor.Statistics) string {
		if n := b.failed.Load(); n > 0 {
			return fmt.Sprintf(", %d failed", n)
		}
		return ""
	})
	if total <= 0 {
		b.bar = b.progress.New(0, mpb.SpinnerStyle().PositionLeft(), mpb.BarWidth(1),
			mpb.AppendDecorators(decor.CurrentNoUnit("%d "+noun), failed, decor.Name(", "), decor.AverageSpeed(0, "%.0f/s")))
		return b
	}
	b.bar = b.progress.New(int64(total), mpb.BarStyle(), mpb.PrependDecorators(decor.CountersNoUnit("%d/%d")),
		mpb.AppendDecorators(decor.NewPercentage("%d"), failed, decor.Name(", "), decor.AverageSpeed(0, "%.0f/s"), decor.Name(", "),
			decor.AverageETA(decor.ET_STYLE_GO), decor.Name(" left")))
	return b
}

type drawnBar struct {
	terminal io.Writer
	progress *mpb.Progress
	bar      *mpb.Bar
	failed   atomic.Int64
}

func (b *drawnBar) update(done, failed int) {
	b.failed.Store(int64(failed))
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
	to           io.Writer
	noun         string
	total        int
	began        time.Time
	done, failed atomic.Int64
	stop         chan struct{}
	stopped      sync.WaitGroup
}

func newLineProgress(to io.Writer, noun string, total int) *lineProgress {
	p := &lineProgress{to: to, noun: noun, total: total, began: time.Now(), stop: make(chan struct{})}
	p.stopped.Go(func() {
		ticker := time.NewTicker(lineEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				say(p.to, p.line())
			case <-p.stop:
				return
			}
		}
	})
	return p
}

func (p *lineProgress) line() string {
	done, failed := p.done.Load(), p.failed.Load()
	text := fmt.Sprintf("%d", done+failed)
	if p.total > 0 {
		text += fmt.Sprintf(" of %d", p.total)
	}
	text += " " + p.noun
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	took := time.Since(p.began)
	rate := float64(done+failed) / took.Seconds()
	text += fmt.Sprintf(", %.0f/s", rate)
	if left := p.total - int(done+failed); p.total > 0 && rate > 0 {
		text += fmt.Sprintf(", %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}

func (p *lineProgress) update(done, failed int) {
	p.done.Store(int64(done))
	p.failed.Store(int64(failed))
}

func (p *lineProgress) say(text string) { say(p.to, text) }

func (p *lineProgress) end() {
	close(p.stop)
	p.stopped.Wait()
}
