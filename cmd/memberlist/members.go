package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/printable"
)

const membersAbout = `Members prints all that the member at ADDR knows: those that are alive or suspect, and those that are dead or have left and
are not forgotten yet.`

func runMembers(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	f, t := newFlags("members", "ADDR", membersAbout, stderr)
	watch := f.Bool("watch", false, "print again every -interval, until interrupted")
	interval := f.Duration("interval", 2*time.Second, "`time` between two requests of -watch")
	addresses, err := t.parse(f, args, 1)
	if err != nil {
		return exitFailed, err
	}
	defer t.close()
	if *interval <= 0 {
		return exitFailed, errInterval
	}
	if !*watch {
		return exitOK, t.printMembers(ctx, addresses[0], stdout)
	}
	for ctx.Err() == nil {
		if isTerminal(stdout) {
			fmt.Fprint(stdout, "\x1b[H\x1b[2J") // clear
		}
		if err := t.printMembers(ctx, addresses[0], stdout); err != nil && ctx.Err() == nil {
			fmt.Fprintf(stderr, "%s: %s\n", time.Now().Format(time.TimeOnly), printable.Text(err.Error()))
		}
		pause(ctx, *interval)
	}
	return exitOK, nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// query reads the view at an address within the time limit, its members in the order of their names.
func (t *target) query(ctx context.Context, address string) (memberlist.View, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	view, err := memberlist.Query(ctx, t.request(address))
	slices.SortFunc(view.Members, func(a, b memberlist.MemberInfo) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address(), b.Address()))
	})
	return view, err
}

func (t *target) printMembers(ctx context.Context, address string, stdout io.Writer) error {
	view, err := t.query(ctx, address)
	if err != nil {
		return err
	}
	if t.json {
		return printJSON(stdout, &view)
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	zones := slices.ContainsFunc(view.Members, func(m memberlist.MemberInfo) bool { return m.Zone != "" })
	zone := func(text string) string {
		if !zones {
			return ""
		}
		return text + "\t"
	}
	fmt.Fprintln(w, "NAME\tADDRESS\tSTATE\t"+zone("ZONE")+"INCARNATION\tPROTOCOL\tMETADATA")
	for _, m := range view.Members {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s%d\t%d (%d-%d)\t%s\n", printable.Name(m.Name), m.Address(), stateName(m.State), zone(zoneText(m.Zone)), m.Incarnation,
			m.PCur, m.PMin, m.PMax, metaText(m.Meta))
	}
	return w.Flush()
}

// stateName returns the name of a state.
func stateName(s memberlist.NodeStateType) string {
	names := [...]string{"alive", "suspect", "dead", "left"}
	if s < 0 || int(s) >= len(names) {
		return "state " + strconv.Itoa(int(s))
	}
	return names[s]
}

// zoneText returns a zone as it can be shown in a line.
func zoneText(zone string) string {
	if zone == "" {
		return "-"
	}
	return printable.Name(zone)
}

// metaText returns metadata as it can be shown in a line.
func metaText(meta []byte) string {
	if len(meta) == 0 {
		return "-"
	}
	const most = 40
	text := strconv.QuoteToGraphic(string(meta[:min(len(meta), most)]))
	if len(meta) > most {
		text += fmt.Sprintf(" (%d bytes)", len(meta))
	}
	return text
}

// memberJSON is a member in the output of -json.
type memberJSON struct {
	Name        string `json:"name"`
	Address     string `json:"address"`
	State       string `json:"state"`
	Zone        string `json:"zone,omitempty"`
	Incarnation uint32 `json:"incarnation"`
	Protocol    [3]int `json:"protocol"` // lowest, highest, spoken
	Delegate    [3]int `json:"delegate_protocol"`
	Meta        []byte `json:"meta"` // in base64
}

// viewJSON is the output of members -json.
type viewJSON struct {
	Members  []memberJSON `json:"members"`
	Checksum string       `json:"checksum"` // of those alive or suspect: see Memberlist.ViewChecksum
}

func printJSON(w io.Writer, view *memberlist.View) error {
	out := viewJSON{Members: []memberJSON{}, Checksum: fmt.Sprintf("%016x", view.Checksum())}
	for _, m := range view.Members {
		out.Members = append(out.Members, memberJSON{
			Name: m.Name, Address: m.Address(), State: stateName(m.State), Zone: m.Zone, Incarnation: m.Incarnation,
			Protocol: [3]int{int(m.PMin), int(m.PMax), int(m.PCur)}, Delegate: [3]int{int(m.DMin), int(m.DMax), int(m.DCur)}, Meta: m.Meta,
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
