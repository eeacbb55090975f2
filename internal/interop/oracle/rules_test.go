package oracle

// rule is a deliberate difference. docs/differences.md lists them all, with those that no history shows.
type rule string

const (
	ruleEvidence   rule = "higher evidence is remembered"
	ruleAnew       rule = "a suspicion at a newer incarnation is a new one"
	ruleHearsay    rule = "what a push/pull says confirms nothing"
	ruleStale      rule = "a stale alive is answered"
	ruleAccuser    rule = "an accusation is answered"
	ruleRefutation rule = "a refutation replaces what was queued about ourselves"
	ruleChecksum   rule = "checksums to every member that understands them"
	ruleState      rule = "Node.State is true"
	ruleRefusal    rule = "who is refused is told"
	ruleForeign    rule = "nothing is heard from outside of CIDRsAllowed"
	ruleHighest    rule = "what cannot be refuted is not believed"
	ruleMalformed  rule = "malformed alives are ignored"
	ruleVersions   rule = "a member without usable versions is none, and keeps nobody from joining"
	ruleUnpingable rule = "who cannot be pinged is no member"
	ruleHere       rule = "nobody else is at the node's own address"
	ruleMeant      rule = "states that are meant for another are refused"
	ruleZero       rule = "an alive at 0 makes nobody known"
	ruleRecall     rule = "who went is remembered, though forgotten"
	ruleReclaim    rule = "the name of who left is taken by a newer claim only"
	ruleVerdict    rule = "a conflict is told with the verdict, once"
	ruleIncurious  rule = "who leaves asks about no names"
	ruleRejoin     rule = "who left may join again"
	ruleTaken      rule = "a name that is taken does not join"
	ruleAsked      rule = "the alive delegate is asked first"
	ruleLost       rule = "no message is lost from the queue"
	ruleForgotten  rule = "nothing is said of a member that is forgotten"
	ruleSelf       rule = "who left does not forget itself"
	ruleFarewell   rule = "a leave is heard"
	ruleLate       rule = "who said that it leaves has left, though it was found dead"
	ruleContest    rule = "a member whose name another claims is asked where it is"
	ruleLeaving    rule = "who leaves announces nothing, and waits for nothing"
)

// rules say why the nodes may differ.
var rules = map[rule]string{
	ruleEvidence: "an accusation of a member that is dead already changes no state; if its incarnation is higher, we keep that, so " +
		"that an older alive does not bring the member back",
	ruleAnew: "who is suspected at a newer incarnation has refuted the suspicion that runs, and gets all the time again; the " +
		"reference takes it for a confirmation",
	ruleHearsay: "the reference takes an accusation in a push/pull for its own, as if it had seen something: it confirms a suspicion " +
		"that runs, and one that it begins is confirmed by the first who accuses in a packet, who may be the same witness",
	ruleStale: "the reference drops an alive that is older than what it knows against the member; we tell the sender, so that " +
		"the member hears of it and refutes",
	ruleAccuser: "the reference only gossips a refutation, and ignores what it has refuted already; we tell the member that accuses " +
		"us at once, which may miss the gossip",
	ruleRefutation: "the reference queues its refutation under its IP address, beside what it said before; ours replaces that",
	ruleChecksum:   "the reference adds one if the caller has the node at hand; we look the receiver up",
	ruleState:      "Node.State stays alive in the reference when a member is suspect",
	ruleRefusal:    "the reference answers a push/pull with its state before it refuses it; we answer with the reason",
	ruleForeign:    "the reference takes accusations from anywhere",
	ruleHighest:    "an accusation at the highest incarnation leaves no room above: the reference believes it, and refutes at 0",
	ruleMalformed:  "the reference takes in members without a name or an IP address, or with more metadata than it allows itself",
	ruleVersions: "one such member makes the reference refuse every push/pull, even if it is dead; we ignore it, and refuse the peer " +
		"only if that is one",
	ruleUnpingable: "the reference takes in a member whose name leaves no room for a ping, and finds it dead",
	ruleHere: "the reference takes another name at its own address for a member; ours has it dead, at whatever incarnation it " +
		"claims that, and tells so",
	ruleMeant: "the reference merges states that have another name at its own address, and not its own; ours does that on a join " +
		"only, as its address was another's before",
	ruleZero: "no member begins at 0; the reference keeps one that is said to as dead, until it next forgets",
	ruleRecall: "the reference takes any alive for new once it has forgotten the member; ours asks for one newer than when it went, " +
		"for ReconnectTimeout, and tells that to the address that is claimed",
	ruleReclaim: "the reference gives the name to a claim of any incarnation; ours to a newer one, and tells that to the address that " +
		"is claimed",
	ruleVerdict: "the reference tells of a conflict at each claim, at once; ours when both that it asks have answered, which is " +
		"after what else was said with the claim, not again for ten intervals, and never of a claim where no other is",
	ruleIncurious: "while it leaves, ours pings nobody about a name, and so knows of no conflict",
	ruleRejoin:    "a node of the reference that left stays so, though its Join succeeds; ours comes back, at a higher incarnation",
	ruleTaken:     "the reference's Join succeeds though nobody takes the node for a member; ours fails if the node was alone and finds others too",
	ruleAsked: "delegates are asked with no lock held, so that ours is also asked about an alive that is then ignored: " +
		"unusable versions, ourselves after we left, an address outside of CIDRsAllowed",
	ruleLost: "if a message replaces the only one in the queue, the reference begins to number messages anew, and a later one of " +
		"the same size and number takes the place of the first",
	ruleForgotten: "if there was nobody to tell that a member died, the reference still has it in its queue when it has forgotten " +
		"the member; ours drops it",
	ruleSelf: "long after it left, a node of the reference that was not shut down forgets itself, and its methods panic; " +
		"ours remembers",
	ruleFarewell: "the reference tells that it leaves when its queue comes to that; ours also tells some members at once, and one in a " +
		"push/pull",
	ruleLate: "the reference goes on taking it for dead; ours has it left, and tells so",
	ruleContest: "the reference refuses such a claim; ours first pings the member where it is known, and where the claim says it is, " +
		"or there only if the name is our own, at most once in ten intervals",
	ruleLeaving: "the reference waits for the broadcast of an update that it never queues, and gives a timeout",
}
