package cri

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	uexec "k8s.io/utils/exec"

	"sluice.io/lab/kubernetes/namespace"
)

var errNoAttach = errors.New("the lab cannot attach to a container's own streams")

const dialTimeout = 5 * time.Second

// streamer is asked by kubectl, by way of the API server and the kubelet.
type streamer struct{ server *server }

// serveStreaming listens on the loopback of the node, where the kubelet is.
func (s *server) serveStreaming() error {
	config := streaming.DefaultConfig
	config.Addr = "127.0.0.1:10351"
	served, err := streaming.NewServer(config, streamer{s})
	if err != nil {
		return err
	}
	s.streaming = served
	go served.Start(true)
	return nil
}

func (s *server) Exec(_ context.Context, request *runtime.ExecRequest) (*runtime.ExecResponse, error) {
	return s.streaming.GetExec(request)
}

func (s *server) Attach(_ context.Context, request *runtime.AttachRequest) (*runtime.AttachResponse, error) {
	return s.streaming.GetAttach(request)
}

func (s *server) PortForward(_ context.Context, request *runtime.PortForwardRequest) (*runtime.PortForwardResponse, error) {
	return s.streaming.GetPortForward(request)
}

// Exec gives no terminal where one is asked for, but one stream for both outputs.
func (s streamer) Exec(ctx context.Context, id string, arguments []string, in io.Reader, out, errs io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize) error {
	found, err := s.server.container(id)
	if err != nil {
		return err
	}
	if errs == nil {
		errs = out
	}
	command, err := found.execute(ctx, arguments, func(command *exec.Cmd) {
		command.Stdout, command.Stderr = out, errs
		if in == nil {
			return
		}
		// Through a pipe of our own, since the end of the command does not end the client's stream.
		if input, err := command.StdinPipe(); err == nil {
			go func() {
				io.Copy(input, in)
				input.Close()
			}()
		}
	})
	if err != nil {
		return err
	}
	command.Wait()
	if code := exitCode(command.ProcessState); code != 0 {
		return &uexec.CodeExitError{Err: fmt.Errorf("status %d", code), Code: int(code)}
	}
	return nil
}

func (streamer) Attach(context.Context, string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize) error {
	return errNoAttach
}

// PortForward connects to the loopback in the pod's network.
func (s streamer) PortForward(_ context.Context, id string, port int32, stream io.ReadWriteCloser) error {
	s.server.mutex.Lock()
	found := s.server.sandboxes[id]
	s.server.mutex.Unlock()
	if found == nil {
		return fmt.Errorf("no sandbox %s", id)
	}
	network := found.network
	if network == "" {
		network = filepath.Join("/proc", "self", "ns", "net")
	}
	connection, err := namespace.Dial(network, net.JoinHostPort("127.0.0.1", fmt.Sprint(port)), dialTimeout)
	if err != nil {
		return err
	}
	defer connection.Close()
	go func() {
		io.Copy(connection, stream)
		connection.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, connection)
	return err
}
