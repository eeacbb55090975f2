package main

import (
	"fmt"
	"slices"
	"strings"
)

// maxNames is the number of members that a line of changes names on each side of the verb.
const maxNames = 6

// change is a line of output: the observers now see the subjects in another state.
type change struct {
	observers, verb, what string
	subjects              []string
}

func (c *change) String() string {
	return fmt.Sprintf("%s %s %s %s", c.observers, c.verb, names(c.subjects), c.what)
}

// changes describes the differences between two snapshots, in as few lines as possible. What members see of
// themselves is left out.
func changes(before, after snapshot) []string {
	var found []*change
	for subject, r := range after.rows {
		for _, what := range news(before, after, subject) {
			observers, verb := who(after, subject, func(observer int) bool {
				return whatChanged(before, after, observer, subject) == what
			})
			same := slices.IndexFunc(found, func(c *change) bool { return c.observers == observers && c.what == what })
			if same < 0 {
				found = append(found, &change{observers: observers, verb: verb, what: what})
				same = len(found) - 1
			}
			found[same].subjects = append(found[same].subjects, r.name)
		}
	}
	var lines []string
	for _, c := range found {
		lines = append(lines, c.String())
	}
	return lines
}

// news returns the changes in how others see a member.
func news(before, after snapshot, subject int) []string {
	var all []string
	for observer := range after.rows {
		what := whatChanged(before, after, observer, subject)
		if what != "" && !slices.Contains(all, what) {
			all = append(all, what)
		}
	}
	return all
}

// whatChanged describes how an observer's view of a member has changed, if it has: another state or, in the same
// state, other metadata.
func whatChanged(before, after snapshot, observer, subject int) string {
	r := after.rows[observer]
	if r.down || observer == subject {
		return ""
	}
	old := row{cells: make([]cell, len(r.cells)), metas: make([]string, len(r.metas))}
	if observer < len(before.rows) {
		old = before.rows[observer]
	}
	switch state, meta := r.cells[subject], r.metas[subject]; {
	case state == cellUnknown:
		return ""
	case state != old.cells[subject]:
		return state.String()
	case meta != old.metas[subject]:
		return fmt.Sprintf("with %q", meta)
	default:
		return ""
	}
}

// who names the running observers of a member for which applies returns true, and the form of "see" for them.
func who(s snapshot, subject int, applies func(observer int) bool) (observers, verb string) {
	var found []string
	others := 0
	for i, r := range s.rows {
		if i == subject || r.down {
			continue
		}
		others++
		if applies(i) {
			found = append(found, r.name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], "sees"
	case others:
		return "all others", "see"
	default:
		return names(found), "see"
	}
}

// names joins the names, or the first of them.
func names(all []string) string {
	if more := len(all) - maxNames; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:maxNames], " "), more)
	}
	return strings.Join(all, " ")
}
