package cri

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

var errExhausted = errors.New("no address is left for a pod")

// addresses gives out those of a range, one after the other, so that one that was given back stays unused for as long as possible.
type addresses struct {
	mutex  sync.Mutex
	within netip.Prefix
	last   netip.Addr
	used   map[netip.Addr]bool
}

// newAddresses leaves out the first address of the range, that of the network.
func newAddresses(within string) (*addresses, error) {
	prefix, err := netip.ParsePrefix(within)
	if err != nil {
		return nil, err
	}
	if !prefix.Addr().Is4() {
		return nil, fmt.Errorf("%s is no range of IPv4", within)
	}
	prefix = prefix.Masked()
	return &addresses{within: prefix, last: prefix.Addr(), used: map[netip.Addr]bool{}}, nil
}

func (a *addresses) take() (netip.Addr, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for next := a.after(a.last); next != a.last; next = a.after(next) {
		if !a.used[next] {
			a.used[next] = true
			a.last = next
			return next, nil
		}
	}
	return netip.Addr{}, errExhausted
}

func (a *addresses) giveBack(address netip.Addr) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	delete(a.used, address)
}

// after goes on at the beginning after the last but one: the last is that for broadcasts.
func (a *addresses) after(address netip.Addr) netip.Addr {
	next := address.Next()
	if !a.within.Contains(next) || !a.within.Contains(next.Next()) {
		return a.within.Addr().Next()
	}
	return next
}
