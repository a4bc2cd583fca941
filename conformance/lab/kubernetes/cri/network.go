package cri

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sluice.io/lab/kubernetes/namespace"
)

const (
	namespaces = "/run/netns"
	podLink    = "eth0"
)

// podNetwork links pods to the node by veths, point to point: all packets are routed, and so seen by kube-proxy's rules.
type podNetwork struct {
	node net.IP
	pool *addresses
}

func newPodNetwork(node, pods string) (*podNetwork, error) {
	pool, err := newAddresses(pods)
	if err != nil {
		return nil, err
	}
	left, _ := filepath.Glob(filepath.Join(namespaces, "*"))
	for _, file := range left {
		removeNamespace(file)
	}
	return &podNetwork{node: net.ParseIP(node), pool: pool}, nil
}

// add makes a pod's network namespace and gives its file and the pod's address.
func (n *podNetwork) add(id string) (string, netip.Addr, error) {
	address, err := n.pool.take()
	if err != nil {
		return "", address, err
	}
	file := filepath.Join(namespaces, id)
	if err := n.link(id, file, address); err != nil {
		n.remove(id, file, address)
		return "", address, fmt.Errorf("network: %w", err)
	}
	return file, address, nil
}

// remove takes the links with the namespace, once its last process has ended; the node's end of them at once.
func (n *podNetwork) remove(id, file string, address netip.Addr) {
	if link, err := netlink.LinkByName(linkName(id)); err == nil {
		netlink.LinkDel(link)
	}
	removeNamespace(file)
	n.pool.giveBack(address)
}

func removeNamespace(file string) {
	unix.Unmount(file, unix.MNT_DETACH)
	os.Remove(file)
}

// linkName is short enough for the kernel.
func linkName(id string) string {
	return "pod" + id[:12]
}

func (n *podNetwork) link(id, file string, address netip.Addr) error {
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return err
	}
	hold := func() error { return unix.Mount("/proc/thread-self/ns/net", file, "", unix.MS_BIND, "") }
	if err := namespace.InNew(unix.CLONE_NEWNET, hold); err != nil {
		return err
	}
	held, err := os.Open(file)
	if err != nil {
		return err
	}
	defer held.Close()
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: linkName(id)}, PeerName: podLink, PeerNamespace: netlink.NsFd(held.Fd())}
	if err := netlink.LinkAdd(link); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	pod := &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(32, 32)}
	route := &netlink.Route{LinkIndex: link.Index, Dst: pod, Src: n.node, Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteAdd(route); err != nil {
		return err
	}
	return namespace.In(file, unix.CLONE_NEWNET, func() error { return n.prepare(pod) })
}

// prepare is called in the pod's namespace.
func (n *podNetwork) prepare(pod *net.IPNet) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return err
	}
	link, err := netlink.LinkByName(podLink)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: pod}); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	index := link.Attrs().Index
	node := &net.IPNet{IP: n.node, Mask: net.CIDRMask(32, 32)}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: index, Dst: node, Scope: netlink.SCOPE_LINK}); err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: index, Gw: n.node}); err != nil {
		return err
	}
	// As containerd 2 does: any user may bind any port.
	return os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
}
