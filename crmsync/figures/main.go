// Figures measures what the documentation promises of crmsync, against a fake
// server and an SQLite state in a temporary folder:
//
//	go run ./figures
//
// A push of a million records of which none changed: records a second, and the
// memory that the process has at most. A pull against a bare iteration over the
// same pages, each of which takes 20 ms.
package main

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
	"github.com/antbuddy/antcrm-go/crmsync"
)

func main() {
	records := flag.Int("records", 1_000_000, "records of the push")
	pages := flag.Int("pages", 150, "pages of 100 records of the pull")
	seeded := flag.String("seeded", "", "internal: push the records of this state again")
	address := flag.String("url", "", "internal")
	flag.Parse()
	err := run(context.Background(), *records, *pages, *seeded, *address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, records, pages int, seeded, address string) error {
	if seeded != "" {
		if profile := os.Getenv("CRMSYNC_PROFILE"); profile != "" {
			file, err := os.Create(profile)
			if err != nil {
				return err
			}
			_ = pprof.StartCPUProfile(file)
			defer pprof.StopCPUProfile()
		}
		return pushAgain(ctx, seeded, address, records)
	}
	folder, err := os.MkdirTemp("", "crmsync-figures-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := push(ctx, filepath.Join(folder, "push.db"), records); err != nil {
		return err
	}
	return pull(ctx, filepath.Join(folder, "pull.db"), pages)
}

// push fills a state, and has another process push the same again: its memory
// is not that of the fake server.
func push(ctx context.Context, path string, records int) error {
	srv, err := antcrmtest.Start(antcrmtest.WithRequestLog(1, 0), antcrmtest.WithAPIKey("figures"))
	if err != nil {
		return err
	}
	defer srv.Close()
	begun := time.Now()
	if err := pushAll(ctx, path, srv.URL, records); err != nil {
		return err
	}
	fmt.Printf("push, all new:   %d records, %.0f a second\n", records, float64(records)/time.Since(begun).Seconds())
	return runSelf(ctx, "-seeded", path, "-url", srv.URL, "-records", strconv.Itoa(records))
}

func pushAgain(ctx context.Context, path, url string, records int) error {
	begun := time.Now()
	if err := pushAll(ctx, path, url, records); err != nil {
		return err
	}
	fmt.Printf("push, unchanged: %d records, %.0f a second, %s resident at most (goal: 50000, 64 MB)\n", records,
		float64(records)/time.Since(begun).Seconds(), peak())
	return nil
}

func pushAll(ctx context.Context, path, url string, records int) error {
	client, err := antcrm.NewClient("figures", antcrm.WithBaseURL(url))
	if err != nil {
		return err
	}
	state, err := crmsync.Open(ctx, "sqlite:"+path)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	syncer, err := crmsync.New(ctx, client, state)
	if err != nil {
		return err
	}
	for change, err := range syncer.Contacts.Push(ctx, customers(records)) {
		if err != nil {
			return err
		}
		if change.Err != nil {
			return change.Err
		}
	}
	return nil
}

func customers(n int) iter.Seq2[antcrm.ContactCreateParams, error] {
	return func(yield func(antcrm.ContactCreateParams, error) bool) {
		for i := range n {
			number := strconv.Itoa(i * 7919 % n) // in no order
			if !yield(antcrm.ContactCreateParams{
				Name: "Nguyễn Văn Mẫu " + number, ExternalID: "ERP-" + number, ContactType: antcrm.ContactTypeCustomer,
				Phones: []antcrm.Phone{{Type: "Work", Value: "09" + number}}, Emails: []antcrm.Email{{Type: "Work", Value: "mau" + number + "@example.com"}},
				Stage: "A new customer",
			}, nil) {
				return
			}
		}
	}
}

func pull(ctx context.Context, path string, pages int) error {
	srv, err := antcrmtest.Start(antcrmtest.WithRequestLog(1, 0), antcrmtest.WithLatency(20*time.Millisecond))
	if err != nil {
		return err
	}
	defer srv.Close()
	for record, err := range customers(100 * pages) {
		if err != nil {
			return err
		}
		if err := srv.Seed(antcrmtest.Contacts, record); err != nil {
			return err
		}
	}
	client := srv.Client()
	bare := time.Now()
	for _, err := range client.Contacts.All(ctx, antcrm.ContactListParams{Limit: 100}) {
		if err != nil {
			return err
		}
	}
	bareTook := time.Since(bare)
	state, err := crmsync.Open(ctx, "sqlite:"+path)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	syncer, err := crmsync.New(ctx, client, state)
	if err != nil {
		return err
	}
	for _, what := range []string{"first", "unchanged"} {
		begun := time.Now()
		for _, err := range syncer.Pull(ctx, crmsync.WithKinds(crmsync.KindContacts)) {
			if err != nil {
				return err
			}
		}
		fmt.Printf("pull, %s: %d pages, %.2f of a bare iteration (goal: 1.10)\n", what, pages, time.Since(begun).Seconds()/bareTook.Seconds())
		if what == "first" { // the second pull reads twice: what changed, and everything
			bareTook *= 2
		}
	}
	return nil
}

// peak is the most memory that this process had, where the system says so.
func peak() string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return fmt.Sprintf("%d MB of Go's", m.Sys>>20)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, _ := strconv.Atoi(strings.Fields(value)[0])
			return fmt.Sprintf("%d MB", kB/1024)
		}
	}
	return "an unknown amount"
}
