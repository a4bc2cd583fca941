// Package namespace does things in namespaces other than the process's own.
package namespace

import (
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// InNew calls do on a thread of its own that has left the process's namespaces of these kinds for new ones (unix.CLONE_NEW...).
// The thread ends afterwards, and the namespaces with it unless something else holds them.
func InNew(kinds int, do func() error) error {
	return onThread(func() error {
		if err := unix.Unshare(kinds); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		return do()
	})
}

// In calls do on a thread of its own that has joined the namespace behind the path, of this kind.
func In(path string, kind int, do func() error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return onThread(func() error {
		if err := unix.Setns(int(file.Fd()), kind); err != nil {
			return os.NewSyscallError("setns", err)
		}
		return do()
	})
}

// Dial connects by TCP from within the network namespace behind the path.
func Dial(path, address string, timeout time.Duration) (net.Conn, error) {
	var connection net.Conn
	err := In(path, unix.CLONE_NEWNET, func() (err error) {
		connection, err = net.DialTimeout("tcp4", address, timeout)
		return err
	})
	return connection, err
}

// onThread never unlocks the thread, so that it ends with the goroutine instead of being used for others.
func onThread(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- do()
	}()
	return <-done
}
