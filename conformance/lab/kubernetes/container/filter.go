package container

import (
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refusedCalls are what the default profiles of runtimes keep containers from, with the capabilities that lift the refusal: to load
// code into the kernel, to change the machine's clock, mounts, swap and accounting, and to reach into other processes' memory or
// namespaces. Those profiles list what is allowed instead, so they refuse more that is obsolete.
// https://kubernetes.io/docs/reference/node/seccomp/
var refusedCalls = map[uint32][]int{
	unix.SYS_ACCT:              {unix.CAP_SYS_PACCT},
	unix.SYS_ADD_KEY:           nil,
	unix.SYS_BPF:               {unix.CAP_SYS_ADMIN, unix.CAP_BPF},
	unix.SYS_CLOCK_ADJTIME:     {unix.CAP_SYS_TIME},
	unix.SYS_CLOCK_SETTIME:     {unix.CAP_SYS_TIME},
	unix.SYS_DELETE_MODULE:     {unix.CAP_SYS_MODULE},
	unix.SYS_FANOTIFY_INIT:     {unix.CAP_SYS_ADMIN},
	unix.SYS_FINIT_MODULE:      {unix.CAP_SYS_MODULE},
	unix.SYS_FSCONFIG:          {unix.CAP_SYS_ADMIN},
	unix.SYS_FSMOUNT:           {unix.CAP_SYS_ADMIN},
	unix.SYS_FSOPEN:            {unix.CAP_SYS_ADMIN},
	unix.SYS_FSPICK:            {unix.CAP_SYS_ADMIN},
	unix.SYS_INIT_MODULE:       {unix.CAP_SYS_MODULE},
	unix.SYS_KEXEC_LOAD:        {unix.CAP_SYS_BOOT},
	unix.SYS_KEYCTL:            nil,
	unix.SYS_MBIND:             {unix.CAP_SYS_NICE},
	unix.SYS_MIGRATE_PAGES:     nil,
	unix.SYS_MOUNT:             {unix.CAP_SYS_ADMIN},
	unix.SYS_MOUNT_SETATTR:     {unix.CAP_SYS_ADMIN},
	unix.SYS_MOVE_MOUNT:        {unix.CAP_SYS_ADMIN},
	unix.SYS_MOVE_PAGES:        nil,
	unix.SYS_OPEN_BY_HANDLE_AT: {unix.CAP_DAC_READ_SEARCH},
	unix.SYS_OPEN_TREE:         {unix.CAP_SYS_ADMIN},
	unix.SYS_PERF_EVENT_OPEN:   {unix.CAP_SYS_ADMIN, unix.CAP_PERFMON},
	unix.SYS_PIVOT_ROOT:        nil,
	unix.SYS_QUOTACTL:          {unix.CAP_SYS_ADMIN},
	unix.SYS_REBOOT:            {unix.CAP_SYS_BOOT},
	unix.SYS_REQUEST_KEY:       nil,
	unix.SYS_SETDOMAINNAME:     {unix.CAP_SYS_ADMIN},
	unix.SYS_SETHOSTNAME:       {unix.CAP_SYS_ADMIN},
	unix.SYS_SETNS:             {unix.CAP_SYS_ADMIN},
	unix.SYS_SETTIMEOFDAY:      {unix.CAP_SYS_TIME},
	unix.SYS_SWAPOFF:           nil,
	unix.SYS_SWAPON:            nil,
	unix.SYS_SYSLOG:            {unix.CAP_SYS_ADMIN, unix.CAP_SYSLOG},
	unix.SYS_UMOUNT2:           {unix.CAP_SYS_ADMIN},
	unix.SYS_UNSHARE:           {unix.CAP_SYS_ADMIN},
	unix.SYS_USERFAULTFD:       nil,
	unix.SYS_VHANGUP:           {unix.CAP_SYS_TTY_CONFIG},
}

// Where struct seccomp_data has the number of the call and the architecture.
const (
	numberOffset       = 0
	architectureOffset = 4
)

// filterSystemCalls has refused calls answered with EPERM on all threads, for good. Calls by another architecture's numbers kill.
func filterSystemCalls(capabilities []int) error {
	program := filterProgram(architecture(), refusedFor(capabilities))
	compiled := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&compiled)))
	if failed != 0 {
		return os.NewSyscallError("seccomp", failed)
	}
	return nil
}

func refusedFor(capabilities []int) []uint32 {
	var refused []uint32
	for call, lifting := range refusedCalls {
		if !slices.ContainsFunc(lifting, func(capability int) bool { return slices.Contains(capabilities, capability) }) {
			refused = append(refused, call)
		}
	}
	slices.Sort(refused)
	return refused
}

func filterProgram(architecture uint32, refused []uint32) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	end := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	equal := func(value uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: yes, Jf: no}
	}
	program := []unix.SockFilter{load(architectureOffset), equal(architecture, 1, 0), end(unix.SECCOMP_RET_KILL_PROCESS), load(numberOffset)}
	for i, number := range refused {
		program = append(program, equal(number, uint8(len(refused)-i), 0))
	}
	return append(program, end(unix.SECCOMP_RET_ALLOW), end(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
}

func architecture() uint32 {
	if runtime.GOARCH == "arm64" {
		return unix.AUDIT_ARCH_AARCH64
	}
	return unix.AUDIT_ARCH_X86_64
}
