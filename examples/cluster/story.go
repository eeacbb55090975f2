package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/e3431adc/memberlist"
)

const (
	// lookInterval is the time between two looks at the members' views. Most changes cause an event; suspicions do
	// not.
	lookInterval = 25 * time.Millisecond

	// keepInterval is the time between two checkpoints after the story.
	keepInterval = 5 * time.Second

	// restartInterval is the time between attempts to start the killed member again: some outgoing connection may use
	// its port for a moment.
	restartInterval = 100 * time.Millisecond

	// maxNotSeen is the number of unmet expectations that a failure lists.
	maxNotSeen = 6
)

// cluster has all members and the state of the story. One goroutine uses it.
type cluster struct {
	settings settings
	opts     options
	view     view
	began    time.Time
	members  []*member
	index    map[string]int
}

// durations are the times that the steps took.
type durations struct {
	converged, detected, rejoined, updated, left time.Duration
}

func (d *durations) summary(members int) string {
	return fmt.Sprintf("ok: %d members converged in %v; failure detected everywhere in %v; rejoined in %v; "+
		"metadata everywhere in %v; left in %v", members,
		round(d.converged), round(d.detected), round(d.rejoined), round(d.updated), round(d.left))
}

// round rounds to about three digits.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}

func newCluster(s settings, v view) *cluster {
	c := &cluster{
		settings: s,
		opts: options{
			bind:          s.bind,
			label:         s.label,
			probeInterval: s.probeInterval,
			changed:       make(chan struct{}, 1),
		},
		view:  v,
		began: time.Now(),
		index: make(map[string]int),
	}
	if s.encrypt {
		c.opts.key = make([]byte, 32) // AES-256
		rand.Read(c.opts.key)         // never fails
	}
	for i := range s.members {
		c.index[memberName(i)] = i
	}
	return c
}

func memberName(i int) string { return fmt.Sprintf("n%d", i+1) }

// play plays the whole story. It returns with the remaining members running.
func (c *cluster) play(ctx context.Context) (durations, error) {
	const victim, updater = 1, 2 // the others join n1
	var d durations
	for _, step := range []struct {
		took *time.Duration
		run  func(context.Context) (time.Duration, error)
	}{
		{&d.converged, c.converge},
		{&d.detected, func(ctx context.Context) (time.Duration, error) { return c.detect(ctx, victim) }},
		{&d.rejoined, func(ctx context.Context) (time.Duration, error) { return c.rejoin(ctx, victim) }},
		{&d.updated, func(ctx context.Context) (time.Duration, error) { return c.update(ctx, updater) }},
		{&d.left, func(ctx context.Context) (time.Duration, error) { return c.leave(ctx, len(c.members)-1) }},
	} {
		var err error
		if *step.took, err = step.run(ctx); err != nil {
			return d, err
		}
		c.view.checkpoint(c.look())
		if step.took != &d.left {
			if err := c.rest(ctx, c.settings.pause); err != nil {
				return d, err
			}
		}
	}
	return d, nil
}

// converge starts all members and joins them to the first.
func (c *cluster) converge(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	deadline := start.Add(c.settings.limits.converge)
	c.say("%s", c.title())
	if c.settings.tls {
		ca, err := newAuthority()
		if err != nil {
			return 0, err
		}
		c.opts.ca = ca
	}
	for i := range c.settings.members {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("only %d members started in time", i)
		}
		m, err := startMember(&c.opts, memberName(i), 0)
		if err != nil {
			return 0, err
		}
		c.members = append(c.members, m)
		if i == 0 {
			protocols := "UDP and TCP"
			if c.settings.tls {
				protocols = "TCP"
			}
			c.say("%s listens on %s, %s", m.name, m.address(), protocols)
			continue
		}
		if c.settings.members < 10 { // more lines would scroll the rest away
			c.say("%s listens on %s and joins %s", m.name, m.address(), memberName(0))
		}
		if err := c.join(m); err != nil {
			return 0, err
		}
	}
	err := c.await(ctx, deadline, "all members see each other alive", func(s snapshot) []string {
		return s.notEverywhere(cellAlive)
	})
	took := time.Since(start)
	if err == nil {
		c.say("all %d members see each other alive after %v", len(c.members), round(took))
	}
	return took, err
}

