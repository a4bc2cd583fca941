package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sluice.io/lab/kubernetes/plan"
)

// privateFolders are those that each node has for itself, empty at first, since pods may mount them from their host.
var privateFolders = []string{"/var/lib", "/var/log"}

// prepareMounts makes the mounts that all places of the lab see.
func prepareMounts(state, binary, container string) error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", 0); err != nil {
		return err
	}
	etc, err := openPath(filepath.Join(state, "etc"))
	if err != nil {
		return err
	}
	defer unix.Close(etc)
	program, err := openPath(binary)
	if err != nil {
		return err
	}
	defer unix.Close(program)
	containerProgram, err := openPath(container)
	if err != nil {
		return err
	}
	defer unix.Close(containerProgram)
	// The state folder itself may lie below /run.
	stateFolder, err := openPath(state)
	if err != nil {
		return err
	}
	defer unix.Close(stateFolder)
	if err := mount("tmpfs", "/run", "tmpfs", 0); err != nil {
		return err
	}
	for _, folder := range []string{"bin", "etc"} {
		if err := os.MkdirAll(filepath.Join(plan.Folder, folder), 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	for _, file := range []string{plan.Binary, plan.ContainerBinary} {
		if err := os.WriteFile(file, nil, 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("lab", filepath.Join(plan.Folder, "bin/kubectl")); err != nil {
		return err
	}
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	for _, err := range []error{
		mount(openFile(program), plan.Binary, "", unix.MS_BIND),
		mount(openFile(containerProgram), plan.ContainerBinary, "", unix.MS_BIND),
		mount(openFile(etc), filepath.Join(plan.Folder, "etc"), "", unix.MS_BIND),
		mount(openFile(stateFolder), state, "", unix.MS_BIND),
		coverResolver(),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// showGroups shows the lab's part of the tree of control groups, and nothing of the rest.
func showGroups(name string) error {
	whole, own := "/run/cgroup", filepath.Join(plan.Folder, "cgroup")
	for _, folder := range []string{whole, own} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := mount("cgroup2", whole, "cgroup2", 0); err != nil {
		return err
	}
	if err := mount(filepath.Join(whole, name), own, "", unix.MS_BIND); err != nil {
		return err
	}
	if err := unix.Unmount(whole, unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount", err)
	}
	return os.Remove(whole)
}

// coverResolver has names resolved inside the lab only.
func coverResolver() error {
	resolver := "/etc/resolv.conf"
	if target, err := filepath.EvalSymlinks(resolver); err == nil {
		return mount(filepath.Join(plan.Folder, "etc/resolv.conf"), target, "", unix.MS_BIND)
	}
	return nil
}

// prepareNodeMounts gives the thread, which has mounts of its own, the folders of a machine of its own.
func prepareNodeMounts(group string) error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE); err != nil {
		return err
	}
	lab, err := openPath(plan.Folder)
	if err != nil {
		return err
	}
	defer unix.Close(lab)
	if err := mount("tmpfs", "/run", "tmpfs", 0); err != nil {
		return err
	}
	for _, folder := range []string{plan.Folder, "/run/netns"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := mount(openFile(lab), plan.Folder, "", unix.MS_BIND|unix.MS_REC); err != nil {
		return err
	}
	for _, folder := range privateFolders {
		if err := mount("tmpfs", folder, "tmpfs", 0); err != nil {
			return err
		}
	}
	return prepareSystemMounts(group)
}

// prepareSystemMounts shows the devices of the node's own network and its own control groups, and gives it programs and maps of its own
// to pin.
func prepareSystemMounts(group string) error {
	if err := mount("sysfs", "/sys", "sysfs", 0); err != nil {
		return err
	}
	if err := mount(group, "/sys/fs/cgroup", "", unix.MS_BIND); err != nil {
		return err
	}
	if err := mount("bpf", "/sys/fs/bpf", "bpf", 0); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}

func mount(source, target, kind string, flags uintptr) error {
	if err := unix.Mount(source, target, kind, flags, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}

// openPath holds on to a file or folder that is about to be covered.
func openPath(path string) (int, error) {
	file, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return file, nil
}

func openFile(file int) string {
	return fmt.Sprintf("/proc/self/fd/%d", file)
}
