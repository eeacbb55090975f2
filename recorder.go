package memberlist

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/e3431adc/memberlist/internal/swim"
)

// RecorderOptions are what Config.Recorder keeps. The zero value is that of a recorder with all defaults.
type RecorderOptions struct {
	// Bytes is the memory for what went into the protocol: at least the last half of so many bytes is kept. It is at least 64 KiB; 0:
	// 1 MiB. A member of a hundred at rest needs some 6 KiB a minute. Besides, there are up to two copies of what the member knew, of
	// some 100 bytes for each member of the cluster. One is made each time that half of Bytes is full.
	Bytes int

	// Metadata keeps the metadata of members, and the payloads of acks. Otherwise a recording has only their lengths and checksums.
	Metadata bool
}

// The limits of RecorderOptions.Bytes.
const (
	defaultRecorderBytes = 1 << 20
	leastRecorderBytes   = 64 << 10
	mostRecorderBytes    = 1 << 30
)

func (c *Config) recorderViolations() (errs []error) {
	if c.Recorder != nil && (c.Recorder.Bytes < leastRecorderBytes || c.Recorder.Bytes > mostRecorderBytes) {
		errs = append(errs, fmt.Errorf("Recorder.Bytes: %d is not between %d and %d", c.Recorder.Bytes, leastRecorderBytes, mostRecorderBytes))
	}
	return errs
}

// recorderWithDefaults returns a copy of the options, with defaults.
func recorderWithDefaults(o *RecorderOptions) *RecorderOptions {
	if o == nil {
		return nil
	}
	d := *o
	if d.Bytes == 0 {
		d.Bytes = defaultRecorderBytes
	}
	return &d
}

// newRecorder returns the recorder of a core, or nil.
func (c *Config) newRecorder() *swim.Recorder {
	if c.Recorder == nil {
		return nil
	}
	r := swim.NewRecorder(c.Recorder.Bytes, c.Recorder.Metadata)
	r.Program = programVersion()
	return r
}

// programVersion returns the version of this module in the running program.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	version := info.Main.Version
	for _, m := range info.Deps {
		if m.Path == modulePath {
			version = m.Version
		}
	}
	return "memberlist " + version + ", " + info.GoVersion
}

const modulePath = "github.com/e3431adc/memberlist"

// WriteRecording writes what Config.Recorder has kept, for "memberlist replay". It returns ErrNoRecorder if there is no recorder, or
// the error of w. It may be called at any time, also after Shutdown; it takes no lock, so it may be called by a goroutine that panics,
// whatever that holds. A recording that is taken while the member works may end within a call.
func (m *Memberlist) WriteRecording(w io.Writer) error {
	if m.recorder == nil {
		return ErrNoRecorder
	}
	_, err := m.recorder.File().WriteTo(w)
	return err
}
