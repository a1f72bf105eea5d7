package antcrmtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/antbuddy/antcrm-go/antcrmtest"
)

const realistic = `{"name":"Nguyễn Văn Mẫu %d","customerIdApiRing":"ERP-%d","type":"0","contactType":"customer","dateOfBirth":"March 15, 2000","gender":"0",
"addresses":[{"city":"Ho Chi Minh City","state":"Tan Binh District","street":"319","streetName":"Nguyen Kiem","wards":"Ward 12","country":{"code":"VN","name":"Vietnam"}}],
"phones":[{"type":"Work","value":"09%08d"}],"emails":[{"type":"Work","value":"sample%d@example.com"}],"industry":"Real Estate",
"im":[{"protocol":"Facebook","value":"https://example.com/sample"}],"bgInfo":"VIP Customer","stage":"A new customer","tags":["Not yet contacted","Contacted"],
"sourceContact":"Advertisement","responsibleStaff":"agent@example.com","cusFields":[{"name":"Shipping unit","value":"Fast delivery"}]}`

func contactBody(i int) string { return fmt.Sprintf(realistic, i, i, i, i) }

func serve(b *testing.B, srv *antcrmtest.Server, method, path, body string) {
	b.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		req = httptest.NewRequest(method, path, nil)
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("apikey", srv.APIKey)
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		b.Fatal(rec.Code, rec.Body.String())
	}
}

// BenchmarkPackage writes packages of 100 contacts.
func BenchmarkPackage(b *testing.B) {
	srv := antcrmtest.NewServer(b)
	parts := make([]string, 100)
	for i := range parts {
		parts[i] = contactBody(i)
	}
	body := "[" + strings.Join(parts, ",") + "]"
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		serve(b, srv, "POST", "/contacts/package", body)
	}
}

// BenchmarkWith200k answers small requests out of a store of 200,000 contacts.
func BenchmarkWith200k(b *testing.B) {
	srv := antcrmtest.NewServer(b)
	for i := range 200_000 {
		if err := srv.Seed(antcrmtest.Contacts, contactBody(i)); err != nil {
			b.Fatal(err)
		}
	}
	for name, path := range map[string]string{
		"a page":             "/contacts?page=5000&limit=20",
		"a filtered page":    "/contacts?contactType=customer&page=5000&limit=20",
		"one by its own key": "/contacts?customerIdApiRing=ERP-150000",
		"one by its phone":   "/contacts?phone=0900150000",
		"a range of days":    "/contacts?createdAtf=2000-01-01&page=5000&limit=20",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serve(b, srv, "GET", path, "")
			}
		})
	}
	b.Run("an update", func(b *testing.B) {
		for b.Loop() {
			serve(b, srv, "PUT", "/contacts", `{"customerIdApiRing":"ERP-150000","stage":"x"}`)
		}
	})
}
