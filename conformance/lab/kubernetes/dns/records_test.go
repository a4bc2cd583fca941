package dns

import (
	"fmt"
	"testing"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
)

func TestRecords(t *testing.T) {
	cluster := &core.Service{Spec: core.ServiceSpec{ClusterIP: "10.96.0.7", Ports: []core.ServicePort{{Name: "http", Port: 80, Protocol: core.ProtocolTCP}, {Port: 81}}}}
	cluster.Name, cluster.Namespace = "web", "shop"
	headless := &core.Service{Spec: core.ServiceSpec{ClusterIP: core.ClusterIPNone}}
	headless.Name, headless.Namespace = "db", "shop"
	empty := headless.DeepCopy()
	empty.Name = "empty"
	external := &core.Service{Spec: core.ServiceSpec{Type: core.ServiceTypeExternalName}}
	external.Name, external.Namespace = "external", "shop"
	got := newRecords([]*core.Service{cluster, headless, empty, external}, []*discovery.EndpointSlice{sliceOf("db")})
	for name, want := range map[string]string{
		"web.shop.svc.cluster.local.":           "[10.96.0.7]",
		"db.shop.svc.cluster.local.":            "[10.244.1.2 10.244.1.3]",
		"db-0.db.shop.svc.cluster.local.":       "[10.244.1.2]",
		"10-244-1-3.db.shop.svc.cluster.local.": "[10.244.1.3]",
		"empty.shop.svc.cluster.local.":         "[]",
	} {
		if addresses, has := got.addresses[name]; !has || fmt.Sprint(addresses) != want {
			t.Errorf("%s: got %v, %v, want %s", name, addresses, has, want)
		}
	}
	for name, want := range map[string]string{
		"_http._tcp.web.shop.svc.cluster.local.": "[{80 web.shop.svc.cluster.local.}]",
		"_sql._tcp.db.shop.svc.cluster.local.":   "[{5432 db-0.db.shop.svc.cluster.local.} {5432 10-244-1-3.db.shop.svc.cluster.local.}]",
	} {
		if targets := fmt.Sprint(got.services[name]); targets != want {
			t.Errorf("%s: got %s, want %s", name, targets, want)
		}
	}
	if len(got.addresses) != 5 || len(got.services) != 2 {
		t.Errorf("got more than wanted: %v, %v", got.addresses, got.services)
	}
}

func sliceOf(service string) *discovery.EndpointSlice {
	name, protocol, port, hostname, isReady := "sql", core.ProtocolTCP, int32(5432), "db-0", false
	slice := &discovery.EndpointSlice{
		Ports: []discovery.EndpointPort{{Name: &name, Protocol: &protocol, Port: &port}},
		Endpoints: []discovery.Endpoint{
			{Addresses: []string{"10.244.1.2"}, Hostname: &hostname},
			{Addresses: []string{"10.244.1.3"}},
			{Addresses: []string{"10.244.1.4"}, Conditions: discovery.EndpointConditions{Ready: &isReady}},
		},
	}
	slice.Namespace, slice.Labels = "shop", map[string]string{discovery.LabelServiceName: service}
	return slice
}
