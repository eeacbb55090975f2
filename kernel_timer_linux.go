package memberlist

import (
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// kernelTimer is a timer of the kernel that is read like a socket (timerfd), and is used like one of time.AfterFunc. A process
// that does little else takes half the CPU time with it: for each time.Timer that goes off the runtime also wakes its
// monitor, which then stays awake for as long as anything runs, and a thread to help with what there may be to do.
//
// The runs are on one goroutine, as starting one for each would wake that thread. When a run takes long in user code, a second
// timer lets the next one begin on another goroutine.
type kernelTimer struct {
	file *os.File
	fd   uintptr // the file's, valid while it has not been stopped
	raw  syscall.RawConn
	run  func()

	mu struct {
		sync.Mutex
		set     bool
		running bool // the last run that began
		stopped bool
		reader  chan struct{} // closed when the goroutine ends that waits for the timer
		guard   *kernelTimer  // nil: no run has called user code
	}
}

// The arguments of timerfd_create.
const (
	clockMonotonic = 1
	timerFlags     = syscall.O_NONBLOCK | syscall.O_CLOEXEC
)

// timerSpec is the kernel's struct itimerspec.
type timerSpec struct{ interval, value syscall.Timespec }

// longRun is how long a run may be in user code before the next one may begin.
const longRun = 50 * time.Millisecond

// newAlarmTimer returns a timer that is not set, or nil if there can be none.
func newAlarmTimer(run func()) alarmTimer {
	if t := newKernelTimer(run); t != nil {
		return t
	}
	return nil
}

func newKernelTimer(run func()) *kernelTimer {
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

// readLocked starts the goroutine that waits for the timer. It ends with Stop or takeOver, and with the run in which it is then.
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

// goesOn reports after a run whether its goroutine is to wait for the timer again.
func (t *kernelTimer) goesOn(reader chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.stopped || t.mu.reader != reader {
		return false
	}
	t.mu.running = false
	return true
}

// beginUserCode has the next run begin elsewhere unless endUserCode is called soon.
func (t *kernelTimer) beginUserCode() {
	t.mu.Lock()
	if t.mu.guard == nil && !t.mu.stopped {
		t.mu.guard = newKernelTimer(t.takeOver)
	}
	guard := t.mu.guard
	t.mu.Unlock()
	if guard == nil {
		t.takeOver()
		return
	}
	guard.Reset(longRun)
}

func (t *kernelTimer) endUserCode() {
	t.mu.Lock()
	guard := t.mu.guard
	t.mu.Unlock()
	if guard != nil {
		guard.unset()
	}
}

// takeOver lets the next run begin though the last one has not ended.
func (t *kernelTimer) takeOver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.running && !t.mu.stopped {
		t.mu.running = false
		t.readLocked()
	}
}

// Reset sets the timer anew, and reports whether it was set.
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

// Stop stops the timer for good, and reports whether it was set. When it returns no goroutine waits for the timer; one that is in
// a run ends with that.
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
