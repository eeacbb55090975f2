package transporttest_test

import (
	"io"
	"log"
	"testing"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/sockets"
	"github.com/e3431adc/memberlist/internal/transporttest"
)

func TestNetTransport(t *testing.T) {
	transporttest.Run(t, transporttest.Kind{
		New: func(t *testing.T, _ string) memberlist.Transport {
			tr, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
				BindAddrs: []string{"127.0.0.1"}, Logger: log.New(io.Discard, "", 0)})
			if err != nil {
				t.Fatal(err)
			}
			return tr
		},
		MaxPacket: sockets.MaxDatagram,
		NoRefusal: true,
	})
}

func TestMockTransport(t *testing.T) {
	networks := make(map[*testing.T]*memberlist.MockNetwork)
	transporttest.Run(t, transporttest.Kind{
		New: func(t *testing.T, name string) memberlist.Transport {
			if networks[t] == nil {
				networks[t] = new(memberlist.MockNetwork)
			}
			return networks[t].NewTransport(name)
		},
		Reliable:  true,
		NoRefusal: true,
	})
}
