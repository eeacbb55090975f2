package prometheus

import (
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/e3431adc/memberlist"
)

// newMember creates a member on a network in memory.
func newMember(t *testing.T, network *memberlist.MockNetwork, name string) *memberlist.Memberlist {
	t.Helper()
	config := memberlist.DefaultLANConfig()
	config.Name, config.LogOutput = name, io.Discard
	config.GossipToTheDeadTime = time.Hour // so that members that left are not forgotten
	config.Transport = network.NewTransport(name)
	list, err := memberlist.Create(config)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// gather returns the values of all series, by name and labels, and the number of samples of histograms.
func gather(t *testing.T, c *Collector) map[string]float64 {
	t.Helper()
	registry := prom.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			values[f.GetName()+labelText(m.Label)] = valueOf(m)
		}
	}
	return values
}

func labelText(labels []*dto.LabelPair) string {
	var texts []string
	for _, l := range labels {
		texts = append(texts, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if len(texts) == 0 {
		return ""
	}
	return "{" + strings.Join(texts, ",") + "}"
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	default:
		return float64(m.Histogram.GetSampleCount())
	}
}

// TestAllStatsAreExported: each field of Stats is a series.
func TestAllStatsAreExported(t *testing.T) {
	var want, got []string
	var fields func(prefix string, of reflect.Type)
	fields = func(prefix string, of reflect.Type) {
		for f := range of.NumField() {
			field := of.Field(f)
			if field.Type.Kind() == reflect.Struct {
				fields(prefix+field.Name+".", field.Type)
				continue
			}
			want = append(want, prefix+field.Name)
		}
	}
	fields("", reflect.TypeFor[memberlist.Stats]())

	var s memberlist.Stats
	number := 1.0
	for _, stat := range allStats {
		for _, v := range stat.value {
			got = append(got, v.field)
			field := reflect.ValueOf(&s).Elem()
			for name := range strings.SplitSeq(v.field, ".") {
				field = field.FieldByName(name)
			}
			if field.CanUint() {
				field.SetUint(uint64(number))
			} else if field.Type() == reflect.TypeFor[time.Duration]() {
				field.SetInt(int64(number * float64(time.Second)))
			} else {
				field.SetInt(int64(number))
			}
			if read := v.read(&s); read != number {
				t.Errorf("%s reads %v, want the field %s, %v", stat.name, read, v.field, number)
			}
			number++
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the series are of %v,\nwant %v", got, want)
	}
}

// TestLint: the names and types are as Prometheus recommends.
func TestLint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := newMember(t, new(memberlist.MockNetwork), "m0")
		defer list.Shutdown()
		c := NewCollector(list, Options{MaxMembers: 10})
		defer c.Close()
		registry := prom.NewPedanticRegistry()
		registry.MustRegister(c)
		problems, err := testutil.GatherAndLint(registry)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	})
}

// TestCluster: the series follow a cluster in which a member fails and one leaves.
func TestCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memberlist.MockNetwork
		var lists []*memberlist.Memberlist
		for i := range 5 {
			list := newMember(t, &network, fmt.Sprint("m", i))
			defer list.Shutdown()
			lists = append(lists, list)
		}
		c := NewCollector(lists[0], Options{Namespace: "app", ConstLabels: prom.Labels{"cluster": "a"}, MaxMembers: 3})
		defer c.Close()
		if _, err := lists[0].Join(addresses(lists[1:])); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := lists[3].Leave(time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		lists[4].Shutdown()
		time.Sleep(time.Minute)

		got := gather(t, c)
		for name, want := range map[string]float64{
			`app_members{cluster="a",state="alive"}`:                      3,
			`app_members{cluster="a",state="left"}`:                       1,
			`app_members{cluster="a",state="suspect"}`:                    0,
			`app_events_total{cluster="a",kind="join"}`:                   4,
			`app_events_total{cluster="a",kind="leave"}`:                  1,
			`app_events_total{cluster="a",kind="fail"}`:                   1,
			`app_events_total{cluster="a",kind="isolation_ended"}`:        0,
			`app_suspicion_duration_seconds{cluster="a"}`:                 1,
			`app_detection_duration_seconds{cluster="a"}`:                 1,
			`app_health_score{cluster="a"}`:                               0,
			`app_member_up{cluster="a",member="m2"}`:                      1,
			`app_member_failures{cluster="a",member="m1",path="packets"}`: 0,
			`app_dropped_total{cluster="a",reason="decrypt"}`:             0,
			`app_messages_queued{cluster="a",kind="membership"}`:          0,
			`app_subscriptions_open{cluster="a"}`:                         1,
		} {
			if value, ok := got[name]; !ok || value != want {
				t.Errorf("%s is %v (%v), want %v", name, value, ok, want)
			}
		}
		if got[`app_settling_duration_seconds{cluster="a"}`] < 2 {
			t.Errorf("the view has settled %v times, want at least two", got[`app_settling_duration_seconds{cluster="a"}`])
		}
		for name := range got {
			if strings.Contains(name, `"m3"`) || strings.Contains(name, `"m4"`) {
				t.Errorf("%s, of the fourth or fifth member", name)
			}
		}
		lists[0].Shutdown()
		gather(t, c) // still works
	})
}

func addresses(lists []*memberlist.Memberlist) (addrs []string) {
	for _, l := range lists {
		addrs = append(addrs, l.LocalNode().Address())
	}
	return addrs
}

// named is a member that knows others of some names.
type named struct {
	*memberlist.Memberlist
	names []string
}

func (n named) All() iter.Seq[memberlist.MemberInfo] {
	return func(yield func(memberlist.MemberInfo) bool) {
		for _, name := range n.names {
			if !yield(memberlist.MemberInfo{Node: &memberlist.Node{Name: name}, RTT: time.Millisecond}) {
				return
			}
		}
	}
}

// TestHostileNames: names come from the network, and no name keeps the metrics from being collected.
func TestHostileNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := newMember(t, new(memberlist.MockNetwork), "m0")
		defer list.Shutdown()
		names := []string{"\xff", "\xfe", "", "a\nb", `"}`, strings.Repeat("x", 512), "\u202e", "a\x00"}
		c := NewCollector(named{list, names}, Options{MaxMembers: 100})
		defer c.Close()
		got := gather(t, c)
		series := 0
		for name := range got {
			if strings.HasPrefix(name, "memberlist_member_up") {
				series++
			}
		}
		if series != len(names)-1 { // two become one
			t.Errorf("%d members have series, want %d", series, len(names)-1)
		}
	})
}

// TestClose: Close ends the goroutine and may be called again.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := newMember(t, new(memberlist.MockNetwork), "m0")
		c := NewCollector(list, Options{})
		c.Close()
		c.Close()
		if n := list.Stats().Subscriptions; n != 0 {
			t.Errorf("%d subscriptions are open", n)
		}
		list.Shutdown()
	})
}
