package statuspage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/e3431adc/memberlist"
)

// Status is what ?format=json has. Fields are added, but not renamed or removed. Times are in RFC 3339, durations in seconds, bytes in
// base64. In names and texts, bytes that are no UTF-8 are replaced.
type Status struct {
	Time    time.Time `json:"time"`
	Self    Self      `json:"self"`
	Members []Member  `json:"members"` // by name; dead and left ones included
	Events  []Event   `json:"events"`  // at most 200, the newest first
}

// Self is this member.
type Self struct {
	Name       string             `json:"name"`
	Address    string             `json:"address"`
	Version    string             `json:"version"`    // of the library; empty if unknown
	Protocol   uint8              `json:"protocol"`   // spoken
	Health     int                `json:"health"`     // 0: healthy; see Memberlist.GetHealthScore
	Checksum   string             `json:"checksum"`   // of the view: see Memberlist.ViewChecksum
	Settled    bool               `json:"settled"`    // the view has not changed for a while: see Memberlist.WaitConverged
	Counts     map[string]int     `json:"counts"`     // members by state
	Encryption string             `json:"encryption"` // "on", "off", or "unknown" without Options.Keyring
	Keys       []Usage            `json:"keys,omitempty"`
	Labels     []Usage            `json:"labels"`
	Queues     map[string]int     `json:"queues"`  // that wait now
	Rates      map[string]float64 `json:"rates"`   // a second, over the last seconds
	Totals     map[string]uint64  `json:"totals"`  // since the member was created
	Dropped    map[string]uint64  `json:"dropped"` // by reason: see memberlist.Drops
}

// Usage is the traffic received with one key or label.
type Usage struct {
	Name    string    `json:"name"`           // the label, or the fingerprint of the key
	Role    string    `json:"role,omitempty"` // of a key: "primary", "decrypt only", or empty
	Packets uint64    `json:"packets"`
	Streams uint64    `json:"streams"`
	Last    time.Time `json:"last,omitzero"`
	From    string    `json:"from,omitempty"`
}

// Member is a known member.
type Member struct {
	Name        string    `json:"name"`
	Address     string    `json:"address"`
	State       string    `json:"state"` // "alive", "suspect", "dead" or "left"
	Since       time.Time `json:"since,omitzero"`
	RTT         float64   `json:"rtt"` // 0: unknown
	Packets     Path      `json:"packets"`
	Streams     Path      `json:"streams"`
	Incarnation uint32    `json:"incarnation"`
	Zone        string    `json:"zone"`
	Protocol    [3]int    `json:"protocol"` // lowest, highest, spoken
	Meta        []byte    `json:"meta"`
	Self        bool      `json:"self,omitempty"`
	Evidence    *Evidence `json:"evidence,omitempty"` // of one that is not alive

	node *memberlist.Node
}

// Path is how packets or streams reach a member.
type Path struct {
	Last     time.Time `json:"last,omitzero"`
	Failures int       `json:"failures"` // since then
	Failing  bool      `json:"failing"`
}

// Event is a change.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"` // as memberlist.EventKind.String
	Name    string    `json:"name"`
	Address string    `json:"address"`
	Details []string  `json:"details,omitempty"` // why, and what else is known

	Evidence *Evidence `json:"evidence,omitempty"`
}

