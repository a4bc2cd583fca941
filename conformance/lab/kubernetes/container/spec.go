// Package container is what happens between the birth of a container's process and the program that it is to run: its mounts, its
// root folder, its user and privileges.
package container

// Spec is all that a container's first process has to know.
type Spec struct {
	// Network is the file of the pod's network namespace; empty for that of the node.
	Network  string
	Hostname string
	// Lower is the folder that is the root's content and Upper and Work are where changes go; Root is where both are joined.
	Lower, Upper, Work, Root string
	Mounts                   []Mount
	// Masked are hidden, Readonly cannot be written to.
	Masked, Readonly []string
	ReadonlyRoot     bool
	Privileged       bool
	Program          Program
}

// Mount shows a file or folder of the node in the container.
type Mount struct {
	Source, Target string
	Readonly       bool
	// Propagation is of what is mounted below it later on: "", "slave" or "shared".
	Propagation string
}

// Program is what is run in the end.
type Program struct {
	Args, Env []string
	Folder    string
	User      User
	// Capabilities are the most that the program can ever have, by number.
	Capabilities []int
	NoNewPrivs   bool
	// Filtered says whether dangerous system calls are refused.
	Filtered bool
}

// User is whom a program runs as.
type User struct {
	Uid, Gid int
	Groups   []int
}
