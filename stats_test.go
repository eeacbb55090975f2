package memberlist

import (
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/e3431adc/memberlist/internal/metrics"
)

// TestStatsHasEveryCounter: no counter is left out of Stats.
func TestStatsHasEveryCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMember(t, new(MockNetwork), "a", nil)
		before := m.Stats()
		for i := range metrics.NumCounters {
			m.metrics.Add(i, 1000)
		}
		after := m.Stats()
		changed := 0
		for _, pair := range [][2]reflect.Value{
			{reflect.ValueOf(before), reflect.ValueOf(after)},
			{reflect.ValueOf(before.Dropped), reflect.ValueOf(after.Dropped)},
		} {
			for i := range pair[0].NumField() {
				if f := pair[0].Field(i); f.Kind() == reflect.Uint64 && pair[1].Field(i).Uint() == f.Uint()+1000 {
					changed++
				}
			}
		}
		if changed != int(metrics.NumCounters) {
			t.Errorf("%d fields show the %d counters", changed, metrics.NumCounters)
		}
	})
}
