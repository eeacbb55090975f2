package memberlist

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/e3431adc/memberlist/internal/swim"
)

func TestEvidenceString(t *testing.T) {
	at := "10.0.0.3:7946"
	for _, tt := range []struct {
		name string
		e    *Evidence
		want string
	}{
		{"none", nil, ""},
		{"a crash", &Evidence{Cause: CauseRefused, By: "a", SuspectedBy: "a", Confirmed: []string{"d", "e"}, Suspected: 3234 * time.Millisecond,
			Timeout: 5100 * time.Millisecond, Health: 2, Probe: &ProbeEvidence{Address: at, Pings: 4, Waited: 500 * time.Millisecond,
				Helpers: []HelperEvidence{{"b", ProbeSilent}, {"c", ProbeRefused}}, Stream: ProbeRefused}},
			"several members found that no process listens there; no ack to 4 pings to 10.0.0.3:7946, the first within 500ms; " +
				"helpers: b silent, c refused; stream refused; confirmed by d and e; suspected for 3.23s of 5.1s; own health score 2"},
		{"a suspicion", &Evidence{By: "a", SuspectedBy: "a", Timeout: 5 * time.Second, Probe: &ProbeEvidence{Address: at, Pings: 1,
			Waited: 500 * time.Millisecond, Stream: ProbeFailed, StreamError: "no route\nto host"}},
			"no ack to the ping to 10.0.0.3:7946 within 500ms; stream failed: no route?to host; may refute for 5s"},
		{"one that was not sent", &Evidence{Probe: &ProbeEvidence{Address: at, SendError: "no buffer", Stream: ProbeSilent}},
			"ping to 10.0.0.3:7946 not sent: no buffer; stream timed out"},
		{"gossip", &Evidence{Cause: CauseGossip, By: "b", Sender: "c", SuspectedBy: "b", Timeout: 5 * time.Second, Confirmed: []string{"d", "e", "f"}},
			"by the word of b in gossip from c; confirmed by d, e and f; may refute for 5s"},
		{"a push/pull", &Evidence{Cause: CausePushPull, Sender: "10.0.0.9"}, "heard in a push/pull from 10.0.0.9"},
		{"a return", &Evidence{Cause: CauseGossip, By: "c", Sender: "c", Down: time.Minute}, "by the word of c in gossip; was down for 1m0s"},
		{"a timeout", &Evidence{Cause: CauseTimeout, By: "a", SuspectedBy: "b", Suspected: 5 * time.Second, Timeout: 5 * time.Second, Acked: true},
			"not refuted in time; suspected by b; answered a ping meanwhile; suspected for 5s of 5s"},
		{"silence", &Evidence{Cause: CauseSilent}, "several members got no answer"},
		{"another process", &Evidence{Cause: CauseReplaced}, "another process has its name or address"},
		{"a program", &Evidence{Cause: CauseProgram}, "a program said so"},
		{"its own answer", &Evidence{Cause: CauseProbe}, "answered a ping"},
		{"a hostile name", &Evidence{Cause: CauseGossip, By: "x\n; confirmed by \u202e" + strings.Repeat("w", 500)},
			`by the word of "x\n; confirmed by \u202e` + strings.Repeat("w", 60) + `..." in gossip`},
		{"a later version", &Evidence{Cause: 99, Probe: &ProbeEvidence{Address: at, Pings: 1, Stream: 99}},
			"cause 99; no ack to the ping to 10.0.0.3:7946 within 0s; stream result 99"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.e.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestEvidenceLogged: the attributes are those that say something.
func TestEvidenceLogged(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log.Info("m", slog.Any("evidence", (*Evidence)(nil)))
	log.Info("m", slog.Any("evidence", &Evidence{Cause: CausePushPull, Sender: "b", Down: time.Second}))
	log.Info("m", slog.Any("evidence", &Evidence{By: "a", SuspectedBy: "a", Timeout: 3, Suspected: 2, Health: 1, Confirmed: []string{"d", "e"},
		Acked: true, Probe: &ProbeEvidence{Address: "10.0.0.3:7946", Pings: 2, Waited: 5, SendError: "no", Stream: ProbeFailed, StreamError: "bad",
			Helpers: []HelperEvidence{{"b", ProbeSilent}, {"c", ProbeNacked}}}}))
	want := `{"level":"INFO","msg":"m"}
{"level":"INFO","msg":"m","evidence":{"cause":"push/pull","sender":"b","health":0,"down":1000000000}}
{"level":"INFO","msg":"m","evidence":{"cause":"probe","by":"a","health":1,"pinged":"10.0.0.3:7946","pings":2,"waited":5,"send_error":"no",` +
		`"helpers":"b silent, c nacked","stream":"failed","stream_error":"bad","suspected_by":"a","confirmed":"d, e","suspected":2,"timeout":3,"acked":true}}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

// TestEvidenceOfCore: each constant means what it does in the core, and senders are shown by name, or by their address.
func TestEvidenceOfCore(t *testing.T) {
	for ours, theirs := range map[EvidenceCause]swim.Cause{CauseProbe: swim.CauseProbe, CauseGossip: swim.CauseGossip, CausePushPull: swim.CausePushPull,
		CauseTimeout: swim.CauseTimeout, CauseRefused: swim.CauseRefused, CauseSilent: swim.CauseSilent, CauseReplaced: swim.CauseReplaced,
		CauseProgram: swim.CauseProgram} {
		if got := newEvidence(&swim.Evidence{Cause: theirs}).Cause; got != ours {
			t.Errorf("%v is %v", theirs, got)
		}
	}
	for ours, theirs := range map[ProbeResult]swim.Result{ProbeNone: swim.ResultNone, ProbeSilent: swim.ResultSilent, ProbeAcked: swim.ResultAcked,
		ProbeNacked: swim.ResultNacked, ProbeRefused: swim.ResultRefused, ProbeConnected: swim.ResultConnected, ProbeFailed: swim.ResultFailed} {
		if got := newProbeEvidence(&swim.Findings{Stream: theirs}).Stream; got != ours {
			t.Errorf("%v is %v", theirs, got)
		}
	}
	at := netip.MustParseAddrPort("10.0.0.3:7946")
	for _, tt := range []struct {
		e    swim.Evidence
		want string
	}{
		{swim.Evidence{Sender: swim.Endpoint{Name: "b", AddrPort: at}}, "b"},
		{swim.Evidence{Cause: swim.CauseGossip, Sender: swim.Endpoint{AddrPort: at}}, "10.0.0.3:7946"},
		{swim.Evidence{Cause: swim.CausePushPull, Sender: swim.Endpoint{AddrPort: at}}, "10.0.0.3"},
		{swim.Evidence{Sender: swim.Endpoint{Text: "pipe"}}, "pipe"},
	} {
		if got := newEvidence(&tt.e).Sender; got != tt.want {
			t.Errorf("sender %q, want %q", got, tt.want)
		}
	}
}
