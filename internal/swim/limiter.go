package swim

import "time"

// Limits of the packets that one source may have sent: pings for it, acks to another address than the source's, answers to stale
// alive messages, and questions to members of which it says something incredible. Members ask for about one a protocol period.
const (
	answersPerPeriod = 16
	answersAtOnce    = 64

	// maxSources limits the sources that are remembered, of members and of others. More of a kind share one limit.
	maxSources = 1024
)

// answers limits the packets that are sent on the word of a peer. Members have limits of their own, which no other source can use
// up. Claimants are addresses to which packets go because a peer says that a member is there.
type answers struct{ members, strangers, claimants limiter }

// take reports whether another packet may be sent on the word of the sender of a packet. A sender on a transport without IP
// addresses is not limited.
func (a *answers) take(t *Turn, from *Endpoint) bool {
	if !a.has(t, from) {
		t.out.drop(DropRate)
		return false
	}
	return true
}

// has is take, but counts no drop.
func (a *answers) has(t *Turn, from *Endpoint) bool {
	if !from.AddrPort.IsValid() {
		return true
	}
	source, limit := addressOf(from.AddrPort).key(), &a.members
	if t.table.otherAt(from) == nil {
		source, limit = source.network(), &a.strangers
	}
	return limit.take(t.now, source, t.cfg.answersEvery(), answersAtOnce)
}

// takeClaimant reports whether another packet may be sent to a claimant.
func (a *answers) takeClaimant(t *Turn, at address) bool {
	if a.claimants.take(t.now, at.key(), t.cfg.answersEvery(), answersAtOnce) {
		return true
	}
	t.out.drop(DropRate)
	return false
}

// answersEvery returns the time after which a source has another answer.
func (c *Config) answersEvery() time.Duration { return min(c.period(), time.Second) / answersPerPeriod }

// network returns the part of an address that one host cannot change at will: an IPv4 address, or the first half of an IPv6
// address.
func (a address) network() address {
	a.port = 0
	if !a.isIPv4() {
		clear(a.ip[8:])
	}
	return a
}

// limiter has a token bucket for each source, in the form of the time when it is full again.
type limiter struct {
	sources map[address]time.Time
	shared  time.Time // of the sources above maxSources
	swept   time.Time
}

// take takes a token of a source, which has a new one every so often and a number at once, and reports whether there was one.
func (l *limiter) take(now time.Time, source address, every, atOnce time.Duration) bool {
	full, known := l.sources[source]
	if !known && len(l.sources) >= maxSources {
		l.sweep(now, every)
	}
	if !known && len(l.sources) >= maxSources {
		return takeToken(&l.shared, now, every, atOnce)
	}
	if !takeToken(&full, now, every, atOnce) {
		return false
	}
	if l.sources == nil {
		l.sources = make(map[address]time.Time)
	}
	l.sources[source] = full
	return true
}

// takeToken takes a token of a bucket of a size, which is full at a time and has a new token every so often.
func takeToken(full *time.Time, now time.Time, every time.Duration, size time.Duration) bool {
	if full.Before(now) {
		*full = now
	}
	if full.Sub(now) > (size-1)*every {
		return false
	}
	*full = full.Add(every)
	return true
}

// sweep forgets the sources whose buckets are full, if that was not done just now.
func (l *limiter) sweep(now time.Time, every time.Duration) {
	if now.Sub(l.swept) < every {
		return
	}
	l.swept = now
	for source, full := range l.sources {
		if !full.After(now) {
			delete(l.sources, source)
		}
	}
}

// Limits of the streams to members that failed, or whose names are claimed elsewhere: two a second, after 8 at once.
const (
	dialEvery   = time.Second / 2
	dialsAtOnce = 8
)

// dialLimit limits such streams.
type dialLimit struct{ full time.Time }

// take reports whether another one may be begun now.
func (d *dialLimit) take(now time.Time) bool { return takeToken(&d.full, now, dialEvery, dialsAtOnce) }
