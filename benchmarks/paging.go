package main

import (
	"context"
	"fmt"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// listPage is how many records a page of the measured lists has.
const listPage = 20

// pagingReader is one way to read a list with All.
type pagingReader struct {
	name  string
	pause time.Duration // of the consumer, after each page
	ahead int
	limit int // records a page that are asked for; 0 leaves it to the server

	seen []traffic // what the server saw, one entry a round
}

// pagingReaders lists the readers that pagingRows compares, by the index that its rows name.
func pagingReaders() []pagingReader {
	return []pagingReader{
		0: {name: "busy consumer, in sequence", pause: latency, limit: listPage},
		1: {name: "busy consumer, one page ahead", pause: latency, ahead: 1, limit: listPage},
		2: {name: "instant consumer, in sequence", limit: listPage},
		3: {name: "instant consumer, one page ahead", ahead: 1, limit: listPage},
		4: {name: "instant consumer, eight pages ahead", ahead: 8, limit: listPage},
		5: {name: "instant consumer, eight pages ahead, page size unknown", ahead: 8},
	}
}

// pagingBar is what a reader must reach against a slower one.
type pagingBar struct {
	least float64 // times as fast
	most  int     // wasted requests
	text  string  // "": nothing is required
}

// pagingRows measures All over 51 pages of 20. A client that reads in sequence sends 52 requests, since the list has no
// total and only an empty page ends it; what goes beyond is wasted.
func (b *bench) pagingRows(ctx context.Context) error {
	pages := b.scaled(51, 6)
	client, err := antcrm.NewClient(apiKey, antcrm.WithBaseURL(b.server.url(scenario{delay: latency, pages: pages, size: listPage})))
	if err != nil {
		return err
	}
	readers := pagingReaders()
	var field []contestant
	for i := range readers {
		field = append(field, contestant{readers[i].name, func(int) error { return b.readList(ctx, client, &readers[i], pages) }})
	}
	got, err := interleave(b.rounds, 1, field)
	if err != nil {
		return err
	}
	compare := func(name string, slow, fast int, bar pagingBar) {
		b.pagingRow(name, ratio(got[slow].time, got[fast].time), &readers[fast], pages, bar)
	}
	compare(fmt.Sprintf("All over %d pages at 50 ms, consumer 50 ms a page, against sequential", pages), 0, 1, pagingBar{1.9, 1, "≥ 1.9×, ≤ 1 wasted"})
	compare("- instant consumer, one page ahead", 2, 3, pagingBar{})
	compare("- instant consumer, WithReadAhead(8)", 2, 4, pagingBar{6, 7, "≥ 6×, ≤ 7 wasted, none before page 1"})
	compare("- the same where the page size is the server's own", 2, 5, pagingBar{6, 7, "≥ 6×, ≤ 7 wasted, none before page 1"})
	return b.shortListRow(ctx)
}

// readList reads the whole list once, and notes what the server saw.
func (b *bench) readList(ctx context.Context, client *antcrm.Client, r *pagingReader, pages int) error {
	if err := b.forget(); err != nil {
		return err
	}
	if err := consume(ctx, client, pages*listPage, r); err != nil {
		return err
	}
	seen, err := b.server.seen()
	r.seen = append(r.seen, seen)
	return err
}

// pagingRow adds the row of a reader, by its worst round.
func (b *bench) pagingRow(name string, speed figure, r *pagingReader, pages int, bar pagingBar) {
	wasted, early := 0, 0
	for _, seen := range r.seen {
		wasted, early = max(wasted, seen.Requests-(pages+1)), max(early, seen.TooEarly)
	}
	line := row{
		name: name, figure: speed, unit: "×", bar: bar.text,
		note: fmt.Sprintf("wasted requests at most %d; sent before page 1 came: %d", wasted, early),
	}
	if bar.text != "" {
		line.met = met(speed.value >= bar.least && wasted <= bar.most && early == 0)
	}
	b.add(line)
	b.addChart(name, speed, bar.least)
}

// consume reads a list of so many records, and pauses after each page.
func consume(ctx context.Context, client *antcrm.Client, records int, r *pagingReader) error {
	n := 0
	for _, err := range client.Contacts.All(ctx, antcrm.ContactListParams{Limit: r.limit}, antcrm.WithReadAhead(r.ahead)) {
		if err != nil {
			return err
		}
		if n++; n%listPage == 0 {
			time.Sleep(r.pause)
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
