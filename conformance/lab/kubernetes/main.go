// Command lab is everything that a Kubernetes cluster needs, in one binary: the first argument says which part to be.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	_ "time/tzdata"

	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	"sluice.io/lab/kubernetes/cri"
	"sluice.io/lab/kubernetes/dns"
	"sluice.io/lab/kubernetes/echo"
	"sluice.io/lab/kubernetes/etcd"
	"sluice.io/lab/kubernetes/keeper"
	"sluice.io/lab/kubernetes/loadbalancer"
	"sluice.io/lab/kubernetes/owner"
	"sluice.io/lab/kubernetes/supervisor"
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
	"cri":                     cri.Main,
	"dns":                     dns.Main,
	"loadbalancer":            loadbalancer.Main,
	"echo":                    echo.Main,
	"supervise":               supervisor.Main,
	keep:                      keeper.Main,
}

// keep looks after its owner itself, since it has something to clear away.
const keep = "keep"

func main() {
	// By another name, such as that of a link, it is what the name says.
	if name := filepath.Base(os.Args[0]); components[name] == nil {
		os.Args = os.Args[1:]
	}
	if len(os.Args) == 0 || components[filepath.Base(os.Args[0])] == nil {
		fmt.Fprintf(os.Stderr, "usage: lab COMPONENT [FLAG]...\ncomponents: %v\n", names())
		os.Exit(2)
	}
	name := filepath.Base(os.Args[0])
	if name != keep {
		owner.EndWithOwner()
	}
	os.Exit(components[name]())
}

func names() []string {
	found := make([]string, 0, len(components))
	for name := range components {
		found = append(found, name)
	}
	slices.Sort(found)
	return found
}
