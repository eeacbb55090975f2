package main

// row is a line of the table: the results of one benchmark for both libraries, and the goals.
type row struct {
	label  string
	bench  string  // without "Benchmark"
	metric string  // to compare
	ratio  float64 // minimum of reference / this or, if more is better, of this / reference. 0: none
	most   goal    // maximum of the metric, this
	allocs goal    // maximum of allocations per operation, this
	bare   string  // a benchmark of the minimum work without a library
}

// goal is a maximum, or none.
type goal struct {
	set  bool
	most float64
}

func atMost(n float64) goal { return goal{true, n} }

func (g goal) metBy(n float64) bool { return !g.set || n <= g.most }

const (
	cpuPerOp  = "cpu-ns/op"
	allocs    = "allocs/op"
	perMember = "B/member"
	updates   = "updates/s" // the one of which more is better

	cpuPerMinute = "cpu-us/node-minute"
	switches     = "switches/node-minute"
)

var rows = []row{
	{label: "ping to ack, plain", bench: "Ping/plain", metric: cpuPerOp, ratio: 4, allocs: atMost(3)},
	{label: "ping to ack, AES-256 and label", bench: "Ping/sealed", metric: cpuPerOp, ratio: 4.5, allocs: atMost(3)},
	{label: "ping to ack, compression (the default)", bench: "Ping/compressed", metric: cpuPerOp, ratio: 25, allocs: atMost(3)},
	{label: "ping to ack, compression and AES-256", bench: "Ping/both", metric: cpuPerOp, ratio: 25, allocs: atMost(3)},

	{label: "compound of 18 known alives, plain", bench: "KnownAlives/plain", metric: cpuPerOp, ratio: 12, allocs: atMost(1)},
	{label: "compound of 18 known alives, sealed", bench: "KnownAlives/sealed", metric: cpuPerOp, ratio: 11, allocs: atMost(1)},
	{label: "compound of 18 known alives, compressed", bench: "KnownAlives/compressed", metric: cpuPerOp, ratio: 5, allocs: atMost(1)},
	{label: "compound of 18 known alives, both", bench: "KnownAlives/both", metric: cpuPerOp, ratio: 5, allocs: atMost(1)},
	{label: "compound of 18 fresh alives, plain", bench: "FreshAlives/plain", metric: cpuPerOp, ratio: 8, allocs: atMost(40)},
	{label: "compound of 18 fresh alives, both", bench: "FreshAlives/both", metric: cpuPerOp, ratio: 6, allocs: atMost(40)},
	{label: "18 stale suspects, plain", bench: "StaleSuspects/plain", metric: cpuPerOp, ratio: 12, allocs: atMost(1)},
	{label: "18 stale suspects, both", bench: "StaleSuspects/both", metric: cpuPerOp, ratio: 7, allocs: atMost(1)},
	{label: "18 dead, then alive again, plain", bench: "DeadThenAlive/plain", metric: cpuPerOp, ratio: 4.5, allocs: atMost(40)},
	{label: "18 dead, then alive again, both", bench: "DeadThenAlive/both", metric: cpuPerOp, ratio: 5.5, allocs: atMost(40)},
	{label: "18 suspects about us, refuted", bench: "Refute", metric: cpuPerOp, ratio: 4.5, allocs: atMost(60)},
	{label: "user packet, sealed", bench: "UserPacket/sealed", metric: cpuPerOp, ratio: 2.2, allocs: atMost(0)},
	{label: "user packet, sealed with the second key", bench: "UserPacket/second_key", metric: cpuPerOp, ratio: 3, allocs: atMost(0)},
	{label: "user packet, sealed and compressed", bench: "UserPacket/both", metric: cpuPerOp, ratio: 9, allocs: atMost(0)},

	{label: "SendBestEffort, plain", bench: "SendBestEffort/plain", metric: cpuPerOp, ratio: 1.3, allocs: atMost(2)},
	{label: "SendBestEffort, sealed", bench: "SendBestEffort/sealed", metric: cpuPerOp, ratio: 3.5, allocs: atMost(2)},
	{label: "SendBestEffort, compressed", bench: "SendBestEffort/compressed", metric: cpuPerOp, ratio: 15, allocs: atMost(2)},
	{label: "SendBestEffort, both", bench: "SendBestEffort/both", metric: cpuPerOp, ratio: 15, allocs: atMost(2)},

	{label: "push/pull of 1,000 members, plain", bench: "PushPull/1000/plain", metric: cpuPerOp, ratio: 10, allocs: atMost(100)},
	{label: "push/pull of 1,000 members, both", bench: "PushPull/1000/both", metric: cpuPerOp, ratio: 3.5, allocs: atMost(100)},
	{label: "push/pull of 10,000 members, plain", bench: "PushPull/10000/plain", metric: cpuPerOp, ratio: 8, allocs: atMost(500)},
	{label: "push/pull of 10,000 members, both", bench: "PushPull/10000/both", metric: cpuPerOp, ratio: 3.5, allocs: atMost(500)},
	{label: "first join to 10,000 members, plain", bench: "FirstJoin/plain", metric: cpuPerOp, ratio: 4.5, allocs: atMost(60000)},
	{label: "first join to 10,000 members, both", bench: "FirstJoin/both", metric: cpuPerOp, ratio: 4, allocs: atMost(60000)},

	{label: "queue of 10,000: drain a packet, named", bench: "QueueDrain/named", metric: cpuPerOp, ratio: 5, allocs: atMost(2)},
	{label: "queue of 10,000: drain a packet, unique", bench: "QueueDrain/unique", metric: cpuPerOp, ratio: 5, allocs: atMost(2)},
	{label: "queue of 10,000: replace", bench: "QueueReplace", metric: cpuPerOp, ratio: 2, allocs: atMost(0)},
	{label: "queue: plain broadcasts, 1,000 queued", bench: "QueuePlain/keep", metric: cpuPerOp, ratio: 1.7, allocs: atMost(1)},
	{label: "queue: plain broadcasts that replace one, 1,000 queued", bench: "QueuePlain/replace", metric: cpuPerOp, ratio: 1.6, allocs: atMost(3)},
	{label: "queue of 10,000: fill", bench: "QueueFill", metric: cpuPerOp},

	{label: "Members() of 10,000", bench: "Members", metric: cpuPerOp, ratio: 1, allocs: atMost(1)},
	{label: "NumMembers() of 10,000", bench: "NumMembers", metric: cpuPerOp, ratio: 1000, allocs: atMost(0)},
	{label: "LocalNode()", bench: "LocalNode", metric: cpuPerOp, ratio: 5, allocs: atMost(0)},
	{label: "updates a second while readers loop over Members()", bench: "UpdatesUnderReaders", metric: updates, ratio: 10},

	{label: "loopback sockets: SendBestEffort to delivery, plain", bench: "SocketsBestEffort/plain", metric: cpuPerOp, ratio: 3.5, allocs: atMost(4)},
	{label: "loopback sockets: SendBestEffort to delivery, compressed", bench: "SocketsBestEffort/compressed", metric: cpuPerOp, ratio: 10, allocs: atMost(4)},
	{label: "loopback sockets: Ping", bench: "SocketsPing", metric: cpuPerOp, ratio: 6, allocs: atMost(15)},
	{label: "loopback sockets: SendReliable to delivery, compressed", bench: "SocketsReliable", metric: cpuPerOp, ratio: 1.7, allocs: atMost(42)},

	{label: "Create and Shutdown, in memory", bench: "Create/memory", metric: cpuPerOp, bare: "BareCreate"},
	{label: "Create and Shutdown, with sockets", bench: "Create/sockets", metric: cpuPerOp, bare: "BareSockets"},

	{label: "idle member of 50: CPU", bench: "Idle", metric: cpuPerMinute, ratio: 1.6, bare: "BareIdle"},
	{label: "idle member of 50: allocated", bench: "Idle", metric: "B/node-second", ratio: 100},
	{label: "idle, a process each, without a Delegate: CPU", bench: "IdleProcess/without_delegate", metric: cpuPerMinute, ratio: 2},
	{label: "the same: voluntary context switches", bench: "IdleProcess/without_delegate", metric: switches},
	{label: "idle, a process each, with a Delegate: CPU", bench: "IdleProcess/with_delegate", metric: cpuPerMinute, ratio: 2},
	{label: "the same: voluntary context switches", bench: "IdleProcess/with_delegate", metric: switches},
	{label: "heap per known member of 50,000", bench: "Memory/known", metric: perMember, most: atMost(245)},
	{label: "the same with its broadcast queued", bench: "Memory/queued", metric: perMember, most: atMost(360)},

	{label: "100 nodes join at once: CPU until 99 % of pairs know", bench: "JoinAtOnce/100", metric: "cpu-s", ratio: 4},
	{label: "100 nodes join at once: time", bench: "JoinAtOnce/100", metric: "s", ratio: 1},
	{label: "100 nodes join at once: bytes", bench: "JoinAtOnce/100", metric: "MB", ratio: 1},
	{label: "300 nodes join at once: CPU until 99 % of pairs know", bench: "JoinAtOnce/300", metric: "cpu-s", ratio: 5},
	{label: "300 nodes join at once: time", bench: "JoinAtOnce/300", metric: "s", ratio: 2},
	{label: "300 nodes join at once: bytes", bench: "JoinAtOnce/300", metric: "MB", ratio: 1},
	{label: "600 members of one process join: CPU until 99 % of pairs know", bench: "Crowd", metric: "cpu-s"},
	{label: "the same: CPU in the first half minute", bench: "Crowd", metric: "cpu-s-faded"},
	{label: "the same: heap of each after another minute", bench: "Crowd", metric: perMember, most: atMost(300e3)},
	{label: "overload, 300 nodes, one crash: false deaths", bench: "Overload", metric: "false-deaths", most: atMost(0)},
	{label: "overload, 300 nodes, one crash: who saw it", bench: "Overload", metric: "deaths-seen"},
	{label: "overload, 300 nodes, one crash: CPU in a minute", bench: "Overload", metric: "cpu-s"},
}
