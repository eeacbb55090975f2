package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// figure is a line of a table, for one library.
type figure struct{ label, value string }

// printTable prints the figures of the libraries side by side. A library's figures may be missing after an error.
func printTable(to io.Writer, libraries []library, columns [][]figure) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprint(w, " ")
	for _, l := range libraries {
		fmt.Fprintf(w, "\t%s", l.title)
	}
	fmt.Fprintln(w)
	var labels []figure
	for _, column := range columns {
		if len(column) > len(labels) {
			labels = column
		}
	}
	for row, f := range labels {
		fmt.Fprint(w, f.label)
		for _, column := range columns {
			value := "-"
			if row < len(column) {
				value = column[row].value
			}
			fmt.Fprintf(w, "\t%s", value)
		}
		fmt.Fprintln(w)
	}
}

// percentile returns the smallest duration for which at least p percent are not larger (the nearest rank), or -1 if
// there are none.
func percentile(durations []time.Duration, p int) time.Duration {
	if len(durations) == 0 {
		return -1
	}
	sorted := slices.Sorted(slices.Values(durations))
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

func milliseconds(d time.Duration) string {
	if d < 0 {
		return "-"
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

// share formats a count as itself and as a percentage of all.
func share(part, all int) string {
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d (%.1f %%)", part, all, 100*float64(part)/float64(all))
}
