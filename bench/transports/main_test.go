package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv(processEnv) != "" {
		runProcess()
		return
	}
	os.Exit(m.Run())
}

// TestMeasure: everything runs, and every kind has its rows.
func TestMeasure(t *testing.T) {
	text, err := measure(&settings{rounds: 1, packets: 320, dials: 32, members: 6, process: 3, window: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for k, rows := range map[kind]int{udp: 2, tcp: 2, tcpTLS: 2, dial: 1, dialTLS: 1} {
		if got := strings.Count(text, "\n| "+string(k)+" |"); got != rows {
			t.Errorf("%d rows of %s, want %d, in:\n%s", got, k, rows, text)
		}
	}
}
