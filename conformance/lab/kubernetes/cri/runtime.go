package cri

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Name is what the kubelet calls this runtime: it is before `://` in container identifiers.
const Name = "lab"

func (s *server) Version(context.Context, *runtime.VersionRequest) (*runtime.VersionResponse, error) {
	return &runtime.VersionResponse{Version: "0.1.0", RuntimeName: Name, RuntimeVersion: "0.1.0", RuntimeApiVersion: "v1"}, nil
}

func (s *server) Status(context.Context, *runtime.StatusRequest) (*runtime.StatusResponse, error) {
	return &runtime.StatusResponse{
		Status: &runtime.RuntimeStatus{Conditions: []*runtime.RuntimeCondition{
			{Type: runtime.RuntimeReady, Status: true}, {Type: runtime.NetworkReady, Status: true},
		}},
		Features: &runtime.RuntimeFeatures{SupplementalGroupsPolicy: true},
	}, nil
}

func (s *server) RuntimeConfig(context.Context, *runtime.RuntimeConfigRequest) (*runtime.RuntimeConfigResponse, error) {
	return &runtime.RuntimeConfigResponse{Linux: &runtime.LinuxRuntimeConfiguration{CgroupDriver: runtime.CgroupDriver_CGROUPFS}}, nil
}

func (s *server) UpdateRuntimeConfig(context.Context, *runtime.UpdateRuntimeConfigRequest) (*runtime.UpdateRuntimeConfigResponse, error) {
	return &runtime.UpdateRuntimeConfigResponse{}, nil
}

// What is asked of statistics is answered with none: the lab accounts for no resources.

func (s *server) ContainerStats(context.Context, *runtime.ContainerStatsRequest) (*runtime.ContainerStatsResponse, error) {
	return &runtime.ContainerStatsResponse{}, nil
}

func (s *server) ListContainerStats(context.Context, *runtime.ListContainerStatsRequest) (*runtime.ListContainerStatsResponse, error) {
	return &runtime.ListContainerStatsResponse{}, nil
}

func (s *server) PodSandboxStats(context.Context, *runtime.PodSandboxStatsRequest) (*runtime.PodSandboxStatsResponse, error) {
	return &runtime.PodSandboxStatsResponse{}, nil
}

func (s *server) ListPodSandboxStats(context.Context, *runtime.ListPodSandboxStatsRequest) (*runtime.ListPodSandboxStatsResponse, error) {
	return &runtime.ListPodSandboxStatsResponse{}, nil
}

// ImageStatus says whom the image runs as, by which the kubelet judges runAsNonRoot.
func (s *server) ImageStatus(_ context.Context, request *runtime.ImageStatusRequest) (*runtime.ImageStatusResponse, error) {
	name := request.Image.Image
	found := s.images.Find(name)
	if found == nil {
		return &runtime.ImageStatusResponse{}, nil
	}
	described := &runtime.Image{Id: name, RepoTags: []string{name}, Size: 1, Spec: request.Image}
	if uid, err := strconv.ParseInt(firstOf(found.User), 10, 64); err == nil {
		described.Uid = &runtime.Int64Value{Value: uid}
	} else {
		described.Username = firstOf(found.User)
	}
	return &runtime.ImageStatusResponse{Image: described}, nil
}

// firstOf gives the user of USER:GROUP; root where there is none.
func firstOf(user string) string {
	for i := range user {
		if user[i] == ':' {
			user = user[:i]
			break
		}
	}
	if user == "" {
		return "0"
	}
	return user
}

func (s *server) PullImage(_ context.Context, request *runtime.PullImageRequest) (*runtime.PullImageResponse, error) {
	if s.images.Find(request.Image.Image) == nil {
		return nil, status.Errorf(codes.NotFound, "image %s is not in the lab's table", request.Image.Image)
	}
	return &runtime.PullImageResponse{ImageRef: request.Image.Image}, nil
}

func (s *server) ListImages(context.Context, *runtime.ListImagesRequest) (*runtime.ListImagesResponse, error) {
	return &runtime.ListImagesResponse{}, nil
}

func (s *server) RemoveImage(context.Context, *runtime.RemoveImageRequest) (*runtime.RemoveImageResponse, error) {
	return &runtime.RemoveImageResponse{}, nil
}

func (s *server) ImageFsInfo(context.Context, *runtime.ImageFsInfoRequest) (*runtime.ImageFsInfoResponse, error) {
	usage := []*runtime.FilesystemUsage{{
		Timestamp: time.Now().UnixNano(), FsId: &runtime.FilesystemIdentifier{Mountpoint: s.folder},
		UsedBytes: &runtime.UInt64Value{}, InodesUsed: &runtime.UInt64Value{},
	}}
	return &runtime.ImageFsInfoResponse{ImageFilesystems: usage, ContainerFilesystems: usage}, nil
}
