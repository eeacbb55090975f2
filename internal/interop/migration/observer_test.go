package migration

import (
	"crypto/rand"
	"fmt"
	"net"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// ask asks an agent over a push/pull in what state it has each member, as a process that is no member. Neither library tells all of it
// in another way.
func ask(addr string, key []byte) (map[string]int, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	cipher, err := wire.NewCipher(key)
	if err != nil {
		return nil, err
	}
	var nonce [wire.NonceSize]byte
	rand.Read(nonce[:])
	request := wire.AppendSealedFrame(nil, cipher, wire.SealVersion1, &nonce, "", (&wire.PushPullHeader{}).Append(nil))
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	r := wire.NewStreamReader(conn, nil)
	t, err := r.ReadType()
	if err == nil && t == wire.TypeEncrypt {
		if _, err = r.OpenFrame([]*wire.Cipher{cipher}, ""); err == nil {
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
	states := make(map[string]int)
	for _, s := range read.Take(read.Len()) {
		states[s.Name] = s.State
	}
	return states, nil
}
