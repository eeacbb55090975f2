package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// ports are the ports of an agent on loopback.
type ports struct{ gossip, rpc uint16 }

func (p ports) gossipAddr() string { return loopback(p.gossip) }
func (p ports) rpcAddr() string    { return loopback(p.rpc) }

func loopback(port uint16) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))) }

// freePorts returns ports that are free now. They are below the kernel's range for outgoing connections, so that an
// agent that is started again finds them free.
func freePorts() (ports, error) {
	var failed error
	for range 1000 {
		p := ports{gossip: candidate(), rpc: candidate()}
		err := p.tryListen()
		if err == nil {
			return p, nil
		}
		failed = err
	}
	return ports{}, fmt.Errorf("no free port: %w", failed)
}

func candidate() uint16 { return 10_000 + uint16(rand.IntN(22_000)) }

// tryListen returns an error if one of the ports is taken.
func (p ports) tryListen() error {
	gossip, err1 := net.Listen("tcp", p.gossipAddr())
	packets, err2 := net.ListenPacket("udp", p.gossipAddr())
	rpc, err3 := net.Listen("tcp", p.rpcAddr())
	if err1 == nil {
		gossip.Close()
	}
	if err2 == nil {
		packets.Close()
	}
	if err3 == nil {
		rpc.Close()
	}
	return errors.Join(err1, err2, err3)
}
