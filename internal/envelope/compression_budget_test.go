package envelope

import "testing"

func TestCompressionBudget(t *testing.T) {
	const limit = 1400
	var b compressionBudget
	learn := func(plain, packed int) int {
		b.learn(plain, packed, limit)
		return int(b.bytes.Load())
	}
	if got := learn(limit, limit/2); got < limit/3 || got > limit/2 {
		t.Errorf("%d after one packet that shrank to half, want about half of the possible", got)
	}
	for range 20 {
		learn(limit, limit/2)
	}
	steady := limit - 2*limit/spareShare
	if got := int(b.bytes.Load()); got < steady-20 || got > steady+20 {
		t.Errorf("%d after many packets that shrank to half, want %d", got, steady)
	}
	if got := learn(limit/3, limit/3); got < steady-20 {
		t.Errorf("%d after a small packet, which tells nothing", got)
	}
	if got := learn(2*limit, limit*9/8); got > limit*3/4 {
		t.Errorf("%d after one that turned out too large, want no more than it could have been", got)
	}
	if got := learn(limit, limit+10); got != 0 {
		t.Errorf("%d after one that did not shrink, want 0", got)
	}
	for range 20 {
		learn(limit, 20)
	}
	if got := int(b.bytes.Load()); got != (maxPacking-1)*limit {
		t.Errorf("%d for content that shrinks to nothing, want %d", got, (maxPacking-1)*limit)
	}
	var jumbo compressionBudget
	for range 40 {
		jumbo.learn(60_000, 20_000, 60_000)
	}
	if got := jumbo.bytes.Load(); got != 0 {
		t.Errorf("%d with packets of 60,000 bytes: more than receivers take", got)
	}
}
