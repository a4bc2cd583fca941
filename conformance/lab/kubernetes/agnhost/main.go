// Command agnhost is the part of Kubernetes' own test image of that name which servers and clients of network tests are.
// It is a binary of its own since tests start it tens of thousands of times, and the lab's takes long to start.
// https://github.com/kubernetes/kubernetes/tree/master/test/images/agnhost
package main

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/test/images/agnhost/connect"
	"k8s.io/kubernetes/test/images/agnhost/netexec"
	"k8s.io/kubernetes/test/images/agnhost/pause"
	"k8s.io/kubernetes/test/images/agnhost/porter"
	servehostname "k8s.io/kubernetes/test/images/agnhost/serve-hostname"
)

func main() {
	root := &cobra.Command{Use: "agnhost"}
	root.AddCommand(connect.CmdConnect, netexec.CmdNetexec, pause.CmdPause, porter.CmdPorter, servehostname.CmdServeHostname)
	os.Exit(cli.Run(root))
}
