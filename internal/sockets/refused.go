//go:build !windows && !plan9

package sockets

import (
	"errors"
	"syscall"
)

// IsRefused reports whether a dial failed because the host answered that no process listens at the address.
func IsRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
