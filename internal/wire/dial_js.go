package wire

import (
	"context"
	"net"
)

// dialContext is none: a browser opens no connections, and net/http uses its
// fetch only where a transport has no dialer.
func dialContext() func(ctx context.Context, network, addr string) (net.Conn, error) { return nil }
