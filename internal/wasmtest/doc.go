// Package wasmtest runs the SDK as a browser would: built for js/wasm, with fetch underneath.
package wasmtest
