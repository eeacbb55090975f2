package sockets

// IsRefused reports whether a dial failed because the host answered that no process listens at the address, which Plan 9 says only in
// the text of an error.
func IsRefused(error) bool { return false }
