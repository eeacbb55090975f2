package main

import (
	"fmt"
	"time"

	"github.com/e3431adc/memberlist"
)

// cell is the state in which one member, the observer, sees another.
type cell uint8

const (
	cellUnknown cell = iota
	cellAlive
	cellSuspect
	cellDead
	cellLeft
	cellDown // the observer is not running
)

var cellWords = [...]string{
	cellUnknown: "-",
	cellAlive:   "alive",
	cellSuspect: "suspect",
	cellDead:    "dead",
	cellLeft:    "left",
	cellDown:    "down",
}

func (c cell) String() string { return cellWords[c] }

func cellOf(state memberlist.NodeStateType) cell {
	switch state {
	case memberlist.StateAlive:
		return cellAlive
	case memberlist.StateSuspect:
		return cellSuspect
	case memberlist.StateDead:
		return cellDead
	case memberlist.StateLeft:
		return cellLeft
	default:
		return cellUnknown
	}
}

// snapshot has the views of all members at one moment.
type snapshot struct {
	at    time.Duration // since the start
	title string
	rows  []row // one for each member that has been started, in the order of the cells
}

// members returns the number of members of the story, started or not.
func (s *snapshot) members() int {
	if len(s.rows) == 0 {
		return 0
	}
	return len(s.rows[0].cells)
}

// row is the view of one observer, and its counters.
type row struct {
	name           string
	down           bool
	cells          []cell   // one for each member
	metas          []string // of those that are alive or suspect
	probes         int64    // that were acked
	rtt            time.Duration
	sent, received flow
}

// flow is the traffic in one direction.
type flow struct {
	packets, bytes int64
}

// notEverywhere lists the running members that see another member in a different state than want.
func (s *snapshot) notEverywhere(want cell) []string {
	var missing []string
	for i := range s.rows {
		missing = append(missing, s.notAbout(i, want)...)
	}
	return missing
}

// notAbout lists the running members that do not see a member in the state want.
func (s *snapshot) notAbout(subject int, want cell) []string {
	var missing []string
	for _, r := range s.rows {
		switch got := r.cells[subject]; {
		case r.down || got == want:
		case got == cellUnknown:
			missing = append(missing, fmt.Sprintf("%s does not know %s", r.name, s.rows[subject].name))
		default:
			missing = append(missing, fmt.Sprintf("%s sees %s %v", r.name, s.rows[subject].name, got))
		}
	}
	return missing
}

// notMeta lists the running members that do not see a member with the metadata want.
func (s *snapshot) notMeta(subject int, want string) []string {
	var missing []string
	for _, r := range s.rows {
		if !r.down && r.metas[subject] != want {
			missing = append(missing, fmt.Sprintf("%s sees %s with %q", r.name, s.rows[subject].name, r.metas[subject]))
		}
	}
	return missing
}
