package memberlist_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/e3431adc/memberlist"
)

// A member that outlasts any outage: it looks for members that it lost, and for new ones where the environment says that
// they are.
func ExampleConfig_seeds() {
	config := memberlist.DefaultLANConfig()
	config.Name = "node1"
	config.BindAddr, config.BindPort = "127.0.0.1", 0
	config.LogOutput = io.Discard
	config.ReconnectInterval = 10 * time.Second // sooner than by default
	config.Seeds = func(ctx context.Context) ([]string, error) {
		// As the headless service of a StatefulSet, whose pods come and go.
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
