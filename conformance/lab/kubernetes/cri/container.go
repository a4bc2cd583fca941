package cri

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"sluice.io/lab/kubernetes/container"
)

// running is a container from its creation to its removal.
type running struct {
	id      string
	sandbox *sandbox
	config  *runtime.ContainerConfig
	created int64
	folder  string
	spec    *container.Spec
	log     *containerLog
	process process
}

func (s *server) CreateContainer(_ context.Context, request *runtime.CreateContainerRequest) (*runtime.CreateContainerResponse, error) {
	s.mutex.Lock()
	pod := s.sandboxes[request.PodSandboxId]
	s.mutex.Unlock()
	if pod == nil {
		return nil, status.Errorf(codes.NotFound, "no sandbox %s", request.PodSandboxId)
	}
	image := s.images.Find(request.Config.GetImage().GetImage())
	if image == nil {
		return nil, status.Errorf(codes.NotFound, "no image %s", request.Config.GetImage().GetImage())
	}
	made := &running{id: newID(), sandbox: pod, config: request.Config, created: time.Now().UnixNano()}
	made.folder = s.path("containers", made.id)
	for _, name := range []string{"root", "upper", "work"} {
		if err := os.MkdirAll(filepath.Join(made.folder, name), 0o755); err != nil {
			return nil, err
		}
	}
	spec, err := describe(made, image)
	if err != nil {
		os.RemoveAll(made.folder)
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	made.spec = spec
	made.log = &containerLog{path: filepath.Join(pod.config.LogDirectory, request.Config.LogPath)}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.containers[made.id] = made
	return &runtime.CreateContainerResponse{ContainerId: made.id}, nil
}

func (s *server) StartContainer(_ context.Context, request *runtime.StartContainerRequest) (*runtime.StartContainerResponse, error) {
	found, err := s.container(request.ContainerId)
	if err != nil {
		return nil, err
	}
	return &runtime.StartContainerResponse{}, found.start(s.starter)
}

func (s *server) StopContainer(_ context.Context, request *runtime.StopContainerRequest) (*runtime.StopContainerResponse, error) {
	if found, err := s.container(request.ContainerId); err == nil {
		found.stop(time.Duration(request.Timeout) * time.Second)
	}
	return &runtime.StopContainerResponse{}, nil
}

func (s *server) RemoveContainer(_ context.Context, request *runtime.RemoveContainerRequest) (*runtime.RemoveContainerResponse, error) {
	if found, err := s.container(request.ContainerId); err == nil {
		s.forget(found)
	}
	return &runtime.RemoveContainerResponse{}, nil
}

func (s *server) forget(found *running) {
	found.stop(0)
	s.mutex.Lock()
	delete(s.containers, found.id)
	s.mutex.Unlock()
	os.RemoveAll(found.folder)
}

func (s *server) ReopenContainerLog(_ context.Context, request *runtime.ReopenContainerLogRequest) (*runtime.ReopenContainerLogResponse, error) {
	found, err := s.container(request.ContainerId)
	if err != nil {
		return nil, err
	}
	return &runtime.ReopenContainerLogResponse{}, found.log.open()
}

func (s *server) ListContainers(_ context.Context, request *runtime.ListContainersRequest) (*runtime.ListContainersResponse, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	filter := request.GetFilter()
	response := &runtime.ListContainersResponse{}
	for _, found := range s.containers {
		state := found.process.read().state
		hasID := filter.GetId() == "" || filter.Id == found.id
		hasState := filter.GetState() == nil || filter.State.State == state
		hasPod := filter.GetPodSandboxId() == "" || filter.PodSandboxId == found.sandbox.id
		if !hasID || !hasState || !hasPod || !selects(filter.GetLabelSelector(), found.config.Labels) {
			continue
		}
		response.Containers = append(response.Containers, &runtime.Container{
			Id: found.id, PodSandboxId: found.sandbox.id, Metadata: found.config.Metadata, State: state, CreatedAt: found.created,
			Image: found.config.Image, ImageRef: found.config.Image.Image, ImageId: found.config.Image.Image,
			Labels: found.config.Labels, Annotations: found.config.Annotations,
		})
	}
	return response, nil
}

func (s *server) ContainerStatus(_ context.Context, request *runtime.ContainerStatusRequest) (*runtime.ContainerStatusResponse, error) {
	found, err := s.container(request.ContainerId)
	if err != nil {
		return nil, err
	}
	seen := found.process.read()
	user := found.spec.Program.User
	groups := make([]int64, len(user.Groups))
	for i, group := range user.Groups {
		groups[i] = int64(group)
	}
	return &runtime.ContainerStatusResponse{Status: &runtime.ContainerStatus{
		Id: found.id, Metadata: found.config.Metadata, State: seen.state, CreatedAt: found.created, StartedAt: seen.started,
		FinishedAt: seen.finished, ExitCode: seen.code, Reason: seen.reason, Message: seen.message,
		Image: found.config.Image, ImageRef: found.config.Image.Image, ImageId: found.config.Image.Image,
		Labels: found.config.Labels, Annotations: found.config.Annotations, Mounts: found.config.Mounts, LogPath: found.log.path,
		User: &runtime.ContainerUser{Linux: &runtime.LinuxContainerUser{Uid: int64(user.Uid), Gid: int64(user.Gid), SupplementalGroups: groups}},
	}}, nil
}

// UpdateContainerResources has nothing to update: the lab limits no resources.
func (s *server) UpdateContainerResources(context.Context, *runtime.UpdateContainerResourcesRequest) (*runtime.UpdateContainerResourcesResponse, error) {
	return &runtime.UpdateContainerResourcesResponse{}, nil
}

func (s *server) container(id string) (*running, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if found := s.containers[id]; found != nil {
		return found, nil
	}
	return nil, status.Errorf(codes.NotFound, "no container %s", id)
}

func (s *server) containersOf(pod *sandbox) []*running {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found []*running
	for _, candidate := range s.containers {
		if candidate.sandbox == pod {
			found = append(found, candidate)
		}
	}
	return found
}
