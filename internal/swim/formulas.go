package swim

import (
	"math"
	"time"
)

// suspicionTimeout returns the minimum suspicion timeout in a cluster of n members: mult * max(1, log10 n) *
// interval, with log10 n rounded down to thousandths.
func suspicionTimeout(mult, n int, interval time.Duration) time.Duration {
	scale := math.Max(1, math.Log10(math.Max(1, float64(n))))
	return time.Duration(mult) * time.Duration(scale*1000) * interval / 1000
}

// suspicionConfirmations is how many confirmations bring a suspicion down to
// its least time (Lifeguard section IV-B: K); 0 if the cluster is too small.
func suspicionConfirmations(mult, n int) int {
	k := mult - 2
	if n-2 < k {
		return 0
	}
	return max(k, 0)
}

// confirmedTimeout returns the timeout of a suspicion after c of k confirmations (Lifeguard section IV-B): it falls
// from longest to least with the logarithm of c, in steps of a millisecond.
func confirmedTimeout(c, k int, least, longest time.Duration) time.Duration {
	if k < 1 {
		return least
	}
	frac := math.Log(float64(c)+1) / math.Log(float64(k)+1)
	seconds := longest.Seconds() - frac*(longest.Seconds()-least.Seconds())
	return max(least, time.Duration(math.Floor(1000*seconds))*time.Millisecond)
}

// pushPullScaleThreshold is the size of a cluster up to which the push/pull
// interval is not stretched.
const pushPullScaleThreshold = 32

// pushPullInterval returns the time between two push/pulls in a cluster of n members: interval * (ceil(log2 n - log2
// 32) + 1) above 32 members.
func pushPullInterval(interval time.Duration, n int) time.Duration {
	if n <= pushPullScaleThreshold {
		return interval
	}
	steps := math.Ceil(math.Log2(float64(n)) - math.Log2(pushPullScaleThreshold))
	return time.Duration(steps+1) * interval
}

// nextIncarnation returns the next incarnation; it saturates.
func nextIncarnation(inc uint32) uint32 {
	if inc == MaxIncarnation {
		return inc
	}
	return inc + 1
}
