package main

import (
	"net"
	"slices"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// TestMembers asks a fake agent, which answers as Serf does, with fields that list does not read.
func TestMembers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	type header struct {
		Command string
		Seq     uint64
	}
	type fullMember struct {
		Name   string
		Addr   net.IP
		Port   uint16
		Tags   map[string]string
		Status string
	}
	asked := make(chan []string, 1)
	go func() {
		var commands []string
		defer func() { asked <- commands }()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		handle := &codec.MsgpackHandle{WriteExt: true}
		in, out := codec.NewDecoder(conn, handle), codec.NewEncoder(conn, handle)
		for {
			var h header
			if err := in.Decode(&h); err != nil {
				return
			}
			commands = append(commands, h.Command)
			out.Encode(map[string]any{"Seq": h.Seq, "Error": ""})
			if h.Command == "handshake" {
				var body struct{ Version int32 }
				in.Decode(&body)
				continue
			}
			out.Encode(map[string]any{"Members": []fullMember{
				{"a", net.IPv4(127, 0, 0, 1), 7946, map[string]string{"role": "x"}, "alive"},
				{"b", net.IPv4(127, 0, 0, 1), 7947, nil, "failed"},
				{"l", net.IPv4(127, 0, 0, 1), 7948, nil, "leaving"},
			}})
		}
	}()

	l := &list{addr: listener.Addr().String()}
	defer l.close()
	var got []member
	for range 2 {
		got, err = l.members(t.Context())
		if want := []member{{"a", 7946, "alive"}, {"b", 7947, "failed"}, {"l", 7948, "leaving"}}; !slices.Equal(got, want) || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	l.close()
	if got, want := <-asked, []string{"handshake", "members", "members"}; !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q: on one connection", got, want)
	}
	for _, tc := range []struct {
		name   string
		member string
		port   uint16
		ok     bool
	}{
		{"alive there", "a", 7946, true},
		{"alive elsewhere", "a", 7999, false},
		{"failed", "b", 7947, false},
		{"leaving", "l", 7948, true},
		{"unknown", "c", 7949, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := find(got, tc.member, tc.port); (err == nil) != tc.ok {
				t.Errorf("got %v, want success: %t", err, tc.ok)
			}
		})
	}
}
