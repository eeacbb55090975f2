package clustertest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// TestSecondMemberIsListedFirst: of two members each lists itself last, as in the reference; programs expect that.
func TestSecondMemberIsListedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t).grow(2, nil)
		defer c.stop()
		c.await(settles, func() bool { return c.agree(2) })
		for i, m := range c.members {
			members := m.Members()
			if members[0].Name == m.LocalNode().Name || members[1] != m.LocalNode() {
				t.Errorf("member %d lists %v", i, members)
			}
		}
	})
}

// readWhole reads all there is of a node, as programs do with those that they are handed.
func readWhole(n *memberlist.Node) string {
	return fmt.Sprint(n.Name, n.Address(), n.FullAddress(), n.Addr, n.Port, string(n.Meta), n.State, n.PMin, n.PMax, n.PCur, n.DMin,
		n.DMax, n.DCur)
}

// keeper is a program that keeps every node it is handed, and reads them all whenever it gets another.
type keeper struct {
	sync.Mutex
	nodes []*memberlist.Node
	was   []string
}

func (k *keeper) keep(t *testing.T, n *memberlist.Node) {
	k.Lock()
	defer k.Unlock()
	k.nodes, k.was = append(k.nodes, n), append(k.was, readWhole(n))
	for i := len(k.nodes) % 20; i < len(k.nodes); i += 20 { // some of them: all are read many times
		if is := readWhole(k.nodes[i]); is != k.was[i] {
			t.Errorf("a node that was handed out became %s, and was %s", is, k.was[i])
		}
	}
}

// metaDelegate returns fixed metadata.
type metaDelegate struct {
	callback
	meta func() string
}

func (d metaDelegate) NodeMeta(int) []byte { return []byte(d.meta()) }

// TestNodesAreReadWhileMembersChange: every method is called at any time from any goroutine, and nodes are kept and read,
// while members come, change, fail and leave. It is for the race detector.
func TestNodesAreReadWhileMembersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t)
		defer c.stop()
		var kept keeper
		metas := make([]string, 6)
		var metaLock sync.Mutex
		for i := range metas {
			c.grow(1, func(config *memberlist.Config) {
				config.LogOutput = io.Discard
				config.Events = nodeFunc(func(_ string, n *memberlist.Node) { kept.keep(t, n) })
				config.Delegate = metaDelegate{callback{func(string) {}}, func() string {
					metaLock.Lock()
					defer metaLock.Unlock()
					return metas[i]
				}}
			})
		}
		stop := make(chan struct{})
		var all sync.WaitGroup
		again := func(every time.Duration, f func()) {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(every):
						f()
					}
				}
			})
		}
		for i, m := range c.members {
			again(17*time.Millisecond, func() {
				for _, n := range m.Members() {
					readWhole(n)
				}
				readWhole(m.LocalNode())
				m.NumMembers()
				m.GetHealthScore()
			})
			again(203*time.Millisecond, func() {
				metaLock.Lock()
				metas[i] = time.Now().String()
				metaLock.Unlock()
				m.UpdateNode(time.Millisecond) // may time out, or come after a leave
			})
			again(307*time.Millisecond, func() {
				for _, n := range m.Members() {
					m.SendBestEffort(n, []byte("hello"))
					m.SendReliable(n, []byte("hello"))
				}
				m.Ping("m1", mustUDP(simAddr(1)))
			})
		}
		time.Sleep(2 * time.Second)
		all.Go(func() { c.members[5].Shutdown() }) // it fails
		all.Go(func() { c.members[4].Leave(time.Second) })
		all.Go(func() { c.members[4].Leave(time.Second) })
		all.Go(func() { c.members[3].Join([]string{simAddr(0).String(), simAddr(4).String()}) })
		time.Sleep(15 * time.Second)
		close(stop)
		all.Wait()
		if n := c.members[0].NumMembers(); n != 4 {
			t.Errorf("%d members, want the 4 that are left", n)
		}
		if len(kept.nodes) < 100 {
			t.Errorf("%d nodes were handed out", len(kept.nodes))
		}
	})
}

// TestMembersSeesWhatEventsDid: an event delegate call happens before any Members call that observes its event, without a
// lock of the program, as in the reference; the race detector checks that. Tests of Alertmanager rely on it.
func TestMembersSeesWhatEventsDid(t *testing.T) {
	for name, read := range map[string]func(*memberlist.Memberlist) int{
		"NumMembers": (*memberlist.Memberlist).NumMembers,
		"Members":    func(m *memberlist.Memberlist) int { return len(m.Members()) },
	} {
		t.Run(name, func(t *testing.T) {
			var (
				network memberlist.MockNetwork
				calls   int
				heard   int // events before the last; guarded by nothing
				// A directory tells that the last event is being told, as the race detector does not take it for a
				// synchronization.
				told = filepath.Join(t.TempDir(), "told")
			)
			var members []*memberlist.Memberlist
			for i := range 3 {
				config := memberlist.DefaultLocalConfig()
				config.Name = fmt.Sprint("m", i)
				config.LogOutput = io.Discard
				config.Transport = network.NewTransport(config.Name)
				if i == 0 {
					config.Events = nodeFunc(func(string, *memberlist.Node) {
						if calls++; calls == 3 {
							os.Mkdir(told, 0o700)
							return
						}
						heard++
					})
				}
				m, err := memberlist.Create(config)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Shutdown()
				members = append(members, m)
			}
			// The reader must not synchronize with the events through the joins either.
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
			for _, m := range []*memberlist.Memberlist{members[1], members[0]} {
				if _, err := m.Join([]string{"127.0.0.1:3"}); err != nil {
					t.Fatal(err)
				}
			}
			<-done
		})
	}
}
