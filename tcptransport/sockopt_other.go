//go:build !linux

package tcptransport

import (
	"net"
	"time"
)

// setUserTimeout does nothing: the kernel's own time counts.
func setUserTimeout(net.Conn, time.Duration) {}
