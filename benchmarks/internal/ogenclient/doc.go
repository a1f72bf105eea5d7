// Package ogenclient is what ogen makes of spec.yaml: a peer of the benchmarks.
package ogenclient

//go:generate go run github.com/ogen-go/ogen/cmd/ogen@v1.24.0 -package ogenclient -target . -config config.yaml -clean spec.yaml
