package supervisor

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sluice.io/lab/kubernetes/plan"
)

// uplink is the name that a place has for its link to the router. The router names its end after the place.
const uplink = "eth0"

// untranslatedPriority is after all rules of Sluice, and before that of the main table.
const untranslatedPriority = 1000

// prepareRouter makes this process's network the router between all places. Links are point to point, without a bridge: each
// packet is routed.
func prepareRouter(lab *plan.Plan) error {
	if err := unix.Sethostname([]byte("lab-" + lab.Name)); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	if err := addLoopback(plan.RouterAddress); err != nil {
		return err
	}
	if err := setKernel("net/ipv4/fib_multipath_hash_policy", "1"); err != nil {
		return err
	}
	return allowRouting()
}

func linkToRouter(described plan.Place) error {
	other, err := os.Open(filepath.Join(placeFolder(described.Name), "net"))
	if err != nil {
		return err
	}
	defer other.Close()
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: described.Name}, PeerName: uplink, PeerNamespace: netlink.NsFd(other.Fd())}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	source := net.ParseIP(plan.RouterAddress)
	direct := &netlink.Route{LinkIndex: link.Index, Dst: host(described.Address), Src: source, Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteAdd(direct); err != nil {
		return fmt.Errorf("route to %s: %w", described.Address, err)
	}
	if described.PodRange == "" {
		return nil
	}
	_, pods, err := net.ParseCIDR(described.PodRange)
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Index, Dst: pods, Gw: net.ParseIP(described.Address), Src: source})
}

// prepareNetwork is called on the place's thread.
func prepareNetwork(described plan.Place) error {
	if err := addLoopback(""); err != nil {
		return err
	}
	link, err := netlink.LinkByName(uplink)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: host(described.Address)}); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	router := net.ParseIP(plan.RouterAddress)
	index := link.Attrs().Index
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: index, Dst: host(plan.RouterAddress), Scope: netlink.SCOPE_LINK}); err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: index, Gw: router, Src: net.ParseIP(described.Address)}); err != nil {
		return err
	}
	if described.PodRange != "" {
		if err := dropUntranslated(); err != nil {
			return err
		}
	}
	return allowRouting()
}

// dropUntranslated has a node drop what a load balancer sent it and kube-proxy did not translate. While kube-proxy changes its rules, now and then
// a packet meets none of them (nftables looks elements up without a lock). Routed like any other, it would go round between node and router until
// its time is over, and its sender would hear that there is no route to the host; dropped, it is sent again.
func dropUntranslated() error {
	_, balanced, err := net.ParseCIDR(plan.LoadBalancerRange)
	if err != nil {
		return err
	}
	rule := netlink.NewRule()
	rule.IifName, rule.Dst, rule.Type, rule.Priority = uplink, balanced, unix.RTN_BLACKHOLE, untranslatedPriority
	return netlink.RuleAdd(rule)
}

func addLoopback(address string) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if address != "" {
		if err := netlink.AddrAdd(loopback, &netlink.Addr{IPNet: host(address)}); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(loopback)
}

// allowRouting also lets packets come in by another link than the one by which their answers leave.
func allowRouting() error {
	for name, value := range map[string]string{
		"net/ipv4/ip_forward":             "1",
		"net/ipv4/conf/all/rp_filter":     "0",
		"net/ipv4/conf/default/rp_filter": "0",
	} {
		if err := setKernel(name, value); err != nil {
			return err
		}
	}
	return nil
}

// setKernel sets a parameter of the network namespace that the thread is in.
func setKernel(name, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0)
}

func host(address string) *net.IPNet {
	return &net.IPNet{IP: net.ParseIP(address).To4(), Mask: net.CIDRMask(32, 32)}
}
