package cri

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"sluice.io/lab/kubernetes/namespace"
	"sluice.io/lab/kubernetes/plan"
)

// process is a container's first process, before, while and after it runs.
type process struct {
	mutex sync.Mutex
	seen  processState
	first *os.Process
	// ended is closed with the process's end; nil before its start.
	ended chan struct{}
}

type processState struct {
	state             runtime.ContainerState
	started, finished int64
	code              int32
	reason, message   string
}

// read gives the zero value, which is that of a created container, before a start.
func (p *process) read() processState {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.seen
}

// pid is that of the first process while it runs.
func (p *process) pid() (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.seen.state != runtime.ContainerState_CONTAINER_RUNNING {
		return 0, errors.New("the container does not run")
	}
	return p.first.Pid, nil
}

// start gives an error where the container's program cannot begin.
func (c *running) start(starter *namespace.Thread) error {
	spec := filepath.Join(c.folder, "spec.json")
	if err := writeJSON(spec, c.spec); err != nil {
		return err
	}
	if err := c.log.open(); err != nil {
		return err
	}
	command := exec.Command(plan.ContainerBinary, "first", spec)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Setsid:     true,
		Pdeathsig:  syscall.SIGKILL,
	}
	output := c.log.writers()
	command.Stdout, command.Stderr = output.stdout, output.stderr
	// What the container's processes have left open is not waited for: they are dead.
	command.WaitDelay = time.Second
	err := awaitReport(command, func() (err error) {
		starter.Do(func() { err = command.Start() })
		return err
	})
	if err != nil {
		c.log.close()
		return err
	}
	os.WriteFile(filepath.Join(c.folder, "pid"), []byte(strconv.Itoa(command.Process.Pid)), 0o644)
	c.process.mutex.Lock()
	defer c.process.mutex.Unlock()
	c.process.first, c.process.ended = command.Process, make(chan struct{})
	c.process.seen = processState{state: runtime.ContainerState_CONTAINER_RUNNING, started: time.Now().UnixNano()}
	go c.await(command)
	return nil
}

func (c *running) await(command *exec.Cmd) {
	command.Wait()
	c.log.close()
	os.Remove(filepath.Join(c.folder, "pid"))
	c.process.mutex.Lock()
	defer c.process.mutex.Unlock()
	seen := &c.process.seen
	seen.state, seen.finished, seen.reason = runtime.ContainerState_CONTAINER_EXITED, time.Now().UnixNano(), "Completed"
	seen.code = exitCode(command.ProcessState)
	if seen.code != 0 {
		seen.reason = "Error"
	}
	close(c.process.ended)
}

// exitCode is that of a shell for a process that a signal ended.
func exitCode(state *os.ProcessState) int32 {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(state.ExitCode())
}

// stop asks the first process to end, kills it where it has not after a while, and waits. With it all others of the container end.
func (c *running) stop(patience time.Duration) {
	c.process.mutex.Lock()
	first, ended := c.process.first, c.process.ended
	c.process.mutex.Unlock()
	if ended == nil {
		return
	}
	if patience > 0 {
		first.Signal(syscall.SIGTERM)
		select {
		case <-ended:
			return
		case <-time.After(patience):
		}
	}
	first.Kill()
	<-ended
}

// awaitReport starts a program of package container and waits until its own program has begun.
func awaitReport(command *exec.Cmd, start func() error) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	command.ExtraFiles = []*os.File{writer}
	err = start()
	writer.Close()
	if err != nil {
		return err
	}
	reason, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	if len(reason) > 0 {
		command.Wait()
		return fmt.Errorf("%s", reason)
	}
	return nil
}

func writeJSON(file string, content any) error {
	raw, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o600)
}
