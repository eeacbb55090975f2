package main

import (
	"fmt"
	"io"
	"log"
	"testing"
	"time"

	"github.com/e3431adc/memberlist"
)

func startTransport(t *testing.T) (transport *countingTransport, addr string) {
	t.Helper()
	inner, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{"127.0.0.1"},
		Logger:    log.New(io.Discard, "", 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	transport = newCountingTransport(inner)
	t.Cleanup(func() { transport.Shutdown() })
	return transport, fmt.Sprintf("127.0.0.1:%d", inner.GetAutoBindPort())
}

func TestTransportCounts(t *testing.T) {
	a, _ := startTransport(t)
	b, addr := startTransport(t)

	if _, err := a.WriteTo([]byte("packet"), addr); err != nil {
		t.Fatal(err)
	}
	if p := <-b.PacketCh(); string(p.Buf) != "packet" {
		t.Errorf("received %q", p.Buf)
	}
	out, err := a.DialTimeout(addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(out, "stream"); err != nil {
		t.Fatal(err)
	}
	out.Close()
	in := <-b.StreamCh()
	defer in.Close()
	if got, err := io.ReadAll(in); string(got) != "stream" || err != nil {
		t.Errorf("received %q, %v", got, err)
	}

	want := flow{packets: 1, bytes: int64(len("packet") + len("stream"))}
	if got := count(&a.sent); got != want {
		t.Errorf("sent %v, want %v", got, want)
	}
	if got := count(&b.received); got != want {
		t.Errorf("received %v, want %v", got, want)
	}
	if got, none := count(&a.received), (flow{}); got != none {
		t.Errorf("sender received %v, want %v", got, none)
	}
}

func TestTransportShutdown(t *testing.T) {
	a, _ := startTransport(t)
	b, addr := startTransport(t)
	// An unreceived packet and an unaccepted stream must not block it.
	if _, err := a.WriteTo([]byte("packet"), addr); err != nil {
		t.Fatal(err)
	}
	conn, err := a.DialTimeout(addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		if err := b.Shutdown(); err != nil {
			t.Error(err)
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("stream is still open")
	}
	if _, err := b.WriteTo([]byte("packet"), addr); err == nil {
		t.Error("packet sent after Shutdown")
	}
	if got, none := count(&b.sent), (flow{}); got != none {
		t.Errorf("counts what was not sent: %v", got)
	}
}
