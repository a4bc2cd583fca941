package container

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// dropPrivileges leaves the program what a container runtime would: see https://man7.org/linux/man-pages/man7/capabilities.7.html on how
// sets change when a user does and when a program begins.
func dropPrivileges(program Program) error {
	if err := limitCapabilities(program.Capabilities); err != nil {
		return err
	}
	user := program.User
	if err := syscall.Setgroups(user.Groups); err != nil {
		return os.NewSyscallError("setgroups", err)
	}
	if err := syscall.Setgid(user.Gid); err != nil {
		return os.NewSyscallError("setgid", err)
	}
	// A filter needs a privilege or the promise of no new ones.
	if program.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl", err)
		}
	}
	if program.Filtered {
		if err := filterSystemCalls(program.Capabilities); err != nil {
			return err
		}
	}
	if err := syscall.Setuid(user.Uid); err != nil {
		return os.NewSyscallError("setuid", err)
	}
	return setCapabilities(program)
}

// limitCapabilities takes from the bounding set what the program can never have.
func limitCapabilities(allowed []int) error {
	for capability := 0; capability <= unix.CAP_LAST_CAP; capability++ {
		if slices.Contains(allowed, capability) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("drop capability %d: %w", capability, err)
		}
	}
	return nil
}

// setCapabilities gives root what is allowed, and others nothing: they may still gain it by programs whose files have capabilities.
func setCapabilities(program Program) error {
	var sets [2]unix.CapUserData
	if program.User.Uid == 0 {
		for _, capability := range program.Capabilities {
			sets[capability/32].Effective |= 1 << (capability % 32)
			sets[capability/32].Permitted |= 1 << (capability % 32)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return os.NewSyscallError("capset", unix.Capset(&header, &sets[0]))
}
