package loadbalancer

import (
	"errors"
	"net/netip"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

var pool = netip.MustParsePrefix("10.250.0.0/29")

func service(uid string, address string) *core.Service {
	made := &core.Service{Spec: core.ServiceSpec{Type: core.ServiceTypeLoadBalancer}}
	made.UID = types.UID(uid)
	if address != "" {
		made.Status.LoadBalancer.Ingress = []core.LoadBalancerIngress{{IP: address}}
	}
	return made
}

func TestChoose(t *testing.T) {
	asking := service("asking", "")
	asking.Spec.LoadBalancerIP = "10.250.0.4"
	for _, test := range []struct {
		name string
		of   *core.Service
		all  []*core.Service
		last string
		want string
	}{
		{"the lowest", service("a", ""), nil, "", "10.250.0.1"},
		{"the lowest that is free", service("a", ""), []*core.Service{service("b", "10.250.0.1"), service("c", "10.250.0.3")}, "", "10.250.0.2"},
		{"the next after the last", service("a", ""), []*core.Service{service("b", "10.250.0.3")}, "10.250.0.2", "10.250.0.4"},
		{"from the beginning after the end", service("a", ""), nil, "10.250.0.6", "10.250.0.1"},
		{"its own again", service("a", ""), []*core.Service{service("a", "10.250.0.1")}, "", "10.250.0.1"},
		{"what is asked for", asking, nil, "", "10.250.0.4"},
		{"another where that is taken", asking, []*core.Service{service("b", "10.250.0.4")}, "", "10.250.0.1"},
		{"as if others' addresses were not there", service("a", ""), []*core.Service{service("b", "192.0.2.1")}, "", "10.250.0.1"},
	} {
		last, _ := netip.ParseAddr(test.last)
		if got, err := choose(test.of, test.all, pool, last); err != nil || got.String() != test.want {
			t.Errorf("%s: got %v, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestChooseOfNone(t *testing.T) {
	var all []*core.Service
	for _, address := range []string{"1", "2", "3", "4", "5", "6"} {
		all = append(all, service(address, "10.250.0."+address))
	}
	if got, err := choose(service("a", ""), all, pool, netip.Addr{}); !errors.Is(err, errExhausted) {
		t.Errorf("got %v, %v where none is left", got, err)
	}
}

func TestIsWanted(t *testing.T) {
	other, ours, cluster := service("a", ""), service("b", ""), service("c", "")
	classes := []string{"other", Class}
	other.Spec.LoadBalancerClass, ours.Spec.LoadBalancerClass = &classes[0], &classes[1]
	cluster.Spec.Type = core.ServiceTypeClusterIP
	for of, want := range map[*core.Service]bool{service("d", ""): true, other: false, ours: true, cluster: false} {
		if got := isWanted(of); got != want {
			t.Errorf("%s: got %v, want %v", of.UID, got, want)
		}
	}
}
