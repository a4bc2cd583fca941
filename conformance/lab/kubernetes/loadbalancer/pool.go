package loadbalancer

import (
	"errors"
	"net/netip"
	"slices"

	core "k8s.io/api/core/v1"
)

// Class is the loadBalancerClass of Services that want this controller and no other.
const Class = "lab"

var errExhausted = errors.New("no address is left for a load balancer")

// isWanted says whether a Service is to have an address from here.
func isWanted(service *core.Service) bool {
	class := service.Spec.LoadBalancerClass
	isOurs := class == nil || *class == Class
	return service.Spec.Type == core.ServiceTypeLoadBalancer && isOurs && service.DeletionTimestamp == nil
}

// addressOf gives the address in a Service's status, if it is of the pool.
func addressOf(service *core.Service, pool netip.Prefix) (netip.Addr, bool) {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(ingress.IP); err == nil && pool.Contains(address) {
			return address, true
		}
	}
	return netip.Addr{}, false
}

// choose gives the next address after the last that was given out that no Service has, so that one which was just given back rests
// for as long as can be: nodes learn at their own pace that it has changed hands. One that is asked for by spec.loadBalancerIP is given
// where it is free.
func choose(service *core.Service, all []*core.Service, pool netip.Prefix, last netip.Addr) (netip.Addr, error) {
	var used []netip.Addr
	for _, other := range all {
		if address, has := addressOf(other, pool); has && other.UID != service.UID {
			used = append(used, address)
		}
	}
	if asked, err := netip.ParseAddr(service.Spec.LoadBalancerIP); err == nil && pool.Contains(asked) && !slices.Contains(used, asked) {
		return asked, nil
	}
	first := pool.Masked().Addr().Next()
	if !pool.Contains(last) {
		last = pool.Masked().Addr()
	}
	start := last.Next()
	if !pool.Contains(start.Next()) {
		start = first
	}
	for next := start; ; {
		if !slices.Contains(used, next) {
			return next, nil
		}
		if next = next.Next(); !pool.Contains(next.Next()) {
			next = first
		}
		if next == start {
			return netip.Addr{}, errExhausted
		}
	}
}
