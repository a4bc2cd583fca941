// Package cgroup is a lab's part of the tree of control groups of version 2, by which programs in the kernel tell nodes apart: a group
// for each node, in which everything is that runs there. Nothing is limited or accounted for.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const prefix = "sluice-lab-"

// removedWithin is for what was killed and is about to leave its group.
const removedWithin = 10 * time.Second

// Part is one lab's part of the tree, from outside of the lab.
type Part struct {
	// Name is that of the folder at the root of the tree.
	Name string
	tree int
}

// Make makes the part of the lab that this process keeps, and removes those whose keepers are gone. The tree does not have to be mounted
// anywhere.
func Make() (*Part, error) {
	tree, err := openTree()
	if err != nil {
		return nil, err
	}
	made := &Part{Name: fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), startTime(os.Getpid())), tree: tree}
	if err := made.removeStale(); err != nil {
		return nil, err
	}
	return made, os.Mkdir(made.path(made.Name), 0o755)
}

// Remove kills what is still in the part and waits until it is gone.
func (p *Part) Remove() error {
	defer unix.Close(p.tree)
	folder := p.path(p.Name)
	// Linux 5.14. Before, only what has left is waited for.
	os.WriteFile(filepath.Join(folder, "cgroup.kill"), []byte("1"), 0)
	for deadline := time.Now().Add(removedWithin); ; time.Sleep(20 * time.Millisecond) {
		err := removeFolders(folder)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}

// removeStale leaves alone what somebody is in, who may be of a container with numbers of its own for processes.
func (p *Part) removeStale() error {
	entries, err := os.ReadDir(p.path(""))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !isStale(entry.Name()) {
			continue
		}
		if err := removeFolders(p.path(entry.Name())); err != nil && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return nil
}

func (p *Part) path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/self/fd/%d", p.tree), name)
}

// openTree gives the folder that is the root of the tree, in a mount of its own.
func openTree() (int, error) {
	context, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("fsopen cgroup2", err)
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, os.NewSyscallError("fsconfig", err)
	}
	tree, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
	return tree, os.NewSyscallError("fsmount", err)
}

// isStale says whether the keeper that a folder is named after is gone.
func isStale(name string) bool {
	owner, found := strings.CutPrefix(name, prefix)
	if !found {
		return false
	}
	number, started, _ := strings.Cut(owner, "-")
	pid, err := strconv.Atoi(number)
	return err == nil && startTime(pid) != started
}

// startTime tells processes apart that have had the same number; empty where there is none.
func startTime(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field, the command in parentheses, may itself hold spaces; the start time is the 22nd.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// removeFolders does nothing where somebody else has removed them.
func removeFolders(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if err := removeFolders(filepath.Join(folder, entry.Name())); err != nil {
			return err
		}
	}
	if err := unix.Rmdir(folder); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "rmdir", Path: folder, Err: err}
	}
	return nil
}
