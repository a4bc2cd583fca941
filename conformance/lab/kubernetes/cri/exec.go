package cri

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"sluice.io/lab/kubernetes/namespace"
	"sluice.io/lab/kubernetes/plan"
)

func (s *server) ExecSync(ctx context.Context, request *runtime.ExecSyncRequest) (*runtime.ExecSyncResponse, error) {
	if request.Timeout > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, time.Duration(request.Timeout)*time.Second)
		defer cancel()
	}
	found, err := s.container(request.ContainerId)
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	command, err := found.execute(ctx, request.Cmd, func(command *exec.Cmd) { command.Stdout, command.Stderr = &stdout, &stderr })
	if err != nil {
		return nil, err
	}
	command.Wait()
	if ctx.Err() != nil {
		return nil, status.Errorf(codes.DeadlineExceeded, "%q takes longer than %d s", request.Cmd, request.Timeout)
	}
	code := exitCode(command.ProcessState)
	return &runtime.ExecSyncResponse{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), ExitCode: code}, nil
}

// execute starts a further process in a container, which runs as the container's own does.
func (c *running) execute(ctx context.Context, arguments []string, connect func(*exec.Cmd)) (*exec.Cmd, error) {
	pid, err := c.process.pid()
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	program := c.spec.Program
	program.Args = arguments
	file := filepath.Join(c.folder, "exec-"+newID()+".json")
	if err := writeJSON(file, program); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	namespaces := fmt.Sprintf("/proc/%d/ns", pid)
	command := exec.CommandContext(ctx, plan.ContainerBinary, "exec", file, namespaces)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	command.WaitDelay = time.Second
	connect(command)
	// Only a child that is born into a process namespace is in it.
	err = awaitReport(command, func() error { return namespace.In(filepath.Join(namespaces, "pid"), unix.CLONE_NEWPID, command.Start) })
	if err != nil {
		return nil, fmt.Errorf("exec %q: %w", arguments, err)
	}
	return command, nil
}
