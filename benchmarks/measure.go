package main

import (
	"runtime"
	"slices"
	"time"
)

// contestant is one way to do a thing. run does it n times.
type contestant struct {
	name string
	run  func(n int) error
}

// samples are a contestant's figures, one a round.
type samples struct {
	time   []float64 // seconds an operation
	allocs []float64 // allocations an operation
	bytes  []float64 // bytes allocated an operation
}

// interleave measures contestants in turn, round by round, so that whatever
// else the machine does hits all of them alike. Each round begins with another
// of them, and each turn with an empty heap. The first round is not counted.
func interleave(rounds, n int, contestants []contestant) ([]samples, error) {
	all := make([]samples, len(contestants))
	for round := range rounds + 1 {
		for i := range contestants {
			at := (i + round) % len(contestants)
			took, mallocs, size, err := turn(n, contestants[at])
			if err != nil {
				return nil, err
			}
			if round == 0 {
				continue
			}
			s := &all[at]
			s.time = append(s.time, took.Seconds()/float64(n))
			s.allocs = append(s.allocs, float64(mallocs)/float64(n))
			s.bytes = append(s.bytes, float64(size)/float64(n))
		}
	}
	return all, nil
}

func turn(n int, c contestant) (took time.Duration, mallocs, size uint64, err error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	err = c.run(n)
	took = time.Since(began)
	runtime.ReadMemStats(&after)
	return took, after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc, err
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// figure is a ratio of medians with the least and the greatest of the rounds'
// own ratios.
type figure struct{ value, low, high float64 }

// ratio is a over b.
func ratio(a, b []float64) figure {
	each := make([]float64, min(len(a), len(b)))
	for i := range each {
		each[i] = a[i] / b[i]
	}
	return figure{value: median(a) / median(b), low: slices.Min(each), high: slices.Max(each)}
}

// spread is the median of one list with its extremes.
func spread(list []float64) figure {
	return figure{value: median(list), low: slices.Min(list), high: slices.Max(list)}
}
