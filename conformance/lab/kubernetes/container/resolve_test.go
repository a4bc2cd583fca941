package container

import (
	"os"
	"path/filepath"
	"testing"
)

func TestResolve(t *testing.T) {
	root := t.TempDir()
	for link, target := range map[string]string{"var/run": "/run", "up": "../../../etc", "around": "around", "a/b": "c/d"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, link)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"/":                 "/",
		"/var/run/secrets":  "/run/secrets",
		"/up/passwd":        "/etc/passwd",
		"/../../etc/passwd": "/etc/passwd",
		"/a/b/e":            "/a/c/d/e",
		"/not/there":        "/not/there",
		"/around/x":         "/around/x",
	} {
		if got := Resolve(root, path); got != filepath.Join(root, want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
