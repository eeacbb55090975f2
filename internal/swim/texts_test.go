package swim

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"

	"github.com/e3431adc/memberlist/internal/queue"
	"github.com/e3431adc/memberlist/internal/wire"
)

// TestTexts: each is there for as long as it is in use, under its number; what is not is not held on to, and its number is
// used again.
func TestTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type use struct {
		number uint32
		text   string
	}
	var set textSet
	var uses []use
	for step := range 10_000 {
		if len(uses) > 0 && r.IntN(100) < 45+step%20 {
			i := r.IntN(len(uses))
			set.drop(uses[i].number)
			uses[i] = uses[len(uses)-1]
			uses = uses[:len(uses)-1]
		} else {
			text := fmt.Sprint(r.IntN(3))[:r.IntN(2)]
			uses = append(uses, use{set.add(text), text})
		}
		for _, u := range uses {
			if got := set.at(u.number); got != u.text {
				t.Fatalf("step %d: number %d is %q, want %q", step, u.number, got, u.text)
			}
		}
		if len(set.all) > 2*len(uses)+100 {
			t.Fatalf("step %d: memory for %d texts, %d are in use", step, len(set.all), len(uses))
		}
	}
	for _, u := range uses {
		set.drop(u.number)
	}
	for i, held := range set.all {
		if held != (text{}) {
			t.Errorf("number %d still is %v", i+1, held)
		}
	}
	if first, again := set.add("a"), set.add("a"); first != again {
		t.Errorf("a text that is added twice has the numbers %d and %d", first, again)
	}
}

// TestTextsOfBroadcasts are in use only by what is queued, whatever happens to it.
func TestTextsOfBroadcasts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := newNode(t, func(c *Config) { c.GossipToTheDeadTime = 0 }).meet(9)
	for step := range 5000 {
		name, by, incarnation := memberName(1+r.IntN(9)), memberName(1+r.IntN(9)), uint32(1+step/50+r.IntN(2))
		switch r.IntN(10) {
		case 0:
			n.Step(n.now, Endpoint{}, &wire.Dead{Incarnation: incarnation, Node: name, From: by})
		case 1, 2, 3:
			n.Step(n.now, Endpoint{}, &wire.Suspect{Incarnation: incarnation, Node: name, From: by})
		case 4:
			n.Forget(n.now, name)
		case 5:
			n.queue.order.Take(2, 200, 2, func(_ queue.Handle, b *broadcast, removed bool) {
				if removed {
					n.left(b)
				}
			})
		case 6:
			n.SetRoom([]int{30, 1400}[r.IntN(2)]) // nothing fits, or all does
		default:
			a := aliveOf(1+r.IntN(9), incarnation)
			a.Vsn = [][]byte{testVersions[:], nil, {1, 5}}[r.IntN(3)]
			n.alive(a)
		}
		n.take()
		used := 0
		for _, held := range n.queue.texts.all {
			used += held.uses
		}
		if used > n.NumQueued() {
			t.Fatalf("step %d: %d texts of %d broadcasts", step, used, n.NumQueued())
		}
	}
	for n.NumQueued() > 0 {
		n.queued()
	}
	for i, held := range n.queue.texts.all {
		if held != (text{}) {
			t.Errorf("number %d still is %v, and nothing is queued", i+1, held)
		}
	}
}

// TestBroadcastMemory: a broadcast is small, and the collector need not look at it.
func TestBroadcastMemory(t *testing.T) {
	if size := unsafe.Sizeof(broadcast{}); size > 16 {
		t.Errorf("a broadcast has %d bytes", size)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[broadcast]()) {
		if kind := field.Type.Kind(); kind < reflect.Bool || kind > reflect.Float64 {
			t.Errorf("%s is a %v", field.Name, kind)
		}
	}
}
