// Package doctor examines a running cluster from outside, as a process that is no member, and reports what is wrong with it.
//
// Examine asks every member that it learns of, starting with the given ones: for its view, by a push/pull; for acks, in a
// small packet, in a large one and on a stream; and for a ping of a few others. The result is a survey, which each rule in the table of
// rules reads for one kind of finding. A member that answers once and differs from the others is asked again, so that a change
// that is still spreading is no finding.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/internal/envelope"
	"github.com/e3431adc/memberlist/internal/visitor"
)

// Limits of an examination.
const (
	// maxMembers is the number of members that are asked; further ones are counted.
	maxMembers = 10_000

	// maxPairs is the number of other members that each is asked to ping.
	maxPairs = 3

	// tries is the number of packets after which a member that has acked none counts as unreachable by packets.
	tries = 3

	// pause is the time between a try that failed and the next one: a member that is busy for a moment may send a nack at once.
	pause = time.Second
)

// DefaultPacketSize is the size in bytes up to which members fill packets unless configured otherwise.
const DefaultPacketSize = 1400

// Options say which cluster to examine, and how.
type Options struct {
	Addresses  []string            // of members, as for memberlist.Join
	Keyring    *memberlist.Keyring // nil: no encryption
	Label      string
	Transport  memberlist.Transport             // opens streams: see memberlist.QueryRequest. Nil: TCP, and packets are tried too
	PacketSize int                              // in bytes: see DefaultPacketSize
	AtOnce     int                              // members that are asked at once, at least one
	Timeout    time.Duration                    // for each request
	Settle     time.Duration                    // before members whose views differ are asked again; 0: they are not
	Progress   func(phase string, done, of int) // may be called by several goroutines at once; nil: not at all
}

// Report is the result of an examination.
type Report struct {
	Members  int       `json:"members"`   // names and addresses that any member has
	Answered int       `json:"answered"`  // members whose views were read
	NotAsked int       `json:"not_asked"` // members above the limit
	Findings []Finding `json:"findings"`  // the worst first
}

// ErrNoMember is returned when no member at any of the addresses answers in a way that leads to others.
var ErrNoMember = errors.New("no member at the given addresses answers")

// Examine examines a cluster. It returns ErrNoMember, wrapped with the reasons, if it finds none, and the error of ctx if that
// ends first.
func Examine(ctx context.Context, o Options) (Report, error) {
	s, err := newSurvey(o)
	if err != nil {
		return Report{}, err
	}
	if s.pinger != nil {
		defer s.pinger.Close()
	}
	if err := s.start(ctx); err != nil {
		return Report{}, err
	}
	s.askAll(ctx)
	if o.Settle > 0 && !s.viewsAgree() {
		s.askAgain(ctx)
	}
	s.count()
	s.pingPairs(ctx)
	if ctx.Err() != nil {
		return Report{}, ctx.Err()
	}
	return s.report(), nil
}

// newVisitor returns a visitor with the options' label and keys.
func newVisitor(o *Options) (*visitor.Visitor, error) {
	var ring envelope.Ring
	if o.Keyring != nil {
		var keys []envelope.Key
		for _, b := range o.Keyring.GetKeys() {
			key, err := envelope.NewKey(b)
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
		ring.Store(keys)
	}
	return visitor.New(o.Label, &ring)
}

// start reads the first views, of which at least one is needed.
func (s *survey) start(ctx context.Context) error {
	var errs []error
	for _, address := range s.options.Addresses {
		view, err := s.query(ctx, address)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.seeds = append(s.seeds, s.learn(view.Members))
	}
	if len(errs) < len(s.options.Addresses) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrNoMember, errors.Join(errs...))
}

// report applies all rules.
func (s *survey) report() Report {
	r := Report{Members: len(s.subjects), NotAsked: s.notAsked}
	for _, m := range s.subjects {
		if m.view != nil {
			r.Answered++
		}
	}
	for _, rule := range rules {
		for _, f := range rule.find(s) {
			f.Kind, f.Severity, f.Meaning, f.Advice = rule.kind, rule.severity, rule.meaning, rule.advice
			r.Findings = append(r.Findings, f)
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
	return r
}
