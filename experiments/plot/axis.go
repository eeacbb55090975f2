package plot

import (
	"math"
	"strconv"
)

// tick is a value of an axis with its label.
type tick struct {
	value float64
	label string
}

// span is the range of an axis, in values and in pixels.
type span struct {
	scale    Scale
	lo, hi   float64
	from, to float64 // positions of lo and hi
	ticks    []tick
}

// at returns the position of a value, in pixels.
func (s *span) at(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.scale == Log {
		v, lo, hi = math.Log10(v), math.Log10(lo), math.Log10(hi)
	}
	// The product is rounded before the addition, also on machines with a fused multiply-add.
	return s.from + float64((v-lo)/(hi-lo)*(s.to-s.from))
}

// newSpan returns an axis that spans the data, with about the given number of ticks.
func newSpan(a *Axis, data []float64, about int) span {
	if a.Names != nil {
		return named(a.Names, data)
	}
	lo, hi, ok := extremes(append(data, a.Include...))
	switch {
	case a.Scale == Log && !ok:
		lo, hi = 1, 10
	case !ok:
		lo, hi = 0, 1
	case a.Scale == Log && same(lo, hi):
		lo, hi = lo/2, hi*2
	case a.Scale == Linear && max(math.Abs(lo), math.Abs(hi)) < 1/Largest:
		lo, hi = -1, 1
	case same(lo, hi):
		lo, hi = lo-math.Abs(lo)/2, hi+math.Abs(hi)/2
	}
	if a.Scale == Log {
		return logarithmic(lo, hi, about)
	}
	return linear(lo, hi, about)
}

// extremes returns the least and the greatest value; ok is false if there is none.
func extremes(values []float64) (lo, hi float64, ok bool) {
	if len(values) == 0 {
		return 0, 0, false
	}
	lo, hi = values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi, true
}

// same reports whether two values are too close to be told apart by labels.
func same(lo, hi float64) bool { return hi-lo <= 1e-9*max(math.Abs(lo), math.Abs(hi)) }

// named returns an axis with a name at each position from 0 on.
func named(names []string, data []float64) span {
	lo, hi, _ := extremes(append(data, 0, float64(len(names)-1)))
	s := span{lo: lo - 0.5, hi: hi + 0.5}
	for i, name := range names {
		s.ticks = append(s.ticks, tick{float64(i), name})
	}
	return s
}

// linear returns an axis with ticks at multiples of 1, 2 or 5 times a power of ten, the first and last of which bound
// it.
func linear(lo, hi float64, about int) span {
	least := (hi - lo) / float64(max(1, about))
	exp := int(math.Floor(math.Log10(least)))
	factor := 10.0
	for _, f := range []float64{1, 2, 5} {
		if f*math.Pow10(exp) >= least*(1-1e-9) {
			factor = f
			break
		}
	}
	if factor == 10 {
		factor, exp = 1, exp+1
	}
	step := factor * math.Pow10(exp)
	first, last := math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
	s := span{lo: first * step, hi: last * step}
	plain := max(math.Abs(s.lo), math.Abs(s.hi)) > 1000*step
	for i := first; i <= last; i++ {
		s.ticks = append(s.ticks, tick{i * step, format(i*step, exp, plain)})
	}
	return s
}

// logarithmic returns an axis with ticks at powers of ten or, if those would be few, at 2 and 5 times them as well.
func logarithmic(lo, hi float64, about int) span {
	first, last := int(math.Floor(math.Log10(lo)+1e-9)), int(math.Ceil(math.Log10(hi)-1e-9))
	factors := []float64{1}
	if 2*(last-first) <= max(4, about) {
		factors = []float64{1, 2, 5}
	}
	every := 1 + (last-first-1)/(2+about)
	s := span{scale: Log}
	for exp := first; exp <= last; exp += every {
		for _, f := range factors {
			v := f * math.Pow10(exp)
			switch {
			case v <= lo*(1+1e-9): // the last one of these is the start of the axis
				s.ticks = s.ticks[:0]
			case s.hi >= hi*(1-1e-9):
				continue
			}
			s.ticks = append(s.ticks, tick{v, format(v, exp, false)})
			s.hi = v
		}
	}
	s.lo = s.ticks[0].value
	s.hi = max(s.hi, hi) // between two powers, if not each has a tick
	return s
}

// suffixes are those of thousands, millions and so on.
var suffixes = [...]string{"", "k", "M", "G", "T"}

// format formats a multiple of 10^exp, from 10,000 on with a suffix unless plain.
func format(v float64, exp int, plain bool) string {
	abs := math.Abs(v)
	switch {
	case abs < 1e-300:
		return "0"
	case abs >= 1e15 || exp < -6 && !plain:
		return strconv.FormatFloat(v, 'g', 6, 64)
	case exp < 0:
		return strconv.FormatFloat(v, 'f', -exp, 64)
	case plain || abs < 10_000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	i := 0
	for abs >= 1000 && i < len(suffixes)-1 {
		abs, v = abs/1000, v/1000
		i++
	}
	return strconv.FormatFloat(v, 'g', 6, 64) + suffixes[i]
}
