package interop

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	our "github.com/e3431adc/memberlist"
	their "github.com/hashicorp/memberlist"
)

// joinRuns is the number of clusters of each kind that TestNobodyUnknown starts. docs/experiments.md has the results of 200:
//
//	go test -run TestNobodyUnknown -joins 200 -v .
var joinRuns = flag.Int("joins", 4, "the number of clusters of each kind that TestNobodyUnknown starts")

const (
	// unknownLimit is the time after which a cluster is given up, of many.
	unknownLimit = 7 * time.Second

	// fewJoins is the number of clusters below which those of the reference say nothing. Of so few all must get there, however
	// long that takes on a busy machine.
	fewJoins = 20
)

// joiner is the part of either library that a join needs.
type joiner interface {
	Join(addrs []string) (int, error)
	NumMembers() int
	Shutdown() error
}

// joinKind is a library with one of its presets.
type joinKind struct {
	name  string
	kind  kind
	start func(name string) (m joiner, addr string, err error)
}

var joinKinds = []joinKind{
	{"ours, DefaultLANConfig", ours, startOurJoiner(our.DefaultLANConfig)},
	{"the reference, DefaultLANConfig", theirs, startTheirJoiner(their.DefaultLANConfig)},
	{"ours, DefaultLocalConfig", ours, startOurJoiner(our.DefaultLocalConfig)},
	{"the reference, DefaultLocalConfig", theirs, startTheirJoiner(their.DefaultLocalConfig)},
}

func startOurJoiner(preset func() *our.Config) func(name string) (joiner, string, error) {
	return func(name string) (joiner, string, error) {
		c := preset()
		c.Name, c.BindAddr, c.BindPort, c.AdvertisePort, c.LogOutput = name, "127.0.0.1", 0, 0, io.Discard
		m, err := our.Create(c)
		if err != nil {
			return nil, "", err
		}
		return m, m.LocalNode().Address(), nil
	}
}

func startTheirJoiner(preset func() *their.Config) func(name string) (joiner, string, error) {
	return func(name string) (joiner, string, error) {
		c := preset()
		c.Name, c.BindAddr, c.BindPort, c.AdvertisePort, c.LogOutput = name, "127.0.0.1", 0, 0, io.Discard
		m, err := their.Create(c)
		if err != nil {
			return nil, "", err
		}
		return m, m.LocalNode().Address(), nil
	}
}

// joinInTurn starts members over loopback that join the first one, one after the other, and returns the time from the last join until
// all knew all, or the limit if that is longer.
func joinInTurn(k *joinKind, n int, limit time.Duration) (time.Duration, error) {
	var members []joiner
	defer func() {
		for _, m := range members {
			m.Shutdown()
		}
	}()
	first := ""
	for i := range n {
		m, addr, err := k.start(fmt.Sprintf("m%d", i))
		if err != nil {
			return 0, err
		}
		members = append(members, m)
		if first = cmp.Or(first, addr); i > 0 {
			// On a busy machine an attempt may take longer than a second, the TCPTimeout of DefaultLocalConfig.
			for attempts := 1; ; attempts++ {
				if _, err := m.Join([]string{first}); err == nil {
					break
				} else if attempts == 20 {
					return 0, err
				}
			}
		}
	}
	joined := time.Now()
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		took := time.Since(joined)
		if took >= limit || !slices.ContainsFunc(members, func(m joiner) bool { return m.NumMembers() < n }) {
			tick.Stop()
			return min(took, limit), nil
		}
	}
}

// TestNobodyUnknown: members that join over loopback, one after the other, all know each other, within 3 s unless the machine is busy.
func TestNobodyUnknown(t *testing.T) {
	wanted, limit := 3*time.Second, unknownLimit
	if *joinRuns < fewJoins {
		wanted, limit = patience, patience
	}
	for _, n := range []int{6, 8} {
		for i := range joinKinds {
			k := &joinKinds[i]
			if k.kind == theirs && *joinRuns < fewJoins {
				continue
			}
			t.Run(fmt.Sprintf("%d members, %s", n, k.name), func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				var took []time.Duration
				var runs sync.WaitGroup
				for range 2 { // clusters at once, of each kind
					runs.Go(func() {
						for range *joinRuns / 2 {
							d, err := joinInTurn(k, n, limit)
							if err != nil {
								t.Error(err)
								return
							}
							mu.Lock()
							took = append(took, d)
							mu.Unlock()
						}
					})
				}
				runs.Wait()
				if len(took) == 0 {
					t.FailNow()
				}
				slices.Sort(took)
				after := func(limit time.Duration) (count int) {
					for _, d := range took {
						if d > limit {
							count++
						}
					}
					return count
				}
				t.Logf("of %d clusters, somebody unknown after 3 s: %d, after 6 s: %d; known after p50 %v, max %v", len(took),
					after(3*time.Second), after(6*time.Second), took[len(took)/2], took[len(took)-1])
				if unknown := after(wanted - 1); k.kind == ours && unknown > 0 {
					t.Errorf("in %d of %d clusters somebody is unknown after %v", unknown, len(took), wanted)
				}
			})
		}
	}
}
