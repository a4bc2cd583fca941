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

// choose gives the lowest address that no Service has; that which is asked for by spec.loadBalancerIP where it is free.
func choose(service *core.Service, all []*core.Service, pool netip.Prefix) (netip.Addr, error) {
	var used []netip.Addr
	for _, other := range all {
		if address, has := addressOf(other, pool); has && other.UID != service.UID {
			used = append(used, address)
		}
	}
	if asked, err := netip.ParseAddr(service.Spec.LoadBalancerIP); err == nil && pool.Contains(asked) && !slices.Contains(used, asked) {
		return asked, nil
	}
	for next := pool.Masked().Addr().Next(); pool.Contains(next.Next()); next = next.Next() {
		if !slices.Contains(used, next) {
			return next, nil
		}
	}
	return netip.Addr{}, errExhausted
}
