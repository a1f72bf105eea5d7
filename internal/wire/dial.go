//go:build !js

package wire

import (
	"context"
	"net"
	"time"
)

// dialContext connects over TCP.
func dialContext() func(ctx context.Context, network, addr string) (net.Conn, error) {
	return (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
}
