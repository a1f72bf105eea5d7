package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/fleet"
)

// benchFlags are what is measured.
type benchFlags struct {
	latency     time.Duration
	chunks      int
	rounds      int
	concurrency int
	rate        float64
	seconds     int

	records int
	workers int
	limit   time.Duration
}

func (b *benchFlags) register(flags *flag.FlagSet) {
	flags.DurationVar(&b.latency, "latency", 50*time.Millisecond, "how long the service takes to answer")
	flags.IntVar(&b.chunks, "chunks", 120, "chunks of 100 records a run")
	flags.IntVar(&b.rounds, "rounds", 3, "runs with each number of workers, interleaved; the median counts")
	flags.IntVar(&b.concurrency, "concurrency", 1, "chunks under way at a time, for each worker")
	flags.Float64Var(&b.rate, "rate", 100, "the shared limit to measure, requests a second")
	flags.IntVar(&b.seconds, "seconds", 4, "how long to measure it")
	flags.IntVar(&b.records, "records", 0, "measure this instead: so many small records through one machine, the service answers at once; ten million take minutes and gigabytes")
	flags.IntVar(&b.workers, "workers", 2, "worker processes that send them")
	flags.DurationVar(&b.limit, "limit", 30*time.Minute, "when to give up on them")
}

func (b *benchFlags) check() error {
	if b.chunks < 1 || b.rounds < 1 || b.seconds < 1 || b.workers < 1 || b.records < 0 {
		return usage("-chunks, -rounds, -seconds and -workers must be at least 1, -records at least 0")
	}
	return nil
}

// bench measures against a fake service on this machine: how throughput grows
// with the number of worker processes, and what the shared limit lets through; or
// what many records take.
func bench(ctx context.Context, c *command, args []string) error {
	var b benchFlags
	b.register(c.flags)
	if err := c.parseBare(args); err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "antcrm-fleet-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c.cfg.URL, c.cfg.StoreDir = "", filepath.Join(dir, "store")
	if b.records > 0 {
		ctx, cancel := context.WithTimeout(ctx, b.limit)
		defer cancel()
		return measureScale(ctx, c, b.records, b.workers)
	}
	f, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	t := throughput{command: c, fleet: f, latency: b.latency, chunks: b.chunks, concurrency: b.concurrency}
	if err := t.measure(ctx, b.rounds); err != nil {
		return err
	}
	return sharedLimit(ctx, c, b.rate, time.Duration(b.seconds)*time.Second)
}

// throughput measures how fast worker processes empty a queue.
type throughput struct {
	*command
	fleet       *fleet.Fleet
	latency     time.Duration
	chunks      int
	concurrency int
	jobs        int
}

func (t *throughput) measure(ctx context.Context, rounds int) error {
	sizes := []int{1, 2, 4}
	times := map[int][]time.Duration{}
	for range rounds {
		for _, workers := range sizes {
			took, err := t.run(ctx, workers)
			if err != nil {
				return err
			}
			times[workers] = append(times[workers], took)
		}
	}
	_, _ = fmt.Fprintf(t.stdout, "%d chunks of 100 records, service answers in %v, %d chunk(s) at a time a worker, median of %d:\n", t.chunks, t.latency, t.concurrency, rounds)
	base := median(times[1])
	for _, workers := range sizes {
		took := median(times[workers])
		_, _ = fmt.Fprintf(t.stdout, "  %d worker(s): %7.2f s  %6.0f records/s  %.2fx\n",
			workers, took.Seconds(), float64(100*t.chunks)/took.Seconds(), base.Seconds()/took.Seconds())
	}
	return nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// run queues a job first and starts the clock when the first request arrives,
// so that neither feeding nor the start of the processes is measured.
func (t *throughput) run(ctx context.Context, workers int) (took time.Duration, err error) {
	srv, err := antcrmtest.Start(antcrmtest.WithLatency(t.latency), antcrmtest.WithRequestLog(t.chunks+10, 0))
	if err != nil {
		return 0, err
	}
	defer srv.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// Each run has a service of its own, which is another account.
	client, err := antcrm.NewClient(srv.APIKey, antcrm.WithBaseURL(srv.URL))
	if err == nil {
		err = t.fleet.Rebind(ctx, client)
	}
	if err != nil {
		return 0, err
	}
	end, err := t.start(ctx, srv, workers)
	defer end()
	if err != nil {
		return 0, err
	}
	t.jobs++
	name := "bench-" + strconv.Itoa(t.jobs)
	if _, err := t.fleet.FeedContacts(ctx, fleet.Job{Name: name}, generated(100*t.chunks)); err != nil {
		return 0, err
	}
	for srv.Count(antcrmtest.Contacts) < 100*t.chunks {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d of %d records arrived: %w", srv.Count(antcrmtest.Contacts), 100*t.chunks, err)
		}
	}
	requests := srv.Requests()
	first, last := requests[0], requests[len(requests)-1]
	return last.Time.Add(t.latency).Sub(first.Time), t.fleet.Wait(ctx, name)
}

