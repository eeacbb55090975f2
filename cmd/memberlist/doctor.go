package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/e3431adc/memberlist/internal/doctor"
)

const doctorAbout = `Doctor asks every member that it learns of from the member at ADDR: for its view, for acks of pings by packet and by stream, and for
pings of a few others. It compares the answers and prints findings, the worst first, each with what it means and what to do. docs/doctor.md
has all of them. With more than one ADDR it also finds parts of a cluster that know nothing of each other.`

// maxAddresses is the number of addresses that doctor takes.
const maxAddresses = 64

func runDoctor(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	f, t := newFlags("doctor", "ADDR...", doctorAbout, stderr)
	size := f.Int("packet-size", doctor.DefaultPacketSize, "size in `bytes` of the packets that must get through: Config.UDPBufferSize of the members; 0: any")
	atOnce := f.Int("at-once", 10, "`number` of members asked at once")
	settle := f.Duration("settle", 3*time.Second, "`time` after which members are asked again if their views differ; 0: never")
	ignore := f.String("ignore", "", "`kinds` of findings to leave out, with commas between them, such as \"dead,implementations\"")
	addresses, err := t.parse(f, args, maxAddresses)
	if err != nil {
		return exitFailed, err
	}
	defer t.close()
	if *size < 0 || *size > 65000 || *atOnce < 1 {
		return exitFailed, errors.New("-packet-size must be from 0 to 65000, and -at-once at least 1")
	}
	options := doctor.Options{
		Addresses: addresses, Keyring: t.ring, Label: t.label, Transport: t.transport,
		PacketSize: *size, AtOnce: *atOnce, Timeout: t.timeout, Settle: *settle,
	}
	line := &progressLine{w: stderr}
	if isTerminal(stderr) {
		options.Progress = line.show
	}
	report, err := doctor.Examine(ctx, options)
	line.clear()
	if err != nil {
		return exitFailed, err
	}
	ignored := strings.Split(*ignore, ",")
	report.Findings = slices.DeleteFunc(report.Findings, func(f doctor.Finding) bool { return slices.Contains(ignored, f.Kind) })
	if t.json {
		err = printReportJSON(stdout, &report)
	} else {
		_, err = io.WriteString(stdout, reportText(&report))
	}
	if err == nil && len(report.Findings) > 0 {
		return exitFindings, nil
	}
	return exitOK, err
}

func printReportJSON(w io.Writer, r *doctor.Report) error {
	if r.Findings == nil {
		r.Findings = []doctor.Finding{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// reportText returns a report for people.
func reportText(r *doctor.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d members answered.", r.Answered, r.Members)
	if r.NotAsked > 0 {
		fmt.Fprintf(&b, " There are more, which were not asked.")
	}
	if len(r.Findings) == 0 {
		b.WriteString(" Nothing is wrong.\n")
		return b.String()
	}
	fmt.Fprintf(&b, " Findings: %d.\n", len(r.Findings))
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s: %s [%s]\n", strings.ToUpper(f.Severity.String()), f.Title, f.Kind)
		for _, d := range f.Details {
			b.WriteString(wrap(d, "    - ", "      "))
		}
		b.WriteString(wrap(f.Meaning, "    What it means: ", "      "))
		b.WriteString(wrap(f.Advice, "    What to do: ", "      "))
	}
	return b.String()
}

// lineWidth is the width of lines in columns.
const lineWidth = 100

// wrap returns text in lines, the first with one prefix and the others with another.
func wrap(text, first, others string) string {
	var b strings.Builder
	line := first
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case len(line)+1+len(word) > lineWidth:
			b.WriteString(line + "\n")
			line = others + word
		default:
			line += " " + word
		}
	}
	return b.String() + line + "\n"
}

// progressLine is a line on a terminal that is written again and again.
type progressLine struct {
	w     io.Writer
	mu    sync.Mutex
	shown bool
}

func (p *progressLine) show(phase string, done, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "\r\x1b[K%s: %d of %d", phase, done, of)
	p.shown = true
}

func (p *progressLine) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
