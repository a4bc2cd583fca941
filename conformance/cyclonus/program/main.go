// Command cyclonus is the NetworkPolicy conformance matrix, of the version that go.mod pins.
// https://github.com/mattfenwick/cyclonus
package main

import "github.com/mattfenwick/cyclonus/pkg/cli"

func main() {
	cli.RunRootCommand()
}
