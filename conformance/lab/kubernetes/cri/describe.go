package cri

import (
	"errors"
	"fmt"
	"path/filepath"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"sluice.io/lab/kubernetes/container"
	"sluice.io/lab/kubernetes/images"
)

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

var errLocalProfile = errors.New("the lab has no seccomp profiles but RuntimeDefault")

// describe says how a container is to be run, from what its image and its pod say.
func describe(made *running, image *images.Image) (*container.Spec, error) {
	config, pod := made.config, made.sandbox
	context := config.GetLinux().GetSecurityContext()
	root := image.Root
	if root == "" {
		root = "/"
	}
	if pid := context.GetNamespaceOptions().GetPid(); pid != runtime.NamespaceMode_CONTAINER {
		return nil, fmt.Errorf("the lab gives every container processes of its own, not %s", pid)
	}
	program, err := describeProgram(made, image, root)
	if err != nil {
		return nil, err
	}
	spec := &container.Spec{
		Network: pod.network, Hostname: pod.config.Hostname, Lower: root,
		Upper: filepath.Join(made.folder, "upper"), Work: filepath.Join(made.folder, "work"), Root: filepath.Join(made.folder, "root"),
		Masked: context.GetMaskedPaths(), Readonly: context.GetReadonlyPaths(), ReadonlyRoot: context.GetReadonlyRootfs(),
		Privileged: context.GetPrivileged(), Program: *program,
	}
	spec.Mounts = append(spec.Mounts, container.Mount{Source: pod.resolver(), Target: "/etc/resolv.conf"})
	for target, source := range image.Files {
		spec.Mounts = append(spec.Mounts, container.Mount{Source: source, Target: target, Readonly: true})
	}
	for _, asked := range config.Mounts {
		spec.Mounts = append(spec.Mounts, container.Mount{
			Source: asked.HostPath, Target: asked.ContainerPath, Readonly: asked.Readonly, Propagation: propagation(asked.Propagation),
		})
	}
	return spec, nil
}

func describeProgram(made *running, image *images.Image, root string) (*container.Program, error) {
	config := made.config
	context := config.GetLinux().GetSecurityContext()
	capabilities, err := container.Capabilities(
		context.GetPrivileged(), context.GetCapabilities().GetDropCapabilities(), context.GetCapabilities().GetAddCapabilities())
	if err != nil {
		return nil, err
	}
	user, err := chooseUser(root, image, context)
	if err != nil {
		return nil, err
	}
	profile := context.GetSeccomp().GetProfileType()
	if context.GetSeccomp() != nil && profile == runtime.SecurityProfile_Localhost {
		return nil, errLocalProfile
	}
	folder := config.WorkingDir
	if folder == "" {
		folder = image.WorkingDir
	}
	return &container.Program{
		Args: arguments(image, config), Env: environment(image, made, root, user), Folder: folder, User: user,
		Capabilities: capabilities, NoNewPrivs: context.GetNoNewPrivs(),
		Filtered: context.GetSeccomp() != nil && profile == runtime.SecurityProfile_RuntimeDefault && !context.GetPrivileged(),
	}, nil
}

// arguments are the image's where the pod says nothing else; a command of the pod replaces the image's arguments, too.
// https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
func arguments(image *images.Image, config *runtime.ContainerConfig) []string {
	command, rest := image.Entrypoint, image.Cmd
	if len(config.Command) > 0 {
		command, rest = config.Command, nil
	}
	if len(config.Args) > 0 {
		rest = config.Args
	}
	return append(append([]string{}, command...), rest...)
}

func environment(image *images.Image, made *running, root string, user container.User) []string {
	variables := []string{defaultPath, "HOME=" + container.HomeOf(root, user.Uid)}
	if hostname := made.sandbox.config.Hostname; hostname != "" {
		variables = append(variables, "HOSTNAME="+hostname)
	}
	variables = append(variables, image.Env...)
	for _, variable := range made.config.Envs {
		variables = append(variables, variable.Key+"="+string(variable.Value))
	}
	return variables
}

func chooseUser(root string, image *images.Image, context *runtime.LinuxContainerSecurityContext) (container.User, error) {
	text := image.User
	switch {
	case context.GetRunAsUser() != nil:
		text = fmt.Sprint(context.RunAsUser.Value)
	case context.GetRunAsUsername() != "":
		text = context.RunAsUsername
	}
	user, err := container.FindUser(root, text)
	if err != nil {
		return user, err
	}
	if context.GetRunAsGroup() != nil {
		user.Gid = int(context.RunAsGroup.Value)
	}
	if context.GetSupplementalGroupsPolicy() == runtime.SupplementalGroupsPolicy_Strict {
		user.Groups = container.GroupsOf("/nonexistent", user, context.GetSupplementalGroups())
	} else {
		user.Groups = container.GroupsOf(root, user, context.GetSupplementalGroups())
	}
	return user, nil
}

func propagation(asked runtime.MountPropagation) string {
	switch asked {
	case runtime.MountPropagation_PROPAGATION_BIDIRECTIONAL:
		return "shared"
	case runtime.MountPropagation_PROPAGATION_HOST_TO_CONTAINER:
		return "slave"
	default:
		return ""
	}
}
