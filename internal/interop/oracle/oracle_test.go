package oracle

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

var (
	histories = flag.Int("histories", 200, "how many histories to play")
	oneSeed   = flag.Uint64("seed", 0, "play the history of this seed only (0: many)")
)

// played is the result of playing a history.
type played struct {
	err   error
	fired map[rule]int
	log   []string
}

// play plays a history in a bubble.
func play(t *testing.T, h history, tamper func([]byte) []byte) played {
	r := &run{history: h, tamper: tamper}
	var err error
	synctest.Test(t, func(*testing.T) { err = r.play() })
	return played{err, r.fired, r.log}
}

// TestHistories plays many histories: the nodes must agree, except for the differences in the rules.
func TestHistories(t *testing.T) {
	if *oneSeed != 0 {
		p := play(t, generate(*oneSeed), nil)
		t.Logf("seed %d, %+v:\n%s", *oneSeed, generate(*oneSeed).profile, strings.Join(p.log, "\n"))
		if p.err != nil {
			t.Error(p.err)
		}
		return
	}
	var mu sync.Mutex
	fired := make(map[rule]int)
	t.Run("all", func(t *testing.T) {
		const shards = 4
		for shard := range shards {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for seed := shard + 1; seed <= *histories; seed += shards {
					p := play(t, generate(uint64(seed)), nil)
					mu.Lock()
					for which, n := range p.fired {
						fired[which] += n
					}
					mu.Unlock()
					if p.err != nil {
						fail(t, generate(uint64(seed)), p)
					}
				}
			})
		}
	})
	for _, which := range slices.Sorted(maps.Keys(rules)) {
		t.Logf("%6d times: %s", fired[which], which)
		if fired[which] == 0 && *histories >= 10000 {
			t.Errorf("no history needed the rule %q", which)
		}
	}
}

