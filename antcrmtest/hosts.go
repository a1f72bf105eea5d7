package antcrmtest

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// WithHosts adds names that requests may carry in their Host header, without a port. Default: the names and addresses
// of the loopback, the host of [WithAddr], and any IP address where the server listens on all of them. Anything else is
// answered 421: a page in a browser that points a name of its own at this machine (DNS rebinding) reads and writes
// nothing. [Server.ServeHTTP] itself does not look at the host.
func WithHosts(names ...string) Option {
	return func(c *config) error {
		for _, name := range names {
			if name == "" || strings.ContainsAny(name, "/: ") {
				return errors.New("hosts: a name is empty, or no host name without a port")
			}
			c.hosts = append(c.hosts, strings.ToLower(name))
		}
		return nil
	}
}

// guarded answers only requests for a host that this server can be meant by.
func (s *Server) guarded() http.Handler {
	listen, _, _ := net.SplitHostPort(s.cfg.addr) // the option has looked at it
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.cfg.meant(hostOf(r.Host), strings.ToLower(listen)) {
			refuseControl(w, &failure{status: http.StatusMisdirectedRequest, code: "HOST", message: "header Host: is not a name of this server; allow it by WithHosts, or antcrm-mock -host"})
			return
		}
		s.ServeHTTP(w, r)
	})
}

// hostOf takes the port off, and the brackets of an IPv6 address.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// meant reports whether a server that listens on that host answers to this one. No browser leaves the header out, as
// HTTP/1.0 may.
func (c *config) meant(host, listen string) bool {
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(c.hosts, host) {
		return true
	}
	bound, err := netip.ParseAddr(listen)
	everywhere := listen == "" || err == nil && bound.IsUnspecified()
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback() || everywhere || addr == bound
	}
	return listen != "" && host == listen
}
