package promrules

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/metrics/prometheus"
)

var (
	alertFile     = filepath.Join("..", "..", "docs", "prometheus", "alerts.yml")
	dashboardFile = filepath.Join("..", "..", "docs", "prometheus", "dashboard.json")
	page          = filepath.Join("..", "..", "docs", "prometheus.md")
)

// alerts returns the rules by name.
func alerts(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(alertFile, false, model.UTF8Validation)
	for _, err := range errs {
		t.Fatal(err)
	}
	rules := make(map[string]rulefmt.Rule)
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			rules[r.Alert] = r
		}
	}
	return rules
}

// healthy is half an hour of three members that know each other, one of which was restarted.
const healthy = `load 1m
	memberlist_members{job="app",instance="a",state="alive"} 3x5 2 3x30
	memberlist_members{job="app",instance="b",state="alive"} 3x5 2 3x30
	memberlist_members{job="app",instance="c",state="alive"} 3x5 1 3x30
	memberlist_members{job="app",instance="a",state="suspect"} 0x40
	memberlist_members{job="app",instance="b",state="suspect"} 0x5 1 0x30
	memberlist_members{job="app",instance="c",state="suspect"} 0x40
	memberlist_members{job="app",instance="a",state="dead"} 0x5 1 0x30
	memberlist_members{job="app",instance="b",state="dead"} 0x40
	memberlist_members{job="app",instance="c",state="dead"} 0x40
	memberlist_health_score{job="app",instance="a"} 0x5 1 2 0x30
	memberlist_health_score{job="app",instance="b"} 0x40
	memberlist_health_score{job="app",instance="c"} 0x40
	memberlist_events_total{job="app",instance="a",kind="recover"} 0x10 1x30
	memberlist_dropped_total{job="app",instance="a",reason="decrypt"} 0x10 3x30
	memberlist_dropped_total{job="app",instance="a",reason="queue_full"} 0x10 9x30
	memberlist_events_queued{job="app",instance="a"} 0x5 2 0 1 0x30
	memberlist_detection_duration_seconds_bucket{job="app",le="10"} 0+1x40
	memberlist_detection_duration_seconds_bucket{job="app",le="30"} 0+1x40
	memberlist_detection_duration_seconds_bucket{job="app",le="60"} 0+1x40
	memberlist_detection_duration_seconds_bucket{job="app",le="+Inf"} 0+1x40
`

// faults are series that replace those of the healthy cluster, and make an alert fire.
var faults = map[string]string{
	"MemberlistMembersFailed":   `memberlist_members{job="app",instance="a",state="dead"} 0x5 1x40`,
	"MemberlistViewsDiffer":     `memberlist_members{job="app",instance="a",state="alive"} 2x40`,
	"MemberlistIsolated":        `memberlist_members{job="app",instance="a",state="alive"} 1x40`,
	"MemberlistUnhealthy":       `memberlist_health_score{job="app",instance="a"} 3x40`,
	"MemberlistFlapping":        `memberlist_events_total{job="app",instance="a",kind="recover"} 0+5x40`,
	"MemberlistWrongKeyOrLabel": `memberlist_dropped_total{job="app",instance="a",reason="decrypt"} 0+60x40`,
	"MemberlistOverloaded":      `memberlist_dropped_total{job="app",instance="a",reason="queue_full"} 0+600x40`,
	"MemberlistEventsQueued":    `memberlist_events_queued{job="app",instance="a"} 5x40`,
	"MemberlistSlowDetection": `memberlist_detection_duration_seconds_bucket{job="app",le="10"} 0x40
	memberlist_detection_duration_seconds_bucket{job="app",le="30"} 0x40`,
}

