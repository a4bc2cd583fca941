package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"sluice.io/lab/kubernetes/plan"
)

// restartDelay is how long a process that ended by itself stays away.
const restartDelay = 500 * time.Millisecond

// program is one of the lab's processes, running or not.
type program struct {
	plan.Process
	pid      int
	restarts int
	// wanted says whether it is started again when it ends by itself.
	wanted bool
	// ended is closed when the present process has ended.
	ended chan struct{}
}

type processes struct {
	mutex    sync.Mutex
	programs map[string]*program
	places   map[string]*place
	logs     string
	// started wakes the reaper, which has nothing to wait for while no child exists.
	started chan struct{}
}

func newProcesses(described []plan.Process, places map[string]*place, logs string) *processes {
	made := &processes{programs: map[string]*program{}, places: places, logs: logs, started: make(chan struct{}, 1)}
	for _, process := range described {
		made.programs[process.Name] = &program{Process: process}
	}
	return made
}

// start does nothing where it runs already.
func (p *processes) start(name string) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	found, err := p.find(name)
	if err != nil {
		return err
	}
	found.wanted = true
	if found.pid != 0 {
		return nil
	}
	return p.launch(found)
}

// end sends a signal and waits until the process has ended, which then stays away until it is started.
func (p *processes) end(name string, signal syscall.Signal) error {
	p.mutex.Lock()
	found, err := p.find(name)
	if err != nil || found.pid == 0 {
		p.mutex.Unlock()
		return err
	}
	found.wanted = false
	ended := found.ended
	err = syscall.Kill(found.pid, signal)
	p.mutex.Unlock()
	if err != nil {
		return err
	}
	<-ended
	return nil
}

func (p *processes) find(name string) (*program, error) {
	if found := p.programs[name]; found != nil && p.places[found.Place] != nil {
		return found, nil
	}
	return nil, fmt.Errorf("no process %s", name)
}

func (p *processes) launch(program *program) error {
	log, err := os.OpenFile(filepath.Join(p.logs, program.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer nothing.Close()
	place := p.places[program.Place]
	attributes := &syscall.ProcAttr{
		Dir:   "/",
		Env:   append(os.Environ(), "PATH="+plan.Folder+"/bin:"+os.Getenv("PATH")),
		Files: []uintptr{nothing.Fd(), log.Fd(), log.Fd()},
		Sys:   place.attributes(),
	}
	place.Do(func() {
		program.pid, err = syscall.ForkExec(plan.Binary, append([]string{"lab"}, program.Args...), attributes)
	})
	if err != nil {
		program.pid = 0
		return fmt.Errorf("%s: %w", program.Name, err)
	}
	program.ended = make(chan struct{})
	select {
	case p.started <- struct{}{}:
	default:
	}
	return nil
}

// reap waits for every child, also for those that their own parents have left behind.
func (p *processes) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch err {
		case nil:
			p.note(pid, status)
		case syscall.ECHILD:
			<-p.started
		}
	}
}

func (p *processes) note(pid int, status syscall.WaitStatus) {
	// What is being started is known once the lock is free.
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, program := range p.programs {
		if program.pid != pid {
			continue
		}
		program.pid = 0
		close(program.ended)
		if program.wanted {
			fmt.Fprintf(os.Stderr, "%s ended by itself (status %d, signal %d)\n", program.Name, status.ExitStatus(), status.Signal())
			time.AfterFunc(restartDelay, func() { p.startAgain(program) })
		}
	}
}

func (p *processes) startAgain(program *program) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !program.wanted || program.pid != 0 {
		return
	}
	program.restarts++
	if err := p.launch(program); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
