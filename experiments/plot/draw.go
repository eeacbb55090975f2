package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sizes, in pixels.
const (
	defaultWidth, defaultHeight = 720, 420

	pad       = 16
	titleLine = 24
	textLine  = 18
	charWidth = 7 // of small text, on average: fonts differ
	swatch    = 22
)

// canvas is a document under construction.
type canvas struct {
	bytes.Buffer
	plot                     *Plot
	width, height            int
	top, left, right, bottom float64 // of the area of the data
	x, y                     span
}

// draw makes the document.
func (p *Plot) draw() []byte {
	c := &canvas{plot: p, width: p.Width, height: p.Height}
	if c.width <= 0 {
		c.width = defaultWidth
	}
	if c.height <= 0 {
		c.height = defaultHeight
	}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n",
		c.width, c.height, c.width, c.height)
	fmt.Fprintf(c, "<title>%s</title>\n", escape(p.Title))
	c.styles()
	fmt.Fprintf(c, `<rect class="bg" width="%d" height="%d" rx="6"/>`+"\n", c.width, c.height)
	c.layout()
	c.axes()
	c.series()
	c.WriteString("</svg>\n")
	return c.Bytes()
}

// styles writes the colours: one set for light pages, and one for dark.
func (c *canvas) styles() {
	c.WriteString("<style>\ntext{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n" +
		".title{font-size:15px;font-weight:600}\n.note{font-size:11px}\n.x,.mid{text-anchor:middle}\n.y{text-anchor:end}\n" +
		"path{fill:none;stroke-width:2;stroke-linejoin:round}\n.grid,.axis{stroke-width:1}\n" +
		".dash{stroke-width:1.5;stroke-dasharray:6 4}\n")
	c.palette(func(col colour) string { return col.light })
	c.WriteString("@media (prefers-color-scheme:dark){\n")
	c.palette(func(col colour) string { return col.dark })
	c.WriteString("}\n</style>\n")
}

func (c *canvas) palette(of func(colour) string) {
	fmt.Fprintf(c, ".bg{fill:%s}\ntext{fill:%s}\n.faint,.x,.y,.note{fill:%s}\n.grid{stroke:%s}\n.axis{stroke:%s}\n",
		of(background), of(ink), of(faint), of(grid), of(faint))
	for i := range min(len(colours), len(c.plot.Series)) {
		fmt.Fprintf(c, ".s%d{stroke:%s}.f%d{fill:%s}\n", i, of(colours[i]), i, of(colours[i]))
	}
}

// layout draws everything around the data, and computes the remaining room.
func (c *canvas) layout() {
	p := c.plot
	c.top, c.bottom = pad, float64(c.height-pad)
	if p.Title != "" {
		c.text("title", pad, c.top+14, p.Title)
		c.top += titleLine
	}
	c.legend()
	c.top += 14
	if p.Note != "" {
		c.text("note", pad, c.bottom, p.Note)
		c.bottom -= textLine + 2
	}
	if p.X.Label != "" {
		c.bottom -= textLine
	}
	c.bottom -= textLine

	var xs, ys []float64
	for i := range p.Series {
		s := &p.Series[i]
		for _, pt := range s.Points {
			xs, ys = append(xs, pt.X), append(ys, pt.Y)
		}
		if s.Style == Bars && p.Y.scale() == Linear {
			ys = append(ys, 0)
		}
	}
	c.y = newSpan(&p.Y, ys, max(2, int(c.bottom-c.top)/40))
	c.left = pad
	for _, t := range c.y.ticks {
		c.left = max(c.left, float64(pad+8+charWidth*utf8.RuneCountInString(t.label)))
	}
	if p.Y.Label != "" {
		c.left += textLine
	}
	c.right = float64(c.width - pad - 8)
	c.x = newSpan(&p.X, xs, max(2, int(c.right-c.left)/90))
	if n := len(c.x.ticks); n > 0 && p.X.Names == nil { // the last label may stick out
		c.right -= max(0, float64(charWidth*utf8.RuneCountInString(c.x.ticks[n-1].label)/2)-8)
	}
	c.x.from, c.x.to = c.left, c.right
	if bars, width := c.barWidth(); bars > 0 && p.X.Names == nil { // half a group of bars at each end
		half := float64(bars) * width / 2
		c.x.from, c.x.to = c.left+half, c.right-half
	}
	c.y.from, c.y.to = c.bottom, c.top
}

