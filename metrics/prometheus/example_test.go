package prometheus_test

import (
	"fmt"
	"io"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/metrics/prometheus"
)

func Example() {
	config := memberlist.DefaultLANConfig()
	config.Name, config.LogOutput = "web-1", io.Discard
	config.Transport = new(memberlist.MockNetwork).NewTransport("web-1") // leave this out on a real network
	list, err := memberlist.Create(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer list.Shutdown()

	collector := prometheus.NewCollector(list, prometheus.Options{})
	defer collector.Close()
	registry := prom.NewRegistry()
	registry.MustRegister(collector)

	families, err := registry.Gather() // as promhttp.HandlerFor(registry, ...) does
	for _, f := range families {
		if f.GetName() == "memberlist_members" {
			fmt.Println(f.GetMetric()[0].GetLabel()[0].GetValue(), f.GetMetric()[0].GetGauge().GetValue(), err)
		}
	}
	// Output: alive 1 <nil>
}
