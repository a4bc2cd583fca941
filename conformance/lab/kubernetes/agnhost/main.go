// Command agnhost is the part of Kubernetes' own test image of that name which servers and clients of network tests are.
// It is a binary of its own, and a small one, since tests start it tens of thousands of times.
// https://github.com/kubernetes/kubernetes/tree/master/test/images/agnhost
package main

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/kubernetes/test/images/agnhost/connect"
	"k8s.io/kubernetes/test/images/agnhost/pause"
	"k8s.io/kubernetes/test/images/agnhost/porter"
	servehostname "k8s.io/kubernetes/test/images/agnhost/serve-hostname"
)

func main() {
	root := &cobra.Command{Use: "agnhost"}
	root.AddCommand(connect.CmdConnect, pause.CmdPause, porter.CmdPorter, servehostname.CmdServeHostname)
	if root.Execute() != nil {
		os.Exit(1)
	}
}
