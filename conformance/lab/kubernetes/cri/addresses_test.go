package cri

import (
	"errors"
	"testing"
)

func TestAddresses(t *testing.T) {
	pool, err := newAddresses("10.244.7.0/29")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10.244.7.1", "10.244.7.2", "10.244.7.3", "10.244.7.4", "10.244.7.5"} {
		if got, err := pool.take(); err != nil || got.String() != want {
			t.Fatalf("took %v, %v, want %s", got, err, want)
		}
	}
	sixth, _ := pool.take()
	pool.giveBack(sixth.Prev().Prev())
	if got, err := pool.take(); err != nil || got.String() != "10.244.7.4" {
		t.Errorf("took %v, %v, want what was given back", got, err)
	}
	if _, err := pool.take(); !errors.Is(err, errExhausted) {
		t.Errorf("got %v where none is left", err)
	}
}

func TestAddressesAreNotUsedAgainAtOnce(t *testing.T) {
	pool, _ := newAddresses("10.244.7.0/24")
	first, _ := pool.take()
	pool.giveBack(first)
	if second, _ := pool.take(); second == first {
		t.Errorf("%v was given out again at once", first)
	}
}

func TestAddressesOfNoRange(t *testing.T) {
	for _, text := range []string{"", "10.0.0.1", "fd00::/64"} {
		if _, err := newAddresses(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
