package lifecycle

import (
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// kernelTimer is a timer of the kernel (timerfd) that is read as a socket is. A mostly idle process takes half the CPU time with it
// that it takes with time.AfterFunc: when a time.Timer expires the runtime also wakes its monitor thread, which stays awake while
// anything runs, and another thread to look for more work.
//
// The runs are on one goroutine: to start one for each would wake that thread. While a run is in a callback for long, a second timer
// starts another goroutine for the next run.
type kernelTimer struct {
	file *os.File
	fd   uintptr // the file's, valid while it has not been stopped
	raw  syscall.RawConn
	run  func()

	mu struct {
		sync.Mutex
		set     bool
		running bool // the last run that began, on the present reader
		stopped bool
		reader  chan struct{} // closed when the goroutine ends that waits for the timer
		guard   *kernelTimer  // nil: no run has been in a callback
	}
}

// The arguments of timerfd_create.
const (
	clockMonotonic = 1
	timerFlags     = syscall.O_NONBLOCK | syscall.O_CLOEXEC
)

// timerSpec is the kernel's struct itimerspec.
type timerSpec struct{ interval, value syscall.Timespec }

// longCallback is the time after which a run that is in a callback no longer delays the next one.
const longCallback = 50 * time.Millisecond

// newKernelTimer returns a timer that is not set, or nil if the kernel has none to give.
func newKernelTimer(run func()) timer {
	if t := openKernelTimer(run); t != nil {
		return t
	}
	return nil
}

func openKernelTimer(run func()) *kernelTimer {
	fd, _, errno := syscall.RawSyscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, timerFlags, 0)
	if errno != 0 {
		return nil
	}
	t := &kernelTimer{file: os.NewFile(fd, "timer"), fd: fd, run: run}
	var err error
	if t.raw, err = t.file.SyscallConn(); err != nil {
		t.file.Close()
		return nil
	}
	t.readLocked() // no other goroutine has it yet
	return t
}

// readLocked starts the goroutine that waits for the timer. It ends with Stop or takeOver, after the run that it may be in.
func (t *kernelTimer) readLocked() {
	reader := make(chan struct{})
	t.mu.reader = reader
	go func() {
		defer close(reader)
		for t.raw.Read(t.expired) == nil {
			t.run()
			if !t.goesOn(reader) {
				return
			}
		}
	}()
}

// expired reports whether the timer has gone off.
func (t *kernelTimer) expired(fd uintptr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var times uint64
	_, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&times)), unsafe.Sizeof(times))
	if errno != 0 || t.mu.stopped || !t.mu.set {
		return false
	}
	t.mu.set, t.mu.running = false, true
	return true
}

// goesOn is called after a run. It reports whether the goroutine is to wait for the timer again.
func (t *kernelTimer) goesOn(reader chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.stopped || t.mu.reader != reader {
		return false
	}
	t.mu.running = false
	return true
}

// beginCallback starts the guard, which calls takeOver unless endCallback is called before.
func (t *kernelTimer) beginCallback() {
	t.mu.Lock()
	if t.mu.guard == nil && !t.mu.stopped {
		t.mu.guard = openKernelTimer(t.takeOver)
	}
	guard := t.mu.guard
	t.mu.Unlock()
	if guard == nil {
		t.takeOver()
		return
	}
	guard.Reset(longCallback)
}

func (t *kernelTimer) endCallback() {
	t.mu.Lock()
	guard := t.mu.guard
	t.mu.Unlock()
	if guard != nil {
		guard.unset()
	}
}

// takeOver lets the next run begin, on another goroutine, before the last one has ended.
func (t *kernelTimer) takeOver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.running && !t.mu.stopped {
		t.mu.running = false
		t.readLocked()
	}
}

// Reset sets the timer, and reports whether it was set.
func (t *kernelTimer) Reset(d time.Duration) bool { return t.reset(true, max(d, 1)) } // 0 would unset it

func (t *kernelTimer) unset() { t.reset(false, 0) }

func (t *kernelTimer) reset(set bool, d time.Duration) (was bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.stopped {
		return false
	}
	was, t.mu.set = t.mu.set, set
	spec := timerSpec{value: syscall.NsecToTimespec(int64(d))}
	syscall.RawSyscall6(syscall.SYS_TIMERFD_SETTIME, t.fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	return was
}

// Stop ends the timer, and reports whether it was set. When it returns no goroutine waits for the timer; one that is in a run ends
// after it.
func (t *kernelTimer) Stop() bool {
	t.mu.Lock()
	was, running, reader, guard := t.mu.set, t.mu.running, t.mu.reader, t.mu.guard
	t.mu.set, t.mu.stopped = false, true
	t.mu.Unlock()
	t.file.Close()
	if !running {
		<-reader
	}
	if guard != nil {
		guard.Stop()
	}
	return was
}
