package memberlist_test

import (
	"fmt"
	"io"
	"log"

	"github.com/e3431adc/memberlist"
)

// nameWatch reports members whose names are claimed by others.
type nameWatch struct{}

func (nameWatch) NotifyConflict(existing, other *memberlist.Node) {}

func (nameWatch) NotifyConflictVerdict(existing, other *memberlist.Node, verdict memberlist.ConflictVerdict) {
	switch verdict {
	case memberlist.ConflictKept:
		fmt.Println("two processes are called", existing.Name, "at", existing.Address(), "and", other.Address())
	case memberlist.ConflictMoved:
		fmt.Println(existing.Name, "was started anew at", other.Address())
	}
}

// A program is told whether a name is used twice, or whether its process has moved.
func ExampleConflictVerdictDelegate() {
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