// legend writes the names of the series, in rows.
func (c *canvas) legend() {
	x, rows := float64(pad), 0
	for i := range c.plot.Series {
		s := &c.plot.Series[i]
		if s.Name == "" {
			continue
		}
		wide := float64(swatch + 8 + charWidth*utf8.RuneCountInString(s.Name) + 14)
		if rows == 0 || x+wide > float64(c.width-pad) && x > pad {
			x, rows = pad, rows+1
			c.top += textLine
		}
		y := c.top - 6
		k := i % len(colours)
		switch s.Style {
		case Bars:
			fmt.Fprintf(c, `<rect class="f%d" x="%s" y="%s" width="12" height="10"/>`+"\n", k, px(x+5), px(y-5))
		case Points:
			c.marker(i, x+swatch/2, y)
		default:
			fmt.Fprintf(c, `<path class="s%d%s" d="M%s %sh%d"/>`+"\n", k, dash(s.Style), px(x), px(y), swatch)
			if s.Style == LinePoints {
				c.marker(i, x+swatch/2, y)
			}
		}
		c.text("", x+swatch+6, y+4, s.Name)
		x += wide
	}
}

// axes writes the grid, the numbers and the labels.
func (c *canvas) axes() {
	p := c.plot
	var lines strings.Builder
	for _, t := range c.y.ticks {
		fmt.Fprintf(&lines, "M%s %sH%s", px(c.left), px(c.y.at(t.value)), px(c.right))
	}
	if p.X.Names == nil {
		for _, t := range c.x.ticks {
			fmt.Fprintf(&lines, "M%s %sV%s", px(c.x.at(t.value)), px(c.top), px(c.bottom))
		}
	}
	fmt.Fprintf(c, `<path class="grid" d="%s"/>`+"\n", &lines)
	fmt.Fprintf(c, `<path class="axis" d="M%s %sV%sH%s"/>`+"\n", px(c.left), px(c.top), px(c.bottom), px(c.right))
	for _, t := range c.y.ticks {
		c.text("y", c.left-6, c.y.at(t.value)+4, t.label)
	}
	for _, t := range c.x.ticks {
		c.text("x", c.x.at(t.value), c.bottom+16, t.label)
	}
	if p.X.Label != "" {
		c.text("mid", (c.left+c.right)/2, c.bottom+16+textLine, p.X.Label)
	}
	if p.Y.Label != "" {
		x, y := px(pad+6), px((c.top+c.bottom)/2)
		fmt.Fprintf(c, `<text class="mid" x="%s" y="%s" transform="rotate(-90 %s %s)">%s</text>`+"\n", x, y, x, y, escape(p.Y.Label))
	}
}

// series writes the data.
func (c *canvas) series() {
	empty := true
	bar := 0
	bars, width := c.barWidth()
	for i := range c.plot.Series {
		s := &c.plot.Series[i]
		empty = empty && len(s.Points) == 0
		switch s.Style {
		case Bars:
			offset := (float64(bar) - float64(bars)/2) * width
			bar++
			c.bars(i, offset, width)
		case Points:
			c.markers(i)
		case LinePoints:
			c.path(i)
			c.markers(i)
		default:
			c.path(i)
			if len(s.Points) == 1 {
				c.markers(i)
			}
		}
	}
	if empty {
		c.text("mid faint", (c.left+c.right)/2, (c.top+c.bottom)/2, "no data")
	}
}

