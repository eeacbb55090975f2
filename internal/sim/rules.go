package sim

import "github.com/e3431adc/memberlist/internal/swim"

// The rules. Each is checked after every event, for the changes of the event.
const (
	ruleIncarnation = "an incarnation never goes down in one view"
	ruleSelf        = "a node is alive in its own view unless it leaves"
	ruleReturn      = "a member that is gone returns only at a higher incarnation or by a takeover"
	ruleTakeover    = "a name is taken over only if it left, has been dead for long enough, or by a newer claim"
	ruleTransition  = "states change only by the protocol's transitions"
	ruleOrder       = "events of one member are in order"
	ruleEvents      = "events agree with the table"
	ruleSilent      = "every change of state is reported"
	ruleInvented    = "no node knows a higher incarnation than the member had"
	ruleAccusation  = "a suspicion is due to a probe that failed"
	ruleDeath       = "a death is due to a suspicion that ended"
	ruleLeave       = "a member that left has announced it"
	rulePatience    = "a suspicion lasts for its minimum timeout, unless enough members were refused or got no answer"
	ruleForget      = "only a member that has been gone for long enough is removed"
	ruleTable       = "a table holds no more members than there are"
	ruleLost        = "no more members are reconnected to than can have failed, each once"
	ruleQueue       = "a queue holds at most one message about each member"
	ruleTimers      = "timers stay within their bound, and none is left overdue"
	ruleHealth      = "the health score stays within its bounds"
	rulePacket      = "a packet has room for what it carries"
	ruleRefute      = "a member that learns it is not taken for alive refutes"
	ruleQuiet       = "no member is suspected while there is no fault"
	ruleSettle      = "once faults have ended all views agree in time"
	ruleRemembered  = "a member that has been gone for long enough is removed"
	ruleMerge       = "clusters that share no member do not become one"
	ruleAway        = "a member that went stays gone until it announces otherwise"
	ruleOwn         = "no other member is believed to be at a node's own address"
	ruleVersions    = "a name without usable versions is no member"
	ruleConflict    = "a conflict is reported only while two claim one name"
	ruleTold        = "a name that two claim is reported"
	ruleDecided     = "conflicts are resolved in time, however many"
	ruleReplaced    = "a member that was replaced, or never answered, is not reconnected to"
	ruleWhole       = "no member is isolated while most others are present"
	ruleWholeAgain  = "isolation ends"
	ruleIll         = "no health score rises because of another member"
	ruleWellAgain   = "health scores recover"
	ruleUser        = "a user broadcast reaches all members"
	ruleView        = "the checksum of a view is that of its members"
	ruleLeak        = "a cluster at rest has nothing left queued, remembered or running"
)

// state is the state of a member in a view.
type state uint8

const (
	unknown state = iota
	alive
	suspect
	dead
	left
)

func (s state) gone() bool { return s == unknown || s >= dead }

func stateOf(s swim.State) state { return state(s) + 1 }

// entry is a node's view of another.
type entry struct {
	since       int64 // time of the last change of the state, by the node's clock
	incarnation uint32
	meta        uint32
	known       int32  // members known at the start of the suspicion
	gone        uint32 // highest incarnation at which it is known to be dead or left, also when it is forgotten
	place       place
	state       state
	zoned       bool // its zone is known
	present     bool // by the events: joined, and has not left
	accused     bool // by the events: suspect
	agrees      bool // with the truth
}

// view is the view of one node.
type view struct {
	entries []entry
	ids     []int32 // names by the core's IDs
	self    uint32  // own incarnation
	accused uint32  // the highest incarnation of a suspect or dead message about itself
	known   int     // members known before the turn
	wrong   int     // entries that are not true
	counts  bool    // the node is a member: its view must be true
}

// truth is the truth about a name.
type truth struct {
	holder       int32 // the node that has the name or had it; -1: none
	answered     bool  // for a name without a node: it counts as having answered
	contested    bool  // two nodes have the name
	told         bool  // the conflict was reported
	member       bool  // it is up, accepted and not leaving
	incarnation  uint32
	highest      uint32 // highest incarnation so far
	meta         uint32
	declaredDead uint32 // highest incarnation at which it was declared dead while it was up
	accused      notes  // failed probes of it
	declared     notes  // suspicions of it that timed out
	leaves       notes  // its leaves
}

// notes are the times at which something first happened for each incarnation of a member.
type notes []struct {
	incarnation uint32
	at          int64
}

// add adds an incarnation, unless it is present.
func (n *notes) add(incarnation uint32, at int64) {
	if _, ok := n.when(incarnation); !ok {
		*n = append(*n, struct {
			incarnation uint32
			at          int64
		}{incarnation, at})
	}
}

// when returns the time of an incarnation, if it is present.
func (n notes) when(incarnation uint32) (at int64, ok bool) {
	for i := len(n) - 1; i >= 0; i-- {
		if n[i].incarnation == incarnation {
			return n[i].at, true
		}
	}
	return 0, false
}

// has reports whether an incarnation is present.
func (n notes) has(incarnation uint32) bool {
	_, ok := n.when(incarnation)
	return ok
}
