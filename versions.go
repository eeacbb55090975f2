package memberlist

import (
	"fmt"

	"github.com/e3431adc/memberlist/internal/swim"
)

// versionRange bounds the versions that all alive members of a cluster understand, and the versions that members speak, be
// they alive or not: of the protocol, then of the delegate. Members without versions are left out: one such must not keep
// the others from joining.
//
// Compat: in the reference one such makes every join fail.
type versionRange struct {
	low, high       [2]uint8
	oldest, newest  [2]speaker
	last            swim.Versions // that were included last
	lastAlive, some bool          // of a member that is alive; whether there were any
}

// speaker is who speaks a version.
type speaker struct {
	version uint8
	name    string
}

// anyVersions is the range of no member.
func anyVersions() versionRange { return versionRange{high: [2]uint8{255, 255}} }

// includeState narrows the range by what a state says.
func (r *versionRange) includeState(name []byte, state int, vsn []byte) {
	if len(vsn) < len(swim.Versions{}) {
		return
	}
	v, alive := swim.Versions(vsn[:len(swim.Versions{})]), swim.State(state) == swim.StateAlive
	if r.some && v == r.last && alive == r.lastAlive { // as most are
		return
	}
	r.include(v, alive, func() string { return string(name) })
}

// include narrows the range by the versions of a member.
func (r *versionRange) include(v swim.Versions, alive bool, name func() string) {
	if !possible(v) {
		return
	}
	for i := range r.low {
		if alive {
			r.low[i] = max(r.low[i], v[3*i])
			r.high[i] = min(r.high[i], v[3*i+1])
		}
		speaks := v[3*i+2]
		if !r.some || speaks < r.oldest[i].version {
			r.oldest[i] = speaker{speaks, name()}
		}
		if !r.some || speaks > r.newest[i].version {
			r.newest[i] = speaker{speaks, name()}
		}
	}
	r.last, r.lastAlive, r.some = v, alive, true
}

// possible reports whether versions say anything: a member that never told
// them, or told nonsense, is not judged by them.
func possible(v swim.Versions) bool { return v[0] > 0 && v[0] <= v[1] && v[3] <= v[4] }

// check refuses a range if a member speaks a version which not all understand.
func (r *versionRange) check() error {
	if !r.some {
		return nil
	}
	for i, what := range []string{"protocol", "delegate protocol"} {
		for _, who := range []speaker{r.oldest[i], r.newest[i]} {
			if who.version < r.low[i] || who.version > r.high[i] {
				return fmt.Errorf("%w: %s version %d of member %q, the cluster understands [%d, %d]",
					ErrIncompatibleVersion, what, who.version, who.name, r.low[i], r.high[i])
			}
		}
	}
	return nil
}

// checkVersions refuses states of that range if not all alive members, ours and theirs, understand what each member speaks.
func (m *Memberlist) checkVersions(all *versionRange) error {
	m.mu.Lock()
	local := m.mu.core.DistinctVersions(nil)
	m.mu.Unlock()
	for i := range local {
		all.include(local[i].Versions, local[i].State == swim.StateAlive, func() string { return local[i].Name })
	}
	return all.check()
}
