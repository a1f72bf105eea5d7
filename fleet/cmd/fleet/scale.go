package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/fleet"
)

// scale sends many small records through one machine, against a service that
// answers at once: a server, a feeder and workers, each a process of its own.
type scale struct {
	*command
	records int
	workers int
	dir     string // of the store
	service *instantService
	fleet   *fleet.Fleet
	members []*member

	disk     int64           // largest size of the store
	statuses []time.Duration // what reading the status took while the job ran
}

// member is a process of the fleet.
type member struct {
	*exec.Cmd
	name string
	peak int64 // resident bytes, 0 where nobody says
}

const scaleJob = "scale"

// measureScale prints how long many records take, and what they need.
func measureScale(ctx context.Context, c *command, records, workers int) (err error) {
	service, err := newInstantService(ctx, records)
	if err != nil {
		return err
	}
	defer service.close()
	s := &scale{command: c, records: records, workers: workers, dir: c.cfg.StoreDir, service: service}
	defer s.end()
	server, err := s.launch("server", nil, "serve")
	if err != nil {
		return err
	}
	if err := s.ready(ctx, server); err != nil {
		return err
	}
	if s.fleet, err = c.open(ctx); err != nil {
		return err
	}
	defer s.fleet.Close()
	if err := s.feed(ctx); err != nil {
		return err
	}
	if err := s.send(ctx); err != nil {
		return err
	}
	return s.report(ctx)
}

// launch starts a process of the fleet.
func (s *scale) launch(name string, stdin io.Reader, args ...string) (*member, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, append(args, "-store", s.dir)...) //nolint:noctx // ended in good order by end
	cmd.Env = append(os.Environ(), "NATS_URL=", "ANTCRM_API_KEY=bench", "ANTCRM_BASE_URL="+s.service.url)
	cmd.Stdin, cmd.Stderr = stdin, io.Discard
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	m := &member{Cmd: cmd, name: name}
	s.members = append(s.members, m)
	return m, nil
}

// ready waits until the server has its folder, so that no other process takes it.
func (s *scale) ready(ctx context.Context, server *member) error {
	for {
		if _, err := os.Stat(filepath.Join(s.dir, "server.json")); err == nil {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("the %s does not start: %w", server.name, err)
		}
	}
}

// end ends the processes in good order.
func (s *scale) end() {
	for i := len(s.members) - 1; i >= 0; i-- { // the server last
		_ = s.members[i].Process.Signal(syscall.SIGTERM)
		_ = s.members[i].Wait()
	}
}

// feed queues the records through a feeder, which reads a sheet.
func (s *scale) feed(ctx context.Context) error {
	sheet, rows := io.Pipe()
	go func() { _ = rows.CloseWithError(writeRows(rows, s.records)) }()
	feeder, err := s.launch("feeder", sheet, "feed", "-job", scaleJob, "-format", "csv", "-allow-duplicate-keys", "-")
	if err != nil {
		return err
	}
	began := time.Now()
	fed := make(chan error, 1)
	go func() { fed <- feeder.Wait() }()
	if err := s.watch(ctx, fed); err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	s.line("fed", time.Since(began))
	return nil
}

func writeRows(to io.Writer, records int) error {
	out := bufio.NewWriterSize(to, 1<<16)
	_, _ = out.WriteString("name,customerIdApiRing,contactType\n")
	for i := range records {
		if _, err := fmt.Fprintf(out, "A,ERP-%d,customer\n", i); err != nil {
			return err
		}
	}
	return out.Flush()
}

// send lets workers empty the queue.
func (s *scale) send(ctx context.Context) error {
	began := time.Now()
	for range s.workers {
		if _, err := s.launch("worker", nil, "work"); err != nil {
			return err
		}
	}
	finished := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { finished <- s.fleet.Wait(ctx, scaleJob) }()
	if err := s.watch(ctx, finished); err != nil {
		return err
	}
	s.line("sent, finished and purged", time.Since(began))
	return nil
}

