package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"sluice.io/lab/kubernetes/namespace"
	"sluice.io/lab/kubernetes/plan"
)

// place is where processes are started: from the thread that is in its namespaces, and into its control group.
type place struct {
	*namespace.Thread
	// group is the folder of a node's control group; nil for a place that is not a node.
	group *os.File
}

// makePlace makes a place's namespaces and control group, and links it to the router.
func makePlace(described plan.Place) (*place, error) {
	group, err := makeGroup(described)
	if err != nil {
		return nil, err
	}
	thread := 0
	made, err := namespace.NewThread(func() error {
		thread = unix.Gettid()
		return enter(described)
	})
	if err != nil {
		return nil, err
	}
	if err := hold(described, thread); err != nil {
		return nil, err
	}
	if err := linkToRouter(described); err != nil {
		return nil, err
	}
	made.Do(func() { err = prepareNetwork(described) })
	return &place{Thread: made, group: group}, err
}

// attributes are those of a process that is started here.
func (p *place) attributes() *syscall.SysProcAttr {
	if p.group == nil {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(p.group.Fd())}
}

func makeGroup(described plan.Place) (*os.File, error) {
	if described.PodRange == "" {
		return nil, nil
	}
	folder := groupFolder(described.Name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	return os.Open(folder)
}

func enter(described plan.Place) error {
	flags := unix.CLONE_NEWNET
	if described.PodRange != "" {
		flags |= unix.CLONE_NEWNS | unix.CLONE_NEWUTS
	}
	if err := unix.Unshare(flags); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if described.PodRange == "" {
		return nil
	}
	if err := unix.Sethostname([]byte(described.Name)); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	return prepareNodeMounts(groupFolder(described.Name))
}

// hold makes a thread's network namespace a file, to be found by others, and says which thread it is. Kernels since 6.18 refuse, at
// random, to do the same with a namespace of mounts.
func hold(described plan.Place, thread int) error {
	folder := placeFolder(described.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "thread"), []byte(strconv.Itoa(thread)), 0o644); err != nil {
		return err
	}
	file := filepath.Join(folder, "net")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return err
	}
	return mount(fmt.Sprintf("/proc/self/task/%d/ns/net", thread), file, "", unix.MS_BIND)
}

func placeFolder(name string) string {
	return filepath.Join(plan.Folder, "places", name)
}

func groupFolder(node string) string {
	return filepath.Join(plan.Folder, "cgroup", node)
}
