package memberlist

import (
	"slices"
	"sync"
	"time"
)

// tellTale notes what it is told, members and messages alike, and takes its
// time over members.
type tellTale struct {
	testDelegate
	mu   sync.Mutex
	told []string
}

func (l *tellTale) tell(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, what)
}

func (l *tellTale) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told)
}

func (l *tellTale) NotifyMsg(b []byte)   { l.tell("message " + string(b)) }
func (l *tellTale) NotifyLeave(n *Node)  { l.tell("leave " + n.Name) }
func (l *tellTale) NotifyUpdate(n *Node) { l.tell("update " + n.Name) }
func (l *tellTale) NotifyJoin(n *Node) {
	time.Sleep(10 * time.Millisecond)
	l.tell("join " + n.Name)
}
