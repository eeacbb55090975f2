package interop

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// kind is the library of a peer.
type kind string

const (
	ours   kind = "ours"
	theirs kind = "theirs"
)

// other is the other library.
func (k kind) other() kind {
	if k == ours {
		return theirs
	}
	return ours
}

// peer is a member of a cluster, of either library.
type peer interface {
	kind() kind
	name() string
	addr() netip.AddrPort
	journal() *journal

	join(addrs ...netip.AddrPort) (int, error)
	members() []string // names of those alive or suspect, sorted
	setMeta(meta string, timeout time.Duration) error
	sendBestEffort(to peer, msg string) error
	sendReliable(to peer, msg string) error
	ping(name string, addr netip.AddrPort) (time.Duration, error)
	leave(timeout time.Duration) error
	shutdown() error
	health() int
	keyring() keyring
}

// keyring is the ring of a peer, of either library.
type keyring interface {
	AddKey(key []byte) error
	UseKey(key []byte) error
	RemoveKey(key []byte) error
}

// options are the parts of a peer's configuration that a scenario may choose.
type options struct {
	setting
	name       string
	meta       string
	ackPayload string
	localState string

	probeInterval    time.Duration
	probeTimeout     time.Duration
	gossipInterval   time.Duration
	pushPullInterval time.Duration
	streamTimeout    time.Duration // 0: the default
	suspicionMult    int
	reclaimTime      time.Duration
	noStreamPings    bool
	noExtensions     bool // of this library only
	noVerifyIncoming bool
	noVerifyOutgoing bool
	acceptLabels     []string // of this library only
	allInterfaces    bool     // of this library only: it listens on all interfaces, and advertises its address
	zone             string   // of this library only
	skipLabelCheck   bool     // of the reference only

	at        netip.AddrPort // where to listen, if not anywhere
	advertise string         // an IP address, if not the one it listens on

	vetoMerge bool
	vetoAlive string // of the member of this name
}

var errVeto = errors.New("vetoed")

// node is a member as delegates get it.
type node struct {
	name string
	addr netip.AddrPort
	meta string
}

func nodeOf(name string, ip net.IP, port uint16, meta []byte) node {
	addr, _ := netip.AddrFromSlice(ip)
	return node{name, netip.AddrPortFrom(addr.Unmap(), port), string(meta)}
}

// The kinds of entries in a journal.
const (
	sawJoin      = "join"       // a member and its metadata
	sawLeave     = "leave"      // a member
	sawUpdate    = "update"     // a member and its metadata
	sawMessage   = "message"    // the message
	sawJoinState = "join state" // the user state of a join
	sawSyncState = "sync state" // the user state of a periodic push/pull
	sawConflict  = "conflict"   // a member and the address that was refused
	sawMerge     = "merge"      // a member of the cluster that may be merged
	sawAlive     = "alive"      // a member, asked about
	sawPing      = "ping"       // a member and the payload of its ack
)

// entry is one call of a delegate.
type entry struct {
	what string
	who  string
	text string
}

// journal implements the delegates of one peer, of either library, and records their calls.
type journal struct {
	options options
	changed func()

	mu         sync.Mutex
	meta       string
	entries    []entry
	broadcasts []broadcast
}

// broadcast is a user message that is returned a few times.
type broadcast struct {
	msg  string
	left int
}

func newJournal(o options, changed func()) *journal {
	return &journal{options: o, changed: changed, meta: o.meta}
}

func (j *journal) note(what, who, text string) {
	j.mu.Lock()
	j.entries = append(j.entries, entry{what, who, text})
	j.mu.Unlock()
	j.changed()
}

// count returns how often an entry was recorded.
func (j *journal) count(e entry) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, got := range j.entries {
		if got == e {
			n++
		}
	}
	return n
}

// saw reports whether an entry was recorded.
func (j *journal) saw(what, who, text string) bool { return j.count(entry{what, who, text}) > 0 }

func (j *journal) all() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

func (j *journal) broadcast(msg string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.broadcasts = append(j.broadcasts, broadcast{msg, 4})
}

func (j *journal) setMeta(meta string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.meta = meta
}

// The methods from here on are those of both libraries' Delegate and PingDelegate.

func (j *journal) NodeMeta(int) []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return []byte(j.meta)
}

func (j *journal) NotifyMsg(msg []byte) { j.note(sawMessage, "", string(msg)) }

func (j *journal) GetBroadcasts(overhead, limit int) [][]byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out [][]byte
	for i := range j.broadcasts {
		b := &j.broadcasts[i]
		if cost := overhead + len(b.msg); b.left > 0 && cost <= limit {
			limit -= cost
			b.left--
			out = append(out, []byte(b.msg))
		}
	}
	return out
}

func (j *journal) LocalState(bool) []byte { return []byte(j.options.localState) }

func (j *journal) MergeRemoteState(buf []byte, join bool) {
	if join {
		j.note(sawJoinState, "", string(buf))
	} else {
		j.note(sawSyncState, "", string(buf))
	}
}

func (j *journal) AckPayload() []byte { return []byte(j.options.ackPayload) }

// delegates implements the delegates that get nodes; N is the library's Node.
type delegates[N any] struct {
	*journal
	see func(*N) node
}

func (d delegates[N]) NotifyJoin(n *N) {
	seen := d.see(n)
	d.note(sawJoin, seen.name, seen.meta)
}

func (d delegates[N]) NotifyLeave(n *N) { d.note(sawLeave, d.see(n).name, "") }

func (d delegates[N]) NotifyUpdate(n *N) {
	seen := d.see(n)
	d.note(sawUpdate, seen.name, seen.meta)
}

func (d delegates[N]) NotifyConflict(existing, other *N) {
	d.note(sawConflict, d.see(existing).name, d.see(other).addr.String())
}

func (d delegates[N]) NotifyMerge(peers []*N) error {
	for _, n := range peers {
		d.note(sawMerge, d.see(n).name, "")
	}
	if d.options.vetoMerge {
		return errVeto
	}
	return nil
}

func (d delegates[N]) NotifyAlive(n *N) error {
	name := d.see(n).name
	d.note(sawAlive, name, "")
	if name == d.options.vetoAlive {
		return errVeto
	}
	return nil
}

func (d delegates[N]) NotifyPingComplete(n *N, _ time.Duration, payload []byte) {
	d.note(sawPing, d.see(n).name, string(payload))
}
