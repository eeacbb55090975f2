package prometheus

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/e3431adc/memberlist"
)

// Options configures a Collector. The zero value is ready for use.
type Options struct {
	// Namespace is the prefix of all names. Empty: "memberlist".
	Namespace string

	// ConstLabels are added to every metric. They tell apart several members in one process. Nil: none.
	ConstLabels prom.Labels

	// MaxMembers is the number of members that have series of their own, with a label "member": whether the member is
	// up, its round-trip time, and failures to reach it. The first ones by name have them; names come from the network.
	// Zero: none.
	MaxMembers int
}

// Member is the part of Memberlist that a Collector reads.
type Member interface {
	Stats() memberlist.Stats
	All() iter.Seq[memberlist.MemberInfo]
	Subscribe(buffer int) *memberlist.Subscription
}

// Collector is a Collector of github.com/prometheus/client_golang for one member. Its methods may be called from any
// goroutine.
type Collector struct {
	list       Member
	maxMembers int

	stats  []*prom.Desc // of allStats
	events *prom.CounterVec
	timing *timing

	up, roundTrip, failures *prom.Desc // of each member

	subscription *memberlist.Subscription
	done         sync.WaitGroup
}

// eventBuffer is the number of events that may wait for the collector's goroutine, which only counts them.
const eventBuffer = 1024

// NewCollector returns a Collector, which is to be registered. It subscribes to the member's events: its goroutine ends
// with Close, or when the member shuts down.
func NewCollector(list Member, options Options) *Collector {
	namespace, labels := cmp.Or(options.Namespace, "memberlist"), options.ConstLabels
	describe := func(name, help string, variable ...string) *prom.Desc {
		return prom.NewDesc(prom.BuildFQName(namespace, "", name), help, variable, labels)
	}
	c := &Collector{
		list:       list,
		maxMembers: options.MaxMembers,
		events: prom.NewCounterVec(prom.CounterOpts{
			Namespace: namespace, Name: "events_total", ConstLabels: labels,
			Help: "Events by kind, since the collector was created.",
		}, []string{"kind"}),
		timing:    newTiming(namespace, labels),
		up:        describe("member_up", "1 for a member that is alive, 0.5 for a suspect one, 0 for one that is dead or has left.", "member"),
		roundTrip: describe("member_round_trip_seconds", "Round-trip time of the last direct ping that was acked.", "member"),
		failures:  describe("member_failures", "Attempts to reach a member that failed since the last that did not.", "member", "path"),
	}
	for i := range allStats {
		s := &allStats[i]
		c.stats = append(c.stats, describe(s.name, s.help, s.labels()...))
	}
	for kind := memberlist.EventJoin; kind <= memberlist.EventZoneFound; kind++ {
		c.events.WithLabelValues(label(kind)) // from 0
	}
	c.subscription = list.Subscribe(eventBuffer)
	c.done.Go(c.count)
	return c
}

// Close ends the subscription to events. The other metrics can still be collected.
func (c *Collector) Close() {
	c.subscription.Close()
	c.done.Wait()
}

// count counts events. It ends when the subscription is closed.
func (c *Collector) count() {
	for e := range c.subscription.Events() {
		c.events.WithLabelValues(label(e.Kind)).Inc()
		c.timing.note(&e)
	}
}

// label returns the kind of an event as a label.
func label(kind memberlist.EventKind) string {
	b := []byte(kind.String())
	for i := range b {
		if b[i] == ' ' {
			b[i] = '_'
		}
	}
	return string(b)
}

// Describe implements Collector of client_golang.
func (c *Collector) Describe(out chan<- *prom.Desc) {
	for _, d := range c.stats {
		out <- d
	}
	c.events.Describe(out)
	c.timing.Describe(out)
	if c.maxMembers > 0 {
		out <- c.up
		out <- c.roundTrip
		out <- c.failures
	}
}

// Collect implements Collector of client_golang.
func (c *Collector) Collect(out chan<- prom.Metric) {
	s := c.list.Stats()
	for i := range allStats {
		stat := &allStats[i]
		for _, v := range stat.value {
			var labels []string
			if stat.label != "" {
				labels = []string{v.label}
			}
			out <- prom.MustNewConstMetric(c.stats[i], stat.kind, v.read(&s), labels...)
		}
	}
	c.events.Collect(out)
	c.timing.Collect(out)
	if c.maxMembers > 0 {
		c.collectMembers(out)
	}
}

// collectMembers collects the series of the members.
func (c *Collector) collectMembers(out chan<- prom.Metric) {
	members := slices.SortedFunc(c.list.All(), func(a, b memberlist.MemberInfo) int { return cmp.Compare(a.Name, b.Name) })
	seen := make(map[string]bool) // two names that are not UTF-8 may become one label
	for _, m := range members[:min(len(members), c.maxMembers)] {
		name := strings.ToValidUTF8(m.Name, "\uFFFD")
		if seen[name] {
			continue
		}
		seen[name] = true
		out <- prom.MustNewConstMetric(c.up, prom.GaugeValue, upValue(m.State), name)
		if m.RTT > 0 {
			out <- prom.MustNewConstMetric(c.roundTrip, prom.GaugeValue, m.RTT.Seconds(), name)
		}
		out <- prom.MustNewConstMetric(c.failures, prom.GaugeValue, float64(m.Packets.Failures), name, "packets")
		out <- prom.MustNewConstMetric(c.failures, prom.GaugeValue, float64(m.Streams.Failures), name, "streams")
	}
}

func upValue(state memberlist.NodeStateType) float64 {
	switch state {
	case memberlist.StateAlive:
		return 1
	case memberlist.StateSuspect:
		return 0.5
	default:
		return 0
	}
}
