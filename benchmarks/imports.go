package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// imported is what the importer's process says of its work.
type imported struct {
	Records int
	Seconds float64
	Peak    float64 // MB resident at most
}

// importRows measures Import in a process of its own: what it holds at most,
// how that grows with the source, and how fast it is.
func (b *bench) importRows(context.Context) error {
	small, large, huge := b.scaled(100_000, 500), b.scaled(1_000_000, 1_000), b.scaled(4_000_000, 2_000)
	const runs = 3
	peaks, speeds := map[int][]float64{}, map[int][]float64{} // by size
	for range runs {
		for _, size := range []int{small, large, huge} {
			got, err := b.importOnce(size)
			if err != nil {
				return err
			}
			peaks[size] = append(peaks[size], got.Peak)
			speeds[size] = append(speeds[size], float64(got.Records)/got.Seconds/1000)
		}
	}
	peak := spread(peaks[large])
	b.add(row{
		name: fmt.Sprintf("Import of %d, 8 at once: most memory resident", large), figure: peak, unit: " MB", bar: "≤ 32 MB", met: met(peak.high <= 32),
		note: fmt.Sprintf("%d runs, each in a process of its own", runs),
	})
	growth := ratio(peaks[huge], peaks[small])
	b.add(row{
		name: fmt.Sprintf("- growth from %d to %d records", small, huge), figure: growth, unit: "×", bar: "≤ 1.15×", met: met(growth.value <= 1.15),
		note: fmt.Sprintf("%.1f MB to %.1f MB", median(peaks[small]), median(peaks[huge])),
	})
	b.add(row{name: "- thousand records a second, making them included", figure: spread(speeds[large]), note: fmt.Sprintf("%.0f at %d", median(speeds[huge]), huge)})
	return nil
}

func (b *bench) importOnce(records int) (imported, error) {
	child, stdout, stop, err := spawn(roleImporter, b.server.url(scenario{}), strconv.Itoa(records))
	if err != nil {
		return imported{}, err
	}
	defer stop()
	var got imported
	err = json.NewDecoder(stdout).Decode(&got)
	if err := errors.Join(child.Wait(), err); err != nil {
		return imported{}, fmt.Errorf("the importer: %w", err)
	}
	return got, nil
}

// importer is the main function of the importer's process. Its arguments are
// the base URL and how many records to import.
func importer(args []string) error {
	if len(args) != 2 {
		return errors.New("the importer needs a URL and a number")
	}
	records, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	client, err := antcrm.NewClient(apiKey, antcrm.WithBaseURL(args[0]))
	if err != nil {
		return err
	}
	began := time.Now()
	done := 0
	for result, err := range client.Contacts.Import(context.Background(), source(records), antcrm.WithConcurrency(8)) {
		if err = errors.Join(err, result.Err); err != nil {
			return err
		}
		done++
	}
	took := time.Since(began)
	if err := expectCount(done, records); err != nil {
		return err
	}
	peak, err := peakMemory()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(imported{Records: done, Seconds: took.Seconds(), Peak: peak})
}

// source makes contacts one by one, as a file or a database would give them.
func source(records int) iter.Seq2[antcrm.ContactCreateParams, error] {
	return func(yield func(antcrm.ContactCreateParams, error) bool) {
		for n := range records {
			if !yield(newParams(n), nil) {
				return
			}
		}
	}
}

// peakMemory is the greatest resident size of this process, in MB, as Linux
// counts it; 0 elsewhere.
func peakMemory() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if text, found := bytes.CutPrefix(line, []byte("VmHWM:")); found {
			kib, err := strconv.ParseFloat(string(bytes.Fields(text)[0]), 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, errors.New("no VmHWM in /proc/self/status")
}
