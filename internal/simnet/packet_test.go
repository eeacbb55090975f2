package simnet

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, e := hosts(t, 2)
		data := []byte("hello")
		if err := e[0].Send(data, addr(2)); err != nil {
			t.Fatal(err)
		}
		data[0] = 'J'
		select {
		case p := <-e[1].Packets():
			if string(p.Data) != "hello" || p.From != addr(1) || !p.Time.Equal(time.Now()) {
				t.Errorf("got %q from %v at %v", p.Data, p.From, p.Time)
			}
		default:
			t.Error("not there when Send returned")
		}
		wantError(t, "too large", e[0].Send(make([]byte, MaxPacket+1), addr(2)), ErrTooLarge)
		if err := e[0].Send(make([]byte, MaxPacket), addr(2)); err != nil {
			t.Errorf("largest: %v", err)
		}
	})
}

func TestListenFunc(t *testing.T) {
	n, e := hosts(t, 1)
	var got []string
	f, err := n.ListenFunc(addr(2), func(p Packet) bool {
		got = append(got, string(p.Data))
		return len(got) < 2
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.Packets() != nil {
		t.Error("it has a channel as well")
	}
	send(t, e[0], "a", f)
	send(t, e[0], "b", f)
	if s := n.Stats(); len(got) != 2 || s.PacketsDelivered != 1 || s.PacketsDropped != 1 {
		t.Errorf("got %q, %+v", got, s)
	}
}

func TestLatency(t *testing.T) {
	bubble("exact", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.SetDefault(Link{Latency: 30 * time.Millisecond})
		start := time.Now()
		send(t, e[0], "a", e[1])
		p := <-e[1].Packets()
		took(t, start, 30*time.Millisecond)
		if !p.Time.Equal(start.Add(30 * time.Millisecond)) {
			t.Errorf("its time is %v after the start", p.Time.Sub(start))
		}
	})
	bubble("in order", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.SetDefault(Link{Latency: time.Second})
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprint(i))
			send(t, e[0], want[i], e[1])
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := arrived(e[1]); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
	bubble("a shorter one overtakes", t, func(t *testing.T) {
		n, e := hosts(t, 3)
		n.SetLink(addr(1), addr(3), Link{Latency: time.Hour})
		n.SetLink(addr(2), addr(3), Link{Latency: time.Minute})
		start := time.Now()
		send(t, e[0], "slow", e[2])
		send(t, e[1], "fast", e[2])
		if p := <-e[2].Packets(); string(p.Data) != "fast" {
			t.Errorf("got %q first", p.Data)
		}
		took(t, start, time.Minute)
		<-e[2].Packets()
		took(t, start, time.Hour)
	})
	bubble("jitter", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.SetDefault(Link{Latency: time.Second, Jitter: time.Second})
		start := time.Now()
		var sent []string
		for i := range 100 {
			sent = append(sent, fmt.Sprint(i))
			send(t, e[0], sent[i], e[1])
		}
		var got []string
		for range sent {
			got = append(got, string((<-e[1].Packets()).Data))
			if d := time.Since(start); d < time.Second || d > 2*time.Second {
				t.Fatalf("arrived after %v", d)
			}
		}
		if slices.Equal(got, sent) {
			t.Error("nothing was reordered")
		}
	})
	bubble("receiver gone meanwhile", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.SetDefault(Link{Latency: time.Second})
		send(t, e[0], "a", e[1])
		e[1].Close()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := n.Stats(); s.PacketsUnrouted != 1 {
			t.Errorf("got %+v", s)
		}
	})
	bubble("network gone meanwhile", t, func(t *testing.T) {
		n, e := hosts(t, 2)
		n.SetDefault(Link{Latency: time.Second})
		send(t, e[0], "a", e[1])
		n.Close()
		time.Sleep(2 * time.Second)
		n.at(time.Now().Add(time.Second), func() { t.Error("ran on a closed network") })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := n.Stats(); s.PacketsDelivered+s.PacketsUnrouted != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestLoss(t *testing.T) {
	lost := func(seed uint64, loss float64) uint64 {
		n := New(seed)
		defer n.Close()
		a, b := listen(t, n, addr(1)), listen(t, n, addr(2))
		n.SetLink(addr(1), addr(2), Link{Loss: loss})
		for range 1000 {
			send(t, a, "there", b)
			send(t, b, "back", a)
			arrived(a)
			arrived(b)
		}
		s := n.Stats()
		if s.PacketsDelivered+s.PacketsLost != 2000 {
			t.Errorf("got %+v", s)
		}
		return s.PacketsLost
	}
	if got := lost(1, 0); got != 0 {
		t.Errorf("loss 0: lost %d", got)
	}
	if got := lost(1, 1); got != 1000 {
		t.Errorf("loss 1: lost %d of the 1000 one way", got)
	}
	half := lost(1, 0.5)
	if half < 400 || half > 600 {
		t.Errorf("loss 0.5: lost %d of the 1000 one way", half)
	}
	if got := lost(1, 0.5); got != half {
		t.Errorf("the same seed: lost %d, then %d", half, got)
	}
}

func TestDuplicate(t *testing.T) {
	n, e := hosts(t, 2)
	n.SetDefault(Link{Duplicate: 1})
	send(t, e[0], "a", e[1])
	first, second := <-e[1].Packets(), <-e[1].Packets()
	first.Data[0] = 'x'
	if string(second.Data) != "a" {
		t.Error("both share their bytes")
	}
}

func TestLinks(t *testing.T) {
	n, e := hosts(t, 4)
	groups := func(all ...[]int) (addrs [][]netip.AddrPort) {
		for _, g := range all {
			var members []netip.AddrPort
			for _, i := range g {
				members = append(members, addr(i))
			}
			addrs = append(addrs, members)
		}
		return addrs
	}
	down := Link{PacketsDown: true}
	tests := []struct {
		name  string
		apply func()
		want  string // pairs that reach each other
	}{
		{"perfect", func() {}, "12 13 14 21 23 24 31 32 34 41 42 43"},
		{"one way", func() { n.SetLink(addr(1), addr(2), down) }, "13 14 21 23 24 31 32 34 41 42 43"},
		{"the function comes first", func() {
			n.SetLinkFunc(func(from, to netip.AddrPort) (Link, bool) {
				if from == addr(1) {
					return Link{}, true
				}
				return down, from == addr(2)
			})
		}, "12 13 14 31 32 34 41 42 43"},
		{"cleared", n.ClearLinks, "12 13 14 21 23 24 31 32 34 41 42 43"},
		{"default", func() { n.SetDefault(down) }, ""},
		{"but one", func() { n.SetLink(addr(3), addr(4), Link{}) }, "34"},
		{"perfect again", func() { n.SetDefault(Link{}) }, "12 13 14 21 23 24 31 32 34 41 42 43"},
		{"two groups", func() { n.Partition(groups([]int{1, 2}, []int{3, 4})...) }, "12 21 34 43"},
		{"the rest is a group", func() { n.Partition(groups([]int{4})...) }, "12 13 21 23 31 32"},
		{"healed", n.Heal, "12 13 14 21 23 24 31 32 34 41 42 43"},
		{"one down", func() { n.Down(addr(2)) }, "13 14 31 34 41 43"},
		{"another", func() { n.Down(addr(4)) }, "13 31"},
		{"one up", func() { n.Up(addr(2)) }, "12 13 21 23 31 32"},
	}
	for _, tt := range tests {
		tt.apply()
		var got []string
		for i := range e {
			for j := range e {
				if i == j {
					continue
				}
				send(t, e[i], "x", e[j])
				if len(arrived(e[j])) > 0 {
					got = append(got, fmt.Sprintf("%d%d", i+1, j+1))
				}
			}
		}
		if s := fmt.Sprint(got); s != "["+tt.want+"]" {
			t.Errorf("%s: got %s, want [%s]", tt.name, s, tt.want)
		}
	}
}

func TestPause(t *testing.T) {
	n, e := hosts(t, 3)
	n.Pause(addr(2))
	send(t, e[0], "a", e[1])
	send(t, e[1], "b", e[2])
	send(t, e[0], "c", e[1])
	send(t, e[0], "d", e[2])
	if got := arrived(e[1]); got != nil {
		t.Errorf("paused, it got %q", got)
	}
	if got := arrived(e[2]); !slices.Equal(got, []string{"d"}) {
		t.Errorf("the third got %q", got)
	}
	n.Resume(addr(2))
	if got := arrived(e[1]); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("resumed, it got %q", got)
	}
	if got := arrived(e[2]); !slices.Equal(got, []string{"b"}) {
		t.Errorf("the third got %q then", got)
	}

	n.Pause(addr(2))
	for range maxHeld + 5 {
		send(t, e[0], "x", e[1])
	}
	n.Resume(addr(2))
	if s := n.Stats(); len(arrived(e[1])) != maxHeld || s.PacketsDropped != 5 {
		t.Errorf("got %+v", s)
	}
}
