package oracle

// rule is a deliberate difference. docs/differences.md lists them all, with those that no history shows.
type rule string

const (
	ruleEvidence     rule = "the highest incarnation is stored"
	ruleAnew         rule = "a suspicion at a higher incarnation is a new one"
	ruleUnattributed rule = "a suspect state in a push/pull confirms nothing"
	ruleStale        rule = "a stale alive is answered"
	ruleReporter     rule = "a refuted suspect or dead message is answered"
	ruleRefutation   rule = "a refutation replaces the queued broadcast about ourselves"
	ruleChecksum     rule = "checksums to every member that understands them"
	ruleState        rule = "Node.State is true"
	ruleRefusal      rule = "a refused peer is told"
	ruleForeign      rule = "nothing is accepted from outside CIDRsAllowed"
	ruleHighest      rule = "a message that cannot be refuted is ignored"
	ruleMalformed    rule = "malformed alives are ignored"
	ruleVersions     rule = "a member without usable versions is none, and blocks no join"
	ruleUnpingable   rule = "a name that cannot be pinged is no member"
	ruleHere         rule = "no other member is at the node's own address"
	ruleMeant        rule = "states meant for another member are refused"
	ruleZero         rule = "an alive at incarnation 0 is ignored"
	ruleRecall       rule = "dead and left members are remembered after they are forgotten"
	ruleReclaim      rule = "only a newer claim takes the name of a member that left"
	ruleOutcome      rule = "a conflict is reported with its outcome, once"
	ruleIncurious    rule = "a node that leaves checks no names"
	ruleRejoin       rule = "a node that left may join again"
	ruleTaken        rule = "a name that is taken does not join"
	ruleAsked        rule = "the alive delegate is called first"
	ruleLost         rule = "no message is lost from the queue"
	ruleForgotten    rule = "nothing is gossiped about a forgotten member"
	ruleSelf         rule = "a node that left does not forget itself"
	ruleDirectLeave  rule = "a leave is sent directly"
	ruleLate         rule = "a leave of a dead member is accepted"
	ruleContest      rule = "a member whose name is claimed elsewhere is pinged"
	ruleHealth       rule = "refutations raise the health score once in an interval"
	ruleDoubt        rule = "a leave message from another address is questioned"
	ruleStaleLeave   rule = "a stale leave message is answered"
	ruleNewcomer     rule = "a member that only a stranger asserts is pinged first"
	ruleLeaving      rule = "a node that leaves announces nothing, and does not wait"
)

// rules are the reasons of the differences.
var rules = map[rule]string{
	ruleEvidence: "a suspect or dead message about a dead member changes no state; if its incarnation is higher it " +
		"is stored here, so that an older alive does not bring the member back",
	ruleAnew: "a member suspected at a higher incarnation has refuted the current suspicion, and has the full " +
		"timeout again; the reference counts a confirmation",
	ruleUnattributed: "the reference treats a suspect or dead state in a push/pull as an observation of its own: it " +
		"confirms a suspicion, and one that it begins is confirmed by the first packet, which may stem " +
		"from the same witness",
	ruleStale: "the reference ignores an alive that is older than the member's known end; here the sender is " +
		"told, so that the member learns of it and refutes",
	ruleReporter: "the reference only gossips a refutation, and ignores messages that it has refuted; here the " +
		"sender, which may miss the gossip, is answered at once",
	ruleRefutation: "the reference queues its refutation under its IP address, beside its earlier broadcast; here it " +
		"replaces that",
	ruleChecksum: "the reference adds one if the caller happens to have the node; here the receiver is looked up",
	ruleState:    "Node.State stays alive in the reference when a member is suspect",
	ruleRefusal: "the reference answers a push/pull with its state before it refuses it; here the answer is the " +
		"reason",
	ruleForeign: "the reference accepts suspect and dead messages from any address",
	ruleHighest: "there is no incarnation above the highest: the reference accepts such a suspect or dead message, " +
		"and refutes at 0",
	ruleMalformed: "the reference accepts members without a name or an IP address, or with more metadata than it " +
		"allows itself",
	ruleVersions: "one such member makes the reference refuse every push/pull, even if it is dead; here it is " +
		"ignored, and only a peer that is such a member is refused",
	ruleUnpingable: "the reference accepts a member whose name leaves no room for a ping, and declares it dead",
	ruleHere: "the reference accepts another name at its own address; here it is dead, at whatever incarnation, " +
		"and gossiped as dead",
	ruleMeant: "the reference merges states with another name at its own address instead of its own; here only a " +
		"join does, as the address may have changed owners",
	ruleZero: "no member starts at 0; the reference adds one as dead, until it next forgets",
	ruleRecall: "in the reference a forgotten member is new to any alive; here, for ReconnectTimeout, only to one " +
		"newer than its end, which is sent to the claimed address",
	ruleReclaim: "in the reference a claim of any incarnation takes the name; here a newer one, and the member's " +
		"end is sent to the claimed address",
	ruleOutcome: "the reference reports a conflict at each claim, at once; here it is reported when both addresses " +
		"have acked, which is after other effects of the claim, not again for ten intervals, and never if " +
		"the claimant does not ack",
	ruleIncurious: "while it leaves, this library sends no pings for claims, and reports no conflicts",
	ruleRejoin: "a node of the reference that left stays left, though its Join succeeds; here it is alive again, " +
		"at a higher incarnation",
	ruleTaken: "the reference's Join succeeds though the others do not accept the node; here it fails if the " +
		"node knew no others and reaches some",
	ruleAsked: "delegates are called with no lock held, so that here the delegate is also called for an alive " +
		"that is then ignored: unusable versions, ourselves after we left, an address outside " +
		"CIDRsAllowed",
	ruleLost: "if a message replaces the only one in the queue, the reference restarts its numbering, and a " +
		"later one of the same size and number replaces the first",
	ruleForgotten: "if no other member was present when a member died, the reference still has the broadcast in its " +
		"queue after it has forgotten the member; here it is dropped",
	ruleSelf: "long after it left, a node of the reference that was not shut down forgets itself, and its " +
		"methods panic",
	ruleDirectLeave: "the reference sends its leave when it reaches the front of the queue; here it is also sent " +
		"directly to some members, and to one in a push/pull",
	ruleLate: "in the reference it stays dead; here it has left, and that is gossiped",
	ruleContest: "the reference refuses such a claim; here both addresses are pinged, or only the claimed one if " +
		"the name is our own, at most once in ten intervals",
	ruleHealth: "the reference raises it for each refutation, so that a few packets a second hold it at its maximum",
	ruleNewcomer: "in the reference it is a member at once; here it is one when it answers, or when a member asserts it, so that " +
		"nobody can fill the tables with members that do not exist",
	ruleLeaving: "the reference waits for the broadcast of an update that it never queues, and times out",
	ruleDoubt: "the reference believes it, and the member learns of that only if it is gossiped to; here some of the " +
		"members that get it send it to its subject, which refutes it if it has not left",
	ruleStaleLeave: "the reference ignores it; here the member that sends it gets the alive message that refutes it",
}
