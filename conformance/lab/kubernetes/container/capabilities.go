package container

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

var capabilityNames = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
	"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
	"PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// usualCapabilities are those that containerd gives where a pod does not say otherwise.
var usualCapabilities = []int{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FSETID, unix.CAP_FOWNER, unix.CAP_MKNOD, unix.CAP_NET_RAW, unix.CAP_SETGID,
	unix.CAP_SETUID, unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_CHROOT, unix.CAP_KILL,
	unix.CAP_AUDIT_WRITE,
}

// Capabilities gives the numbers of what a container may have: everything where it is privileged, else what is usual without what is
// dropped and with what is added. Names are those of Kubernetes, `ALL` included.
func Capabilities(privileged bool, drop, add []string) ([]int, error) {
	if privileged {
		return everyCapability(), nil
	}
	allowed := slices.Clone(usualCapabilities)
	dropped, err := parse(drop)
	if err != nil {
		return nil, err
	}
	added, err := parse(add)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(drop, isAll) {
		allowed = nil
	}
	if slices.ContainsFunc(add, isAll) {
		allowed, added = everyCapability(), nil
	} else {
		dropped = slices.DeleteFunc(dropped, func(capability int) bool { return slices.Contains(added, capability) })
	}
	allowed = slices.DeleteFunc(allowed, func(capability int) bool { return slices.Contains(dropped, capability) })
	allowed = append(allowed, added...)
	slices.Sort(allowed)
	return slices.Compact(allowed), nil
}

func parse(names []string) ([]int, error) {
	var numbers []int
	for _, name := range names {
		if isAll(name) {
			continue
		}
		number := slices.Index(capabilityNames, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
		if number < 0 {
			return nil, fmt.Errorf("no capability %s", name)
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

func isAll(name string) bool { return strings.EqualFold(name, "ALL") }

func everyCapability() []int {
	every := make([]int, unix.CAP_LAST_CAP+1)
	for i := range every {
		every[i] = i
	}
	return every
}
