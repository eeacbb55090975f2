package memberlist

import (
	"io"
	"net"
	"os"
	"runtime"
)

// loopbackConfig is a configuration for a member on real sockets.
func loopbackConfig(name string) *Config {
	c := DefaultLocalConfig()
	c.Name = name
	c.BindAddr = "127.0.0.1"
	c.BindPort = 0
	c.LogOutput = io.Discard
	return c
}

// ownLoopback is a loopback address that no other process uses, where the system has more than one: a port that is free there
// stays free.
func ownLoopback() net.IP {
	if runtime.GOOS != "linux" {
		return net.IPv4(127, 0, 0, 1)
	}
	pid := os.Getpid()
	return net.IPv4(127, byte(1+pid>>14&0x7f), byte(pid>>7&0x7f), byte(1+pid&0x7f))
}

// messageFunc is a Delegate for messages alone.
type messageFunc func(string)

func (f messageFunc) NodeMeta(int) []byte             { return nil }
func (f messageFunc) NotifyMsg(b []byte)              { f(string(b)) }
func (f messageFunc) GetBroadcasts(int, int) [][]byte { return nil }
func (f messageFunc) LocalState(bool) []byte          { return nil }
func (f messageFunc) MergeRemoteState([]byte, bool)   {}
