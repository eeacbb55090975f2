//go:build !linux

package lifecycle

// newKernelTimer returns nil: there is only time.AfterFunc.
func newKernelTimer(func()) timer { return nil }