// path writes the line of a series.
func (c *canvas) path(i int) {
	s := &c.plot.Series[i]
	if len(s.Points) < 2 {
		return
	}
	fmt.Fprintf(c, `<path class="s%d%s" d="`, i%len(colours), dash(s.Style))
	for j, pt := range s.Points {
		x, y := px(c.x.at(pt.X)), px(c.y.at(pt.Y))
		switch {
		case j == 0:
			fmt.Fprintf(c, "M%s %s", x, y)
		case s.Style == Steps:
			fmt.Fprintf(c, "H%sV%s", x, y)
		default:
			fmt.Fprintf(c, "L%s %s", x, y)
		}
	}
	c.WriteString(`"/>` + "\n")
}

func dash(s Style) string {
	if s == Dashed {
		return " dash"
	}
	return ""
}

// markers writes the points of a series.
func (c *canvas) markers(i int) {
	for _, pt := range c.plot.Series[i].Points {
		c.marker(i, c.x.at(pt.X), c.y.at(pt.Y))
	}
}

// marker writes one point in the shape of its series.
func (c *canvas) marker(i int, x, y float64) {
	k := i % len(colours)
	switch i % 4 {
	case 0:
		fmt.Fprintf(c, `<circle class="f%d" cx="%s" cy="%s" r="3.5"/>`, k, px(x), px(y))
	case 1:
		fmt.Fprintf(c, `<rect class="f%d" x="%s" y="%s" width="7" height="7"/>`, k, px(x-3.5), px(y-3.5))
	case 2:
		fmt.Fprintf(c, `<polygon class="f%d" points="%s,%s %s,%s %s,%s"/>`, k, px(x), px(y-4.5), px(x+4.5), px(y+3.5), px(x-4.5), px(y+3.5))
	case 3:
		fmt.Fprintf(c, `<polygon class="f%d" points="%s,%s %s,%s %s,%s %s,%s"/>`, k, px(x), px(y-5), px(x+5), px(y), px(x), px(y+5), px(x-5), px(y))
	}
	c.WriteByte('\n')
}

// barWidth returns the number of series of bars and the width of one bar.
func (c *canvas) barWidth() (bars int, width float64) {
	gap := (c.right - c.left) / 12
	var at []float64
	for i := range c.plot.Series {
		if s := &c.plot.Series[i]; s.Style == Bars {
			bars++
			for _, pt := range s.Points {
				at = append(at, c.x.at(pt.X))
			}
		}
	}
	if c.plot.X.Names != nil {
		gap = c.x.at(1) - c.x.at(0)
	}
	slices.Sort(at)
	for i := 1; i < len(at); i++ {
		if d := at[i] - at[i-1]; d > 0.5 {
			gap = min(gap, d)
		}
	}
	return bars, 0.8 * gap / float64(max(1, bars))
}

// bars writes the bars of a series.
func (c *canvas) bars(i int, offset, width float64) {
	floor := c.bottom
	if c.y.scale == Linear {
		floor = c.y.at(0)
	}
	for _, pt := range c.plot.Series[i].Points {
		y := c.y.at(pt.Y)
		fmt.Fprintf(c, `<rect class="f%d" x="%s" y="%s" width="%s" height="%s"/>`+"\n", i%len(colours),
			px(c.x.at(pt.X)+offset), px(min(y, floor)), px(max(1, width-1)), px(math.Abs(floor-y)))
	}
}

// text writes a line of text.
func (c *canvas) text(class string, x, y float64, text string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(c, `<text%s x="%s" y="%s">%s</text>`+"\n", class, px(x), px(y), escape(text))
}

// px writes a number of pixels, to a tenth.
func px(v float64) string {
	s := strconv.FormatFloat(v, 'f', 1, 64)
	s = strings.TrimSuffix(s, ".0")
	if s == "-0" {
		return "0"
	}
	return s
}

// escape escapes text for XML.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}
