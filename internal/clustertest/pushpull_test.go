package clustertest

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/wire"
)

// statefulDelegate counts how often it is asked for its state, which takes it a while to make.
type statefulDelegate struct {
	testDelegate
	takes time.Duration
	asked atomic.Int32
}

func (d *statefulDelegate) LocalState(bool) []byte {
	d.asked.Add(1)
	time.Sleep(d.takes)
	return []byte("state")
}

// TestStateIsMadeForAnOpenStream: the delegate is asked for its state once for each seed that takes a stream, and not for
// those that refuse or do not answer; making it counts towards the time that an exchange may take.
func TestStateIsMadeForAnOpenStream(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration
		want  error
	}{
		{"at once", 0, nil},
		{"slowly", 9 * time.Second, nil},
		{"too slowly", 11 * time.Second, os.ErrDeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t).grow(1, nil)
				defer c.stop()
				d := &statefulDelegate{takes: tt.takes}
				m := c.add(func(config *memberlist.Config) { config.Delegate, config.TCPTimeout = d, 10*time.Second })
				c.network.Down(simAddr(51))
				if n, err := m.Join([]string{simAddr(50).String(), simAddr(51).String()}); n != 0 || err == nil {
					t.Errorf("joined %d of seeds that are not there, error %v", n, err)
				}
				if asked := d.asked.Load(); asked != 0 {
					t.Errorf("asked %d times for a state that cannot be sent", asked)
				}
				_, err := m.Join(seedsAt(0))
				if !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
				if asked := d.asked.Load(); asked != 1 {
					t.Errorf("asked %d times for a state, want once", asked)
				}
			})
		})
	}
}

// TestPushPullsAtOnce: 128 push/pulls are answered at the same time, and no more: the streams of the others
// are closed.
func TestPushPullsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 128
		release := make(chan struct{})
		var asked atomic.Int32
		c := newSimCluster(t)
		defer c.stop()
		c.add(func(config *memberlist.Config) {
			config.TCPTimeout = time.Hour
			config.Merge = mergeFunc(func([]*memberlist.Node) error {
				asked.Add(1)
				<-release
				return nil
			})
		})
		state := wire.PushNodeState{Name: "x", Addr: []byte{10, 0, 0, 9}, Port: 7946, Incarnation: 1, Vsn: []byte{1, 5, 2, 0, 0, 0}}
		request := state.Append((&wire.PushPullHeader{Nodes: 1, Join: true}).Append(nil))
		var refused, answered atomic.Int32
		for i := range most + 10 {
			conn, err := c.outsider(60+i).Dial(t.Context(), simAddr(0))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(request); err != nil {
				t.Fatal(err)
			}
			go func() {
				defer conn.Close()
				kind := make([]byte, 1)
				if _, err := io.ReadFull(conn, kind); err == nil && wire.Type(kind[0]) != wire.TypeErr {
					answered.Add(1)
				} else {
					refused.Add(1)
				}
			}()
		}
		time.Sleep(time.Second)
		if asked.Load() != most || refused.Load() != 10 {
			t.Errorf("%d push/pulls are being answered and %d were refused, want %d and 10", asked.Load(), refused.Load(), most)
		}
		close(release)
		c.await(time.Minute, func() bool { return answered.Load() == most })
		if n, err := c.add(nil).Join(seedsAt(0)); n != 1 || err != nil {
			t.Errorf("a join after that: %d, %v", n, err)
		}
	})
}
