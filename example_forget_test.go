package memberlist_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/e3431adc/memberlist"
)

// An operator removes a machine for good that has failed: no member looks for it any more, and its name is free. One that
// is alive is not removed by mistake.
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
