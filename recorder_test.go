package memberlist

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/swim"
)

// TestWriteRecording replays the recording of a member that has answered pings, taken while another goroutine holds its mutex.
func TestWriteRecording(t *testing.T) {
	m := benchMember(t, func(c *Config) { c.Recorder = new(RecorderOptions) })
	ping := pingToAck(m)
	for range 100 {
		ping()
	}
	m.mu.Lock()
	var b bytes.Buffer
	err := m.WriteRecording(&b)
	m.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	f, err := recorder.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	replay, err := swim.NewReplay(f, true)
	if err != nil {
		t.Fatal(err)
	}
	turns := 0
	for {
		if _, err := replay.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		turns++
	}
	if turns < 100 {
		t.Errorf("%d turns", turns)
	}

	without := benchMember(t, func(*Config) {})
	if err := without.WriteRecording(io.Discard); !errors.Is(err, ErrNoRecorder) {
		t.Error(err)
	}
	if err := (&Config{Name: "x", Recorder: &RecorderOptions{Bytes: 1}}).Validate(); !errors.Is(err, ErrInvalidConfig) {
		t.Error(err)
	}
}
