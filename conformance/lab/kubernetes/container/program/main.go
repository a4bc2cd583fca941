// Command container becomes a container's process. It is a binary of its own since it is started for each process of a container, and
// the lab's takes a third of a second of a processor to start.
package main

import (
	"fmt"
	"os"

	"sluice.io/lab/kubernetes/container"
)

func main() {
	parts := map[string]func() int{"first": container.FirstMain, "exec": container.ExecMain}
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: container first SPEC\n       container exec PROGRAM NAMESPACES")
		os.Exit(2)
	}
	os.Args = os.Args[1:]
	os.Exit(parts[os.Args[0]]())
}
