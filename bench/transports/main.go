// Command transports measures what carries packets: UDP with AES-256, package tcptransport in plain text and with TLS, and a transport that
// dials for each packet, as programs write them themselves. Run it in the directory of the module:
//
//	go run ./transports                 # a few minutes
//	go run ./transports -members 0      # only packets, without the idle clusters
//	go run ./transports -write          # writes the tables into ../docs/performance.md
//
// Everything is measured in one run, in turn, so that ratios mean something on a machine that does other things too.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

const document = "../docs/performance.md"

// settings are the options of the command.
type settings struct {
	rounds  int
	packets int // in a measurement of warm connections
	dials   int // in one of a transport that dials
	members int
	process int // members in a process
	window  time.Duration
}

func main() {
	if os.Getenv(processEnv) != "" {
		runProcess()
		return
	}
	s := settings{process: 30}
	flag.IntVar(&s.rounds, "rounds", 5, "how often each measurement of packets is made; the table has medians")
	flag.IntVar(&s.packets, "packets", 20_000, "packets in a measurement")
	flag.IntVar(&s.dials, "dials", 1000, "packets in a measurement of a transport that dials for each")
	flag.IntVar(&s.members, "members", 300, "members of the idle clusters; 0: none")
	flag.DurationVar(&s.window, "window", 30*time.Second, "how long an idle cluster is watched")
	write := flag.Bool("write", false, "write the tables into "+document)
	flag.Parse()
	text, err := measure(&s)
	if err == nil {
		fmt.Print(text)
		if *write {
			err = writeTables(text)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "transports:", err)
		os.Exit(1)
	}
}

// measure measures everything, and returns tables in Markdown.
func measure(s *settings) (string, error) {
	dir, err := os.MkdirTemp("", "transports")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := makeCertificates(dir); err != nil {
		return "", err
	}
	packets, err := measurePackets(s, dir)
	if err != nil {
		return "", err
	}
	text := packetTable(packets)
	if s.members > 0 {
		idle, err := measureIdle(s, dir)
		if err != nil {
			return "", err
		}
		text += "\n" + idleTable(idle, s.members)
	}
	return text, nil
}

const (
	tableBegins = "<!-- the tables of transports begin; go run ./transports -write in bench makes them -->\n"
	tableEnds   = "<!-- the tables of transports end -->\n"
)

// writeTables replaces the tables in the document.
func writeTables(text string) error {
	page, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the tables", document)
	}
	return os.WriteFile(document, []byte(before+tableBegins+"\n"+text+"\n"+tableEnds+after), 0o644)
}
