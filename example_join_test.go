package memberlist_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/e3431adc/memberlist"
)

// A member joins through any one of its seeds, within five seconds, and prints the result for each.
func ExampleMemberlist_JoinContext() {
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

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	result, err := second.JoinContext(ctx, memberlist.JoinRequest{
		Seeds:     []string{"", second.LocalNode().Address(), first.LocalNode().Address()},
		MinJoined: 1,
	})
	if err != nil {
		log.Fatal(err) // of no seed came anything
	}
	fmt.Println("joined:", result.Joined)
	for _, attempt := range result.Attempts {
		switch {
		case errors.Is(attempt.Err, memberlist.ErrInvalidAddress):
			fmt.Printf("%q is no address\n", attempt.Seed)
		case errors.Is(attempt.Err, memberlist.ErrIsSelf):
			fmt.Println("a seed is this member itself")
		case attempt.Err == nil:
			fmt.Println("a seed answered")
		}
	}
	// Output:
	// joined: 1
	// "" is no address
	// a seed is this member itself
	// a seed answered
}

// directory is a Resolver of one service. Yours may query a registry; a *net.Resolver queries the DNS.
type directory struct{ host, port string }

func (d directory) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host != "node-1.example.com" {
		return nil, fmt.Errorf("no host %s", host)
	}
	ip, err := netip.ParseAddr(d.host)
	return []netip.Addr{ip}, err
}

func (d directory) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	if name != "_memberlist._tcp.example.com" {
		return "", nil, fmt.Errorf("no service %s", name)
	}
	port, err := strconv.ParseUint(d.port, 10, 16)
	return name, []*net.SRV{{Target: "node-1.example.com", Port: uint16(port)}}, err
}

// A member joins the members of a service, as found in the DNS or by a Resolver of your own.
func ExampleConfig_resolver() {
	first, err := memberlist.Create(quietConfig("first"))
	if err != nil {
		log.Fatal(err)
	}
	defer first.Shutdown()
	host, port, err := net.SplitHostPort(first.LocalNode().Address())
	if err != nil {
		log.Fatal(err)
	}

	config := quietConfig("second")
	config.Resolver = directory{host, port}
	config.AddressFamily = memberlist.PreferIPv4
	second, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer second.Shutdown()
	if _, err := second.Join([]string{"srv+_memberlist._tcp.example.com"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("members:", second.NumMembers())
	// Output:
	// members: 2
}

// A running member announces that its machine has another address. With a host name as Config.AdvertiseAddr it does
// so by itself.
func ExampleMemberlist_SetAdvertiseAddr() {
	config := memberlist.DefaultLANConfig()
	config.AdvertiseAddr = "10.0.0.1"
	m, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Shutdown()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch err := m.SetAdvertiseAddr(ctx, "10.0.7.1", 0); {
	case errors.Is(err, memberlist.ErrUpdateTimeout):
		log.Print("the others will hear of it")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(m.LocalNode().Address())
}
