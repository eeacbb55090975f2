package swim

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestNameBlock: each name is as it came, whatever comes after it.
func TestNameBlock(t *testing.T) {
	var block nameBlock
	var got, want []string
	for i := range 1000 {
		name := []byte(strings.Repeat("n", i*7%50) + fmt.Sprint(i))
		want = append(want, string(name))
		got = append(got, block.add(name))
		clear(name)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("name %d is %q, want %q", i, got[i], want[i])
		}
	}
}

// TestNamesAreGivenBack when the last one of a block is forgotten; those that are kept take less together than each alone, and
// one that is kept for long holds no more than its block.
func TestNamesAreGivenBack(t *testing.T) {
	const members = 50_000
	startThreads(8)
	before := heapInUse()
	names := make([]string, members)
	array := heapInUse() - before
	taken := func() float64 { return float64(int64(heapInUse()-before) - int64(array)) }
	var block nameBlock
	for i := range names {
		names[i] = block.add(fmt.Appendf(nil, "node-%05d", i)) // 10 bytes: 12 in a block
	}
	block = nameBlock{}
	if perName := taken() / members; perName > 12 {
		t.Errorf("a name of 10 bytes takes %.1f", perName)
	}
	kept := 0
	for i := range names {
		if i%1000 == 0 {
			kept++
		} else {
			names[i] = ""
		}
	}
	if perName := taken() / float64(kept); perName > 2*nameBlockSize {
		t.Errorf("one in a thousand is kept, and takes %.1f bytes", perName)
	}
	clear(names)
	if left := taken(); left > members/10 {
		t.Errorf("%.0f bytes are left of names that were forgotten", left)
	}
	runtime.KeepAlive(names)
}

// startThreads has Go start so many threads, which it keeps: one that it starts while the heap is measured has some KB there.
func startThreads(n int) {
	var started, ended sync.WaitGroup
	started.Add(n)
	for range n {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			started.Wait()
		})
	}
	ended.Wait()
}
