package interop

import (
	"crypto/rand"
	"fmt"
	"net"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// The states of members on the wire.
const (
	stateAlive = iota
	stateSuspect
	stateDead
	stateLeft
)

// states asks a peer over a push/pull for its state of each member, as a process that is no member. Neither library offers
// all of that in another way. It returns nil if the peer does not answer.
func (c *cluster) states(p peer) map[string]wire.PushNodeState {
	c.Helper()
	conn, err := c.world.dial(p.addr())
	if err != nil {
		return nil
	}
	defer conn.Close()
	states, err := c.ask(conn)
	if err != nil {
		c.Logf("push/pull with %s: %v", p.name(), err)
	}
	return states
}

func (c *cluster) ask(conn net.Conn) (map[string]wire.PushNodeState, error) {
	conn.SetDeadline(time.Now().Add(time.Minute))
	request, err := wire.AppendLabel(nil, c.setting.label)
	if err != nil {
		return nil, err
	}
	message := (&wire.PushPullHeader{}).Append(nil)
	var ciphers []*wire.Cipher
	if c.setting.key != nil {
		cipher, err := wire.NewCipher(c.setting.key)
		if err != nil {
			return nil, err
		}
		ciphers = []*wire.Cipher{cipher}
		var nonce [wire.NonceSize]byte
		rand.Read(nonce[:])
		message = wire.AppendSealedFrame(nil, cipher, wire.SealVersion1, &nonce, c.setting.label, message)
	}
	if _, err := conn.Write(append(request, message...)); err != nil {
		return nil, err
	}

	r := wire.NewStreamReader(conn, nil)
	t, err := r.ReadType()
	if err == nil && t == wire.TypeEncrypt {
		if _, err = r.OpenFrame(ciphers, c.setting.label); err == nil {
			t, err = r.ReadType()
		}
	}
	if err == nil && t == wire.TypeCompress {
		if err = r.Decompress(); err == nil {
			t, err = r.ReadType()
		}
	}
	if err != nil {
		return nil, err
	}
	if t != wire.TypePushPull {
		return nil, fmt.Errorf("answered with %v", t)
	}
	var h wire.PushPullHeader
	if err := r.ReadMessage(&h); err != nil {
		return nil, err
	}
	read, err := r.ReadStates(h.Nodes)
	if err != nil {
		return nil, err
	}
	states := make(map[string]wire.PushNodeState)
	for _, s := range read.Take(read.Len()) {
		states[s.Name] = s
	}
	return states, nil
}
