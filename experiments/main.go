package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// experiment is one of the papers' experiments, at some scale.
type experiment interface {
	name() string
	run(l *lab) report
}

// full returns the experiments of docs/experiments.md.
func full() []experiment {
	return append([]experiment{
		detection{sizes: []int{8, 16, 32, 64, 128, 256, 512}, samples: 300},
		load{sizes: []int{8, 16, 32, 64, 128, 256, 512, 1024}},
		dissemination{sizes: []int{8, 16, 32, 64, 128, 256, 512, 1024}, samples: 100},
		fullLifeguard,
		crash{runs: 500},
		join{runs: 50},
		rapid{nodes: 1000},
		busy{nodes: 200, perCore: []int{250, 500, 1000, 2000, 3000, 4000, 6000, 8000}},
		zoned{layouts: []layout{{3, 100}, {10, 30}}, divided: []int{2, 3, 5, 10, 15, 20, 30, 50, 100}, calm: 100 * time.Second, news: 40},
		zoneCrashes{layouts: []layout{{3, 100}, {10, 30}}, runs: 4, wholes: 2},
		zoneLoss{layouts: []layout{{3, 100}, {10, 30}}, loss: 30 * time.Second},
		zoneBursts{layouts: []layout{{3, 100}, {10, 30}}, runs: 6},
		zoneCut{layout{3, 100}, time.Hour},
		detectorCrash{processes, crashSizes},
		detectorCrash{hosts, crashSizes},
		detectorTen{runs: 30},
		detectorMixed{crashes: 100},
		detectorOutages{count: 20},
		detectorCycles{fullCycles},
		detectorPartitions{runs: 6},
		detectorTraffic{runs: 10, length: time.Minute},
	}, detectorRapids(1000)...)
}

// quick returns small versions of them, for tests.
func quick() []experiment {
	return append([]experiment{
		detection{sizes: []int{8, 32}, samples: 60},
		load{sizes: []int{8, 32, 128}},
		dissemination{sizes: []int{8, 32, 128}, samples: 20},
		quickLifeguard,
		crash{runs: 10},
		join{runs: 5},
		rapid{nodes: 100},
		busy{nodes: 60, perCore: []int{500, 4000}},
		zoned{layouts: []layout{{3, 20}, {6, 15}}, divided: []int{2, 3, 6}, calm: 40 * time.Second, news: 10},
		zoneCrashes{layouts: []layout{{3, 20}, {6, 15}}, runs: 3, wholes: 2},
		zoneLoss{layouts: []layout{{3, 20}, {6, 15}}, loss: 30 * time.Second},
		zoneBursts{layouts: []layout{{3, 20}, {6, 15}}, runs: 3},
		zoneCut{layout{3, 10}, 10 * time.Minute},
		detectorCrash{processes, []sampling{{10, 20}, {100, 40}}},
		detectorCrash{hosts, []sampling{{10, 20}, {100, 40}}},
		detectorTen{runs: 1},
		detectorMixed{crashes: 20},
		detectorOutages{count: 1},
		detectorCycles{quickLifeguard},
		detectorPartitions{runs: 1},
		detectorTraffic{runs: 1, length: 20 * time.Second},
	}, detectorRapids(100)...)
}

func main() {
	docs := flag.String("docs", "../docs", "the directory with experiments.md")
	only := flag.String("only", "", "the only experiment to run, or the first word of some: "+strings.Join(names(full()), ", "))
	small := flag.Bool("quick", false, "run small versions, and write the tables to standard output")
	flag.Parse()
	experiments, show := full(), func(r report) error { return r.write(*docs) }
	if *small {
		experiments, show = quick(), func(r report) error { return r.print(os.Stdout) }
	}
	l := &lab{workers: runtime.GOMAXPROCS(0), progress: os.Stderr}
	if err := run(l, experiments, *only, show); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs all experiments, or only those of a name or with that first word, and shows each report.
func run(l *lab, experiments []experiment, only string, show func(report) error) error {
	ran := 0
	for _, e := range experiments {
		if only != "" && only != e.name() && !strings.HasPrefix(e.name(), only+"-") {
			continue
		}
		ran++
		if err := show(e.run(l)); err != nil {
			return fmt.Errorf("%s: %w", e.name(), err)
		}
	}
	if ran == 0 {
		return fmt.Errorf("there is no experiment %q: there are %s", only, strings.Join(names(experiments), ", "))
	}
	return nil
}

// print writes the tables.
func (r *report) print(w io.Writer) error {
	for i := range r.tables {
		if _, err := fmt.Fprintf(w, "%s\n\n%s\n", r.tables[i].name, r.tables[i].markdown()); err != nil {
			return err
		}
	}
	return nil
}

// write writes the tables into the document, and the charts beside it.
func (r *report) write(docs string) error {
	page := filepath.Join(docs, "experiments.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	for i := range r.tables {
		if text, err = insert(text, r.tables[i].name, r.tables[i].markdown()); err != nil {
			return err
		}
	}
	for i := range r.charts {
		c := &r.charts[i]
		svg, err := c.plot.SVG()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := os.WriteFile(filepath.Join(docs, "experiments", c.name+".svg"), svg, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(page, text, 0o644)
}

func names(experiments []experiment) []string {
	var all []string
	for _, e := range experiments {
		all = append(all, e.name())
	}
	return all
}
