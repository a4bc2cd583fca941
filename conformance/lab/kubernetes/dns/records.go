package dns

import (
	"net/netip"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
)

// zone is the cluster's domain.
const zone = "cluster.local."

// records is what the names of Services lead to, by https://github.com/kubernetes/dns/blob/master/docs/specification.md
type records struct {
	addresses map[string][]netip.Addr
	services  map[string][]target
}

type target struct {
	port uint16
	name string
}

func newRecords(services []*core.Service, slices []*discovery.EndpointSlice) *records {
	made := &records{addresses: map[string][]netip.Addr{}, services: map[string][]target{}}
	byService := map[string][]*discovery.EndpointSlice{}
	for _, slice := range slices {
		key := slice.Namespace + "/" + slice.Labels[discovery.LabelServiceName]
		byService[key] = append(byService[key], slice)
	}
	for _, service := range services {
		made.addService(service, byService[service.Namespace+"/"+service.Name])
	}
	return made
}

func (r *records) addService(service *core.Service, slices []*discovery.EndpointSlice) {
	name := service.Name + "." + service.Namespace + ".svc." + zone
	if service.Spec.ClusterIP == core.ClusterIPNone {
		r.addHeadless(name, service, slices)
		return
	}
	address, err := netip.ParseAddr(service.Spec.ClusterIP)
	if err != nil {
		return
	}
	r.addresses[name] = []netip.Addr{address}
	for _, port := range service.Spec.Ports {
		r.addTarget(name, port.Name, string(port.Protocol), target{port: uint16(port.Port), name: name})
	}
}

func (r *records) addHeadless(name string, service *core.Service, endpoints []*discovery.EndpointSlice) {
	// A Service without endpoints exists all the same.
	r.addresses[name] = nil
	for _, slice := range endpoints {
		for _, endpoint := range slice.Endpoints {
			isReady := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			if !isReady && !service.Spec.PublishNotReadyAddresses {
				continue
			}
			for _, text := range endpoint.Addresses {
				if address, err := netip.ParseAddr(text); err == nil {
					r.addEndpoint(name, address, endpoint.Hostname, slice.Ports)
				}
			}
		}
	}
}

func (r *records) addEndpoint(service string, address netip.Addr, hostname *string, ports []discovery.EndpointPort) {
	r.addAddress(service, address)
	label := strings.NewReplacer(".", "-", ":", "-").Replace(address.String())
	if hostname != nil && *hostname != "" {
		label = *hostname
	}
	own := label + "." + service
	r.addAddress(own, address)
	for _, port := range ports {
		if port.Port != nil && port.Protocol != nil && port.Name != nil {
			r.addTarget(service, *port.Name, string(*port.Protocol), target{port: uint16(*port.Port), name: own})
		}
	}
}

func (r *records) addAddress(name string, address netip.Addr) {
	if !slices.Contains(r.addresses[name], address) {
		r.addresses[name] = append(r.addresses[name], address)
	}
}

func (r *records) addTarget(service, port, protocol string, to target) {
	if port == "" {
		return
	}
	name := "_" + port + "._" + strings.ToLower(protocol) + "." + service
	r.services[name] = append(r.services[name], to)
}