// start runs this program as worker processes, and waits until they are there.
func (t *throughput) start(ctx context.Context, srv *antcrmtest.Server, workers int) (end func(), err error) {
	var running []*exec.Cmd
	end = func() {
		for _, cmd := range running {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
		for _, cmd := range running {
			_ = cmd.Wait()
		}
	}
	program, err := os.Executable()
	if err != nil {
		return end, err
	}
	for range workers {
		cmd := exec.Command(program, "work", "-store", t.cfg.StoreDir, "-concurrency", strconv.Itoa(t.concurrency)) //nolint:noctx // ended in good order by end
		cmd.Env = append(os.Environ(), "NATS_URL=", "ANTCRM_API_KEY="+srv.APIKey, "ANTCRM_BASE_URL="+srv.URL)
		cmd.Stderr = t.stderr
		if err := cmd.Start(); err != nil {
			return end, fmt.Errorf("start a worker: %w", err)
		}
		running = append(running, cmd)
	}
	for {
		s, err := t.fleet.Status(ctx)
		if err != nil {
			return end, err
		}
		if s.Alive == workers {
			return end, nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return end, err
		}
	}
}

// generated are n invented customers.
func generated(n int) iter.Seq2[antcrm.ContactCreateParams, error] {
	return func(yield func(antcrm.ContactCreateParams, error) bool) {
		for i := range n {
			p := antcrm.ContactCreateParams{
				Name: "Nguyễn Văn Mẫu " + strconv.Itoa(i), ExternalID: "ERP-" + strconv.Itoa(i), ContactType: antcrm.ContactTypeCustomer,
				Phones: []antcrm.Phone{{Type: "Work", Value: fmt.Sprintf("09%08d", i)}},
				Emails: []antcrm.Email{{Type: "Work", Value: fmt.Sprintf("customer%d@example.com", i)}},
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// sharedLimit lets four workers make as many requests as the limit allows.
func sharedLimit(ctx context.Context, c *command, rate float64, span time.Duration) error {
	const workers, callers = 4, 32
	srv, err := antcrmtest.Start(antcrmtest.WithRequestLog(int(rate*span.Seconds())*2+100, 0))
	if err != nil {
		return err
	}
	defer srv.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for range workers {
		f, err := c.open(ctx) // a connection and a limiter of its own, as on another machine
		if err != nil {
			return err
		}
		defer f.Close() //nolint:gocritic // all of them are open until the end
		client, err := limited(ctx, f, srv, rate)
		if err != nil {
			return err
		}
		for range callers {
			group.Go(func() {
				for ctx.Err() == nil {
					_, _ = client.Contacts.List(ctx, antcrm.ContactListParams{Limit: 1})
				}
			})
		}
	}
	err = sleep(ctx, span+500*time.Millisecond)
	cancel()
	group.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	report(c.stdout, srv.Requests(), rate, span, workers)
	return nil
}

func limited(ctx context.Context, f *fleet.Fleet, srv *antcrmtest.Server, rate float64) (*antcrm.Client, error) {
	limiter, err := f.Limiter(ctx, rate)
	if err != nil {
		return nil, err
	}
	return antcrm.NewClient(srv.APIKey, antcrm.WithBaseURL(srv.URL), antcrm.WithRateLimiter(limiter))
}

// report counts from the first request on.
func report(to io.Writer, requests []antcrmtest.Request, rate float64, span time.Duration, workers int) {
	if len(requests) == 0 {
		_, _ = fmt.Fprintln(to, "no request arrived")
		return
	}
	first := requests[0].Time
	within := func(from, to time.Duration) (n int) {
		for _, r := range requests {
			if at := r.Time.Sub(first); at >= from && at < to {
				n++
			}
		}
		return n
	}
	most := 0
	for from := time.Duration(0); from+time.Second <= span; from += 50 * time.Millisecond {
		most = max(most, within(from, from+time.Second))
	}
	got, wanted := within(0, span), rate*span.Seconds()
	_, _ = fmt.Fprintf(to, "shared limit of %g/s, %d workers: %d calls in %v (%+.1f %%), at most %d in any one second\n",
		rate, workers, got, span, 100*(float64(got)/wanted-1), most)
}
