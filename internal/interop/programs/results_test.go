package main

import (
	"slices"
	"strings"
	"testing"
)

// line is one event of go test -json.
func line(action, pkg, test, output string) string {
	return `{"Action":"` + action + `","Package":"` + pkg + `","Test":"` + test + `","Output":"` + output + `"}` + "\n"
}

func read(t *testing.T, lines ...string) results {
	t.Helper()
	r := make(results)
	if err := r.read(strings.NewReader(strings.Join(lines, ""))); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegressions(t *testing.T) {
	one := id{"p", "TestOne"}
	pass, fail, skip := line("pass", "p", "TestOne", ""), line("fail", "p", "TestOne", ""), line("skip", "p", "TestOne", "")
	begin := line("run", "p", "TestOne", "")
	other, crash := line("pass", "p", "TestOther", ""), line("fail", "p", "", "")
	for _, tt := range []struct {
		name            string
		reference, ours []string
		want            []id
	}{
		{"both pass", []string{pass}, []string{pass}, nil},
		{"ours fails", []string{pass}, []string{fail, crash}, []id{one}},
		{"ours passes in the end", []string{pass}, []string{fail, fail, pass}, nil},
		{"the reference passes in the end", []string{fail, pass}, []string{fail, fail}, []id{one}},
		{"both fail", []string{fail, fail}, []string{fail, fail}, nil},
		{"the reference fails", []string{fail}, []string{pass}, nil},
		{"ours skips", []string{pass}, []string{skip}, []id{one}},
		{"both skip", []string{skip}, []string{skip}, nil},
		{"ours has it not", []string{pass}, []string{other}, []id{one}},
		{"ours crashes in it", []string{begin, pass}, []string{begin, crash}, []id{one}},
		{"ours does not build", []string{pass}, []string{crash}, []id{one}},
		{"not run with the reference", nil, []string{pass}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := comparison{reference: read(t, tt.reference...), ours: read(t, tt.ours...)}
			if got := c.regressions(); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestUndecided(t *testing.T) {
	c := comparison{reference: make(results), ours: read(t,
		line("fail", "p", "TestOne/sub", ""), line("fail", "p", "TestOne", ""), line("pass", "p", "TestTwo", ""),
		line("fail", "p", "TestThree", ""), line("fail", "p", "", ""), line("fail", "q", "", ""))}
	got := c.undecided()
	if len(got) != 2 || got[0].run != "^(TestOne|TestThree)$" || got[1].packages[0] != "q" || got[1].run != "" {
		t.Errorf("got %+v, want the tests of p that failed, and all of q", got)
	}
}

// TestFailuresAreShown: what a test printed is in the report.
func TestFailuresAreShown(t *testing.T) {
	c := comparison{
		reference: read(t, line("pass", "p", "TestOne", "")),
		ours:      read(t, line("run", "p", "TestOne", ""), line("output", "p", "TestOne", "why"), line("fail", "p", "TestOne", "")),
	}
	var b strings.Builder
	if n := c.report(&b, &programs[0]); n != 1 || !strings.Contains(b.String(), "why") {
		t.Errorf("%d regressions, report %q", n, b.String())
	}
}
