// Package plan is what a lab consists of, as the one who starts it writes it down.
package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Folder is where a lab keeps what goes with it, in a memory file system of its own that every place of the lab sees.
const Folder = "/run/lab"

// RouterAddress is that of the router in the middle, where the control plane is.
const RouterAddress = "10.240.0.1"

// LoadBalancerRange is where Services of type LoadBalancer have their addresses.
const LoadBalancerRange = "10.250.0.0/16"

// Binary is where the lab's own binary is, in every place.
const Binary = Folder + "/bin/lab"

// ContainerBinary is where the program is that becomes containers' processes.
const ContainerBinary = Folder + "/bin/container"

// Plan is the content of `plan.json` in a lab's state folder.
type Plan struct {
	Name      string    `json:"name"`
	Places    []Place   `json:"places"`
	Processes []Process `json:"processes"`
	// Forward is the port of the host's loopback that leads to the lab's API server.
	Forward int `json:"forward"`
}

// Place is a machine: a network namespace behind a link to the router and, if it is a node, mounts and a host name of its own.
type Place struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	// PodRange is the addresses of the node's pods; empty for a place that is not a node.
	PodRange string `json:"podRange,omitempty"`
}

// Process is started when somebody asks for it, in a place or, if it names none, beside the router.
type Process struct {
	Name  string   `json:"name"`
	Place string   `json:"place,omitempty"`
	Args  []string `json:"args"`
}

// Read gives the plan in a state folder.
func Read(state string) (*Plan, error) {
	raw, err := os.ReadFile(filepath.Join(state, "plan.json"))
	if err != nil {
		return nil, err
	}
	var plan Plan
	if err := json.Unmarshal(raw, &plan); err != nil {
		return nil, fmt.Errorf("plan.json: %w", err)
	}
	return &plan, nil
}
