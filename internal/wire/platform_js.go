package wire

import (
	"context"
	"net"
	"net/http"
	"strings"
	"syscall/js"
)

// dialContext is none: a browser opens no connections, and net/http uses its fetch only where a transport has no
// dialer.
func dialContext() func(ctx context.Context, network, addr string) (net.Conn, error) { return nil }

// endsBodies is false: once fetch has the headers of an answer, net/http forgets the context, and a body that stalls
// would never end.
func endsBodies(http.RoundTripper) bool { return false }

// closesFailed is false: to cancel a stream that has failed makes a promise that is rejected and that nobody looks at,
// which ends a program under node.
const closesFailed = false

// refuseRedirects keeps fetch from following redirects by itself, with the key and to any host. A browser does not say
// then what it was told: the answer has no status.
func refuseRedirects(next http.RoundTripper, header http.Header) {
	if transport, ok := next.(*http.Transport); ok && transport.DialContext != nil {
		return // no fetch
	}
	process := js.Global().Get("process")
	isNode := process.Type() == js.TypeObject && strings.HasPrefix(process.Get("argv0").String(), "node")
	if isNode || js.Global().Get("fetch").IsUndefined() {
		return // neither, and net/http would take the name for a header's
	}
	header["js.fetch:redirect"] = []string{"manual"}
}
