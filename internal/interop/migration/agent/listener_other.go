//go:build !linux

package main

import "errors"

func deafen() error  { return errors.ErrUnsupported }
func shorten() error { return errors.ErrUnsupported }
