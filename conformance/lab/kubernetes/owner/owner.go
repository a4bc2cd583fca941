// Package owner lets a process know when the one that owns it has ended, however that one ended.
package owner

import (
	"io"
	"os"
	"syscall"
)

// Variable names the environment variable that says that this process has an owner, who holds the other end of its
// standard input.
const Variable = "SLUICE_LAB_OWNED"

// Gone is closed when the owner has ended; never, if there is none. To be called once. Processes that this one starts have no owner.
func Gone() <-chan struct{} {
	gone := make(chan struct{})
	if os.Getenv(Variable) == "" {
		return gone
	}
	os.Unsetenv(Variable)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(gone)
	}()
	return gone
}

// EndWithOwner kills this process when its owner has ended.
func EndWithOwner() {
	gone := Gone()
	go func() {
		<-gone
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}()
}
