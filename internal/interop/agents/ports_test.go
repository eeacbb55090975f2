package main

import (
	"net"
	"testing"
)

func TestPorts(t *testing.T) {
	free, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", free.gossipAddr())
	if err != nil {
		t.Fatalf("taken at once: %v", err)
	}
	defer packets.Close()
	if err := free.tryListen(); err == nil {
		t.Error("free although its UDP port is taken")
	}
}
