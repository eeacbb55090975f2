package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/walls"
)

// TestWalls holds that the doctor uses what any process may ask, and no member.
func TestWalls(t *testing.T) {
	walls.Walls{
		Imports:   []string{walls.Standard, walls.Module, "internal/envelope", "internal/printable", "internal/visitor"},
		Variables: []string{"rules", "reserved"},
		Total:     true,
	}.Check(t, ".")
}

// TestRules: each kind is one rule's, has its texts, and is in docs/doctor.md.
func TestRules(t *testing.T) {
	docs, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(docs)), " ")
	seen := make(map[string]bool)
	last := Critical
	for _, r := range rules {
		if seen[r.kind] || r.meaning == "" || r.advice == "" || r.severity > last {
			t.Errorf("rule %q: twice, without a text, or not in the order of severities", r.kind)
		}
		seen[r.kind], last = true, r.severity
		for _, text := range []string{"### `" + r.kind + "`", r.meaning, r.advice} {
			if !strings.Contains(page, text) {
				t.Errorf("docs/doctor.md does not have %q", text)
			}
		}
	}
}

// TestNothingThere: no member at the address, and a context that has ended.
func TestNothingThere(t *testing.T) {
	o := Options{Addresses: []string{"127.0.0.1:1"}, Timeout: time.Second}
	if _, err := Examine(t.Context(), o); !errors.Is(err, ErrNoMember) {
		t.Errorf("got %v, want %v", err, ErrNoMember)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Examine(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestSeverityText(t *testing.T) {
	for _, s := range []Severity{Note, Warning, Critical} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got Severity
		if err := json.Unmarshal(b, &got); err != nil || got != s {
			t.Errorf("%s: got %v, %v", b, got, err)
		}
	}
	if err := new(Severity).UnmarshalText([]byte("grave")); err == nil {
		t.Error("an unknown severity is accepted")
	}
}

// surveyOf returns a survey of subjects a, b, c and so on, whose views are rows of states: '+' alive, '?' suspect, 'x' dead, '-' left,
// ' ' unknown. An empty row is no view.
func surveyOf(rows ...string) *survey {
	s := &survey{ids: make(map[identity]int)}
	for i, row := range rows {
		m := &subject{identity: identity{string(rune('a' + i)), "10.0.0.1:" + string(rune('1'+i))}, known: true, asked: true}
		m.packets.made, m.stream.made = true, true
		if row == "" {
			m.packets.err, m.stream.err = context.DeadlineExceeded, context.DeadlineExceeded
		} else {
			m.view = new(view)
			for _, c := range row {
				m.view.states = append(m.view.states, state(strings.IndexRune(" +?x-", c)))
			}
		}
		s.ids[m.identity] = i
		s.subjects = append(s.subjects, m)
	}
	s.count()
	return s
}

// TestParts: which views make how many parts.
func TestParts(t *testing.T) {
	for _, tt := range []struct {
		name string
		rows []string
		want []string // names
	}{
		{"whole", []string{"+++", "+++", "+++"}, []string{"abc"}},
		{"suspects are seen", []string{"+?+", "+++", "+?+"}, []string{"abc"}},
		{"two parts", []string{"++  ", "++  ", "  ++", "  ++"}, []string{"ab", "cd"}},
		{"the largest first", []string{"+   ", " +++", " +++", " +++"}, []string{"bcd", "a"}},
		{"dead to each other", []string{"++x", "++x", "xx+"}, []string{"ab", "c"}},
		{"one way", []string{"++", "x+"}, []string{"a", "b"}},
		{"in a chain", []string{"++ ", "+++", " ++"}, []string{"abc"}},
		{"no answer is no part", []string{"+++", "+++", ""}, []string{"ab"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := surveyOf(tt.rows...)
			var got []string
			for _, part := range s.inParts() {
				got = append(got, strings.Join(s.names(part), ""))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if split := findSplit(s) != nil; split != (len(tt.want) > 1) {
				t.Errorf("a split is found: %v", split)
			}
		})
	}
}

// TestPartlySeen: a member that is missing in another part is no finding of its own.
func TestPartlySeen(t *testing.T) {
	for _, tt := range []struct {
		name string
		rows []string
		want int
	}{
		{"whole", []string{"+++", "+++", "+++"}, 0},
		{"two parts", []string{"++  ", "++  ", "  ++", "  ++"}, 0},
		{"missing in one view", []string{"+++", "++ ", "+++"}, 1},
		{"dead in one view", []string{"+++", "++x", "+++"}, 1},
		{"a silent one", []string{"+++", "++ ", ""}, 1},
		{"left in some, forgotten in others", []string{"++-", "++ ", ""}, 0},
	} {
		if got := findPartlySeen(surveyOf(tt.rows...)); len(got) != tt.want {
			t.Errorf("%s: got %v, want %d", tt.name, got, tt.want)
		}
	}
}

// TestManyDetails: a finding about many members stays short.
func TestManyDetails(t *testing.T) {
	var rows []string
	for i := range 60 {
		rows = append(rows, strings.Repeat(" ", i)+"+")
	}
	found := findSplit(surveyOf(rows...))
	if len(found) != 1 || len(found[0].Details) != maxDetails+1 || found[0].Details[maxDetails] != "and 40 more" {
		t.Errorf("got %v", found)
	}
}

// TestSurveyIsBounded: members that are told of beyond the limit are counted, and not asked.
func TestSurveyIsBounded(t *testing.T) {
	s := &survey{ids: make(map[identity]int)}
	var members []memberlist.MemberInfo
	for i := range maxMembers + 7 {
		members = append(members, memberlist.MemberInfo{Node: &memberlist.Node{Name: fmt.Sprint("m", i), Addr: net.IPv4(10, 0, 0, 1), Port: 1}})
	}
	s.learn(members)
	if len(s.subjects) != maxMembers || s.notAsked != 7 {
		t.Errorf("%d subjects, %d not asked", len(s.subjects), s.notAsked)
	}
}

// TestMTU: a member that acks small packets and no large ones.
func TestMTU(t *testing.T) {
	s := surveyOf("+++", "+++", "")
	s.subjects[0].large.made = true
	s.subjects[1].large = attempt{made: true, err: context.DeadlineExceeded}
	if found := findMTU(s); len(found) != 1 || !strings.Contains(found[0].Title, "b") {
		t.Errorf("got %v", found)
	}
}

// TestLoopback: a loopback address is wrong only if others have another.
func TestLoopback(t *testing.T) {
	for others, want := range map[string]int{"127.0.0.1:2": 0, "10.0.0.1:2": 1} {
		s := surveyOf("++", "++")
		for i, address := range []string{"127.0.0.1:1", others} {
			s.subjects[i].address, s.subjects[i].at = address, netip.MustParseAddrPort(address)
		}
		if found := findAddress(s); len(found) != want {
			t.Errorf("beside %s: got %v, want %d", others, found, want)
		}
	}
}

// TestRetry: a request that fails is made two more times, with pauses, unless all ends before.
func TestRetry(t *testing.T) {
	for _, tt := range []struct {
		name     string
		succeeds int // which try
		limit    time.Duration
		tries    int
		took     time.Duration
		err      error
	}{
		{"at once", 1, time.Hour, 1, 0, nil},
		{"the second", 2, time.Hour, 2, time.Second, nil},
		{"the last", 3, time.Hour, 3, 2 * time.Second, nil},
		{"none", 4, time.Hour, 3, 2 * time.Second, io.EOF},
		{"it ends before", 4, 1500 * time.Millisecond, 2, 1500 * time.Millisecond, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				made, began := 0, time.Now()
				s := &survey{options: Options{Timeout: time.Minute}}
				err := s.retry(ctx, func(context.Context) error {
					if made++; made == tt.succeeds {
						return nil
					}
					return io.EOF
				})
				if took := time.Since(began); made != tt.tries || took != tt.took || err != tt.err {
					t.Errorf("%d tries in %v, error %v; want %d in %v, %v", made, took, err, tt.tries, tt.took, tt.err)
				}
			})
		})
	}
}

// TestAskedAgain: members whose views differ are asked again after a while, as news may have been on its way.
func TestAskedAgain(t *testing.T) {
	for _, meet := range []bool{false, true} {
		var members []*memberlist.Memberlist
		var addresses []string
		for _, name := range []string{"a", "b"} {
			c := memberlist.DefaultLANConfig()
			c.Name, c.BindAddr, c.BindPort, c.LogOutput = name, "127.0.0.1", 0, io.Discard
			m, err := memberlist.Create(c)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Shutdown()
			members, addresses = append(members, m), append(addresses, m.LocalNode().Address())
		}
		var join sync.Once
		o := Options{Addresses: addresses, Timeout: time.Minute, AtOnce: 1, Settle: time.Millisecond}
		o.Progress = func(phase string, done, of int) {
			if phase == "asked" && done == of && meet {
				join.Do(func() {
					if _, err := members[1].Join(addresses[:1]); err != nil {
						t.Error(err)
					}
				})
			}
		}
		r, err := Examine(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		split := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == "split" })
		if split == meet {
			t.Errorf("they meet meanwhile: %v, and a split is found: %v", meet, split)
		}
	}
}
