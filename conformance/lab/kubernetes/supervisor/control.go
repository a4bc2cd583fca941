package supervisor

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"sluice.io/lab/kubernetes/plan"
)

// ProcessState is what others are told of a process.
type ProcessState struct {
	Name  string `json:"name"`
	Place string `json:"place"`
	// Pid is that in the lab's process namespace; 0 where it does not run.
	Pid      int `json:"pid"`
	Restarts int `json:"restarts"`
}

// ContainerProcess is one of a container's processes, the first or not.
type ContainerProcess struct {
	Pid  int      `json:"pid"`
	Args []string `json:"args"`
}

// serveControl answers HTTP on a Unix socket, as long as the lab lives.
func serveControl(socket string, processes *processes) error {
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /processes", func(w http.ResponseWriter, _ *http.Request) { answer(w, processes.states(), nil) })
	mux.HandleFunc("POST /processes/{name}/start", func(w http.ResponseWriter, r *http.Request) {
		answer(w, nil, processes.start(r.PathValue("name")))
	})
	mux.HandleFunc("POST /processes/{name}/end", func(w http.ResponseWriter, r *http.Request) {
		answer(w, nil, processes.end(r.PathValue("name"), signalOf(r)))
	})
	mux.HandleFunc("GET /containers/{id}", func(w http.ResponseWriter, r *http.Request) {
		found, err := containerProcesses(r.PathValue("id"))
		answer(w, found, err)
	})
	mux.HandleFunc("POST /pids/{pid}/signal", func(w http.ResponseWriter, r *http.Request) {
		pid, err := strconv.Atoi(r.PathValue("pid"))
		if err == nil && pid > 1 {
			err = syscall.Kill(pid, signalOf(r))
		}
		answer(w, nil, err)
	})
	return http.Serve(listener, mux)
}

// signalOf is the query's signal, a number; SIGKILL where it names none.
func signalOf(r *http.Request) syscall.Signal {
	if number, err := strconv.Atoi(r.URL.Query().Get("signal")); err == nil {
		return syscall.Signal(number)
	}
	return syscall.SIGKILL
}

func answer(w http.ResponseWriter, content any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(content)
}

func (p *processes) states() []ProcessState {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	states := make([]ProcessState, 0, len(p.programs))
	for _, program := range p.programs {
		states = append(states, ProcessState{Name: program.Name, Place: program.Place, Pid: program.pid, Restarts: program.restarts})
	}
	slices.SortFunc(states, func(a, b ProcessState) int { return strings.Compare(a.Name, b.Name) })
	return states
}

// containerProcesses are those in the process namespace of the container's first.
func containerProcesses(id string) ([]ContainerProcess, error) {
	files, err := filepath.Glob(filepath.Join(plan.Folder, "cri", "*", "containers", filepath.Base(id), "pid"))
	if err != nil || len(files) == 0 {
		return []ContainerProcess{}, err
	}
	first, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	wanted, err := os.Readlink(filepath.Join("/proc", string(first), "ns/pid"))
	if err != nil {
		return []ContainerProcess{}, nil
	}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	found := []ContainerProcess{}
	for _, folder := range folders {
		if namespace, err := os.Readlink(filepath.Join(folder, "ns/pid")); err != nil || namespace != wanted {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(folder))
		line, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		found = append(found, ContainerProcess{Pid: pid, Args: strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")})
	}
	slices.SortFunc(found, func(a, b ContainerProcess) int { return a.Pid - b.Pid })
	return found, nil
}
