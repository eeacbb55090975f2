package doctor

// rule finds one kind of finding. Its texts are the same for all of them, and docs/doctor.md has them too.
type rule struct {
	kind     string
	severity Severity
	find     func(*survey) []Finding
	meaning  string
	advice   string
}

// rules are all rules. Findings of one severity are reported in this order.
var rules = []rule{
	{"split", Critical, findSplit,
		"The cluster has fallen into parts. Each goes on by itself, and takes the others' members for dead or unknown.",
		"Find what separates the networks of the parts, then join any member of one part to any of the other. Members of this " +
			"library find each other again by themselves if Config.ReconnectInterval and Seeds are set."},
	{"same-name", Critical, findSameName,
		"Two processes use one name. Each refutes what is said of the other, and members see now one, now the other.",
		"Give each process a name of its own (Config.Name), or stop the one that was left over."},
	{"same-address", Critical, findSameAddress,
		"Two names are at one address. Only one process can be there, so the other name is declared dead again and again.",
		"Look for a process that was restarted under another name (leave before, or remove the old name with ForceLeave), and for two " +
			"that advertise the address of one proxy or NAT."},
	{"address", Critical, findAddress,
		"The address cannot be reached from other machines, so that all others take the member for dead, and it them.",
		"Set Config.AdvertiseAddr (and AdvertisePort) to an address at which the others reach this member."},
	{"versions", Critical, findVersions,
		"Members speak protocol versions that others do not understand. Members of the reference refuse every exchange of states then.",
		"Bring all to a common protocol version (Config.ProtocolVersion, and that of Config.Delegate), one step at a time."},
	{"udp", Critical, findUDP,
		"Packets are lost, though streams pass. Members find it out with a ping on a stream, later and at a higher cost, and gossip " +
			"does not reach the member. Whether the way there or the way back is blocked cannot be told from outside.",
		"Allow UDP in both directions on the member's port in firewalls, security groups and container port maps, not only TCP."},
	{"tcp", Critical, findTCP,
		"Streams fail, though packets pass. The member cannot be joined, and its view is not repaired by exchanges of states.",
		"Allow TCP on the member's port, and look whether the process accepts connections (limit of files, a full accept queue)."},
	{"mtu", Critical, findMTU,
		"Small packets pass and packets of the full size do not: gossip is lost while pings succeed, so that views differ and nothing seems wrong.",
		"Set Config.UDPBufferSize below the path MTU less 28 bytes (48 for IPv6) on all members, or repair the MTU of the tunnel or overlay."},
	{"key-label", Critical, findRefusals,
		"The process at a member's address has another label or key. It belongs to another cluster, or missed a key rotation.",
		"Compare Config.Label and the keyring (memberlist.KeyFingerprint) with those of a member that answers. During a rotation, " +
			"first add the new key everywhere, then use it, then remove the old one."},
	{"dead-answers", Warning, findDeadAnswers,
		"A member was declared dead, and its process answers. It may have just come back, be cut off from those that say so, or be too slow to refute.",
		"If it stays so: look at the load and the network of the member and of those that have it as dead."},
	{"partly-seen", Warning, findPartlySeen,
		"Some members see it, and others of the same part do not, also when they were asked again.",
		"Look at the logs of those that do not see it: they cannot reach it, or refuse it (an AliveDelegate, CIDRsAllowed, versions)."},
	{"unreachable", Warning, findUnreachable,
		"Members have it as alive, and it does not answer here: the address is not reachable from this machine, or its process has just failed.",
		"Run the doctor on a machine in the members' network. If it does not answer there either, wait for the failure detector."},
	{"dead", Note, findDead,
		"The member was declared dead and is not forgotten yet. That is so for Config.GossipToTheDeadTime, and as long as somebody tells of it.",
		"Nothing, if its end was expected. To remove it at once: ForceLeave."},
	{"metadata", Note, findMetadata,
		"The metadata is close to the limit of 512 bytes. A longer one is an error (in the reference a panic).",
		"Put large data elsewhere, and its address or checksum into the metadata."},
	{"implementations", Note, findImplementations,
		"Not all members are of one library or one range of protocol versions.",
		"Nothing: members of both libraries work together. What only this one has, such as reconnects after a partition, the others lack."},
}
