package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldens are typical charts.
var goldens = map[string]Plot{
	"lines": {
		Title: "Members that know of the crash",
		Note:  "go run ./simulate -n 100",
		X:     Axis{Label: "time since the crash (s)", Include: []float64{0}},
		Y:     Axis{Label: "members (%)", Include: []float64{0, 100}},
		Series: []Series{
			{Name: "LAN", Style: Steps, Points: []Point{{0, 0}, {8.2, 10}, {8.4, 60}, {8.7, 95}, {9.4, 100}}},
			{Name: "WAN", Style: Line, Points: []Point{{0, 0}, {9, 20}, {12, 80}, {20, 100}}},
			{Name: "bound", Style: Dashed, Points: []Point{{10, 0}, {10, 100}}},
		},
	},
	"log": {
		Title: "Time to first detection",
		X:     Axis{Label: "members", Scale: Log},
		Y:     Axis{Label: "time (s)", Scale: Log},
		Series: []Series{
			{Name: "measured", Style: LinePoints, Points: []Point{{8, 1.4}, {32, 1.5}, {128, 1.6}, {512, 1.58}, {4096, 1.55}}},
			{Name: "SWIM", Style: Points, Points: []Point{{8, 1.58}, {4096, 12}}},
			{Name: "slow", Style: Points, Points: []Point{{8, 2.5}, {4096, 90}}},
			{Name: "slower", Style: Points, Points: []Point{{10000, 400}}},
		},
	},
	"bars": {
		Title: "False positives",
		X:     Axis{Names: []string{"SWIM", "LHA-Probe", "Buddy", "Lifeguard"}},
		Y:     Axis{Label: "of plain SWIM (%)"},
		Series: []Series{
			{Name: "all", Style: Bars, Points: []Point{{0, 100}, {1, 67.7}, {2, 94.1}, {3, 1.5}}},
			{Name: "at healthy members", Style: Bars, Points: []Point{{0, 100}, {1, 32.9}, {2, 44.6}, {3, 1.9}}},
		},
	},
	"histogram": {
		X: Axis{Label: "detection (s)"},
		Y: Axis{Label: "crashes"},
		Series: []Series{
			{Style: Bars, Points: []Point{{8, 3}, {8.5, 12}, {9, 20}, {9.5, 7}, {10, -2}}},
		},
	},
	"escaped": {
		Title:  `<b>"R&D"</b> 'x' ` + "\x00\xff",
		Note:   `a < b && c > d`,
		X:      Axis{Label: `<x>`, Names: []string{"<n>", "&amp;"}},
		Y:      Axis{Label: `"y"`},
		Series: []Series{{Name: `</svg><script>`, Points: []Point{{0, 1}, {1, 2}}}},
	},
	"empty":  {Title: "Nothing", X: Axis{Label: "x"}, Y: Axis{Label: "y", Scale: Log}, Series: []Series{{Name: "none"}}},
	"single": {Series: []Series{{Name: "one", Points: []Point{{3, 42}}}}},
}

func TestGoldens(t *testing.T) {
	for name, p := range goldens {
		t.Run(name, func(t *testing.T) {
			got := svg(t, &p)
			file := filepath.Join("testdata", name+".svg")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("not as %s; look at what changed, and run with -update if it is right:\n%s", file, got)
			}
			if again := svg(t, &p); !bytes.Equal(got, again) {
				t.Error("the second time it is different")
			}
		})
	}
}

// svg draws a chart and checks that it is well-formed and that everything is inside the picture.
func svg(t *testing.T, p *Plot) []byte {
	t.Helper()
	got, err := p.SVG()
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(got))
	depth := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, got)
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			if strings.Contains("script b n", token.Name.Local) {
				t.Errorf("text became <%s>", token.Name.Local)
			}
			inside(t, p, token)
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 || bytes.Contains(got, []byte("NaN")) || bytes.Contains(got, []byte("Inf")) {
		t.Errorf("depth %d:\n%s", depth, got)
	}
	return got
}

