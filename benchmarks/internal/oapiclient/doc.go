// Package oapiclient is what oapi-codegen makes of this repository's
// openapi.yaml: a peer of the benchmarks.
package oapiclient

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config config.yaml ../../../openapi.yaml
