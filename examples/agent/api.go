package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/statuspage"
)

// handler serves the API, the status page and the metrics:
//
//	GET /                    the page
//	GET /v1/members          members that are alive
//	GET /v1/services         names of services, with the number of their instances
//	GET /v1/services/{name}  members with the service
//	GET /metrics             for Prometheus
func (a *agent) handler() http.Handler {
	registry := prom.NewRegistry()
	registry.MustRegister(a.collector)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/{$}", statuspage.Handler(a.list, statuspage.Options{
		Title:   strings.TrimSuffix(a.config.Domain, "."),
		Keyring: a.keyring,
		Meta:    func(n *memberlist.Node) string { return describe(instanceOf(n)) },
	}))
	mux.HandleFunc("GET /v1/members", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, sorted(instances(a.list.Members(), func(*instance) bool { return true })))
	})
	mux.HandleFunc("GET /v1/services", func(w http.ResponseWriter, r *http.Request) {
		counts := make(map[string]int)
		for _, i := range instances(a.list.Members(), func(*instance) bool { return true }) {
			for _, s := range i.Services {
				counts[strings.ToLower(s.Name)]++
			}
		}
		writeJSON(w, counts)
	})
	mux.HandleFunc("GET /v1/services/{name}", func(w http.ResponseWriter, r *http.Request) {
		found := instances(a.list.Members(), func(i *instance) bool { return len(i.ports(r.PathValue("name"))) > 0 })
		if len(found) == 0 {
			http.Error(w, "no such service", http.StatusNotFound)
			return
		}
		writeJSON(w, sorted(found))
	})
	return mux
}

func sorted(found []instance) []instance {
	slices.SortFunc(found, func(a, b instance) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// describe returns the services and tags of an instance for the page.
func describe(i instance) string {
	var parts []string
	for _, s := range i.Services {
		parts = append(parts, fmt.Sprintf("%s:%d", s.Name, s.Port))
	}
	for _, key := range slices.Sorted(maps.Keys(i.Tags)) {
		parts = append(parts, key+"="+i.Tags[key])
	}
	return strings.Join(parts, " ")
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client is gone
}