// inside checks that an element is inside the picture.
func inside(t *testing.T, p *Plot, e xml.StartElement) {
	t.Helper()
	width, height := float64(defaultWidth), float64(defaultHeight)
	if p.Width > 0 {
		width, height = float64(p.Width), float64(p.Height)
	}
	limits := map[string]float64{"x": width, "cx": width, "y": height, "cy": height, "width": width, "height": height}
	for _, a := range e.Attr {
		if limit, ok := limits[a.Name.Local]; ok {
			if v, err := strconv.ParseFloat(a.Value, 64); err != nil || v < 0 || v > limit {
				t.Errorf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

func TestRefusedValues(t *testing.T) {
	one := func(x, y float64) []Series { return []Series{{Name: "s", Points: []Point{{1, 1}, {x, y}}}} }
	for _, tt := range []struct {
		name string
		p    Plot
		want string
	}{
		{"x is not a number", Plot{Series: one(math.NaN(), 1)}, `series 0 "s", x of point 1: value cannot be drawn: not a number`},
		{"y is not a number", Plot{Series: one(1, math.NaN())}, `y of point 1`},
		{"infinite", Plot{Series: one(1, math.Inf(-1))}, "-Inf is too large"},
		{"too large", Plot{Series: one(2e100, 1)}, "2e+100 is too large"},
		{"0 on a logarithmic axis", Plot{Y: Axis{Scale: Log}, Series: one(1, 0)}, "0 on a logarithmic axis"},
		{"-1 on a logarithmic axis", Plot{X: Axis{Scale: Log}, Series: one(-1, 0)}, "-1 on a logarithmic axis"},
		{"included in x", Plot{X: Axis{Include: []float64{math.NaN()}}}, "x axis: value cannot be drawn"},
		{"included in y", Plot{Y: Axis{Scale: Log, Include: []float64{0}}}, "y axis: value cannot be drawn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.p.SVG()
			if !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), tt.want) || got != nil {
				t.Errorf("%q and %v, want %q", got, err, tt.want)
			}
		})
	}
}

// TestDegenerate: with any values and in any style, everything in a chart is inside the picture.
func TestDegenerate(t *testing.T) {
	values := []float64{0, 1, -1, 1 + 1e-8, 1e100, -1e100, 1e-100, math.Nextafter(1, 2), math.SmallestNonzeroFloat64}
	for _, a := range values {
		for _, b := range values {
			for _, scale := range []Scale{Linear, Log} {
				if scale == Log && min(a, b) < 1e-100 {
					continue
				}
				for _, style := range []Style{Line, LinePoints, Bars} {
					p := Plot{X: Axis{Scale: scale}, Y: Axis{Scale: scale}, Series: []Series{
						{Style: style, Points: []Point{{a, b}}}, {Style: style, Points: []Point{{a, a}, {b, b}}}}}
					svg(t, &p)
				}
			}
		}
	}
}

// TestTicks: ticks are round, strictly rising, span the data, have different labels, and are neither few nor many.
func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		axis   Axis
		lo, hi float64
		want   string
	}{
		{"unit", Axis{}, 0, 1, "0 0.2 0.4 0.6 0.8 1.0"},
		{"percent", Axis{}, 0, 100, "0 20 40 60 80 100"},
		{"seconds", Axis{}, 8.3, 12.1, "8 9 10 11 12 13"},
		{"negative", Axis{}, -3, 4, "-4 -2 0 2 4"},
		{"thousands", Axis{}, 0, 12345, "0 5000 10k 15k"},
		{"millions", Axis{}, 0, 1.3e6, "0 500k 1M 1.5M"},
		{"far from 0", Axis{}, 1000000, 1000003, "1000000 1000001 1000002 1000003"},
		{"small", Axis{}, 0, 0.003, "0 0.001 0.002 0.003"},
		{"tiny", Axis{}, 0, 3e-9, "0 1e-09 2e-09 3e-09"},
		{"equal", Axis{}, 5, 5, "2 3 4 5 6 7 8"},
		{"zero", Axis{}, 0, 0, "-1.0 -0.5 0 0.5 1.0"},
		{"decades", Axis{Scale: Log}, 0.02, 3000, "0.01 0.1 1 10 100 1000 10k"},
		{"one decade", Axis{Scale: Log}, 11, 90, "10 20 50 100"},
		{"within a decade", Axis{Scale: Log}, 12, 13, "10 20"},
		{"equal on a logarithmic axis", Axis{Scale: Log}, 10, 10, "5 10 20"},
		{"many decades", Axis{Scale: Log}, 1, 1e12, "1 100 10k 1M 100M 10G 1T"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSpan(&tt.axis, []float64{tt.lo, tt.hi}, 5)
			var labels []string
			for _, tick := range s.ticks {
				labels = append(labels, tick.label)
			}
			if got := strings.Join(labels, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		axis := Axis{Scale: Scale(r.IntN(2))}
		lo := math.Pow(10, 16*r.Float64()-6)
		hi := lo * (1 + math.Pow(10, 12*r.Float64()-6))
		about := 2 + r.IntN(10)
		s := newSpan(&axis, []float64{lo, hi}, about)
		if s.lo > lo*(1+1e-8) || s.hi < hi*(1-1e-8) || len(s.ticks) < 2 || len(s.ticks) > 3*about+3 {
			t.Fatalf("%v from %g to %g, about %d: %+v", axis.Scale, lo, hi, about, s)
		}
		for i := 1; i < len(s.ticks); i++ {
			if s.ticks[i].value <= s.ticks[i-1].value || s.ticks[i].label == s.ticks[i-1].label {
				t.Fatalf("%v from %g to %g, about %d: %+v", axis.Scale, lo, hi, about, s)
			}
		}
	}
}

// TestContrast: text and lines have the contrast to the background, light and dark, that WCAG 2.1 asks for (1.4.3 and
// 1.4.11).
func TestContrast(t *testing.T) {
	check := func(name string, c colour, least float64) {
		for _, pair := range [][2]string{{c.light, background.light}, {c.dark, background.dark}} {
			if got := contrast(t, pair[0], pair[1]); got < least {
				t.Errorf("%s: %s on %s has %.2f, want %.1f", name, pair[0], pair[1], got, least)
			}
		}
	}
	check("text", ink, 7)
	check("faint text", faint, 4.5)
	for i, c := range colours {
		check("series "+strconv.Itoa(i), c, 4.5)
	}
}

func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	v, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(v>>(16-8*i)&255) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// TestLegendWraps: names that do not fit beside each other take more rows, and none is lost.
func TestLegendWraps(t *testing.T) {
	p := Plot{Width: 300, Height: 300}
	for range 12 {
		p.Series = append(p.Series, Series{Name: strings.Repeat("name ", 4), Style: Style(len(p.Series) % 6), Points: []Point{{1, 2}, {2, 3}}})
	}
	got := svg(t, &p)
	if n := bytes.Count(got, []byte("name name name name")); n != 12 {
		t.Errorf("%d names, want 12", n)
	}
}
