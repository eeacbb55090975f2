package memberlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/e3431adc/memberlist/internal/logging"
	"github.com/e3431adc/memberlist/internal/swim"
	"github.com/e3431adc/memberlist/internal/wire"
)

// serveStreamPing acks a ping for us.
func (m *Memberlist) serveStreamPing(c *session) error {
	var ping wire.Ping
	if err := c.reader.ReadMessage(&ping); err != nil {
		return err
	}
	if ping.Node != "" && ping.Node != m.config.Name {
		m.logMisdirected("misdirected stream ping", ping.Node)
		return nil
	}
	return c.writeReply((&wire.Ack{SeqNo: ping.SeqNo}).Append(nil))
}

// streamPing pings a member on a stream.
func (m *Memberlist) streamPing(to swim.Member, seq uint32, deadline time.Time) error {
	self := m.LocalNode()
	ping := wire.Ping{SeqNo: seq, Node: to.Name, SourceAddr: self.Addr, SourcePort: self.Port, SourceNode: self.Name}
	c := m.newSession()
	defer m.endSession(c)
	return m.exchange(context.Background(), c, addressOfMember(&to), deadline, func() error {
		if err := c.writeRequest(ping.Append(nil)); err != nil {
			return err
		}
		kind, err := c.readReply()
		if err != nil {
			return err
		}
		if kind != wire.TypeAck {
			return fmt.Errorf("%w: %v in reply to a ping", wire.ErrUnknownType, kind)
		}
		var ack wire.Ack
		if err := c.reader.ReadMessage(&ack); err != nil {
			return err
		}
		if ack.SeqNo != seq {
			return fmt.Errorf("%w: ack %d for ping %d", wire.ErrMalformed, ack.SeqNo, seq)
		}
		return nil
	})
}

func addressOfMember(member *swim.Member) Address {
	return Address{Addr: member.Addr.String(), Name: member.Name}
}

// probeOnStream pings a member that did not answer in packets.
func (m *Memberlist) probeOnStream(s swim.Stream) {
	if m.streamPingDisabled(s.To.Name) {
		return
	}
	err := m.streamPing(s.To, s.Seq, s.Deadline)
	m.noteStream(&s.To, err)
	if errors.Is(err, ErrShutdown) {
		return
	}
	if err != nil {
		m.log.Burst(time.Now(), "stream ping", slog.LevelError, logBurst, "ping on a stream failed",
			func() []slog.Attr { return memberAttrs(&s.To, logging.Err(err)) })
		return
	}
	t := m.begin()
	t.core.StreamPingDone(s.Seq)
	t.commit()
}

func (m *Memberlist) streamPingDisabled(name string) bool {
	if m.config.DisableTcpPings {
		return true
	}
	if m.config.DisableTcpPingsForNode == nil {
		return false
	}
	if !m.tasks.BeginCallback() {
		return true
	}
	defer m.tasks.EndCallback()
	return m.config.DisableTcpPingsForNode(name)
}
