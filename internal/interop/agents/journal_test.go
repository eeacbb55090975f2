package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseEvent(t *testing.T) {
	for _, tc := range []struct {
		name string
		line string
		kind kind // none: no event
	}{
		{"leave", "2026/01/02 15:04:05 [INFO] serf: EventMemberLeave: agent-3 127.0.0.1", left},
		{"leave after a failure", "2026/01/02 15:04:05 [INFO] serf: EventMemberLeave (forced): agent-3 127.0.0.1", left},
		{"failure", "    2026/01/02 15:04:05 [INFO] serf: EventMemberFailed: agent-3 127.0.0.1", failed},
		{"join", "2026/01/02 15:04:05 [INFO] serf: EventMemberJoin: agent-3 127.0.0.1", ""},
		{"the agent's own", "2026/01/02 15:04:05 [INFO] agent: Received event: member-leave", ""},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := time.Now()
			got, ok := parseEvent(tc.line, now)
			want := event{kind: tc.kind}
			if tc.kind != "" {
				want.name, want.at = "agent-3", now
			}
			if got != want || ok != (tc.kind != "") {
				t.Errorf("got %+v, %t, want %+v", got, ok, want)
			}
		})
	}
}

// TestJournal: a line may come in pieces, and several at once.
func TestJournal(t *testing.T) {
	j := new(journal)
	began := time.Now()
	for _, piece := range []string{
		"[INFO] serf: EventMem", "berFailed: a 127.0.0.1\n[INFO] serf: EventMemberLeave: b 127.0.0.1\n[INFO] ",
		"serf: EventMemberLeave (forced): a 127.0.0.1\nmore",
	} {
		if n, err := j.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("Write of %d bytes: %d, %v", len(piece), n, err)
		}
	}
	events := j.since("a", began)
	if len(events) != 2 || events[0].kind != failed || events[1].kind != left {
		t.Errorf("got %+v, want a failure and a leave", events)
	}
	if events := j.since("a", time.Now().Add(time.Hour)); len(events) != 0 {
		t.Errorf("got %+v later", events)
	}
}

func TestJournalKeepsTheLastLines(t *testing.T) {
	j := new(journal)
	for i := range 3 * lastLines {
		fmt.Fprintf(j, "line %d\n", i)
	}
	lines := strings.Split(j.last(), "\n")
	if want := fmt.Sprintf("line %d", 3*lastLines-1); len(lines) != lastLines || lines[len(lines)-1] != want {
		t.Errorf("got %d lines, the last %q, want %d, the last %q", len(lines), lines[len(lines)-1], lastLines, want)
	}
}
