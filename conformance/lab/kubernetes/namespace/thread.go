package namespace

import "runtime"

// Thread is a thread that lives as long as its process, for what depends on threads: namespaces, and the signal that a process is sent
// at the death of the thread that it was born to.
type Thread struct {
	work chan func()
}

// NewThread starts a thread and has it do something first, such as to enter namespaces. There is no thread where that fails.
func NewThread(first func() error) (*Thread, error) {
	made := &Thread{work: make(chan func())}
	ready := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := first()
		ready <- err
		if err != nil {
			return
		}
		for something := range made.work {
			something()
		}
	}()
	return made, <-ready
}

// Do waits until something is done on the thread.
func (t *Thread) Do(something func()) {
	done := make(chan struct{})
	t.work <- func() {
		something()
		close(done)
	}
	<-done
}
