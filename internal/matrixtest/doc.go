// Package matrixtest runs every job of the SDK against a server with every answer that the vendor's pages leave open,
// alone, in random pairs and with faults, and compares what the caller was told with the server's own ledger. It holds
// only tests.
package matrixtest
