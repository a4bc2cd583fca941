// Package supervisor is a lab's first process: it makes the lab's places and runs the lab's processes in them. Everything in the lab
// ends with it.
package supervisor

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"sluice.io/lab/kubernetes/namespace"
	"sluice.io/lab/kubernetes/plan"
)

// init keeps the first thread for Main, so that no place is made of it: others find the router's namespaces by the process, which is where
// its first thread is.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "supervise" {
		runtime.LockOSThread()
	}
}

// Main runs as the first process of new mount, network, process, UTS and IPC namespaces, until it is killed.
func Main() int {
	flags := flag.NewFlagSet("supervise", flag.ExitOnError)
	state := flags.String("state", "", "state folder, with plan.json in it")
	binary := flags.String("binary", "", "this binary's path")
	container := flags.String("container", "", "the path of the program that becomes containers' processes")
	groups := flags.String("cgroup", "", "the name of the lab's control group, at the root of the tree")
	flags.Parse(os.Args[1:])
	if err := supervise(*state, *binary, *container, *groups); err != nil {
		fmt.Fprintln(os.Stderr, "supervise:", err)
		return 1
	}
	return 0
}

func supervise(state, binary, container, groups string) error {
	plan, err := plan.Read(state)
	if err != nil {
		return err
	}
	if err := prepareMounts(state, binary, container); err != nil {
		return err
	}
	if err := showGroups(groups); err != nil {
		return err
	}
	if err := prepareRouter(plan); err != nil {
		return err
	}
	router, err := namespace.NewThread(func() error { return nil })
	if err != nil {
		return err
	}
	places := map[string]*place{"": {Thread: router}}
	for _, described := range plan.Places {
		made, err := makePlace(described)
		if err != nil {
			return fmt.Errorf("place %s: %w", described.Name, err)
		}
		places[described.Name] = made
	}
	processes := newProcesses(plan.Processes, places, filepath.Join(state, "log"))
	go processes.reap()
	return serveControl(filepath.Join(state, "control.sock"), processes)
}
