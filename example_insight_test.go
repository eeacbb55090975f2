package memberlist_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/e3431adc/memberlist"
)

// pair returns two members of one cluster on an in-memory network.
func pair() (a, b *memberlist.Memberlist) {
	network := &memberlist.MockNetwork{}
	create := func(name string) *memberlist.Memberlist {
		config := memberlist.DefaultLANConfig()
		config.Name = name
		config.Transport = network.NewTransport(name)
		config.LogOutput = io.Discard
		config.GossipInterval = 20 * time.Millisecond // or the examples would take their time
		m, err := memberlist.Create(config)
		if err != nil {
			log.Fatal(err)
		}
		return m
	}
	a, b = create("a"), create("b")
	if _, err := b.Join([]string{a.LocalNode().Address()}); err != nil {
		log.Fatal(err)
	}
	return a, b
}

// A program that must not serve before it knows the cluster waits until its view has converged.
func ExampleMemberlist_WaitConverged() {
	a, b := pair()
	defer a.Shutdown()
	defer b.Shutdown()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.WaitConverged(ctx); err != nil {
		log.Print("serving all the same: ", err)
	}
	fmt.Println("ready, with", b.NumMembers(), "members")
	fmt.Println("both see the same:", a.ViewChecksum() == b.ViewChecksum())
	// Output:
	// ready, with 2 members
	// both see the same: true
}

// All known members with their states, dead and left ones included.
func ExampleMemberlist_All() {
	a, b := pair()
	defer a.Shutdown()
	defer b.Shutdown()

	for member := range a.All() {
		switch {
		case member.State != memberlist.StateAlive:
			fmt.Println(member.Name, "is not well since", member.Since, "for this reason:", member.Evidence)
		case member.Packets.Failing() && !member.Streams.Failing():
			fmt.Println(member.Name, "answers on streams only: is UDP blocked?")
		case member.Streams.Failing():
			fmt.Println(member.Name, "answers packets, and no stream in", member.Streams.Failures, "attempts")
		default:
			fmt.Println(member.Name, "is well")
		}
	}
	// Unordered output:
	// a is well
	// b is well
}

// A subscription delivers events. Its receiver may be slow: the member does not wait for it, and the next event has
// the number of lost ones.
func ExampleMemberlist_Subscribe() {
	a, b := pair()
	defer a.Shutdown()

	sub := a.Subscribe(64)
	go func() {
		if err := b.Leave(10 * time.Second); err != nil {
			log.Print(err)
		}
		b.Shutdown()
	}()
	for event := range sub.Events() {
		if event.Lost > 0 {
			fmt.Println(event.Lost, "events were lost: look at All() again")
		}
		if event.Kind == memberlist.EventLeave {
			fmt.Println(event.Kind, event.Member.Name)
			sub.Close() // ends the loop
		}
	}
	// Output: leave b
}

// Stats returns the metrics without a metrics library.
func ExampleMemberlist_Stats() {
	a, b := pair()
	defer a.Shutdown()
	defer b.Shutdown()

	stats := a.Stats()
	fmt.Printf("%+v\n", stats.Members)
	fmt.Println("streams accepted:", stats.StreamsAccepted)
	fmt.Println("packets not decrypted:", stats.Dropped.Decrypt)
	// Output:
	// {Alive:2 Suspect:0 Dead:0 Left:0}
	// streams accepted: 1
	// packets not decrypted: 0
}

// A tool for operators reads what a member sees without being a member itself.
func ExampleQuery() {
	network := &memberlist.MockNetwork{}
	config := memberlist.DefaultLANConfig()
	config.Name, config.Transport, config.LogOutput = "a", network.NewTransport("a"), io.Discard
	a, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Shutdown()

	view, err := memberlist.Query(context.Background(), memberlist.QueryRequest{
		Address:   a.LocalNode().Address(),
		Transport: network.NewTransport("tool"), // not needed for members on TCP
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, member := range view.Members {
		fmt.Println(member.Name, member.Address(), member.Incarnation)
	}
	fmt.Println("the same view:", view.Checksum() == a.ViewChecksum())
	// Output:
	// a 127.0.0.1:1 1
	// the same view: true
}

// A member's log records go to the program's handler, with attributes: the member concerned, its address, state and
// incarnation.
func ExampleConfig_slogHandler() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // the time would differ in each run
			}
			return a
		},
	})
	network := &memberlist.MockNetwork{}
	config := memberlist.DefaultLANConfig()
	config.Name = "a"
	config.Transport = network.NewTransport("a")
	config.SlogHandler = handler.WithAttrs([]slog.Attr{slog.String("component", "membership")})
	m, err := memberlist.Create(config)
	if err != nil {
		slog.Error(err.Error())
		return
	}
	defer m.Shutdown()
	m.Join([]string{"[::1"})
	// Output:
	// level=WARN msg="failed to resolve" component=membership seed=[::1 error="invalid address: \"[::1\": missing bracket"
}
