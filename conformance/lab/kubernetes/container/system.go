package container

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var devices = []string{"full", "null", "random", "tty", "urandom", "zero"}

var deviceLinks = map[string]string{
	"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
}

// mountSystem shows the kernel's file systems. Only who is privileged may change the machine by them, and sees the machine's devices.
// https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-filesystems
func mountSystem(spec *Spec) error {
	in := func(path string) string { return Resolve(spec.Root, path) }
	for _, folder := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/etc"} {
		if err := os.MkdirAll(in(folder), 0o755); err != nil {
			return err
		}
	}
	if err := mount("proc", in("/proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := mount("sysfs", in("/sys"), "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := mount("/sys/fs/cgroup", in("/sys/fs/cgroup"), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if !spec.Privileged {
		if err := remountReadonly(in("/sys")); err != nil {
			return err
		}
	}
	if spec.Lower == "/" {
		// The machine's own sockets and pidfiles are no part of an image.
		if err := mount("tmpfs", in("/run"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return err
		}
	}
	return mountDevices(spec, in("/dev"))
}

func mountDevices(spec *Spec, folder string) error {
	if spec.Privileged {
		return mount("/dev", folder, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err := mount("tmpfs", folder, "tmpfs", unix.MS_NOSUID|unix.MS_STRICTATIME, "mode=755,size=65536k"); err != nil {
		return err
	}
	for _, name := range devices {
		target := filepath.Join(folder, name)
		if err := os.WriteFile(target, nil, 0o666); err != nil {
			return err
		}
		if err := mount(filepath.Join("/dev", name), target, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	for name, target := range deviceLinks {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	for _, system := range []struct{ name, kind, data string }{
		{"pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"},
		{"shm", "tmpfs", "mode=1777,size=65536k"},
		{"mqueue", "mqueue", ""},
	} {
		target := filepath.Join(folder, system.name)
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		if err := mount(system.kind, target, system.kind, unix.MS_NOSUID|unix.MS_NOEXEC, system.data); err != nil {
			if system.kind == "mqueue" { // Not every kernel has it.
				continue
			}
			return fmt.Errorf("devices: %w", err)
		}
	}
	return nil
}
