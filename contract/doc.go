// Package contract holds the SDK and the fake server to openapi.yaml, the machine form of docs/wire.md.
//
// It is a module of its own, so that what it needs never reaches the go.sum of a user of the SDK. Its parts: a [Contract], which says of one
// request and its answer which rules they break; a [Transport], an http.RoundTripper that puts every exchange of a client, or of a reverse
// proxy, to that question; and the tests, which drive every method of the SDK through it, run the SDK's whole suite with every request and
// every answer of the fake watched, attack the fake from the schemas, and prove that operations, methods of the SDK and handlers of the fake are
// the same set.
//
// Run the tests with
//
//	go test ./...
//
// openapi.yaml is also good input for client generators. With oapi-codegen v2.8.2 it needs no step in between:
//
//	oapi-codegen -package vendorapi -generate types,client ../openapi.yaml
package contract
