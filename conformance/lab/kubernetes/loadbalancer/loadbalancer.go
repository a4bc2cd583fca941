// Package loadbalancer is what a cloud would be: it gives Services of type LoadBalancer an address, and the router of the lab, where it
// runs, leads that address to the nodes.
package loadbalancer

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"sluice.io/lab/kubernetes/client"
	"sluice.io/lab/kubernetes/plan"
)

// retryDelay is how long after a failure everything is looked at again.
const retryDelay = time.Second

type controller struct {
	api  kubernetes.Interface
	pool netip.Prefix
	// last is the address that was given out last.
	last     netip.Addr
	services corelisters.ServiceLister
	nodes    corelisters.NodeLister
	slices   discoverylisters.EndpointSliceLister
	routes   *routes
	changed  chan struct{}
}

// Main runs until it is told to end by a signal.
func Main() int {
	flags := flag.NewFlagSet("loadbalancer", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	pool := flags.String("pool", plan.LoadBalancerRange, "addresses to give out")
	flags.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *pool); err != nil {
		fmt.Fprintln(os.Stderr, "loadbalancer:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, kubeconfig, pool string) error {
	prefix, err := netip.ParsePrefix(pool)
	if err != nil {
		return err
	}
	api, err := client.New(kubeconfig)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(api, 0)
	c := &controller{
		api: api, pool: prefix, routes: newRoutes(prefix), changed: make(chan struct{}, 1),
		services: factory.Core().V1().Services().Lister(),
		nodes:    factory.Core().V1().Nodes().Lister(),
		slices:   factory.Discovery().V1().EndpointSlices().Lister(),
	}
	for _, informer := range []cache.SharedInformer{
		factory.Core().V1().Services().Informer(), factory.Core().V1().Nodes().Informer(), factory.Discovery().V1().EndpointSlices().Informer(),
	} {
		informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { c.note() },
			UpdateFunc: func(any, any) { c.note() },
			DeleteFunc: func(any) { c.note() },
		})
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	c.follow(ctx)
	return nil
}

func (c *controller) note() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// follow looks at everything after any change: there is little of it.
func (c *controller) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
		if err := c.reconcile(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.AfterFunc(retryDelay, c.note)
		}
	}
}

func (c *controller) reconcile(ctx context.Context) error {
	all, err := c.services.List(labels.Everything())
	if err != nil {
		return err
	}
	wanted := map[netip.Addr][]netip.Addr{}
	for i, service := range all {
		address, has := addressOf(service, c.pool)
		if isWanted(service) != has {
			updated, err := c.give(ctx, service, all)
			if err != nil {
				return err
			}
			// What is given out is known before the informer tells of it.
			all[i] = updated
			address, has = addressOf(updated, c.pool)
		}
		if !has {
			continue
		}
		if wanted[address], err = c.nodesOf(service); err != nil {
			return err
		}
	}
	return c.routes.set(wanted)
}

// give writes an address into a Service's status, or takes it out where the Service wants none any more.
func (c *controller) give(ctx context.Context, service *core.Service, all []*core.Service) (*core.Service, error) {
	changed := service.DeepCopy()
	changed.Status.LoadBalancer = core.LoadBalancerStatus{}
	if isWanted(service) {
		address, err := choose(service, all, c.pool, c.last)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", service.Namespace, service.Name, err)
		}
		c.last = address
		mode := core.LoadBalancerIPModeVIP
		changed.Status.LoadBalancer.Ingress = []core.LoadBalancerIngress{{IP: address.String(), IPMode: &mode}}
	}
	return c.api.CoreV1().Services(service.Namespace).UpdateStatus(ctx, changed, meta.UpdateOptions{})
}

// nodesOf gives the addresses of the nodes that an address leads to: ready ones, and with externalTrafficPolicy Local only those that have
// an endpoint themselves.
func (c *controller) nodesOf(service *core.Service) ([]netip.Addr, error) {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	local := map[string]bool{}
	isLocal := service.Spec.ExternalTrafficPolicy == core.ServiceExternalTrafficPolicyLocal
	if isLocal {
		of := labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: service.Name})
		slices, err := c.slices.EndpointSlices(service.Namespace).List(of)
		if err != nil {
			return nil, err
		}
		local = nodesWithEndpoints(slices)
	}
	var found []netip.Addr
	for _, node := range nodes {
		if address, is := readyAddress(node); is && (!isLocal || local[node.Name]) {
			found = append(found, address)
		}
	}
	return found, nil
}

func nodesWithEndpoints(slices []*discovery.EndpointSlice) map[string]bool {
	found := map[string]bool{}
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			isReady := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			if isReady && endpoint.NodeName != nil {
				found[*endpoint.NodeName] = true
			}
		}
	}
	return found
}

func readyAddress(node *core.Node) (netip.Addr, bool) {
	isReady := false
	for _, condition := range node.Status.Conditions {
		isReady = isReady || condition.Type == core.NodeReady && condition.Status == core.ConditionTrue
	}
	for _, address := range node.Status.Addresses {
		if parsed, err := netip.ParseAddr(address.Address); err == nil && address.Type == core.NodeInternalIP {
			return parsed, isReady
		}
	}
	return netip.Addr{}, false
}
