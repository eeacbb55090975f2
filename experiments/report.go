package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/e3431adc/memberlist/experiments/plot"
)

// report is the result of an experiment.
type report struct {
	tables []table
	charts []chart
}

// table is a table of the document, between the markers of its name.
type table struct {
	name string
	head []string
	rows [][]string
}

// chart is a chart in a file of its name.
type chart struct {
	name string
	plot plot.Plot
}

// row adds a row of formatted values.
func (t *table) row(values ...any) {
	var cells []string
	for _, v := range values {
		cells = append(cells, fmt.Sprint(v))
	}
	t.rows = append(t.rows, cells)
}

// markdown returns the table as text: the first column to the left, numbers to the right.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|", strings.Join(t.head, " | "))
	for i := range t.head {
		b.WriteString([]string{" ---: |", " --- |"}[max(0, 1-i)])
	}
	b.WriteString("\n")
	for _, cells := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

// insert puts a text between the markers of a name.
func insert(page []byte, name, text string) ([]byte, error) {
	begin, end := []byte("<!-- begin "+name+" -->\n"), []byte("<!-- end "+name+" -->")
	before, rest, ok := bytes.Cut(page, begin)
	_, after, closed := bytes.Cut(rest, end)
	if !ok || !closed {
		return nil, fmt.Errorf("the document has no markers for %q", name)
	}
	return slices.Concat(before, begin, []byte("\n"+text+"\n"), end, after), nil
}

// durations are sorted times.
type durations []time.Duration

// sorted returns the durations that were measured.
func sorted(times []time.Duration) durations {
	d := slices.Clone(times)
	slices.Sort(d)
	return d
}

// quantile returns the smallest duration that a share q of all do not exceed.
func (d durations) quantile(q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[max(0, int(math.Ceil(q*float64(len(d))))-1)]
}

// mean returns the mean of values, and its standard error.
func mean(values []float64) (m, e float64) {
	for _, v := range values {
		m += v
	}
	m /= float64(len(values))
	for _, v := range values {
		e += (v - m) * (v - m)
	}
	n := float64(len(values))
	return m, math.Sqrt(e/(n-1)) / math.Sqrt(n)
}

// meanOf returns the mean of times.
func meanOf(times []time.Duration) time.Duration {
	sum := time.Duration(0)
	for _, d := range times {
		sum += d
	}
	return sum / time.Duration(max(1, len(times)))
}

// line fits y = a + b*x by least squares; r2 is the share of the variance that it explains.
func line(points []plot.Point) (a, b, r2 float64) {
	var sx, sy, sxx, sxy, syy float64
	n := float64(len(points))
	for _, p := range points {
		sx, sy, sxx, sxy, syy = sx+p.X, sy+p.Y, sxx+p.X*p.X, sxy+p.X*p.Y, syy+p.Y*p.Y
	}
	cov, vx, vy := sxy-sx*sy/n, sxx-sx*sx/n, syy-sy*sy/n
	b = cov / vx
	return (sy - b*sx) / n, b, cov * cov / (vx * vy)
}

// seconds prints a time in seconds.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// percent prints a share.
func percent(part, whole int) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}
