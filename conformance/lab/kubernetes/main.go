// Command lab is everything that a Kubernetes cluster needs, in one binary: the first argument says which part to be.
package main

import (
	"fmt"
	"os"
	"slices"
	_ "time/tzdata"

	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	"sluice.io/lab/kubernetes/etcd"
	"sluice.io/lab/kubernetes/owner"
)

// component runs until it is told to end, with os.Args as if it were a program of its own, and gives its exit status.
type component func() int

var components = map[string]component{
	"etcd":                    etcd.Main,
	"kube-apiserver":          apiServer,
	"kube-controller-manager": controllerManager,
	"kube-scheduler":          scheduler,
	"kubelet":                 kubelet,
	"kube-proxy":              proxy,
	"kubectl":                 kubectl,
}

func main() {
	if len(os.Args) < 2 || components[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: lab COMPONENT [FLAG]...\ncomponents: %v\n", names())
		os.Exit(2)
	}
	owner.EndWithOwner()
	run := components[os.Args[1]]
	os.Args = os.Args[1:]
	os.Exit(run())
}

func names() []string {
	found := make([]string, 0, len(components))
	for name := range components {
		found = append(found, name)
	}
	slices.Sort(found)
	return found
}
