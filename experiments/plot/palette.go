package plot

// colour is a colour on a light and on a dark background.
type colour struct{ light, dark string }

var (
	background = colour{"#ffffff", "#15191f"}
	ink        = colour{"#1f2328", "#e6e9ee"} // text
	faint      = colour{"#596069", "#a3abb6"} // numbers, notes, axes
	grid       = colour{"#e3e6ea", "#2d333b"}
)

// colours are those of the series, in order. The first four differ for people who do not see red or green.
var colours = [...]colour{
	{"#0b63b5", "#62b0ff"}, // blue
	{"#c4460b", "#ff9466"}, // orange
	{"#0f7b4f", "#4fd09a"}, // green
	{"#8b3fb8", "#cf9bff"}, // violet
	{"#8a6100", "#e6b94a"}, // ochre
	{"#0a7780", "#4accd6"}, // teal
	{"#bb2c72", "#ff86bd"}, // pink
	{"#575f69", "#aeb6c0"}, // grey
}
