package memberlist

import (
	"net"
	"strconv"
)

// joinHostPort returns "host:port", with brackets around an IPv6 host.
func joinHostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}
