package container

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// report is the file descriptor by which the reason of a failure is told. It ends without one when the program begins.
const report = 3

// FirstMain becomes a container's first process, in namespaces that are new but for that of the network. The argument is the file of a
// Spec.
func FirstMain() int {
	return becomeOrReport(func() error {
		spec, err := readJSON[Spec](os.Args[1])
		if err != nil {
			return err
		}
		if err := enterPod(spec); err != nil {
			return err
		}
		if err := buildRoot(spec); err != nil {
			return err
		}
		return become(spec.Program, endWithParent)
	})
}

// ExecMain becomes a further process of a container, whose process namespace it is in already. The arguments are the file of a Program
// and the folder /proc/PID/ns of the container's first process, as files that are still to be read.
func ExecMain() int {
	return becomeOrReport(func() error {
		program, err := readJSON[Program](os.Args[1])
		if err != nil {
			return err
		}
		if err := joinContainer(os.Args[2]); err != nil {
			return err
		}
		return become(*program, nil)
	})
}

// becomeOrReport stays on one thread: only that one is left when a program begins.
func becomeOrReport(do func() error) int {
	runtime.LockOSThread()
	unix.CloseOnExec(report)
	err := do()
	fmt.Fprint(os.NewFile(report, "report"), err)
	return 128
}

func readJSON[T any](file string) (*T, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	content := new(T)
	return content, json.Unmarshal(raw, content)
}

func enterPod(spec *Spec) error {
	if spec.Network != "" {
		if err := join(spec.Network, unix.CLONE_NEWNET); err != nil {
			return err
		}
	}
	if spec.Hostname == "" {
		return nil
	}
	return os.NewSyscallError("sethostname", unix.Sethostname([]byte(spec.Hostname)))
}

// joinContainer opens all before it joins any, since afterwards the folder is another.
func joinContainer(folder string) error {
	kinds := []struct {
		name string
		kind int
	}{{"net", unix.CLONE_NEWNET}, {"uts", unix.CLONE_NEWUTS}, {"ipc", unix.CLONE_NEWIPC}, {"mnt", unix.CLONE_NEWNS}}
	files := make([]*os.File, len(kinds))
	for i, kind := range kinds {
		file, err := os.Open(folder + "/" + kind.name)
		if err != nil {
			return err
		}
		files[i] = file
	}
	// A thread that shares its root folder with others cannot join mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	for i, kind := range kinds {
		if err := unix.Setns(int(files[i].Fd()), kind.kind); err != nil {
			return fmt.Errorf("join %s: %w", kind.name, err)
		}
	}
	return nil
}

func join(path string, kind int) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return os.NewSyscallError("setns", unix.Setns(int(file.Fd()), kind))
}

// endWithParent is to be called when the user is the last one: with another one it is forgotten.
func endWithParent() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0))
}

// become never returns where it succeeds. The last step, if any, is taken by the program's user.
func become(program Program, last func() error) error {
	if len(program.Args) == 0 {
		return fmt.Errorf("neither the image nor the pod says what to run")
	}
	folder := program.Folder
	if folder == "" {
		folder = "/"
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.Chdir(folder); err != nil {
		return err
	}
	os.Clearenv()
	for _, variable := range program.Env {
		setVariable(variable)
	}
	if err := dropPrivileges(program); err != nil {
		return err
	}
	if last != nil {
		if err := last(); err != nil {
			return err
		}
	}
	// As the user: what only others may run cannot be run.
	file, err := exec.LookPath(program.Args[0])
	if err != nil {
		return err
	}
	return &os.PathError{Op: "exec", Path: file, Err: unix.Exec(file, program.Args, os.Environ())}
}

func setVariable(variable string) {
	for i := range variable {
		if variable[i] == '=' {
			os.Setenv(variable[:i], variable[i+1:])
			return
		}
	}
}
