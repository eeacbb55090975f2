//go:build !linux

package tcptransport

import (
	"net"
	"time"
)

// setUserTimeout does nothing. Connections on which nothing is acknowledged are found by pings that are not answered: see Transport.Redial.
func setUserTimeout(net.Conn, time.Duration) {}
