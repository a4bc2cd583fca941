package container

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCapabilities(t *testing.T) {
	for _, test := range []struct {
		name       string
		privileged bool
		drop, add  []string
		want       []int
	}{
		{name: "dropped all", drop: []string{"ALL"}, want: nil},
		{name: "dropped all, added some", drop: []string{"all"}, add: []string{"NET_ADMIN", "CAP_BPF"}, want: []int{unix.CAP_NET_ADMIN, unix.CAP_BPF}},
		{name: "dropped some of all", drop: everyNameBut("KILL"), add: []string{"ALL"}, want: []int{unix.CAP_KILL}},
		{name: "privileged", privileged: true, drop: []string{"ALL"}, want: everyCapability()},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Capabilities(test.privileged, test.drop, test.add)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
	if _, err := Capabilities(false, nil, []string{"NOTHING"}); err == nil {
		t.Error("a capability that does not exist was accepted")
	}
	if usual, _ := Capabilities(false, nil, nil); len(usual) != len(usualCapabilities) {
		t.Errorf("got %v, want what is usual", usual)
	}
}

func TestCapabilityNames(t *testing.T) {
	for name, number := range map[string]int{"NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE, "SYS_ADMIN": unix.CAP_SYS_ADMIN, "CHECKPOINT_RESTORE": unix.CAP_LAST_CAP} {
		if slices.Index(capabilityNames, name) != number {
			t.Errorf("%s is not %d", name, number)
		}
	}
}

func everyNameBut(name string) []string {
	return slices.DeleteFunc(slices.Clone(capabilityNames), func(other string) bool { return other == name })
}
