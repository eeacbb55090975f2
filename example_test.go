package memberlist_test

import (
	"fmt"
	"io"
	"log"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
)

// quietConfig is a configuration for a member on loopback, at a port that is
// free.
func quietConfig(name string) *memberlist.Config {
	config := memberlist.DefaultLocalConfig()
	config.Name = name
	config.BindAddr, config.BindPort = "127.0.0.1", 0
	config.LogOutput = io.Discard
	return config
}

// Two members on one machine find each other, and one leaves.
func Example() {
	first, err := memberlist.Create(quietConfig("first"))
	if err != nil {
		log.Fatal(err)
	}
	defer first.Shutdown()
	second, err := memberlist.Create(quietConfig("second"))
	if err != nil {
		log.Fatal(err)
	}
	defer second.Shutdown()

	contacted, err := second.Join([]string{first.LocalNode().Address()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("contacted:", contacted)
	fmt.Println("members:", second.NumMembers())

	if err := second.Leave(5 * time.Second); err != nil {
		log.Fatal(err)
	}
	fmt.Println("members after leaving:", second.NumMembers())
	// Output:
	// contacted: 1
	// members: 2
	// members after leaving: 1
}

// rolesDelegate publishes the role of a member, and collects messages.
type rolesDelegate struct {
	role     string
	received chan string
}

func (d *rolesDelegate) NodeMeta(limit int) []byte         { return []byte(d.role) }
func (d *rolesDelegate) NotifyMsg(msg []byte)              { d.received <- string(msg) }
func (d *rolesDelegate) GetBroadcasts(_, _ int) [][]byte   { return nil }
func (d *rolesDelegate) LocalState(join bool) []byte       { return nil }
func (d *rolesDelegate) MergeRemoteState(_ []byte, _ bool) {}

// arrivals is an EventDelegate that records joins.
type arrivals struct {
	mu    sync.Mutex
	roles map[string]string
}

func (a *arrivals) NotifyJoin(n *memberlist.Node) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roles[n.Name] = string(n.Meta)
}

func (a *arrivals) NotifyLeave(n *memberlist.Node)  {}
func (a *arrivals) NotifyUpdate(n *memberlist.Node) {}

// A delegate gives members metadata and receives messages.
func ExampleDelegate() {
	come := &arrivals{roles: make(map[string]string)}
	config := quietConfig("database")
	received := make(chan string, 1)
	config.Delegate = &rolesDelegate{role: "storage", received: received}
	database, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer database.Shutdown()

	config = quietConfig("frontend")
	config.Delegate = &rolesDelegate{role: "http"}
	config.Events = come
	frontend, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer frontend.Shutdown()
	if _, err := frontend.Join([]string{database.LocalNode().Address()}); err != nil {
		log.Fatal(err)
	}

	come.mu.Lock()
	fmt.Println("database does", come.roles["database"])
	come.mu.Unlock()
	for _, member := range frontend.Members() {
		if member.Name == "database" {
			if err := frontend.SendReliable(member, []byte("hello")); err != nil {
				log.Fatal(err)
			}
		}
	}
	fmt.Println("database received", <-received)
	// Output:
	// database does storage
	// database received hello
}

// TestFailover runs what Example_synctest shows.
func TestFailover(t *testing.T) { synctest.Test(t, failover) }
