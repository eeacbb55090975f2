package memberlist_test

import (
	"fmt"
	"io"
	"log"
	"slices"
	"time"

	"github.com/e3431adc/memberlist"
)

// Members in three zones: what they send to each other stays within these, but for the relays of each zone.
func ExampleConfig_zone() {
	network := &memberlist.MockNetwork{}
	var members []*memberlist.Memberlist
	for i := range 9 {
		config := memberlist.DefaultLANConfig()
		config.Name = fmt.Sprint("m", i)
		config.Zone = []string{"eu-1a", "eu-1b", "eu-1c"}[i%3]
		config.Transport = network.NewTransport(config.Name)
		config.LogOutput = io.Discard
		config.GossipInterval = 20 * time.Millisecond // or the example would take its time
		m, err := memberlist.Create(config)
		if err != nil {
			log.Fatal(err)
		}
		defer m.Shutdown()
		members = append(members, m)
		if _, err := m.Join([]string{members[0].LocalNode().Address()}); err != nil {
			log.Fatal(err)
		}
	}

	zones := make(map[string][]string)
	for member := range members[8].All() {
		zones[member.Zone] = append(zones[member.Zone], member.Name)
	}
	slices.Sort(zones["eu-1c"])
	fmt.Println(len(zones), "zones; in eu-1c:", zones["eu-1c"])
	// Output:
	// 3 zones; in eu-1c: [m2 m5 m8]
}