// TestRules shows each rule in a history that needs it. A rule that is not needed any more must be deleted.
func TestRules(t *testing.T) {
	needs := map[rule]history{
		ruleEvidence: {profile: profile{remembers: true}, operations: []operation{addPeers("p1"), report(opDead, "p1", "p2", 0),
			unmended(report(opSuspect, "p1", "p3", 2)), {kind: opLongRest}, tell("p1", 3)}},
		ruleAnew:         {operations: []operation{addPeers("p1"), report(opSuspect, "p1", "p2", 0), report(opSuspect, "p1", "p2", 1)}},
		ruleUnattributed: {operations: []operation{addPeers("p1"), unattributed(dead, "p1"), report(opSuspect, "p1", "p2", 0)}},
		ruleForgotten:    {operations: []operation{addPeers("p1"), report(opSuspect, "p1", "p2", 0), {kind: opLongRest}, addPeers("p2")}},
		ruleStale:        {operations: []operation{addPeers("p1"), report(opDead, "p1", "p2", 0), tell("p1", 0)}},
		ruleReporter:     {operations: []operation{addPeers("p2"), report(opSuspect, self, "p2", 0), report(opDead, self, "p2", -1)}},
		ruleZero:         {operations: []operation{tell("p1", 0), tell("p1", 1)}},
		ruleReclaim:      {operations: []operation{addPeers("p1"), report(opDead, "p1", "p1", 0), elsewhere(tell("p1", 0))}},
		ruleOutcome:      {operations: []operation{addPeers("p1"), elsewhere(tell("p1", 1)), elsewhere(tell("p1", 2))}},
		ruleIncurious:    {operations: []operation{addPeers("p1"), {kind: opLeave, acks: -1}, elsewhere(tell("p1", 1))}},
		ruleRejoin:       {operations: []operation{addPeers("p1"), {kind: opLeave, acks: -1}, join(addPeers("p1", "p2"))}},
		ruleTaken:        {operations: []operation{join(elsewhere(addPeers(self, "p1")))}},
		ruleHere:         {operations: []operation{addPeers("p1"), {kind: opHere, assertions: []assertion{{node: "p1"}}}}},
		ruleMeant:        {operations: []operation{{kind: opHere, assertions: []assertion{{}}}}},
		ruleRecall: {profile: profile{remembers: true}, operations: []operation{addPeers("p1", "p2", "p3"), report(opDead, "p1", "p2", 3),
			report(opDead, "p2", "p2", 3), report(opDead, "p3", "p2", 3), {kind: opLongRest}, tell("p1", 4),
			elsewhere(tell("p2", 2)), addPeers("p3")}},
		ruleUnpingable: {profile: profile{small: true}, operations: []operation{
			{kind: opMalformed, sender: "p1", assertions: []assertion{{}}, text: longName}}},
		ruleRefutation: {operations: []operation{silent(addPeers("p1")), report(opSuspect, self, "p2", 0)}},
		ruleChecksum:   {operations: []operation{addPeers("p1")}},
		ruleState:      {operations: []operation{addPeers("p1"), report(opSuspect, "p1", "p2", 0)}},
		ruleRefusal: {operations: []operation{{kind: opPushPull, sender: "p1", acks: -1,
			assertions: []assertion{{node: "p1", delta: 1, vsn: []byte{1, 5, 6, 0, 0, 0}}}}}},
		ruleForeign: {profile: profile{restricted: true}, operations: []operation{addPeers("p1"),
			{kind: opSuspect, sender: "p2", foreign: true, acks: -1, assertions: []assertion{{node: "p1", from: "p2"}}}}},
		ruleHighest: {operations: []operation{addPeers("p1"),
			{kind: opHighest, sender: "p1", assertions: []assertion{{node: "p1", from: "p2", state: suspect}}}}},
		ruleMalformed: {operations: []operation{{kind: opMalformed, sender: "p1", assertions: []assertion{{}}, text: "no name"}}},
		ruleVersions:  {operations: []operation{addPeers("p1"), {kind: opVersionless, sender: "p1", assertions: []assertion{{}}}}},
		ruleAsked: {profile: profile{askAlive: true}, operations: []operation{
			{kind: opAlive, sender: "p1", acks: -1, assertions: []assertion{{node: "p1", delta: 1, vsn: []byte{0, 5, 2, 0, 0, 0}}}}}},
		ruleLost: {operations: []operation{addPeers("p1"), silent(report(opDead, "p1", "p2", 0)), silent(tell("p1", 1)),
			addPeers("p1", "p2")}},
		ruleSelf: {operations: []operation{{kind: opLeave, acks: -1}, {kind: opLongRest}}},
		ruleContest: {operations: []operation{addPeers("p1"), {kind: opAlive, sender: "p2", acks: -1,
			assertions: []assertion{{node: "p1", delta: 1, place: otherIP, vsn: goodVersions}}}}},
		ruleDirectLeave: {operations: []operation{addPeers("p1"), {kind: opLeave, acks: -1}}},
		ruleLate:        {operations: []operation{addPeers("p1"), report(opDead, "p1", "p2", 0), report(opDead, "p1", "p1", 0)}},
		ruleHealth:      {operations: []operation{addPeers("p2"), report(opSuspect, self, "p2", 0), report(opSuspect, self, "p2", 1)}},
		ruleNewcomer:    {operations: []operation{tell("p1", 1)}},
		ruleLeaving:     {operations: []operation{addPeers("p1"), {kind: opLeave, acks: -1}, {kind: opUpdate, text: "news", acks: -1}}},
		ruleDoubt: {operations: []operation{addPeers("p1"),
			{kind: opDead, sender: "p2", acks: -1, assertions: []assertion{{node: "p1", from: "p1"}}}}},
		ruleStaleLeave: {operations: []operation{addPeers("p1", "p2"),
			{kind: opDead, sender: "p2", acks: -1, assertions: []assertion{{node: "p1", from: "p1", delta: -1}}}}},
	}
	for _, which := range slices.Sorted(maps.Keys(rules)) {
		t.Run(string(which), func(t *testing.T) {
			h := needs[which]
			h.protocol = 2
			p := play(t, h, nil)
			if p.err != nil || p.fired[which] == 0 {
				t.Errorf("got %v, allowed %v, want %q\n%s", p.err, p.fired, which, strings.Join(p.log, "\n"))
			}
		})
	}
}

