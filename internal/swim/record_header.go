package swim

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/e3431adc/memberlist/internal/recorder"
)

// header is what is the same for all of a recording: how it is encoded, and the configuration of the core. It is encoded as pairs of texts,
// so that later versions of the core can read it.
type header struct {
	Program  string // what was recorded, for people
	Metadata bool   // is kept
	Allowed  bool   // Config.Allowed is set
	Calls    uint64 // the fingerprints of the encodings
	State    uint64
	Config   Config
}

// header returns the header of a recording.
func (r *Recorder) header(cfg *Config) []byte {
	h := header{Program: r.Program, Metadata: r.metadata, Allowed: cfg.Allowed != nil, Config: *cfg,
		Calls: r.codecs.calls.Fingerprint(), State: r.codecs.state.Fingerprint()}
	fields := recorder.Fields(h)
	var e recorder.Encoder
	e.Uvarint(uint64(len(fields)))
	for _, f := range fields {
		e.Text(f.Name)
		e.Text(f.Value)
	}
	return e.Buf
}

// readHeader reads a header. An error wraps recorder.ErrCorrupt.
func readHeader(b []byte) (*header, error) {
	d := recorder.NewDecoder(b, time.Time{}, false)
	var fields []recorder.Field
	for range min(d.Uvarint(), uint64(d.Len())) {
		fields = append(fields, recorder.Field{Name: d.Text(), Value: d.Text()})
	}
	if d.Err() != nil {
		return nil, fmt.Errorf("header: %w", d.Err())
	}
	h := new(header)
	if err := recorder.SetFields(h, fields); err != nil {
		return nil, err
	}
	if h.Allowed {
		h.Config.Allowed = func(netip.Addr) bool { return true } // the recording has the answers
	}
	return h, h.check()
}

// check refuses numbers that no program has, for which a core would work or allocate without end.
func (h *header) check() error {
	c := &h.Config
	for _, n := range []int{c.IndirectChecks, c.GossipNodes, c.PushPullNodes, c.RetransmitMult, c.SuspicionMult, c.SuspicionMaxTimeoutMult,
		c.AwarenessMaxMultiplier, int(c.Room)} {
		if n < 0 || n > maxConfigured {
			return fmt.Errorf("%w: the configuration has the number %d", recorder.ErrCorrupt, n)
		}
	}
	return nil
}

// maxConfigured is the greatest number in a configuration that is read.
const maxConfigured = 1 << 20
