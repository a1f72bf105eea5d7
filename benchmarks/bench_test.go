package main

import (
	"net/http"
	"testing"

	"github.com/antbuddy/antcrm-go"
)

// The benchmarks here are for profiles of the hot paths, without a network:
//
//	go test -run '^$' -bench List -cpuprofile cpu.out
func memoryClient(tb testing.TB, body []byte) *antcrm.Client {
	tb.Helper()
	client, err := antcrm.NewClient(apiKey, antcrm.WithHTTPClient(&http.Client{Transport: fromMemory(body)}))
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

func BenchmarkList(b *testing.B) {
	body := pageBody(0, pageSize)
	list := sdkList(b.Context(), memoryClient(b, body))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := list(1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	client := memoryClient(b, pageBody(0, 1))
	ref := antcrm.CustomerRef("475")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Contacts.Get(b.Context(), ref); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateBatch(b *testing.B) {
	contacts := make([]antcrm.ContactCreateParams, antcrm.MaxBatchSize)
	ids := []byte(`{"success":1,"leadId":[1`)
	for i := range contacts {
		contacts[i] = newParams(i)
		if i > 0 {
			ids = append(ids, ",1"...)
		}
	}
	client := memoryClient(b, append(ids, "]}"...))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Contacts.CreateBatch(b.Context(), contacts); err != nil {
			b.Fatal(err)
		}
	}
}
