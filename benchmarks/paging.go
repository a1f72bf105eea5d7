package main

import (
	"context"
	"fmt"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// pagingRows measures All over 51 pages of 20. A client that reads in sequence
// sends 52 requests, since the list has no total and only an empty page ends
// it; what goes beyond is wasted.
func (b *bench) pagingRows(ctx context.Context) error {
	const size = 20
	pages := b.scaled(51, 6)
	list := scenario{delay: latency, pages: pages, size: size}
	client, err := antcrm.NewClient(apiKey, antcrm.WithBaseURL(b.server.url(list)))
	if err != nil {
		return err
	}
	readers := []struct {
		name  string
		pause time.Duration // of the consumer, after each page
		ahead int
		limit int // records a page that are asked for; 0 leaves it to the server
		seen  []traffic
	}{
		{name: "busy consumer, in sequence", pause: latency, limit: size},
		{name: "busy consumer, one page ahead", pause: latency, ahead: 1, limit: size},
		{name: "instant consumer, in sequence", limit: size},
		{name: "instant consumer, one page ahead", ahead: 1, limit: size},
		{name: "instant consumer, eight pages ahead", ahead: 8, limit: size},
		{name: "instant consumer, eight pages ahead, page size unknown", ahead: 8},
	}
	var field []contestant
	for i := range readers {
		r := &readers[i]
		field = append(field, contestant{r.name, func(int) error {
			if err := b.forget(); err != nil {
				return err
			}
			if err := consume(ctx, client, pages*size, size, r.pause, antcrm.ContactListParams{Limit: r.limit}, r.ahead); err != nil {
				return err
			}
			seen, err := b.server.seen()
			r.seen = append(r.seen, seen)
			return err
		}})
	}
	got, err := interleave(b.rounds, 1, field)
	if err != nil {
		return err
	}
	worst := func(reader int) (wasted, early int) {
		for _, seen := range readers[reader].seen {
			wasted, early = max(wasted, seen.Requests-(pages+1)), max(early, seen.TooEarly)
		}
		return wasted, early
	}
	speed := func(name string, slow, fast int, least float64, most int, bar string) {
		wasted, early := worst(fast)
		r := row{
			name: name, figure: ratio(got[slow].time, got[fast].time), unit: "×", bar: bar,
			note: fmt.Sprintf("wasted requests at most %d; sent before page 1 came: %d", wasted, early),
		}
		if bar != "" {
			r.met = met(r.figure.value >= least && wasted <= most && early == 0)
		}
		b.add(r)
		b.addChart(name, r.figure, least)
	}
	speed(fmt.Sprintf("All over %d pages at 50 ms, consumer 50 ms a page, against sequential", pages), 0, 1, 1.9, 1, "≥ 1.9×, ≤ 1 wasted")
	speed("- instant consumer, one page ahead", 2, 3, 0, 1, "")
	speed("- instant consumer, WithReadAhead(8)", 2, 4, 6, 7, "≥ 6×, ≤ 7 wasted, none before page 1")
	speed("- the same where the page size is the server's own", 2, 5, 6, 7, "≥ 6×, ≤ 7 wasted, none before page 1")
	return b.shortListRow(ctx)
}

// consume reads a whole list and pauses after each page.
func consume(ctx context.Context, client *antcrm.Client, records, size int, pause time.Duration, params antcrm.ContactListParams, ahead int) error {
	n := 0
	for _, err := range client.Contacts.All(ctx, params, antcrm.WithReadAhead(ahead)) {
		if err != nil {
			return err
		}
		if n++; n%size == 0 {
			time.Sleep(pause)
		}
	}
	return expectCount(n, records)
}

// shortListRow shows that a page that is not full makes nobody guess.
func (b *bench) shortListRow(ctx context.Context) error {
	client, err := antcrm.NewClient(apiKey, antcrm.WithBaseURL(b.server.url(scenario{delay: latency, pages: 1, size: 7})))
	if err != nil {
		return err
	}
	if err := b.forget(); err != nil {
		return err
	}
	n := 0
	for _, err := range client.Contacts.All(ctx, antcrm.ContactListParams{}, antcrm.WithReadAhead(8)) {
		if err != nil {
			return err
		}
		n++
	}
	seen, err := b.server.seen()
	if err != nil {
		return err
	}
	requests := float64(seen.Requests)
	b.add(row{
		name: "- a list of one short page, WithReadAhead(8): requests", figure: figure{requests, requests, requests}, unit: "",
		bar: "2", met: met(seen.Requests == 2 && n == 7), note: "the page and the empty one that ends the list",
	})
	return nil
}
