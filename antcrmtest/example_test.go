package antcrmtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

// A program starts a server and closes it itself; a test calls NewServer(t).
func ExampleStart() {
	srv, err := antcrmtest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	ref, err := srv.Client().Contacts.Create(context.Background(), antcrm.ContactCreateParams{Name: "Nguyễn Văn Mẫu", ExternalID: "ERP-475"})
	fmt.Println(ref.LeadID, err)
	fmt.Println(srv.CountByExternalID(antcrmtest.Contacts, "ERP-475"), "contact with this key")
	// Output:
	// 1000001 <nil>
	// 1 contact with this key
}

// The write happens, its answer is lost: the SDK says that it does not know, and sends nothing twice.
func ExampleServer_Inject() {
	srv, err := antcrmtest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	lost := srv.Inject(antcrmtest.Fault{Method: http.MethodPost, Path: "/contacts", Do: antcrmtest.CloseAfter, Times: 1})

	_, err = srv.Client().Contacts.Create(context.Background(), antcrm.ContactCreateParams{Name: "Nguyễn Văn Mẫu", ExternalID: "ERP-475"})
	fmt.Println("unknown:", errors.Is(err, antcrm.ErrOutcomeUnknown))
	fmt.Println("met:", lost.Met())
	fmt.Println("records:", srv.Count(antcrmtest.Contacts))
	// Output:
	// unknown: true
	// met: 1
	// records: 1
}