// replaced returns the healthy series with those of a fault in the place of the same ones.
func replaced(fault string) string {
	series := func(line string) string {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "} ")
		return name
	}
	lines := strings.Split(healthy, "\n")
	for line := range strings.SplitSeq(fault, "\n") {
		for i := range lines {
			if series(lines[i]) == series(line) {
				lines[i] = "\t" + strings.TrimSpace(line)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// fires reports whether a rule fires within half an hour: its expression is true each minute for as long as it says.
func fires(t *testing.T, rule rulefmt.Rule, series string) bool {
	t.Helper()
	storage := promqltest.LoadedStorage(t, series)
	defer storage.Close()
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	var since time.Duration = -1
	for at := time.Duration(0); at <= 30*time.Minute; at += time.Minute {
		query, err := engine.NewInstantQuery(context.Background(), storage, nil, rule.Expr, time.Unix(0, 0).Add(at))
		if err != nil {
			t.Fatal(err)
		}
		result := query.Exec(context.Background())
		vector, err := result.Vector()
		if err != nil {
			t.Fatalf("%s: %v", rule.Alert, err)
		}
		n := len(vector)
		query.Close()
		switch {
		case n == 0:
			since = -1
		case since < 0:
			since = at
		}
		if since >= 0 && at-since >= time.Duration(rule.For) {
			return true
		}
	}
	return false
}

// TestAlerts: each alert fires in a cluster with its fault, and none in a healthy one.
func TestAlerts(t *testing.T) {
	for name, rule := range alerts(t) {
		t.Run(name, func(t *testing.T) {
			fault, ok := faults[name]
			if !ok {
				t.Fatal("no fault makes it fire")
			}
			if replaced(fault) == healthy {
				t.Fatal("the fault replaces nothing")
			}
			if !fires(t, rule, replaced(fault)) {
				t.Error("it does not fire")
			}
			if fires(t, rule, healthy) {
				t.Error("it fires in a healthy cluster")
			}
			if rule.Annotations["summary"] == "" || rule.Labels["severity"] == "" {
				t.Error("it has no summary or severity")
			}
		})
	}
	if len(faults) != len(alerts(t)) {
		t.Errorf("%d faults and %d alerts", len(faults), len(alerts(t)))
	}
}

// exported returns the names of the metrics that the collector exports.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	config := memberlist.DefaultLANConfig()
	config.Name, config.LogOutput, config.Transport = "m0", io.Discard, new(memberlist.MockNetwork).NewTransport("m0")
	list, err := memberlist.Create(config)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Shutdown()
	c := prometheus.NewCollector(list, prometheus.Options{MaxMembers: 10})
	defer c.Close()
	registry := prom.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{"memberlist_member_round_trip_seconds": true} // of other members only
	for _, f := range families {
		names[f.GetName()] = true
	}
	return names
}

// checkNames checks that an expression is valid and names only metrics that are exported.
func checkNames(t *testing.T, where, expression string, names map[string]bool) {
	t.Helper()
	expr, err := parser.ParseExpr(expression)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		selector, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		name := selector.Name
		for _, m := range selector.LabelMatchers {
			if m.Name == labels.MetricName {
				name = m.Value
			}
		}
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && names[base] {
				return nil
			}
		}
		t.Errorf("%s: %s is not exported", where, name)
		return nil
	})
}

func TestAlertsNameMetrics(t *testing.T) {
	names := exported(t)
	for name, rule := range alerts(t) {
		checkNames(t, name, rule.Expr, names)
	}
}

func TestDashboardNamesMetrics(t *testing.T) {
	b, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title  string
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	names, expressions := exported(t), 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expressions++
			expr := strings.NewReplacer("$__rate_interval", "5m", "$job", "app", "$instance", "a").Replace(target.Expr)
			checkNames(t, panel.Title, expr, names)
		}
	}
	if expressions < 10 {
		t.Errorf("%d expressions", expressions)
	}
}

// TestPageDescribesAll: the page has each metric and each alert.
func TestPageDescribesAll(t *testing.T) {
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name := range exported(t) {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s is not described", name)
		}
	}
	for name := range alerts(t) {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s is not described", name)
		}
	}
}
