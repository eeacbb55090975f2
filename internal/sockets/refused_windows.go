package sockets

import (
	"errors"
	"syscall"
)

// wsaConnRefused is the error of Windows' sockets; syscall.ECONNREFUSED is an invention of Go's.
const wsaConnRefused = syscall.Errno(10061)

// IsRefused reports whether a dial failed because the host answered that no process listens at the address.
func IsRefused(err error) bool {
	return errors.Is(err, wsaConnRefused) || errors.Is(err, syscall.ECONNREFUSED)
}
