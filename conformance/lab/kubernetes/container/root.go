package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// buildRoot makes the container's root folder and moves into it, so that nothing of the node's is left to be reached.
func buildRoot(spec *Spec) error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", spec.Lower, spec.Upper, spec.Work)
	if err := mount("overlay", spec.Root, "overlay", 0, layers); err != nil {
		return err
	}
	if err := mountSystem(spec); err != nil {
		return err
	}
	mounts := slices.Clone(spec.Mounts)
	slices.SortStableFunc(mounts, func(a, b Mount) int { return strings.Compare(a.Target, b.Target) })
	for _, shown := range mounts {
		if err := bind(spec.Root, shown); err != nil {
			return fmt.Errorf("%s: %w", shown.Target, err)
		}
	}
	if err := restrictPaths(spec); err != nil {
		return err
	}
	return moveInto(spec.Root)
}

func bind(root string, shown Mount) error {
	source, err := os.Stat(shown.Source)
	if err != nil {
		return err
	}
	target := Resolve(root, shown.Target)
	if err := makeTarget(target, source.IsDir()); err != nil {
		return err
	}
	if err := mount(shown.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := propagate(target, shown.Propagation); err != nil || !shown.Readonly {
		return err
	}
	return remountReadonly(target)
}

func propagate(target, propagation string) error {
	switch propagation {
	case "shared":
		return mount("", target, "", unix.MS_SHARED|unix.MS_REC, "")
	case "slave":
		return mount("", target, "", unix.MS_SLAVE|unix.MS_REC, "")
	default:
		return mount("", target, "", unix.MS_PRIVATE|unix.MS_REC, "")
	}
}

func makeTarget(target string, isFolder bool) error {
	if isFolder {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}

func restrictPaths(spec *Spec) error {
	for _, path := range spec.Masked {
		target := Resolve(spec.Root, path)
		found, err := os.Stat(target)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if found.IsDir() {
			err = mount("tmpfs", target, "tmpfs", unix.MS_RDONLY, "")
		} else {
			err = mount("/dev/null", target, "", unix.MS_BIND, "")
		}
		if err != nil {
			return err
		}
	}
	for _, path := range spec.Readonly {
		target := Resolve(spec.Root, path)
		if _, err := os.Stat(target); err != nil {
			continue
		}
		if err := mount(target, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
		if err := remountReadonly(target); err != nil {
			return err
		}
	}
	if spec.ReadonlyRoot {
		return remountReadonly(spec.Root)
	}
	return nil
}

// moveInto stacks the new root on the old one, which is then taken away from below it.
func moveInto(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return os.NewSyscallError("pivot_root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount", err)
	}
	return os.Chdir("/")
}

// remountReadonly keeps the flags that the mount has, which may be locked.
func remountReadonly(target string) error {
	var found unix.Statfs_t
	if err := unix.Statfs(target, &found); err != nil {
		return &os.PathError{Op: "statfs", Path: target, Err: err}
	}
	kept := uintptr(found.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	return mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|kept, "")
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}
