package main

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"time"
)

// kind is Serf's name for the way in which a member went.
type kind string

const (
	left   kind = "EventMemberLeave"
	failed kind = "EventMemberFailed"
)

// event is an agent's report of a member that left or failed, from its log, which has it at once. The event stream
// that an agent offers delays each event by a second or more, and of several events of one member it has only the
// last.
type event struct {
	kind kind
	name string
	at   time.Time
}

// "(forced)" is a leave that arrived after the member had been reported as failed.
var eventLine = regexp.MustCompile(`serf: (EventMember(?:Leave|Failed))(?: \(forced\))?: (\S+)`)

// parseEvent returns the event of a log line, if the line has one.
func parseEvent(line string, at time.Time) (event, bool) {
	match := eventLine.FindStringSubmatch(line)
	if match == nil {
		return event{}, false
	}
	return event{kind: kind(match[1]), name: match[2], at: at}, true
}

// lastLines is the number of lines that a journal keeps for errors.
const lastLines = 20

// journal receives an agent's output and keeps its events and last lines.
type journal struct {
	mu struct {
		sync.Mutex
		partial []byte // of a line
		lines   []string
		events  []event
	}
}

// Write is called by the goroutine that reads the process's output.
func (j *journal) Write(output []byte) (int, error) {
	now := time.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mu.partial = append(j.mu.partial, output...)
	for {
		line, rest, whole := bytes.Cut(j.mu.partial, []byte("\n"))
		if !whole {
			return len(output), nil
		}
		j.addLineLocked(string(line), now)
		j.mu.partial = append(j.mu.partial[:0], rest...)
	}
}

func (j *journal) addLineLocked(line string, now time.Time) {
	if len(j.mu.lines) == lastLines {
		j.mu.lines = append(j.mu.lines[:0], j.mu.lines[1:]...)
	}
	j.mu.lines = append(j.mu.lines, line)
	if e, ok := parseEvent(line, now); ok {
		j.mu.events = append(j.mu.events, e)
	}
}

// since returns the events of a member since a time.
func (j *journal) since(name string, from time.Time) []event {
	j.mu.Lock()
	defer j.mu.Unlock()
	var events []event
	for _, e := range j.mu.events {
		if e.name == name && !e.at.Before(from) {
			events = append(events, e)
		}
	}
	return events
}

// last returns the last lines.
func (j *journal) last() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.mu.lines, "\n")
}
