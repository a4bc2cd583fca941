// Package owner lets a process end with the one that owns it, however that one ends.
package owner

import (
	"io"
	"os"
	"syscall"
)

// Variable names the environment variable that says that this process has an owner, who holds the other end of its
// standard input.
const Variable = "SLUICE_LAB_OWNED"

// EndWithOwner kills this process when its standard input ends, if it has an owner. Processes that it starts have none.
func EndWithOwner() {
	if os.Getenv(Variable) == "" {
		return
	}
	os.Unsetenv(Variable)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}()
}
