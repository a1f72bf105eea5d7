package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// latency is what a request takes on the server in the rows about waiting.
const latency = 50 * time.Millisecond

// newParams makes the n-th contact to create.
func newParams(n int) antcrm.ContactCreateParams {
	from := newContact(n)
	return antcrm.ContactCreateParams{
		Name: from.Name, ExternalID: fmt.Sprintf("ERP-%07d", n), ContactType: antcrm.ContactTypeLead, Gender: antcrm.GenderOther,
		Addresses: []antcrm.Address{{
			Type: "Work", HouseNumber: from.Addresses[0].Street, StreetName: from.Addresses[0].StreetName, Ward: from.Addresses[0].Wards,
			District: from.Addresses[0].State, City: from.Addresses[0].City, Country: &antcrm.Country{Code: "VN", Name: "Vietnam"},
		}},
		Phones: []antcrm.Phone{{Type: "Work", Value: from.Phones[0].Value}}, Emails: []antcrm.Email{{Type: "Work", Value: from.Emails[0].Value}},
		Industry: from.Industry, Stage: from.Stage, Tags: from.Tags, Source: from.SourceContact, ResponsibleStaff: from.ResponsibleStaff,
		CustomFields: []antcrm.CustomField{antcrm.TextField("Đơn vị vận chuyển", "Giao hàng nhanh")},
	}
}

// batchWidth is CreateBatch at one concurrency.
type batchWidth struct {
	width       int
	run         func() error
	connections int // opened by all its batches
}

// batchRows measures CreateBatch against the time that the waves of requests
// take on the server alone: ceil(chunks / concurrency) × latency. Beside it
// the same requests, encoded beforehand, go through bare net/http: what the
// machine lets anybody reach.
func (b *bench) batchRows(ctx context.Context) error {
	contacts := make([]antcrm.ContactCreateParams, b.scaled(10_000, 800))
	for i := range contacts {
		contacts[i] = newParams(i)
	}
	base := b.server.url(scenario{delay: latency})
	var widths []*batchWidth
	for _, width := range []int{1, 4, 8, 16, 64} {
		client, err := antcrm.NewClient(apiKey, antcrm.WithBaseURL(base))
		if err != nil {
			return err
		}
		widths = append(widths, &batchWidth{width: width, run: func() error { return createAll(ctx, client, contacts, width) }})
	}
	ours := len(widths)
	for _, width := range []int{16, 64} {
		bare, err := newBareSender(base, contacts, width)
		if err != nil {
			return err
		}
		widths = append(widths, &batchWidth{width: width, run: func() error { return bare.send(ctx) }})
	}
	got, err := interleave(b.rounds, 1, b.contestants(widths))
	if err != nil {
		return err
	}
	for i, w := range widths {
		r := w.row(got[i].time, len(contacts))
		if i >= ours {
			r.name, r.bar, r.met = fmt.Sprintf("- the same %d at once by bare net/http, bodies encoded beforehand", w.width), "", ""
		}
		b.add(r)
	}
	return nil
}

// contestants counts the connections that each width opens.
func (b *bench) contestants(widths []*batchWidth) []contestant {
	field := make([]contestant, len(widths))
	for i, w := range widths {
		field[i] = contestant{run: func(int) error {
			if err := b.forget(); err != nil {
				return err
			}
			if err := w.run(); err != nil {
				return err
			}
			seen, err := b.server.seen()
			w.connections += seen.Connections
			return err
		}}
	}
	return field
}

func createAll(ctx context.Context, client *antcrm.Client, contacts []antcrm.ContactCreateParams, width int) error {
	result, err := client.Contacts.CreateBatch(ctx, contacts, antcrm.WithConcurrency(width))
	if err != nil {
		return err
	}
	if result.Results[len(contacts)-1].LeadID == "" {
		return errors.New("a batch without ids")
	}
	return nil
}

func (w *batchWidth) row(took []float64, records int) row {
	waves := math.Ceil(float64(records) / antcrm.MaxBatchSize / float64(w.width))
	share := make([]float64, len(took))
	for i := range took {
		share[i] = 100 * waves * latency.Seconds() / took[i]
	}
	r := row{
		name: fmt.Sprintf("CreateBatch of %d, 50 ms a request, concurrency %d: share of the wave ideal", records, w.width), figure: spread(share), unit: " %",
		note: fmt.Sprintf("%d connections opened by %d batches in a row", w.connections, len(took)+1),
	}
	if w.width >= 8 {
		least := 95.0
		if w.width > 16 {
			least = 90
		}
		r.bar, r.met = fmt.Sprintf("≥ %g %%, %d connections", least, w.width), met(r.figure.value >= least && w.connections <= w.width)
	}
	return r
}

// bareSender is net/http with nothing to do but to send bodies and to read
// answers away.
type bareSender struct {
	client *http.Client
	url    string
	bodies [][]byte
	width  int
}

func newBareSender(base string, contacts []antcrm.ContactCreateParams, width int) (bareSender, error) {
	bare := bareSender{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: width}}, url: base + "/contacts/package", width: width}
	for chunk := range slices.Chunk(contacts, antcrm.MaxBatchSize) {
		body, err := json.Marshal(chunk)
		if err != nil {
			return bare, err
		}
		bare.bodies = append(bare.bodies, body)
	}
	return bare, nil
}

func (s bareSender) send(ctx context.Context) error {
	var (
		next   atomic.Int64
		group  sync.WaitGroup
		failed = make(chan error, s.width)
	)
	for range s.width {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(s.bodies)); i = next.Add(1) - 1 {
				if err := s.post(ctx, s.bodies[i]); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

func (s bareSender) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
