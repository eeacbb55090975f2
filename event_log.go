package memberlist

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/e3431adc/memberlist/internal/metrics"
	"github.com/e3431adc/memberlist/internal/swim"
)

// logEvents writes the lines that tell an operator why members come and go. Peers can cause most of them, and as many as they
// like: what is not written costs next to nothing.
func (m *Memberlist) logEvents(now time.Time, events []swim.Event) {
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case swim.EventProbeFailed:
			m.log.Burst(now, "suspect", slog.LevelInfo, logBurst, "suspecting member, no acks received",
				func() []slog.Attr { return memberAttrs(&e.Member) })
		case swim.EventTimeout:
			m.log.Burst(now, "failed", slog.LevelInfo, logBurst, "marking member as failed, suspicion timeout reached",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.Int("confirmations", e.Count)) })
		case swim.EventRefute:
			m.log.Burst(now, "refute", slog.LevelWarn, 1, "refuting message about this member",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.String("by", cmp.Or(e.From, "hearsay"))) })
		case swim.EventStreamOnly:
			m.log.Burst(now, "stream only", slog.LevelWarn, 1,
				"member answers on streams but not in packets, network may be misconfigured",
				func() []slog.Attr { return memberAttrs(&e.Member) })
		case swim.EventConflict:
			m.log.Burst(now, "conflict", slog.LevelError, 1, "two members have one name",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.Any("other", e.Other.Addr)) })
		case swim.EventMoved:
			m.log.Burst(now, "moved", slog.LevelInfo, logBurst, "member is back at another address",
				func() []slog.Attr { return memberAttrs(&e.Member, slog.Any("before", e.Other.Addr)) })
		case swim.EventIsolated:
			m.metrics.SetGauge(metrics.Isolated, 1)
			m.log.Warn("isolated: most other members have failed", slog.Int("lost", e.Count))
		case swim.EventIsolationEnded:
			m.metrics.SetGauge(metrics.Isolated, 0)
			m.log.Info("no longer isolated", slog.Int("lost", e.Count))
		}
	}
}
