package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// progress is a line that is rewritten on a terminal, and a new line now and
// then elsewhere. How much is left is told from how much of the file was read.
type progress struct {
	terminal bool
	size     int64
	read     atomic.Int64
	began    time.Time
	shown    time.Time
	every    time.Duration
	outcomes [4]int
}

func newProgress(file *os.File) (*progress, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	p := &progress{size: info.Size(), began: time.Now(), shown: time.Now(), every: 2 * time.Second}
	// A character device is a terminal, or /dev/null, where it does not matter.
	if out, err := os.Stdout.Stat(); err == nil && out.Mode()&os.ModeCharDevice != 0 {
		p.terminal, p.every = true, 100*time.Millisecond
	}
	return p, nil
}

// reader counts what is read of the file.
func (p *progress) reader(r io.Reader) io.Reader { return counter{r, &p.read} }

type counter struct {
	io.Reader
	n *atomic.Int64
}

func (c counter) Read(buf []byte) (int, error) {
	n, err := c.Reader.Read(buf)
	c.n.Add(int64(n))
	return n, err
}

func (p *progress) count(outcome antcrm.Outcome) {
	p.outcomes[outcome]++
	if now := time.Now(); now.Sub(p.shown) >= p.every {
		p.shown = now
		p.show(now)
	}
}

func (p *progress) failed() int {
	return p.outcomes[antcrm.OutcomeRejected] + p.outcomes[antcrm.OutcomeUnknown] + p.outcomes[antcrm.OutcomeNotSent]
}

func (p *progress) show(now time.Time) {
	took := now.Sub(p.began)
	done := p.outcomes[antcrm.OutcomeDone]
	text := fmt.Sprintf("%d done, %d failed, %.0f a second", done, p.failed(), float64(done+p.failed())/took.Seconds())
	if part := float64(p.read.Load()) / float64(max(p.size, 1)); part > 0 {
		text += fmt.Sprintf(", %.0f %%, %s left", 100*part, (time.Duration(float64(took) * (1 - part) / part)).Round(time.Second))
	}
	if p.terminal {
		fmt.Print("\r\x1b[K" + text)
		return
	}
	fmt.Println(text)
}

func (p *progress) end() {
	if p.terminal {
		fmt.Print("\r\x1b[K")
	}
	fmt.Printf("%d done, %d rejected, %d unknown, %d not sent in %s\n", p.outcomes[antcrm.OutcomeDone], p.outcomes[antcrm.OutcomeRejected],
		p.outcomes[antcrm.OutcomeUnknown], p.outcomes[antcrm.OutcomeNotSent], time.Since(p.began).Round(time.Millisecond))
}

// printHead shows the first lines of a file, as far as a screen is wide.
func printHead(path string) error {
	const shown, width = 5, 200
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewReader(file)
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		switch {
		case line == "" && errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case n == shown:
			fmt.Println("  …")
			return nil
		}
		text := []rune(strings.TrimRight(strings.TrimPrefix(line, "\ufeff"), "\r\n"))
		if len(text) > width {
			text = append(text[:width], '…')
		}
		fmt.Println("  " + string(text))
	}
}
