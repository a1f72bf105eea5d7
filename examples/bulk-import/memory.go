package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/records"
)

// measure imports made-up customers against a server that answers at once, in
// another process: what is left is the SDK's own time and memory.
func measure(ctx context.Context, s settings) error {
	url, stop, err := startInstant(ctx)
	if err != nil {
		return err
	}
	defer stop()
	client, err := antcrm.NewClient("instant", antcrm.WithBaseURL(url))
	if err != nil {
		return err
	}
	opts := []antcrm.BatchOption{antcrm.WithConcurrency(s.concurrency)}
	if s.journal != "" {
		journal, err := antcrm.OpenJournal(s.journal)
		if err != nil {
			return err
		}
		defer func() { _ = journal.Close() }()
		opts = append(opts, antcrm.WithJournal(journal))
	}
	began, done := time.Now(), 0
	for result, err := range client.Contacts.Import(ctx, s.source(), opts...) {
		if err == nil {
			err = result.Err
		}
		if err != nil {
			return err
		}
		done++
	}
	took := time.Since(began)
	fmt.Printf("%d records in %s, %.0f a second, peak resident memory %s\n", done, took.Round(time.Millisecond), float64(done)/took.Seconds(), peakMemory())
	return nil
}

// source is made up as it is read, straight or as CSV text.
func (s settings) source() iter.Seq2[antcrm.ContactCreateParams, error] {
	if s.throughCSV {
		text, write := io.Pipe()
		go func() {
			out := bufio.NewWriter(write)
			_, err := io.WriteString(out, "customerIdApiRing,name,contactType,phones,emails\n")
			for i := 0; i < s.count && err == nil; i++ {
				_, err = fmt.Fprintf(out, "%s,Nguyễn Văn Mẫu %d,customer,0900%06d,mau%d@example.com\n", code(i), i, i%1_000_000, i)
			}
			_ = write.CloseWithError(errors.Join(err, out.Flush())) // never fails
		}()
		return records.CSV[antcrm.ContactCreateParams](text).All()
	}
	return func(yield func(antcrm.ContactCreateParams, error) bool) {
		for i := range s.count {
			record := antcrm.ContactCreateParams{
				Name: "Nguyễn Văn Mẫu " + strconv.Itoa(i), ExternalID: code(i), ContactType: antcrm.ContactTypeCustomer,
				Phones: []antcrm.Phone{{Type: "Work", Value: "0900000001"}}, Emails: []antcrm.Email{{Type: "Work", Value: "mau@example.com"}},
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

// peakMemory is the most this process has held; Linux only.
func peakMemory() string {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range strings.Lines(string(status)) {
			if value, found := strings.CutPrefix(line, "VmHWM:"); found {
				kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
				return fmt.Sprintf("%.1f MiB", float64(kib)/1024)
			}
		}
	}
	return "unknown"
}

// startInstant starts this program again, as the server.
func startInstant(ctx context.Context) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	server := exec.CommandContext(ctx, self, "-serve-instant")
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	in, err := server.StdinPipe() // its end tells the server that this process has ended
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close()
		_ = server.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// serveInstant answers every package as if it had created its records, until
// stdin ends.
func serveInstant(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(answerInstant), ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("http://" + listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func answerInstant(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	count := bytes.Count(body, []byte(`"customerIdApiRing"`))
	answer := append([]byte(`{"success":1,"customerId":[`), bytes.Repeat([]byte("9457,"), count)...)
	answer = append(bytes.TrimSuffix(answer, []byte(",")), `]}`...)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // the client may have left
}
