package main

import (
	"encoding/json"
	"io"
	"strings"
	"time"
)

// The JSON document. Times are in seconds; null stands for an event that did not happen in time, or happened before.
type (
	document struct {
		Members  int                 `json:"members"`
		Seed     uint64              `json:"seed"`  // the first
		Seeds    int                 `json:"seeds"` // completed
		Preset   string              `json:"preset"`
		Config   map[string]any      `json:"config"` // every knob, by the name of its flag
		Network  documentNetwork     `json:"network"`
		Zones    documentZones       `json:"zones"`
		Slow     documentSlow        `json:"slow"`
		Crash    int                 `json:"crash"` // members at once
		Hosts    bool                `json:"hosts"` // and their hosts
		For      float64             `json:"for_s"`
		Times    map[string]quantile `json:"times_s"`
		Deaths   map[string]deaths   `json:"wrong_deaths"`
		Load     map[string]rate     `json:"sent_per_member_and_second"`
		Complete bool                `json:"complete"` // false if the run was interrupted
	}
	documentNetwork struct {
		Latency      float64 `json:"latency_s"`
		Jitter       float64 `json:"jitter_s"`
		Distribution string  `json:"distribution"`
		Loss         float64 `json:"loss_percent"`
	}
	documentZones struct {
		Count    int     `json:"count"`
		Latency  float64 `json:"additional_latency_s"`
		Loss     float64 `json:"additional_loss_percent"`
		Zoneless bool    `json:"zoneless"` // the members do not know of them
	}
	documentSlow struct {
		Members int     `json:"members"`
		For     float64 `json:"for_s"`
		Every   float64 `json:"every_s"`
	}
	quantile struct {
		Count    int      `json:"count"`
		Happened int      `json:"happened"`
		P50      *float64 `json:"p50"`
		P90      *float64 `json:"p90"`
		P99      *float64 `json:"p99"`
		Max      *float64 `json:"max"`
	}
	deaths struct {
		Times uint64  `json:"times"`
		Hours float64 `json:"member_hours"` // observed
	}
	rate struct {
		Mean    float64 `json:"mean"`
		Busiest float64 `json:"busiest"`
	}
)

// writeJSON writes the report as JSON.
func (r *report) writeJSON(w io.Writer) error {
	s := r.settings
	d := document{
		Members: s.members, Seed: s.seed, Seeds: r.seeds, Preset: s.preset, Config: make(map[string]any),
		Network: documentNetwork{s.latency.Seconds(), s.jitter.Seconds(), s.shape, s.loss},
		Zones:   documentZones{s.zones, s.apart.Seconds(), s.zoneLoss, s.zoneless},
		Slow:    documentSlow{s.slow, s.slowFor.Seconds(), s.slowEvery.Seconds()},
		Crash:   s.crash, Hosts: s.hosts, For: s.calm.Seconds(),
		Times: make(map[string]quantile),
		Deaths: map[string]deaths{
			"healthy": {r.falseDeaths, r.hours},
			"slow":    {r.slowDeaths, r.slowHours},
		},
		Load: map[string]rate{
			"packets":             r.load.packets.rate(),
			"packet_bytes":        r.load.bytes.rate(),
			"stream_bytes":        r.load.streamBytes.rate(),
			"packet_bytes_across": r.load.bytesAcross.rate(),
			"stream_bytes_across": r.load.streamBytesAcross.rate(),
		},
		Complete: r.seeds == s.seeds,
	}
	for _, k := range knobs {
		switch field := k.field(s.config).(type) {
		case *time.Duration:
			d.Config[jsonName(k.name)+"_s"] = field.Seconds()
		case *int:
			d.Config[jsonName(k.name)] = *field
		}
	}
	for _, row := range r.timeRows() {
		d.Times[row.name] = quantile{len(row.times), row.times.happened(), row.times.seconds(50), row.times.seconds(90),
			row.times.seconds(99), row.times.seconds(100)}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(&d)
}

func (t traffic) rate() rate { return rate{t.mean, t.busiest} }

// jsonName returns the name of a flag in JSON.
func jsonName(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// seconds returns a percentile in seconds; nil if it was not reached.
func (d spread) seconds(p float64) *float64 {
	at := d.percentile(p)
	if at == never {
		return nil
	}
	s := at.Seconds()
	return &s
}
