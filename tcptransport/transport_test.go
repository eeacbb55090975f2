package tcptransport

import (
	"testing"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/transporttest"
)

func TestConformance(t *testing.T) {
	for _, secure := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "TLS"}[secure]
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t)
			transporttest.Run(t, transporttest.Kind{
				New: func(t *testing.T, name string) memberlist.Transport {
					var config Config
					if secure {
						config.TLS = ca.tls(name)
					}
					return start(t, config)
				},
				MaxPacket: MaxPacket,
				Reliable:  true,
			})
		})
	}
}