// detect kills a member and waits until all others see it dead.
func (c *cluster) detect(ctx context.Context, victim int) (time.Duration, error) {
	m := c.members[victim]
	c.say("%s is killed, without leaving", m.name)
	start := time.Now()
	deadline := start.Add(c.settings.limits.detect)
	m.kill()
	m.down = true

	for _, sign := range []struct {
		cell cell
		what string
		say  string
	}{
		{cellSuspect, "some member suspects " + m.name, "%s suspects %s, after %v"},
		{cellDead, "some member declares " + m.name + " dead", "%s received no refutation and declares %s dead, after %v"},
	} {
		var first string
		err := c.await(ctx, deadline, sign.what, func(s snapshot) []string {
			for _, r := range s.rows {
				if !r.down && r.cells[victim] == sign.cell {
					first = r.name
					return nil
				}
			}
			return s.notAbout(victim, sign.cell)
		})
		if err != nil {
			return 0, err
		}
		c.say(sign.say, first, m.name, round(time.Since(start)))
	}
	err := c.await(ctx, deadline, "all others see "+m.name+" dead", func(s snapshot) []string {
		return s.notAbout(victim, cellDead)
	})
	took := time.Since(start)
	if err == nil {
		c.say("all %d others agree that %s is dead, after %v", len(c.members)-1, m.name, round(took))
	}
	return took, err
}

// rejoin starts a killed member again under its name, at its old address. At another address its old one would be
// pinged first.
func (c *cluster) rejoin(ctx context.Context, victim int) (time.Duration, error) {
	start := time.Now()
	deadline := start.Add(c.settings.limits.rejoin)
	m, err := c.restart(ctx, victim, deadline)
	if err != nil {
		return 0, err
	}
	c.members[victim] = m
	c.say("%s is started again on %s and joins %s", m.name, m.address(), memberName(0))
	if err := c.join(m); err != nil {
		return 0, err
	}
	err = c.await(ctx, deadline, "all see "+m.name+" alive again, and it sees all", func(s snapshot) []string {
		return s.notEverywhere(cellAlive)
	})
	took := time.Since(start)
	if err == nil {
		c.say("%s refuted its death: all see it alive again, after %v", m.name, round(took))
	}
	return took, err
}

// restart retries until the member has started or the deadline has passed.
func (c *cluster) restart(ctx context.Context, victim int, deadline time.Time) (*member, error) {
	old := c.members[victim]
	for {
		m, err := startMember(&c.opts, old.name, old.port)
		if err == nil || time.Now().After(deadline) {
			return m, err
		}
		if err := c.rest(ctx, restartInterval); err != nil {
			return nil, err
		}
	}
}

// update changes a member's metadata and waits until all see it.
func (c *cluster) update(ctx context.Context, updater int) (time.Duration, error) {
	const meta = "role=leader"
	m := c.members[updater]
	c.say("%s changes its metadata from %q to %q", m.name, *m.meta.Load(), meta)
	start := time.Now()
	deadline := start.Add(c.settings.limits.metadata)
	m.setMeta(meta)
	err := c.during(func() error { return m.list.UpdateNode(announceTimeout) })
	if err != nil && !errors.Is(err, memberlist.ErrUpdateTimeout) { // the views below decide
		return 0, fmt.Errorf("update %s: %w", m.name, err)
	}
	err = c.await(ctx, deadline, "all see "+m.name+" with its new metadata", func(s snapshot) []string {
		return s.notMeta(updater, meta)
	})
	took := time.Since(start)
	if err == nil {
		c.say("all see the new metadata of %s, after %v", m.name, round(took))
	}
	return took, err
}

