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

// member is a member in an agent's list.
type member struct {
	Name   string
	Port   uint16
	Status string
}

// list asks an agent for its members, over one connection for as long as that lasts. It does not use Serf's own
// client, which has requirements of its own, among them an older version of the reference.
type list struct {
	addr   string
	caller *caller // nil: not connected
}

func (l *list) members(ctx context.Context) ([]member, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if l.caller == nil {
		c, err := connect(ctx, l.addr)
		if err != nil {
			return nil, err
		}
		l.caller = c
	}
	var answer struct{ Members []member }
	err := l.caller.call(ctx, "members", nil, &answer)
	if err != nil {
		l.close()
	}
	return answer.Members, err
}

func (l *list) close() {
	if l.caller != nil {
		l.caller.conn.Close()
		l.caller = nil
	}
}

// caller calls an agent by Serf's RPC protocol: a header and a body in each direction, in msgpack.
type caller struct {
	conn    net.Conn
	out     *bufio.Writer
	encoder *codec.Encoder
	decoder *codec.Decoder
	seq     uint64
}

func connect(ctx context.Context, addr string) (*caller, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	handle := new(codec.MsgpackHandle)
	handle.WriteExt = true
	out := bufio.NewWriter(conn)
	c := &caller{conn: conn, out: out, encoder: codec.NewEncoder(out, handle),
		decoder: codec.NewDecoder(bufio.NewReader(conn), handle)}
	if err := c.call(ctx, "handshake", map[string]int{"Version": 1}, nil); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// call sends a command and its body, if any, and decodes the answer, if any. The context must have a deadline.
func (c *caller) call(ctx context.Context, command string, body, answer any) error {
	if deadline, ok := ctx.Deadline(); ok {
		c.conn.SetDeadline(deadline)
	}
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