// TestDifferencesAreSeen feeds our node other input than the reference's: the comparison must fail each time.
func TestDifferencesAreSeen(t *testing.T) {
	h := history{profile: profile{protocol: 2}, operations: []operation{
		addPeers("p1", "p2", "p3"), report(opSuspect, "p1", "p2", 0), report(opSuspect, "p1", "p3", 0), tell("p1", 1),
		report(opDead, "p2", "p3", 0), report(opDead, "p3", "p3", 0), tell("p2", 1), report(opSuspect, self, "p1", 1), tell("p4", 1),
		{kind: opUser, sender: "p1", text: "help", acks: -1},
	}}
	renamed := strings.NewReplacer("p", "q", self, "n0de")
	if p := play(t, h, nil); p.err != nil {
		t.Fatalf("undisturbed: %v", p.err)
	}
	for i := range h.operations {
		for _, tc := range []struct {
			name   string
			change func(b []byte) []byte
		}{
			{"lost", func([]byte) []byte { return nil }},
			{"other", func(b []byte) []byte { return []byte(renamed.Replace(string(b))) }},
		} {
			t.Run(fmt.Sprint(i, " ", tc.name), func(t *testing.T) {
				fed := -1
				p := play(t, h, func(b []byte) []byte {
					if fed++; fed == i {
						return tc.change(b)
					}
					return b
				})
				if p.err == nil {
					t.Errorf("no difference was found:\n%s", strings.Join(p.log, "\n"))
				}
			})
		}
	}
}

// The histories of these tests are made of:

// addPeers returns a push/pull in which the members are alive.
func addPeers(names ...string) operation {
	o := operation{kind: opPushPull, sender: names[0], acks: -1}
	for _, name := range names {
		o.assertions = append(o.assertions, assertion{node: name, delta: 1, vsn: goodVersions})
	}
	return o
}

// unattributed returns a push/pull in which the members have the state.
func unattributed(state int, names ...string) operation {
	o := addPeers(names...)
	for i := range o.assertions {
		o.assertions[i].state, o.assertions[i].delta = state, 0
	}
	return o
}

// tell returns an alive packet from p2.
func tell(name string, delta int) operation {
	return operation{kind: opAlive, sender: "p2", acks: -1, assertions: []assertion{{node: name, delta: delta, meta: "told", vsn: goodVersions}}}
}

// report returns a suspect or dead packet: k is opSuspect or opDead.
func report(k kind, name, from string, delta int) operation {
	return operation{kind: k, sender: "p2", acks: -1, assertions: []assertion{{node: name, from: from, delta: delta}}}
}

// elsewhere changes the addresses in an operation's assertions.
func elsewhere(o operation) operation {
	for i := range o.assertions {
		o.assertions[i].place = otherIP
	}
	return o
}

// join turns a push/pull into a join that the peer answers with the same states.
func join(o operation) operation {
	o.kind, o.join = opJoin, true
	return o
}

// silent returns the operation without drawing gossip from the nodes afterwards.
func silent(o operation) operation {
	o.acks = 0
	return o
}

// unmended returns the operation without mending the members about which the nodes differ.
func unmended(o operation) operation {
	o.unmended = true
	return o
}

// fail reports a difference, with the shortest history found that shows it.
func fail(t *testing.T, h history, p played) {
	t.Helper()
	all := len(h.operations)
	h, p = shrink(t, h, p)
	t.Errorf("seed %d, %+v: %v\nwith %d of %d operations:\n%s\nreplay it all: go test -run 'TestHistories$' -v -seed %d .",
		h.seed, h.profile, p.err, len(h.operations), all, strings.Join(p.log, "\n"), h.seed)
}

// shrink removes operations from a history as long as it still fails.
func shrink(t *testing.T, h history, p played) (history, played) {
	for i := len(h.operations) - 1; i >= 0; i-- {
		fewer := h
		fewer.operations = slices.Delete(slices.Clone(h.operations), i, i+1)
		if q := play(t, fewer, nil); q.err != nil {
			h, p = fewer, q
		}
	}
	return h, p
}
