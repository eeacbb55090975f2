package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler serves the API and the metrics:
//
//	GET /v1/members          members that are alive
//	GET /v1/services         names of services, with the number of their instances
//	GET /v1/services/{name}  members with the service
//	GET /metrics             for Prometheus
func (a *agent) handler() http.Handler {
	registry := prom.NewRegistry()
	registry.MustRegister(a.collector)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
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

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client is gone
}
