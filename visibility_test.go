package memberlist

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestMembersSeesWhatEventsDid: who reads the members after an event has been told sees what its handler did, with no lock
// of the program's own, as with the reference: the race detector says so. Alertmanager's tests rely on it.
func TestMembersSeesWhatEventsDid(t *testing.T) {
	for name, read := range map[string]func(*Memberlist) int{
		"NumMembers": (*Memberlist).NumMembers,
		"Members":    func(m *Memberlist) int { return len(m.Members()) },
	} {
		t.Run(name, func(t *testing.T) {
			var (
				network MockNetwork
				calls   int
				heard   int // events before the last; guarded by nothing
				// A directory tells that the last event is being told, as the race detector does not take it for a
				// synchronization.
				told = filepath.Join(t.TempDir(), "told")
			)
			var members []*Memberlist
			for i := range 3 {
				config := DefaultLocalConfig()
				config.Name = fmt.Sprint("m", i)
				config.LogOutput = io.Discard
				config.Transport = network.NewTransport(config.Name)
				if i == 0 {
					config.Events = nodeFunc(func(string, *Node) {
						if calls++; calls == 3 {
							os.Mkdir(told, 0o700)
							return
						}
						heard++
					})
				}
				m, err := Create(config)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Shutdown()
				members = append(members, m)
			}
			// Whoever looks must not synchronize with the events through the joins either.
			done := make(chan struct{})
			go func() {
				defer close(done)
				for _, err := os.Stat(told); err != nil; _, err = os.Stat(told) {
					runtime.Gosched()
				}
				if n := read(members[0]); n != 3 || heard != 2 {
					t.Errorf("%d members, heard of %d before the last", n, heard)
				}
			}()
			// The last join makes two members known at once, so that nothing else happens between their events.
			for _, m := range []*Memberlist{members[1], members[0]} {
				if _, err := m.Join([]string{"127.0.0.1:3"}); err != nil {
					t.Fatal(err)
				}
			}
			<-done
		})
	}
}
