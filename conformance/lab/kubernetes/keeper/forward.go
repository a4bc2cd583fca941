package keeper

import (
	"fmt"
	"io"
	"net"
	"time"

	"sluice.io/lab/kubernetes/namespace"
	"sluice.io/lab/kubernetes/plan"
)

const dialTimeout = 5 * time.Second

// forward leads each connection to the API server in the lab whose first process has this identifier.
func forward(listener net.Listener, first int) {
	inside := fmt.Sprintf("/proc/%d/ns/net", first)
	for {
		outer, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer outer.Close()
			inner, err := namespace.Dial(inside, net.JoinHostPort(plan.RouterAddress, "6443"), dialTimeout)
			if err != nil {
				return
			}
			defer inner.Close()
			joinBoth(outer, inner)
		}()
	}
}

// joinBoth copies both ways until both have ended.
func joinBoth(left, right net.Conn) {
	done := make(chan struct{})
	go func() {
		io.Copy(right, left)
		closeWrite(right)
		close(done)
	}()
	io.Copy(left, right)
	closeWrite(left)
	<-done
}

func closeWrite(connection net.Conn) {
	if half, ok := connection.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}
