package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// member is a member as an agent lists it.
type member struct {
	Name   string
	Port   uint16
	Status string
}

// members asks an agent for its members. Serf's own client is not used: what it requires would be required here, of the
// older version of the reference too.
func members(ctx context.Context, addr string) ([]member, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	c := newCaller(conn)
	if err := c.call("handshake", map[string]int{"Version": 1}, nil); err != nil {
		return nil, err
	}
	var answer struct{ Members []member }
	err = c.call("members", nil, &answer)
	return answer.Members, err
}

// caller calls an agent by Serf's protocol for that: a header and a body in each direction, in msgpack.
type caller struct {
	out     *bufio.Writer
	encoder *codec.Encoder
	decoder *codec.Decoder
	seq     uint64
}

func newCaller(conn net.Conn) *caller {
	handle := new(codec.MsgpackHandle)
	handle.WriteExt = true
	out := bufio.NewWriter(conn)
	return &caller{out: out, encoder: codec.NewEncoder(out, handle), decoder: codec.NewDecoder(bufio.NewReader(conn), handle)}
}

// call sends a command, with a body if it has one, and decodes the answer, if it has one.
func (c *caller) call(command string, body, answer any) error {
	c.seq++
	if err := c.encoder.Encode(map[string]any{"Command": command, "Seq": c.seq}); err != nil {
		return err
	}
	if body != nil {
		if err := c.encoder.Encode(body); err != nil {
			return err
		}
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	var header struct {
		Seq   uint64
		Error string
	}
	if err := c.decoder.Decode(&header); err != nil {
		return err
	}
	if header.Error != "" {
		return fmt.Errorf("%s: %w", command, errors.New(header.Error))
	}
	if answer == nil {
		return nil
	}
	return c.decoder.Decode(answer)
}