// status returns the current status. The members are those in the order of their names.
func (h *handler) status() *Status {
	now := time.Now()
	s := &Status{Time: now, Members: []Member{}, Events: h.history.newest()}
	self := h.list.LocalNode()
	for info := range h.list.All() {
		m := newMember(&info)
		m.Self = info.Name == self.Name
		s.Members = append(s.Members, m)
	}
	slices.SortFunc(s.Members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	stats := h.list.Stats()
	s.Self = Self{
		Name: self.Name, Address: self.Address(), Version: version, Protocol: h.list.ProtocolVersion(),
		Health:   stats.Health,
		Checksum: fmt.Sprintf("%016x", h.list.ViewChecksum()),
		Settled:  h.settled(),
		Counts: map[string]int{"alive": stats.Members.Alive, "suspect": stats.Members.Suspect, "dead": stats.Members.Dead,
			"left": stats.Members.Left},
		Queues: map[string]int{"broadcasts": stats.Broadcasts, "membership_messages": stats.MembershipMessages,
			"user_messages": stats.UserMessages, "events": stats.Events},
		Rates:   h.rates.update(now, stats),
		Totals:  totalsOf(stats),
		Dropped: droppedOf(stats.Dropped),
	}
	s.Self.Labels = h.labels()
	s.Self.Encryption, s.Self.Keys = h.keys()
	return s
}

func newMember(info *memberlist.MemberInfo) Member {
	return Member{
		Name: info.Name, Address: info.Address(), State: stateName(info.State), Since: info.Since, RTT: info.RTT.Seconds(),
		Packets: newPath(info.Packets), Streams: newPath(info.Streams), Incarnation: info.Incarnation, Zone: info.Zone,
		Protocol: [3]int{int(info.PMin), int(info.PMax), int(info.PCur)}, Meta: info.Meta, node: info.Node,
		Evidence: newEvidence(info.Evidence),
	}
}

func newPath(p memberlist.PathStats) Path {
	return Path{Last: p.Last, Failures: p.Failures, Failing: p.Failing()}
}

// stateName returns the name of a state.
func stateName(s memberlist.NodeStateType) string {
	names := [...]string{"alive", "suspect", "dead", "left"}
	if s < 0 || int(s) >= len(names) {
		return "state " + strconv.Itoa(int(s))
	}
	return names[s]
}

// settledWait is the time limit for finding out whether the view has settled, which takes none if it has.
const settledWait = 2 * time.Millisecond

func (h *handler) settled() bool {
	ctx, cancel := context.WithTimeout(context.Background(), settledWait)
	defer cancel()
	return h.list.WaitConverged(ctx) == nil
}

func (h *handler) labels() []Usage {
	usage := []Usage{}
	for _, l := range h.list.LabelUsage() {
		usage = append(usage, newUsage(l.Label, "", l.Usage))
	}
	return usage
}

// keys returns whether packets are encrypted, and the usage of each key.
func (h *handler) keys() (encryption string, keys []Usage) {
	if h.options.Keyring == nil {
		return "unknown", nil
	}
	for _, k := range h.options.Keyring.Usage() {
		role := ""
		switch {
		case k.Primary:
			role = "primary"
		case k.DecryptOnly:
			role = "decrypt only"
		}
		keys = append(keys, newUsage(k.Fingerprint, role, k.Usage))
	}
	if keys == nil {
		return "off", nil
	}
	return "on", keys
}

func newUsage(name, role string, u memberlist.Usage) Usage {
	return Usage{Name: name, Role: role, Packets: u.Packets, Streams: u.Streams, Last: u.LastHeard, From: u.LastFrom}
}

func totalsOf(s memberlist.Stats) map[string]uint64 {
	return map[string]uint64{
		"packets_sent": s.PacketsSent, "packets_received": s.PacketsReceived,
		"packet_bytes_sent": s.BytesSent, "packet_bytes_received": s.BytesReceived,
		"streams_dialed": s.StreamsDialed, "streams_accepted": s.StreamsAccepted, "stream_bytes_sent": s.StreamBytesSent,
		"packet_bytes_across_zones": s.BytesAcross, "stream_bytes_across_zones": s.StreamBytesAcross,
		"suspected": s.Suspected, "dead": s.Dead, "degraded_probes": s.DegradedProbes,
		"degraded_timeouts": s.DegradedTimeouts, "degraded_late": s.DegradedLate, "events_lost": s.EventsLost,
	}
}

func droppedOf(d memberlist.Drops) map[string]uint64 {
	return map[string]uint64{
		"label": d.Label, "decrypt": d.Decrypt, "checksum": d.Checksum, "decode": d.Decode, "cidr": d.CIDR,
		"queue_full": d.QueueFull, "oversize": d.Oversize, "overload": d.Overload, "stranger": d.Stranger,
		"unconfirmed": d.Unconfirmed,
	}
}

// ratePeriod is the shortest time over which rates are computed.
const ratePeriod = 5 * time.Second

// rates computes rates from the totals of two moments.
type rates struct {
	mu           sync.Mutex
	older, newer sample
}

type sample struct {
	at    time.Time
	total map[string]uint64
}

func (r *rates) start(s memberlist.Stats) {
	r.newer = sample{time.Now(), totalsOf(s)}
	r.older = r.newer
}

// update returns the rates since the last moment that is long enough ago.
func (r *rates) update(now time.Time, s memberlist.Stats) map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	totals := totalsOf(s)
	since := r.older
	if now.Sub(r.newer.at) >= ratePeriod {
		since, r.older = r.newer, r.newer
		r.newer = sample{now, totals}
	}
	perSecond := make(map[string]float64)
	for _, name := range []string{"packets_sent", "packets_received", "packet_bytes_sent", "packet_bytes_received", "stream_bytes_sent"} {
		perSecond[name] = 0
		if elapsed := now.Sub(since.at).Seconds(); elapsed > 0 {
			perSecond[name] = float64(totals[name]-since.total[name]) / elapsed
		}
	}
	return perSecond
}

// version is that of this module in the program.
var version = func() string {
	const module = "github.com/e3431adc/memberlist"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return ""
}()

func (h *handler) serveJSON(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(h.status()) // the client has gone
}
