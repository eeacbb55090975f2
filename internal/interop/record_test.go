package interop

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/e3431adc/memberlist/internal/recorded"
	"github.com/e3431adc/memberlist/internal/wire"
)

var recordTo = flag.String("record", "", "write what the taps see to this file, for internal/recorded")

// longestRecorded is the largest packet or stream that is recorded: those that are larger are of tests of just that.
const longestRecorded = 2500

// recorder keeps the first capture that shows a message in layers that none before it showed.
type recorder struct {
	mu    sync.Mutex
	seen  map[string]bool
	lines []string
}

// traffic is what all taps saw.
var traffic = recorder{seen: make(map[string]bool)}

func (r *recorder) add(c recorded.Capture) {
	if *recordTo == "" || c.Library == "" || len(c.Bytes) > longestRecorded {
		return
	}
	slices.Sort(c.Messages)
	c.Messages = slices.Compact(c.Messages)
	r.mu.Lock()
	defer r.mu.Unlock()
	news := false
	for _, m := range c.Messages {
		class := fmt.Sprint(c.Stream, c.Library, c.Layers, m)
		news = news || !r.seen[class]
		r.seen[class] = true
	}
	if news {
		r.lines = append(r.lines, c.String())
	}
}

// write writes the file, if it is wanted.
func (r *recorder) write() error {
	if *recordTo == "" {
		return nil
	}
	slices.Sort(r.lines)
	return os.WriteFile(*recordTo, []byte(strings.Join(r.lines, "\n")+"\n"), 0o644)
}

// recordPacket records a packet, given what was sealed in it.
func (w *tap) recordPacket(k kind, packet, plain []byte, key int, types []string) {
	c := recorded.Capture{Library: string(k), Messages: types, Label: w.label, Bytes: bytes.Clone(packet)}
	if w.label != "" {
		c.Layers = append(c.Layers, "label")
	}
	if key >= 0 {
		c.Key = w.keys[key]
		c.Layers = append(c.Layers, fmt.Sprint("seal", packet[labelSize(w.label)]))
	}
	c.Layers = append(c.Layers, innerLayers(plain)...)
	traffic.add(c)
}

func labelSize(label string) int {
	if label == "" {
		return 0
	}
	return 2 + len(label)
}

// innerLayers names what is around the messages of a packet that is open.
func innerLayers(plain []byte) (layers []string) {
	if len(plain) > 0 && wire.Type(plain[0]) == wire.TypeChecksum {
		layers = append(layers, "crc")
		plain = plain[wire.ChecksumSize:]
	}
	if len(plain) == 0 {
		return layers
	}
	switch t := wire.Type(plain[0]); t {
	case wire.TypeCompress, wire.TypeCompound:
		layers = append(layers, t.String())
	}
	return layers
}

// recordStream records one side of a stream.
func (w *tap) recordStream(k kind, stream []byte, layers []string, key int, t wire.Type) {
	c := recorded.Capture{Stream: true, Library: string(k), Layers: layers, Messages: []string{typeWord(t)}, Bytes: bytes.Clone(stream)}
	if slices.Contains(layers, "label") {
		c.Label = w.label
	}
	if key >= 0 {
		c.Key, c.Label = w.keys[key], w.label // authenticated, though a reply has no header
	}
	traffic.add(c)
}

// typeWord names a type in one word.
func typeWord(t wire.Type) string { return strings.ReplaceAll(t.String(), " ", "-") }

// TestRecorded holds that internal/recorded has every message of both libraries, in every layer.
func TestRecorded(t *testing.T) {
	if *recordTo != "" {
		t.Skip("it is being recorded")
	}
	all, err := recorded.All()
	if err != nil {
		t.Fatal(err)
	}
	have := make(map[string]bool)
	for _, c := range all {
		how := "packet "
		if c.Stream {
			how = "stream "
		}
		for _, what := range slices.Concat(c.Layers, c.Messages) {
			have[c.Library+" "+how+what] = true
		}
	}
	for _, library := range []kind{ours, theirs} {
		for how, whats := range map[string]string{
			"packet ": "ping indirect-ping ack nack suspect alive dead user label seal0 seal1 crc compress compound",
			"stream ": "push/pull user ping ack label seal0 seal1 compress",
		} {
			for what := range strings.FieldsSeq(whats) {
				if !have[string(library)+" "+how+what] {
					t.Errorf("no %s%s of %s", how, what, library)
				}
			}
		}
	}
}
