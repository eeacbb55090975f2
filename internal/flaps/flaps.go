// Package flaps has tests that were made from recordings: "memberlist replay -test -member NAME FILE" writes one, to a file of this directory.
// It fails as long as the core declares that member dead when it gets what the recorded core got: each time counts, whether or not the member
// was alive again later, as a recording may end before that.
package flaps

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/e3431adc/memberlist/internal/recorder"
	"github.com/e3431adc/memberlist/internal/swim"
)

// Test returns the source of a test that checks a recording with Deaths.
func Test(member string, recording []byte) (string, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(recording); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return fmt.Sprintf(source, member, base64.StdEncoding.EncodeToString(b.Bytes())), nil
}

const source = `package flaps

import "testing"

func TestFlap(t *testing.T) {
	deaths, err := Deaths(%q, %q)
	if err != nil {
		t.Fatal(err)
	}
	for _, death := range deaths {
		t.Error(death)
	}
}
`

// maxRecording is the maximum size of a recording in a test, in bytes.
const maxRecording = 256 << 20

// Deaths replays a recording that Test has encoded, as an experiment, and returns a line for each time at which a member is declared dead.
func Deaths(member, encoded string) (deaths []string, err error) {
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(encoded)))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(z, maxRecording))
	if err != nil {
		return nil, err
	}
	f, err := recorder.Read(b)
	if err != nil {
		return nil, err
	}
	replay, err := swim.NewReplay(f, false)
	if err != nil {
		return nil, err
	}
	for {
		turn, err := replay.Next()
		if errors.Is(err, io.EOF) {
			return deaths, nil
		}
		if err != nil {
			return deaths, err
		}
		for i := range turn.Out.Events {
			if e := &turn.Out.Events[i]; e.Kind == swim.EventLeave && e.Member.Name == member && e.Member.State == swim.StateDead {
				deaths = append(deaths, fmt.Sprintf("%v: %s is declared dead at incarnation %d", turn.At, member, e.Member.Incarnation))
			}
		}
	}
}
