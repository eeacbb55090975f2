package attacks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/wire"
)

// labelOracle: refusals that differ tell a stranger whether the label or the key was right.
func labelOracle() Attack {
	return Attack{
		Name: "label-oracle",
		Does: "opens streams to a sealed member with the right label, a wrong one or none, and sends a ping that is sealed with a wrong key, or is not",
		Figures: []Figure{
			{What: "sizes of refusals", Unit: "sizes", Bound: 1},
			{What: "longest time until a refusal", Unit: "ms", Bound: 100},
		},
		Run: func(ctx context.Context, r *Run) ([]float64, error) {
			m, err := r.member(Options{Name: "m0", Key: bytes.Repeat([]byte{7}, 16), Label: "right"})
			if err != nil {
				return nil, err
			}
			var mu sync.Mutex
			var longest float64
			sizes, errs := map[int]bool{}, []error{}
			var streams sync.WaitGroup
			for i, label := range []string{"right", "wrong", "", "right", "wrong", ""} {
				request, err := forgedRequest(label, i < 3)
				if err != nil {
					return nil, err
				}
				streams.Go(func() {
					size, ms, err := refusal(ctx, fmt.Sprintf("127.0.0.%d", 30+i), m.Addr(), request)
					mu.Lock()
					defer mu.Unlock()
					sizes[size], longest, errs = true, max(longest, ms), append(errs, err)
				})
			}
			streams.Wait()
			return []float64{float64(len(sizes)), longest}, errors.Join(errs...)
		},
	}
}

// forgedRequest returns a ping for a stream, with a label, and sealed with a key that no member has or not at all.
func forgedRequest(label string, sealed bool) ([]byte, error) {
	request, err := wire.AppendLabel(nil, label)
	if err != nil {
		return nil, err
	}
	ping := wire.Ping{SeqNo: 1}
	if !sealed {
		return ping.Append(request), nil
	}
	c, err := wire.NewCipher(bytes.Repeat([]byte{8}, 16))
	if err != nil {
		return nil, err
	}
	var nonce [wire.NonceSize]byte
	return wire.AppendSealedFrame(request, c, wire.SealVersion1, &nonce, label, ping.Append(nil)), nil
}

// refusal sends a request and returns the size of the answer, and the time in milliseconds until it begins or the stream ends.
func refusal(ctx context.Context, host string, to netip.AddrPort, request []byte) (size int, ms float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 12*time.Second)
	defer cancel()
	conn, err := dialFrom(ctx, host, to)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	begin := time.Now()
	if _, err := conn.Write(request); err != nil {
		return 0, 0, err
	}
	var first [1]byte
	n, _ := conn.Read(first[:]) // a reset is an answer of no bytes
	ms = float64(time.Since(begin).Microseconds()) / 1000
	conn.(*net.TCPConn).CloseWrite() // else the member waits for more
	rest, _ := io.ReadAll(conn)
	return n + len(rest), ms, nil
}
