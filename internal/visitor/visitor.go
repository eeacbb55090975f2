// Package visitor asks members what a process that is no member may ask: for their states, by a push/pull without any, and
// for acks of pings on a stream, in a packet, and through another member. What it sends names no sender, so that no member
// learns of the visitor.
//
//	push/pull  {Nodes: 0, Join: false}      a member merges nothing, and replies with all of its states
//	ping       {Node, SeqNo, no source}     a member acks to where the packet came from
package visitor

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/wire"
)

// ErrNoAnswer is returned when a member closes a stream without a reply.
var ErrNoAnswer = errors.New("stream closed without an answer, as for another label, an address that is not allowed, or too many streams")

// Refusal is the text of a member that answers with an error.
type Refusal struct{ Text string }

func (r *Refusal) Error() string { return "remote error: " + r.Text }

// Visitor has the label and the keys of a cluster. Its methods may be called from any goroutine.
type Visitor struct{ envelope *envelope.Envelope }

// New returns a Visitor of the cluster with a label. A ring with keys encrypts all that is sent, and nothing else is accepted;
// without keys, or nil, nothing is encrypted. The error is wire.ErrLabel for a label that is too long.
func New(label string, keys *envelope.Ring) (*Visitor, error) {
	e, err := envelope.New(&envelope.Policy{
		PacketSize:     wire.MaxPacket,
		Label:          label,
		HasKeys:        len(keys.Load().Keys) > 0,
		SealVersion:    wire.SealVersion1,
		VerifyIncoming: true,
		VerifyOutgoing: true,
	}, keys)
	if err != nil {
		return nil, err
	}
	return &Visitor{envelope: e}, nil
}

// Answer is a member's reply to a push/pull.
type Answer struct {
	States wire.States
	User   []byte // of the delegate; nil: none
}

// States reads the states of the member at the other end of a new stream. reserve is called before memory is used for them:
// see wire.StreamReader.Reset. The result is in that memory.
func (v *Visitor) States(conn net.Conn, reserve func(n int) error) (Answer, error) {
	request := (&wire.PushPullHeader{}).Append(nil)
	r, err := v.ask(conn, reserve, request, wire.TypePushPull)
	if err != nil {
		return Answer{}, err
	}
	var header wire.PushPullHeader
	if err := r.ReadMessage(&header); err != nil {
		return Answer{}, err
	}
	if err := header.Validate(); err != nil {
		return Answer{}, err
	}
	states, err := r.ReadStates(header.Nodes)
	if err != nil {
		return Answer{}, err
	}
	if header.UserStateLen == 0 {
		return Answer{States: states}, nil
	}
	user, err := r.ReadN(header.UserStateLen, wire.MaxUserState)
	if err != nil {
		return Answer{}, fmt.Errorf("read user state of %d bytes: %w", header.UserStateLen, err)
	}
	return Answer{States: states, User: user}, nil
}

// Ping pings the member of a name on a new stream. An empty name is that of any member.
func (v *Visitor) Ping(conn net.Conn, name string) error {
	ping := wire.Ping{SeqNo: newSeqNo(), Node: name}
	r, err := v.ask(conn, nil, ping.Append(nil), wire.TypeAck)
	if err != nil {
		return err
	}
	var ack wire.Ack
	if err := r.ReadMessage(&ack); err != nil {
		return err
	}
	if ack.SeqNo != ping.SeqNo {
		return fmt.Errorf("%w: ack %d for ping %d", wire.ErrMalformed, ack.SeqNo, ping.SeqNo)
	}
	return nil
}

// ask writes a request to a new stream, and reads up to the type of the reply.
func (v *Visitor) ask(conn net.Conn, reserve func(n int) error, request []byte, want wire.Type) (*wire.StreamReader, error) {
	_, writeErr := v.envelope.WriteRequest(conn, request, 0)
	// A member that refuses may close the stream before it has read all; its reply can be read nevertheless.
	r := wire.NewStreamReader(conn, reserve)
	got, err := v.envelope.ReadReply(r, sourceOf(conn))
	switch {
	case errors.Is(err, io.EOF), isReset(err):
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, errors.Join(writeErr, err))
	case err != nil:
		return nil, errors.Join(writeErr, err)
	case got == wire.TypeErr:
		return nil, readRefusal(r)
	case got != want:
		return nil, fmt.Errorf("%w: %v in reply to %v", wire.ErrUnknownType, got, wire.Type(request[0]))
	}
	return r, nil
}

func readRefusal(r *wire.StreamReader) error {
	var refusal wire.Err
	if err := r.ReadMessage(&refusal); err != nil {
		return err
	}
	return &Refusal{Text: envelope.RefusalText(refusal.Error)}
}

// isReset reports whether the connection has failed, other than by a time limit.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

func sourceOf(conn net.Conn) envelope.Source {
	if addr, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		at := addr.AddrPort()
		return envelope.Source{Addr: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
	}
	return envelope.Source{Text: conn.RemoteAddr().String()}
}

// newSeqNo returns the number of a ping, which is not 0: no member answers that.
func newSeqNo() uint32 { return 1 + rand.Uint32N(1<<32-1) }
