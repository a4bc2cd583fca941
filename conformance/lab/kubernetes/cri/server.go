// Package cri is a container runtime for one node: it serves the Container Runtime Interface to the node's kubelet. Pods are network
// namespaces, containers are processes in namespaces of their own over the content of an image, which is a folder of this machine.
// https://github.com/kubernetes/cri-api
package cri

import (
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"google.golang.org/grpc"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"

	"sluice.io/lab/kubernetes/images"
	"sluice.io/lab/kubernetes/namespace"
)

type server struct {
	runtime.UnimplementedRuntimeServiceServer
	runtime.UnimplementedImageServiceServer
	folder    string
	images    images.Table
	network   *podNetwork
	streaming streaming.Server
	// starter is the thread that containers are born to, which they do not outlive.
	starter *namespace.Thread

	mutex      sync.Mutex
	sandboxes  map[string]*sandbox
	containers map[string]*running
}

// Main serves until it is killed. Its pods end with it, and those of one that was killed before are cleared away at its start.
func Main() int {
	flags := flag.NewFlagSet("cri", flag.ExitOnError)
	socket := flags.String("socket", "", "Unix socket to serve at")
	folder := flags.String("folder", "", "folder for what belongs to containers")
	address := flags.String("address", "", "the node's address")
	pods := flags.String("pods", "", "range of the pods' addresses")
	table := flags.String("images", "", "file of the image table")
	flags.Parse(os.Args[1:])
	if err := serve(*socket, *folder, *address, *pods, *table); err != nil {
		fmt.Fprintln(os.Stderr, "cri:", err)
		return 1
	}
	return 0
}

func serve(socket, folder, address, pods, table string) error {
	os.RemoveAll(folder)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return err
	}
	known, err := images.Read(table)
	if err != nil {
		return err
	}
	network, err := newPodNetwork(address, pods)
	if err != nil {
		return err
	}
	starter, err := namespace.NewThread(func() error { return nil })
	if err != nil {
		return err
	}
	s := &server{starter: starter, folder: folder, images: known, network: network, sandboxes: map[string]*sandbox{}, containers: map[string]*running{}}
	if err := s.serveStreaming(); err != nil {
		return err
	}
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	served := grpc.NewServer()
	runtime.RegisterRuntimeServiceServer(served, s)
	runtime.RegisterImageServiceServer(served, s)
	return served.Serve(listener)
}

// newID is as long as those of other runtimes.
func newID() string {
	id := make([]byte, 32)
	rand.Read(id)
	return hex.EncodeToString(id)
}

func (s *server) path(kind, id string) string {
	return filepath.Join(s.folder, kind, id)
}

// selects says whether labels have all that is asked for.
func selects(wanted, labels map[string]string) bool {
	for name, value := range wanted {
		if labels[name] != value {
			return false
		}
	}
	return true
}
