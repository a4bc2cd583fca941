package loadbalancer

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// protocol marks the routes that are ours, in the numbers that the kernel leaves to others.
const protocol = 220

// routes are those of the router: a connection goes to one of an address's nodes by a hash of its addresses and ports.
type routes struct {
	pool  netip.Prefix
	nodes map[netip.Addr][]netip.Addr
}

// newRoutes takes over what another process of this controller has left: traffic goes on until it is known what is wanted.
func newRoutes(pool netip.Prefix) *routes {
	r := &routes{pool: pool, nodes: map[netip.Addr][]netip.Addr{}}
	left, _ := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: protocol}, netlink.RT_FILTER_PROTOCOL)
	for _, route := range left {
		if address, is := addressOfRoute(route); is {
			r.nodes[address] = nodesOfRoute(route)
		}
	}
	return r
}

func addressOfRoute(route netlink.Route) (netip.Addr, bool) {
	if route.Dst == nil {
		return netip.Addr{}, false
	}
	address, is := netip.AddrFromSlice(route.Dst.IP)
	return address.Unmap(), is
}

// nodesOfRoute are in order. The kernel tells of a single one in another place.
func nodesOfRoute(route netlink.Route) []netip.Addr {
	gateways := []net.IP{route.Gw}
	for _, hop := range route.MultiPath {
		gateways = append(gateways, hop.Gw)
	}
	var nodes []netip.Addr
	for _, gateway := range gateways {
		if node, is := netip.AddrFromSlice(gateway); is {
			nodes = append(nodes, node.Unmap())
		}
	}
	slices.SortFunc(nodes, netip.Addr.Compare)
	return nodes
}

// set has each address lead to its nodes. One without nodes is unreachable, as are those that nobody has.
func (r *routes) set(wanted map[netip.Addr][]netip.Addr) error {
	for address := range r.nodes {
		if len(wanted[address]) == 0 {
			if err := netlink.RouteDel(&netlink.Route{Dst: host(address), Protocol: protocol}); err != nil {
				return fmt.Errorf("route to %s: %w", address, err)
			}
			delete(r.nodes, address)
		}
	}
	for address, nodes := range wanted {
		slices.SortFunc(nodes, netip.Addr.Compare)
		if len(nodes) == 0 || slices.Equal(r.nodes[address], nodes) {
			continue
		}
		if err := netlink.RouteReplace(r.route(address, nodes)); err != nil {
			return fmt.Errorf("route to %s: %w", address, err)
		}
		r.nodes[address] = nodes
	}
	return nil
}

func (r *routes) route(address netip.Addr, nodes []netip.Addr) *netlink.Route {
	route := &netlink.Route{Dst: host(address), Protocol: protocol}
	for _, node := range nodes {
		route.MultiPath = append(route.MultiPath, &netlink.NexthopInfo{LinkIndex: linkTo(node), Gw: node.AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
	}
	return route
}

// linkTo is the link of the node's own route; 0 where it has none.
func linkTo(node netip.Addr) int {
	found, err := netlink.RouteGet(node.AsSlice())
	if err != nil || len(found) == 0 {
		return 0
	}
	return found[0].LinkIndex
}

func host(address netip.Addr) *net.IPNet {
	return &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(32, 32)}
}
