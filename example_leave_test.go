package memberlist_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/e3431adc/memberlist"
)

// A member leaves before its process ends, so that the others record a leave and no failure. It goes on answering until
// Shutdown, while the news travels.
func ExampleMemberlist_LeaveContext() {
	stays, err := memberlist.Create(quietConfig("stays"))
	if err != nil {
		log.Fatal(err)
	}
	defer stays.Shutdown()
	leaves, err := memberlist.Create(quietConfig("leaves"))
	if err != nil {
		log.Fatal(err)
	}
	defer leaves.Shutdown()
	if _, err := leaves.Join([]string{stays.LocalNode().Address()}); err != nil {
		log.Fatal(err)
	}
	events := stays.Subscribe(8)
	defer events.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := leaves.LeaveContext(ctx); err != nil {
		log.Fatal(err) // such as ErrLeaveTimeout: not all may have received it
	}
	for event := range events.Events() {
		if event.Kind == memberlist.EventLeave || event.Kind == memberlist.EventFail {
			fmt.Println(event.Kind, event.Member.Name)
			break
		}
	}
	// Output: leave leaves
}

// An operator removes a failed machine for good: no member tries to reconnect to it, and its name is free. An alive
// member is not removed by mistake.
func ExampleMemberlist_ForceLeave() {
	config := memberlist.DefaultLANConfig()
	config.Name = "node1"
	config.Transport = new(memberlist.MockNetwork).NewTransport("node1")
	config.LogOutput = io.Discard
	list, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer list.Shutdown()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, name := range []string{"node1", "node7"} {
		err := list.ForceLeave(ctx, name)
		switch {
		case errors.Is(err, memberlist.ErrMemberAlive):
			fmt.Println(name, "is alive: stop it first, or use ForceLeaveAlive")
		case errors.Is(err, memberlist.ErrIsSelf):
			fmt.Println(name, "is this member: use Leave")
		case errors.Is(err, memberlist.ErrUnknownMember):
			fmt.Println(name, "is forgotten already")
		}
	}
	// Output:
	// node1 is this member: use Leave
	// node7 is forgotten already
}

// A member that outlasts any outage: it reconnects to lost members, and joins new ones that the environment lists.
func ExampleConfig_seeds() {
	config := memberlist.DefaultLANConfig()
	config.Name = "node1"
	config.BindAddr, config.BindPort = "127.0.0.1", 0
	config.LogOutput = io.Discard
	config.ReconnectInterval = 10 * time.Second // sooner than by default
	config.Seeds = func(ctx context.Context) ([]string, error) {
		// For example the headless service of a StatefulSet, whose pods come and go.
		return net.DefaultResolver.LookupHost(ctx, "members.example.svc.cluster.local")
	}

	list, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer list.Shutdown()
	fmt.Println("needs no Join")
	// Output: needs no Join
}

// nameWatch reports members whose names are claimed at another address.
type nameWatch struct{}

func (nameWatch) NotifyConflict(existing, other *memberlist.Node) {}

func (nameWatch) NotifyConflictOutcome(existing, other *memberlist.Node, outcome memberlist.ConflictOutcome) {
	switch outcome {
	case memberlist.ConflictKept:
		fmt.Println("two processes are called", existing.Name, "at", existing.Address(), "and", other.Address())
	case memberlist.ConflictMoved:
		fmt.Println(existing.Name, "was started anew at", other.Address())
	}
}

// A program learns whether a name is used twice, or its process has moved.
func ExampleConflictOutcomeDelegate() {
	config := memberlist.DefaultLANConfig()
	config.Name = "node1"
	config.Transport = new(memberlist.MockNetwork).NewTransport("node1")
	config.LogOutput = io.Discard
	config.Conflict = nameWatch{}
	list, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer list.Shutdown()
	fmt.Println(list.NumMembers(), "member")
	// Output: 1 member
}
