// Package keeper holds a lab from outside of it: it starts the lab's first process in namespaces of its own, leads to its API server,
// and clears away what is left when that process has ended.
package keeper

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"sluice.io/lab/kubernetes/cgroup"
	"sluice.io/lab/kubernetes/owner"
	"sluice.io/lab/kubernetes/plan"
)

// Main runs a lab until it is told to end by a signal, its owner has ended, or the lab's first process has. Then nothing is left of it,
// the state folder included.
func Main() int {
	flags := flag.NewFlagSet("keep", flag.ExitOnError)
	state := flags.String("state", "", "state folder, with plan.json in it")
	container := flags.String("container", "", "the path of the program that becomes containers' processes")
	flags.Parse(os.Args[1:])
	if err := keep(*state, *container); err != nil {
		fmt.Fprintln(os.Stderr, "keep:", err)
		return 1
	}
	return 0
}

func keep(state, container string) (failure error) {
	defer os.RemoveAll(state)
	plan, err := plan.Read(state)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", plan.Forward))
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	gone := owner.Gone()
	groups, err := cgroup.Make()
	if err != nil {
		return err
	}
	// Before the state folder, whose absence says that nothing is left.
	defer func() { failure = errors.Join(failure, groups.Remove()) }()
	first, err := startFirst(state, container, groups.Name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(state, "first.pid"), []byte(strconv.Itoa(first.Process.Pid)), 0o644); err != nil {
		return err
	}
	go forward(listener, first.Process.Pid)
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()
	select {
	case err := <-ended:
		said, _ := os.ReadFile(filepath.Join(state, "log", "supervisor.log"))
		return fmt.Errorf("the lab's first process ended: %w\n%s", err, said)
	case <-signals:
	case <-gone:
	}
	// With the first process of a process namespace all others of it are killed, and with the last of them the other namespaces go.
	first.Process.Kill()
	<-ended
	return nil
}

func startFirst(state, container, groups string) (*exec.Cmd, error) {
	log, err := os.OpenFile(filepath.Join(state, "log", "supervisor.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// The signal at a parent's death is one at the death of the parent's thread.
	runtime.LockOSThread()
	first := exec.Command(binary, "supervise", "--state", state, "--binary", binary, "--container", container, "--cgroup", groups)
	first.Stdout, first.Stderr = log, log
	first.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	return first, first.Start()
}