// watch measures until something is done.
func (s *scale) watch(ctx context.Context, done <-chan error) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		began := time.Now()
		if _, err := s.fleet.Status(ctx); err != nil {
			return err
		}
		s.statuses = append(s.statuses, time.Since(began))
		s.disk = max(s.disk, sizeOf(s.dir))
		s.measureMemory()
	}
}

func (s *scale) line(what string, took time.Duration) {
	_, _ = fmt.Fprintf(s.stdout, "%d records %s in %.1f s (%.0f records/s)\n", s.records, what, took.Seconds(), float64(s.records)/took.Seconds())
}

// report prints what the records needed.
func (s *scale) report(ctx context.Context) error {
	began := time.Now()
	done := 0
	for r, err := range s.fleet.Results(ctx, scaleJob) {
		if err != nil {
			return err
		}
		if r.Outcome == antcrm.OutcomeDone {
			done++
		}
	}
	s.line("read from the results", time.Since(began))
	s.measureMemory()
	_, _ = fmt.Fprintf(s.stdout, "done %d, at the service once %d, twice %d\n", done, s.service.once.Load(), s.service.twice.Load())
	began = time.Now()
	if _, err := s.fleet.Status(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.stdout, "status: %.3f s once finished\n", time.Since(began).Seconds())
	if len(s.statuses) > 0 {
		middle := median(s.statuses) // and they are sorted
		_, _ = fmt.Fprintf(s.stdout, "status before, %d times: %.3f s the median, %.3f s the slowest\n",
			len(s.statuses), middle.Seconds(), s.statuses[len(s.statuses)-1].Seconds())
	}
	_, _ = fmt.Fprintf(s.stdout, "disk: %d MB at most, %d MB once finished\n", s.disk>>20, sizeOf(s.dir)>>20)
	for _, m := range s.members {
		_, _ = fmt.Fprintf(s.stdout, "resident at most: %s %d MB\n", m.name, m.peak>>20)
	}
	if done != s.records || int(s.service.once.Load()) != s.records || s.service.twice.Load() > 0 {
		return errors.New("the ledger is not exact")
	}
	return nil
}

// measureMemory reads how large the processes have been, where the system says.
func (s *scale) measureMemory() {
	for _, m := range s.members {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(m.Process.Pid) + "/status")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			var kilobytes int64
			if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
				m.peak = max(m.peak, kilobytes<<10)
			}
		}
	}
}

// sizeOf is how large the files of a folder are.
func sizeOf(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // the server removes files while they are counted
		}
		if info, err := entry.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}

// instantService answers at once, keeps a bit for each record and nothing else.
type instantService struct {
	url    string
	server *http.Server
	mu     sync.Mutex
	seen   []uint64
	once   atomic.Int64
	twice  atomic.Int64
}

func newInstantService(ctx context.Context, records int) (*instantService, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &instantService{url: "http://" + listener.Addr().String(), seen: make([]uint64, records/64+1)}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

func (s *instantService) close() { _ = s.server.Close() }

var ownKey = []byte(`"customerIdApiRing":"ERP-`)

func (s *instantService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return
	}
	ids := []byte(`{"success":1,"customerId":[`)
	for n := 0; ; n++ {
		at := bytes.Index(body, ownKey)
		if at < 0 {
			break
		}
		body = body[at+len(ownKey):]
		digits, _, _ := bytes.Cut(body, []byte(`"`))
		number, err := strconv.Atoi(string(digits))
		if err != nil || number < 0 || number/64 >= len(s.seen) {
			http.Error(w, "not a record of the bench", http.StatusBadRequest)
			return
		}
		s.note(number)
		if n > 0 {
			ids = append(ids, ',')
		}
		ids = strconv.AppendInt(ids, int64(number)+1, 10)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(ids, "]}"...))
}

func (s *instantService) note(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bit := uint64(1) << (number % 64)
	if s.seen[number/64]&bit != 0 {
		s.twice.Add(1)
		return
	}
	s.seen[number/64] |= bit
	s.once.Add(1)
}
