package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/printable"
)

const watchAbout = `Watch reads the view of the member at ADDR every -interval and prints what has changed: join, update, suspect, recover, fail,
leave, and forget when a dead or left member is not known any more. It is no member, so nobody counts on it; what happens and is undone
between two requests is missed.`

var errInterval = errors.New("-interval must be above zero")

// change is a difference between two views, and a line of watch -json.
type change struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Name    string    `json:"name,omitempty"`
	Address string    `json:"address,omitempty"`
	Error   string    `json:"error,omitempty"` // of the event "unanswered"
}

func runWatch(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	f, t := newFlags("watch", "ADDR", watchAbout, stderr)
	interval := f.Duration("interval", time.Second, "`time` between two requests")
	addresses, err := t.parse(f, args, 1)
	if err != nil {
		return exitFailed, err
	}
	defer t.close()
	if *interval <= 0 {
		return exitFailed, errInterval
	}
	view, err := t.query(ctx, addresses[0])
	if err != nil {
		return exitFailed, err
	}
	if !t.json {
		fmt.Fprintf(stdout, "%s  watching %d known members\n", time.Now().Format(time.TimeOnly), len(view.Members))
	}
	failed := false
	for {
		pause(ctx, *interval)
		next, err := t.query(ctx, addresses[0])
		if ctx.Err() != nil {
			return exitOK, nil
		}
		switch {
		case err != nil && !failed:
			t.printChange(stdout, change{Event: "unanswered", Error: err.Error()})
		case err == nil && failed:
			t.printChange(stdout, change{Event: "answered"})
		}
		failed = err != nil
		if failed {
			continue
		}
		for _, c := range changes(view.Members, next.Members) {
			t.printChange(stdout, c)
		}
		view = next
	}
}

// changes returns the differences between two views, each in the order of names.
func changes(before, after []memberlist.MemberInfo) (found []change) {
	old := make(map[string]memberlist.MemberInfo)
	for _, m := range before {
		old[m.Name] = m
	}
	for _, m := range after {
		was, known := old[m.Name]
		delete(old, m.Name)
		if event := eventOf(was, known, m); event != "" {
			found = append(found, change{Event: event, Name: m.Name, Address: m.Address()})
		}
	}
	for _, m := range before {
		if _, gone := old[m.Name]; gone {
			found = append(found, change{Event: "forget", Name: m.Name, Address: m.Address()})
		}
	}
	return found
}

// eventOf returns the event between two states of a member, or "" if nothing has changed.
func eventOf(was memberlist.MemberInfo, known bool, is memberlist.MemberInfo) string {
	up := func(s memberlist.NodeStateType) bool {
		return s == memberlist.StateAlive || s == memberlist.StateSuspect
	}
	switch {
	case is.State == memberlist.StateDead && (!known || was.State != is.State):
		return "fail"
	case is.State == memberlist.StateLeft && (!known || was.State != is.State):
		return "leave"
	case !up(is.State):
		return ""
	case !known || !up(was.State):
		return "join"
	case was.State != is.State && is.State == memberlist.StateSuspect:
		return "suspect"
	case was.State != is.State:
		return "recover"
	case !bytes.Equal(was.Meta, is.Meta) || was.Address() != is.Address():
		return "update"
	}
	return ""
}

func (t *target) printChange(w io.Writer, c change) {
	c.Time = time.Now()
	if t.json {
		line, err := json.Marshal(c)
		if err == nil {
			fmt.Fprintf(w, "%s\n", line)
		}
		return
	}
	what := printable.Text(c.Error)
	if c.Name != "" {
		what = printable.Name(c.Name) + " " + c.Address
	}
	fmt.Fprintf(w, "%s  %-8s %s\n", c.Time.Format(time.TimeOnly), c.Event, what)
}
