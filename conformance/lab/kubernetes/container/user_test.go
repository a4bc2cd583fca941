package container

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFindUser(t *testing.T) {
	root := t.TempDir()
	os.Mkdir(filepath.Join(root, "etc"), 0o755)
	os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"), 0o644)
	os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\napp:x:1001:\nextra:x:2000:other,app\n"), 0o644)
	for text, want := range map[string][2]int{"": {0, 0}, "app": {1000, 1001}, "1000": {1000, 1001}, "app:extra": {1000, 2000}, "65532": {65532, 0}, "65532:65533": {65532, 65533}} {
		got, err := FindUser(root, text)
		if err != nil || got.Uid != want[0] || got.Gid != want[1] {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"nobody", "app:nobody"} {
		if _, err := FindUser(root, text); err == nil {
			t.Errorf("%q was found", text)
		}
	}
	if groups := GroupsOf(root, User{Uid: 1000, Gid: 1001}, []int64{5, 2000}); !slices.Equal(groups, []int{5, 1001, 2000}) {
		t.Errorf("groups are %v", groups)
	}
	if home := HomeOf(root, 1000); home != "/home/app" {
		t.Errorf("home is %s", home)
	}
}
