// Package plot draws small charts as SVG: lines, steps, points and bars over linear, logarithmic or named axes.
//
//	 Title
//	 --- series  --- series      legend, in as many rows as it takes
//	Y|
//	 |    /\  /                  Width x Height pixels
//	 |___/__\/____
//	       X
//	 Note
//
// The same Plot produces the same bytes everywhere. Charts are legible on light and dark pages: they have a
// background of their own, light or dark as the reader prefers, and series differ in the shape of their markers
// besides the colour. Nothing is cut off: the axes span all of the data.
package plot

import (
	"errors"
	"fmt"
	"math"
)

// ErrValue is returned for a value that cannot be drawn: it is not a number, beyond Largest, or not positive on a
// logarithmic axis.
var ErrValue = errors.New("value cannot be drawn")

// Largest is the maximum distance of a value from 0. On a logarithmic axis, 1/Largest is the minimum.
const Largest = 1e100

// Plot is one chart. The zero value is an empty chart.
type Plot struct {
	Title  string // empty: none
	Note   string // a small line at the bottom, such as the command that made the chart; empty: none
	X, Y   Axis
	Series []Series
	Width  int // pixels; 0: 720
	Height int // pixels; 0: 420
}

// Axis is one of the two axes.
type Axis struct {
	Label   string // quantity and unit, such as "time (s)"; empty: none
	Scale   Scale
	Include []float64 // values to span besides those of the data, such as 0
	Names   []string  // of the positions 0, 1, 2 ..., in place of numbers; the scale is linear then
}

// Scale is the mapping of values to positions.
type Scale uint8

// The scales.
const (
	Linear Scale = iota
	Log          // to base 10; all values must be positive
)

// Style is the way in which a series is drawn.
type Style uint8

// The styles. A line of only one point is drawn as a point.
const (
	Line       Style = iota // straight from point to point
	Dashed                  // as Line, thinner and dashed: for a reference
	Steps                   // a value holds until the next point, as for counts
	Points                  // a marker for each point
	LinePoints              // a line with markers
	Bars                    // from 0, or on a logarithmic axis from its lower end; several series side by side
)

// Point is one value.
type Point struct{ X, Y float64 }

// Series is a sequence of points, drawn in their order.
type Series struct {
	Name   string // in the legend; empty: not shown
	Style  Style
	Points []Point
}

// SVG returns the chart as an SVG document. The error wraps ErrValue.
func (p *Plot) SVG() ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	return p.draw(), nil
}

func (p *Plot) validate() error {
	for _, v := range p.X.Include {
		if err := p.X.check(v); err != nil {
			return fmt.Errorf("x axis: %w", err)
		}
	}
	for _, v := range p.Y.Include {
		if err := p.Y.check(v); err != nil {
			return fmt.Errorf("y axis: %w", err)
		}
	}
	for i := range p.Series {
		s := &p.Series[i]
		for j, pt := range s.Points {
			if err := p.X.check(pt.X); err != nil {
				return fmt.Errorf("series %d %q, x of point %d: %w", i, s.Name, j, err)
			}
			if err := p.Y.check(pt.Y); err != nil {
				return fmt.Errorf("series %d %q, y of point %d: %w", i, s.Name, j, err)
			}
		}
	}
	return nil
}

// check returns an error if a value cannot be drawn.
func (a *Axis) check(v float64) error {
	switch {
	case math.IsNaN(v):
		return fmt.Errorf("%w: not a number", ErrValue)
	case math.Abs(v) > Largest:
		return fmt.Errorf("%w: %g is too large", ErrValue, v)
	case a.scale() == Log && v < 1/Largest:
		return fmt.Errorf("%w: %g on a logarithmic axis", ErrValue, v)
	}
	return nil
}

func (a *Axis) scale() Scale {
	if a.Names != nil {
		return Linear
	}
	return a.Scale
}
