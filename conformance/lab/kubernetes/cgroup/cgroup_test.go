package cgroup

import (
	"fmt"
	"os"
	"testing"
)

func TestIsStale(t *testing.T) {
	own := startTime(os.Getpid())
	if own == "" {
		t.Fatal("this process has no start time")
	}
	for name, want := range map[string]bool{
		fmt.Sprintf("sluice-lab-%d-%s", os.Getpid(), own):  false,
		fmt.Sprintf("sluice-lab-%d-1%s", os.Getpid(), own): true,
		"sluice-lab-4194305-1":                             true,
		"sluice-lab-other":                                 false,
		"sluice-netns-4194305-1-1":                         false,
		"kubepods":                                         false,
	} {
		if got := isStale(name); got != want {
			t.Errorf("isStale(%q) is %v", name, got)
		}
	}
}
