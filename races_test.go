package memberlist

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// readWhole reads all there is of a node, as programs do with those that they are handed.
func readWhole(n *Node) string {
	return fmt.Sprint(n.Name, n.Address(), n.FullAddress(), n.Addr, n.Port, string(n.Meta), n.State, n.PMin, n.PMax, n.PCur, n.DMin,
		n.DMax, n.DCur)
}

// keeper is a program that keeps every node it is handed, and reads them all whenever it gets another.
type keeper struct {
	sync.Mutex
	nodes []*Node
	was   []string
}

func (k *keeper) keep(t *testing.T, n *Node) {
	k.Lock()
	defer k.Unlock()
	k.nodes, k.was = append(k.nodes, n), append(k.was, readWhole(n))
	for i := len(k.nodes) % 20; i < len(k.nodes); i += 20 { // some of them: all are read many times
		if is := readWhole(k.nodes[i]); is != k.was[i] {
			t.Errorf("a node that was handed out became %s, and was %s", is, k.was[i])
		}
	}
}

// metaDelegate says what the metadata are.
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
			c.grow(1, func(config *Config) {
				config.LogOutput = io.Discard
				config.Events = nodeFunc(func(_ string, n *Node) { kept.keep(t, n) })
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
