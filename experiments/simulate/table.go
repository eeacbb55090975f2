package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// writeTable writes the report as text.
func (r *report) writeTable(w io.Writer) error {
	var b strings.Builder
	s := r.settings
	fmt.Fprintf(&b, "%d members, %s configuration%s, %s", s.members, s.preset, s.changes(), s.network())
	if s.slow > 0 {
		fmt.Fprintf(&b, ", %s (%v in every %v)", plural(s.slow, "slow member"), s.slowFor, s.slowEvery)
	}
	fmt.Fprintf(&b, "; %s\n\n", plural(r.seeds, "seed"))

	fmt.Fprintf(&b, "%-52s %8s %8s %8s\n", "TIME FROM ... UNTIL ...", "p50", "p99", "max")
	for _, row := range r.timeRows() {
		fmt.Fprintf(&b, "%-52s %8s %8s %8s%s\n", row.what, span(row.times.percentile(50)), span(row.times.percentile(99)),
			span(row.times.percentile(100)), missing(row.times))
	}

	fmt.Fprintf(&b, "\n%-52s %8s %17s\n", "FALSELY DECLARED DEAD", "times", "for each member")
	fmt.Fprintf(&b, "%-52s %8d %17s\n", "a healthy member", r.falseDeaths, between(r.falseDeaths, r.hours))
	if s.slow > 0 {
		fmt.Fprintf(&b, "%-52s %8d %17s\n", "a slow member", r.slowDeaths, between(r.slowDeaths, r.slowHours))
	}

	fmt.Fprintf(&b, "\n%-52s %8s %8s\n", "SENT BY A MEMBER PER SECOND, WITHOUT CRASHES", "mean", "busiest")
	fmt.Fprintf(&b, "%-52s %8.2f %8.2f\n", "packets", r.load.packets.mean, r.load.packets.busiest)
	bytes := func(what string, t traffic) {
		fmt.Fprintf(&b, "%-52s %8s %8s\n", what, byteCount(t.mean), byteCount(t.busiest))
	}
	bytes("bytes of packets, without headers of UDP and IP", r.load.bytes)
	bytes("bytes of streams, for push/pulls", r.load.streamBytes)
	if s.zones > 0 {
		bytes("bytes of packets between zones", r.load.bytesAcross)
		bytes("bytes of streams between zones", r.load.streamBytesAcross)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// timeRow is a line of the table.
type timeRow struct {
	name  string // in JSON
	what  string
	times spread
}

// timeRows returns the durations in the report.
func (r *report) timeRows() []timeRow {
	who := "a crash"
	if r.settings.crash > 1 {
		who = fmt.Sprintf("%d crashes at once", r.settings.crash)
	}
	rows := []timeRow{
		{"crash_first", who + " ... the first other member knows", r.first},
		{"crash_each", who + " ... a member knows", r.each},
		{"crash_last", who + " ... all members know", r.last},
		{"update", "a change of metadata ... all members know", r.update},
		{"start", "the start of all ... each member knows each other", r.start},
	}
	if r.settings.crash == 0 {
		rows = rows[3:]
	}
	return rows
}

// changes lists the knobs that differ from the preset.
func (s *settings) changes() string {
	preset := presets[s.preset]()
	var changed []string
	for _, k := range knobs {
		if is := value(k.field(s.config)); is != value(k.field(preset)) {
			changed = append(changed, "-"+k.name+" "+is)
		}
	}
	if changed == nil {
		return ""
	}
	return " with " + strings.Join(changed, " ")
}

// network describes the network.
func (s *settings) network() string {
	text := fmt.Sprintf("latency %v", s.latency)
	switch {
	case s.jitter == 0:
	case s.shape == "uniform":
		text += fmt.Sprintf(" to %v", s.latency+s.jitter)
	default:
		text += fmt.Sprintf(" and %s %v", s.shape, s.jitter)
	}
	if s.loss > 0 {
		text += fmt.Sprintf(", %v%% loss", s.loss)
	}
	if s.zones > 0 {
		text += fmt.Sprintf(", %s %v apart", plural(s.zones, "zone"), s.apart)
		if s.zoneLoss > 0 {
			text += fmt.Sprintf(" with %v%% loss", s.zoneLoss)
		}
		if s.zoneless {
			text += " that the members do not know of"
		}
	}
	return text
}

// missing describes the events without a duration.
func missing(d spread) string {
	early, late := d.early(), d.late()
	switch {
	case early > 0 && late > 0:
		return fmt.Sprintf("  (%d before it, %d never, of %d)", early, late, len(d))
	case early > 0:
		return fmt.Sprintf("  (%d of %d before it)", early, len(d))
	case late > 0:
		return fmt.Sprintf("  (%d of %d not in time)", late, len(d))
	}
	return ""
}

// span formats a duration with about three digits.
func span(d time.Duration) string {
	switch {
	case d == never:
		return "-"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	case d < 100*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	default:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
}

// between formats the mean time between false deaths.
func between(deaths uint64, hours float64) string {
	text := "once in "
	if deaths == 0 {
		text, deaths = "never in ", 1
	}
	hours /= float64(deaths)
	switch {
	case hours < 1.0/60:
		return fmt.Sprintf("%s%.1f s", text, hours*3600)
	case hours < 1:
		return fmt.Sprintf("%s%.1f min", text, hours*60)
	case hours < 100:
		return fmt.Sprintf("%s%.1f h", text, hours)
	default:
		return fmt.Sprintf("%s%.1f d", text, hours/24)
	}
}

// byteCount formats a number of bytes.
func byteCount(n float64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%.0f B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", n/1000)
	default:
		return fmt.Sprintf("%.1f MB", n/1e6)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