// leave makes a member leave and waits until all others see that it has left, rather than failed.
func (c *cluster) leave(ctx context.Context, leaver int) (time.Duration, error) {
	m := c.members[leaver]
	c.say("%s leaves", m.name)
	start := time.Now()
	deadline := start.Add(c.settings.limits.leave)
	err := c.during(m.leave)
	m.down = true
	if err != nil && !errors.Is(err, memberlist.ErrLeaveTimeout) {
		return 0, fmt.Errorf("%s leaves: %w", m.name, err)
	}
	err = c.await(ctx, deadline, "all others know that "+m.name+" left", func(s snapshot) []string {
		return s.notAbout(leaver, cellLeft)
	})
	took := time.Since(start)
	if err == nil {
		c.say("all %d others know that %s left, after %v", len(c.members)-1, m.name, round(took))
	}
	return took, err
}

// keepRunning keeps the cluster running for the requested time.
func (c *cluster) keepRunning(ctx context.Context) error {
	c.say("the others go on for %v", c.settings.keep)
	for end := time.Now().Add(c.settings.keep); time.Now().Before(end); {
		if err := c.rest(ctx, min(keepInterval, time.Until(end))); err != nil {
			return err
		}
		c.view.checkpoint(c.look())
	}
	return nil
}

// end makes all remaining members leave at once.
func (c *cluster) end() {
	var leaving sync.WaitGroup
	for _, m := range c.members {
		if !m.down {
			leaving.Go(func() { m.leave() }) // a timeout changes nothing
		}
	}
	leaving.Wait()
}

// join joins a member to the first one.
func (c *cluster) join(m *member) error {
	first := c.members[0].address()
	err := c.during(func() error {
		_, err := m.list.Join([]string{first})
		return err
	})
	if err != nil {
		return fmt.Errorf("%s joins %s: %w", m.name, memberName(0), err)
	}
	return nil
}

// await watches until missing returns nothing, or the deadline has passed.
func (c *cluster) await(ctx context.Context, deadline time.Time, what string, missing func(snapshot) []string) error {
	var left []string
	seen, err := c.watch(ctx, deadline, func(s snapshot) bool {
		left = missing(s)
		return len(left) == 0
	})
	if err != nil || seen {
		return err
	}
	if more := len(left) - maxNotSeen; more > 0 {
		left = append(left[:maxNotSeen], fmt.Sprintf("%d more", more))
	}
	return fmt.Errorf("not seen in time: %s: %s", what, strings.Join(left, ", "))
}

// during watches while f, which may block, runs.
func (c *cluster) during(f func() error) error {
	result := make(chan error, 1)
	go func() { result <- f() }() // ends with f, whose result is received below
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-c.opts.changed:
		case <-ticker.C:
		}
		c.view.show(c.look())
	}
}

// rest watches for a while.
func (c *cluster) rest(ctx context.Context, d time.Duration) error {
	_, err := c.watch(ctx, time.Now().Add(d), func(snapshot) bool { return false })
	return err
}

// watch shows the views of the members until done returns true or the deadline has passed. The error is that of ctx.
func (c *cluster) watch(ctx context.Context, deadline time.Time, done func(snapshot) bool) (bool, error) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		s := c.look()
		c.view.show(s)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if done(s) {
			return true, nil
		}
		if !time.Now().Before(deadline) {
			return false, nil
		}
		select {
		case <-c.opts.changed:
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// look returns the current views of all members.
func (c *cluster) look() snapshot {
	s := snapshot{at: time.Since(c.began), title: c.title()}
	for _, m := range c.members {
		s.rows = append(s.rows, m.look(c.index))
	}
	return s
}

func (c *cluster) title() string {
	title := fmt.Sprintf("%d members on %s", c.settings.members, c.settings.bind)
	if c.settings.encrypt {
		title += ", encrypted"
	}
	if c.settings.tls {
		title += ", TLS"
	}
	if c.settings.label != "" {
		title += fmt.Sprintf(", label %q", c.settings.label)
	}
	return title
}

func (c *cluster) say(format string, args ...any) {
	c.view.say(time.Since(c.began), fmt.Sprintf(format, args...))
}

// printLogs prints the last log lines of the members.
func (c *cluster) printLogs(out io.Writer) {
	for _, m := range c.members {
		for _, line := range m.log.all() {
			fmt.Fprintln(out, "  "+line)
		}
	}
}
