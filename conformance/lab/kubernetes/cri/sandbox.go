package cri

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// sandbox is a pod as runtimes know it. What its configuration says does not change; state is guarded by the server's mutex.
type sandbox struct {
	id      string
	config  *runtime.PodSandboxConfig
	created int64
	folder  string
	// network is the file of its namespace; empty where the pod has that of the node.
	network string
	address netip.Addr
	state   runtime.PodSandboxState
}

func (s *server) RunPodSandbox(_ context.Context, request *runtime.RunPodSandboxRequest) (*runtime.RunPodSandboxResponse, error) {
	config := request.Config
	options := config.GetLinux().GetSecurityContext().GetNamespaceOptions()
	made := &sandbox{id: newID(), config: config, created: time.Now().UnixNano(), state: runtime.PodSandboxState_SANDBOX_READY}
	made.folder = s.path("sandboxes", made.id)
	if err := os.MkdirAll(made.folder, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(made.resolver(), resolverFile(config.DnsConfig), 0o644); err != nil {
		return nil, err
	}
	if options.GetNetwork() != runtime.NamespaceMode_NODE {
		file, address, err := s.network.add(made.id)
		if err != nil {
			os.RemoveAll(made.folder)
			return nil, err
		}
		made.network, made.address = file, address
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.sandboxes[made.id] = made
	return &runtime.RunPodSandboxResponse{PodSandboxId: made.id}, nil
}

func (s *server) StopPodSandbox(_ context.Context, request *runtime.StopPodSandboxRequest) (*runtime.StopPodSandboxResponse, error) {
	s.mutex.Lock()
	found := s.sandboxes[request.PodSandboxId]
	s.mutex.Unlock()
	if found == nil {
		return &runtime.StopPodSandboxResponse{}, nil
	}
	for _, container := range s.containersOf(found) {
		container.stop(0)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if found.state == runtime.PodSandboxState_SANDBOX_READY {
		found.state = runtime.PodSandboxState_SANDBOX_NOTREADY
		if found.network != "" {
			s.network.remove(found.id, found.network, found.address)
		}
	}
	return &runtime.StopPodSandboxResponse{}, nil
}

func (s *server) RemovePodSandbox(ctx context.Context, request *runtime.RemovePodSandboxRequest) (*runtime.RemovePodSandboxResponse, error) {
	if _, err := s.StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: request.PodSandboxId}); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	found := s.sandboxes[request.PodSandboxId]
	delete(s.sandboxes, request.PodSandboxId)
	s.mutex.Unlock()
	if found == nil {
		return &runtime.RemovePodSandboxResponse{}, nil
	}
	for _, container := range s.containersOf(found) {
		s.forget(container)
	}
	return &runtime.RemovePodSandboxResponse{}, os.RemoveAll(found.folder)
}

func (s *server) PodSandboxStatus(_ context.Context, request *runtime.PodSandboxStatusRequest) (*runtime.PodSandboxStatusResponse, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found := s.sandboxes[request.PodSandboxId]
	if found == nil {
		return nil, status.Errorf(codes.NotFound, "no sandbox %s", request.PodSandboxId)
	}
	described := &runtime.PodSandboxStatus{
		Id: found.id, Metadata: found.config.Metadata, State: found.state, CreatedAt: found.created,
		Labels: found.config.Labels, Annotations: found.config.Annotations, Network: &runtime.PodSandboxNetworkStatus{},
		Linux: &runtime.LinuxPodSandboxStatus{
			Namespaces: &runtime.Namespace{Options: found.config.GetLinux().GetSecurityContext().GetNamespaceOptions()},
		},
	}
	if found.address.IsValid() {
		described.Network.Ip = found.address.String()
	}
	return &runtime.PodSandboxStatusResponse{Status: described}, nil
}

func (s *server) ListPodSandbox(_ context.Context, request *runtime.ListPodSandboxRequest) (*runtime.ListPodSandboxResponse, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	filter := request.GetFilter()
	response := &runtime.ListPodSandboxResponse{}
	for _, found := range s.sandboxes {
		hasID := filter.GetId() == "" || filter.Id == found.id
		hasState := filter.GetState() == nil || filter.State.State == found.state
		if !hasID || !hasState || !selects(filter.GetLabelSelector(), found.config.Labels) {
			continue
		}
		response.Items = append(response.Items, &runtime.PodSandbox{
			Id: found.id, Metadata: found.config.Metadata, State: found.state, CreatedAt: found.created,
			Labels: found.config.Labels, Annotations: found.config.Annotations,
		})
	}
	slices.SortFunc(response.Items, func(a, b *runtime.PodSandbox) int { return int(b.CreatedAt - a.CreatedAt) })
	return response, nil
}

func (b *sandbox) resolver() string {
	return filepath.Join(b.folder, "resolv.conf")
}

func resolverFile(config *runtime.DNSConfig) []byte {
	var text strings.Builder
	for _, server := range config.GetServers() {
		fmt.Fprintln(&text, "nameserver", server)
	}
	if searches := config.GetSearches(); len(searches) > 0 {
		fmt.Fprintln(&text, "search", strings.Join(searches, " "))
	}
	if options := config.GetOptions(); len(options) > 0 {
		fmt.Fprintln(&text, "options", strings.Join(options, " "))
	}
	return []byte(text.String())
}
