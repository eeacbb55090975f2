package main

import "fmt"

// detectorRapid is one of Rapid's failures by the profiles.
type detectorRapid struct {
	rapid
	rapidCase
}

func (d detectorRapid) name() string { return "detector-" + d.chart }

// detectorRapids returns one for each failure.
func detectorRapids(nodes int) []experiment {
	var all []experiment
	for _, c := range rapidCases {
		all = append(all, detectorRapid{rapid{nodes}, c})
	}
	return all
}

func (d detectorRapid) run(l *lab) report {
	t := table{name: d.name(), head: append([]string{fmt.Sprintf("%d members, %s", d.nodes, d.rapidCase.name)}, rapidHead...)}
	plotted := d.plot(d.nodes)
	for i, f := range each(l, d.rapidCase.name+" by profile", len(profiles), func(i int) failing {
		return d.fails(d.nodes, 1, profiles[i].core())
	}) {
		t.row(append([]any{profiles[i].name}, f.cells(d.pairs())...)...)
		plotted.Series = append(plotted.Series, f.series(profiles[i].name, func(s sizes) int { return s.median }))
	}
	return report{[]table{t}, []chart{{d.name(), plotted}}}
}
