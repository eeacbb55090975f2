package metrics

import (
	"sync"
	"testing"
)

// TestTrafficIsExact, also beyond what fits into its atomic part.
func TestTrafficIsExact(t *testing.T) {
	for _, tt := range []struct {
		name  string
		times int
		bytes int
	}{
		{"nothing", 0, 0},
		{"empty packets", 3, 0},
		{"many packets", 4_000_000, 1},
		{"many bytes", 2000, 1 << 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tr Traffic
			var adders sync.WaitGroup
			for range 4 {
				adders.Go(func() {
					for range tt.times {
						tr.Add(tt.bytes)
					}
				})
			}
			before, _ := tr.Load()
			early := tr.unreported()
			adders.Wait()
			packets, bytes := tr.Load()
			if want := uint64(4 * tt.times); packets != want || bytes != want*uint64(tt.bytes) || before > packets {
				t.Errorf("%d packets of %d bytes, %d before, want %d of %d", packets, bytes, before, want, want*uint64(tt.bytes))
			}
			if late := tr.unreported(); early+late != bytes || tr.unreported() != 0 {
				t.Errorf("reported %d and %d bytes of %d", early, late, bytes)
			}
		})
	}
}
